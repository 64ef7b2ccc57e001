//! The phenotype: a genotype compiled to run.

use crate::genotype::Genotype;
use crate::innovation;
use crate::math::Activation;

/// Node values live in one row: inputs, then every other node in topological order, then the
/// memory, which holds last tick's value of each node that feeds a recurrent connection.
/// So a source is a single index, whichever of the three it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    inputs: usize,
    units: Vec<Unit>,
    links: Vec<Link>,
    /// which value each memory slot keeps
    remembered: Vec<u32>,
    outputs: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
struct Unit {
    activation: Activation,
    bias: f32,
    /// one past its last link; its first is where the unit before it ends
    end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Link {
    source: u32,
    weight: f32,
}

/// The values of one activation, and between ticks the memory of one network.
#[derive(Clone, Debug)]
pub struct Values(Vec<f32>);

impl Network {
    /// Compiles a genotype.
    pub fn new(genotype: &Genotype) -> Network {
        let index = genotype.index();
        let at = |id| index.position(id).expect("a genotype's connections end at its nodes");
        let nodes = genotype.nodes();
        // input i must stand at i: nodes are in id order, inputs are counted
        let inputs = genotype.inputs() as usize;
        let mut place: Vec<u32> = (0..nodes.len() as u32).collect();
        for i in 0..genotype.inputs() {
            place[at(innovation::input(i))] = i;
        }
        let mut slots = vec![None; nodes.len()];
        let mut remembered = Vec::new();
        let mut incoming = vec![Vec::new(); nodes.len()];
        for c in genotype.connections().iter().filter(|c| c.enabled) {
            let (from, to) = (at(c.from), at(c.to));
            let source = if innovation::is_recurrent(nodes[from].layer, nodes[to].layer) {
                *slots[from].get_or_insert_with(|| {
                    remembered.push(place[from]);
                    (nodes.len() + remembered.len() - 1) as u32
                })
            } else {
                place[from]
            };
            incoming[to].push(Link { source, weight: c.weight });
        }
        let mut links = Vec::with_capacity(genotype.connections().len());
        let units = nodes[inputs..].iter().zip(&incoming[inputs..]).map(|(node, own)| {
            links.extend_from_slice(own);
            Unit { activation: node.activation, bias: node.bias, end: links.len() as u32 }
        });
        let units = units.collect();
        let outputs = (0..genotype.outputs()).map(|j| at(innovation::output(j)) as u32).collect();
        Network { inputs, units, links, remembered, outputs }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Enabled connections: the work of one tick.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    /// Numbers that are carried from tick to tick; 0 for a feed-forward network.
    pub fn memory(&self) -> usize {
        self.remembered.len()
    }

    /// Values with an empty memory.
    pub fn rest(&self) -> Values {
        Values(vec![0.0; self.inputs + self.units.len() + self.remembered.len()])
    }

    /// One tick: forward connections carry this tick's values, recurrent ones the last tick's.
    ///
    /// # Panics
    /// If `inputs`, `outputs` or `values` are not of this network's size.
    pub fn step(&self, values: &mut Values, inputs: &[f32], outputs: &mut [f32]) {
        assert_eq!(outputs.len(), self.outputs.len());
        let values = &mut values.0;
        values[..self.inputs].copy_from_slice(inputs);
        let mut start = 0;
        for (unit, at) in self.units.iter().zip(self.inputs..) {
            let end = unit.end as usize;
            let mut sum = unit.bias;
            for link in &self.links[start..end] {
                sum += values[link.source as usize] * link.weight;
            }
            values[at] = unit.activation.apply(sum);
            start = end;
        }
        let memory = self.inputs + self.units.len();
        for (slot, &source) in self.remembered.iter().enumerate() {
            values[memory + slot] = values[source as usize];
        }
        for (output, &at) in outputs.iter_mut().zip(&self.outputs) {
            *output = values[at as usize];
        }
    }

    /// The memory part of `values`.
    pub fn recall<'a>(&self, values: &'a Values) -> &'a [f32] {
        &values.0[self.inputs + self.units.len()..]
    }

    /// Values whose memory is `memory`; `None` if that is not of this network's size.
    pub fn remember(&self, memory: &[f32]) -> Option<Values> {
        let mut values = self.rest();
        let slots = &mut values.0[self.inputs + self.units.len()..];
        (slots.len() == memory.len()).then(|| slots.copy_from_slice(memory))?;
        Some(values)
    }

    /// One tick from rest.
    pub fn activate(&self, inputs: &[f32]) -> Vec<f32> {
        let mut outputs = vec![0.0; self.outputs()];
        self.step(&mut self.rest(), inputs, &mut outputs);
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genotype::{Connection, Node};
    use crate::innovation::{BOTTOM, TOP, input, output};

    fn node(id: u64, layer: u64, activation: Activation, bias: f32) -> Node {
        Node { id, layer, activation, bias }
    }

    fn genotype(inputs: u32, hidden: &[Node], links: &[(u64, u64, f32)]) -> Genotype {
        let mut nodes: Vec<Node> = (0..inputs)
            .map(|i| node(input(i), BOTTOM, Activation::Identity, 0.0))
            .chain([node(output(0), TOP, Activation::Identity, 0.0)])
            .chain(hidden.iter().copied())
            .collect();
        nodes.sort_by_key(|n| (n.layer, n.id));
        let mut connections: Vec<_> =
            links.iter().map(|&(from, to, w)| Connection::new(from, to, w)).collect();
        connections.sort_by_key(|c| c.id);
        Genotype::from_genes(inputs, 1, nodes, connections).unwrap()
    }

    #[test]
    fn inputs_are_counted_and_not_sorted_by_id() {
        let links: Vec<_> = (0..6).map(|i| (input(i), output(0), 10f32.powi(i as i32))).collect();
        let net = Network::new(&genotype(6, &[], &links));
        assert_eq!(net.activate(&[1., 2., 3., 4., 5., 6.]), [654_321.0]);
    }

    #[test]
    fn a_chain_of_hidden_nodes_is_computed_within_one_tick() {
        let hidden = [node(1, 10, Activation::Relu, 1.0), node(2, 5, Activation::Identity, 0.5)];
        let net =
            Network::new(&genotype(1, &hidden, &[(input(0), 2, 2.0), (2, 1, 3.0), (1, output(0), 1.0)]));
        assert_eq!(net.activate(&[1.0]), [8.5]);
        assert_eq!(net.activate(&[-1.0]), [0.0]);
        assert_eq!(net.memory(), 0);
    }

    #[test]
    fn recurrent_links_carry_the_last_tick() {
        // output = input + 0.5 × last output: a leaky sum
        let net = Network::new(&genotype(1, &[], &[(input(0), output(0), 1.0), (output(0), output(0), 0.5)]));
        let (mut values, mut out) = (net.rest(), [0.0]);
        let seen: Vec<f32> = [1.0, 0.0, 0.0, 4.0]
            .iter()
            .map(|&x| {
                net.step(&mut values, &[x], &mut out);
                out[0]
            })
            .collect();
        assert_eq!(seen, [1.0, 0.5, 0.25, 4.125]);
        assert_eq!(net.recall(&values), [4.125]);
        assert!(net.remember(&[]).is_none());
    }

    #[test]
    fn peers_on_one_layer_read_each_other_one_tick_late() {
        let hidden = [node(1, 10, Activation::Identity, 0.0), node(2, 10, Activation::Identity, 0.0)];
        let links = [(input(0), 1, 1.0), (1, 2, 1.0), (2, 1, 1.0), (2, output(0), 1.0)];
        let net = Network::new(&genotype(1, &hidden, &links));
        let (mut values, mut out) = (net.rest(), [0.0]);
        let seen: Vec<f32> = (0..5)
            .map(|tick| {
                net.step(&mut values, &[f32::from(u8::from(tick == 0))], &mut out);
                out[0]
            })
            .collect();
        assert_eq!(seen, [0.0, 1.0, 0.0, 1.0, 0.0]);
    }
}
