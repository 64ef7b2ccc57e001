//! Searches that compare behaviours: they solve tasks that fitness alone does not, repeat to the
//! bit, and name what is wrong with a behaviour.

use cambrian_core::genome::parameters::{Parameters, Search};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::{Evaluated, Population, Refused, checkpoint};
use cambrian_core::task::{self, Outcome, Score, Task};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);
const SEARCHES: [Search; 2] = [Search::Novelty, Search::DominatedNovelty];

fn first(task: &dyn Task, search: Search, population: u32, seed: u64) -> Population {
    let p = Parameters { search, population, ..task.parameters() };
    Population::new(p, task.shape(), seed).unwrap()
}

/// The number of evaluations until a robot reaches the goal, up to a limit.
fn solve(name: &str, search: Search, seed: u64, limit: u64) -> Option<u64> {
    let task = task::named(name).unwrap();
    let mut population = first(task, search, task.parameters().population, seed);
    loop {
        let mut evaluated = population.evaluate(task, &GO).unwrap();
        let evaluations = evaluated.stats().evaluations;
        let contender = evaluated.contender();
        if contender.is_some_and(|at| task.trial(&Network::new(evaluated.tuned(at))).solved) {
            return Some(evaluations);
        }
        if evaluations >= limit {
            return None;
        }
        population = evaluated.next(&GO).unwrap();
    }
}

/// `docs/novelty.md` has the numbers of evaluations of forty seeds.
#[test]
fn novelty_solves_the_hard_maze_where_fitness_does_not() {
    for seed in 1..=3 {
        assert_eq!(solve("maze_hard", Search::Neat, seed, 20_000), None);
        for search in SEARCHES {
            assert!(solve("maze_hard", search, seed, 60_000).is_some(), "{search:?}, seed {seed}");
        }
    }
}

fn at_generation(task: &dyn Task, mut population: Population, generation: u64) -> Vec<u8> {
    while population.generation() < generation {
        population = population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
    }
    checkpoint::encode(&population)
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads_and_after_any_checkpoint() {
    // the first task has its own behaviour, the second that of the probes
    for (name, search) in ["maze_medium", "xor"]
        .into_iter()
        .zip(SEARCHES)
        .chain([("xor", Search::Novelty), ("maze_medium", Search::DominatedNovelty)])
    {
        let task = task::named(name).unwrap();
        let start = || first(task, search, 40, 5);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| at_generation(task, start(), 12))
        };
        let whole = on(1);
        assert_eq!([on(2), on(8)], [whole.clone(), whole.clone()], "{name}, {search:?}");
        let mut resumed = start();
        for generation in 1..=12 {
            resumed = checkpoint::decode(&at_generation(task, resumed, generation)).unwrap();
        }
        assert_eq!(checkpoint::encode(&resumed), whole, "{name}, {search:?}");
    }
}

/// In a steady state the survivors keep their behaviours.
#[test]
fn survivors_keep_their_behaviours_in_a_checkpoint() {
    let task = task::named("maze_medium").unwrap();
    let p = Parameters {
        search: Search::Novelty,
        population: 30,
        replacement: 0.2,
        ..task.parameters()
    };
    let start = Population::new(p, task.shape(), 2).unwrap();
    let whole = at_generation(task, start.clone(), 8);
    let half = checkpoint::decode(&at_generation(task, start, 4)).unwrap();
    assert_eq!(at_generation(task, half, 8), whole);
}

/// The scores of a generation; `length` gives the length of each behaviour.
fn told(population: Population, length: impl Fn(usize) -> usize) -> Option<Evaluated> {
    let mut tuning = population.tuning();
    let score = |at: usize| Score {
        fitness: at as f64,
        behaviour: vec![at as f64; length(at)],
        ..Score::default()
    };
    let count = population.waiting().count();
    tuning.tell((0..count).map(|at| Outcome::Scored(score(at))).collect());
    population.settle(tuning)
}

#[test]
fn a_behaviour_of_another_length_is_a_failure() {
    let task = task::named("xor").unwrap();
    let odd = |at: usize| if at == 7 { 3 } else { 2 };
    let evaluated = told(first(task, Search::Novelty, 20, 1), odd).unwrap();
    let failed: Vec<usize> = (0..20).filter(|at| evaluated.fitness()[*at].is_none()).collect();
    assert_eq!((failed, evaluated.stats().failures), (vec![7], 1));
    // later generations must have the length of the first
    let next = told(evaluated.next(&GO).unwrap(), |_| 3);
    let next = next.expect("those that live on have a fitness");
    assert!(next.fitness().iter().flatten().count() < 20 && next.stats().failures > 1);
}

#[test]
fn a_newcomer_must_have_a_behaviour_of_the_same_length() {
    let task = task::named("maze_medium").unwrap();
    let mut evaluated = first(task, Search::Novelty, 20, 1).evaluate(task, &GO).unwrap();
    let newcomer = Arc::clone(&first(task, Search::Novelty, 20, 9).genotypes()[0]);
    let score = |behaviour: Vec<f64>| Score { fitness: 300.0, behaviour, ..Score::default() };
    let mut inject = |behaviour| evaluated.inject(Arc::clone(&newcomer), score(behaviour), vec![]);
    // the behaviour of a maze has two numbers, so that of the probes does not fit
    assert_eq!(inject(vec![]), Err(Refused::Behaviour));
    assert_eq!(inject(vec![1.0, f64::NAN]), Err(Refused::NotFinite));
    assert_eq!(inject(vec![1.0, 2.0]), Ok(()));
}
