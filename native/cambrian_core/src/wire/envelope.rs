//! A signed genotype for other nodes. The reader treats its bytes as hostile until they are
//! verified.
//!
//! MessagePack `[claims, signature, payload]`: the claims, as a `bin` that holds an array; Ed25519
//! over a context and that `bin`; and the genotype, whole or as a difference, whose hash is one of
//! the claims. Claims and signature alone are an [`Envelope::record`], which still proves which key
//! claimed what of a genotype when its genes are gone. `docs/wire-format.md` describes it.
//!
//! Reading takes two steps, and the receiver makes its own checks between them: [`read`] checks
//! size, shape and version; then the receiver checks realm, replay and bans; [`Envelope::open`]
//! makes the expensive checks: signature, bounded decompression, validity, id.

use crate::genome::genotype::Genotype;
use crate::wire::codec::{self, CodecError, GenotypeId};
use crate::wire::compression::{compress, decompress, unpacked_size};
use crate::wire::delta::{self, DeltaError};
use crate::wire::identity::{self, Key, MAX_TEXT, Signer};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf, Bytes};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub const VERSION: u64 = 2;

/// Longer envelopes are refused without reading them.
pub const MAX_BYTES: usize = 1 << 20;

pub const MAX_PARENTS: usize = 8;
pub const MAX_OPERATORS: usize = 32;

const KIND: &str = "genotype";
const CONTEXT: &str = "cambrian envelope 2\n";

/// The sender's claims about the genotype. A receiver trusts none of them before it checks them.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    pub realm: String,
    pub task: String,
    pub fitness: f64,
    pub generation: u64,
    /// The fitter first.
    pub parents: Vec<GenotypeId>,
    /// The operators that made the genotype from its parents.
    pub operators: Vec<String>,
    /// The realm's permission to publish, if the realm requires one ([`identity::Grant`]).
    pub grant: Option<Vec<u8>>,
    /// Grows with every envelope of an origin in a realm.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// The signed content: the claims, the genotype's id and the origin's key.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub claims: Claims,
    pub genotype: GenotypeId,
    /// The base of the payload, if the payload is a difference.
    pub base: Option<GenotypeId>,
    pub origin: Key,
    /// SHA-256 of the payload.
    digest: [u8; 32],
    bytes: Vec<u8>,
    signature: [u8; 64],
}

/// A well-formed envelope whose signature is not verified yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub record: Record,
    payload: Vec<u8>,
}

/// Why an envelope was refused, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum EnvelopeError {
    #[error("{0} bytes; expected at most {MAX_BYTES}")]
    TooLarge(usize),
    #[error("not the bytes of an envelope")]
    Malformed,
    #[error("envelope version {0}; this release reads {VERSION}")]
    UnsupportedVersion(u64),
    /// The field of a claim that cannot be true or is too long.
    #[error("its {0} cannot be what is claimed")]
    BadClaim(&'static str),
    #[error("not signed by its origin")]
    BadSignature,
    /// The payload is a difference to this genotype, which is needed to open the envelope.
    #[error("a difference to a genotype that was not given")]
    MissingBase(GenotypeId),
    #[error("the payload is not one zstd frame of a bounded size")]
    Decompression,
    #[error(transparent)]
    Genotype(CodecError),
    #[error(transparent)]
    Delta(DeltaError),
    #[error("the payload is another genotype than the one named")]
    WrongId,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    version: u64,
    kind: &'a str,
    realm: &'a str,
    task: &'a str,
    genotype: ByteArray<32>,
    base: Option<ByteArray<32>>,
    digest: ByteArray<32>,
    fitness: f64,
    generation: u64,
    parents: Vec<ByteArray<32>>,
    #[serde(borrow)]
    operators: Vec<&'a str>,
    origin: ByteArray<32>,
    #[serde(borrow)]
    grant: Option<&'a Bytes>,
    sequence: u64,
    time: u64,
}

/// Signs and packs a genotype; as a difference to `base`, if `base` is given and the difference is
/// shorter.
///
/// # Errors
/// [`EnvelopeError::BadClaim`] for claims that no reader would accept: texts over 255 bytes, more
/// than 8 parents, a parent that occurs twice or is the genotype itself, more than 32 operators, a
/// grant over 1 KiB, a fitness that is not finite. [`EnvelopeError::TooLarge`] for the whole
/// envelope.
pub fn seal(
    claims: &Claims,
    genotype: &Genotype,
    base: Option<&Genotype>,
    signer: &Signer,
) -> Result<Vec<u8>, EnvelopeError> {
    let whole = codec::encode(genotype);
    let id = codec::id_of(&whole);
    let whole = compress(&whole);
    let difference = base.map(|base| (codec::id(base), delta::diff(base, genotype)));
    let (base, payload) = match difference.filter(|(_, delta)| delta.len() < whole.len()) {
        Some((base, delta)) => (Some(ByteArray::new(base)), delta),
        None => (None, whole),
    };
    let body = Body {
        version: VERSION,
        kind: KIND,
        realm: &claims.realm,
        task: &claims.task,
        genotype: ByteArray::new(id),
        base,
        digest: ByteArray::new(Sha256::digest(&payload).into()),
        fitness: claims.fitness,
        generation: claims.generation,
        parents: claims.parents.iter().map(|id| ByteArray::new(*id)).collect(),
        operators: claims.operators.iter().map(String::as_str).collect(),
        origin: ByteArray::new(signer.key()),
        grant: claims.grant.as_deref().map(Bytes::new),
        sequence: claims.sequence,
        time: claims.time,
    };
    let body = pack(&body);
    let signature = signer.sign(CONTEXT, &body);
    let envelope = pack(&(Bytes::new(&body), ByteArray::new(signature), Bytes::new(&payload)));
    read(&envelope).map(|_| envelope)
}

/// Checks size, shape and version.
///
/// # Errors
/// [`EnvelopeError`]
pub fn read(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    if bytes.len() > MAX_BYTES {
        return Err(EnvelopeError::TooLarge(bytes.len()));
    }
    let (body, signature, payload): (&Bytes, ByteArray<64>, &Bytes) =
        match rmp_serde::from_slice(bytes) {
            Ok(parts) => parts,
            Err(_) => return Err(earlier(bytes).unwrap_or(EnvelopeError::Malformed)),
        };
    // accepts only one encoding, so that nothing can hide beside the signed bytes
    if pack(&(body, signature, payload)) != bytes {
        return Err(EnvelopeError::Malformed);
    }
    Ok(Envelope { record: Record::read(body, *signature)?, payload: payload.to_vec() })
}

/// Version 1 was an array of two.
fn earlier(bytes: &[u8]) -> Option<EnvelopeError> {
    let (body, _): (&Bytes, &Bytes) = rmp_serde::from_slice(bytes).ok()?;
    Some(EnvelopeError::UnsupportedVersion(codec::version(body)?))
}

impl Envelope {
    /// The number of bytes that opening unpacks: 0 for a difference, and for a payload that is
    /// refused before it is unpacked.
    #[must_use]
    pub fn unpacked_size(&self) -> usize {
        match self.record.base {
            Some(_) => 0,
            None => {
                unpacked_size(&self.payload).filter(|&size| size <= codec::MAX_BYTES).unwrap_or(0)
            }
        }
    }

    /// Checks signature, decompression, validity and id, and returns the genotype if all are right.
    /// `base` is needed only if the payload is a difference to it.
    ///
    /// # Errors
    /// [`EnvelopeError`]
    pub fn open(&self, base: Option<&Genotype>) -> Result<Genotype, EnvelopeError> {
        let Record { genotype: id, base: needed, digest, .. } = self.record;
        if !self.record.is_genuine() || <[u8; 32]>::from(Sha256::digest(&self.payload)) != digest {
            return Err(EnvelopeError::BadSignature);
        }
        let Some(needed) = needed else {
            let bytes =
                decompress(&self.payload, codec::MAX_BYTES).ok_or(EnvelopeError::Decompression)?;
            let genotype = codec::decode(&bytes).map_err(EnvelopeError::Genotype)?;
            // the id of the bytes, not of the genotype: a genotype of an earlier version now has
            // another id
            return if codec::id_of(&bytes) == id {
                Ok(genotype)
            } else {
                Err(EnvelopeError::WrongId)
            };
        };
        let base = base.ok_or(EnvelopeError::MissingBase(needed))?;
        let genotype = delta::patch(base, &self.payload).map_err(EnvelopeError::Delta)?;
        if delta::ends(&self.payload) == Some((needed, id)) {
            Ok(genotype)
        } else {
            Err(EnvelopeError::WrongId)
        }
    }
}

impl Record {
    fn read(bytes: &[u8], signature: [u8; 64]) -> Result<Record, EnvelopeError> {
        match codec::version(bytes).ok_or(EnvelopeError::Malformed)? {
            VERSION => {}
            other => return Err(EnvelopeError::UnsupportedVersion(other)),
        }
        let body: Body = rmp_serde::from_slice(bytes).map_err(|_| EnvelopeError::Malformed)?;
        if pack(&body) != bytes {
            return Err(EnvelopeError::Malformed);
        }
        if let Some(field) = body.fault() {
            return Err(EnvelopeError::BadClaim(field));
        }
        let claims = Claims {
            realm: body.realm.to_string(),
            task: body.task.to_string(),
            fitness: body.fitness,
            generation: body.generation,
            parents: body.parents.iter().map(|id| **id).collect(),
            operators: body.operators.iter().map(|name| name.to_string()).collect(),
            grant: body.grant.map(|grant| grant.to_vec()),
            sequence: body.sequence,
            time: body.time,
        };
        let (genotype, base, origin) = (*body.genotype, body.base.map(|id| *id), *body.origin);
        Ok(Record {
            claims,
            genotype,
            base,
            origin,
            digest: *body.digest,
            bytes: bytes.to_vec(),
            signature,
        })
    }

    fn is_genuine(&self) -> bool {
        identity::verify(&self.origin, CONTEXT, &self.bytes, &self.signature)
    }

    /// Claims and signature, without the genotype.
    pub fn to_bytes(&self) -> Vec<u8> {
        pack(&(Bytes::new(&self.bytes), ByteArray::new(self.signature)))
    }

    /// Reads a record and verifies its signature.
    ///
    /// # Errors
    /// [`EnvelopeError`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Record, EnvelopeError> {
        let record = Record::peek(bytes)?;
        if record.is_genuine() { Ok(record) } else { Err(EnvelopeError::BadSignature) }
    }

    /// Checks only size, shape and version, for checks that cost less than the signature.
    ///
    /// # Errors
    /// [`EnvelopeError`], never [`EnvelopeError::BadSignature`].
    pub fn peek(bytes: &[u8]) -> Result<Record, EnvelopeError> {
        if bytes.len() > MAX_BYTES {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let (body, signature): (ByteBuf, ByteArray<64>) =
            rmp_serde::from_slice(bytes).map_err(|_| EnvelopeError::Malformed)?;
        let record = Record::read(&body, *signature)?;
        if record.to_bytes() != bytes {
            return Err(EnvelopeError::Malformed);
        }
        Ok(record)
    }
}

impl Body<'_> {
    /// The field with a value that no sender could truly claim.
    fn fault(&self) -> Option<&'static str> {
        let (parents, child) = (&self.parents, &self.genotype);
        let once = |at: usize| parents[at] != *child && !parents[..at].contains(&parents[at]);
        let short = |text: &&str| text.len() <= MAX_TEXT;
        let sound = [
            ("kind", self.kind == KIND),
            ("realm", short(&self.realm)),
            ("task", short(&self.task)),
            ("fitness", self.fitness.is_finite()),
            ("parents", parents.len() <= MAX_PARENTS && (0..parents.len()).all(once)),
            (
                "operators",
                self.operators.len() <= MAX_OPERATORS && self.operators.iter().all(short),
            ),
            ("grant", self.grant.is_none_or(|grant| grant.len() <= identity::MAX_BYTES)),
        ];
        sound.iter().find(|(_, sound)| !sound).map(|(field, _)| *field)
    }
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("writing to memory cannot fail")
}
