//! Which genes of a genotype came with a newcomer from another node.
//!
//! A newcomer's genes, its connections and neurons, get a mark. A gene keeps its marks through
//! mutation and tuning; a gene that mutation adds has none, unless it removed the same one just
//! before, or gave it the weight of one that has: where a connection is split, the second half has
//! its weight, and where a node is taken away, those that bridge it have the product of two. In
//! crossover a gene gets the marks that it has in the parent it is taken from, or those of both
//! parents where their values are averaged. So a genotype carries a newcomer's genes as long as one
//! of its genes has the newcomer's mark.

use crate::genome::genotype::Genotype;
use crate::genome::innovation::{self, ConnectionId, NodeId};
use crate::genome::topology::{Ends, Topology};
use crate::variation::crossover::{Share, Shares};
use crate::wire::codec::GenotypeId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The number of a newcomer. Later newcomers have higher numbers.
pub type Mark = u64;

/// The marks of one gene, ascending and never empty.
pub(crate) type Marks = Arc<[Mark]>;

/// A gene that is averaged often comes from many newcomers. So many of them are kept, the latest.
pub(crate) const MAX_MARKS: usize = 16;

/// A newcomer: its id, and the keys of those who bred it and sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub genotype: GenotypeId,
    pub keys: Vec<[u8; 32]>,
}

/// The genes of one genotype that came from elsewhere, each list in the order of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ancestry {
    pub(crate) connections: Vec<(ConnectionId, Marks)>,
    pub(crate) neurons: Vec<(NodeId, Marks)>,
}

impl Ancestry {
    /// The ancestry of a newcomer: all its genes have its mark.
    pub(crate) fn of(newcomer: &Genotype, mark: Mark) -> Ancestry {
        let marks: Marks = Arc::new([mark]);
        let connections =
            newcomer.topology.ids.iter().map(|id| (*id, Arc::clone(&marks))).collect();
        let mut neurons: Vec<_> = neurons(newcomer).map(|id| (id, Arc::clone(&marks))).collect();
        neurons.sort_unstable_by_key(|neuron| neuron.0);
        Ancestry { connections, neurons }
    }

    /// The ancestry of a child right after crossover of these two parents.
    pub(crate) fn of_child(
        fitter: &Genotype,
        mine: Option<&Arc<Ancestry>>,
        theirs: Option<&Arc<Ancestry>>,
        shares: &Shares,
    ) -> Option<Arc<Ancestry>> {
        let none = Ancestry::default();
        let (mine, theirs) =
            (mine.map_or(&none, |known| &**known), theirs.map_or(&none, |known| &**known));
        let ids = fitter.topology.ids.iter().copied();
        let connections = mixed(ids, &shares.connections, &mine.connections, &theirs.connections);
        let mut neurons = mixed(neurons(fitter), &shares.neurons, &mine.neurons, &theirs.neurons);
        neurons.sort_unstable_by_key(|neuron| neuron.0);
        Ancestry { connections, neurons }.known()
    }

    /// The ancestry of a child after mutation; `None` if it has none of the genes. Before mutation
    /// it had the genes of this parent, the fitter one.
    pub(crate) fn left_in(
        self: Arc<Ancestry>,
        child: &Genotype,
        parent: &Genotype,
    ) -> Option<Arc<Ancestry>> {
        let mut here: Vec<NodeId> = neurons(child).collect();
        here.sort_unstable();
        let has_neuron = |id: &NodeId| here.binary_search(id).is_ok();
        let has_connection = |id: &ConnectionId| child.topology.ids.binary_search(id).is_ok();
        let is_whole = self.connections.iter().all(|(id, _)| has_connection(id))
            && self.neurons.iter().all(|(id, _)| has_neuron(id));
        let made = self.made_of(child, parent);
        if is_whole && made.is_empty() {
            return Some(self);
        }
        let mut left = Ancestry::clone(&self);
        left.connections.retain(|(id, _)| has_connection(id));
        left.connections.extend(made);
        left.connections.sort_by_key(|connection| connection.0);
        left.connections.dedup_by_key(|connection| connection.0);
        left.neurons.retain(|(id, _)| has_neuron(id));
        left.known()
    }

    /// Connections that mutation made, with the marks of those whose weight they were made with.
    fn made_of(&self, child: &Genotype, parent: &Genotype) -> Vec<(ConnectionId, Marks)> {
        let topology = &child.topology;
        let id = |place: u32| topology.places[place as usize].id;
        let is_old = |id: &ConnectionId| parent.topology.ids.binary_search(id).is_ok();
        let fresh = topology.ids.iter().zip(&topology.ends).filter(|(id, _)| !is_old(id));
        let made = fresh.filter_map(|(fresh, ends)| {
            let (from, to) = (id(ends.from), id(ends.to));
            let mut of = self.split((from, to), parent);
            if has_node(parent, from) {
                of.extend(self.bridged((from, to), child, parent));
            }
            (!of.is_empty()).then(|| (*fresh, of.into_iter().rev().take(MAX_MARKS).rev().collect()))
        });
        made.collect()
    }

    /// The marks of the connection to this node in which the other was inserted.
    fn split(&self, (inserted, to): (NodeId, NodeId), parent: &Genotype) -> BTreeSet<Mark> {
        let Topology { ids, ends, places, .. } = &*parent.topology;
        let target = |ends: &Ends| places[ends.to as usize].id;
        let is_split = |of: ConnectionId| {
            (0..=parent.hidden() as u32).any(|nth| innovation::split(of, nth) == inserted)
        };
        let connections = ids.iter().zip(ends).filter(|(_, ends)| target(ends) == to);
        connections
            .filter_map(|(of, _)| self.marks_of(*of).filter(|_| is_split(*of)))
            .flat_map(|marks| marks.iter().copied())
            .collect()
    }

    /// The marks of two connections between which a node was taken away.
    fn bridged(
        &self,
        (from, to): (NodeId, NodeId),
        child: &Genotype,
        parent: &Genotype,
    ) -> BTreeSet<Mark> {
        let nodes = neurons(parent).filter(|node| !has_node(child, *node));
        let sides = nodes.flat_map(|node| {
            [innovation::connection(from, node), innovation::connection(node, to)]
        });
        sides
            .filter_map(|side| self.marks_of(side))
            .flat_map(|marks| marks.iter().copied())
            .collect()
    }

    fn marks_of(&self, connection: ConnectionId) -> Option<&Marks> {
        let at = self.connections.binary_search_by_key(&connection, |gene| gene.0).ok()?;
        Some(&self.connections[at].1)
    }

    /// Whether a genotype can have this ancestry.
    pub(crate) fn fits(&self, genotype: &Genotype) -> bool {
        let ascends = |genes: &[(u64, Marks)]| genes.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let mut here: Vec<NodeId> = neurons(genotype).collect();
        here.sort_unstable();
        (!self.connections.is_empty() || !self.neurons.is_empty())
            && ascends(&self.connections)
            && ascends(&self.neurons)
            && self
                .connections
                .iter()
                .all(|(id, _)| genotype.topology.ids.binary_search(id).is_ok())
            && self.neurons.iter().all(|(id, _)| here.binary_search(id).is_ok())
    }

    fn known(self) -> Option<Arc<Ancestry>> {
        (!self.connections.is_empty() || !self.neurons.is_empty()).then(|| Arc::new(self))
    }

    /// The newcomers whose genes these are.
    pub fn marks(&self) -> BTreeSet<Mark> {
        let mut last: Option<&Marks> = None;
        let mut all = BTreeSet::new();
        for marks in self.sets() {
            // genes that came together share their marks
            if last.is_none_or(|last| !Arc::ptr_eq(last, marks)) {
                all.extend(marks.iter());
                last = Some(marks);
            }
        }
        all
    }

    pub(crate) fn sets(&self) -> impl Iterator<Item = &Marks> {
        let connections = self.connections.iter().map(|(_, marks)| marks);
        connections.chain(self.neurons.iter().map(|(_, marks)| marks))
    }

    pub(crate) fn has(&self, marks: &BTreeSet<Mark>) -> bool {
        self.sets().any(|of_gene| of_gene.iter().any(|mark| marks.contains(mark)))
    }
}

fn has_node(genotype: &Genotype, id: NodeId) -> bool {
    genotype.topology.places.iter().any(|place| place.id == id)
}

/// The ids of the nodes that have genes: of all but the inputs.
fn neurons(genotype: &Genotype) -> impl Iterator<Item = NodeId> {
    genotype.topology.places[genotype.topology.inputs as usize..].iter().map(|place| place.id)
}

fn mixed(
    ids: impl Iterator<Item = u64>,
    shares: &[Share],
    mine: &[(u64, Marks)],
    theirs: &[(u64, Marks)],
) -> Vec<(u64, Marks)> {
    let find = |of: &[(u64, Marks)], id: u64| {
        of.binary_search_by_key(&id, |gene| gene.0).ok().map(|at| Arc::clone(&of[at].1))
    };
    let marks = |(id, share): (u64, &Share)| {
        let marks = match share {
            Share::Fitter => find(mine, id),
            Share::Other => find(theirs, id),
            Share::Both => union(find(mine, id), find(theirs, id)),
        };
        marks.map(|marks| (id, marks))
    };
    ids.zip(shares).filter_map(marks).collect()
}

fn union(mine: Option<Marks>, theirs: Option<Marks>) -> Option<Marks> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) if mine != theirs => {
            let all: BTreeSet<Mark> = mine.iter().chain(theirs.iter()).copied().collect();
            Some(all.iter().skip(all.len().saturating_sub(MAX_MARKS)).copied().collect())
        }
        (mine, theirs) => mine.or(theirs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_averaged_gene_has_the_marks_of_both_parents_up_to_a_bound() {
        let marks = |all: std::ops::Range<Mark>| Some(all.collect::<Vec<_>>().into());
        assert_eq!(union(marks(0..1), marks(1..2)), marks(0..2));
        assert_eq!(union(None, marks(1..2)), marks(1..2));
        assert_eq!(union(marks(0..10), marks(5..20)), marks(4..20));
    }
}
