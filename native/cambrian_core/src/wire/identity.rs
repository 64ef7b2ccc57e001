//! Keys, and the certificates that their owners sign: a key names its successor, permits a key to
//! publish in a realm, or names the owners of a realm.
//!
//! A certificate is MessagePack: a `bin` with the contents, and signatures over a context and that
//! `bin`. `docs/wire-format.md` describes it.

mod charter;
mod grant;

pub use charter::{Charter, MAX_CHARTER_BYTES, MAX_OWNERS, MAX_REVOKED};
pub use grant::Grant;

use crate::wire::codec;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub type Secret = [u8; 32];
pub type Key = [u8; 32];

pub const VERSION: u64 = 1;

/// Longer certificates are refused without reading them.
pub const MAX_BYTES: usize = 1024;

/// The longest text in a message, in bytes.
pub const MAX_TEXT: usize = 255;

const SUCCESSION: &str = "cambrian succession 1\n";

/// The owner of a secret, ready to sign.
pub struct Signer(SigningKey);

impl Signer {
    pub fn new(secret: &Secret) -> Signer {
        Signer(SigningKey::from_bytes(secret))
    }

    pub fn key(&self) -> Key {
        self.0.verifying_key().to_bytes()
    }

    /// Ed25519 (RFC 8032) over the context and the message, so that no signature can be mistaken
    /// for another use of the key.
    pub fn sign(&self, context: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&[context.as_bytes(), message].concat()).to_bytes()
    }
}

/// The public key of a secret.
pub fn public_key(secret: &Secret) -> Key {
    Signer::new(secret).key()
}

/// Verifies strictly: refuses keys of small order and malleable signatures, so that all readers
/// agree.
pub fn verify(key: &Key, context: &str, message: &[u8], signature: &[u8; 64]) -> bool {
    let message = [context.as_bytes(), message].concat();
    let genuine =
        |key: VerifyingKey| key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok();
    VerifyingKey::from_bytes(key).is_ok_and(genuine)
}

/// Why bytes are not a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    #[error("{0} bytes are too many for a certificate")]
    TooLarge(usize),
    #[error("not the bytes of a certificate")]
    Malformed,
    #[error("this release does not read certificates of version {0}")]
    UnsupportedVersion(u64),
    #[error("not signed by who it says")]
    BadSignature,
}

/// The succession of one key by another. Both keys sign it, so that the owner of a key cannot give
/// its bad reputation to a stranger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    pub old: Key,
    pub new: Key,
    /// Milliseconds since 1970.
    pub time: u64,
}

#[derive(Serialize, Deserialize)]
struct SuccessionBody {
    version: u64,
    old: ByteArray<32>,
    new: ByteArray<32>,
    time: u64,
}

impl Succession {
    pub fn seal(old: &Signer, new: &Signer, time: u64) -> Vec<u8> {
        let key = |signer: &Signer| ByteArray::new(signer.key());
        let body = pack(&SuccessionBody { version: VERSION, old: key(old), new: key(new), time });
        let signature = |signer: &Signer| ByteArray::new(signer.sign(SUCCESSION, &body));
        pack(&(ByteBuf::from(&*body), signature(old), signature(new)))
    }

    /// # Errors
    /// [`CertificateError`]
    pub fn read(bytes: &[u8]) -> Result<Succession, CertificateError> {
        let (succession, (body, by_old, by_new)) = Succession::parse(bytes)?;
        let signed = |key, by| verify(key, SUCCESSION, &body, by);
        match signed(&succession.old, &by_old) && signed(&succession.new, &by_new) {
            true => Ok(succession),
            false => Err(CertificateError::BadSignature),
        }
    }

    /// Reads the succession without verifying the signatures. Verifying would cost a hundred times
    /// as much.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn peek(bytes: &[u8]) -> Result<Succession, CertificateError> {
        Succession::parse(bytes).map(|(succession, _)| succession)
    }

    fn parse(bytes: &[u8]) -> Result<(Succession, SignedByTwo), CertificateError> {
        let parts: SignedByTwo = unpack(bytes, MAX_BYTES)?;
        let SuccessionBody { old, new, time, .. } = body_of(&parts.0, VERSION, MAX_BYTES)?;
        Ok((Succession { old: *old, new: *new, time }, parts))
    }
}

type SignedByTwo = (ByteBuf, ByteArray<64>, ByteArray<64>);

/// A body with the signatures of one key or several, in the order of the keys, each key once.
#[derive(Serialize, Deserialize)]
struct Cosigned(ByteBuf, Vec<(ByteArray<32>, ByteArray<64>)>);

impl Cosigned {
    fn new(body: &[u8]) -> Cosigned {
        Cosigned(ByteBuf::from(body), Vec::new())
    }

    /// Adds a signature; a second signature of the same key replaces the first.
    fn with(
        mut self,
        context: &str,
        signer: &Signer,
        most: usize,
    ) -> Result<Cosigned, CertificateError> {
        let key = signer.key();
        self.1.retain(|(other, _)| **other != key);
        self.1.push((ByteArray::new(key), ByteArray::new(signer.sign(context, &self.0))));
        self.1.sort_by_key(|(key, _)| **key);
        self.within(most)
    }

    fn parse(bytes: &[u8], max_bytes: usize, most: usize) -> Result<Cosigned, CertificateError> {
        unpack::<Cosigned>(bytes, max_bytes)?.within(most)
    }

    fn within(self, most: usize) -> Result<Cosigned, CertificateError> {
        let in_order = is_rising(self.1.iter().map(|(key, _)| **key));
        match !self.1.is_empty() && self.1.len() <= most && in_order {
            true => Ok(self),
            false => Err(CertificateError::Malformed),
        }
    }

    fn by(&self) -> Vec<Key> {
        self.1.iter().map(|(key, _)| **key).collect()
    }

    /// Verifies the signatures; the first false one is the error.
    fn verify(&self, context: &str) -> Result<(), CertificateError> {
        match self.1.iter().all(|(key, signature)| verify(key, context, &self.0, signature)) {
            true => Ok(()),
            false => Err(CertificateError::BadSignature),
        }
    }
}

fn is_rising(ids: impl Iterator<Item = [u8; 32]>) -> bool {
    ids.collect::<Vec<_>>().windows(2).all(|pair| pair[0] < pair[1])
}

/// The id of a body, which does not depend on its signers.
fn id(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("writing to memory cannot fail")
}

/// Accepts only one encoding, so that nothing can hide beside the signed bytes.
fn unpack<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    max_bytes: usize,
) -> Result<T, CertificateError> {
    if bytes.len() > max_bytes {
        return Err(CertificateError::TooLarge(bytes.len()));
    }
    let value = rmp_serde::from_slice(bytes).map_err(|_| CertificateError::Malformed)?;
    if pack(&value) == bytes { Ok(value) } else { Err(CertificateError::Malformed) }
}

fn body_of<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    version: u64,
    max_bytes: usize,
) -> Result<T, CertificateError> {
    match codec::version(bytes).ok_or(CertificateError::Malformed)? {
        same if same == version => unpack(bytes, max_bytes),
        other => Err(CertificateError::UnsupportedVersion(other)),
    }
}
