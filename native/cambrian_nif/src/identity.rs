//! cambrian_identity and cambrian_charter

use crate::term::{List, binary, bytes32, field};
use crate::{atoms, error};
use cambrian_core::wire::identity::{
    self, CertificateError, Charter, Grant, Key, Signer, Succession,
};
use rustler::{Atom, Binary, Encoder, Env, NifResult, Term};

#[rustler::nif]
fn identity_public_key<'a>(env: Env<'a>, secret: Binary<'a>) -> NifResult<Term<'a>> {
    Ok(binary(env, &identity::public_key(&bytes32(secret)?)))
}

fn signer(secret: Binary) -> NifResult<Signer> {
    Ok(Signer::new(&bytes32(secret)?))
}

/// `{ok, Bytes}`
fn sealed<'a>(
    env: Env<'a>,
    bytes: Result<Vec<u8>, CertificateError>,
) -> NifResult<(Atom, Term<'a>)> {
    Ok((atoms::ok(), binary(env, &bytes.map_err(error::certificate)?)))
}

#[rustler::nif]
fn identity_succession<'a>(
    env: Env<'a>,
    old: Binary<'a>,
    new: Binary<'a>,
    time: u64,
) -> NifResult<Term<'a>> {
    Ok(binary(env, &Succession::seal(&signer(old)?, &signer(new)?, time)))
}

/// `{ok, #{old, new, time}}`
#[rustler::nif(schedule = "DirtyCpu")]
fn identity_read_succession<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    succession(env, Succession::read(&bytes))
}

/// The same without verifying the signatures.
#[rustler::nif]
fn identity_peek_succession<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    succession(env, Succession::peek(&bytes))
}

fn succession<'a>(
    env: Env<'a>,
    said: Result<Succession, CertificateError>,
) -> NifResult<(Atom, Term<'a>)> {
    let said = said.map_err(error::certificate)?;
    let pairs = [
        (atoms::old(), binary(env, &said.old)),
        (atoms::new(), binary(env, &said.new)),
        (atoms::time(), said.time.encode(env)),
    ];
    Ok((atoms::ok(), Term::map_from_pairs(env, &pairs)?))
}

/// `{ok, Bytes}`
#[rustler::nif]
fn identity_grant<'a>(
    env: Env<'a>,
    secret: Binary<'a>,
    realm: &str,
    key: Binary<'a>,
    times: (u64, u64),
) -> NifResult<(Atom, Term<'a>)> {
    sealed(env, Grant::seal(&signer(secret)?, realm, &bytes32(key)?, times))
}

/// `{ok, Bytes}`
#[rustler::nif]
fn identity_cosign_grant<'a>(
    env: Env<'a>,
    secret: Binary<'a>,
    bytes: Binary<'a>,
) -> NifResult<(Atom, Term<'a>)> {
    sealed(env, Grant::cosign(&bytes, &signer(secret)?))
}

/// `{ok, #{realm, key, issued, until, by, id}}`
#[rustler::nif(schedule = "DirtyCpu")]
fn identity_read_grant<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    grant(env, Grant::read(&bytes))
}

/// The same without verifying the signatures.
#[rustler::nif]
fn identity_peek_grant<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    grant(env, Grant::peek(&bytes))
}

fn grant<'a>(env: Env<'a>, said: Result<Grant, CertificateError>) -> NifResult<(Atom, Term<'a>)> {
    let said = said.map_err(error::certificate)?;
    let pairs = [
        (atoms::realm(), said.realm.encode(env)),
        (atoms::key(), binary(env, &said.key)),
        (
            atoms::issued(),
            said.issued.map_or_else(|| atoms::undefined().encode(env), |at| at.encode(env)),
        ),
        (atoms::until(), said.until.encode(env)),
        (atoms::by(), binaries(env, &said.by)),
        (atoms::id(), binary(env, &said.id)),
    ];
    Ok((atoms::ok(), Term::map_from_pairs(env, &pairs)?))
}

/// `{ok, Bytes}` of `#{realm, number, issued, owners, threshold, revoked}`
#[rustler::nif]
fn charter_seal<'a>(
    env: Env<'a>,
    said: Term<'a>,
    secret: Binary<'a>,
) -> NifResult<(Atom, Term<'a>)> {
    let charter = Charter {
        realm: field(said, atoms::realm())?,
        number: field(said, atoms::number())?,
        issued: field(said, atoms::issued())?,
        owners: keys(said, atoms::owners())?,
        threshold: field(said, atoms::threshold())?,
        revoked: keys(said, atoms::revoked())?,
        by: vec![],
        id: [0; 32],
    };
    sealed(env, charter.seal(&signer(secret)?))
}

fn keys(map: Term, name: Atom) -> NifResult<Vec<Key>> {
    let List(keys): List<Binary> = field(map, name)?;
    keys.into_iter().map(bytes32).collect()
}

/// `{ok, Bytes}`
#[rustler::nif]
fn charter_cosign<'a>(
    env: Env<'a>,
    bytes: Binary<'a>,
    secret: Binary<'a>,
) -> NifResult<(Atom, Term<'a>)> {
    sealed(env, Charter::cosign(&bytes, &signer(secret)?))
}

/// `{ok, #{realm, number, issued, owners, threshold, revoked, by, id}}`
#[rustler::nif(schedule = "DirtyCpu")]
fn charter_read<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    charter(env, Charter::read(&bytes))
}

/// The same without verifying the signatures.
#[rustler::nif]
fn charter_peek<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    charter(env, Charter::peek(&bytes))
}

fn charter<'a>(
    env: Env<'a>,
    said: Result<Charter, CertificateError>,
) -> NifResult<(Atom, Term<'a>)> {
    let said = said.map_err(error::certificate)?;
    let pairs = [
        (atoms::realm(), said.realm.encode(env)),
        (atoms::number(), said.number.encode(env)),
        (atoms::issued(), said.issued.encode(env)),
        (atoms::owners(), binaries(env, &said.owners)),
        (atoms::threshold(), said.threshold.encode(env)),
        (atoms::revoked(), binaries(env, &said.revoked)),
        (atoms::by(), binaries(env, &said.by)),
        (atoms::id(), binary(env, &said.id)),
    ];
    Ok((atoms::ok(), Term::map_from_pairs(env, &pairs)?))
}

fn binaries<'a>(env: Env<'a>, all: &[[u8; 32]]) -> Term<'a> {
    all.iter().map(|bytes| binary(env, bytes)).collect::<Vec<_>>().encode(env)
}
