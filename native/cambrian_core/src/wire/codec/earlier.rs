//! Earlier versions of the schema. They are read, but never written.
//!
//! Neurons of version 1 had only an activation and a bias; version 2 had all of today's genes. Both
//! had the ends of connections as arrays of numbers, and always a bit for each connection.

use super::{CodecError, GENES, Nodes, unpack_bits};
use crate::genome::genotype::Genotype;
use crate::genome::topology::Ends;
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;

// Each array has its own type, field by field. A type for any field would take 32 bytes for every
// number: a stranger's kilobyte, which unpacks to 16 MiB of numbers, would take a gigabyte.

#[derive(Serialize, Deserialize)]
struct First<'a> {
    schema: u64,
    inputs: u32,
    outputs: u32,
    #[serde(borrow)]
    ids: &'a Bytes,
    layers: &'a Bytes,
    activations: &'a Bytes,
    biases: &'a Bytes,
    froms: Vec<u32>,
    tos: Vec<u32>,
    weights: &'a Bytes,
    enabled: &'a Bytes,
}

#[derive(Serialize, Deserialize)]
struct Second<'a> {
    schema: u64,
    inputs: u32,
    outputs: u32,
    #[serde(borrow)]
    ids: &'a Bytes,
    layers: &'a Bytes,
    activations: &'a Bytes,
    aggregations: &'a Bytes,
    biases: &'a Bytes,
    gains: &'a Bytes,
    dynamics: &'a Bytes,
    time_constants: &'a Bytes,
    plasticities: &'a Bytes,
    learning_rates: &'a Bytes,
    decays: &'a Bytes,
    froms: Vec<u32>,
    tos: Vec<u32>,
    weights: &'a Bytes,
    enabled: &'a Bytes,
}

/// Reads a genotype of an earlier version into today's type.
///
/// # Errors
/// [`CodecError`]
pub fn decode(version: u64, bytes: &[u8]) -> Result<Genotype, CodecError> {
    match version {
        1 => read::<First>(bytes)?.genotype(),
        _ => read::<Second>(bytes)?.genotype(),
    }
}

/// Reads a value. Checks that nothing follows it, and that every number has its shortest form.
fn read<'a, T: Serialize + Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    let columns: T = rmp_serde::from_slice(bytes).map_err(|_| CodecError::Malformed)?;
    let written = rmp_serde::to_vec(&columns).expect("writing numbers to memory cannot fail");
    if written == bytes { Ok(columns) } else { Err(CodecError::NotCanonical) }
}

impl First<'_> {
    fn genotype(&self) -> Result<Genotype, CodecError> {
        let mut genes: [&[u8]; GENES] = [&[]; GENES];
        (genes[0], genes[2]) = (self.activations, self.biases);
        let nodes = Nodes::read(self.inputs, self.outputs, self.ids, self.layers)?;
        let ends = ends(&self.froms, &self.tos, nodes.places.len())?;
        let enabled = unpack_bits(self.enabled, ends.len())?;
        nodes.genotype(&genes, ends, self.weights, enabled)
    }
}

impl Second<'_> {
    fn genotype(&self) -> Result<Genotype, CodecError> {
        let genes: [&[u8]; GENES] = [
            self.activations,
            self.aggregations,
            self.biases,
            self.gains,
            self.dynamics,
            self.time_constants,
            self.plasticities,
            self.learning_rates,
            self.decays,
        ];
        let nodes = Nodes::read(self.inputs, self.outputs, self.ids, self.layers)?;
        let ends = ends(&self.froms, &self.tos, nodes.places.len())?;
        let enabled = unpack_bits(self.enabled, ends.len())?;
        nodes.genotype(&genes, ends, self.weights, enabled)
    }
}

fn ends(froms: &[u32], tos: &[u32], count: usize) -> Result<Vec<Ends>, CodecError> {
    if froms.len() != tos.len() || froms.iter().chain(tos).any(|index| *index as usize >= count) {
        return Err(CodecError::Malformed);
    }
    Ok(froms.iter().zip(tos).map(|(&from, &to)| Ends { from, to }).collect())
}
