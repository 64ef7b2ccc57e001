//! Who owns a realm, how many of them must sign, and what they have revoked.

use super::{CertificateError, Cosigned, Key, MAX_TEXT, Signer, body_of, id, is_rising, pack};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

const CONTEXT: &str = "cambrian charter 1\n";
const VERSION: u64 = 1;

pub const MAX_CHARTER_BYTES: usize = 16 << 10;

/// As many signatures fit into the 1 KiB of a grant.
pub const MAX_OWNERS: usize = 6;

pub const MAX_REVOKED: usize = 256;

/// Both the owners before and those after sign one that changes the owners, as a root of The Update
/// Framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    pub realm: String,
    /// From 1; of two charters the one with the higher number counts.
    pub number: u64,
    /// Milliseconds since 1970.
    pub issued: u64,
    /// In the order of the keys.
    pub owners: Vec<Key>,
    pub threshold: u64,
    /// Keys that may not publish, whatever grant they show, and ids of grants; in their order.
    pub revoked: Vec<[u8; 32]>,
    /// Who signed it, in the order of the keys.
    pub by: Vec<Key>,
    /// The SHA-256 of what is signed.
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
    /// What it says, signed by one; `by` and `id` follow.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] for what no charter may say.
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

    /// The same charter with one signature more.
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

    /// Reads what it says without checking the signatures.
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
