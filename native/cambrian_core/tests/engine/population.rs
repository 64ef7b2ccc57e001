//! What holds of every generation of a run: its species, its best, its newcomers and failures.

use crate::common::{GO, evaluated, first};
use cambrian_core::base::choice::Choice;
use cambrian_core::genome::genotype::Shape;
use cambrian_core::genome::parameters::{Inheritance, Parameters, Selection, Tuner};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::lineage::{Ancestor, WINDOW};
use cambrian_core::search::population::migration::Migration;
use cambrian_core::search::population::{Evaluated, Limits, Population, Refused};
use cambrian_core::task::{self, Dataset, Label, Outcome, Rows, Score, Settings, Targets, Task};
use cambrian_core::variation::mutation::Operators;
use cambrian_core::wire::codec::GenotypeId;
use cambrian_core::{search::population::checkpoint, wire::codec};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[test]
fn species_divide_the_population_and_its_size_stays() {
    let evaluated = evaluated(1);
    let population = evaluated.population();
    let mut members: Vec<u32> =
        population.species().iter().flat_map(|s| s.members.clone()).collect();
    members.sort_unstable();
    assert!(members.into_iter().eq(0..60));
    assert!(population.species().len() > 1);
}

#[test]
fn the_best_is_never_lost() {
    let task = task::named("xor").unwrap();
    for (seed, elitism) in [(5, 1), (6, 0), (7, 3)] {
        let parameters = Parameters { elitism, population: 40, stagnation: 3, ..task.parameters() };
        let mut population = Population::new(parameters, task.shape(), seed).unwrap();
        let mut best = f64::NEG_INFINITY;
        for _ in 0..60 {
            let evaluated = population.evaluate(task, &GO).unwrap();
            let now = evaluated.stats().best;
            assert!(now >= best, "{best} then {now}");
            assert_eq!(evaluated.population().champion().unwrap().fitness, now);
            best = now;
            population = evaluated.next(&GO).unwrap();
        }
    }
}

#[test]
fn no_genotype_is_the_contender_twice() {
    let mut evaluated = evaluated(1);
    let mut seen = Vec::new();
    for _ in 0..20 {
        for _ in 0..3 {
            let at = evaluated.contender().unwrap() as usize;
            let id = codec::id(&evaluated.population().genotypes()[at]);
            assert!(!seen.contains(&id));
            seen.push(id);
        }
        let saved = checkpoint::encode(&evaluated.next(&GO).unwrap());
        let population = checkpoint::decode(&saved).unwrap();
        evaluated = population.evaluate(task::named("xor").unwrap(), &GO).unwrap();
    }
}

#[test]
fn a_newcomer_replaces_the_worst_of_its_species_or_is_refused_with_a_reason() {
    let (mut home, away) = (evaluated(1), evaluated(2));
    let champion = Arc::clone(&away.population().champion().unwrap().genotype);
    let before = home.fitness().to_vec();
    assert_eq!(home.inject(Arc::clone(&champion), f64::NAN, vec![]), Err(Refused::NotFinite));
    assert_eq!(home.inject(Arc::clone(&champion), -1.0, vec![]), Err(Refused::NotBetter));
    assert_eq!(home.fitness(), before);
    assert_eq!(home.inject(Arc::clone(&champion), 9.0, vec![]), Ok(()));
    assert_eq!(home.inject(champion, 9.0, vec![]), Err(Refused::Known));
    assert_eq!(home.fitness().len(), before.len());
    assert_eq!(home.stats().best, 9.0);
    assert_eq!(home.fitness().iter().zip(&before).filter(|(a, b)| a != b).count(), 1);
    let other = Population::new(Parameters::default(), Shape { inputs: 3, outputs: 1 }, 1).unwrap();
    assert_eq!(home.inject(Arc::clone(&other.genotypes()[0]), 9.0, vec![]), Err(Refused::Shape));
}

#[test]
fn cancelled_work_stops() {
    let task = task::named("xor").unwrap();
    let stop = AtomicBool::new(true);
    assert!(first(task, 1).evaluate(task, &stop).is_none());
    assert!(first(task, 1).evaluate(task, &GO).unwrap().next(&stop).is_none());
}

#[test]
fn wrong_scores_are_refused() {
    let population = first(task::named("xor").unwrap(), 1);
    assert!(population.clone().with_scores(vec![1.0.into(); 149]).is_err());
    assert!(population.clone().with_scores(vec![f64::NAN.into(); 150]).is_err());
    let flat = population.with_scores(vec![Score::from(-5.0); 150]).unwrap();
    assert_eq!(flat.next(&GO).unwrap().genotypes().len(), 150);
}

#[test]
fn a_steady_state_has_few_births_and_keeps_the_best() {
    let task = task::named("xor").unwrap();
    let p = Parameters { replacement: 0.1, ..task.parameters() };
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    let mut best = f64::NEG_INFINITY;
    for generation in 0..100 {
        let waiting = population.waiting().count();
        assert_eq!(waiting, if generation == 0 { 150 } else { 15 });
        let evaluated = population.evaluate(task, &GO).unwrap();
        assert_eq!(evaluated.stats().evaluations, 150 + 15 * generation);
        assert!(evaluated.stats().best >= best, "the best is not lost");
        best = evaluated.stats().best;
        let fresh = |g: &Arc<_>| task.evaluate(&Network::new(g)).fitness;
        let genotypes = evaluated.population().genotypes();
        assert!(
            genotypes.iter().zip(evaluated.fitness()).all(|(g, f)| Some(fresh(g)) == *f),
            "fitness kept is fitness"
        );
        population = evaluated.next(&GO).unwrap();
    }
    assert!(best > 3.0, "and it searches: {best}");
    let resumed = checkpoint::decode(&checkpoint::encode(&population)).unwrap();
    assert_eq!(resumed.waiting().count(), 15, "what is known is in the checkpoint");
}

/// Checks every genotype of every generation against all earlier genotypes. (The same genotype
/// can be born twice.)
#[test]
fn every_genotype_descends_from_the_first_generation() {
    let task = task::named("xor").unwrap();
    let plain = task.parameters();
    let tuned = Parameters {
        population: 40,
        tuning: Tuner::HillClimbing,
        inheritance: Inheritance::Lamarckian,
        ..plain.clone()
    };
    let steady = Parameters { replacement: 0.1, ..plain.clone() };
    for (parameters, generations) in [(plain, 25), (tuned, 6), (steady, 100)] {
        let mut population = Population::new(parameters, task.shape(), 5).unwrap();
        let mut known: HashMap<GenotypeId, u64> = HashMap::new();
        for _ in 0..generations {
            for genotype in population.genotypes() {
                let birth = population.origin(genotype).expect("it is here");
                let line: Vec<&Ancestor> = birth.line().collect();
                assert_eq!(line.first().map(|ancestor| ancestor.id), birth.parents[0]);
                assert!(birth.parents.iter().flatten().all(|id| known[id] < birth.generation));
                assert!(
                    line.iter().all(|ancestor| known[&ancestor.id] <= ancestor.birth.generation)
                );
                assert!(line.windows(2).all(|pair| Some(pair[1].id) == pair[0].birth.parents[0]));
                let eldest = line.last().map_or(birth.generation, |eldest| eldest.birth.generation);
                assert!(eldest <= population.generation().saturating_sub(WINDOW));
                assert!(birth.generation == 0 || birth.operators != Operators::default());
            }
            let bytes = checkpoint::encode(&population);
            let again = checkpoint::decode(&bytes).unwrap();
            assert_eq!(checkpoint::encode(&again), bytes);
            let evaluated = again.evaluate(task, &GO).unwrap();
            for genotype in evaluated.population().genotypes() {
                let birth = evaluated.population().origin(genotype).expect("it is here");
                known.entry(codec::id(genotype)).or_insert(birth.generation);
            }
            let champion = evaluated.population().champion().expect("it was evaluated");
            assert!(evaluated.population().origin(&champion.genotype).is_some());
            population = evaluated.next(&GO).unwrap();
        }
    }
}

/// The outcomes of a generation, of which `fails` tells the failures.
fn with_failures(population: Population, fails: impl Fn(usize) -> bool) -> Option<Evaluated> {
    let mut tuning = population.tuning();
    let outcome =
        |at: usize| if fails(at) { Outcome::Failed } else { Score::from(-(at as f64)).into() };
    tuning.tell((0..tuning.candidates().len()).map(outcome).collect());
    population.settle(tuning)
}

#[test]
fn a_failed_genotype_is_never_champion_or_parent() {
    for (replacement, tuning) in [(1.0, Tuner::None), (0.1, Tuner::None), (1.0, Tuner::CmaEs)] {
        for selection in Selection::ALL {
            let p = Parameters {
                replacement,
                tuning,
                selection: *selection,
                survival: 1.0,
                ..Parameters::default()
            };
            let population = Population::new(p, Shape { inputs: 2, outputs: 1 }, 4).unwrap();
            let fails = |at: usize| !at.is_multiple_of(3);
            let evaluated = with_failures(population, fails).unwrap();
            let stats = evaluated.stats();
            assert_eq!((stats.evaluations, stats.failures), (150, 100));
            assert_eq!(
                (stats.best, stats.mean),
                (0.0, -73.5),
                "those that succeeded, and nothing for the rest"
            );
            let known = evaluated.population().genotypes().iter().enumerate();
            let fit: Vec<GenotypeId> = known
                .filter(|(at, _)| !fails(*at))
                .map(|(_, genotype)| codec::id(genotype))
                .collect();
            let champion = evaluated.population().champion().unwrap();
            assert_eq!(codec::id(&champion.genotype), fit[0]);
            for (draw, migration) in Migration::ALL.iter().cycle().take(40).enumerate() {
                assert!(
                    fit.contains(&codec::id(&evaluated.migrant(*migration, draw as u64).genotype))
                );
            }
            let next = evaluated.next(&GO).unwrap();
            for genotype in next.genotypes() {
                let birth = next.origin(genotype).unwrap();
                assert!(birth.parents.iter().flatten().all(|id| fit.contains(id)), "{selection:?}");
            }
            let waiting = if replacement < 1.0 { 15 } else { next.waiting().count() };
            let bytes = checkpoint::encode(&next);
            let again = checkpoint::decode(&bytes).unwrap();
            assert_eq!((again.waiting().count(), again.failures()), (waiting, 100));
            assert_eq!(checkpoint::encode(&again), bytes);
        }
    }
}

#[test]
fn a_newcomer_replaces_a_failed_genotype() {
    let population =
        Population::new(Parameters::default(), Shape { inputs: 2, outputs: 1 }, 4).unwrap();
    let other = Population::new(Parameters::default(), Shape { inputs: 2, outputs: 1 }, 5).unwrap();
    let mut evaluated = with_failures(population, |at| at != 7).unwrap();
    assert_eq!(evaluated.inject(Arc::clone(&other.genotypes()[0]), -1e300, vec![]), Ok(()));
    assert_eq!(evaluated.fitness().iter().flatten().count(), 2);
    assert_eq!(evaluated.stats().best, -7.0);
}

#[test]
fn a_generation_of_failures_has_no_successor() {
    for tuning in Tuner::ALL {
        let p = Parameters { tuning: *tuning, ..Parameters::default() };
        let population = Population::new(p, Shape { inputs: 2, outputs: 1 }, 4).unwrap();
        assert!(with_failures(population, |_| true).is_none());
    }
}

#[test]
fn a_fitness_of_any_size_works_with_every_selection() {
    for selection in Selection::ALL {
        for replacement in [1.0, 0.1] {
            for [low, high] in [
                [-f64::MAX, f64::MAX],
                [f64::MAX; 2],
                [-f64::MAX; 2],
                [5e-324, 1e-323],
                [0.0, 5e-324],
                [1e300, 1e308],
            ] {
                let p = Parameters {
                    selection: *selection,
                    replacement,
                    survival: 1.0,
                    ..Parameters::default()
                };
                let mut population =
                    Population::new(p, Shape { inputs: 2, outputs: 1 }, 4).unwrap();
                for _ in 0..5 {
                    let score = |(at, _)| Score::from(if at % 2 == 0 { low } else { high });
                    let scores = population.waiting().enumerate().map(score).collect();
                    let evaluated = population.with_scores(scores).unwrap();
                    assert!(evaluated.stats().mean.is_finite());
                    assert_eq!(evaluated.stats().best, high);
                    population = evaluated.next(&GO).unwrap();
                    assert_eq!(population.genotypes().len(), 150, "{selection:?} {low} {high}");
                }
            }
        }
    }
}

#[test]
fn genotypes_beyond_a_limit_are_not_evaluated() {
    let task = task::named("xor").unwrap();
    for tuning in [Tuner::None, Tuner::CmaEs] {
        let p = Parameters { tuning, ..task.parameters() };
        let population = || Population::new(p.clone(), task.shape(), 4).unwrap();
        for evaluations in [1, 100, 150, 333] {
            let limits = Limits { evaluations, ..Limits::NONE };
            let cut = population().evaluate_within(limits, task, &GO).unwrap();
            let made = if tuning == Tuner::None { evaluations.min(150) } else { evaluations };
            assert_eq!(
                (cut.stats().evaluations, cut.is_incomplete()),
                (made, tuning != Tuner::None || made < 150)
            );
            assert!(cut.stats().failures == 0 && cut.population().champion().is_some());
        }
        let now = Limits { time: Some(std::time::Instant::now()), ..Limits::NONE };
        assert_eq!(population().evaluate_within(now, task, &GO).unwrap().stats().evaluations, 1);
    }
}

/// Whatever the outputs of a network, its fitness is finite: checked with outputs at the limits,
/// and with values that grow from step to step.
#[test]
fn every_fitness_is_finite() {
    use cambrian_core::base::math::{Activation, Aggregation, MAX_WEIGHT};
    use cambrian_core::base::rng::{Purpose, Stream};
    use cambrian_core::genome::genotype::{Connection, Genotype};
    use cambrian_core::genome::innovation::{input, output};
    let data = |scale: f32| {
        let inputs = Rows::new(2, vec![0.0, scale, -scale, 1.0]).unwrap();
        let numbers = Targets::Numbers(Rows::new(1, vec![scale, -scale]).unwrap());
        let classes = Targets::classes([0, 1].map(Label::Integer)).unwrap();
        [numbers, classes].map(|targets| -> Arc<dyn Task> {
            Arc::new(Dataset::new(inputs.clone(), targets, 0.0, 0).unwrap())
        })
    };
    let named = task::TASKS.iter().map(|row| task::new(row.0, Settings::default()).unwrap());
    let tasks: Vec<Arc<dyn Task>> = named.chain(data(1.0)).chain(data(1e12)).collect();
    for (at, task) in tasks.iter().enumerate() {
        let Shape { inputs, outputs } = task.shape();
        for activation in Activation::ALL {
            for (aggregation, weight) in [Aggregation::Sum, Aggregation::Product]
                .into_iter()
                .flat_map(|a| [(a, MAX_WEIGHT), (a, -MAX_WEIGHT)])
            {
                let p = Parameters { output_activation: *activation, ..task.parameters() };
                let born =
                    Genotype::new(inputs, outputs, &p, &mut Stream::new(1, Purpose::Birth, 0, 0))
                        .unwrap();
                let mut nodes: Vec<_> = born.nodes().collect();
                nodes[inputs as usize..]
                    .iter_mut()
                    .for_each(|node| node.neuron.aggregation = aggregation);
                let feed =
                    (0..inputs).flat_map(|i| (0..outputs).map(move |o| (input(i), output(o))));
                let back = (0..outputs).map(|o| (output(o), output(o)));
                let mut links: Vec<_> =
                    feed.chain(back).map(|(from, to)| Connection::new(from, to, weight)).collect();
                links.sort_unstable_by_key(|link| link.id);
                let network =
                    Network::new(&Genotype::from_genes(inputs, outputs, nodes, links).unwrap());
                let (score, trial) = (task.evaluate(&network), task.trial(&network));
                assert!(score.is_sound(), "task {at}, {activation:?}, {weight}: {score:?}");
                assert!(trial.facts.iter().all(|fact| fact.1.is_finite()), "task {at}: {trial:?}");
            }
        }
    }
}
