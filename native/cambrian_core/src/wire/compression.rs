//! zstd, with its size known before anything is unpacked.
//!
//! The dictionary holds what genotypes have in common, such as the ids of the first splits, which
//! are the same in every population of the world: `bench/dictionary.rs` made it, and shows what it
//! is worth.

use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

const DICTIONARY: &[u8] = include_bytes!("compression/dictionary");
const LEVEL: i32 = 3;

fn packer() -> std::io::Result<Compressor<'static>> {
    let mut packer = Compressor::with_dictionary(LEVEL, DICTIONARY)?;
    // there is only one dictionary
    packer.include_dictid(false)?;
    Ok(packer)
}

// one for each thread: making one takes longer than packing a genotype
thread_local! {
    static PACKER: RefCell<Compressor<'static>> =
        RefCell::new(packer().expect("a dictionary and a level of zstd's"));
    static UNPACKER: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::with_dictionary(DICTIONARY).expect("a dictionary of zstd's"));
}

/// One frame, which says its size.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    PACKER
        .with_borrow_mut(|packer| packer.compress(bytes))
        .expect("zstd has room for its own bound")
}

/// The bytes that a frame says it unpacks to.
pub(crate) fn unpacked_size(frame: &[u8]) -> Option<usize> {
    usize::try_from(zstd_safe::get_frame_content_size(frame).ok()??).ok()
}

/// Unpacks one frame. `None` if its size is not stated, stated wrongly, or over the limit.
pub(crate) fn decompress(frame: &[u8], limit: usize) -> Option<Vec<u8>> {
    let size = unpacked_size(frame)?;
    if size > limit || zstd_safe::find_frame_compressed_size(frame) != Ok(frame.len()) {
        return None;
    }
    let bytes = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(frame, size)).ok()?;
    (bytes.len() == size).then_some(bytes)
}
