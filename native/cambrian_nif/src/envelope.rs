//! cambrian_envelope

use crate::genotype::{GenotypeArc, wrap};
use crate::list::List;
use crate::{atoms, error};
use cambrian_core::envelope::{self, Claims, Envelope, GenotypeId};
use rustler::{Atom, Binary, Encoder, Env, Error, NewBinary, NifResult, Resource, ResourceArc, Term};

pub struct EnvelopeResource(Envelope);

#[rustler::resource_impl]
impl Resource for EnvelopeResource {}

type EnvelopeArc = ResourceArc<EnvelopeResource>;

fn bytes32(bytes: Binary) -> NifResult<[u8; 32]> {
    bytes.as_slice().try_into().map_err(|_| Error::BadArg)
}

fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    Binary::from(NewBinary::from_slice(env, bytes)).to_term(env)
}

#[rustler::nif]
fn envelope_public_key<'a>(env: Env<'a>, secret: Binary<'a>) -> NifResult<Term<'a>> {
    Ok(binary(env, &envelope::public_key(&bytes32(secret)?)))
}

fn field<'a, T: rustler::Decoder<'a>>(map: Term<'a>, key: Atom) -> NifResult<T> {
    map.map_get(key)?.decode()
}

#[rustler::nif(schedule = "DirtyCpu")]
fn envelope_seal<'a>(
    env: Env<'a>,
    claims: Term<'a>,
    genotype: GenotypeArc,
    secret: Binary<'a>,
) -> NifResult<(Atom, Term<'a>)> {
    let List(parents) = field::<List<Binary>>(claims, atoms::parents())?;
    let claims = Claims {
        realm: field(claims, atoms::realm())?,
        task: field(claims, atoms::task())?,
        fitness: field(claims, atoms::fitness())?,
        generation: field(claims, atoms::generation())?,
        parents: parents.into_iter().map(bytes32).collect::<NifResult<Vec<GenotypeId>>>()?,
        sequence: field(claims, atoms::sequence())?,
        time: field(claims, atoms::time())?,
    };
    let sealed = envelope::seal(&claims, &genotype.0, &bytes32(secret)?);
    Ok((atoms::ok(), binary(env, &sealed.map_err(error::envelope)?)))
}

/// Size, shape and version: `{ok, Envelope, Claims}`.
#[rustler::nif]
fn envelope_read<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, EnvelopeArc, Term<'a>)> {
    let envelope = envelope::read(&bytes).map_err(error::envelope)?;
    let claims = &envelope.claims;
    let parents: Vec<Term> = claims.parents.iter().map(|id| binary(env, id)).collect();
    let map = Term::map_from_pairs(
        env,
        &[
            (atoms::realm(), claims.realm.encode(env)),
            (atoms::task(), claims.task.encode(env)),
            (atoms::genotype(), binary(env, &envelope.genotype)),
            (atoms::fitness(), claims.fitness.encode(env)),
            (atoms::generation(), claims.generation.encode(env)),
            (atoms::parents(), parents.encode(env)),
            (atoms::origin(), binary(env, &envelope.origin)),
            (atoms::sequence(), claims.sequence.encode(env)),
            (atoms::time(), claims.time.encode(env)),
        ],
    )?;
    Ok((atoms::ok(), ResourceArc::new(EnvelopeResource(envelope)), map))
}

/// Signature, decompression, validity, id.
#[rustler::nif(schedule = "DirtyCpu")]
fn envelope_open(envelope: EnvelopeArc) -> NifResult<(Atom, GenotypeArc)> {
    Ok((atoms::ok(), wrap(envelope.0.open().map_err(error::envelope)?)))
}
