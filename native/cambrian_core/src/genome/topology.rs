//! The genes of a genotype and their connections, without the values of the genes. Related
//! genotypes share a topology.
//!
//! Most offspring differ from a parent only in weights. They share the parent's topology, so that
//! copy, crossover, comparison and compilation need not look at each gene.

use crate::genome::innovation::{self, BOTTOM, ConnectionId, Layer, NodeId, TOP};

/// The place of a node. Places in order are a topological order of the forward connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub layer: Layer,
    pub id: NodeId,
}

/// The positions of a connection's source and target among the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub from: u32,
    pub to: u32,
}

/// Nodes in (layer, id) order, which is topological, and connections in id order, in which two
/// genotypes are aligned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    pub(crate) inputs: u32,
    pub(crate) outputs: u32,
    pub(crate) places: Vec<Place>,
    pub(crate) ids: Vec<ConnectionId>,
    pub(crate) ends: Vec<Ends>,
}

/// Inputs, hidden layers of these sizes, and outputs. Hidden layers lie evenly between, as those of
/// a substrate.
pub(crate) fn layers(inputs: u32, hidden: &[u32], outputs: u32) -> Vec<Vec<Place>> {
    let apart = TOP / (hidden.len() as Layer + 1);
    let low = (0..inputs).map(|i| Place { layer: BOTTOM, id: innovation::input(i) });
    let high = (0..outputs).map(|j| Place { layer: TOP, id: innovation::output(j) });
    let middle = |(nth, size): (Layer, &u32)| {
        let layer = nth * apart;
        let place = |at| Place { layer, id: innovation::substrate(layer, u64::from(at)) };
        (0..*size).map(place).collect()
    };
    let middle = (1..).zip(hidden).map(middle);
    std::iter::once(low.collect()).chain(middle).chain(std::iter::once(high.collect())).collect()
}

impl Topology {
    /// Makes a topology from places and ends. The ids of connections follow from their ends.
    pub(crate) fn new(inputs: u32, outputs: u32, places: Vec<Place>, ends: Vec<Ends>) -> Topology {
        let id = |node: u32| places[node as usize].id;
        let ids =
            ends.iter().map(|ends| innovation::connection(id(ends.from), id(ends.to))).collect();
        Topology { inputs, outputs, places, ids, ends }
    }

    /// Inputs and outputs, unconnected.
    pub(crate) fn unconnected(inputs: u32, outputs: u32) -> Topology {
        Topology::layered(&layers(inputs, &[], outputs))
    }

    /// The nodes of [`layers`], unconnected.
    pub(crate) fn layered(layers: &[Vec<Place>]) -> Topology {
        let size = |layer: Option<&Vec<Place>>| layer.map_or(0, |layer| layer.len() as u32);
        let (inputs, outputs) = (size(layers.first()), size(layers.last()));
        let mut places: Vec<Place> = layers.iter().flatten().copied().collect();
        places.sort_unstable();
        Topology { inputs, outputs, places, ids: Vec::new(), ends: Vec::new() }
    }

    /// The positions of hidden nodes.
    pub(crate) fn hidden(&self) -> std::ops::Range<usize> {
        self.inputs as usize..self.places.len() - self.outputs as usize
    }

    pub(crate) fn is_hidden(&self, node: u32) -> bool {
        self.hidden().contains(&(node as usize))
    }

    /// Whether the connection's source is not on a lower layer than its target.
    pub(crate) fn is_recurrent(&self, ends: Ends) -> bool {
        let layer = |node: u32| self.places[node as usize].layer;
        innovation::is_recurrent(layer(ends.from), layer(ends.to))
    }

    pub(crate) fn connection_id(&self, ends: Ends) -> ConnectionId {
        let id = |node: u32| self.places[node as usize].id;
        innovation::connection(id(ends.from), id(ends.to))
    }

    /// The position of a connection, or the position where it would be inserted.
    pub(crate) fn find(&self, id: ConnectionId) -> Result<usize, usize> {
        self.ids.binary_search(&id)
    }

    /// The position of a node, or the position where it would be inserted.
    pub(crate) fn find_place(&self, place: Place) -> Result<usize, usize> {
        self.places.binary_search(&place)
    }

    /// Inserts a node: the nodes at `at` and above move up.
    pub(crate) fn insert_place(&mut self, at: usize, place: Place) {
        self.places.insert(at, place);
        let up = |node: &mut u32| *node += u32::from(*node as usize >= at);
        self.ends.iter_mut().for_each(|ends| {
            up(&mut ends.from);
            up(&mut ends.to);
        });
    }

    /// Removes a node without connections.
    pub(crate) fn remove_place(&mut self, at: usize) {
        self.places.remove(at);
        let down = |node: &mut u32| *node -= u32::from(*node as usize > at);
        self.ends.iter_mut().for_each(|ends| {
            down(&mut ends.from);
            down(&mut ends.to);
        });
    }

    /// The position of each node id among the places.
    pub(crate) fn index(&self) -> NodeIndex {
        NodeIndex::new(self.places.iter().map(|place| place.id))
    }
}

/// Node ids, sorted, with their positions.
pub(crate) struct NodeIndex(Vec<(NodeId, u32)>);

impl NodeIndex {
    pub(crate) fn new(ids: impl Iterator<Item = NodeId>) -> NodeIndex {
        let mut pairs: Vec<(NodeId, u32)> = ids.zip(0..).collect();
        pairs.sort_unstable();
        NodeIndex(pairs)
    }

    pub(crate) fn position(&self, id: NodeId) -> Option<u32> {
        let found = self.0.binary_search_by_key(&id, |pair| pair.0).ok()?;
        Some(self.0[found].1)
    }

    /// An id that occurs twice.
    pub(crate) fn duplicate(&self) -> Option<NodeId> {
        self.0.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0)
    }
}
