//! What evolves and travels: node genes and connection genes.

use crate::innovation::{self, BOTTOM, ConnectionId, Layer, NodeId, TOP};
use crate::math::Activation;
use crate::parameters::Parameters;
use crate::rng::Stream;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    pub id: NodeId,
    pub layer: Layer,
    pub activation: Activation,
    pub bias: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connection {
    pub id: ConnectionId,
    pub from: NodeId,
    pub to: NodeId,
    pub weight: f32,
    pub enabled: bool,
}

impl Connection {
    pub fn new(from: NodeId, to: NodeId, weight: f32) -> Connection {
        Connection { id: innovation::connection(from, to), from, to, weight, enabled: true }
    }
}

/// Nodes in (layer, id) order, which is topological, and connections in id order, in which
/// two genotypes align.
///
/// A value of this type is always valid: see [`Genotype::from_genes`] for what that means.
#[derive(Clone, Debug, PartialEq)]
pub struct Genotype {
    pub(crate) inputs: u32,
    pub(crate) outputs: u32,
    pub(crate) nodes: Vec<Node>,
    pub(crate) connections: Vec<Connection>,
}

/// Bounds on what may be built or read; far above what evolution reaches.
pub const MAX_ENDS: u32 = 10_000;
pub const MAX_NODES: usize = 100_000;
pub const MAX_CONNECTIONS: usize = 1_000_000;

/// Weights and biases lie within ± this, so that no sum in a network overflows.
pub const MAX_WEIGHT: f32 = 1.0e6;

/// Why genes do not make a genotype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GenotypeError {
    Ends {
        inputs: u32,
        outputs: u32,
    },
    TooLarge {
        nodes: usize,
        connections: usize,
    },
    NodeOrder(NodeId),
    DuplicateNode(NodeId),
    MissingEnd(NodeId),
    Layer(NodeId),
    Weight(u64),
    ConnectionOrder(ConnectionId),
    /// Two different genes with the same id: a collision of the hash, or a forgery.
    Collision(ConnectionId),
    ConnectionId(ConnectionId),
    UnknownNode(NodeId),
    IntoInput(ConnectionId),
}

impl fmt::Display for GenotypeError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        use GenotypeError::*;
        match self {
            Ends { inputs, outputs } => {
                write!(f, "{inputs} inputs and {outputs} outputs; expected 1 to {MAX_ENDS} of each")
            }
            TooLarge { nodes, connections } => write!(
                f,
                "{nodes} nodes and {connections} connections; expected at most {MAX_NODES} and {MAX_CONNECTIONS}"
            ),
            NodeOrder(id) => write!(f, "node {id:016x} is not in (layer, id) order"),
            DuplicateNode(id) => write!(f, "node {id:016x} occurs twice"),
            MissingEnd(id) => write!(f, "input or output node {id:016x} is missing"),
            Layer(id) => write!(f, "node {id:016x} is on a layer that its kind cannot have"),
            Weight(id) => write!(f, "the weight or bias of {id:016x} is not within ±{MAX_WEIGHT}"),
            ConnectionOrder(id) => write!(f, "connection {id:016x} is not in id order"),
            Collision(id) => write!(f, "two connections have the id {id:016x}"),
            ConnectionId(id) => {
                write!(f, "connection {id:016x} does not join the nodes that its id is made of")
            }
            UnknownNode(id) => write!(f, "a connection ends at node {id:016x}, which is not there"),
            IntoInput(id) => write!(f, "connection {id:016x} leads into an input"),
        }
    }
}

impl std::error::Error for GenotypeError {}

impl Genotype {
    /// A first genotype: inputs joined to outputs directly, with random weights and no hidden node.
    ///
    /// # Errors
    /// [`GenotypeError::Ends`] and [`GenotypeError::TooLarge`].
    pub fn new(
        inputs: u32,
        outputs: u32,
        parameters: &Parameters,
        rng: &mut Stream,
    ) -> Result<Genotype, GenotypeError> {
        check_ends(inputs, outputs)?;
        let pairs = inputs as usize * outputs as usize;
        if pairs > MAX_CONNECTIONS {
            let nodes = inputs as usize + outputs as usize;
            return Err(GenotypeError::TooLarge { nodes, connections: pairs });
        }
        let input_node =
            |i| Node { id: innovation::input(i), layer: BOTTOM, activation: Activation::Identity, bias: 0.0 };
        let output_node = |j| Node {
            id: innovation::output(j),
            layer: TOP,
            activation: parameters.output_activation,
            bias: 0.0,
        };
        let mut nodes: Vec<Node> = (0..inputs).map(input_node).chain((0..outputs).map(output_node)).collect();
        let pairs = (0..inputs).flat_map(|i| (0..outputs).map(move |j| (i, j)));
        let mut connections = Vec::new();
        for (i, j) in pairs {
            if rng.chance(parameters.initial_connections) {
                let weight = parameters.clamp(rng.normal() * parameters.initial_weight);
                connections.push(Connection::new(innovation::input(i), innovation::output(j), weight));
            }
        }
        nodes.sort_unstable_by_key(|n| (n.layer, n.id));
        connections.sort_unstable_by_key(|c| c.id);
        Genotype::from_genes(inputs, outputs, nodes, connections)
    }

    /// Checks genes from anywhere, a file or a stranger.
    ///
    /// Nodes must be in strict (layer, id) order, hold every input and output with its proper
    /// layer and hidden nodes strictly between; connections in strict id order, their ids
    /// following from their ends, which are nodes here, none leading into an input; every
    /// weight and bias within ±[`MAX_WEIGHT`]. Inputs are the identity with no bias.
    ///
    /// # Errors
    /// The first rule that is broken, with the gene that breaks it.
    pub fn from_genes(
        inputs: u32,
        outputs: u32,
        nodes: Vec<Node>,
        connections: Vec<Connection>,
    ) -> Result<Genotype, GenotypeError> {
        check_ends(inputs, outputs)?;
        if nodes.len() > MAX_NODES || connections.len() > MAX_CONNECTIONS {
            let (nodes, connections) = (nodes.len(), connections.len());
            return Err(GenotypeError::TooLarge { nodes, connections });
        }
        let genotype = Genotype { inputs, outputs, nodes, connections };
        genotype.check_nodes()?;
        genotype.check_connections()?;
        Ok(genotype)
    }

    fn check_nodes(&self) -> Result<(), GenotypeError> {
        for pair in self.nodes.windows(2) {
            if (pair[0].layer, pair[0].id) >= (pair[1].layer, pair[1].id) {
                return Err(GenotypeError::NodeOrder(pair[1].id));
            }
        }
        let index = self.index();
        if let Some(pair) = index.0.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(GenotypeError::DuplicateNode(pair[0].0));
        }
        let ends = (0..self.inputs).map(|i| (innovation::input(i), BOTTOM));
        for (id, layer) in ends.chain((0..self.outputs).map(|j| (innovation::output(j), TOP))) {
            let at = index.position(id).ok_or(GenotypeError::MissingEnd(id))?;
            let node = self.nodes[at];
            let plain = node.activation == Activation::Identity && node.bias == 0.0;
            if node.layer != layer || (layer == BOTTOM && !plain) {
                return Err(GenotypeError::Layer(id));
            }
        }
        // the ends are all there and distinct, so any more on their layers are strangers
        let (low, high) = (self.inputs as usize, self.nodes.len() - self.outputs as usize);
        for (at, node) in self.nodes.iter().enumerate() {
            let hidden = (low..high).contains(&at);
            if hidden && (node.layer == BOTTOM || node.layer >= TOP) || node.layer > TOP {
                return Err(GenotypeError::Layer(node.id));
            }
            if !within_limit(node.bias) {
                return Err(GenotypeError::Weight(node.id));
            }
        }
        Ok(())
    }

    fn check_connections(&self) -> Result<(), GenotypeError> {
        let index = self.index();
        for c in &self.connections {
            if c.id != innovation::connection(c.from, c.to) {
                return Err(GenotypeError::ConnectionId(c.id));
            }
            index.position(c.from).ok_or(GenotypeError::UnknownNode(c.from))?;
            let to = index.position(c.to).ok_or(GenotypeError::UnknownNode(c.to))?;
            if to < self.inputs as usize {
                return Err(GenotypeError::IntoInput(c.id));
            }
            if !within_limit(c.weight) {
                return Err(GenotypeError::Weight(c.id));
            }
        }
        for pair in self.connections.windows(2) {
            match pair[0].id.cmp(&pair[1].id) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(GenotypeError::Collision(pair[0].id)),
                std::cmp::Ordering::Greater => return Err(GenotypeError::ConnectionOrder(pair[1].id)),
            }
        }
        Ok(())
    }

    pub fn inputs(&self) -> u32 {
        self.inputs
    }

    pub fn outputs(&self) -> u32 {
        self.outputs
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The nodes that are neither input nor output.
    pub fn hidden(&self) -> &[Node] {
        &self.nodes[self.inputs as usize..self.nodes.len() - self.outputs as usize]
    }

    /// How many connections are recurrent.
    pub fn recurrent(&self) -> usize {
        let index = self.index();
        let layer = |id| index.position(id).map(|at| self.nodes[at].layer);
        let recurrent = |c: &&Connection| match (layer(c.from), layer(c.to)) {
            (Some(from), Some(to)) => innovation::is_recurrent(from, to),
            _ => false,
        };
        self.connections.iter().filter(recurrent).count()
    }

    /// Where each node id stands in [`Genotype::nodes`].
    pub(crate) fn index(&self) -> NodeIndex {
        let mut pairs: Vec<(NodeId, u32)> =
            self.nodes.iter().zip(0..).map(|(node, at)| (node.id, at)).collect();
        pairs.sort_unstable();
        NodeIndex(pairs)
    }

    pub(crate) fn find_connection(&self, id: ConnectionId) -> Result<usize, usize> {
        self.connections.binary_search_by_key(&id, |c| c.id)
    }
}

/// Node ids, sorted, with their positions.
pub(crate) struct NodeIndex(Vec<(NodeId, u32)>);

impl NodeIndex {
    pub(crate) fn position(&self, id: NodeId) -> Option<usize> {
        let found = self.0.binary_search_by_key(&id, |pair| pair.0).ok()?;
        Some(self.0[found].1 as usize)
    }
}

/// False for NaN too.
fn within_limit(weight: f32) -> bool {
    weight.abs() <= MAX_WEIGHT
}

fn check_ends(inputs: u32, outputs: u32) -> Result<(), GenotypeError> {
    let fine = |n| (1..=MAX_ENDS).contains(&n);
    if fine(inputs) && fine(outputs) { Ok(()) } else { Err(GenotypeError::Ends { inputs, outputs }) }
}
