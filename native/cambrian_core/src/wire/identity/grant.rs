//! A grant: permission to publish in a realm.

use super::{
    CertificateError, Cosigned, Key, MAX_BYTES, MAX_OWNERS, MAX_TEXT, Signer, body_of, id, pack,
    unpack, verify,
};
use crate::wire::codec;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

const CONTEXT: &str = "cambrian grant 2\n";
const VERSION: u64 = 2;

/// Grants of version 1 are still read: they have one signature, and no time of issue.
const EARLIER_CONTEXT: &str = "cambrian grant 1\n";
const EARLIER_VERSION: u64 = 1;

/// Permits a key to publish in a realm until a certain time. Owners of the realm sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub realm: String,
    pub key: Key,
    /// Milliseconds since 1970, like `until`; missing in version 1.
    pub issued: Option<u64>,
    pub until: u64,
    /// The signers, in the order of the keys.
    pub by: Vec<Key>,
    /// The SHA-256 of the signed bytes.
    pub id: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Body {
    version: u64,
    realm: String,
    key: ByteArray<32>,
    issued: u64,
    until: u64,
}

#[derive(Serialize, Deserialize)]
struct EarlierBody {
    version: u64,
    realm: String,
    by: ByteArray<32>,
    key: ByteArray<32>,
    until: u64,
}

enum Signed {
    ByOwners(Cosigned),
    ByOne(ByteBuf, ByteArray<64>),
}

impl Grant {
    /// # Errors
    /// [`CertificateError::Malformed`] for a realm of more than 255 bytes.
    pub fn seal(
        owner: &Signer,
        realm: &str,
        key: &Key,
        (issued, until): (u64, u64),
    ) -> Result<Vec<u8>, CertificateError> {
        if realm.len() > MAX_TEXT {
            return Err(CertificateError::Malformed);
        }
        let realm = realm.to_string();
        let body =
            pack(&Body { version: VERSION, realm, key: ByteArray::new(*key), issued, until });
        Ok(pack(&Cosigned::new(&body).with(CONTEXT, owner, MAX_OWNERS)?))
    }

    /// Adds a signature to the grant.
    ///
    /// # Errors
    /// [`CertificateError`]: a grant of version 1 has no room for another signature.
    pub fn cosign(bytes: &[u8], owner: &Signer) -> Result<Vec<u8>, CertificateError> {
        match Grant::parse(bytes)? {
            (_, Signed::ByOwners(signed)) => Ok(pack(&signed.with(CONTEXT, owner, MAX_OWNERS)?)),
            (_, Signed::ByOne(..)) => Err(CertificateError::UnsupportedVersion(EARLIER_VERSION)),
        }
    }

    /// # Errors
    /// [`CertificateError`]
    pub fn read(bytes: &[u8]) -> Result<Grant, CertificateError> {
        let (grant, signed) = Grant::parse(bytes)?;
        match &signed {
            Signed::ByOwners(signed) => signed.verify(CONTEXT)?,
            Signed::ByOne(body, signature) => {
                if !verify(&grant.by[0], EARLIER_CONTEXT, body, signature) {
                    return Err(CertificateError::BadSignature);
                }
            }
        }
        Ok(grant)
    }

    /// Reads the grant without verifying the signatures.
    ///
    /// # Errors
    /// [`CertificateError`]
    pub fn peek(bytes: &[u8]) -> Result<Grant, CertificateError> {
        Grant::parse(bytes).map(|(grant, _)| grant)
    }

    fn parse(bytes: &[u8]) -> Result<(Grant, Signed), CertificateError> {
        let (grant, signed) = match unpack::<(ByteBuf, ByteArray<64>)>(bytes, MAX_BYTES) {
            Ok((body, signature)) => Grant::parse_earlier(body, signature)?,
            Err(CertificateError::Malformed) => Grant::parse_cosigned(bytes)?,
            Err(error) => return Err(error),
        };
        match grant.realm.len() <= MAX_TEXT {
            true => Ok((grant, signed)),
            false => Err(CertificateError::Malformed),
        }
    }

    fn parse_cosigned(bytes: &[u8]) -> Result<(Grant, Signed), CertificateError> {
        let signed = Cosigned::parse(bytes, MAX_BYTES, MAX_OWNERS)?;
        let Body { realm, key, issued, until, .. } = body_of(&signed.0, VERSION, MAX_BYTES)?;
        let grant = Grant {
            realm,
            key: *key,
            issued: Some(issued),
            until,
            by: signed.by(),
            id: id(&signed.0),
        };
        Ok((grant, Signed::ByOwners(signed)))
    }

    fn parse_earlier(
        body: ByteBuf,
        signature: ByteArray<64>,
    ) -> Result<(Grant, Signed), CertificateError> {
        // a body of version 2 with one signature but without its key is no certificate
        if codec::version(&body) == Some(VERSION) {
            return Err(CertificateError::Malformed);
        }
        let EarlierBody { realm, by, key, until, .. } = body_of(&body, EARLIER_VERSION, MAX_BYTES)?;
        let grant = Grant { realm, key: *key, issued: None, until, by: vec![*by], id: id(&body) };
        Ok((grant, Signed::ByOne(body, signature)))
    }
}
