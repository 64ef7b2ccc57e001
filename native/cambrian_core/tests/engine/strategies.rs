//! Evolution strategies: networks of one topology, the same bits on any number of threads and after
//! any pause, and newcomers that the strategy does not learn of.

use cambrian_core::base::choice::Choice;
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::parameters::{Layers, ParameterError, Parameters, Search, Strategy};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::purge::Banned;
use cambrian_core::search::population::{Evaluated, Population, Refused, checkpoint};
use cambrian_core::task::{self, Outcome, Task};
use cambrian_core::wire::codec;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

fn parameters(task: &dyn Task, strategy: Strategy) -> Parameters {
    Parameters {
        search: Search::EvolutionStrategy,
        strategy,
        population: 24,
        hidden: Layers(vec![3]),
        strategy_budget: 200,
        ..task.parameters()
    }
}

fn first(task: &dyn Task, p: Parameters, seed: u64) -> Population {
    Population::new(p, task.shape(), seed).unwrap()
}

fn next(task: &dyn Task, population: Population) -> Population {
    population.evaluate(task, &GO).unwrap().next(&GO).unwrap()
}

/// At least nineteen of twenty seeds, by a network of 2-4-1 nodes.
#[test]
fn each_strategy_solves_xor() {
    let task = task::named("xor").unwrap();
    for &strategy in Strategy::ALL {
        let hidden = Layers(vec![4]);
        let p = Parameters { hidden, strategy_budget: 20_000, ..parameters(task, strategy) };
        let solves = |seed: &u64| {
            let mut population = first(task, p.clone(), *seed);
            (0..800).any(|_| {
                let mut evaluated = population.clone().evaluate(task, &GO).unwrap();
                let at = evaluated.contender();
                population = evaluated.next(&GO).unwrap();
                at.is_some_and(|at| task.trial(&Network::new(evaluated.tuned(at))).solved)
            })
        };
        let solved = (1..=20).filter(solves).count();
        assert!(solved >= 19, "{strategy:?}: {solved}");
    }
}

#[test]
fn networks_keep_the_layers_of_the_first_one() {
    let task = task::named("double_pole").unwrap();
    for &strategy in Strategy::ALL {
        let p = Parameters { hidden: Layers(vec![4, 2]), ..parameters(task, strategy) };
        let mut population = first(task, p, 5);
        for _ in 0..5 {
            for genotype in population.genotypes() {
                assert_eq!(genotype.hidden(), 6);
                let inputs = task.shape().inputs as usize;
                assert_eq!(genotype.connections().len(), inputs * 4 + 4 * 2 + 2);
                assert_eq!(genotype.recurrent(), 0);
            }
            population = next(task, population);
        }
        let births: Vec<_> = population.genotypes().iter().map(|one| codec::id(one)).collect();
        let mut distinct = births.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), births.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// A pause is a checkpoint that is read again, in any generation.
    #[test]
    fn neither_threads_nor_pauses_change_a_bit(
        seed in any::<u64>(),
        strategy in 0..Strategy::ALL.len(),
        pauses in any::<u16>(),
        threads in 1usize..9,
    ) {
        let task = task::named("xor").unwrap();
        let p = parameters(task, Strategy::ALL[strategy]);
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let together = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut whole = alone.install(|| first(task, p.clone(), seed));
        let mut paused = together.install(|| first(task, p, seed));
        for generation in 0..16 {
            prop_assert!(checkpoint::encode(&whole) == checkpoint::encode(&paused));
            if pauses >> generation & 1 == 1 {
                paused = checkpoint::decode(&checkpoint::encode(&paused)).unwrap();
            }
            whole = alone.install(|| next(task, whole));
            paused = together.install(|| next(task, paused));
        }
    }
}

fn evaluated(task: &dyn Task, strategy: Strategy, generations: usize) -> Evaluated {
    let begun = first(task, parameters(task, strategy), 8);
    let population = (0..generations).fold(begun, |population, _| next(task, population));
    population.evaluate(task, &GO).unwrap()
}

fn ids(population: &Population) -> Vec<[u8; 32]> {
    population.genotypes().iter().map(|one| codec::id(one)).collect()
}

#[test]
fn a_newcomer_can_be_champion_and_the_strategy_goes_on_without_it() {
    let task = task::named("xor").unwrap();
    let stranger = first(task, task.parameters(), 99).genotypes()[0].clone();
    for &strategy in Strategy::ALL {
        let before = evaluated(task, strategy, 3);
        let best = before.population().champion().unwrap().fitness;
        let mut with = before.clone();
        assert_eq!(with.inject(stranger.clone(), best, vec![]), Err(Refused::NotBetter));
        with.inject(stranger.clone(), best + 0.01, vec![[7; 32]]).unwrap();
        assert_eq!(with.population().champion().unwrap().genotype, stranger);
        let (plain, next) = (before.next(&GO).unwrap(), with.next(&GO).unwrap());
        assert_eq!(ids(&plain), ids(&next));
        assert_eq!(next.champion().unwrap().genotype, stranger);
        let restored = checkpoint::decode(&checkpoint::encode(&next)).unwrap();
        assert_eq!(restored.champion().unwrap().genotype, stranger);
        // a ban takes the crown from it, and nothing else
        let banned = Banned { keys: [[7; 32]].into(), genotypes: [].into() };
        let purged = next.purge(&banned);
        assert!(purged.lost_champion && !purged.is_restarted);
        assert_eq!(ids(&purged.population), ids(&plain));
    }
}

#[test]
fn a_ban_of_an_evaluated_generation_is_no_second_lesson() {
    let task = task::named("xor").unwrap();
    for &strategy in Strategy::ALL {
        let evaluated = evaluated(task, strategy, 4);
        let again = evaluated.unevaluated();
        let saved = checkpoint::decode(&checkpoint::encode(&again)).unwrap();
        let settled = saved.evaluate(task, &GO).unwrap();
        assert_eq!(ids(&settled.next(&GO).unwrap()), ids(&evaluated.next(&GO).unwrap()));
        // all are banned: it begins anew
        let genotypes = ids(evaluated.population()).into_iter().collect();
        let purged = again.purge(&Banned { keys: [].into(), genotypes });
        assert!(purged.is_restarted);
        let mut population = purged.population;
        for _ in 0..3 {
            population = checkpoint::decode(&checkpoint::encode(&population)).unwrap();
            population = next(task, population);
        }
    }
}

#[test]
fn it_begins_around_a_founder() {
    let task = task::named("xor").unwrap();
    let founder = first(task, task.parameters(), 3).genotypes()[1].clone();
    for &strategy in Strategy::ALL {
        let p = parameters(task, strategy);
        let founders = [Arc::clone(&founder)];
        let population = Population::founded_by(p, task.shape(), 5, &founders).unwrap();
        let mean = |at: usize| {
            let weights = population.genotypes().iter().map(|one| weight(one, at));
            weights.sum::<f64>() / population.genotypes().len() as f64
        };
        assert!((mean(0) - weight(&founder, 0)).abs() < 0.4, "{strategy:?}");
        assert!(population.genotypes().iter().all(|one| one.hidden() == 0));
    }
}

fn weight(genotype: &Genotype, at: usize) -> f64 {
    f64::from(genotype.connections().nth(at).unwrap().weight)
}

#[test]
fn a_generation_in_which_some_fail_goes_on() {
    let task = task::named("xor").unwrap();
    for &strategy in Strategy::ALL {
        let mut population = first(task, parameters(task, strategy), 2);
        for generation in 0..6 {
            let mut tuning = population.tuning();
            let outcome = |at: usize| match at % 3 {
                0 => Outcome::Failed,
                _ => Outcome::Scored((at as f64).into()),
            };
            let count = tuning.candidates().len();
            tuning.tell((0..count).map(outcome).collect());
            let evaluated = population.settle(tuning).unwrap();
            assert_eq!(evaluated.stats().generation, generation);
            population = evaluated.next(&GO).unwrap();
        }
        assert!(population.failures() > 0);
    }
}

#[test]
fn what_cannot_be_searched_is_refused_by_name() {
    let task = task::named("xor").unwrap();
    let refused = |change: fn(&mut Parameters)| {
        let mut p = parameters(task, Strategy::CmaEs);
        change(&mut p);
        match Population::new(p, task.shape(), 1) {
            Err(ParameterError::Invalid { name, expected }) => (name, expected),
            other => panic!("{other:?}"),
        }
    };
    let (name, expected) = refused(|p| p.hidden = Layers(vec![200]));
    assert_eq!(name, "strategy");
    assert!(expected.contains("sep_cma_es") && expected.contains("801"), "{expected}");
    assert_eq!(refused(|p| p.hidden = Layers(vec![10_000, 10_000])).0, "hidden");
    assert_eq!(refused(|p| (p.perturb_biases, p.initial_connections) = (0.0, 0.0)).0, "search");
    let (name, _) = refused(|p| {
        (p.strategy, p.population) = (Strategy::ParticleSwarm, 1_000_000);
        p.hidden = Layers(vec![1000, 900]);
    });
    assert_eq!(name, "population");
}
