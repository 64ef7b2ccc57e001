//! Input of strangers: each gives an error that names its fault, and takes memory in proportion
//! to its bytes.

mod common;

use cambrian_core::genome::genotype::GenotypeError;
use cambrian_core::genome::innovation::{self, TOP};
use cambrian_core::wire::codec::{self, CodecError};
use cambrian_core::wire::delta::{self, DeltaError};
use cambrian_core::wire::envelope::{self, EnvelopeError};
use cambrian_core::wire::identity::{self, CertificateError, Signer};
use common::newborn;
use serde::Serialize;
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.get().wrapping_add(layout.size());
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
        // SAFETY: as the caller promises
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().saturating_sub(layout.size()));
        // SAFETY: as the caller promises
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result, and the largest number of bytes allocated at a time.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let answer = work();
    (answer, PEAK.get() - before)
}

const MEGABYTE: usize = 1 << 20;

fn refused<T: std::fmt::Debug + PartialEq, E: std::fmt::Debug + PartialEq>(
    expected: E,
    limit: usize,
    work: impl FnOnce() -> Result<T, E>,
) {
    let (answer, peak) = measured(work);
    assert_eq!(answer, Err(expected));
    assert!(peak <= limit, "{peak} bytes for what is worth {limit}");
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).unwrap()
}

fn words<const N: usize>(words: &[[u8; N]]) -> ByteBuf {
    ByteBuf::from(words.as_flattened())
}

/// A genotype of one input, one output and the given hidden nodes and connections.
fn forged(hidden: &[(u64, u64)], ends: &[(u8, u8)], weights: &[f32]) -> Vec<u8> {
    let column =
        |byte: fn(&(u8, u8)) -> u8| ByteBuf::from(ends.iter().map(byte).collect::<Vec<u8>>());
    let genes: [ByteBuf; 9] = std::array::from_fn(|_| ByteBuf::new());
    pack(&(
        codec::VERSION,
        1,
        1,
        words(&hidden.iter().map(|(id, _)| id.to_le_bytes()).collect::<Vec<_>>()),
        words(&hidden.iter().map(|(_, layer)| layer.to_le_bytes()).collect::<Vec<_>>()),
        genes,
        column(|ends| ends.0),
        column(|ends| ends.1),
        words(&weights.iter().map(|weight| weight.to_le_bytes()).collect::<Vec<_>>()),
        ByteBuf::new(),
    ))
}

fn invalid(error: GenotypeError) -> CodecError {
    CodecError::Invalid(error)
}

#[test]
fn impossible_genes_are_refused() {
    let link = innovation::connection(innovation::input(0), innovation::output(0));
    assert!(codec::decode(&forged(&[], &[(0, 1)], &[1.0])).is_ok(), "the forger knows the format");
    let cases = [
        (forged(&[], &[(0, 1)], &[f32::NAN]), invalid(GenotypeError::Weight(link))),
        (forged(&[], &[(0, 1)], &[f32::INFINITY]), invalid(GenotypeError::Weight(link))),
        (forged(&[], &[(0, 1)], &[f32::NEG_INFINITY]), invalid(GenotypeError::Weight(link))),
        (forged(&[], &[(0, 1), (0, 1)], &[1.0, 2.0]), invalid(GenotypeError::Collision(link))),
        (forged(&[(7, 5), (7, 5)], &[], &[]), invalid(GenotypeError::NodeOrder(7))),
        (forged(&[(7, 5), (7, 6)], &[], &[]), invalid(GenotypeError::DuplicateNode(7))),
        (
            forged(&[(innovation::input(0), 5)], &[], &[]),
            invalid(GenotypeError::DuplicateNode(innovation::input(0))),
        ),
        (forged(&[(u64::MAX, 0)], &[], &[]), invalid(GenotypeError::Layer(u64::MAX))),
        (forged(&[(7, TOP)], &[], &[]), invalid(GenotypeError::Layer(7))),
        (
            forged(&[], &[(0, 0)], &[1.0]),
            invalid(GenotypeError::IntoInput(innovation::connection(
                innovation::input(0),
                innovation::input(0),
            ))),
        ),
        (forged(&[], &[(0, 2)], &[1.0]), CodecError::Malformed),
        (forged(&[], &[(0, 1)], &[]), CodecError::Malformed),
    ];
    for (bytes, error) in cases {
        refused(error, 4096, || codec::decode(&bytes));
    }
}

/// serde allocates at most a megabyte because of a count.
#[test]
fn a_count_of_missing_elements_takes_no_memory() {
    let head = |rest: &[u8]| [&[0x9a, 3, 1, 1], rest].concat();
    let giant_bin = head(&[0xc6, 0xff, 0xff, 0xff, 0xff]);
    refused(CodecError::Malformed, 4096, || codec::decode(&giant_bin));
    let giant_array = [&[0xdd, 0xff, 0xff, 0xff, 0xff, 2, 1, 1], &[0; 100][..]].concat();
    refused(CodecError::Malformed, 2 * MEGABYTE, || codec::decode(&giant_array));
    let many_numbers =
        [&[0x9b, 1, 1, 1, 0xc4, 0, 0xc4, 0, 0xc4, 0, 0xc4, 0], &[0xdd, 0xff, 0xff, 0xff, 0xff][..]]
            .concat();
    refused(CodecError::Malformed, 2 * MEGABYTE, || codec::decode(&many_numbers));
    let mut wide = forged(&[], &[], &[]);
    wide.splice(2..3, [0xce, 0xff, 0xff, 0xff, 0xff]);
    let ends = GenotypeError::Ends { inputs: u32::MAX, outputs: 1 };
    refused(invalid(ends), 4096, || codec::decode(&wide));
    let base = newborn(2, 1, 1);
    let id = ByteArray::new(codec::id(&base));
    let gone =
        [&[0x9c, 1][..], &pack(&id), &pack(&id), &[2, 1, 0xdd, 0xff, 0xff, 0xff, 0xff]].concat();
    refused(DeltaError::Malformed, 2 * MEGABYTE, || delta::patch(&base, &gone));
}

/// 16 MiB of numbers, unpacked from less than a kilobyte: four bytes each, and half as much again
/// while the array grows.
#[test]
fn many_small_numbers_take_memory_in_proportion() {
    let count = codec::MAX_BYTES - 64;
    let empty = |bins: usize| [0xc4, 0].repeat(bins);
    let array = [&[0xdd][..], &(count as u32).to_be_bytes(), &vec![0; count]].concat();
    let first = [&[0x9b, 1, 1, 1][..], &empty(4), &array, &[0x90], &empty(2)].concat();
    let second = [&[0xdc, 0, 18, 2, 1, 1][..], &empty(11), &array, &[0x90], &empty(2)].concat();
    for bytes in [first, second] {
        refused(CodecError::Malformed, 7 * codec::MAX_BYTES, || codec::decode(&bytes));
    }
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    let large = vec![0x90; 100 * MEGABYTE];
    refused(CodecError::TooLarge(large.len()), 1024, || codec::decode(&large));
    refused(DeltaError::TooLarge(large.len()), 1024, || {
        delta::patch(&newborn(1, 1, 1), &large).map(|_| ())
    });
    refused(EnvelopeError::TooLarge(large.len()), 1024, || envelope::read(&large));
    refused(CertificateError::TooLarge(large.len()), 1024, || identity::Grant::read(&large));
    refused(CertificateError::TooLarge(large.len()), 1024, || identity::Succession::read(&large));
    refused(CertificateError::TooLarge(large.len()), 1024, || identity::Charter::read(&large));
}

/// A gigabyte in 32 KiB: one frame of blocks that each repeat a byte, as many as the format
/// allows.
fn bomb() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend((1u32 << 30).to_le_bytes());
    let blocks = 1 << 13;
    for nth in 1..=blocks {
        let last = u32::from(nth == blocks);
        frame.extend(&((128u32 * 1024) << 3 | 1 << 1 | last).to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn decompression_bombs_are_not_unpacked() {
    let plain = zstd::bulk::compress(&vec![0; 1 << 30], 19).unwrap();
    let liar = {
        // claims four bytes and unpacks to a gigabyte
        let mut frame = bomb();
        frame.splice(4..9, [0x20, 4]);
        frame
    };
    for frame in [plain, bomb(), liar] {
        let bytes = sealed(&frame);
        let envelope = envelope::read(&bytes).unwrap();
        refused(EnvelopeError::Decompression, MEGABYTE, || envelope.open(None));
        let base = newborn(2, 1, 1);
        let delta = differing(&base, &frame);
        refused(DeltaError::Decompression, 64 * 1024 + 2 * delta.len(), || {
            delta::patch(&base, &delta)
        });
    }
}

fn sealed(payload: &[u8]) -> Vec<u8> {
    fn signer() -> Signer {
        Signer::new(&[7; 32])
    }
    let none: [&str; 0] = [];
    let claims = pack(&(
        2,
        "genotype",
        "r",
        "t",
        ByteArray::new([0; 32]),
        (),
        ByteArray::<32>::new(Sha256::digest(payload).into()),
        1.0,
        0,
        none,
        none,
        ByteArray::new(signer().key()),
        (),
        0,
        0,
    ));
    let signature = signer().sign("cambrian envelope 2\n", &claims);
    pack(&(ByteBuf::from(claims), ByteArray::new(signature), ByteBuf::from(payload)))
}

fn differing(base: &cambrian_core::genome::genotype::Genotype, values: &[u8]) -> Vec<u8> {
    let (id, none, empty): (_, [u32; 0], _) = (ByteArray::new(codec::id(base)), [], ByteBuf::new());
    pack(&(1, &id, &id, 2, 1, none, &empty, &empty, none, &empty, &empty, ByteBuf::from(values)))
}
