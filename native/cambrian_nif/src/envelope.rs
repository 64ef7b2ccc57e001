//! cambrian_envelope

use crate::genotype::{GenotypeArc, wrap};
use crate::term::{List, binary, bytes32, field};
use crate::{atoms, error};
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::wire::codec::GenotypeId;
use cambrian_core::wire::envelope::{self, Claims, Envelope, Record};
use cambrian_core::wire::identity::Signer;
use rustler::{Atom, Binary, Encoder, Env, NifResult, Resource, ResourceArc, Term};

pub struct EnvelopeResource(Envelope);

#[rustler::resource_impl]
impl Resource for EnvelopeResource {}

type EnvelopeArc = ResourceArc<EnvelopeResource>;

/// `undefined` is `None`.
fn optional<'a, T: rustler::Decoder<'a>>(term: Term<'a>) -> NifResult<Option<T>> {
    if term.is_atom() && term.decode::<Atom>()? == atoms::undefined() {
        Ok(None)
    } else {
        term.decode().map(Some)
    }
}

fn genes(genotype: &Option<GenotypeArc>) -> Option<&Genotype> {
    genotype.as_ref().map(|genotype| &*genotype.0)
}

/// As a difference to `base` if `base` is a genotype.
#[rustler::nif(schedule = "DirtyCpu")]
fn envelope_seal<'a>(
    env: Env<'a>,
    claims: Term<'a>,
    genotype: GenotypeArc,
    base: Term<'a>,
    secret: Binary<'a>,
) -> NifResult<(Atom, Term<'a>)> {
    let List(parents) = field::<List<Binary>>(claims, atoms::parents())?;
    let List(operators) = field::<List<Term>>(claims, atoms::operators())?;
    let grant: Option<Binary> = optional(field(claims, atoms::grant())?)?;
    let claims = Claims {
        realm: field(claims, atoms::realm())?,
        task: field(claims, atoms::task())?,
        fitness: field(claims, atoms::fitness())?,
        generation: field(claims, atoms::generation())?,
        parents: parents.into_iter().map(bytes32).collect::<NifResult<Vec<GenotypeId>>>()?,
        operators: operators
            .into_iter()
            .map(|name| name.decode())
            .collect::<NifResult<Vec<String>>>()?,
        grant: grant.map(|grant| grant.to_vec()),
        sequence: field(claims, atoms::sequence())?,
        time: field(claims, atoms::time())?,
    };
    let base = optional(base)?;
    let sealed =
        envelope::seal(&claims, &genotype.0, genes(&base), &Signer::new(&bytes32(secret)?));
    Ok((atoms::ok(), binary(env, &sealed.map_err(error::envelope)?)))
}

/// Size, shape and version: `{ok, Envelope, Claims}`.
#[rustler::nif]
fn envelope_read<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, EnvelopeArc, Term<'a>)> {
    let envelope = envelope::read(&bytes).map_err(error::envelope)?;
    let claims = show(env, &envelope.record)?;
    Ok((atoms::ok(), ResourceArc::new(EnvelopeResource(envelope)), claims))
}

/// `base` and `grant` are `undefined` if they are absent.
fn show<'a>(env: Env<'a>, record: &Record) -> NifResult<Term<'a>> {
    let claims = &record.claims;
    let ids =
        |ids: &[GenotypeId]| ids.iter().map(|id| binary(env, id)).collect::<Vec<_>>().encode(env);
    let bytes = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => binary(env, bytes),
        None => atoms::undefined().encode(env),
    };
    let fields = [
        (atoms::realm(), claims.realm.encode(env)),
        (atoms::task(), claims.task.encode(env)),
        (atoms::genotype(), binary(env, &record.genotype)),
        (atoms::base(), bytes(record.base.as_ref().map(|id| &id[..]))),
        (atoms::fitness(), claims.fitness.encode(env)),
        (atoms::generation(), claims.generation.encode(env)),
        (atoms::parents(), ids(&claims.parents)),
        (atoms::operators(), claims.operators.encode(env)),
        (atoms::grant(), bytes(claims.grant.as_deref())),
        (atoms::origin(), binary(env, &record.origin)),
        (atoms::sequence(), claims.sequence.encode(env)),
        (atoms::time(), claims.time.encode(env)),
    ];
    Term::map_from_pairs(env, &fields)
}

/// Signature, decompression, validity, id; `base` is a genotype or `undefined`.
#[rustler::nif(schedule = "DirtyCpu")]
fn envelope_open<'a>(envelope: EnvelopeArc, base: Term<'a>) -> NifResult<(Atom, GenotypeArc)> {
    let base = optional(base)?;
    Ok((atoms::ok(), wrap(envelope.0.open(genes(&base)).map_err(error::envelope)?)))
}

/// The number of bytes that opening unpacks.
#[rustler::nif]
fn envelope_unpacked_size(envelope: EnvelopeArc) -> usize {
    envelope.0.unpacked_size()
}

/// Claims and signature, without the genotype.
#[rustler::nif]
fn envelope_record<'a>(env: Env<'a>, envelope: EnvelopeArc) -> Term<'a> {
    binary(env, &envelope.0.record.to_bytes())
}

/// Does not verify the signature: `{ok, Claims}`.
#[rustler::nif]
fn envelope_peek_record<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    Ok((atoms::ok(), show(env, &Record::peek(&bytes).map_err(error::envelope)?)?))
}

/// Verifies the signature: `{ok, Claims}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn envelope_read_record<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<(Atom, Term<'a>)> {
    Ok((atoms::ok(), show(env, &Record::from_bytes(&bytes).map_err(error::envelope)?)?))
}
