//! cambrian_identity

use crate::term::{binary, bytes32};
use crate::{atoms, error};
use cambrian_core::identity::{self, Grant, Signer, Succession};
use rustler::{Atom, Binary, Encoder, Env, NifResult, Term};

#[rustler::nif]
fn identity_public_key<'a>(env: Env<'a>, secret: Binary<'a>) -> NifResult<Term<'a>> {
    Ok(binary(env, &identity::public_key(&bytes32(secret)?)))
}

fn signer(secret: Binary) -> NifResult<Signer> {
    Ok(Signer::new(&bytes32(secret)?))
}

#[rustler::nif]
fn identity_succession<'a>(env: Env<'a>, old: Binary<'a>, new: Binary<'a>, time: u64) -> NifResult<Term<'a>> {
    Ok(binary(env, &Succession::seal(&signer(old)?, &signer(new)?, time)))
}

/// `{ok, #{old, new, time}}`
#[rustler::nif(schedule = "DirtyCpu")]
fn identity_read_succession<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    let said = Succession::read(&bytes).map_err(error::certificate)?;
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
    until: u64,
) -> NifResult<(Atom, Term<'a>)> {
    let grant = Grant::seal(&signer(secret)?, realm, &bytes32(key)?, until);
    Ok((atoms::ok(), binary(env, &grant.map_err(error::certificate)?)))
}

/// `{ok, #{realm, by, key, until}}`
#[rustler::nif(schedule = "DirtyCpu")]
fn identity_read_grant<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    let said = Grant::read(&bytes).map_err(error::certificate)?;
    let pairs = [
        (atoms::realm(), said.realm.encode(env)),
        (atoms::by(), binary(env, &said.by)),
        (atoms::key(), binary(env, &said.key)),
        (atoms::until(), said.until.encode(env)),
    ];
    Ok((atoms::ok(), Term::map_from_pairs(env, &pairs)?))
}
