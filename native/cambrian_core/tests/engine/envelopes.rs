//! Envelopes and certificates from strangers: every changed byte is refused, and every claim
//! checked.

use crate::common::{apply, evolved, grown, histories, newborn};
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::wire::codec::{self, CodecError, GenotypeId};
use cambrian_core::wire::delta::{self, DeltaError};
use cambrian_core::wire::envelope::{self, Claims, EnvelopeError, Record};
use cambrian_core::wire::identity::{self, CertificateError, Charter, Grant, Signer, Succession};
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};

fn signer() -> Signer {
    Signer::new(&[7; 32])
}

fn genotype() -> Genotype {
    newborn(3, 2, 1)
}

fn relative() -> Genotype {
    apply("add_node", &genotype(), 1)
}

fn claims() -> Claims {
    Claims {
        realm: "org.example".into(),
        task: "xor".into(),
        fitness: 3.5,
        generation: 12,
        parents: vec![[1; 32], [2; 32]],
        operators: vec!["crossover".into(), "add_node".into()],
        grant: None,
        sequence: 9,
        time: 1_800_000_000_000,
    }
}

fn sealed() -> Vec<u8> {
    envelope::seal(&claims(), &genotype(), None, &signer()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Genotype, EnvelopeError> {
    envelope::read(bytes)?.open(None)
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).unwrap()
}

/// A zstd frame as any writer may make it.
fn frame(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

/// An envelope around any claims, with a genuine signature.
fn signed(claims: &[u8], payload: &[u8]) -> Vec<u8> {
    let signature = signer().sign("cambrian envelope 2\n", claims);
    pack(&(ByteBuf::from(claims), ByteArray::new(signature), ByteBuf::from(payload)))
}

/// Claims for the given payload, otherwise those of [`claims`].
fn claims_to(id: GenotypeId, base: Option<GenotypeId>, payload: &[u8]) -> Vec<u8> {
    let c = claims();
    let parents: Vec<ByteArray<32>> = c.parents.iter().map(|p| ByteArray::new(*p)).collect();
    pack(&(
        2u64,
        "genotype",
        c.realm,
        c.task,
        ByteArray::new(id),
        base.map(ByteArray::new),
        ByteArray::<32>::new(Sha256::digest(payload).into()),
        c.fitness,
        c.generation,
        parents,
        c.operators,
        ByteArray::new(signer().key()),
        (),
        c.sequence,
        c.time,
    ))
}

fn with_payload(id: GenotypeId, payload: &[u8]) -> Vec<u8> {
    signed(&claims_to(id, None, payload), payload)
}

#[test]
fn a_sealed_envelope_can_be_read() {
    let envelope = envelope::read(&sealed()).unwrap();
    assert_eq!(envelope.record.claims, claims());
    assert_eq!(envelope.record.origin, signer().key());
    assert_eq!((envelope.record.genotype, envelope.record.base), (codec::id(&genotype()), None));
    assert_eq!(envelope.open(None), Ok(genotype()));
    let bytes = envelope.record.to_bytes();
    assert_eq!(Record::peek(&bytes).as_ref(), Ok(&envelope.record));
    assert_eq!(Record::from_bytes(&bytes), Ok(envelope.record));
}

#[test]
fn a_payload_of_any_zstd_writer_can_be_opened() {
    let payload = frame(&codec::encode(&genotype()));
    assert_eq!(open(&with_payload(codec::id(&genotype()), &payload)), Ok(genotype()));
}

#[test]
fn a_difference_is_opened_with_its_base() {
    let (base, target) = (codec::id(&genotype()), relative());
    let delta = delta::diff(&genotype(), &target);
    let bytes = signed(&claims_to(codec::id(&target), Some(base), &delta), &delta);
    let envelope = envelope::read(&bytes).unwrap();
    assert_eq!(envelope.record.base, Some(base));
    assert_eq!(envelope.open(Some(&genotype())), Ok(target.clone()));
    assert_eq!(envelope.open(None), Err(EnvelopeError::MissingBase(base)));
    assert_eq!(
        envelope.open(Some(&target)),
        Err(EnvelopeError::Delta(DeltaError::WrongBase(codec::id(&genotype()))))
    );
    for wrong in [
        claims_to([0; 32], Some(base), &delta),
        claims_to(codec::id(&target), Some([0; 32]), &delta),
    ] {
        let envelope = envelope::read(&signed(&wrong, &delta)).unwrap();
        assert_eq!(envelope.open(Some(&genotype())), Err(EnvelopeError::WrongId));
    }
    let large = grown(40);
    let sealed = |base| envelope::seal(&claims(), &large, base, &signer()).unwrap();
    assert!(sealed(Some(&large)).len() < sealed(None).len());
    let stranger = newborn(1, 1, 1);
    assert_eq!(sealed(Some(&stranger)), sealed(None), "whole where that is shorter");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused(
        (i, o, seed, ops) in histories(), flip in 1u8..
    ) {
        let g = evolved(i, o, seed, &ops);
        let bytes = envelope::seal(&claims(), &g, None, &signer()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            prop_assert!(open(&changed).is_err(), "byte {}", at);
            prop_assert!(open(&bytes[..at]).is_err(), "cut at {}", at);
        }
        prop_assert_eq!(open(&[&bytes[..], &[0]].concat()), Err(EnvelopeError::Malformed));
    }

    #[test]
    fn every_flipped_byte_of_a_record_or_certificate_is_refused(
        flip in 1u8.., old in any::<[u8; 32]>(), new in any::<[u8; 32]>()
    ) {
        let record = envelope::read(&sealed()).unwrap().record.to_bytes();
        let succession = Succession::seal(&Signer::new(&old), &Signer::new(&new), 5);
        let grant = Grant::seal(&Signer::new(&old), "org.example", &new, (4, 5)).unwrap();
        let grant = Grant::cosign(&grant, &Signer::new(&new)).unwrap();
        let charter = charter(&[old, new]);
        let flipped = |bytes: &[u8], at: usize| { let mut b = bytes.to_vec(); b[at] ^= flip; b };
        for at in 0..record.len() {
            prop_assert!(Record::from_bytes(&flipped(&record, at)).is_err());
        }
        for at in 0..succession.len() {
            prop_assert!(Succession::read(&flipped(&succession, at)).is_err());
        }
        for at in 0..grant.len() {
            prop_assert!(Grant::read(&flipped(&grant, at)).is_err());
        }
        for at in 0..charter.len() {
            prop_assert!(Charter::read(&flipped(&charter, at)).is_err());
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(envelope::read(&bytes).is_err());
        prop_assert!(Record::from_bytes(&bytes).is_err());
        prop_assert!(Record::peek(&bytes).is_err());
        prop_assert!(Succession::read(&bytes).is_err());
        prop_assert!(Grant::read(&bytes).is_err());
        prop_assert!(Grant::peek(&bytes).is_err());
        prop_assert!(Charter::read(&bytes).is_err());
        prop_assert!(Charter::peek(&bytes).is_err());
    }
}

#[test]
fn a_signed_wrong_claim_is_refused() {
    let id = codec::id(&genotype());
    let bytes = codec::encode(&genotype());
    assert_eq!(open(&with_payload([0; 32], &frame(&bytes))), Err(EnvelopeError::WrongId));
    assert_eq!(
        open(&with_payload(id, &frame(&bytes[1..]))),
        Err(EnvelopeError::Genotype(CodecError::Malformed))
    );
    assert_eq!(open(&with_payload(id, &bytes)), Err(EnvelopeError::Decompression));
    let another = signed(&claims_to(id, None, &frame(&bytes)), &frame(&codec::encode(&relative())));
    assert_eq!(open(&another), Err(EnvelopeError::BadSignature), "not the payload that was signed");
}

#[test]
fn a_signature_of_another_kind_is_refused() {
    let payload = frame(&codec::encode(&genotype()));
    let claims = claims_to(codec::id(&genotype()), None, &payload);
    let elsewhere = ByteArray::new(signer().sign("cambrian grant 1\n", &claims));
    let bytes = pack(&(ByteBuf::from(claims), elsewhere, ByteBuf::from(payload)));
    assert_eq!(open(&bytes), Err(EnvelopeError::BadSignature));
}

/// The identity point as a key: without strict verification, the signature with R = the identity
/// and s = 0 would fit every message.
#[test]
fn a_signature_of_a_small_order_key_is_refused() {
    let mut point = [0; 32];
    point[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!identity::verify(&point, "", b"anything", &signature));
}

#[test]
fn the_size_the_version_and_the_claims_are_bounded() {
    let large = vec![0; envelope::MAX_BYTES + 1];
    assert_eq!(envelope::read(&large), Err(EnvelopeError::TooLarge(large.len())));
    let mut body = claims_to([0; 32], None, &[]);
    body[1] = 3;
    assert_eq!(envelope::read(&signed(&body, &[])), Err(EnvelopeError::UnsupportedVersion(3)));
    let refused = |field, change: &dyn Fn(&mut Claims)| {
        let mut c = claims();
        change(&mut c);
        let sealed = envelope::seal(&c, &genotype(), None, &signer());
        assert_eq!(sealed, Err(EnvelopeError::BadClaim(field)));
    };
    refused("realm", &|c| c.realm = "r".repeat(256));
    refused("task", &|c| c.task = "t".repeat(256));
    refused("fitness", &|c| c.fitness = f64::NAN);
    refused("fitness", &|c| c.fitness = f64::INFINITY);
    refused("parents", &|c| c.parents = (0..9).map(|nth| [nth; 32]).collect());
    refused("parents", &|c| c.parents = vec![[1; 32]; 2]);
    refused("parents", &|c| c.parents = vec![codec::id(&genotype())]);
    refused("operators", &|c| c.operators = vec!["mutate".into(); 33]);
    refused("grant", &|c| c.grant = Some(vec![0; identity::MAX_BYTES + 1]));
}

#[test]
fn certificates_name_their_signers() {
    let (old, new) = ([1; 32], [2; 32]);
    let keys = (identity::public_key(&old), identity::public_key(&new));
    let succession =
        Succession::read(&Succession::seal(&Signer::new(&old), &Signer::new(&new), 5)).unwrap();
    assert_eq!(succession, Succession { old: keys.0, new: keys.1, time: 5 });
    let sealed = Grant::seal(&Signer::new(&old), "lab", &keys.1, (3, 9)).unwrap();
    let grant = Grant::read(&sealed).unwrap();
    assert_eq!((&*grant.realm, grant.key, grant.by), ("lab", keys.1, vec![keys.0]));
    assert_eq!((grant.issued, grant.until), (Some(3), 9));
    assert_eq!(
        Grant::seal(&Signer::new(&old), &"r".repeat(256), &keys.1, (3, 9)),
        Err(CertificateError::Malformed)
    );
    assert_eq!(Grant::read(&[0; 1025]), Err(CertificateError::TooLarge(1025)));
}

/// A grant with the longest realm and as many signatures as a realm can have owners.
#[test]
fn all_owners_may_sign_a_grant() {
    let signers: Vec<_> = (1..=7).map(|n| Signer::new(&[n; 32])).collect();
    let sealed =
        Grant::seal(&signers[0], &"r".repeat(255), &[9; 32], (u64::MAX - 1, u64::MAX)).unwrap();
    let cosigned = |bytes: Vec<u8>, signer| Grant::cosign(&bytes, signer).unwrap();
    let all = signers[..identity::MAX_OWNERS].iter().rev().fold(sealed.clone(), cosigned);
    let mut keys: Vec<_> = signers[..identity::MAX_OWNERS].iter().map(Signer::key).collect();
    keys.sort();
    let (first, last) = (Grant::read(&sealed).unwrap(), Grant::read(&all).unwrap());
    assert_eq!((last.by, last.id), (keys, first.id));
    assert!(all.len() <= identity::MAX_BYTES);
    assert_eq!(Grant::cosign(&all, &signers[6]), Err(CertificateError::Malformed), "one too many");
}

fn charter(secrets: &[[u8; 32]]) -> Vec<u8> {
    let mut owners: Vec<_> = secrets.iter().map(identity::public_key).collect();
    owners.sort();
    owners.dedup();
    let realm = "org.example".to_string();
    let revoked = vec![[7; 32], [8; 32]];
    let charter = Charter {
        realm,
        number: 3,
        issued: 5,
        owners,
        threshold: 1,
        revoked,
        by: vec![],
        id: [0; 32],
    };
    let sealed = charter.seal(&Signer::new(&secrets[0])).unwrap();
    secrets[1..]
        .iter()
        .fold(sealed, |bytes, secret| Charter::cosign(&bytes, &Signer::new(secret)).unwrap())
}

#[test]
fn a_charter_names_the_realm_and_its_owners() {
    let secrets = [[1; 32], [2; 32]];
    let charter = Charter::read(&charter(&secrets)).unwrap();
    let mut keys: Vec<_> = secrets.iter().map(identity::public_key).collect();
    keys.sort();
    assert_eq!((charter.owners.clone(), charter.by.clone()), (keys.clone(), keys));
    let refused = |change: &dyn Fn(&mut Charter)| {
        let mut other = charter.clone();
        change(&mut other);
        assert_eq!(other.seal(&Signer::new(&secrets[0])), Err(CertificateError::Malformed));
    };
    refused(&|c| c.realm = "r".repeat(256));
    refused(&|c| c.number = 0);
    refused(&|c| c.threshold = 0);
    refused(&|c| c.threshold = 3);
    refused(&|c| c.owners.clear());
    refused(&|c| c.owners.reverse());
    refused(&|c| c.owners = (0..7).map(|n| [n; 32]).collect());
    refused(&|c| c.revoked = vec![[1; 32]; 2]);
    refused(&|c| {
        c.revoked = (0..257u64).map(|n| [n.to_be_bytes(); 4].concat().try_into().unwrap()).collect()
    });
    let most = Charter {
        realm: "r".repeat(255),
        owners: (0..6).map(|n| [n; 32]).collect(),
        revoked: (0..256u64).map(|n| [n.to_be_bytes(); 4].concat().try_into().unwrap()).collect(),
        ..charter
    };
    let signers = (1..=12).map(|n| Signer::new(&[n; 32]));
    let sealed = most.seal(&Signer::new(&[1; 32])).unwrap();
    let all = signers.fold(sealed, |bytes, signer| Charter::cosign(&bytes, &signer).unwrap());
    assert_eq!(Charter::read(&all).unwrap().by.len(), 12);
    assert_eq!(Charter::cosign(&all, &Signer::new(&[13; 32])), Err(CertificateError::Malformed));
    assert_eq!(Charter::read(&vec![0; 16_385]), Err(CertificateError::TooLarge(16_385)));
}
