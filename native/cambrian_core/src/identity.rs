//! Keys, and what their owners say of one another: who succeeds whom, and who may publish in a realm.
//!
//! A certificate is MessagePack, a `bin` with what is said and one signature or two over a context and that `bin`.
//! `docs/wire-format.md` describes it.

use crate::codec;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use std::fmt;

pub type Secret = [u8; 32];
pub type Key = [u8; 32];

pub const VERSION: u64 = 1;

/// Longer certificates are refused unread.
pub const MAX_BYTES: usize = 1024;

/// Texts on the wire, in bytes.
pub const MAX_TEXT: usize = 255;

const SUCCESSION: &str = "cambrian succession 1\n";
const GRANT: &str = "cambrian grant 1\n";

/// The owner of a secret, ready to sign.
pub struct Signer(SigningKey);

impl Signer {
    pub fn new(secret: &Secret) -> Signer {
        Signer(SigningKey::from_bytes(secret))
    }

    pub fn key(&self) -> Key {
        self.0.verifying_key().to_bytes()
    }

    /// Ed25519 (RFC 8032) over the context and the message, so that no signature can be mistaken for another use of
    /// the key.
    pub fn sign(&self, context: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&[context.as_bytes(), message].concat()).to_bytes()
    }
}

/// The public key of a secret one.
pub fn public_key(secret: &Secret) -> Key {
    Signer::new(secret).key()
}

/// Strict: no key of small order, no signature that another could be made of, so all readers agree.
pub fn verify(key: &Key, context: &str, message: &[u8], signature: &[u8; 64]) -> bool {
    let message = [context.as_bytes(), message].concat();
    let genuine = |key: VerifyingKey| key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok();
    VerifyingKey::from_bytes(key).is_ok_and(genuine)
}

/// Why bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    TooLarge(usize),
    Malformed,
    UnsupportedVersion(u64),
    BadSignature,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            CertificateError::TooLarge(size) => write!(f, "{size} bytes; expected at most {MAX_BYTES}"),
            CertificateError::Malformed => f.write_str("not the bytes of a certificate"),
            CertificateError::UnsupportedVersion(v) => {
                write!(f, "certificate version {v}; this release reads {VERSION}")
            }
            CertificateError::BadSignature => f.write_str("not signed by who it says"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// From now on one key speaks for whom another spoke for. Both have signed it: nobody can be made the heir of a
/// bad name.
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
        let (body, by_old, by_new): (ByteBuf, ByteArray<64>, ByteArray<64>) = unpack(bytes)?;
        let SuccessionBody { old, new, time, .. } = body_of(&body)?;
        let signed = |key, by| verify(key, SUCCESSION, &body, by);
        if !signed(&old, &by_old) || !signed(&new, &by_new) {
            return Err(CertificateError::BadSignature);
        }
        Ok(Succession { old: *old, new: *new, time })
    }
}

/// A realm's key lets another key publish there until a certain time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub realm: String,
    pub by: Key,
    pub key: Key,
    /// Milliseconds since 1970.
    pub until: u64,
}

#[derive(Serialize, Deserialize)]
struct GrantBody {
    version: u64,
    realm: String,
    by: ByteArray<32>,
    key: ByteArray<32>,
    until: u64,
}

impl Grant {
    /// # Errors
    /// [`CertificateError::Malformed`] for a realm of more than 255 bytes.
    pub fn seal(owner: &Signer, realm: &str, key: &Key, until: u64) -> Result<Vec<u8>, CertificateError> {
        if realm.len() > MAX_TEXT {
            return Err(CertificateError::Malformed);
        }
        let by = ByteArray::new(owner.key());
        let realm = realm.to_string();
        let body = pack(&GrantBody { version: VERSION, realm, by, key: ByteArray::new(*key), until });
        Ok(pack(&(ByteBuf::from(&*body), ByteArray::new(owner.sign(GRANT, &body)))))
    }

    /// # Errors
    /// [`CertificateError`]
    pub fn read(bytes: &[u8]) -> Result<Grant, CertificateError> {
        let (body, signature): (ByteBuf, ByteArray<64>) = unpack(bytes)?;
        let GrantBody { realm, by, key, until, .. } = body_of(&body)?;
        if realm.len() > MAX_TEXT {
            return Err(CertificateError::Malformed);
        }
        if !verify(&by, GRANT, &body, &signature) {
            return Err(CertificateError::BadSignature);
        }
        Ok(Grant { realm, by: *by, key: *key, until })
    }
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("writing to memory cannot fail")
}

/// One spelling only: nothing can hide beside what is signed.
fn unpack<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CertificateError> {
    if bytes.len() > MAX_BYTES {
        return Err(CertificateError::TooLarge(bytes.len()));
    }
    let value = rmp_serde::from_slice(bytes).map_err(|_| CertificateError::Malformed)?;
    if pack(&value) == bytes { Ok(value) } else { Err(CertificateError::Malformed) }
}

fn body_of<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CertificateError> {
    match codec::version(bytes).ok_or(CertificateError::Malformed)? {
        VERSION => unpack(bytes),
        other => Err(CertificateError::UnsupportedVersion(other)),
    }
}
