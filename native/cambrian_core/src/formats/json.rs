//! A genotype as JSON, for people and for programs without MessagePack.
//!
//! `docs/export.md` describes it. Ids and layers are strings of 16 hexadecimal digits, because most
//! readers of JSON store a number in an f64, which has no room for 64 bits. f32 numbers have the
//! fewest digits that read back to the same bits.

use crate::base::math::{Activation, Aggregation};
use crate::genome::dynamics::Dynamics;
use crate::genome::genotype::{Connection, Genotype, GenotypeError, Node};
use crate::genome::innovation;
use crate::genome::neuron::Neuron;
use crate::genome::plasticity::Plasticity;
use crate::neuron_genes;
use crate::phenotype::normalisation::Normalisation;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::io::Write;
use thiserror::Error;

/// The version of the schema, the same as in `cambrian_genotype:to_map/1`.
pub const SCHEMA: u64 = 2;

/// Longer texts are refused without reading them. The largest possible genotype takes about 150 MB.
pub const MAX_BYTES: usize = 256 << 20;

/// The longest error message about a text from outside, in characters.
const MAX_WORDS: usize = 400;

/// Why a text is not a genotype.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum JsonError {
    #[error("{0} bytes; expected at most {MAX_BYTES}")]
    TooLarge(usize),
    #[error("schema {0}; this release reads {SCHEMA}")]
    UnsupportedVersion(u64),
    /// What was wrong and where.
    #[error("{0}")]
    Bad(String),
    /// A part of the text that a genotype cannot express.
    #[error("{0} has no equal here")]
    Unsupported(String),
    #[error(transparent)]
    Invalid(GenotypeError),
}

/// Writes a text with one line per gene, and the normalisation that its inputs go through first.
pub fn write(genotype: &Genotype, normalisation: Option<&Normalisation>) -> Vec<u8> {
    let (inputs, outputs) = (genotype.inputs(), genotype.outputs());
    let index: std::collections::HashMap<u64, (Kind, u32)> = (0..inputs)
        .map(|i| (innovation::input(i), (Kind::Input, i)))
        .chain((0..outputs).map(|i| (innovation::output(i), (Kind::Output, i))))
        .collect();
    let mut text =
        format!("{{\n\"schema\": {SCHEMA},\n\"inputs\": {inputs},\n\"outputs\": {outputs},\n")
            .into_bytes();
    if let Some(normalisation) = normalisation {
        let (means, factors) = (normalisation.means(), normalisation.factors());
        text.extend_from_slice(b"\"normalisation\": ");
        line(&mut text, &NormalisationLine { means, factors });
        text.extend_from_slice(b",\n");
    }
    list(&mut text, "nodes", genotype.nodes(), |text, node| {
        let (kind, index) =
            index.get(&node.id).map_or((Kind::Hidden, None), |(kind, i)| (*kind, Some(*i)));
        let place = PlaceGenes { id: Hex(node.id), kind, index, layer: Hex(node.layer) };
        match kind {
            Kind::Input => line(text, &place),
            _ => line(text, &NodeLine { place, neuron: node.neuron.into() }),
        }
    });
    text.extend_from_slice(b",\n");
    list(&mut text, "connections", genotype.connections(), |text, c| {
        line(
            text,
            &ConnectionGenes {
                id: Some(Hex(c.id)),
                from: Hex(c.from),
                to: Hex(c.to),
                weight: c.weight,
                enabled: c.enabled,
            },
        )
    });
    text.extend_from_slice(b"\n}\n");
    text
}

fn list<T>(
    text: &mut Vec<u8>,
    name: &str,
    genes: impl Iterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    text.extend_from_slice(format!("\"{name}\": [").as_bytes());
    for (at, gene) in genes.enumerate() {
        text.extend_from_slice(if at == 0 { b"\n  " } else { b",\n  " });
        write(text, gene);
    }
    text.push(b']');
}

fn line(text: &mut Vec<u8>, gene: &impl Serialize) {
    serde_json::to_writer(text.by_ref(), gene).expect("writing genes to memory cannot fail");
}

/// Reads a text from any sender.
///
/// # Errors
/// [`JsonError`]. The memory is proportional to the text.
pub fn read(text: &[u8]) -> Result<Genotype, JsonError> {
    let document: Document = match parse(text) {
        Ok(Document { schema, .. }) if schema != SCHEMA => {
            Err(JsonError::UnsupportedVersion(schema))
        }
        // a later schema may have any shape
        Err(error @ JsonError::Bad(_)) => match parse::<Head>(text) {
            Ok(Head { schema }) if schema != SCHEMA => Err(JsonError::UnsupportedVersion(schema)),
            _ => Err(error),
        },
        answer => answer,
    }?;
    let nodes = document
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| node.checked(at))
        .collect::<Result<_, _>>()?;
    let connections = document.connections.into_iter().map(Connection::from).collect();
    assemble(document.inputs, document.outputs, nodes, connections)
}

/// Makes a genotype from genes in any order.
pub(crate) fn assemble(
    inputs: u32,
    outputs: u32,
    mut nodes: Vec<Node>,
    mut connections: Vec<Connection>,
) -> Result<Genotype, JsonError> {
    nodes.sort_unstable_by_key(|node| (node.layer, node.id));
    connections.sort_unstable_by_key(|connection| connection.id);
    Genotype::from_genes(inputs, outputs, nodes, connections).map_err(JsonError::Invalid)
}

/// Parses a text, or returns what was wrong and where.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    if text.len() > MAX_BYTES {
        return Err(JsonError::TooLarge(text.len()));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        match path.as_str() {
            "." => bad(error.inner()),
            path => bad(format_args!("{path}: {}", error.inner())),
        }
    })?;
    reader.end().map_err(bad)?;
    Ok(document)
}

/// Shortens a message, and removes characters that control a terminal.
pub(crate) fn bad(why: impl fmt::Display) -> JsonError {
    JsonError::Bad(plain(why))
}

pub(crate) fn plain(words: impl fmt::Display) -> String {
    let words = words.to_string();
    words.chars().take(MAX_WORDS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

// ---- the schema ---------------------------------------------------------------------------------

#[derive(serde::Deserialize)]
struct Head {
    schema: u64,
}

#[derive(Serialize)]
struct NormalisationLine<'a> {
    means: &'a [f32],
    factors: &'a [f32],
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u64,
    inputs: u32,
    outputs: u32,
    /// It belongs to a genotype's use, not to the genotype.
    #[serde(default, rename = "normalisation")]
    _normalisation: Option<de::IgnoredAny>,
    nodes: Vec<NodeGenes>,
    connections: Vec<ConnectionGenes>,
}

#[derive(Clone, Copy, PartialEq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Input,
    Hidden,
    Output,
}

#[derive(Serialize)]
struct PlaceGenes {
    id: Hex,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    layer: Hex,
}

#[derive(Serialize)]
struct NodeLine {
    #[serde(flatten)]
    place: PlaceGenes,
    #[serde(flatten)]
    neuron: NeuronGenes,
}

macro_rules! written {
    ($($(#[$about:meta])* $kind:ident $name:ident: $type:ty = $input:expr, $is_sound:ident;)*) => {
        #[derive(Serialize)]
        struct NeuronGenes {
            $($name: $type,)*
        }

        impl From<Neuron> for NeuronGenes {
            fn from(neuron: Neuron) -> NeuronGenes {
                NeuronGenes { $($name: neuron.$name,)* }
            }
        }

        impl From<&NodeGenes> for Neuron {
            fn from(read: &NodeGenes) -> Neuron {
                Neuron { $($name: read.$name,)* }
            }
        }
    };
}

neuron_genes!(written);

/// A node as it is read. Its fields are flat, because flattened fields would lose their paths and
/// the precision of their numbers. A missing gene has the value that it has in an input.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeGenes {
    id: Hex,
    layer: Hex,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    index: Option<u32>,
    #[serde(default = "usual::activation")]
    activation: Activation,
    #[serde(default = "usual::aggregation")]
    aggregation: Aggregation,
    #[serde(default)]
    bias: f32,
    #[serde(default = "usual::gain")]
    gain: f32,
    #[serde(default = "usual::dynamics")]
    dynamics: Dynamics,
    #[serde(default = "usual::time_constant")]
    time_constant: f32,
    #[serde(default = "usual::plasticity")]
    plasticity: Plasticity,
    #[serde(default)]
    learning_rate: f32,
    #[serde(default)]
    decay: f32,
}

mod usual {
    use super::*;

    pub fn activation() -> Activation {
        Neuron::INPUT.activation
    }

    pub fn aggregation() -> Aggregation {
        Neuron::INPUT.aggregation
    }

    pub fn gain() -> f32 {
        Neuron::INPUT.gain
    }

    pub fn dynamics() -> Dynamics {
        Neuron::INPUT.dynamics
    }

    pub fn time_constant() -> f32 {
        Neuron::INPUT.time_constant
    }

    pub fn plasticity() -> Plasticity {
        Neuron::INPUT.plasticity
    }
}

impl NodeGenes {
    /// Checks kind and index: they are written for readers, but must be right.
    fn checked(&self, at: usize) -> Result<Node, JsonError> {
        let expected = match (self.kind, self.index) {
            (Some(Kind::Input), Some(index)) => Some(("input", index, innovation::input(index))),
            (Some(Kind::Output), Some(index)) => Some(("output", index, innovation::output(index))),
            _ => None,
        };
        match expected {
            Some((kind, index, id)) if id != self.id.0 => Err(bad(format_args!(
                "nodes[{at}].id: expected {id:016x}, the id of {kind} {index}"
            ))),
            _ => Ok(self.node()),
        }
    }

    fn node(&self) -> Node {
        Node { id: self.id.0, layer: self.layer.0, neuron: Neuron::from(self) }
    }
}

#[derive(Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionGenes {
    /// The id follows from the ends. It is written for readers, and may be missing.
    id: Option<Hex>,
    from: Hex,
    to: Hex,
    weight: f32,
    enabled: bool,
}

impl From<ConnectionGenes> for Connection {
    fn from(genes: ConnectionGenes) -> Connection {
        let ConnectionGenes { id, from, to, weight, enabled } = genes;
        let made = Connection::new(from.0, to.0, weight);
        Connection { id: id.map_or(made.id, |id| id.0), enabled, ..made }
    }
}

/// 64 bits as 16 hexadecimal digits.
#[derive(Clone, Copy)]
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hex, D::Error> {
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Hex;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a text of 16 hexadecimal digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex, E> {
                let digits =
                    text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
                let value = u64::from_str_radix(text, 16).ok().filter(|_| digits);
                value.map(Hex).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Digits)
    }
}
