//! Tuning: how many evaluations it spends on which genotypes, and what it finds sooner than
//! selection alone.

use cambrian_core::base::cancel::Cancelled;
use cambrian_core::base::choice::Choice;
use cambrian_core::genome::genotype::{Genotype, Shape};
use cambrian_core::genome::parameters::{Parameters, Tuner, TuningSelection};
use cambrian_core::phenotype::network::{Network, Runner};
use cambrian_core::search::population::{Evaluated, Population};
use cambrian_core::task::{self, Outcome, Score, Task, Trial};
use cambrian_core::{search::population::checkpoint, wire::codec};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static GO: AtomicBool = AtomicBool::new(false);

const TUNERS: [Tuner; 3] = [Tuner::HillClimbing, Tuner::CmaEs, Tuner::SepCmaEs];

/// An output nearer to −1 is fitter, and no genotype solves it. Counts its evaluations.
struct Counting(AtomicUsize);

impl Task for Counting {
    fn shape(&self) -> Shape {
        Shape { inputs: 3, outputs: 1 }
    }

    fn parameters(&self) -> Parameters {
        Parameters { population: 20, ..Parameters::default() }
    }

    fn grain(&self) -> usize {
        100
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Score::from(-f64::from(network.activate(&[0.1, 0.2, 0.3])?[0] + 1.0)))
    }

    fn trial_on(&self, _: &Runner) -> Result<Trial, Cancelled> {
        Ok(Trial::new(false, Vec::new()))
    }
}

/// The first generation before and after tuning, and the number of evaluations.
fn tuned(p: Parameters) -> (Population, Evaluated, usize) {
    let task = Counting(AtomicUsize::new(0));
    let population = Population::new(p, task.shape(), 4).unwrap();
    let evaluated = population.clone().evaluate(&task, &GO).unwrap();
    (population, evaluated, task.0.into_inner())
}

fn changed(before: &Population, after: &Evaluated) -> usize {
    before.genotypes().iter().zip(after.population().genotypes()).filter(|(a, b)| a != b).count()
}

#[test]
fn every_evaluation_is_counted_and_none_exceeds_the_budget() {
    for tuning in TUNERS {
        for (share, budget, patience) in
            [(1.0, 40, 1000), (0.1, 40, 1000), (0.5, 1000, 15), (1.0, 1, 1000)]
        {
            let p = Parameters {
                tuning,
                tuning_share: share,
                tuning_budget: budget,
                tuning_patience: patience,
                ..Counting(AtomicUsize::new(0)).parameters()
            };
            let (before, after, spent) = tuned(p);
            assert_eq!(after.stats().evaluations, spent as u64);
            let searches = (20.0 * share) as usize;
            assert!(
                spent <= 20 + searches * (budget as usize - 1),
                "{tuning:?} {share} {budget}: {spent}"
            );
            assert!(changed(&before, &after) <= searches, "{tuning:?}");
            assert_eq!(budget > 1, changed(&before, &after) > 0, "{tuning:?} {share} {budget}");
        }
    }
}

#[test]
fn patience_ends_the_tuning_of_a_genotype_that_does_not_improve() {
    // all outputs are the same, so no candidate is fitter
    let p = Parameters {
        tuning: Tuner::HillClimbing,
        population: 20,
        tuning_share: 0.1,
        tuning_patience: 7,
        weight_limit: 0.001,
        initial_weight: 0.0,
        perturb_biases: 0.0,
        tuning_step: 0.0,
        ..Parameters::default()
    };
    assert_eq!(tuned(p).2, 20 + 2 * 7);
}

#[test]
fn the_fittest_are_tuned_and_become_fitter() {
    for tuning in TUNERS {
        let p = Parameters { tuning, tuning_share: 0.25, population: 20, ..Parameters::default() };
        let plain = tuned(Parameters { tuning: Tuner::None, ..p.clone() }).1;
        let (before, after, _) = tuned(p);
        let mut order: Vec<usize> = (0..20).collect();
        let fitness = |at: usize| plain.fitness()[at].expect("none fails");
        order.sort_by(|&a, &b| fitness(b).total_cmp(&fitness(a)));
        for (place, at) in order.into_iter().enumerate() {
            let same = before.genotypes()[at] == after.population().genotypes()[at];
            assert_eq!(same, place >= 5, "{tuning:?}, place {place}");
            assert_eq!(same, after.fitness()[at] == plain.fitness()[at]);
            assert!(after.fitness()[at] >= plain.fitness()[at]);
        }
    }
}

#[test]
fn only_weights_and_biases_are_tuned_and_stay_within_their_limit() {
    let bare = |g: &Genotype| {
        let nodes: Vec<_> = g.nodes().map(|n| (n.id, n.neuron.activation, n.neuron.gain)).collect();
        (nodes, g.connections().map(|c| (c.id, c.enabled)).collect::<Vec<_>>())
    };
    for perturb_biases in [0.0, 0.2] {
        for tuning in TUNERS {
            let p = Parameters {
                tuning,
                tuning_share: 1.0,
                perturb_biases,
                weight_limit: 0.9,
                tuning_step: 5.0,
                population: 20,
                ..Parameters::default()
            };
            let (before, after, _) = tuned(p);
            for (before, after) in before.genotypes().iter().zip(after.population().genotypes()) {
                assert_eq!(bare(before), bare(after));
                assert!(after.connections().all(|c| c.weight.abs() <= 0.9));
                assert!(after.nodes().all(|n| n.neuron.bias.abs() <= 0.9));
            }
            let biased = |g: &Arc<Genotype>| g.nodes().any(|n| n.neuron.bias != 0.0);
            assert_eq!(
                after.population().genotypes().iter().any(biased),
                perturb_biases > 0.0,
                "{tuning:?}"
            );
        }
    }
}

#[test]
fn a_genotype_without_weights_is_left_alone() {
    for tuning in TUNERS {
        let p = Parameters {
            tuning,
            tuning_share: 1.0,
            initial_connections: 0.0,
            perturb_biases: 0.0,
            population: 20,
            ..Parameters::default()
        };
        let (before, after, spent) = tuned(p);
        assert_eq!((changed(&before, &after), spent), (0, 20), "{tuning:?}");
    }
}

/// A caller that asks for candidates and tells their scores gets the result of
/// [`Population::evaluate`].
#[test]
fn rounds_by_hand_give_the_result_of_evaluate() {
    let task = Counting(AtomicUsize::new(0));
    for tuning in Tuner::ALL {
        let p = Parameters {
            tuning: *tuning,
            tuning_share: 0.3,
            population: 20,
            ..Parameters::default()
        };
        let mut native = Population::new(p, task.shape(), 6).unwrap();
        let mut by_hand = native.clone();
        for _ in 0..4 {
            let mut rounds = by_hand.tuning();
            loop {
                let candidates = rounds.candidates();
                if candidates.is_empty() {
                    break;
                }
                let evaluate = |g: &Arc<Genotype>| Outcome::from(task.evaluate(&Network::new(g)));
                let outcomes: Vec<Outcome> = candidates.iter().map(evaluate).collect();
                assert!(!rounds.expects(&outcomes[1..]));
                assert!(rounds.expects(&outcomes));
                rounds.tell(outcomes);
            }
            by_hand = by_hand.settle(rounds).unwrap().next(&GO).unwrap();
            native = native.evaluate(&task, &GO).unwrap().next(&GO).unwrap();
            let own =
                |p: &Population| p.genotypes().iter().map(|g| codec::encode(g)).collect::<Vec<_>>();
            assert_eq!(own(&native), own(&by_hand), "{tuning:?}");
        }
    }
}

/// The number of evaluations until a genotype passes the task's trial. Every generation is
/// written to a checkpoint and read again.
fn solve(task: &dyn Task, p: &Parameters, seed: u64, limit: u64) -> Option<u64> {
    let mut population = Population::new(p.clone(), task.shape(), seed).unwrap();
    loop {
        let mut evaluated = population.evaluate(task, &GO).unwrap();
        let evaluations = evaluated.stats().evaluations;
        let contender = evaluated.contender()?;
        if task.trial(&Network::new(evaluated.tuned(contender))).solved {
            return Some(evaluations);
        }
        if evaluations >= limit {
            return None;
        }
        population =
            checkpoint::decode(&checkpoint::encode(&evaluated.next(&GO).unwrap())).unwrap();
    }
}

fn median(task: &str, p: Parameters, seeds: u64, limit: u64) -> u64 {
    let task = task::named(task).unwrap();
    let mut needed: Vec<u64> =
        (1..=seeds).map(|seed| solve(task, &p, seed, limit).expect("solved")).collect();
    needed.sort_unstable();
    needed[needed.len() / 2]
}

#[test]
fn hill_climbing_with_every_selection_solves_xor_in_fewer_evaluations() {
    for selection in TuningSelection::ALL {
        let p = Parameters {
            tuning: Tuner::HillClimbing,
            tuning_selection: *selection,
            tuning_patience: 20,
            population: 20,
            add_node: 1.0,
            add_connection: 1.0,
            stay_disabled: 0.2,
            ..Parameters::default()
        };
        // DXNN2 needs 608, plain NEAT 2,700
        let median = median("xor", p, 40, 20_000);
        assert!(median < 608, "{selection:?} {median}");
    }
}

#[test]
fn two_poles_take_fewer_evaluations_than_a_fixed_network_with_cma_es() {
    let task = task::named("double_pole").unwrap();
    let p = Parameters { tuning: Tuner::CmaEs, population: 20, ..task.parameters() };
    // Heidrich-Meisner & Igel 2009: 895
    let median = median("double_pole", p, 15, 20_000);
    assert!(median < 895, "{median}");
}
