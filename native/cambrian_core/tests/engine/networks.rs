//! Every instruction set gives the bits of the simplest way to compute a network from its genes.

use cambrian_core::base::math::Activation;
use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::dynamics::{Cell, Dynamics};
use cambrian_core::genome::genotype::{Connection, Genotype, Node};
use cambrian_core::genome::innovation::{TOP, input, is_recurrent, output};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::genome::plasticity::{Learning, Plasticity};
use cambrian_core::phenotype::kernel::Isa;
use cambrian_core::phenotype::network::Network;
use cambrian_core::variation::mutation::OPERATORS;
use proptest::prelude::*;
use std::collections::HashMap;

/// Computes a network gene by gene.
struct Interpreter {
    nodes: Vec<Node>,
    connections: Vec<Connection>,
    outputs: u32,
    now: HashMap<u64, f32>,
    before: HashMap<u64, f32>,
    states: HashMap<u64, (Vec<f32>, Vec<f32>)>,
}

impl Interpreter {
    fn new(g: &Genotype) -> Interpreter {
        let (nodes, connections) =
            (g.nodes().collect(), g.connections().filter(|c| c.enabled).collect());
        let (now, before, states) = (HashMap::new(), HashMap::new(), HashMap::new());
        Interpreter { nodes, connections, outputs: g.outputs(), now, before, states }
    }

    fn step(&mut self, inputs: &[f32], reward: f32) -> Vec<f32> {
        self.before = std::mem::take(&mut self.now);
        self.now.extend((0..).zip(inputs).map(|(i, x)| (input(i), *x)));
        let layers: HashMap<u64, u64> = self.nodes.iter().map(|n| (n.id, n.layer)).collect();
        for node in self.nodes.clone().into_iter().skip(inputs.len()) {
            let incoming: Vec<Connection> =
                self.connections.iter().filter(|c| c.to == node.id).copied().collect();
            let source = |c: &Connection| {
                let values = if is_recurrent(layers[&c.from], node.layer) {
                    &self.before
                } else {
                    &self.now
                };
                values.get(&c.from).copied().unwrap_or(0.0)
            };
            let x: Vec<f32> = incoming.iter().map(source).collect();
            let genes = incoming.iter().map(|c| c.weight);
            let n = node.neuron;
            let cell = Cell::new(n.activation, n.dynamics, n.time_constant);
            let learning =
                Learning { plasticity: n.plasticity, rate: n.learning_rate, decay: n.decay };
            let rest = || (vec![0.0; cell.slots()], vec![0.0; learning.slots(x.len())]);
            let (state, learnt) = self.states.entry(node.id).or_insert_with(rest);
            let weighted: Vec<f32> = (x.iter().zip(genes.clone()).enumerate())
                .map(|(nth, (x, gene))| x * learning.weight(gene, nth, learnt))
                .collect();
            let y = cell.tick(n.aggregation.apply(&weighted) * n.gain + n.bias, state);
            if n.plasticity != Plasticity::None {
                learning.learn(&x, genes, y, reward, learnt);
            }
            self.now.insert(node.id, y);
        }
        (0..self.outputs).map(|j| self.now[&output(j)]).collect()
    }
}

fn grown(inputs: u32, outputs: u32, seed: u64, operators: &[usize], allowed: &[&str]) -> Genotype {
    let p = Parameters { initial_weight: 2.0, ..Parameters::default() };
    let mut rng = Stream::new(seed, Purpose::Birth, 0, 0);
    let first = Genotype::new(inputs, outputs, &p, &mut rng).unwrap();
    let usable: Vec<_> =
        OPERATORS.iter().filter(|o| allowed.is_empty() || allowed.contains(&o.name)).collect();
    operators.iter().fold(first, |g, operator| {
        usable[operator % usable.len()].apply(&g, &p, &mut rng).unwrap_or(g)
    })
}

fn samples(count: usize, inputs: usize, seed: u64) -> Vec<f32> {
    let mut rng = Stream::new(seed, Purpose::Operator, 1, 0);
    (0..count * inputs).map(|_| 3.0 * rng.normal()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Compares steps and batches on every instruction set of this machine with the interpreter.
fn check(g: &Genotype, seed: u64) {
    let (inputs, outputs) = (g.inputs() as usize, g.outputs() as usize);
    let course = samples(6, inputs, seed);
    let batch = samples(131, inputs, seed ^ 1);
    let mut plain = Interpreter::new(g);
    let expected: Vec<f32> = course.chunks(inputs).flat_map(|x| plain.step(x, 0.5)).collect();
    let each: Vec<f32> =
        batch.chunks(inputs).flat_map(|x| Interpreter::new(g).step(x, 0.0)).collect();
    for isa in Isa::available() {
        let network = Network::new(g).on(isa);
        let (mut values, mut out) = (network.rest(), vec![0.0; outputs]);
        network.reward(&mut values, 0.5);
        let seen: Vec<f32> = (course.chunks(inputs))
            .flat_map(|x| {
                network.step(&mut values, x, &mut out);
                out.clone()
            })
            .collect();
        assert_eq!(bits(&seen), bits(&expected), "steps on {isa:?}");
        assert_eq!(bits(&network.activate_batch(&batch)), bits(&each), "a batch on {isa:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_network_has_the_same_bits_on_every_path(
        inputs in 1u32..6, outputs in 1u32..4, seed in any::<u64>(),
        operators in prop::collection::vec(any::<usize>(), 0..150)
    ) {
        check(&grown(inputs, outputs, seed, &operators, &[]), seed);
    }
}

#[test]
fn a_large_plain_network_has_the_same_bits_on_every_path() {
    let growing =
        ["add_node", "add_connection", "add_recurrent", "perturb_biases", "change_activation"];
    let operators: Vec<usize> = (0..900).map(|i| i * 7 + i / 5).collect();
    let g = grown(8, 4, 5, &operators, &growing);
    assert!(g.connections().len() > 400 && g.recurrent() > 20 && g.hidden() > 100);
    check(&g, 5);
}

#[test]
fn learning_does_not_change_the_genotype() {
    let g = grown(3, 1, 1, &[0; 40], &["change_plasticity", "add_node"]);
    let plastic = |n: Node| n.neuron.plasticity != Plasticity::None && n.layer <= TOP;
    assert!(g.nodes().any(plastic));
    let (before, network) = (g.clone(), Network::new(&g));
    let (mut values, mut out) = (network.rest(), [0.0]);
    let first = network.activate(&[1.0, 0.5, -0.5]);
    (0..50).for_each(|_| network.step(&mut values, &[1.0, 0.5, -0.5], &mut out));
    assert_ne!(bits(&out), bits(&first), "it has learnt");
    assert_eq!(g, before);
    assert_eq!(network.activate(&[1.0, 0.5, -0.5]), first, "and from rest it has not");
}

#[test]
fn a_batch_of_a_network_with_long_delays_takes_no_memory_for_its_state() {
    let node = |id: u64| {
        let neuron = Neuron {
            dynamics: Dynamics::Delay,
            time_constant: 64.0,
            ..Neuron::new(Activation::Tanh)
        };
        Node { id, layer: 1 << 40, neuron }
    };
    let first =
        Genotype::new(1, 1, &Parameters::default(), &mut Stream::new(1, Purpose::Birth, 0, 0))
            .unwrap();
    let mut nodes: Vec<Node> = first.nodes().chain((0..90_000).map(node)).collect();
    nodes.sort_unstable_by_key(|n| (n.layer, n.id));
    let network =
        Network::new(&Genotype::from_genes(1, 1, nodes, first.connections().collect()).unwrap());
    assert_eq!(network.memory(), 64 * 90_000);
    let alone = Network::new(&first).activate_batch(&[0.5, -0.5, 1.0]);
    assert_eq!(bits(&network.activate_batch(&[0.5, -0.5, 1.0])), bits(&alone));
    // 64 samples at a time in every slot would take 1.5 GB
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("the peak of memory");
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 500_000, "{kilobytes} kB");
    }
}
