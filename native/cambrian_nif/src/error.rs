//! Encodes the errors of cambrian_core as `{error, Reason}`.

use crate::atoms;
use crate::term::binary;
use cambrian_core::base::memory::TooLarge;
use cambrian_core::formats::json::JsonError;
use cambrian_core::genome::genotype::GenotypeError;
use cambrian_core::genome::parameters::ParameterError;
use cambrian_core::phenotype::substrate::SubstrateError;
use cambrian_core::search::archive::ArchiveError;
use cambrian_core::search::population::Refused;
use cambrian_core::wire::codec::{CodecError, GenotypeId};
use cambrian_core::wire::delta::DeltaError;
use cambrian_core::wire::envelope::EnvelopeError;
use cambrian_core::wire::identity::CertificateError;
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::{Atom, Encoder, Env, Error, Term};

/// `{error, Reason}`
pub fn refuse(reason: impl Encoder + 'static) -> Error {
    Error::Term(Box::new(reason))
}

pub fn genotype(error: GenotypeError) -> Error {
    refuse((atoms::invalid_genotype(), error.to_string()))
}

/// A static name, encoded as an atom.
struct Name(&'static str);

impl Encoder for Name {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        Atom::from_str(env, self.0).map_or_else(|_| self.0.encode(env), |atom| atom.encode(env))
    }
}

/// A name from the caller, encoded as an atom, which exists already.
struct Text(String);

impl Encoder for Text {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        Atom::from_str(env, &self.0).map_or_else(|_| self.0.encode(env), |atom| atom.encode(env))
    }
}

/// A copy of the caller's term, because an error outlives the term.
struct Given(OwnedEnv, SavedTerm);

impl Given {
    fn new(term: impl Encoder) -> Given {
        let env = OwnedEnv::new();
        let saved = env.save(term);
        Given(env, saved)
    }
}

impl Encoder for Given {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        self.0.run(|own| self.1.load(own).encode(env))
    }
}

/// Bytes, encoded as a binary.
pub struct Bytes(pub Vec<u8>);

impl Encoder for Bytes {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        binary(env, &self.0)
    }
}

fn id(id: GenotypeId) -> Bytes {
    Bytes(id.to_vec())
}

/// `{error, {not_enough_memory, Wanted, Allowed}}`, both in bytes.
pub fn memory(error: TooLarge) -> Error {
    refuse((atoms::not_enough_memory(), error.wanted, error.allowed))
}

pub fn substrate(error: SubstrateError) -> Error {
    match error {
        SubstrateError::Genotype(error) => genotype(error),
        SubstrateError::Memory(error) => memory(error),
        SubstrateError::Cppn { expected, got } if expected.inputs != got.inputs => {
            refuse((atoms::wrong_size(), atoms::inputs(), expected.inputs, got.inputs))
        }
        SubstrateError::Cppn { expected, got } => {
            refuse((atoms::wrong_size(), atoms::outputs(), expected.outputs, got.outputs))
        }
        error => refuse((atoms::invalid_substrate(), error.to_string())),
    }
}

pub fn codec(error: CodecError) -> Error {
    match error {
        CodecError::TooLarge(size) => refuse((atoms::too_large(), size)),
        CodecError::Malformed => refuse(atoms::malformed()),
        CodecError::UnsupportedVersion(version) => refuse((atoms::unsupported_version(), version)),
        CodecError::UnknownGene(gene, number) => {
            refuse((atoms::unknown_gene(), Name(gene), number))
        }
        CodecError::NotCanonical => refuse(atoms::not_canonical()),
        CodecError::Invalid(error) => genotype(error),
    }
}

pub fn archive(error: ArchiveError) -> Error {
    match error {
        ArchiveError::TooLarge(size) => refuse((atoms::too_large(), size)),
        ArchiveError::Memory(error) => memory(error),
        ArchiveError::Malformed => refuse(atoms::malformed()),
        ArchiveError::UnsupportedVersion(version) => {
            refuse((atoms::unsupported_version(), version))
        }
        ArchiveError::Space(error) => refuse((atoms::invalid_archive(), error.to_string())),
        ArchiveError::Genotype(error) => codec(error),
        ArchiveError::NotCanonical => refuse(atoms::not_canonical()),
    }
}

pub fn json(error: JsonError) -> Error {
    match error {
        JsonError::TooLarge(size) => refuse((atoms::too_large(), size)),
        JsonError::UnsupportedVersion(version) => refuse((atoms::unsupported_version(), version)),
        JsonError::Bad(why) => refuse((atoms::bad_json(), why)),
        JsonError::Unsupported(what) => refuse((atoms::no_equal(), what)),
        JsonError::Invalid(error) => genotype(error),
    }
}

pub fn envelope(error: EnvelopeError) -> Error {
    match error {
        EnvelopeError::TooLarge(size) => refuse((atoms::too_large(), size)),
        EnvelopeError::Malformed => refuse(atoms::malformed()),
        EnvelopeError::UnsupportedVersion(version) => {
            refuse((atoms::unsupported_version(), version))
        }
        EnvelopeError::BadClaim(field) => refuse((atoms::bad_claim(), Name(field))),
        EnvelopeError::BadSignature => refuse(atoms::bad_signature()),
        EnvelopeError::MissingBase(base) => refuse((atoms::missing_base(), id(base))),
        EnvelopeError::Decompression => refuse(atoms::bad_compression()),
        EnvelopeError::Genotype(error) => codec(error),
        EnvelopeError::Delta(error) => delta(error),
        EnvelopeError::WrongId => refuse(atoms::wrong_id()),
    }
}

pub fn delta(error: DeltaError) -> Error {
    match error {
        DeltaError::TooLarge(size) => refuse((atoms::too_large(), size)),
        DeltaError::Malformed => refuse(atoms::malformed()),
        DeltaError::UnsupportedVersion(version) => refuse((atoms::unsupported_version(), version)),
        DeltaError::WrongBase(base) => refuse((atoms::wrong_base(), id(base))),
        DeltaError::Decompression => refuse(atoms::bad_compression()),
        DeltaError::Genotype(error) => codec(error),
        DeltaError::WrongId => refuse(atoms::wrong_id()),
    }
}

pub fn certificate(error: CertificateError) -> Error {
    match error {
        CertificateError::TooLarge(size) => refuse((atoms::too_large(), size)),
        CertificateError::Malformed => refuse(atoms::malformed()),
        CertificateError::UnsupportedVersion(version) => {
            refuse((atoms::unsupported_version(), version))
        }
        CertificateError::BadSignature => refuse(atoms::bad_signature()),
    }
}

/// `changes` is the map that contained the parameter.
pub fn parameter(error: ParameterError, changes: Term) -> Error {
    match error {
        ParameterError::Unknown(name) => refuse((atoms::unknown_parameter(), Text(name))),
        ParameterError::Invalid { name, expected } => {
            let given = Name(name).encode(changes.get_env());
            let value =
                changes.map_get(given).map_or_else(|_| Given::new(atoms::undefined()), Given::new);
            refuse((atoms::bad_parameter(), (Name(name), value, expected)))
        }
    }
}

/// A key that cannot be a parameter's name.
pub fn unknown_parameter(key: Term) -> Error {
    refuse((atoms::unknown_parameter(), Given::new(key)))
}

pub fn refused(reason: Refused) -> Atom {
    match reason {
        Refused::Shape => atoms::shape(),
        Refused::Known => atoms::known(),
        Refused::NotBetter => atoms::not_better(),
        Refused::NotFinite => atoms::not_finite(),
        Refused::Behaviour => atoms::behaviour(),
        Refused::Objectives => atoms::objectives(),
    }
}

/// The error for an unknown option, with the known names.
pub fn unknown_option<'a>(env: Env<'a>, name: impl Encoder, known: &[Atom]) -> Term<'a> {
    (atoms::unknown_option(), name, known).encode(env)
}

/// The error for a setting in a map, with its value and the expected values.
pub fn bad_option<'a>(env: Env<'a>, settings: Term<'a>, name: Atom, expected: &str) -> Term<'a> {
    let value = settings.map_get(name).unwrap_or_else(|_| atoms::undefined().encode(env));
    bad(env, atoms::bad_option(), name, value, expected)
}

/// `{bad_Thing, {Where, Got, Expected}}`
pub fn bad<'a>(
    env: Env<'a>,
    thing: Atom,
    place: impl Encoder,
    got: impl Encoder,
    expected: &str,
) -> Term<'a> {
    (thing, (place, got, expected)).encode(env)
}
