//! Reads networks that neat-python wrote as JSON (`neat.export.export_network_json`, versions 1.1
//! and 2.0), as genotypes that compute the same outputs.
//!
//! A node of neat-python computes f(bias + response × aggregation(weight × source, …)), like a node
//! of Cambrian. The differences:
//!
//! * f scales and holds its argument: `sigmoid` is 1 / (1 + e^(−5x)). Scale goes to gain and bias;
//!   where the argument is held, or f is another function's outcome, the node becomes a chain of
//!   stages.
//! * In a feed-forward network an output may feed other nodes. Such a one is a hidden node, which
//!   the output copies.
//! * In a recurrent network every node sees all others, but not the inputs, as they were a tick
//!   ago, whatever the order. Here that is so of connections within a layer or backwards. So all
//!   nodes begin on one layer, and an output that other nodes lead into is a hidden node there,
//!   which the output copies.

use crate::base::math::{Activation, Aggregation, MAX_WEIGHT};
use crate::formats::json::{JsonError, assemble, bad, parse, plain};
use crate::genome::genotype::{Connection, Genotype, Node};
use crate::genome::innovation::{self, BOTTOM, Layer, NodeId, TOP};
use crate::genome::neuron::Neuron;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// Reads a text from any sender.
///
/// # Errors
/// [`JsonError`]. The memory is proportional to the text.
pub fn read(text: &[u8]) -> Result<Genotype, JsonError> {
    let document: Document = parse(text)?;
    if !document.format_version.starts_with("1.") {
        return Err(unsupported(format_args!(
            "format_version: {}, where 1.0 is known,",
            document.format_version
        )));
    }
    Importer::new(document)?.genotype()
}

fn unsupported(what: impl std::fmt::Display) -> JsonError {
    JsonError::Unsupported(plain(what))
}

// ---- what neat-python writes --------------------------------------------------------------------

type Key = i64;

#[derive(Deserialize)]
struct Document {
    format_version: String,
    network_type: String,
    topology: Ends,
    nodes: Vec<NodeGene>,
    connections: Vec<Link>,
}

#[derive(Deserialize)]
struct Ends {
    input_keys: Vec<Key>,
    output_keys: Vec<Key>,
}

#[derive(Deserialize)]
struct NodeGene {
    id: Key,
    activation: Function,
    aggregation: Function,
    bias: f64,
    response: f64,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    custom: bool,
}

#[derive(Deserialize)]
struct Link {
    from: Key,
    to: Key,
    weight: f64,
    enabled: bool,
}

// ---- its functions as functions of Cambrian -----------------------------------------------------

/// A node of Cambrian: activation(scale × input + bias).
#[derive(Clone, Copy)]
struct Stage {
    activation: Activation,
    scale: f64,
    bias: f64,
}

const fn stage(activation: Activation, scale: f64) -> Stage {
    Stage { activation, scale, bias: 0.0 }
}

/// The activations of neat-python as stages, by their code in `neat/activations.py`. If the
/// argument is limited only where the function is already constant, the limit needs no stage.
const ACTIVATIONS: &[(&str, &[Stage])] = &[
    ("sigmoid", &[stage(Activation::Sigmoid, 5.0)]),
    ("tanh", &[stage(Activation::Tanh, 2.5)]),
    ("sin", &[stage(Activation::Clamp, 1.0 / 12.0), stage(Activation::Sin, 60.0)]),
    // √5
    ("gauss", &[stage(Activation::Gaussian, 2.236_067_977_499_79)]),
    ("relu", &[stage(Activation::Relu, 1.0)]),
    ("elu", &[stage(Activation::Elu, 1.0)]),
    ("selu", &[stage(Activation::Selu, 1.0)]),
    (
        "softplus",
        &[
            stage(Activation::Clamp, 1.0 / 12.0),
            stage(Activation::Softplus, 60.0),
            stage(Activation::Identity, 0.2),
        ],
    ),
    ("identity", &[stage(Activation::Identity, 1.0)]),
    ("clamped", &[stage(Activation::Clamp, 1.0)]),
    ("log", &[stage(Activation::Log, 1.0)]),
    ("exp", &[stage(Activation::Exp, 1.0)]),
    ("abs", &[stage(Activation::Abs, 1.0)]),
    (
        "hat",
        &[
            stage(Activation::Abs, 1.0),
            Stage { activation: Activation::Relu, scale: -1.0, bias: 1.0 },
        ],
    ),
    ("square", &[stage(Activation::Square, 1.0)]),
];

const AGGREGATIONS: &[(&str, Aggregation)] = &[
    ("sum", Aggregation::Sum),
    ("product", Aggregation::Product),
    ("mean", Aggregation::Mean),
    ("max", Aggregation::Max),
    ("min", Aggregation::Min),
    ("median", Aggregation::Median),
    ("maxabs", Aggregation::MaxAbs),
];

/// The entry of a table for the name of a function. A custom function has no entry.
fn known<T: Copy>(
    table: &[(&str, T)],
    function: &Function,
    what: &str,
    at: usize,
) -> Result<T, JsonError> {
    let own = if function.custom { ", which is not neat-python's," } else { "" };
    let row = table.iter().find(|(name, _)| !function.custom && *name == function.name);
    row.map(|(_, value)| *value)
        .ok_or_else(|| unsupported(format_args!("nodes[{at}]: the {what} {}{own}", function.name)))
}

// ---- the conversion -----------------------------------------------------------------------------

/// A computing node of neat-python.
struct Unit {
    key: Key,
    stages: &'static [Stage],
    aggregation: Aggregation,
    bias: f64,
    response: f64,
    /// The index of the output, if the unit is an output.
    output: Option<u32>,
    /// Whether its last stage is the output node itself.
    is_top: bool,
    /// The level of its first stage: inputs are on level 0.
    level: usize,
}

impl Unit {
    /// The value in neat-python of a node that is not listed and has no incoming link: 0.
    fn nought(key: Key, output: Option<u32>) -> Unit {
        const STAGES: &[Stage] = &[stage(Activation::Identity, 1.0)];
        Unit {
            key,
            stages: STAGES,
            aggregation: Aggregation::Sum,
            bias: 0.0,
            response: 1.0,
            output,
            is_top: false,
            level: 1,
        }
    }

    /// The level after its last hidden stage.
    fn next_level(&self) -> usize {
        self.level + self.stages.len()
    }
}

#[derive(Clone, Copy)]
enum Source {
    Input(u32),
    Unit(usize),
}

/// A link of neat-python between two units, or from an input to a unit.
struct Wire {
    from: Source,
    to: usize,
    weight: f32,
    enabled: bool,
}

struct Importer {
    inputs: u32,
    outputs: u32,
    is_recurrent: bool,
    units: Vec<Unit>,
    wires: Vec<Wire>,
}

impl Importer {
    fn new(document: Document) -> Result<Importer, JsonError> {
        let Document { network_type, topology, nodes, connections, .. } = document;
        let is_recurrent = match network_type.as_str() {
            "feedforward" => false,
            "recurrent" => true,
            other => return Err(unsupported(format_args!("network_type: {other}"))),
        };
        let (inputs, outputs) = (numbered(&topology.input_keys)?, numbered(&topology.output_keys)?);
        if let Some(key) = outputs.keys().find(|key| inputs.contains_key(key)) {
            return Err(bad(format_args!("topology: {key} is an input and an output")));
        }
        let mut importer = Importer {
            inputs: inputs.len() as u32,
            outputs: outputs.len() as u32,
            is_recurrent,
            units: Vec::new(),
            wires: Vec::new(),
        };
        let mut sources: HashMap<Key, Source> =
            inputs.iter().map(|(key, i)| (*key, Source::Input(*i))).collect();
        importer.add_units(&nodes, &outputs, &mut sources)?;
        importer.add_wires(&connections, &mut sources)?;
        Ok(importer)
    }

    /// Adds the units. Inputs need no unit; an output that is not listed gets one.
    fn add_units(
        &mut self,
        nodes: &[NodeGene],
        outputs: &HashMap<Key, u32>,
        sources: &mut HashMap<Key, Source>,
    ) -> Result<(), JsonError> {
        let mut seen = HashSet::new();
        for (at, gene) in nodes.iter().enumerate() {
            if !seen.insert(gene.id) {
                return Err(bad(format_args!("nodes[{at}].id: {} is there twice", gene.id)));
            }
            if sources.contains_key(&gene.id) {
                continue;
            }
            let stages = known(ACTIVATIONS, &gene.activation, "activation", at)?;
            let aggregation = known(AGGREGATIONS, &gene.aggregation, "aggregation", at)?;
            let output = outputs.get(&gene.id).copied();
            let unit = Unit {
                stages,
                aggregation,
                bias: gene.bias,
                response: gene.response,
                ..Unit::nought(gene.id, output)
            };
            let fits = |x: f64| (x * stages[0].scale).abs() <= f64::from(MAX_WEIGHT);
            if !(fits(gene.bias) && fits(gene.response)) {
                return Err(unsupported(format_args!(
                    "nodes[{at}]: a bias or a response that large"
                )));
            }
            sources.insert(gene.id, Source::Unit(self.units.len()));
            self.units.push(unit);
        }
        let mut missing: Vec<_> =
            outputs.iter().filter(|(key, _)| !sources.contains_key(key)).collect();
        missing.sort_unstable();
        for (key, output) in missing {
            sources.insert(*key, Source::Unit(self.units.len()));
            self.units.push(Unit::nought(*key, Some(*output)));
        }
        Ok(())
    }

    fn add_wires(
        &mut self,
        links: &[Link],
        sources: &mut HashMap<Key, Source>,
    ) -> Result<(), JsonError> {
        let mut seen = HashSet::new();
        for (at, link) in links.iter().enumerate() {
            if !seen.insert((link.from, link.to)) {
                return Err(bad(format_args!(
                    "connections[{at}]: {} to {} is there twice",
                    link.from, link.to
                )));
            }
            if link.weight.abs() > f64::from(MAX_WEIGHT) {
                return Err(unsupported(format_args!("connections[{at}]: a weight that large")));
            }
            let Some(Source::Unit(to)) = sources.get(&link.to).copied() else {
                return Err(bad(format_args!(
                    "connections[{at}].to: no node that computes is {}",
                    link.to
                )));
            };
            let from = match sources.get(&link.from) {
                Some(source) => *source,
                // a node without inputs, which neat-python leaves at 0
                None if self.is_recurrent => {
                    self.units.push(Unit::nought(link.from, None));
                    Source::Unit(self.units.len() - 1)
                }
                None => {
                    return Err(bad(format_args!(
                        "connections[{at}].from: no node is {}",
                        link.from
                    )));
                }
            };
            sources.insert(link.from, from);
            self.wires.push(Wire { from, to, weight: link.weight as f32, enabled: link.enabled });
        }
        Ok(())
    }

    fn genotype(mut self) -> Result<Genotype, JsonError> {
        self.empty_products();
        self.settle_outputs();
        if !self.is_recurrent {
            self.order()?;
        }
        let levels = self.units.iter().map(|unit| unit.next_level()).max().unwrap_or(1);
        let step = TOP / levels.max(1) as u64;
        let layer = |level: usize| step * level as u64;
        let mut nodes: Vec<Node> = (0..self.inputs)
            .map(|i| Node { id: innovation::input(i), layer: BOTTOM, neuron: Neuron::INPUT })
            .collect();
        let mut connections = Vec::new();
        let chains: Vec<(NodeId, NodeId)> = self
            .units
            .iter()
            .map(|unit| build(unit, layer, &mut nodes, &mut connections))
            .collect();
        connections.extend(self.wires.iter().map(|wire| {
            let from = match wire.from {
                Source::Input(index) => innovation::input(index),
                Source::Unit(unit) => chains[unit].1,
            };
            Connection {
                enabled: wire.enabled,
                ..Connection::new(from, chains[wire.to].0, wire.weight)
            }
        }));
        assemble(self.inputs, self.outputs, nodes, connections)
    }

    /// The empty product is 1 in neat-python and 0 in Cambrian.
    fn empty_products(&mut self) {
        let fed: HashSet<usize> =
            self.wires.iter().filter(|wire| wire.enabled).map(|wire| wire.to).collect();
        let empty = |(at, unit): &(usize, &mut Unit)| {
            unit.aggregation == Aggregation::Product && !fed.contains(at)
        };
        for (_, unit) in self.units.iter_mut().enumerate().filter(empty) {
            unit.bias += unit.response;
        }
    }

    /// Decides which outputs need no copy: see the start of this file.
    fn settle_outputs(&mut self) {
        let mut copied = HashSet::new();
        for wire in self.wires.iter().filter(|wire| wire.enabled) {
            match wire.from {
                Source::Unit(from) if !self.is_recurrent => copied.insert(from),
                Source::Unit(from) if from != wire.to => copied.insert(wire.to),
                _ => false,
            };
        }
        for (at, unit) in self.units.iter_mut().enumerate() {
            unit.is_top = unit.output.is_some() && !copied.contains(&at);
        }
    }

    /// Puts each unit of a feed-forward network above the units that feed it (Kahn 1962).
    fn order(&mut self) -> Result<(), JsonError> {
        let mut targets = vec![Vec::new(); self.units.len()];
        let mut waits = vec![0usize; self.units.len()];
        for wire in self.wires.iter().filter(|wire| wire.enabled) {
            if let Source::Unit(from) = wire.from {
                targets[from].push(wire.to);
                waits[wire.to] += 1;
            }
        }
        let mut ready: Vec<usize> =
            (0..self.units.len()).filter(|unit| waits[*unit] == 0).collect();
        while let Some(unit) = ready.pop() {
            let level = self.units[unit].next_level();
            for &target in &targets[unit] {
                self.units[target].level = self.units[target].level.max(level);
                waits[target] -= 1;
                if waits[target] == 0 {
                    ready.push(target);
                }
            }
        }
        match waits.iter().position(|waits| *waits > 0) {
            None => Ok(()),
            Some(unit) => Err(unsupported(format_args!(
                "connections: a feed-forward network in which node {} is on a circle, or behind \
                 one,",
                self.units[unit].key
            ))),
        }
    }
}

/// The index of each key.
fn numbered(keys: &[Key]) -> Result<HashMap<Key, u32>, JsonError> {
    let numbers: HashMap<Key, u32> = keys.iter().copied().zip(0..).collect();
    if numbers.len() == keys.len() {
        Ok(numbers)
    } else {
        Err(bad("topology: a key is there twice"))
    }
}

/// Makes the nodes of a unit and their connections; returns the ids of its first and its last node.
fn build(
    unit: &Unit,
    layer: impl Fn(usize) -> Layer,
    nodes: &mut Vec<Node>,
    connections: &mut Vec<Connection>,
) -> (NodeId, NodeId) {
    let output = unit.output.map(innovation::output);
    let mut ids = Vec::new();
    for (at, stage) in unit.stages.iter().enumerate() {
        let layer = layer(unit.level + at);
        let place = match output {
            Some(id) if unit.is_top && at + 1 == unit.stages.len() => (id, TOP),
            _ => (innovation::imported(layer, unit.key as u64), layer),
        };
        let plain = Neuron::new(stage.activation);
        let neuron = match ids.last() {
            None => Neuron {
                bias: (unit.bias * stage.scale + stage.bias) as f32,
                gain: (unit.response * stage.scale) as f32,
                aggregation: unit.aggregation,
                ..plain
            },
            Some(&before) => {
                connections.push(Connection::new(before, place.0, stage.scale as f32));
                Neuron { bias: stage.bias as f32, ..plain }
            }
        };
        nodes.push(Node { id: place.0, layer: place.1, neuron });
        ids.push(place.0);
    }
    let (first, last) = (ids[0], ids[ids.len() - 1]);
    if let Some(id) = output.filter(|_| !unit.is_top) {
        nodes.push(Node { id, layer: TOP, neuron: Neuron::new(Activation::Identity) });
        connections.push(Connection::new(last, id, 1.0));
    }
    (first, last)
}
