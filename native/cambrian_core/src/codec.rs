//! A genotype as bytes: one canonical MessagePack array, the same on every machine.
//!
//! `docs/wire-format.md` describes it for other readers. Version 1:
//! `[1, inputs, outputs, hidden ids, hidden layers, activations, biases, froms, tos, weights, enabled]`.
//! Numbers of one kind stand together, little-endian, in one `bin` each; the ends of connections
//! are indexes into the nodes, in (layer, id) order; the ids of inputs, outputs and connections
//! follow from what they are and do not travel.

use crate::genotype::{Connection, Genotype, GenotypeError, Node};
use crate::innovation::{self, BOTTOM, TOP};
use crate::math::Activation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

pub const VERSION: u64 = 1;

/// Longer bytes are refused unread.
pub const MAX_BYTES: usize = 16 << 20;

/// Why bytes are not a genotype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CodecError {
    TooLarge(usize),
    /// Not an array of the right kinds, cut short, or columns whose lengths disagree.
    Malformed,
    UnsupportedVersion(u64),
    UnknownActivation(u8),
    /// The same genotype has another, canonical spelling.
    NotCanonical,
    Invalid(GenotypeError),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            CodecError::TooLarge(size) => write!(f, "{size} bytes; expected at most {MAX_BYTES}"),
            CodecError::Malformed => write!(f, "not the bytes of a genotype"),
            CodecError::UnsupportedVersion(v) => {
                write!(f, "genotype version {v}; this release reads up to {VERSION}")
            }
            CodecError::UnknownActivation(n) => write!(f, "unknown activation {n}"),
            CodecError::NotCanonical => write!(f, "not the canonical bytes of this genotype"),
            CodecError::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CodecError {}

/// The array of version 1, borrowed from the bytes when it is read.
#[derive(Serialize, Deserialize)]
struct Columns<'a> {
    version: u64,
    inputs: u32,
    outputs: u32,
    #[serde(borrow, with = "serde_bytes")]
    hidden_ids: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    hidden_layers: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    activations: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    biases: Bytes<'a>,
    froms: Vec<u32>,
    tos: Vec<u32>,
    #[serde(borrow, with = "serde_bytes")]
    weights: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    enabled: Bytes<'a>,
}

type Bytes<'a> = std::borrow::Cow<'a, [u8]>;

fn column<const N: usize>(items: impl Iterator<Item = [u8; N]>) -> Bytes<'static> {
    Bytes::Owned(items.flatten().collect())
}

/// The canonical bytes.
pub fn encode(genotype: &Genotype) -> Vec<u8> {
    let index = genotype.index();
    let at = |id| index.position(id).expect("a genotype's connections end at its nodes") as u32;
    let (hidden, connections) = (genotype.hidden(), genotype.connections());
    let computed = &genotype.nodes()[genotype.inputs() as usize..];
    let mut enabled = vec![0; connections.len().div_ceil(8)];
    for (i, _) in connections.iter().enumerate().filter(|(_, c)| c.enabled) {
        enabled[i / 8] |= 1 << (i % 8);
    }
    let columns = Columns {
        version: VERSION,
        inputs: genotype.inputs(),
        outputs: genotype.outputs(),
        hidden_ids: column(hidden.iter().map(|n| n.id.to_le_bytes())),
        hidden_layers: column(hidden.iter().map(|n| n.layer.to_le_bytes())),
        activations: column(computed.iter().map(|n| [n.activation as u8])),
        biases: column(computed.iter().map(|n| n.bias.to_le_bytes())),
        froms: connections.iter().map(|c| at(c.from)).collect(),
        tos: connections.iter().map(|c| at(c.to)).collect(),
        weights: column(connections.iter().map(|c| c.weight.to_le_bytes())),
        enabled: Bytes::Owned(enabled),
    };
    rmp_serde::to_vec(&columns).expect("writing numbers to memory cannot fail")
}

/// Reads canonical bytes from anyone.
///
/// # Errors
/// [`CodecError`]; memory stays in proportion to the bytes that were given.
pub fn decode(bytes: &[u8]) -> Result<Genotype, CodecError> {
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    match version(bytes).ok_or(CodecError::Malformed)? {
        VERSION => {}
        other => return Err(CodecError::UnsupportedVersion(other)),
    }
    let columns: Columns = rmp_serde::from_slice(bytes).map_err(|_| CodecError::Malformed)?;
    let genotype = columns.genotype()?;
    if encode(&genotype) == bytes { Ok(genotype) } else { Err(CodecError::NotCanonical) }
}

/// The genotype's name: SHA-256 of its canonical bytes.
pub fn id(genotype: &Genotype) -> [u8; 32] {
    Sha256::digest(encode(genotype)).into()
}

/// The number at the head of an array.
pub(crate) fn version(mut bytes: &[u8]) -> Option<u64> {
    rmp::decode::read_array_len(&mut bytes).ok()?;
    rmp::decode::read_int(&mut bytes).ok()
}

impl Columns<'_> {
    fn genotype(&self) -> Result<Genotype, CodecError> {
        let hidden = words::<8>(&self.hidden_ids)?.len();
        let outputs = self.outputs as usize;
        let computed = hidden.checked_add(outputs).ok_or(CodecError::Malformed)?;
        let count = self.froms.len();
        let lengths = [
            (self.hidden_layers.len(), 8 * hidden),
            (self.activations.len(), computed),
            (self.biases.len(), 4 * computed),
            (self.tos.len(), count),
            (self.weights.len(), 4 * count),
            (self.enabled.len(), count.div_ceil(8)),
        ];
        if lengths.iter().any(|(found, wanted)| found != wanted) {
            return Err(CodecError::Malformed);
        }
        // checked before the input nodes, which do not travel, are made
        if self.inputs > crate::genotype::MAX_ENDS {
            let (inputs, outputs) = (self.inputs, self.outputs);
            return Err(CodecError::Invalid(GenotypeError::Ends { inputs, outputs }));
        }
        let nodes = self.nodes(hidden)?;
        let connections = self.connections(&nodes)?;
        Genotype::from_genes(self.inputs, self.outputs, nodes, connections).map_err(CodecError::Invalid)
    }

    fn nodes(&self, hidden: usize) -> Result<Vec<Node>, CodecError> {
        let mut inputs: Vec<u64> = (0..self.inputs).map(innovation::input).collect();
        let mut outputs: Vec<u64> = (0..self.outputs).map(innovation::output).collect();
        inputs.sort_unstable();
        outputs.sort_unstable();
        let mut nodes = Vec::with_capacity(inputs.len() + hidden + outputs.len());
        nodes.extend(inputs.into_iter().map(|id| Node {
            id,
            layer: BOTTOM,
            activation: Activation::Identity,
            bias: 0.0,
        }));
        let places = (words(&self.hidden_ids)?.iter().map(|id| u64::from_le_bytes(*id)))
            .zip(words(&self.hidden_layers)?.iter().map(|layer| u64::from_le_bytes(*layer)))
            .chain(outputs.into_iter().map(|id| (id, TOP)));
        let biases = words(&self.biases)?.iter().map(|bias| f32::from_le_bytes(*bias));
        for ((place, bias), &number) in places.zip(biases).zip(self.activations.iter()) {
            let (id, layer) = place;
            let activation =
                *Activation::ALL.get(usize::from(number)).ok_or(CodecError::UnknownActivation(number))?;
            nodes.push(Node { id, layer, activation, bias });
        }
        Ok(nodes)
    }

    fn connections(&self, nodes: &[Node]) -> Result<Vec<Connection>, CodecError> {
        let node = |at: u32| nodes.get(at as usize).map(|n| n.id).ok_or(CodecError::Malformed);
        let ends = self.froms.iter().zip(&self.tos);
        let weights = words(&self.weights)?.iter().map(|weight| f32::from_le_bytes(*weight));
        (ends.zip(weights).enumerate())
            .map(|(i, ((&from, &to), weight))| {
                let enabled = self.enabled[i / 8] >> (i % 8) & 1 == 1;
                Ok(Connection { enabled, ..Connection::new(node(from)?, node(to)?, weight) })
            })
            .collect()
    }
}

fn words<const N: usize>(bytes: &[u8]) -> Result<&[[u8; N]], CodecError> {
    match bytes.as_chunks() {
        (words, []) => Ok(words),
        _ => Err(CodecError::Malformed),
    }
}
