//! Long work asks its token after equal amounts of work, so a network of any size can be
//! cancelled, and cancelled work has no score.

use cambrian_core::base::cancel::{CHECK_INTERVAL, CancelToken, Cancelled};
use cambrian_core::base::math::Activation;
use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::dynamics::Dynamics;
use cambrian_core::genome::genotype::{Connection, Genotype, Node, Shape};
use cambrian_core::genome::innovation::output;
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::{Parameters, Tuner};
use cambrian_core::phenotype::network::{Network, Runner};
use cambrian_core::phenotype::substrate::{Plan, Substrate, SubstrateError, grid};
use cambrian_core::search::population::{EvaluationError, GRACE, Limits, Population};
use cambrian_core::task::{self, Dataset, Label, Rows, Score, Settings, Targets, Task, Trial};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A token that cancels after so many questions.
struct Times {
    granted: u64,
    asked: AtomicU64,
}

impl CancelToken for Times {
    fn should_continue(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) < self.granted
    }
}

fn times(granted: u64) -> Times {
    Times { granted, asked: AtomicU64::new(0) }
}

/// A new genotype of this shape with so many nodes that do nothing but take time, such as a
/// champion that a stranger has made costly.
fn bloated(shape: Shape, p: &Parameters, nodes: u64) -> Genotype {
    let born =
        Genotype::new(shape.inputs, shape.outputs, p, &mut Stream::new(1, Purpose::Birth, 0, 0))
            .unwrap();
    let neuron = Neuron { dynamics: Dynamics::Ltc, ..Neuron::new(Activation::Tanh) };
    let idle = (1..=nodes).map(|id| Node { id, layer: 1 << 62, neuron });
    let links = (1..=nodes).map(|id| Connection::new(id, output(0), 0.0));
    let (mut nodes, mut connections): (Vec<Node>, Vec<Connection>) =
        (born.nodes().chain(idle).collect(), born.connections().chain(links).collect());
    nodes.sort_unstable_by_key(|node| (node.layer, node.id));
    connections.sort_unstable_by_key(|connection| connection.id);
    Genotype::from_genes(shape.inputs, shape.outputs, nodes, connections).unwrap()
}

fn tasks() -> Vec<Arc<dyn Task>> {
    let inputs = Rows::new(2, vec![0.5; 2 * 1000]).unwrap();
    let numbers = Targets::Numbers(Rows::new(1, vec![0.5; 1000]).unwrap());
    let classes = Targets::classes((0..1000).map(|row| Label::Integer(row % 2))).unwrap();
    let data = [numbers, classes].map(|targets| -> Arc<dyn Task> {
        Arc::new(Dataset::new(inputs.clone(), targets, 0.2, 0).unwrap())
    });
    let named = task::TASKS.iter().map(|(name, _)| task::new(name, Settings::default()).unwrap());
    named.chain(data).collect()
}

#[test]
fn every_evaluation_and_trial_stops_at_the_next_question() {
    for (at, task) in tasks().iter().enumerate() {
        let genotype = bloated(task.shape(), &task.parameters(), 30_000);
        assert!(genotype.cost() > CHECK_INTERVAL, "a tick alone is worth a look");
        let network = Network::new(&genotype);
        // a task on vectors has one input and ticks once
        let ticks = if task.shape().inputs == 1 { 1 } else { 3 };
        for granted in 0..ticks {
            let token = times(granted);
            assert_eq!(task.evaluate_on(&network.runner(&token)), Err(Cancelled), "task {at}");
            assert_eq!(token.asked.into_inner(), granted + 1, "task {at} went on without token");
            let token = times(granted);
            assert_eq!(task.trial_on(&network.runner(&token)), Err(Cancelled), "task {at}");
            assert_eq!(token.asked.into_inner(), granted + 1, "task {at} went on without token");
        }
    }
}

#[test]
fn a_long_run_of_a_small_network_asks_as_often_for_its_work() {
    let task = task::named("double_pole").unwrap();
    let genotype = bloated(task.shape(), &task.parameters(), 30);
    let network = Network::new(&genotype);
    let token = times(u64::MAX);
    let steps = task.evaluate_on(&network.runner(&token)).unwrap().fitness as u64;
    // apart from the network a step costs little: the task's own work
    let (most, least) = (
        steps / CHECK_INTERVAL.div_ceil(genotype.cost() + 200),
        steps * genotype.cost() / CHECK_INTERVAL,
    );
    let asked = token.asked.into_inner();
    assert!((least..=most).contains(&asked), "asked {asked} times of {least} to {most}");
    let batch = vec![0.0; 7 * 100_000];
    let token = times(u64::MAX);
    network.runner(&token).activate_batch(&batch).unwrap();
    assert!(token.asked.into_inner() >= 100);
}

#[test]
fn a_generation_stops_within_an_evaluation() {
    let task = task::named("double_pole_novel").unwrap();
    for tuning in [Tuner::None, Tuner::CmaEs] {
        let p = Parameters { population: 2, tuning, ..task.parameters() };
        let costly = Arc::new(bloated(task.shape(), &p, 30_000));
        let population = Population::with_genotypes(p, task.shape(), 1, vec![costly; 2]);
        let token = times(10);
        assert!(matches!(
            population.evaluate_within(Limits::NONE, task, &token),
            Err(EvaluationError::Cancelled)
        ));
        assert!(token.asked.into_inner() < 20);
    }
}

/// This task never ends for a network with hidden nodes.
struct Endless;

impl Task for Endless {
    fn shape(&self) -> Shape {
        Shape { inputs: 1, outputs: 1 }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    fn grain(&self) -> usize {
        1
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        while network.network().connections() > 1 {
            network.activate(&[0.0])?;
        }
        Ok(Score::from(1.0))
    }

    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        self.evaluate_on(network).map(|_| Trial::new(false, Vec::new()))
    }
}

#[test]
fn evaluations_under_way_at_the_time_limit_are_dropped_and_are_no_failures() {
    let p = Parameters { population: 3, ..Endless.parameters() };
    let small = Arc::new(bloated(Endless.shape(), &p, 0));
    let endless = Arc::new(bloated(Endless.shape(), &p, 10));
    let limits = Limits { time: Some(Instant::now() + Duration::from_secs(2)), ..Limits::NONE };
    let genotypes = vec![Arc::clone(&small), small, endless];
    let population = Population::with_genotypes(p, Endless.shape(), 1, genotypes);
    let evaluated = population.evaluate_within(limits, &Endless, &times(u64::MAX)).unwrap();
    assert!(evaluated.is_incomplete());
    assert_eq!(evaluated.fitness(), [Some(1.0), Some(1.0), None]);
    assert_eq!((evaluated.stats().evaluations, evaluated.stats().failures), (2, 0));
}

#[test]
fn the_first_evaluation_of_a_run_has_a_limit_of_its_own() {
    let task = task::named("double_pole_novel").unwrap();
    let p = Parameters { population: 3, ..task.parameters() };
    let costly = Arc::new(bloated(task.shape(), &p, 30_000));
    let population = Population::with_genotypes(p, task.shape(), 1, vec![costly; 3]);
    let limits = Limits { time: Some(Instant::now() - GRACE), ..Limits::NONE };
    let halt = population.evaluate_within(limits, task, &times(u64::MAX)).unwrap_err();
    assert_eq!(halt, EvaluationError::NoFitness { failures: 1, is_incomplete: true });
}

#[test]
fn a_cancelled_substrate_stops_querying_a_large_cppn() {
    let points = grid(&[30, 30]).unwrap();
    let plan = Plan::new(points.clone(), points);
    let substrate = Substrate::new(plan).unwrap();
    let cppn = bloated(substrate.cppn_shape(), &Parameters::default(), 30_000);
    let token = times(3);
    assert_eq!(
        substrate.express_until_cancelled(&cppn, &token).unwrap_err(),
        SubstrateError::Cancelled
    );
    assert_eq!(token.asked.into_inner(), 4);
}
