//! The phenotype: a genotype compiled to a network.

use crate::base::cancel::{CancelToken, Cancelled, NeverCancelled, WorkMeter};
use crate::base::choice::Choice;
use crate::base::math::Aggregation;
use crate::genome::dynamics::{Cell, Dynamics};
use crate::genome::genotype::Genotype;
use crate::genome::innovation::{self, BOTTOM, NodeId};
use crate::genome::neuron::Neuron;
use crate::genome::plasticity::{Learning, Plasticity};
use crate::genome::topology::{Place, Topology};
use crate::phenotype::cost;
use crate::phenotype::kernel::{
    CheckedProgram, Isa, Kind, Link, Program, QUAD, Run, Special, VECTOR,
};
use crate::phenotype::normalisation::Normalisation;
use std::borrow::Cow;
use std::sync::Arc;

/// A genotype's program, and the instruction set that it runs on.
#[derive(Clone, Debug)]
pub struct Network {
    program: CheckedProgram,
    connections: usize,
    cost: u64,
    isa: Isa,
    /// What the inputs go through first.
    normalisation: Option<Arc<Normalisation>>,
}

/// The values of one activation and, between steps, the memory of one network. One `Values` can
/// serve many networks in turn: [`Network::reset`] prepares it for a network.
#[derive(Clone, Debug, Default)]
pub struct Values(Vec<f32>);

impl Network {
    /// Compiles a genotype.
    pub fn new(genotype: &Genotype) -> Network {
        let connections = genotype.enabled.iter().filter(|enabled| **enabled).count();
        let program = Compiler::new(genotype).compile().0;
        let (cost, isa) = (genotype.cost(), Isa::fastest());
        Network { connections, cost, program, isa, normalisation: None }
    }

    /// The same network on another instruction set of this machine, with the same bits.
    #[must_use]
    pub fn on(self, isa: Isa) -> Network {
        Network { isa, ..self }
    }

    /// The same network, which normalises its inputs first, or does not.
    ///
    /// # Panics
    /// If the normalisation is for another number of inputs.
    #[must_use]
    pub fn normalised(self, normalisation: Option<Normalisation>) -> Network {
        assert!(normalisation.iter().all(|n| n.means().len() == self.inputs()));
        Network { normalisation: normalisation.map(Arc::new), ..self }
    }

    pub fn inputs(&self) -> usize {
        self.program.inputs
    }

    pub fn outputs(&self) -> usize {
        self.program.outputs.len()
    }

    /// The enabled connections: the work of one step.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// The count of numbers that are carried from step to step, which are 0 at rest: the last
    /// values of nodes that feed recurrent connections, the states of nodes with dynamics, and the
    /// learnt parts of plastic weights. 0 for a static feed-forward network.
    pub fn memory(&self) -> usize {
        self.program.memory
    }

    /// Values with an empty memory.
    pub fn rest(&self) -> Values {
        let mut values = Values::default();
        self.reset(&mut values);
        values
    }

    /// Sets `values` to this network at rest. They may have belonged to another network.
    pub fn reset(&self, values: &mut Values) {
        // a step writes all other values before it reads them
        values.0.resize(self.program.row(), 0.0);
        self.memory_of(values).fill(0.0);
    }

    /// Runs one step: forward connections carry the values of this step, recurrent ones of the last
    /// step.
    ///
    /// # Panics
    /// If `inputs`, `outputs` or `values` are not of this network's size.
    #[inline]
    pub fn step(&self, values: &mut Values, inputs: &[f32], outputs: &mut [f32]) {
        assert_eq!(outputs.len(), self.outputs());
        self.inputs_of(values).copy_from_slice(inputs);
        self.tick(values);
        outputs.iter_mut().zip(self.outputs_of(values)).for_each(|(output, y)| *output = y);
    }

    /// The part of [`Network::step`] between inputs and outputs, which the caller copies itself.
    ///
    /// # Panics
    /// If `values` are not of this network's size.
    #[inline]
    pub fn tick(&self, values: &mut Values) {
        cost::spend(self.cost);
        if let Some(normalisation) = &self.normalisation {
            normalisation.apply(self.inputs_of(values));
        }
        self.program.step(self.isa, &mut values.0);
    }

    /// The inputs of the next step.
    #[inline]
    pub fn inputs_of<'a>(&self, values: &'a mut Values) -> &'a mut [f32] {
        &mut values.0[..self.program.inputs]
    }

    /// The outputs of the last step.
    #[inline]
    pub fn outputs_of<'a>(
        &'a self,
        values: &'a Values,
    ) -> impl DoubleEndedIterator<Item = f32> + ExactSizeIterator {
        self.program.outputs.iter().map(|at| values.0[*at as usize])
    }

    /// The memory part of `values`, of [`Network::memory`] numbers.
    #[inline]
    pub fn memory_of<'a>(&self, values: &'a mut Values) -> &'a mut [f32] {
        &mut values.0[self.program.inputs..self.program.first()]
    }

    /// Sets the reward: neurons whose plasticity is `reward` learn from it at every step until it
    /// is set again. It is 0 at rest.
    pub fn reward(&self, values: &mut Values, reward: f32) {
        if let Some(slot) = self.program.reward {
            values.0[slot as usize] = reward;
        }
    }

    /// One step from rest.
    pub fn activate(&self, inputs: &[f32]) -> Vec<f32> {
        let mut outputs = vec![0.0; self.outputs()];
        self.step(&mut self.rest(), inputs, &mut outputs);
        outputs
    }

    /// One step from rest for each of many samples: rows of inputs in one slice give rows of
    /// outputs.
    ///
    /// # Panics
    /// If `inputs` are not whole rows.
    pub fn activate_batch(&self, inputs: &[f32]) -> Vec<f32> {
        self.run_to_end(|runner| runner.activate_batch(inputs))
    }

    pub(crate) fn batch(&self, inputs: &[f32], meter: &WorkMeter) -> Result<Vec<f32>, Cancelled> {
        let samples = inputs.len() / self.inputs();
        let mut outputs = vec![0.0; samples * self.outputs()];
        cost::spend(self.cost.saturating_mul(samples as u64));
        self.program.batch(self.isa, &self.normalised_rows(inputs), &mut outputs, meter)?;
        Ok(outputs)
    }

    fn normalised_rows<'a>(&self, inputs: &'a [f32]) -> Cow<'a, [f32]> {
        let Some(normalisation) = &self.normalisation else { return Cow::Borrowed(inputs) };
        let mut rows = inputs.to_vec();
        rows.chunks_exact_mut(self.inputs()).for_each(|row| normalisation.apply(row));
        Cow::Owned(rows)
    }

    /// Runs work that cannot be cancelled.
    pub(crate) fn run_to_end<T>(&self, run: impl FnOnce(&Runner) -> Result<T, Cancelled>) -> T {
        run(&self.runner(&NeverCancelled)).expect("nobody stops it")
    }

    /// This network, to run until the token cancels it.
    pub fn runner<'a>(&'a self, token: &'a dyn CancelToken) -> Runner<'a> {
        Runner { network: self, meter: WorkMeter::new(token) }
    }
}

/// A network on one thread that can be cancelled. It asks its token after a fixed amount of work,
/// so a large network asks as often as a small one.
pub struct Runner<'a> {
    network: &'a Network,
    meter: WorkMeter<'a>,
}

/// The task's own work per step, in units of work.
const STEP_OVERHEAD: u64 = 100;

impl<'a> Runner<'a> {
    pub fn network(&self) -> &'a Network {
        self.network
    }

    pub fn token(&self) -> &'a dyn CancelToken {
        self.meter.token()
    }

    /// [`Network::step`].
    ///
    /// # Errors
    /// [`Cancelled`]; then `values` and `outputs` are undefined.
    ///
    /// # Panics
    /// If `inputs`, `outputs` or `values` are not of the network's size.
    #[inline]
    pub fn step(
        &self,
        values: &mut Values,
        inputs: &[f32],
        outputs: &mut [f32],
    ) -> Result<(), Cancelled> {
        self.meter.spend(self.network.cost + STEP_OVERHEAD)?;
        self.network.step(values, inputs, outputs);
        Ok(())
    }

    /// [`Network::activate`].
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn activate(&self, inputs: &[f32]) -> Result<Vec<f32>, Cancelled> {
        self.meter.spend(self.network.cost + STEP_OVERHEAD)?;
        Ok(self.network.activate(inputs))
    }

    /// [`Network::activate_batch`].
    ///
    /// # Errors
    /// [`Cancelled`].
    ///
    /// # Panics
    /// If `inputs` are not whole rows.
    pub fn activate_batch(&self, inputs: &[f32]) -> Result<Vec<f32>, Cancelled> {
        self.network.batch(inputs, &self.meter)
    }
}

/// Returns a genotype's program, and the node of each unit.
pub(crate) fn compile(genotype: &Genotype) -> (CheckedProgram, Vec<NodeId>) {
    let (program, order) = Compiler::new(genotype).compile();
    (program, order.iter().map(|node| genotype.topology.places[*node as usize].id).collect())
}

/// The intermediate results from a genotype to its program.
struct Compiler<'a> {
    genotype: &'a Genotype,
    topology: &'a Topology,
    /// Enabled connections, ordered by their target and then by id; those into node n are at
    /// `starts[n]..starts[n + 1]`.
    incoming: Vec<u32>,
    starts: Vec<u32>,
    /// Nodes that are not inputs, in the order in which they are computed.
    order: Vec<u32>,
    /// The position of each node's value in the row, counted from the inputs or from the first
    /// unit.
    place: Vec<u32>,
    /// The memory slot of each node that feeds a recurrent connection.
    slot: Vec<Option<u32>>,
    program: Program,
}

impl<'a> Compiler<'a> {
    fn new(genotype: &'a Genotype) -> Compiler<'a> {
        let topology = &*genotype.topology;
        let nodes = topology.places.len();
        Compiler {
            genotype,
            topology,
            incoming: Vec::new(),
            starts: vec![0; nodes + 1],
            order: Vec::with_capacity(nodes),
            place: vec![0; nodes],
            slot: vec![None; nodes],
            program: Program { inputs: topology.inputs as usize, ..Program::default() },
        }
    }

    /// Returns the program, and the order of its units.
    fn compile(mut self) -> (CheckedProgram, Vec<u32>) {
        self.gather_incoming();
        self.arrange();
        self.allot_memory();
        self.emit();
        (self.program.check(), self.order)
    }

    fn inputs(&self) -> usize {
        self.topology.inputs as usize
    }

    /// A counting sort, because it keeps the order of ids.
    fn gather_incoming(&mut self) {
        let Compiler { genotype, topology, starts, .. } = self;
        let enabled =
            || (0..).zip(&topology.ends).zip(&genotype.enabled).filter(|(_, enabled)| **enabled);
        for ((_, ends), _) in enabled() {
            starts[ends.to as usize + 1] += 1;
        }
        (1..starts.len()).for_each(|node| starts[node] += starts[node - 1]);
        let mut next = starts.clone();
        self.incoming = vec![0; starts[starts.len() - 1] as usize];
        for ((at, ends), _) in enabled() {
            let next = &mut next[ends.to as usize];
            self.incoming[*next as usize] = at;
            *next += 1;
        }
    }

    fn links_into(&self, node: u32) -> &[u32] {
        &self.incoming[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// Groups nodes that do not depend on each other, and within a group the nodes with one
    /// activation.
    fn arrange(&mut self) {
        let (topology, inputs) = (self.topology, self.inputs());
        let mut depth = vec![0u32; topology.places.len()];
        let mut keys = Vec::with_capacity(topology.places.len() - inputs);
        for node in inputs as u32..topology.places.len() as u32 {
            let forward = (self.links_into(node).iter())
                .map(|&link| topology.ends[link as usize])
                .filter(|ends| !topology.is_recurrent(*ends));
            let deepest = forward.map(|ends| depth[ends.from as usize]).max().unwrap_or(0);
            depth[node as usize] = deepest + 1;
            let neuron = &self.genotype.neurons[node as usize - inputs];
            let class = if is_plain(neuron) { neuron.activation.number() } else { u8::MAX };
            // nodes with equally many links are neighbours, so the processor predicts the length of
            // a sum
            let degree = self.links_into(node).len() as u32;
            keys.push(Key { depth: deepest, class, few: u32::MAX - degree, node });
        }
        keys.sort_unstable();
        for (unit, key) in keys.iter().enumerate() {
            self.place[key.node as usize] = unit as u32;
        }
        self.order = keys.iter().map(|key| key.node).collect();
        self.program.runs = runs(&keys);
        for input in 0..topology.inputs {
            let id = innovation::input(input);
            if let Ok(at) = topology.places[..inputs].binary_search(&Place { layer: BOTTOM, id }) {
                self.place[at] = input;
            }
        }
    }

    /// Allots the memory: first for recurrent connections, then for special nodes, then for the
    /// reward.
    fn allot_memory(&mut self) {
        let inputs = self.program.inputs as u32;
        let mut next = inputs;
        for &link in &self.incoming {
            let ends = self.topology.ends[link as usize];
            let slot = &mut self.slot[ends.from as usize];
            if slot.is_none() && self.topology.is_recurrent(ends) {
                *slot = Some(next);
                next += 1;
            }
        }
        for &node in &self.order {
            let neuron = &self.genotype.neurons[node as usize - self.inputs()];
            if is_plain(neuron) {
                continue;
            }
            let cell = Cell::new(neuron.activation, neuron.dynamics, neuron.time_constant);
            let Neuron { aggregation, plasticity, learning_rate, decay, .. } = *neuron;
            let learning = Learning { plasticity, rate: learning_rate, decay };
            let length = (cell.slots() + learning.slots(self.links_into(node).len())) as u32;
            let (state, cost) = ((next, length), cost::node_cost(neuron));
            self.program.specials.push(Special { aggregation, cell, learning, state, cost });
            next += length;
        }
        let learns = |special: &Special| special.learning.plasticity == Plasticity::Reward;
        if self.program.specials.iter().any(learns) {
            self.program.reward = Some(next);
            next += 1;
        }
        self.program.memory = (next - inputs) as usize;
    }

    fn emit(&mut self) {
        let (inputs, first) = (self.inputs(), self.program.first() as u32);
        let in_row = |node: u32| {
            self.place[node as usize] + if (node as usize) < inputs { 0 } else { first }
        };
        let mut links = Vec::with_capacity(self.incoming.len() + (QUAD - 1) * self.order.len());
        let mut ends = Vec::with_capacity(self.order.len());
        for &node in &self.order {
            links.extend(self.links_into(node).iter().map(|&link| {
                let ends = self.topology.ends[link as usize];
                let slot =
                    self.slot[ends.from as usize].filter(|_| self.topology.is_recurrent(ends));
                let source = slot.unwrap_or_else(|| in_row(ends.from));
                Link { source, weight: self.genotype.weights[link as usize] }
            }));
            ends.push(links.len() as u32);
            links.resize(links.len().next_multiple_of(QUAD), Link { source: 0, weight: 0.0 });
        }
        let neurons = self.order.iter().map(|node| &self.genotype.neurons[*node as usize - inputs]);
        let padding = || std::iter::repeat_n(0.0, VECTOR - 1);
        let gains = neurons.clone().map(|n| n.gain).chain(padding()).collect();
        let biases = neurons.map(|n| n.bias).chain(padding()).collect();
        let carried =
            (0..).zip(&self.slot).filter_map(|(node, slot)| Some(((*slot)?, in_row(node))));
        let remembered = carried.collect();
        let ids = (0..self.topology.outputs).map(innovation::output);
        let tops = &self.topology.places[self.topology.hidden().end..];
        let top = |id| tops.iter().position(|place| place.id == id).expect("every output is there");
        let outputs = ids.map(|id| in_row((self.topology.hidden().end + top(id)) as u32)).collect();
        self.program = Program {
            ends,
            gains,
            biases,
            links,
            remembered,
            outputs,
            ..std::mem::take(&mut self.program)
        };
    }
}

/// Whether a neuron only sums and activates, so that vector code can compute it.
fn is_plain(neuron: &Neuron) -> bool {
    neuron.aggregation == Aggregation::Sum
        && neuron.dynamics == Dynamics::None
        && neuron.plasticity == Plasticity::None
}

/// The key that decides when a node is computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    depth: u32,
    /// The activation's number, or the highest number for special nodes.
    class: u8,
    /// Higher for fewer links.
    few: u32,
    node: u32,
}

/// Splits ordered units into runs: units of equal depth and class form one run, each special unit
/// its own.
fn runs(keys: &[Key]) -> Vec<Run> {
    let alike = |a: &Key, b: &Key| (a.depth, a.class) == (b.depth, b.class) && a.class != u8::MAX;
    let (mut end, mut link, mut specials) = (0, 0, 0..);
    (keys.chunk_by(alike))
        .map(|run| {
            let (begin, first) = (end, link);
            end += run.len() as u32;
            link += run
                .iter()
                .map(|key| (u32::MAX - key.few).next_multiple_of(QUAD as u32))
                .sum::<u32>();
            let kind = match Choice::numbered(run[0].class) {
                Some(activation) => Kind::Plain(activation),
                None => Kind::Special(specials.next().unwrap_or(0)),
            };
            Run { begin, end, link: first, kind }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::math::Activation;
    use crate::genome::genotype::{Connection, Node};
    use crate::genome::innovation::{TOP, input, output};

    fn node(id: u64, layer: u64, activation: Activation, bias: f32) -> Node {
        Node { id, layer, neuron: Neuron { bias, ..Neuron::new(activation) } }
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
        let net = Network::new(&genotype(
            1,
            &hidden,
            &[(input(0), 2, 2.0), (2, 1, 3.0), (1, output(0), 1.0)],
        ));
        assert_eq!(net.activate(&[1.0]), [8.5]);
        assert_eq!(net.activate(&[-1.0]), [0.0]);
        assert_eq!(net.memory(), 0);
    }

    #[test]
    fn recurrent_links_carry_the_last_tick() {
        // output = input + 0.5 × last output: a leaky sum
        let net = Network::new(&genotype(
            1,
            &[],
            &[(input(0), output(0), 1.0), (output(0), output(0), 0.5)],
        ));
        let (mut values, mut out) = (net.rest(), [0.0]);
        let seen: Vec<f32> = [1.0, 0.0, 0.0, 4.0]
            .iter()
            .map(|&x| {
                net.step(&mut values, &[x], &mut out);
                out[0]
            })
            .collect();
        assert_eq!(seen, [1.0, 0.5, 0.25, 4.125]);
        assert_eq!(net.memory_of(&mut values), [4.125]);
    }

    #[test]
    fn values_of_another_network_are_zero_after_a_reset() {
        let sum = Network::new(&genotype(
            1,
            &[],
            &[(input(0), output(0), 1.0), (output(0), output(0), 0.5)],
        ));
        let hidden = [node(1, 10, Activation::Relu, 1.0), node(2, 5, Activation::Identity, 0.5)];
        let wide = Network::new(&genotype(
            3,
            &hidden,
            &[(input(2), 1, 3.0), (1, output(0), 1.0), (1, 1, 2.0)],
        ));
        let (mut values, mut out) = (Values::default(), [0.0]);
        for _ in 0..3 {
            sum.reset(&mut values);
            sum.step(&mut values, &[4.0], &mut out);
            assert_eq!(out, [4.0]);
            wide.reset(&mut values);
            wide.step(&mut values, &[7.0, 8.0, 1.0], &mut out);
            assert_eq!(out, [4.0]);
        }
    }

    #[test]
    fn nodes_of_one_layer_read_each_other_a_tick_late() {
        let hidden =
            [node(1, 10, Activation::Identity, 0.0), node(2, 10, Activation::Identity, 0.0)];
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
