//! A genotype as bytes: one canonical MessagePack array, the same on every machine.
//!
//! `docs/wire-format.md` describes it for other readers. Numbers of one kind stand together, little-endian, in
//! one `bin` each; a column in which every node has what a plain neuron has is empty. The ends of connections are
//! indexes into the nodes, in (layer, id) order; the ids of inputs, outputs and connections follow from what they
//! are and do not travel. Version 1 had neurons of activation and bias alone; it is read, and never written.

use crate::choice::Choice;
use crate::genotype::{Connection, Genotype, GenotypeError, MAX_ENDS, Node};
use crate::innovation::{self, BOTTOM, TOP};
use crate::neuron::Neuron;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

pub const VERSION: u64 = 2;

/// Longer bytes are refused unread.
pub const MAX_BYTES: usize = 16 << 20;

/// Why bytes are not a genotype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CodecError {
    TooLarge(usize),
    /// Not an array of the right kinds, cut short, or columns whose lengths disagree.
    Malformed,
    UnsupportedVersion(u64),
    /// A kind of activation, aggregation, dynamics or plasticity that this release has not.
    UnknownGene(&'static str, u8),
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
            CodecError::UnknownGene(gene, n) => write!(f, "unknown {gene} {n}"),
            CodecError::NotCanonical => write!(f, "not the canonical bytes of this genotype"),
            CodecError::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CodecError {}

/// The array of version 2, borrowed from the bytes when it is read.
#[derive(Default, Serialize, Deserialize)]
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
    aggregations: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    biases: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    gains: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    dynamics: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    time_constants: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    plasticities: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    learning_rates: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    decays: Bytes<'a>,
    froms: Vec<u32>,
    tos: Vec<u32>,
    #[serde(borrow, with = "serde_bytes")]
    weights: Bytes<'a>,
    #[serde(borrow, with = "serde_bytes")]
    enabled: Bytes<'a>,
}

/// The array of version 1.
#[derive(Deserialize)]
struct FirstColumns<'a> {
    _version: u64,
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

impl<'a> From<FirstColumns<'a>> for Columns<'a> {
    fn from(old: FirstColumns<'a>) -> Columns<'a> {
        let FirstColumns { inputs, outputs, hidden_ids, hidden_layers, activations, biases, .. } = old;
        let FirstColumns { froms, tos, weights, enabled, .. } = old;
        Columns {
            inputs,
            outputs,
            hidden_ids,
            hidden_layers,
            activations,
            biases,
            froms,
            tos,
            weights,
            enabled,
            ..Columns::default()
        }
    }
}

type Bytes<'a> = std::borrow::Cow<'a, [u8]>;

fn column<const N: usize>(items: impl Iterator<Item = [u8; N]>) -> Bytes<'static> {
    Bytes::Owned(items.flatten().collect())
}

/// Empty where all are as usual.
fn column_unless<const N: usize>(
    usual: [u8; N],
    items: impl Iterator<Item = [u8; N]> + Clone,
) -> Bytes<'static> {
    if items.clone().all(|item| item == usual) { Bytes::default() } else { column(items) }
}

/// The canonical bytes.
pub fn encode(genotype: &Genotype) -> Vec<u8> {
    let topology = &genotype.topology;
    let hidden = topology.places[topology.hidden()].iter();
    let mut enabled = vec![0; genotype.enabled.len().div_ceil(8)];
    for (i, _) in genotype.enabled.iter().enumerate().filter(|(_, enabled)| **enabled) {
        enabled[i / 8] |= 1 << (i % 8);
    }
    let neurons = genotype.neurons.iter();
    let kinds = |kind: fn(&Neuron) -> u8| neurons.clone().map(move |n| [kind(n)]);
    let usual_kinds = |kind: fn(&Neuron) -> u8| column_unless([kind(&Neuron::INPUT)], kinds(kind));
    let numbers = |number: fn(&Neuron) -> f32| {
        column_unless(
            number(&Neuron::INPUT).to_le_bytes(),
            neurons.clone().map(move |n| number(n).to_le_bytes()),
        )
    };
    let columns = Columns {
        version: VERSION,
        inputs: genotype.inputs(),
        outputs: genotype.outputs(),
        hidden_ids: column(hidden.clone().map(|place| place.id.to_le_bytes())),
        hidden_layers: column(hidden.map(|place| place.layer.to_le_bytes())),
        activations: column(kinds(|n| n.activation.number())),
        aggregations: usual_kinds(|n| n.aggregation.number()),
        biases: numbers(|n| n.bias),
        gains: numbers(|n| n.gain),
        dynamics: usual_kinds(|n| n.dynamics.number()),
        time_constants: numbers(|n| n.time_constant),
        plasticities: usual_kinds(|n| n.plasticity.number()),
        learning_rates: numbers(|n| n.learning_rate),
        decays: numbers(|n| n.decay),
        froms: topology.ends.iter().map(|ends| ends.from).collect(),
        tos: topology.ends.iter().map(|ends| ends.to).collect(),
        weights: column(genotype.weights.iter().map(|weight| weight.to_le_bytes())),
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
        1 => {
            let columns: FirstColumns = rmp_serde::from_slice(bytes).map_err(|_| CodecError::Malformed)?;
            Columns::from(columns).genotype()
        }
        VERSION => {
            let columns: Columns = rmp_serde::from_slice(bytes).map_err(|_| CodecError::Malformed)?;
            let genotype = columns.genotype()?;
            if encode(&genotype) == bytes { Ok(genotype) } else { Err(CodecError::NotCanonical) }
        }
        other => Err(CodecError::UnsupportedVersion(other)),
    }
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
        let count = self.froms.len();
        let lengths = [
            (self.hidden_layers.len(), 8 * hidden),
            (self.tos.len(), count),
            (self.weights.len(), 4 * count),
            (self.enabled.len(), count.div_ceil(8)),
        ];
        if lengths.iter().any(|(found, wanted)| found != wanted) {
            return Err(CodecError::Malformed);
        }
        // checked before the input and output nodes, which do not travel, are made
        if self.inputs > MAX_ENDS || self.outputs > MAX_ENDS {
            let (inputs, outputs) = (self.inputs, self.outputs);
            return Err(CodecError::Invalid(GenotypeError::Ends { inputs, outputs }));
        }
        let nodes = self.nodes(&self.neurons(hidden + self.outputs as usize)?)?;
        let connections = self.connections(&nodes)?;
        Genotype::from_genes(self.inputs, self.outputs, nodes, connections).map_err(CodecError::Invalid)
    }

    fn neurons(&self, count: usize) -> Result<Vec<Neuron>, CodecError> {
        if self.activations.len() != count {
            return Err(CodecError::Malformed);
        }
        let mut neurons = vec![Neuron::INPUT; count];
        kinds("activation", &self.activations, &mut neurons, |n| &mut n.activation)?;
        kinds("aggregation", &self.aggregations, &mut neurons, |n| &mut n.aggregation)?;
        kinds("dynamics", &self.dynamics, &mut neurons, |n| &mut n.dynamics)?;
        kinds("plasticity", &self.plasticities, &mut neurons, |n| &mut n.plasticity)?;
        numbers(&self.biases, &mut neurons, |n| &mut n.bias)?;
        numbers(&self.gains, &mut neurons, |n| &mut n.gain)?;
        numbers(&self.time_constants, &mut neurons, |n| &mut n.time_constant)?;
        numbers(&self.learning_rates, &mut neurons, |n| &mut n.learning_rate)?;
        numbers(&self.decays, &mut neurons, |n| &mut n.decay)?;
        Ok(neurons)
    }

    fn nodes(&self, neurons: &[Neuron]) -> Result<Vec<Node>, CodecError> {
        let mut inputs: Vec<u64> = (0..self.inputs).map(innovation::input).collect();
        let mut outputs: Vec<u64> = (0..self.outputs).map(innovation::output).collect();
        inputs.sort_unstable();
        outputs.sort_unstable();
        let mut nodes = Vec::with_capacity(inputs.len() + neurons.len());
        nodes.extend(inputs.into_iter().map(|id| Node { id, layer: BOTTOM, neuron: Neuron::INPUT }));
        let places = (words(&self.hidden_ids)?.iter().map(|id| u64::from_le_bytes(*id)))
            .zip(words(&self.hidden_layers)?.iter().map(|layer| u64::from_le_bytes(*layer)))
            .chain(outputs.into_iter().map(|id| (id, TOP)));
        nodes.extend(places.zip(neurons).map(|((id, layer), neuron)| Node { id, layer, neuron: *neuron }));
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

/// Reads a column of kinds into neurons, if it is not empty.
fn kinds<C: Choice>(
    gene: &'static str,
    column: &[u8],
    neurons: &mut [Neuron],
    of: fn(&mut Neuron) -> &mut C,
) -> Result<(), CodecError> {
    if !column.is_empty() && column.len() != neurons.len() {
        return Err(CodecError::Malformed);
    }
    neurons.iter_mut().zip(column).try_for_each(|(neuron, &number)| {
        *of(neuron) = C::numbered(number).ok_or(CodecError::UnknownGene(gene, number))?;
        Ok(())
    })
}

/// Reads a column of numbers into neurons, if it is not empty.
fn numbers(column: &[u8], neurons: &mut [Neuron], of: fn(&mut Neuron) -> &mut f32) -> Result<(), CodecError> {
    let values = words(column)?;
    if !values.is_empty() && values.len() != neurons.len() {
        return Err(CodecError::Malformed);
    }
    neurons.iter_mut().zip(values).for_each(|(neuron, value)| *of(neuron) = f32::from_le_bytes(*value));
    Ok(())
}
