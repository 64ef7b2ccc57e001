//! Gradients against finite differences of another network in 64 bits, and what tuning by them
//! finds.

use crate::common::stream;
use cambrian_core::base::cancel::CancelToken;
use cambrian_core::base::math::{Activation, Aggregation};
use cambrian_core::genome::dynamics::{Dynamics, MAX_DELAY};
use cambrian_core::genome::genotype::{Connection, Genotype, Node};
use cambrian_core::genome::innovation::{self, BOTTOM, TOP};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::{Parameters, Tuner};
use cambrian_core::phenotype::gradient::{Differentiable, Reverse};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::{Population, checkpoint};
use cambrian_core::task::{Dataset, Label, Rows, Targets, Task};
use cambrian_core::variation::mutation::mutate;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static GO: AtomicBool = AtomicBool::new(false);

// ---- a network in 64 bits, written from the documentation

fn activate(activation: Activation, x: f64) -> f64 {
    let elu = |x: f64| if x > 0.0 { x } else { x.exp() - 1.0 };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Identity => x,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::SteepSigmoid => sigmoid(4.924_273 * x),
        Activation::Relu => x.max(0.0),
        Activation::Sin => x.sin(),
        Activation::Gaussian => (-x * x).exp(),
        Activation::Step => f64::from(u8::from(x > 0.0)),
        Activation::LeakyRelu => x.max(0.01 * x),
        Activation::Elu => elu(x),
        Activation::Selu => 1.050_700_987_3 * if x > 0.0 { x } else { 1.673_263_242_3 * elu(x) },
        Activation::Gelu => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            x * (1.0 + (root * (x + 0.044_715 * x * x * x)).tanh()) / 2.0
        }
        Activation::Swish => x * sigmoid(x),
        Activation::Softplus => x.exp().ln_1p(),
        Activation::Cos => x.cos(),
        Activation::Abs => x.abs(),
        Activation::Square => x * x,
        Activation::Sign => x.signum(),
        Activation::Clamp => x.clamp(-1.0, 1.0),
        Activation::InverseMultiquadric => 1.0 / (1.0 + x * x).sqrt(),
        Activation::Log => x.max(1e-7).ln(),
        Activation::Exp => x.exp(),
    }
}

fn aggregate(aggregation: Aggregation, mut x: Vec<f64>) -> f64 {
    if x.is_empty() {
        return 0.0;
    }
    match aggregation {
        Aggregation::Sum => x.iter().sum(),
        Aggregation::Product => x.iter().product(),
        Aggregation::Mean => x.iter().sum::<f64>() / x.len() as f64,
        Aggregation::Max => x.into_iter().fold(f64::NEG_INFINITY, f64::max),
        Aggregation::Min => x.into_iter().fold(f64::INFINITY, f64::min),
        Aggregation::Median => {
            x.sort_by(f64::total_cmp);
            (x[(x.len() - 1) / 2] + x[x.len() / 2]) / 2.0
        }
        Aggregation::MaxAbs => {
            x.into_iter().fold(0.0, |best: f64, x| if x.abs() > best.abs() { x } else { best })
        }
    }
}

/// The first tick from rest.
fn tick(node: &Node, net: f64) -> f64 {
    let (f, tau) = (|x| activate(node.neuron.activation, x), f64::from(node.neuron.time_constant));
    match node.neuron.dynamics {
        Dynamics::None => f(net),
        Dynamics::Leaky => f((1.0 - (-1.0 / tau).exp()) * net),
        Dynamics::Cfc => (1.0 - 1.0 / (1.0 + (net / tau).exp())) * f(net),
        Dynamics::Ltc => {
            let drive = f(net);
            (0..6).fold(0.0, |x, _| (x + drive / 6.0) / (1.0 + (1.0 / tau + drive.abs()) / 6.0))
        }
        Dynamics::Delay => 0.0,
    }
}

/// The outputs at a point: the weights of enabled connections, then the biases.
fn outputs(g: &Genotype, point: &[f64], inputs: &[f32]) -> Vec<f64> {
    let nodes: Vec<Node> = g.nodes().collect();
    let layers: HashMap<u64, u64> = nodes.iter().map(|node| (node.id, node.layer)).collect();
    let enabled: Vec<Connection> = g.connections().filter(|c| c.enabled).collect();
    let mut values: HashMap<u64, f64> =
        (0..).zip(inputs).map(|(at, x)| (innovation::input(at), f64::from(*x))).collect();
    for (at, node) in nodes[inputs.len()..].iter().enumerate() {
        let into = enabled.iter().zip(point).filter(|(link, _)| link.to == node.id);
        let weighted = into.map(|(link, weight)| {
            let is_forward = layers[&link.from] < layers[&node.id];
            if is_forward { values[&link.from] * weight } else { 0.0 }
        });
        let net = aggregate(node.neuron.aggregation, weighted.collect());
        let net = net * f64::from(node.neuron.gain) + point[enabled.len() + at];
        values.insert(node.id, tick(node, net));
    }
    (0..g.outputs()).map(|at| values[&innovation::output(at)]).collect()
}

/// Half the squared distance from 0.3.
struct Rings(Vec<Vec<f32>>);

impl Differentiable for Rings {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn inputs(&self, row: usize) -> &[f32] {
        &self.0[row]
    }

    fn loss(&self, _: usize, outputs: &[f32], slopes: &mut [f32]) -> f64 {
        slopes.iter_mut().zip(outputs).for_each(|(slope, y)| *slope = y - 0.3);
        outputs.iter().map(|y| (f64::from(*y) - 0.3).powi(2) / 2.0).sum()
    }
}

fn loss(g: &Genotype, point: &[f64], data: &Rings) -> f64 {
    let of = |inputs: &Vec<f32>| {
        outputs(g, point, inputs).iter().map(|y| (y - 0.3).powi(2) / 2.0).sum::<f64>()
    };
    data.0.iter().map(of).sum::<f64>() / data.0.len() as f64
}

/// A genotype with nodes of every kind.
fn various(seed: u64) -> Genotype {
    let p = Parameters {
        add_node: 0.5,
        add_connection: 0.7,
        change_activation: 0.3,
        change_aggregation: 0.3,
        change_dynamics: 0.3,
        perturb_biases: 0.5,
        change_gain: 0.3,
        add_recurrent: 0.2,
        weight_step: 0.3,
        ..Parameters::default()
    };
    let mut g = Genotype::new(3, 2, &p, &mut stream(seed)).unwrap();
    for step in 0..25 {
        mutate(&mut g, &p, &mut stream(seed << 8 | step));
    }
    g
}

fn point(g: &Genotype) -> Vec<f32> {
    let weights = g.connections().filter(|c| c.enabled).map(|c| c.weight);
    weights.chain(g.nodes().skip(g.inputs() as usize).map(|node| node.neuron.bias)).collect()
}

fn rows(count: usize, seed: u64) -> Rings {
    let mut rng = stream(seed);
    Rings((0..count).map(|_| (0..3).map(|_| rng.normal()).collect()).collect())
}

/// A difference that changes with its step is one across a kink.
#[test]
fn a_gradient_is_that_of_finite_differences_in_64_bits() {
    let (mut compared, mut kinds) = (0, HashMap::new());
    for seed in 0..200 {
        let (g, data) = (various(seed), rows(1 + seed as usize % 37, seed));
        let start = point(&g);
        let reverse = Reverse::new(&g, true);
        assert_eq!(reverse.len(), start.len());
        let all: Vec<usize> = (0..data.rows()).collect();
        let (mean, gradient) = reverse.gradient(&start, &data, &all, &GO).unwrap();
        let exact: Vec<f64> = start.iter().map(|x| f64::from(*x)).collect();
        let expected = loss(&g, &exact, &data);
        assert!((mean - expected).abs() < 2e-4 * expected.abs().max(1.0), "{seed}: {mean}");
        for at in 0..start.len() {
            let difference = |step: f64| {
                let moved = |by: f64| {
                    let mut moved = exact.clone();
                    moved[at] += by;
                    loss(&g, &moved, &data)
                };
                (moved(step) - moved(-step)) / (2.0 * step)
            };
            let (near, far) = (difference(1e-6), difference(1e-4));
            let scale = near.abs().max(1.0);
            if (near - far).abs() > 1e-3 * scale {
                continue;
            }
            let seen = f64::from(gradient[at]);
            assert!((seen - near).abs() < 5e-3 * scale, "{seed} {at}: {seen} for {near}");
            compared += 1;
        }
        for node in g.nodes() {
            let n = node.neuron;
            *kinds.entry(format!("{:?}", n.activation)).or_insert(0) += 1;
            *kinds.entry(format!("{:?}", n.aggregation)).or_insert(0) += 1;
            *kinds.entry(format!("{:?}", n.dynamics)).or_insert(0) += 1;
        }
    }
    assert!(compared > 3000, "{compared}");
    assert!(kinds.len() == 22 + 7 + 5 && MAX_DELAY > 0, "{kinds:?}");
}

#[test]
fn a_gradient_runs_the_network_that_is_evaluated() {
    for seed in 0..50 {
        let (g, data) = (various(seed), rows(40, seed));
        let network = Network::new(&g);
        let all: Vec<usize> = (0..data.rows()).collect();
        let (mean, _) = Reverse::new(&g, true).gradient(&point(&g), &data, &all, &GO).unwrap();
        let of = |row: &usize| {
            let y = network.activate(&data.0[*row]);
            data.loss(*row, &y, &mut vec![0.0; y.len()])
        };
        let expected = all.iter().map(of).sum::<f64>() / all.len() as f64;
        assert!((mean - expected).abs() <= 1e-6 * expected.max(1.0), "{seed}: {mean} {expected}");
    }
}

// ---- tuning

/// Three classes in rings around the middle, which no line parts.
fn rings(count: usize) -> Dataset {
    let mut rng = stream(5);
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for at in 0..count {
        let (angle, class) = (std::f32::consts::TAU * rng.unit(), (at % 3) as i64);
        let radius = 0.5 + class as f32 + 0.2 * rng.normal();
        inputs.extend([radius * angle.cos(), radius * angle.sin()]);
        labels.push(Label::Integer(class));
    }
    Dataset::new(Rows::new(2, inputs).unwrap(), Targets::classes(labels).unwrap(), 0.0, 0).unwrap()
}

/// y = 2 a − 3 b + 0.5
fn line() -> Dataset {
    let mut rng = stream(6);
    let inputs: Vec<f32> = (0..400).map(|_| rng.normal()).collect();
    let targets = inputs.chunks(2).map(|x| 2.0 * x[0] - 3.0 * x[1] + 0.5).collect();
    let targets = Targets::Numbers(Rows::new(1, targets).unwrap());
    Dataset::new(Rows::new(2, inputs).unwrap(), targets, 0.0, 0).unwrap()
}

fn best(task: &dyn Task, p: Parameters, generations: usize) -> (f64, u64) {
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    for _ in 1..generations {
        population = population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
    }
    let evaluated = population.evaluate(task, &GO).unwrap();
    (evaluated.best().1, evaluated.population().evaluations())
}

fn tuned(task: &dyn Task, tuning: Tuner) -> Parameters {
    Parameters { population: 10, tuning, ..task.parameters() }
}

#[test]
fn a_line_is_found_exactly_in_one_generation() {
    let task = line();
    for (tuning, rate, least) in [(Tuner::Lbfgs, 0.0, 0.999_999), (Tuner::Adam, 0.05, 0.999)] {
        let p = Parameters { tuning_rate: rate, tuning_decay: 0.0, ..tuned(&task, tuning) };
        let (fitness, evaluations) = best(&task, p, 1);
        assert!(fitness > least, "{tuning:?}: {fitness}");
        assert!(evaluations <= 10 + 500, "{tuning:?}: {evaluations}");
    }
}

/// Two inputs, eight nodes in a layer, and three outputs, with first weights of about 1.
fn layered(p: &Parameters) -> Genotype {
    let mut rng = stream(7);
    let node = |id, layer, activation| Node { id, layer, neuron: Neuron::new(activation) };
    let (inputs, hidden): (Vec<u64>, Vec<u64>) =
        ((0..2).map(innovation::input).collect(), (1..=8).collect());
    let tops: Vec<u64> = (0..3).map(innovation::output).collect();
    let mut nodes: Vec<Node> = (inputs.iter().map(|id| node(*id, BOTTOM, Activation::Identity)))
        .chain(hidden.iter().map(|id| node(*id, BOTTOM + 1, Activation::Tanh)))
        .chain(tops.iter().map(|id| node(*id, TOP, p.output_activation)))
        .collect();
    nodes.sort_by_key(|node| (node.layer, node.id));
    let pairs = |from: &[u64], to: &[u64]| -> Vec<(u64, u64)> {
        from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).collect()
    };
    let ends = [pairs(&inputs, &hidden), pairs(&hidden, &tops)].concat();
    let mut connections: Vec<Connection> =
        ends.into_iter().map(|(from, to)| Connection::new(from, to, rng.normal())).collect();
    connections.sort_by_key(|connection| connection.id);
    Genotype::from_genes(2, 3, nodes, connections).unwrap()
}

/// What one evaluation more is worth: the same budget by CMA-ES reaches less.
#[test]
fn gradients_learn_rings_that_no_line_parts() {
    let task = rings(300);
    let fitness = |tuning: Tuner| {
        let p = Parameters {
            population: 4,
            tuning,
            tuning_budget: 200,
            tuning_patience: 200,
            tuning_rate: 0.05,
            ..task.parameters()
        };
        let founder = Arc::new(layered(&p));
        let population = Population::founded_by(p, task.shape(), 3, &[founder]).unwrap();
        population.evaluate(&task, &GO).unwrap().best().1
    };
    let by_cma_es = fitness(Tuner::CmaEs);
    for tuning in [Tuner::Adam, Tuner::Lbfgs] {
        let reached = fitness(tuning);
        assert!(reached > 0.75, "{tuning:?}: {reached}");
        assert!(reached > by_cma_es + 0.05, "{tuning:?}: {reached} for {by_cma_es} by CMA-ES");
    }
}

#[test]
fn tuning_by_gradients_gives_the_same_bytes_on_any_number_of_threads() {
    let task = rings(100);
    for tuning in [Tuner::Adam, Tuner::Lbfgs] {
        let bytes = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let p = Parameters { tuning_share: 0.5, tuning_budget: 20, ..tuned(&task, tuning) };
                let mut population = Population::new(p, task.shape(), 9).unwrap();
                for _ in 0..5 {
                    population = population.evaluate(&task, &GO).unwrap().next(&GO).unwrap();
                }
                checkpoint::encode(&population)
            })
        };
        assert!(bytes(1) == bytes(3), "{tuning:?}");
    }
}

/// Each step of L-BFGS looks at all rows: it must not wait for their end.
#[test]
fn tuning_by_gradients_can_be_cancelled_within_a_pass() {
    struct After(AtomicU64);
    impl CancelToken for After {
        fn should_continue(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) < 3
        }
    }
    let (data, g) = (rows(200_000, 1), various(1));
    let all: Vec<usize> = (0..data.rows()).collect();
    let token = After(AtomicU64::new(0));
    let answer = Reverse::new(&g, true).gradient(&point(&g), &data, &all, &token);
    assert!(answer.is_err());
    assert_eq!(token.0.load(Ordering::Relaxed), 4, "it went on after it was cancelled");
    let task = rings(300);
    for tuning in [Tuner::Adam, Tuner::Lbfgs] {
        let p = Parameters { tuning_batch: 0, tuning_share: 1.0, ..tuned(&task, tuning) };
        let population = Population::new(p, task.shape(), 3).unwrap();
        let cancelled = population.evaluate(&task, &After(AtomicU64::new(0)));
        assert!(cancelled.is_none(), "{tuning:?}: a cancelled generation counts as evaluated");
    }
}
