//! How a genotype travels: its canonical bytes and their hash, which is its id; differences between
//! two; and the signed envelopes, certificates and charters that carry it across a mesh.

pub mod codec;
mod compression;
pub mod delta;
pub mod identity;
pub mod envelope;
