//! A genotype as bytes: one canonical MessagePack array, the same on every machine.
//!
//! `docs/wire-format.md` describes it for other readers. Numbers of one kind are in one `bin`, in
//! little-endian order; if all of them have the usual value, the `bin` is empty. The ends of
//! connections are indexes into the nodes, in (layer, id) order. The ids of inputs, outputs and
//! connections can be computed, so they are not encoded.

mod columns;
mod earlier;

use crate::genome::genotype::{self, Genotype, GenotypeError};
use crate::genome::topology::{Ends, Place, Topology};
pub(crate) use columns::{
    GENES, bits, read_ends, read_neurons, read_places, unpack_bits, words, write_ends,
    write_neurons, write_places,
};
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The version of the schema that this release writes.
pub const VERSION: u64 = 3;

/// Longer bytes are refused without reading them.
pub const MAX_BYTES: usize = 16 << 20;

pub type GenotypeId = [u8; 32];

/// Why bytes are not a genotype.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum CodecError {
    #[error("{0} bytes; expected at most {MAX_BYTES}")]
    TooLarge(usize),
    /// Not an array of the right kinds, cut short, or columns with different lengths.
    #[error("not the bytes of a genotype")]
    Malformed,
    #[error("genotype version {0}; this release reads up to {VERSION}")]
    UnsupportedVersion(u64),
    /// An activation, aggregation, dynamics or plasticity that this release does not know.
    #[error("unknown {0} {1}")]
    UnknownGene(&'static str, u8),
    /// These bytes decode to a genotype whose canonical bytes are different.
    #[error("not the canonical bytes of this genotype")]
    NotCanonical,
    #[error(transparent)]
    Invalid(GenotypeError),
}

/// The array of version 3.
#[derive(Serialize, Deserialize)]
struct Columns<'a> {
    schema: u64,
    inputs: u32,
    outputs: u32,
    #[serde(borrow)]
    ids: &'a Bytes,
    layers: &'a Bytes,
    genes: [&'a Bytes; GENES],
    froms: &'a Bytes,
    tos: &'a Bytes,
    weights: &'a Bytes,
    enabled: &'a Bytes,
}

/// The canonical bytes.
pub fn encode(genotype: &Genotype) -> Vec<u8> {
    let topology = &genotype.topology;
    let [ids, layers] = write_places(&topology.places[topology.hidden()]);
    let genes = write_neurons(&genotype.neurons, false);
    let [froms, tos] = write_ends(&topology.ends, topology.places.len());
    let weights: Vec<[u8; 4]> =
        genotype.weights.iter().map(|weight| weight.to_le_bytes()).collect();
    let enabled = bits(&genotype.enabled);
    let all_enabled = genotype.enabled.iter().all(|enabled| *enabled);
    let columns = Columns {
        schema: VERSION,
        inputs: genotype.inputs(),
        outputs: genotype.outputs(),
        ids: Bytes::new(&ids),
        layers: Bytes::new(&layers),
        genes: genes.each_ref().map(|gene| Bytes::new(gene)),
        froms: Bytes::new(&froms),
        tos: Bytes::new(&tos),
        weights: Bytes::new(weights.as_flattened()),
        enabled: Bytes::new(if all_enabled { &[] } else { &enabled }),
    };
    let parts =
        [columns.ids, columns.layers, columns.froms, columns.tos, columns.weights, columns.enabled];
    let size: usize = parts.iter().chain(&columns.genes).map(|part| part.len() + 5).sum();
    let mut bytes = Vec::with_capacity(size + 16);
    rmp_serde::encode::write(&mut bytes, &columns).expect("writing numbers to memory cannot fail");
    bytes
}

/// Reads the canonical bytes of this or an earlier version, from any sender.
///
/// # Errors
/// [`CodecError`]. The memory is proportional to the given bytes.
pub fn decode(bytes: &[u8]) -> Result<Genotype, CodecError> {
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    match version(bytes).ok_or(CodecError::Malformed)? {
        VERSION => {
            let columns: Columns =
                rmp_serde::from_slice(bytes).map_err(|_| CodecError::Malformed)?;
            let genotype = columns.genotype()?;
            if encode(&genotype) == bytes { Ok(genotype) } else { Err(CodecError::NotCanonical) }
        }
        version @ 1..VERSION => earlier::decode(version, bytes),
        other => Err(CodecError::UnsupportedVersion(other)),
    }
}

/// The id of a genotype: the SHA-256 of its canonical bytes.
pub fn id(genotype: &Genotype) -> GenotypeId {
    id_of(&encode(genotype))
}

pub(crate) fn id_of(canonical: &[u8]) -> GenotypeId {
    Sha256::digest(canonical).into()
}

/// The number at the start of an array.
pub(crate) fn version(mut bytes: &[u8]) -> Option<u64> {
    rmp::decode::read_array_len(&mut bytes).ok()?;
    rmp::decode::read_int(&mut bytes).ok()
}

impl Columns<'_> {
    fn genotype(&self) -> Result<Genotype, CodecError> {
        let nodes = Nodes::read(self.inputs, self.outputs, self.ids, self.layers)?;
        let ends = read_ends(self.froms, self.tos, nodes.places.len())?;
        let enabled = match self.enabled.is_empty() {
            true => vec![true; ends.len()],
            false => unpack_bits(self.enabled, ends.len())?,
        };
        nodes.genotype(&self.genes.map(|gene| &**gene), ends, self.weights, enabled)
    }
}

/// The node table that the other columns refer to.
struct Nodes {
    inputs: u32,
    outputs: u32,
    places: Vec<Place>,
}

impl Nodes {
    /// Reads the nodes, and adds the inputs and outputs, which are not encoded.
    fn read(inputs: u32, outputs: u32, ids: &[u8], layers: &[u8]) -> Result<Nodes, CodecError> {
        let hidden = read_places(ids, layers)?;
        let count = hidden.len() + inputs as usize + outputs as usize;
        genotype::check_size(inputs, outputs, count, 0).map_err(CodecError::Invalid)?;
        let mut places = Topology::unconnected(inputs, outputs).places;
        places.splice(inputs as usize..inputs as usize, hidden);
        Ok(Nodes { inputs, outputs, places })
    }

    fn genotype(
        self,
        genes: &[&[u8]; GENES],
        ends: Vec<Ends>,
        weights: &[u8],
        enabled: Vec<bool>,
    ) -> Result<Genotype, CodecError> {
        let neurons = read_neurons(genes, self.places.len() - self.inputs as usize)?;
        let weights: Vec<f32> =
            words(weights)?.iter().map(|weight| f32::from_le_bytes(*weight)).collect();
        if weights.len() != ends.len() {
            return Err(CodecError::Malformed);
        }
        let topology = Topology::new(self.inputs, self.outputs, self.places, ends);
        Genotype::checked(topology, neurons, weights, enabled).map_err(CodecError::Invalid)
    }
}
