//! Whole runs: they solve their tasks and repeat to the bit.

use crate::common::{GO, evaluated, first};
use cambrian_core::base::choice::Choice;
use cambrian_core::genome::genotype::{Genotype, Shape};
use cambrian_core::genome::parameters::{Inheritance, Parameters, Selection, Tuner, Value};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::lineage::{Ancestor, Birth};
use cambrian_core::search::population::{Population, Refused};
use cambrian_core::task::{self, Dataset, Label, Rows, Settings, Targets, Task};
use cambrian_core::variation::mutation::Operators;
use cambrian_core::{search::population::checkpoint, wire::codec};
use std::sync::Arc;

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The population at a generation as bytes; equal populations have equal bytes.
fn at_generation(task: &dyn Task, mut population: Population, generation: u64) -> Vec<u8> {
    while population.generation() < generation {
        population = population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
    }
    checkpoint::encode(&population)
}

/// The number of evaluations until the best genotype of a generation passes the task's trial.
fn solve(task: &dyn Task, seed: u64, limit: u64) -> Option<u64> {
    solve_with(task, task.parameters(), seed, limit)
}

fn solve_with(task: &dyn Task, parameters: Parameters, seed: u64, limit: u64) -> Option<u64> {
    let mut population = Population::new(parameters, task.shape(), seed).unwrap();
    loop {
        let mut evaluated = population.evaluate(task, &GO).unwrap();
        let contender = evaluated.contender().expect("a new genotype in every generation") as usize;
        let best = &evaluated.population().genotypes()[contender];
        let evaluations = evaluated.stats().evaluations;
        if task.trial(&Network::new(best)).solved {
            return Some(evaluations);
        }
        if evaluations >= limit {
            return None;
        }
        population = evaluated.next(&GO).unwrap();
    }
}

/// The rows of `xor` under "What is measured" in the README, which `bench/search.rs` measures.
#[test]
fn xor_takes_as_many_evaluations_as_the_readme_says() {
    let needed = |seed| evaluations_of_xor(task::named("xor").unwrap(), seed);
    let (half, solved): (Vec<u64>, Vec<u64>) = (1..=100).map(needed).unzip();
    assert_eq!((median(half.clone()), mean(&half)), (1_809, 1_916));
    assert_eq!((median(solved.clone()), mean(&solved)), (2_729, 2_733));
}

/// The numbers of evaluations until a genotype has all four outputs on the right side of a half,
/// and until a genotype solves the task.
fn evaluations_of_xor(task: &dyn Task, seed: u64) -> (u64, u64) {
    let is_right = |genotype: &Arc<Genotype>| {
        let network = Network::new(genotype);
        let is_on = |inputs: [f32; 2]| network.activate(&inputs)[0] > 0.5;
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]].iter().all(|&i| is_on(i) == (i[0] != i[1]))
    };
    let mut population = first(task, seed);
    let mut half = None;
    loop {
        let mut evaluated = population.evaluate(task, &GO).unwrap();
        let evaluations = evaluated.stats().evaluations;
        assert!(evaluations < 20_000, "seed {seed}");
        if half.is_none() && evaluated.population().genotypes().iter().any(is_right) {
            half = Some(evaluations);
        }
        let contender = evaluated.contender().expect("a new genotype in every generation");
        if task.trial(&Network::new(evaluated.tuned(contender))).solved {
            return (half.expect("what is solved is on the right side"), evaluations);
        }
        population = evaluated.next(&GO).unwrap();
    }
}

/// The median; for an even count, the mean of the middle two, rounded half up.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let middle = values.len() / 2;
    (values[middle - 1] + values[middle]).div_ceil(2)
}

fn mean(values: &[u64]) -> u64 {
    let count = values.len() as u64;
    (2 * values.iter().sum::<u64>() + count) / (2 * count)
}

#[test]
fn two_poles_are_balanced_with_and_without_velocities() {
    let seen = task::named("double_pole").unwrap();
    assert!((1..=4).all(|seed| solve(seen, seed, 60_000).is_some()));
    let unseen = task::named("double_pole_novel").unwrap();
    let solved = (1..=6).filter(|&seed| solve(unseen, seed, 100_000).is_some()).count();
    assert_eq!(solved, 6);
}

fn with(name: &str, settings: &[(&str, i64)]) -> Arc<dyn Task> {
    let value = |(name, value): &(&str, i64)| (name.to_string(), Value::Integer(*value));
    task::new(name, Settings::from(settings.iter().map(value).collect::<Vec<_>>())).unwrap()
}

#[test]
fn every_task_is_solved_within_a_bound() {
    // at least one and a half times what the slowest of the first twenty seeds needed
    let bounds = [
        (with("parity", &[]), 40_000),
        (with("single_pole", &[]), 10_000),
        (with("single_pole_novel", &[]), 60_000),
        (with("mountain_car", &[]), 10_000),
        (with("acrobot", &[]), 5_000),
        (with("t_maze", &[]), 40_000),
        (with("sequence_recall", &[]), 20_000),
        (with("sequence_recall", &[("length", 2), ("delay", 0)]), 200_000),
    ];
    for (at, (task, limit)) in bounds.iter().enumerate() {
        assert!((1..=3).all(|seed| solve(&**task, seed, *limit).is_some()), "number {at}");
    }
}

/// Two rings, which no line separates.
#[test]
fn classes_are_learnt_and_found_in_held_back_rows() {
    let point = |at: usize| {
        let (sin, cos) = libm::sincosf(at as f32 * 2.4);
        let radius = if at.is_multiple_of(2) { 0.5 } else { 1.0 };
        [radius * cos, radius * sin]
    };
    let inputs = Rows::new(2, (0..120).flat_map(point).collect()).unwrap();
    let targets = Targets::classes((0..120).map(|at| Label::Integer(at % 2))).unwrap();
    let task = Dataset::new(inputs, targets, 0.25, 1).unwrap();
    for seed in 1..=3 {
        let population = Population::new(task.parameters(), task.shape(), seed).unwrap();
        let last = checkpoint::decode(&at_generation(&task, population, 150)).unwrap();
        let trial = task.trial(&Network::new(&last.champion().unwrap().genotype));
        let accuracy = trial.facts.iter().find(|fact| fact.0 == "validation_accuracy").unwrap().1;
        assert!(accuracy > 0.9 && trial.validation > Some(0.7), "{trial:?}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let task = task::named("double_pole_novel").unwrap();
    let one = on_threads(1, || at_generation(task, first(task, 9), 6));
    for threads in [2, 3, 8] {
        assert_eq!(one, on_threads(threads, || at_generation(task, first(task, 9), 6)));
    }
    assert_ne!(one, at_generation(task, first(task, 10), 6));
}

#[test]
fn a_run_resumed_from_its_checkpoint_ends_with_the_same_bytes() {
    let task = task::named("xor").unwrap();
    let whole = at_generation(task, first(task, 3), 30);
    for stop in [0, 1, 13, 29] {
        let half = checkpoint::decode(&at_generation(task, first(task, 3), stop)).unwrap();
        assert_eq!(whole, at_generation(task, half, 30), "stopped at {stop}");
    }
}

/// A first generation from two genotypes of another run.
fn founded(seed: u64) -> (Vec<Arc<Genotype>>, Population) {
    let task = task::named("xor").unwrap();
    let founders = evaluated(9).population().genotypes()[..2].to_vec();
    let population =
        Population::founded_by(task.parameters(), task.shape(), seed, &founders).unwrap();
    (founders, population)
}

#[test]
fn a_first_generation_descends_from_its_founders() {
    let (founders, population) = founded(1);
    let genotypes = population.genotypes();
    assert_eq!(genotypes.len(), population.parameters().population as usize);
    assert_eq!(genotypes[..2], founders[..]);
    let elsewhere =
        |birth: &Birth| birth.operators == Operators::INJECTION && birth.parents == [None; 2];
    for (at, genotype) in genotypes.iter().enumerate() {
        let (birth, founder) = (population.origin(genotype).unwrap(), &founders[at % 2]);
        if founders.contains(genotype) {
            assert!(elsewhere(&birth));
        } else {
            assert_eq!(birth.parents, [Some(codec::id(founder)), None]);
            assert_ne!(birth.operators, Operators::default());
            let line: Vec<&Ancestor> = birth.line().collect();
            assert!(
                line.len() == 1 && line[0].id == codec::id(founder) && elsewhere(&line[0].birth)
            );
        }
    }
    let new = genotypes.iter().filter(|genotype| !founders.contains(genotype)).count();
    assert!(new > genotypes.len() / 2, "{new} of {}", genotypes.len());
    assert!(genotypes.iter().all(|genotype| codec::decode(&codec::encode(genotype)).is_ok()));
}

#[test]
fn wrong_founders_are_refused() {
    let task = task::named("xor").unwrap();
    let (founders, _) = founded(1);
    let from = |shape: Shape, founders: &[Arc<Genotype>]| {
        Population::founded_by(task.parameters(), shape, 1, founders).map(|_| ()).unwrap_err()
    };
    assert_eq!(from(task.shape(), &[]), Refused::Shape);
    assert_eq!(from(Shape { inputs: 3, outputs: 1 }, &founders), Refused::Shape);
    assert_eq!(from(Shape { inputs: 2, outputs: 2 }, &founders), Refused::Shape);
    let few = Parameters { population: 2, ..task.parameters() };
    let many = vec![Arc::clone(&founders[0]); 5];
    assert_eq!(Population::founded_by(few, task.shape(), 1, &many).unwrap().genotypes().len(), 2);
}

#[test]
fn a_founded_run_repeats_and_resumes() {
    let task = task::named("xor").unwrap();
    let run = |population: Population| at_generation(task, population, 12);
    let whole = run(founded(1).1);
    assert_eq!(whole, on_threads(1, || run(founded(1).1)));
    assert_ne!(whole, run(founded(2).1));
    let bytes = checkpoint::encode(&founded(1).1);
    assert_eq!(whole, run(checkpoint::decode(&bytes).unwrap()));
}

#[test]
fn a_damaged_checkpoint_is_refused_or_sound() {
    let task = task::named("xor").unwrap();
    let bytes = at_generation(task, first(task, 3), 3);
    for cut in [0, 1, 100, bytes.len() - 1] {
        assert!(checkpoint::decode(&bytes[..cut]).is_err());
    }
    // the size of the next generation, which sets how much is allocated
    let at =
        bytes.windows(11).position(|w| w == b"\xaapopulation").expect("parameters by name") + 11;
    assert_eq!(bytes[at..at + 2], [0xcc, 150]);
    let huge = [&bytes[..at], &[0xce, 0xff, 0xff, 0xff, 0xff], &bytes[at + 2..]].concat();
    assert!(checkpoint::decode(&huge).is_err());
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x55;
        if let Ok(population) = checkpoint::decode(&changed) {
            population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
        }
    }
}

/// Recorded on x86-64 with glibc 2.36; every other machine must give the same.
#[test]
fn a_seed_gives_the_same_champion_on_every_machine() {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let champion = |name: &str, generation| {
        let task = task::named(name).unwrap();
        let population =
            checkpoint::decode(&at_generation(task, first(task, 42), generation)).unwrap();
        hex(codec::id(&population.champion().unwrap().genotype))
    };
    assert_eq!([champion("xor", 25), champion("double_pole_novel", 12)], GOLDEN);
}

const GOLDEN: [&str; 2] = [
    "90fecb9502c597069882de1ba3e879f5931adb75c21f891a88f501dafd02af46",
    "93196136d4fecacd8c94ce86d57d2e19b10c5be180e981fb89c10ddddea03aff",
];

#[test]
fn every_selection_solves_xor_and_repeats() {
    let task = task::named("xor").unwrap();
    for selection in Selection::ALL {
        let p = Parameters { selection: *selection, survival: 0.5, ..task.parameters() };
        let run = |threads| {
            on_threads(threads, || {
                at_generation(task, Population::new(p.clone(), task.shape(), 5).unwrap(), 8)
            })
        };
        assert_eq!(run(1), run(7), "{selection:?}");
        assert!(solve_with(task, p.clone(), 5, 100_000).is_some(), "{selection:?}");
    }
}

#[test]
fn parsimony_keeps_genotypes_small() {
    let task = task::named("xor").unwrap();
    let connections = |parsimony| {
        let p = Parameters { parsimony, add_connection: 0.5, add_node: 0.3, ..task.parameters() };
        let bytes = at_generation(task, Population::new(p, task.shape(), 2).unwrap(), 40);
        let evaluated = checkpoint::decode(&bytes).unwrap().evaluate(task, &GO).unwrap();
        evaluated.stats().mean_connections
    };
    let (free, dear) = (connections(0.0), connections(0.05));
    assert!(dear < 0.7 * free, "{dear} against {free}");
}

#[test]
fn a_tuned_champion_has_its_reported_fitness_and_runs_repeat() {
    let task = task::named("double_pole").unwrap();
    for (tuning, inheritance) in [
        (Tuner::CmaEs, Inheritance::Lamarckian),
        (Tuner::CmaEs, Inheritance::Baldwinian),
        (Tuner::SepCmaEs, Inheritance::Baldwinian),
        (Tuner::HillClimbing, Inheritance::Lamarckian),
        (Tuner::HillClimbing, Inheritance::Baldwinian),
    ] {
        let p = Parameters {
            tuning,
            inheritance,
            population: 12,
            tuning_budget: 60,
            ..task.parameters()
        };
        let first = || Population::new(p.clone(), task.shape(), 8).unwrap();
        let whole = at_generation(task, first(), 4);
        for threads in [1, 2, 7] {
            assert_eq!(
                whole,
                on_threads(threads, || at_generation(task, first(), 4)),
                "{tuning:?}"
            );
        }
        let half = checkpoint::decode(&at_generation(task, first(), 2)).unwrap();
        assert_eq!(whole, at_generation(task, half, 4), "{tuning:?} {inheritance:?} resumed");
        let evaluated = checkpoint::decode(&whole).unwrap().evaluate(task, &GO).unwrap();
        let champion = evaluated.population().champion().unwrap();
        let copy = codec::decode(&codec::encode(&champion.genotype)).unwrap();
        assert_eq!(
            task.evaluate(&Network::new(&copy)).fitness,
            champion.fitness,
            "{tuning:?} {inheritance:?}"
        );
        for (at, fitness) in (0..).zip(evaluated.fitness()) {
            assert_eq!(Some(task.evaluate(&Network::new(evaluated.tuned(at))).fitness), *fitness);
        }
        let spent = evaluated.stats().evaluations;
        assert!(spent > 12 * 5, "{tuning:?} spent {spent}");
        let own = |at: u32| Arc::clone(&evaluated.population().genotypes()[at as usize]);
        let inherited = (0..12).all(|at| own(at) == *evaluated.tuned(at));
        assert_eq!(inherited, inheritance == Inheritance::Lamarckian, "{tuning:?} {inheritance:?}");
    }
}
