//! The owners of a realm, how many of them must sign, and the keys and grants that they revoked.

use super::{CertificateError, Cosigned, Key, MAX_TEXT, Signer, body_of, id, is_rising, pack};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

const CONTEXT: &str = "cambrian charter 1\n";
const VERSION: u64 = 1;

pub const MAX_CHARTER_BYTES: usize = 16 << 10;

/// The most owners: the 1 KiB of a grant has room for so many signatures.
pub const MAX_OWNERS: usize = 6;

pub const MAX_REVOKED: usize = 256;

/// If a charter changes the owners, both the owners before and the owners after must sign it, as
/// for a root of The Update Framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    pub realm: String,
    /// From 1. The charter with the highest number is in force.
    pub number: u64,
    /// Milliseconds since 1970.
    pub issued: u64,
    /// In the order of the keys.
    pub owners: Vec<Key>,
    pub threshold: u64,
    /// Ids of grants, and keys that may not publish with any grant; in ascending order.
    pub revoked: Vec<[u8; 32]>,
    /// The signers, in the order of the keys.
    pub by: Vec<Key>,
    /// The SHA-256 of the signed bytes.
    pub id: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Body {
    version: u64,
    realm: String,
    number: u64,
    issued: u64,
    owners: Vec<ByteArray<32>>,
    threshold: u64,
    revoked: Vec<ByteArray<32>>,
}

impl Charter {
    /// Signs the charter with one key. Ignores `by` and `id`, which follow from the result.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] for values that no charter may have.
    pub fn seal(&self, owner: &Signer) -> Result<Vec<u8>, CertificateError> {
        self.validate()?;
        let keys = |keys: &[Key]| keys.iter().copied().map(ByteArray::new).collect();
        let body = pack(&Body {
            version: VERSION,
            realm: self.realm.clone(),
            number: self.number,
            issued: self.issued,
            owners: keys(&self.owners),
            threshold: self.threshold,
            revoked: keys(&self.revoked),
        });
        Ok(pack(&Cosigned::new(&body).with(CONTEXT, owner, 2 * MAX_OWNERS)?))
    }

    /// Adds a signature to the charter.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn cosign(bytes: &[u8], owner: &Signer) -> Result<Vec<u8>, CertificateError> {
        let (_, signed) = Charter::parse(bytes)?;
        Ok(pack(&signed.with(CONTEXT, owner, 2 * MAX_OWNERS)?))
    }

    /// # Errors
    /// [`CertificateError`]
    pub fn read(bytes: &[u8]) -> Result<Charter, CertificateError> {
        let (charter, signed) = Charter::parse(bytes)?;
        signed.verify(CONTEXT)?;
        Ok(charter)
    }

    /// Reads the charter without verifying the signatures.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn peek(bytes: &[u8]) -> Result<Charter, CertificateError> {
        Charter::parse(bytes).map(|(charter, _)| charter)
    }

    fn parse(bytes: &[u8]) -> Result<(Charter, Cosigned), CertificateError> {
        let signed = Cosigned::parse(bytes, MAX_CHARTER_BYTES, 2 * MAX_OWNERS)?;
        let Body { realm, number, issued, owners, threshold, revoked, .. } =
            body_of(&signed.0, VERSION, MAX_CHARTER_BYTES)?;
        let keys = |keys: Vec<ByteArray<32>>| keys.into_iter().map(ByteArray::into_array).collect();
        let (owners, revoked) = (keys(owners), keys(revoked));
        let (by, id) = (signed.by(), id(&signed.0));
        let charter = Charter { realm, number, issued, owners, threshold, revoked, by, id };
        charter.validate()?;
        Ok((charter, signed))
    }

    fn validate(&self) -> Result<(), CertificateError> {
        let owners = self.owners.len();
        let sound = self.realm.len() <= MAX_TEXT
            && self.number > 0
            && (1..=MAX_OWNERS).contains(&owners)
            && (1..=owners as u64).contains(&self.threshold)
            && self.revoked.len() <= MAX_REVOKED
            && is_rising(self.owners.iter().copied())
            && is_rising(self.revoked.iter().copied());
        if sound { Ok(()) } else { Err(CertificateError::Malformed) }
    }
}
