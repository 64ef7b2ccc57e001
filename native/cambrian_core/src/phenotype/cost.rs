//! The cost of running a network, in units of work. Unlike time, the units are the same everywhere.
//!
//! A unit is about the time of an enabled connection of a plain node in a large network: a
//! nanosecond. The other costs were measured relative to it with 5,000 nodes of one kind and a
//! connection into and out of each, one step at a time, on one core of a Xeon with AVX-512. A plain
//! node with its two connections takes 3.4 ns, a node that does not sum 31, a leaky integrator 35,
//! a delay of 3 steps 39 and of 64 steps 63, CfC 43, LTC 58, Hebb's rule and Oja's 38, BCM 41, a
//! rule with a reward 50. With a thousand connections into one node, each takes 2 ns more if the
//! node learns, and 5 with a reward. If the node does not sum, each of a thousand takes 1.8 ns for
//! a mean, 2.1 for a largest or smallest, 2.8 for a product and 5.5 for a median. A node that is
//! not plain costs more than its equation needs, because it is computed alone.

use crate::base::math::Aggregation;
use crate::genome::dynamics::{Dynamics, MAX_DELAY};
use crate::genome::genotype::Genotype;
use crate::genome::neuron::Neuron;
use crate::genome::plasticity::Plasticity;
use std::cell::Cell;

/// A node that only sums and activates.
pub(crate) const PLAIN: u64 = 2;
/// A connection into one.
pub(crate) const LINK: u64 = 1;
/// Any other node.
const SPECIAL: u64 = 28;

impl Genotype {
    /// The work of one step of the genotype's network, computed from the genes without compiling
    /// them.
    pub fn cost(&self) -> u64 {
        let inputs = self.topology.inputs as usize;
        let links = self.topology.ends.iter().zip(&self.enabled).filter(|(_, enabled)| **enabled);
        let neuron = |to: usize| to.checked_sub(inputs).map(|to| &self.neurons[to]);
        let link = |to: usize| {
            neuron(to).map_or(1, |neuron| aggregation_cost(neuron) + learning_cost(neuron))
        };
        let nodes = self.neurons.iter().map(node_cost).sum::<u64>();
        nodes + links.map(|(ends, _)| link(ends.to as usize)).sum::<u64>()
    }
}

/// The work of a node without its connections.
pub(crate) fn node_cost(neuron: &Neuron) -> u64 {
    let dynamics = match neuron.dynamics {
        Dynamics::None => 0,
        Dynamics::Leaky => 4,
        Dynamics::Cfc => 12,
        Dynamics::Ltc => 28,
        Dynamics::Delay => {
            8 + u64::from(neuron.time_constant.clamp(1.0, MAX_DELAY as f32) as u32) / 2
        }
    };
    let learning = if neuron.plasticity == Plasticity::None { 0 } else { 8 };
    let is_plain = neuron.aggregation == Aggregation::Sum && dynamics + learning == 0;
    if is_plain { PLAIN } else { SPECIAL + dynamics + learning }
}

/// The work of one connection into a node.
fn aggregation_cost(neuron: &Neuron) -> u64 {
    match neuron.aggregation {
        Aggregation::Sum => LINK,
        Aggregation::Mean | Aggregation::Max | Aggregation::Min | Aggregation::MaxAbs => 2,
        Aggregation::Product => 3,
        Aggregation::Median => 6,
    }
}

/// The additional work of one connection if the node learns.
fn learning_cost(neuron: &Neuron) -> u64 {
    match neuron.plasticity {
        Plasticity::None => 0,
        Plasticity::Hebbian | Plasticity::Oja | Plasticity::Bcm => 2,
        Plasticity::Reward => 5,
    }
}

thread_local! {
    /// Work of the networks that ran on this thread.
    static SPENT: Cell<u64> = const { Cell::new(0) };
}

#[inline]
pub(crate) fn spend(units: u64) {
    SPENT.set(SPENT.get().wrapping_add(units));
}

/// Calls `run`, and returns its result with the work of all networks that it ran on this thread.
pub fn metered<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = SPENT.get();
    let answer = run();
    (answer, SPENT.get().wrapping_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::math::Activation;
    use crate::genome::genotype::{Connection, Node};
    use crate::genome::innovation::{BOTTOM, TOP, input, output};
    use crate::phenotype::network::Network;

    /// A genotype of two inputs, a hidden node with these genes and an output, with three
    /// connections, one of them disabled.
    fn by_way_of(neuron: Neuron) -> Genotype {
        let node = |id, layer, neuron| Node { id, layer, neuron };
        let mut nodes = vec![
            node(input(0), BOTTOM, Neuron::INPUT),
            node(input(1), BOTTOM, Neuron::INPUT),
            node(7, 1 << 62, neuron),
            node(output(0), TOP, Neuron::new(Activation::Tanh)),
        ];
        nodes.sort_by_key(|node| (node.layer, node.id));
        let ends = [(input(0), 7), (7, output(0)), (input(1), output(0))];
        let mut links: Vec<_> =
            ends.iter().map(|&(from, to)| Connection::new(from, to, 1.0)).collect();
        links[2].enabled = false;
        links.sort_by_key(|link| link.id);
        Genotype::from_genes(2, 1, nodes, links).unwrap()
    }

    #[test]
    fn enabled_connections_and_nodes_cost_by_their_kind() {
        let plain = Neuron::new(Activation::Tanh);
        let cost = |neuron| by_way_of(neuron).cost();
        assert_eq!(cost(plain), 2 + 2 * PLAIN);
        let with = |dynamics| cost(Neuron { dynamics, time_constant: 64.0, ..plain });
        assert_eq!(with(Dynamics::Leaky), 2 + PLAIN + SPECIAL + 4);
        assert_eq!(with(Dynamics::Cfc), 2 + PLAIN + SPECIAL + 12);
        assert_eq!(with(Dynamics::Ltc), 2 + PLAIN + SPECIAL + 28);
        assert_eq!(with(Dynamics::Delay), 2 + PLAIN + SPECIAL + 8 + 32);
        let learning = |plasticity| cost(Neuron { plasticity, ..plain });
        assert_eq!(learning(Plasticity::Bcm), 2 + PLAIN + SPECIAL + 8 + 2);
        assert_eq!(learning(Plasticity::Reward), 2 + PLAIN + SPECIAL + 8 + 5);
        let gathered = |aggregation| cost(Neuron { aggregation, ..plain });
        assert_eq!(gathered(Aggregation::Max), 1 + 2 + PLAIN + SPECIAL);
        assert_eq!(gathered(Aggregation::Median), 1 + 6 + PLAIN + SPECIAL);
    }

    #[test]
    fn the_cost_of_a_run_is_metered_by_ticks_and_rows() {
        let genotype = by_way_of(Neuron::new(Activation::Tanh));
        let (network, cost) = (Network::new(&genotype), genotype.cost());
        let steps = |network: &Network| {
            let (mut values, mut out) = (network.rest(), [0.0]);
            (0..7).for_each(|_| network.step(&mut values, &[0.5, 0.5], &mut out));
        };
        assert_eq!(metered(|| steps(&network)).1, 7 * cost);
        assert_eq!(metered(|| network.activate_batch(&[0.5; 10])).1, 5 * cost);
        assert_eq!(
            metered(|| (metered(|| steps(&network)), network.activate(&[0.5, 0.5]))).1,
            8 * cost
        );
    }
}
