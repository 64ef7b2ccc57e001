//! A genotype signed for travel. Its bytes are hostile until proved otherwise.
//!
//! MessagePack `[body, signature]`: the body is a `bin` that holds the array of [`Claims`] and
//! payload, the signature Ed25519 over [`CONTEXT`] and the body. `docs/wire-format.md` describes it.
//!
//! Reading goes in two steps with the receiver's own questions in between: [`read`] checks size,
//! shape and version; then the receiver asks about realm, replay and bans; [`Envelope::open`]
//! does what costs: signature, bounded decompression, validity, id.

use crate::codec::{self, CodecError};
use crate::genotype::Genotype;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf, Bytes};
use zstd::zstd_safe;

pub const VERSION: u64 = 1;

/// Longer envelopes are refused unread.
pub const MAX_BYTES: usize = 1 << 20;

/// What a signature covers before the body, so that no other use of the key can be mistaken for it.
pub const CONTEXT: &[u8] = b"cambrian envelope 1\n";

const MAX_TEXT: usize = 255;
const MAX_PARENTS: usize = 8;
const COMPRESSION: i32 = 3;

pub type GenotypeId = [u8; 32];

/// What the sender says of the genotype; nothing of it is true until checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    pub realm: String,
    pub task: String,
    pub fitness: f64,
    pub generation: u64,
    pub parents: Vec<GenotypeId>,
    /// One more than the last that this origin sent in this realm.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub time: u64,
}

/// A well-formed envelope whose signature has not been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub claims: Claims,
    pub genotype: GenotypeId,
    pub origin: [u8; 32],
    body: Vec<u8>,
    payload: Vec<u8>,
    signature: [u8; 64],
}

/// Why an envelope was refused, in the order in which the questions are asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EnvelopeError {
    TooLarge(usize),
    Malformed,
    UnsupportedVersion(u64),
    BadSignature,
    Decompression,
    Genotype(CodecError),
    WrongId,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    version: u64,
    kind: &'a str,
    realm: &'a str,
    task: &'a str,
    genotype: ByteArray<32>,
    /// the genotype that the payload is a difference to; nil where it is whole
    base: Option<ByteArray<32>>,
    #[serde(borrow)]
    payload: &'a Bytes,
    fitness: f64,
    generation: u64,
    parents: Vec<ByteArray<32>>,
    origin: ByteArray<32>,
    sequence: u64,
    time: u64,
}

const KIND: &str = "genotype";

/// The public key of a secret one.
pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

/// Signs and packs a genotype.
///
/// # Errors
/// [`EnvelopeError::Malformed`] for claims that no reader would take (texts over 255 bytes, more
/// than 8 parents, a fitness that is not finite), [`EnvelopeError::TooLarge`] for the whole.
pub fn seal(claims: &Claims, genotype: &Genotype, secret: &[u8; 32]) -> Result<Vec<u8>, EnvelopeError> {
    let key = SigningKey::from_bytes(secret);
    let bytes = codec::encode(genotype);
    let payload = zstd::bulk::compress(&bytes, COMPRESSION).map_err(|_| EnvelopeError::Decompression)?;
    let body = Body {
        version: VERSION,
        kind: KIND,
        realm: &claims.realm,
        task: &claims.task,
        genotype: ByteArray::new(codec::id(genotype)),
        base: None,
        payload: Bytes::new(&payload),
        fitness: claims.fitness,
        generation: claims.generation,
        parents: claims.parents.iter().map(|id| ByteArray::new(*id)).collect(),
        origin: ByteArray::new(key.verifying_key().to_bytes()),
        sequence: claims.sequence,
        time: claims.time,
    };
    let body = rmp_serde::to_vec(&body).map_err(|_| EnvelopeError::Malformed)?;
    let signature = key.sign(&signed(&body)).to_bytes();
    let envelope = rmp_serde::to_vec(&(Bytes::new(&body), Bytes::new(&signature)))
        .map_err(|_| EnvelopeError::Malformed)?;
    read(&envelope).map(|_| envelope)
}

/// Size, shape and version.
///
/// # Errors
/// [`EnvelopeError`]
pub fn read(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    if bytes.len() > MAX_BYTES {
        return Err(EnvelopeError::TooLarge(bytes.len()));
    }
    let malformed = |_| EnvelopeError::Malformed;
    let (body, signature): (ByteBuf, ByteArray<64>) = rmp_serde::from_slice(bytes).map_err(malformed)?;
    match codec::version(&body).ok_or(EnvelopeError::Malformed)? {
        VERSION => {}
        other => return Err(EnvelopeError::UnsupportedVersion(other)),
    }
    let fields: Body = rmp_serde::from_slice(&body).map_err(malformed)?;
    let sound = fields.kind == KIND
        && fields.base.is_none()
        && fields.realm.len() <= MAX_TEXT
        && fields.task.len() <= MAX_TEXT
        && fields.parents.len() <= MAX_PARENTS
        && fields.fitness.is_finite();
    // one spelling only: nothing can hide in the envelope beside what is signed
    let again = rmp_serde::to_vec(&(Bytes::new(&body), &signature)).map_err(|_| EnvelopeError::Malformed)?;
    if !sound || again != bytes {
        return Err(EnvelopeError::Malformed);
    }
    let claims = Claims {
        realm: fields.realm.to_string(),
        task: fields.task.to_string(),
        fitness: fields.fitness,
        generation: fields.generation,
        parents: fields.parents.iter().map(|id| **id).collect(),
        sequence: fields.sequence,
        time: fields.time,
    };
    let (genotype, origin) = (*fields.genotype, *fields.origin);
    let payload = fields.payload.to_vec();
    Ok(Envelope { claims, genotype, origin, payload, body: body.into_vec(), signature: *signature })
}

impl Envelope {
    /// Signature, decompression, validity and id; the genotype only if all hold.
    ///
    /// # Errors
    /// [`EnvelopeError`]
    pub fn open(&self) -> Result<Genotype, EnvelopeError> {
        let key = VerifyingKey::from_bytes(&self.origin).map_err(|_| EnvelopeError::BadSignature)?;
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&signed(&self.body), &signature).map_err(|_| EnvelopeError::BadSignature)?;
        let genotype = codec::decode(&self.decompress()?).map_err(EnvelopeError::Genotype)?;
        if codec::id(&genotype) == self.genotype { Ok(genotype) } else { Err(EnvelopeError::WrongId) }
    }

    /// The size is read from the frame's head and bounded before anything is allocated.
    fn decompress(&self) -> Result<Vec<u8>, EnvelopeError> {
        let size = match zstd_safe::get_frame_content_size(&self.payload) {
            Ok(Some(size)) if size <= codec::MAX_BYTES as u64 => size as usize,
            _ => return Err(EnvelopeError::Decompression),
        };
        let bytes = zstd::bulk::decompress(&self.payload, size).map_err(|_| EnvelopeError::Decompression)?;
        if bytes.len() == size { Ok(bytes) } else { Err(EnvelopeError::Decompression) }
    }
}

fn signed(body: &[u8]) -> Vec<u8> {
    [CONTEXT, body].concat()
}
