//! Compression by zstd. The unpacked size is known before anything is unpacked.
//!
//! The dictionary holds the common content of genotypes, such as the ids of the first splits, which
//! are the same in every population. `bench/dictionary.rs` made it, and measures its benefit.

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

// one packer per thread: making a packer takes longer than packing a genotype
thread_local! {
    static PACKER: RefCell<Compressor<'static>> =
        RefCell::new(packer().expect("a dictionary and a level of zstd's"));
    static UNPACKER: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::with_dictionary(DICTIONARY).expect("a dictionary of zstd's"));
}

/// Packs bytes into one frame, which states its size.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    PACKER
        .with_borrow_mut(|packer| packer.compress(bytes))
        .expect("zstd has room for its own bound")
}

/// The unpacked size that a frame states.
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
