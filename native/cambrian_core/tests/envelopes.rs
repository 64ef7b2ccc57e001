//! Envelopes from strangers: every wrong byte is refused, and nothing is believed.

use cambrian_core::codec;
use cambrian_core::codec::CodecError;
use cambrian_core::envelope::{self, CONTEXT, Claims, EnvelopeError};
use cambrian_core::genotype::Genotype;
use cambrian_core::parameters::Parameters;
use cambrian_core::rng::{Purpose, Stream};
use ed25519_dalek::{Signer, SigningKey};
use serde_bytes::{ByteArray, ByteBuf};

const SECRET: [u8; 32] = [7; 32];

fn genotype() -> Genotype {
    let mut rng = Stream::new(1, Purpose::Birth, 0, 0);
    Genotype::new(3, 2, &Parameters::default(), &mut rng).unwrap()
}

fn claims() -> Claims {
    Claims {
        realm: "org.example".into(),
        task: "xor".into(),
        fitness: 3.5,
        generation: 12,
        parents: vec![[1; 32]],
        sequence: 9,
        time: 1_800_000_000_000,
    }
}

fn sealed() -> Vec<u8> {
    envelope::seal(&claims(), &genotype(), &SECRET).unwrap()
}

/// An envelope around any body, signed as it should be.
fn signed(body: &[u8]) -> Vec<u8> {
    let signature = SigningKey::from_bytes(&SECRET).sign(&[CONTEXT, body].concat()).to_bytes();
    rmp_serde::to_vec(&(ByteBuf::from(body), ByteArray::new(signature))).unwrap()
}

/// A body with a payload of one's choice, otherwise as [`claims`] says.
fn body_with(payload: &[u8], id: [u8; 32]) -> Vec<u8> {
    let c = claims();
    let origin = ByteArray::new(envelope::public_key(&SECRET));
    let parents: Vec<ByteArray<32>> = c.parents.iter().map(|p| ByteArray::new(*p)).collect();
    rmp_serde::to_vec(&(
        1u64,
        "genotype",
        c.realm,
        c.task,
        ByteArray::new(id),
        (),
        ByteBuf::from(payload),
        c.fitness,
        c.generation,
        parents,
        origin,
        c.sequence,
        c.time,
    ))
    .unwrap()
}

fn open(bytes: &[u8]) -> Result<Genotype, EnvelopeError> {
    envelope::read(bytes)?.open()
}

#[test]
fn what_was_sealed_is_read() {
    let envelope = envelope::read(&sealed()).unwrap();
    assert_eq!(envelope.claims, claims());
    assert_eq!(envelope.origin, envelope::public_key(&SECRET));
    assert_eq!(envelope.genotype, codec::id(&genotype()));
    assert_eq!(envelope.open(), Ok(genotype()));
    let payload = zstd::bulk::compress(&codec::encode(&genotype()), 3).unwrap();
    assert_eq!(
        signed(&body_with(&payload, codec::id(&genotype()))),
        sealed(),
        "the format is as written here"
    );
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let bytes = sealed();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(open(&changed).is_err(), "bit {bit} of byte {at}");
        }
        assert!(open(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(open(&[&bytes[..], &[0]].concat()), Err(EnvelopeError::Malformed));
}

#[test]
fn a_signed_lie_is_still_a_lie() {
    let id = codec::id(&genotype());
    let bytes = codec::encode(&genotype());
    let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
    assert_eq!(open(&signed(&body_with(&pack(&bytes), [0; 32]))), Err(EnvelopeError::WrongId));
    assert_eq!(
        open(&signed(&body_with(&pack(&bytes[1..]), id))),
        Err(EnvelopeError::Genotype(CodecError::Malformed))
    );
    assert_eq!(open(&signed(&body_with(&bytes, id))), Err(EnvelopeError::Decompression));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = zstd::bulk::compress(&vec![0; 1 << 30], 3).unwrap();
    assert!(bomb.len() < 200_000, "a gigabyte in {} bytes", bomb.len());
    assert_eq!(open(&signed(&body_with(&bomb, [0; 32]))), Err(EnvelopeError::Decompression));
}

#[test]
fn size_version_and_claims_are_bounded() {
    let large = vec![0; envelope::MAX_BYTES + 1];
    assert_eq!(envelope::read(&large), Err(EnvelopeError::TooLarge(large.len())));
    let mut body = body_with(&[], [0; 32]);
    body[1] = 2;
    assert_eq!(envelope::read(&signed(&body)), Err(EnvelopeError::UnsupportedVersion(2)));
    let refused = |change: &dyn Fn(&mut Claims)| {
        let mut c = claims();
        change(&mut c);
        assert_eq!(envelope::seal(&c, &genotype(), &SECRET), Err(EnvelopeError::Malformed));
    };
    refused(&|c| c.realm = "r".repeat(256));
    refused(&|c| c.fitness = f64::NAN);
    refused(&|c| c.parents = vec![[0; 32]; 9]);
}
