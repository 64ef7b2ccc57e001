//! The genotype: node genes and connection genes. It evolves, and nodes send it to each other.

use crate::base::math::MAX_WEIGHT;
use crate::base::rng::Stream;
use crate::genome::innovation::{self, BOTTOM, ConnectionId, Layer, NodeId, TOP};
use crate::genome::neuron::{Neuron, within_limit};
use crate::genome::parameters::Parameters;
use crate::genome::topology::{Ends, NodeIndex, Place, Topology, layers};
use std::sync::Arc;
use thiserror::Error;

/// How many inputs and outputs a genotype and its network have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub inputs: u32,
    pub outputs: u32,
}

/// A complete node gene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    pub id: NodeId,
    pub layer: Layer,
    pub neuron: Neuron,
}

/// A complete connection gene.
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

/// Node genes in (layer, id) order, which is topological, and connection genes in id order, in
/// which two genotypes are aligned.
///
/// A value of this type is always valid: [`Genotype::from_genes`] lists the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Genotype {
    pub(crate) topology: Arc<Topology>,
    /// The neurons of all nodes except inputs. Shared with relatives that differ in weights alone.
    pub(crate) neurons: Arc<Vec<Neuron>>,
    pub(crate) weights: Vec<f32>,
    pub(crate) enabled: Vec<bool>,
}

/// Limits for genotypes that are built or read, far above the sizes that evolution reaches.
pub const MAX_ENDS: u32 = 10_000;
pub const MAX_NODES: usize = 100_000;
pub const MAX_CONNECTIONS: usize = 1_000_000;

/// Why genes do not form a genotype.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum GenotypeError {
    #[error("{inputs} inputs and {outputs} outputs; expected 1 to {MAX_ENDS} of each")]
    Ends { inputs: u32, outputs: u32 },
    #[error(
        "{nodes} nodes and {connections} connections; expected at most {MAX_NODES} and \
         {MAX_CONNECTIONS}"
    )]
    TooLarge { nodes: usize, connections: usize },
    #[error("node {0:016x} is not in (layer, id) order")]
    NodeOrder(NodeId),
    #[error("node {0:016x} occurs twice")]
    DuplicateNode(NodeId),
    #[error("input or output node {0:016x} is missing")]
    MissingEnd(NodeId),
    #[error("node {0:016x} is on a layer that its kind cannot have")]
    Layer(NodeId),
    #[error(
        "node {0:016x}: expected a bias and a gain within ±{MAX_WEIGHT}, a time constant from 0.01 \
         to 1000, a learning rate within ±1 and a decay from 0 to 1; an input has none of them"
    )]
    Neuron(NodeId),
    #[error("the weight of {0:016x} is not within ±{MAX_WEIGHT}")]
    Weight(ConnectionId),
    #[error("connection {0:016x} is not in id order")]
    ConnectionOrder(ConnectionId),
    /// Two different genes with the same id: a collision of the hash, or a forgery.
    #[error("two connections have the id {0:016x}")]
    Collision(ConnectionId),
    #[error("connection {0:016x} does not join the nodes that its id is made of")]
    ConnectionId(ConnectionId),
    #[error("a connection ends at node {0:016x}, which is not there")]
    UnknownNode(NodeId),
    #[error("connection {0:016x} leads into an input")]
    IntoInput(ConnectionId),
}

impl Genotype {
    /// The approximate memory of a genotype in bytes, if it shares nothing with another genotype.
    pub fn bytes(&self) -> usize {
        let (nodes, connections) = (self.topology.places.len(), self.weights.len());
        let of_node = size_of::<Place>() + size_of::<Neuron>();
        let of_connection =
            size_of::<ConnectionId>() + size_of::<Ends>() + size_of::<f32>() + size_of::<bool>();
        size_of::<Genotype>()
            + size_of::<Topology>()
            + nodes * of_node
            + connections * of_connection
    }

    /// A first genotype: inputs joined to outputs directly, or each layer to the next one if the
    /// parameters have `hidden` layers, with random weights.
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
        let hidden = &parameters.hidden.0;
        let sizes: Vec<usize> = (std::iter::once(&inputs).chain(hidden).chain([&outputs]))
            .map(|size| *size as usize)
            .collect();
        let pairs = sizes.windows(2).map(|pair| pair[0] * pair[1]).sum();
        check_size(inputs, outputs, sizes.iter().sum(), pairs)?;
        let layers = layers(inputs, hidden, outputs);
        let mut topology = Topology::layered(&layers);
        let mut genes: Vec<(ConnectionId, Ends, f32)> = Vec::new();
        let index = topology.index();
        let at =
            |place: &Place| index.position(place.id).ok_or(GenotypeError::MissingEnd(place.id));
        for pair in layers.windows(2) {
            let pairs = pair[0].iter().flat_map(|from| pair[1].iter().map(move |to| (from, to)));
            for (from, to) in pairs {
                if rng.chance(parameters.initial_connections) {
                    let weight = parameters.clamp(rng.normal() * parameters.initial_weight);
                    let ends = Ends { from: at(from)?, to: at(to)? };
                    genes.push((topology.connection_id(ends), ends, weight));
                }
            }
        }
        genes.sort_unstable_by_key(|gene| gene.0);
        topology.ids = genes.iter().map(|gene| gene.0).collect();
        topology.ends = genes.iter().map(|gene| gene.1).collect();
        let mut neurons = vec![Neuron::new(parameters.activation); topology.hidden().len()];
        let last = Neuron::new(parameters.output_activation);
        neurons.resize(neurons.len() + outputs as usize, last);
        let weights: Vec<f32> = genes.iter().map(|gene| gene.2).collect();
        let enabled = vec![true; weights.len()];
        Ok(Genotype { topology: Arc::new(topology), neurons: Arc::new(neurons), weights, enabled })
    }

    /// The same genotype, which shares with another one what both have alike.
    pub(crate) fn sharing(self, other: &Genotype) -> Genotype {
        fn one<T: PartialEq>(own: Arc<T>, theirs: &Arc<T>) -> Arc<T> {
            if own == *theirs { Arc::clone(theirs) } else { own }
        }
        Genotype {
            topology: one(self.topology, &other.topology),
            neurons: one(self.neurons, &other.neurons),
            ..self
        }
    }

    /// The neurons, to change them.
    pub(crate) fn neurons_mut(&mut self) -> &mut Vec<Neuron> {
        Arc::make_mut(&mut self.neurons)
    }

    /// Checks genes from any source, such as a file or a stranger.
    ///
    /// Nodes must be in strict (layer, id) order. They must include every input and output on its
    /// proper layer, with all hidden nodes strictly between. Connections must be in strict id
    /// order, with the ids that follow from their ends. Their ends must be nodes of the genotype,
    /// and no target may be an input. Every number must be finite and within its bounds. Inputs are
    /// [`Neuron::INPUT`].
    ///
    /// # Errors
    /// The first rule that is broken, with the gene that breaks it.
    pub fn from_genes(
        inputs: u32,
        outputs: u32,
        nodes: Vec<Node>,
        connections: Vec<Connection>,
    ) -> Result<Genotype, GenotypeError> {
        check_size(inputs, outputs, nodes.len(), connections.len())?;
        let places: Vec<Place> =
            nodes.iter().map(|node| Place { layer: node.layer, id: node.id }).collect();
        check_places(inputs, outputs, &places)?;
        let (sensing, computing) = nodes.split_at(inputs as usize);
        if let Some(input) = sensing.iter().find(|node| node.neuron != Neuron::INPUT) {
            return Err(GenotypeError::Neuron(input.id));
        }
        let ends = ends_of(&connections, &NodeIndex::new(places.iter().map(|place| place.id)))?;
        Genotype::checked(
            Topology::new(inputs, outputs, places, ends),
            computing.iter().map(|node| node.neuron).collect(),
            connections.iter().map(|c| c.weight).collect(),
            connections.iter().map(|c| c.enabled).collect(),
        )
    }

    /// Checks genes like [`Genotype::from_genes`], for connections that refer to places. All places
    /// must exist, and the columns must have the right lengths.
    ///
    /// # Errors
    /// The first rule that is broken, with the gene that breaks it.
    pub(crate) fn checked(
        topology: Topology,
        neurons: Vec<Neuron>,
        weights: Vec<f32>,
        enabled: Vec<bool>,
    ) -> Result<Genotype, GenotypeError> {
        let Topology { inputs, outputs, places, ends, .. } = &topology;
        check_size(*inputs, *outputs, places.len(), ends.len())?;
        Genotype::of_any_size(topology, neurons, weights, enabled)
    }

    /// Checks genes without the bounds on their number, for a caller that has checked other bounds.
    ///
    /// # Errors
    /// The first rule that is broken, with the gene that breaks it.
    pub(crate) fn of_any_size(
        topology: Topology,
        neurons: Vec<Neuron>,
        weights: Vec<f32>,
        enabled: Vec<bool>,
    ) -> Result<Genotype, GenotypeError> {
        let Topology { inputs, outputs, places, ids, ends } = &topology;
        check_places(*inputs, *outputs, places)?;
        let computing = &places[*inputs as usize..];
        if let Some((place, _)) =
            computing.iter().zip(&neurons).find(|(_, neuron)| !neuron.is_sound())
        {
            return Err(GenotypeError::Neuron(place.id));
        }
        if let Some((id, _)) = ids.iter().zip(ends).find(|(_, ends)| ends.to < *inputs) {
            return Err(GenotypeError::IntoInput(*id));
        }
        if let Some((id, _)) = ids.iter().zip(&weights).find(|(_, weight)| !within_limit(**weight))
        {
            return Err(GenotypeError::Weight(*id));
        }
        match ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            None => {
                let (topology, neurons) = (Arc::new(topology), Arc::new(neurons));
                Ok(Genotype { topology, neurons, weights, enabled })
            }
            Some(pair) if pair[0] == pair[1] => Err(GenotypeError::Collision(pair[0])),
            Some(pair) => Err(GenotypeError::ConnectionOrder(pair[1])),
        }
    }

    /// Adapts the genotype to a task with other inputs and outputs. New inputs and outputs are
    /// unconnected, so the rest computes as before. Removed inputs and outputs lose their
    /// connections.
    ///
    /// # Errors
    /// [`GenotypeError::Ends`] and [`GenotypeError::TooLarge`].
    pub fn resized(
        &self,
        inputs: u32,
        outputs: u32,
        parameters: &Parameters,
    ) -> Result<Genotype, GenotypeError> {
        check_ends(inputs, outputs)?;
        let (wanted, present) = (Topology::unconnected(inputs, outputs), self.topology.index());
        let index = wanted.index();
        let stays: Vec<bool> = (0..)
            .zip(&self.topology.places)
            .map(|(at, place)| self.topology.is_hidden(at) || index.position(place.id).is_some())
            .collect();
        let new = wanted.places.iter().filter(|place| present.position(place.id).is_none());
        let mut nodes: Vec<Node> =
            self.nodes().zip(&stays).filter(|(_, stays)| **stays).map(|(node, _)| node).collect();
        nodes.extend(new.map(|&Place { layer, id }| {
            let output = Neuron::new(parameters.output_activation);
            Node { id, layer, neuron: if layer == BOTTOM { Neuron::INPUT } else { output } }
        }));
        nodes.sort_unstable_by_key(|node| (node.layer, node.id));
        let connections = (self.connections().zip(&self.topology.ends))
            .filter(|(_, ends)| stays[ends.from as usize] && stays[ends.to as usize])
            .map(|(connection, _)| connection)
            .collect();
        Genotype::from_genes(inputs, outputs, nodes, connections)
    }

    pub fn inputs(&self) -> u32 {
        self.topology.inputs
    }

    pub fn outputs(&self) -> u32 {
        self.topology.outputs
    }

    /// Node genes in (layer, id) order: inputs, hidden nodes, outputs.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Node> {
        let inputs = self.inputs() as usize;
        self.topology.places.iter().enumerate().map(move |(at, &Place { layer, id })| {
            let neuron = if at < inputs { Neuron::INPUT } else { self.neurons[at - inputs] };
            Node { id, layer, neuron }
        })
    }

    /// Connection genes in id order, with the disabled ones.
    pub fn connections(&self) -> impl ExactSizeIterator<Item = Connection> {
        let id = |node: u32| self.topology.places[node as usize].id;
        self.topology.ends.iter().enumerate().map(move |(at, ends)| Connection {
            id: self.topology.ids[at],
            from: id(ends.from),
            to: id(ends.to),
            weight: self.weights[at],
            enabled: self.enabled[at],
        })
    }

    /// How many hidden nodes there are.
    pub fn hidden(&self) -> usize {
        self.topology.hidden().len()
    }

    /// How many connections are recurrent.
    pub fn recurrent(&self) -> usize {
        self.topology.ends.iter().filter(|ends| self.topology.is_recurrent(**ends)).count()
    }

    /// Adds a connection. `None` if it exists already, if a connection with other ends has its id
    /// (a collision of the hash), or if there are too many.
    pub(crate) fn connect(&mut self, ends: Ends, weight: f32) -> Option<usize> {
        let id = self.topology.connection_id(ends);
        let at = self.topology.find(id).err()?;
        if self.weights.len() >= MAX_CONNECTIONS {
            return None;
        }
        let topology = Arc::make_mut(&mut self.topology);
        topology.ids.insert(at, id);
        topology.ends.insert(at, ends);
        self.weights.insert(at, weight);
        self.enabled.insert(at, true);
        Some(at)
    }

    /// Removes the connections for which `goes` returns true.
    pub(crate) fn disconnect(&mut self, goes: impl Fn(Ends) -> bool) {
        let kept: Vec<bool> = self.topology.ends.iter().map(|ends| !goes(*ends)).collect();
        self.keep(&kept);
    }

    /// Keeps only the marked connections.
    pub(crate) fn keep(&mut self, kept: &[bool]) {
        let topology = Arc::make_mut(&mut self.topology);
        retain(&mut topology.ids, kept);
        retain(&mut topology.ends, kept);
        retain(&mut self.weights, kept);
        retain(&mut self.enabled, kept);
    }

    /// Adds a hidden node; `None` if it exists already or there are too many.
    pub(crate) fn insert_node(&mut self, place: Place, neuron: Neuron) -> Option<u32> {
        let at = self.topology.find_place(place).err()?;
        if self.topology.places.len() >= MAX_NODES {
            return None;
        }
        Arc::make_mut(&mut self.topology).insert_place(at, place);
        let inputs = self.inputs() as usize;
        self.neurons_mut().insert(at - inputs, neuron);
        Some(at as u32)
    }

    /// Removes a hidden node and its connections.
    pub(crate) fn remove_node(&mut self, node: u32) {
        self.disconnect(|ends| ends.from == node || ends.to == node);
        Arc::make_mut(&mut self.topology).remove_place(node as usize);
        let inputs = self.inputs();
        self.neurons_mut().remove((node - inputs) as usize);
    }
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().is_none_or(|kept| *kept));
}

fn check_ends(inputs: u32, outputs: u32) -> Result<(), GenotypeError> {
    let fine = |n| (1..=MAX_ENDS).contains(&n);
    if fine(inputs) && fine(outputs) {
        Ok(())
    } else {
        Err(GenotypeError::Ends { inputs, outputs })
    }
}

/// Checks sizes before the caller allocates memory for them.
pub(crate) fn check_size(
    inputs: u32,
    outputs: u32,
    nodes: usize,
    connections: usize,
) -> Result<(), GenotypeError> {
    check_ends(inputs, outputs)?;
    let fine = nodes <= MAX_NODES && connections <= MAX_CONNECTIONS;
    if fine { Ok(()) } else { Err(GenotypeError::TooLarge { nodes, connections }) }
}

fn check_places(inputs: u32, outputs: u32, places: &[Place]) -> Result<(), GenotypeError> {
    if let Some(pair) = places.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(GenotypeError::NodeOrder(pair[1].id));
    }
    let index = NodeIndex::new(places.iter().map(|place| place.id));
    if let Some(id) = index.duplicate() {
        return Err(GenotypeError::DuplicateNode(id));
    }
    let ends = Topology::unconnected(inputs, outputs).places;
    for end in ends {
        let at = index.position(end.id).ok_or(GenotypeError::MissingEnd(end.id))?;
        if places[at as usize] != end {
            return Err(GenotypeError::Layer(end.id));
        }
    }
    // all inputs and outputs are present and distinct, so any further node on their layers is an
    // error
    let hidden = &places[inputs as usize..places.len() - outputs as usize];
    let between = |place: &&Place| place.layer > BOTTOM && place.layer < TOP;
    match hidden
        .iter()
        .find(|place| !between(place))
        .or(places.last().filter(|place| place.layer > TOP))
    {
        Some(stranger) => Err(GenotypeError::Layer(stranger.id)),
        None => Ok(()),
    }
}

fn ends_of(connections: &[Connection], index: &NodeIndex) -> Result<Vec<Ends>, GenotypeError> {
    let position = |id| index.position(id).ok_or(GenotypeError::UnknownNode(id));
    let ends = |c: &Connection| {
        if c.id != innovation::connection(c.from, c.to) {
            return Err(GenotypeError::ConnectionId(c.id));
        }
        Ok(Ends { from: position(c.from)?, to: position(c.to)? })
    };
    connections.iter().map(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Purpose;

    #[test]
    fn changing_a_copy_does_not_change_the_genotype_it_shares_with() {
        let mut rng = Stream::new(1, Purpose::Operator, 0, 0);
        let a = Genotype::new(2, 1, &Parameters::default(), &mut rng).unwrap();
        let (before, mut b) = (a.clone(), a.clone());
        assert!(Arc::ptr_eq(&a.topology, &b.topology));
        b.disconnect(|ends| ends.from == 0);
        assert_eq!((a.weights.len(), b.weights.len()), (2, 1));
        assert_eq!(a, before);
    }
}
