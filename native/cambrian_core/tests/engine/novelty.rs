//! Searches that compare behaviours: they solve tasks that fitness alone does not, repeat to the
//! bit, and name what is wrong with a behaviour.

use cambrian_core::genome::parameters::{Admission, Distance, Parameters, Search};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::{Evaluated, Population, Refused, checkpoint};
use cambrian_core::task::{self, Outcome, Score, Task};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);
const SEARCHES: [Search; 3] = [Search::Novelty, Search::DominatedNovelty, Search::LocalCompetition];

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

/// A task, and settings that differ from its own. The behaviours of `maze_medium` are those of the
/// task, those of `xor` of the probes.
fn cases() -> Vec<(&'static str, Parameters)> {
    let of = |name: &str, search: Search| {
        let own = task::named(name).unwrap().parameters();
        Parameters { search, population: 40, ..own }
    };
    let above = |novelty_threshold: f32, distance: Distance, p: Parameters| Parameters {
        novelty_archive: Admission::Threshold,
        novelty_threshold,
        distance,
        ..p
    };
    let (maze, xor) = ("maze_medium", "xor");
    let (novelty, local) = (Search::Novelty, Search::LocalCompetition);
    vec![
        (maze, of(maze, novelty)),
        (maze, of(maze, Search::DominatedNovelty)),
        (maze, of(maze, local)),
        (maze, above(6.0, Distance::SquaredEuclidean, of(maze, novelty))),
        (maze, above(1.0, Distance::Hamming, of(maze, local))),
        (xor, of(xor, novelty)),
        (xor, of(xor, Search::DominatedNovelty)),
        (xor, of(xor, local)),
        (xor, above(0.05, Distance::Manhattan, of(xor, local))),
    ]
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads_and_after_any_checkpoint() {
    for (name, p) in cases() {
        let task = task::named(name).unwrap();
        let start = || Population::new(p.clone(), task.shape(), 5).unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| at_generation(task, start(), 12))
        };
        let whole = on(1);
        let what = (name, p.search, p.distance);
        assert_eq!([on(2), on(8)], [whole.clone(), whole.clone()], "{what:?}");
        let mut resumed = start();
        for generation in 1..=12 {
            resumed = checkpoint::decode(&at_generation(task, resumed, generation)).unwrap();
        }
        assert_eq!(checkpoint::encode(&resumed), whole, "{what:?}");
    }
}

#[test]
fn each_distance_and_each_way_to_keep_behaviours_makes_another_run() {
    let task = task::named("maze_medium").unwrap();
    let mut runs: Vec<Vec<Arc<_>>> = Vec::new();
    for (name, p) in cases().into_iter().filter(|(name, _)| *name == "maze_medium") {
        let start = Population::new(p.clone(), task.shape(), 5).unwrap();
        let population = checkpoint::decode(&at_generation(task, start, 6)).unwrap();
        assert!(!runs.contains(&population.genotypes().to_vec()), "{name}, {p:?}");
        runs.push(population.genotypes().to_vec());
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

/// A generation whose fitness and behaviours are given.
fn scored(population: Population, score: impl Fn(usize) -> (f64, Vec<f64>)) -> Option<Evaluated> {
    let mut tuning = population.tuning();
    let score = |at: usize| {
        let (fitness, behaviour) = score(at);
        Outcome::Scored(Score { fitness, behaviour, ..Score::default() })
    };
    let count = population.waiting().count();
    tuning.tell((0..count).map(score).collect());
    population.settle(tuning)
}

/// The same, each with as long a behaviour as `length` says.
fn told(population: Population, length: impl Fn(usize) -> usize) -> Option<Evaluated> {
    scored(population, |at| (at as f64, vec![at as f64; length(at)]))
}

/// Children that all do the same, and nothing well, are dominated by their parents.
#[test]
fn local_competition_selects_among_parents_and_children() {
    let task = task::named("xor").unwrap();
    let start = first(task, Search::LocalCompetition, 20, 1);
    let parents = start.genotypes().to_vec();
    let evaluated = scored(start, |at| (at as f64, vec![10.0 * at as f64])).unwrap();
    assert!(evaluated.front().is_empty(), "it has no front to show");
    let next = evaluated.next(&GO).unwrap();
    assert_eq!((next.genotypes().len(), next.waiting().count()), (40, 20));
    assert_eq!(next.species().len(), 1);
    let evaluated = scored(next, |_| (-1.0, vec![55.0])).unwrap();
    let champion = evaluated.population().champion().unwrap();
    assert_eq!((champion.fitness, &champion.genotype), (19.0, &parents[19]));
    let last = evaluated.next(&GO).unwrap();
    let survivors = &last.genotypes()[..20];
    assert!(parents.iter().all(|parent| survivors.contains(parent)));
}

/// Of two that are equally novel, the one that is fitter than its neighbours stands first; far
/// from them, a network that is less fit than all others competes with its own neighbours only.
#[test]
fn local_competition_is_local() {
    let task = task::named("xor").unwrap();
    let p = Parameters {
        search: Search::LocalCompetition,
        population: 20,
        neighbours: 3,
        ..task.parameters()
    };
    let start = Population::new(p, task.shape(), 1).unwrap();
    let all = start.genotypes().to_vec();
    // two rows of ten that are far apart; the second row is less fit, and the fittest of a row is
    // in the middle
    let score = |at: usize| {
        let (row, place) = (at / 10, at % 10);
        let fitness = if place == 5 { 1.0 } else { 0.0 } - 100.0 * row as f64;
        (fitness, vec![1000.0 * row as f64, place as f64])
    };
    let next = scored(start, score).unwrap().next(&GO).unwrap();
    // the best stand first
    let places = |at: usize| next.genotypes().iter().position(|one| *one == all[at]).unwrap();
    for row in 0..2 {
        for other in [1, 2, 3, 4, 6, 7, 8] {
            assert!(places(10 * row + 5) < places(10 * row + other), "{row}, {other}");
        }
    }
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
    for search in SEARCHES {
        let mut evaluated = first(task, search, 20, 1).evaluate(task, &GO).unwrap();
        let newcomer = Arc::clone(&first(task, search, 20, 9).genotypes()[0]);
        let score = |behaviour: Vec<f64>| Score { fitness: 300.0, behaviour, ..Score::default() };
        let mut inject =
            |behaviour| evaluated.inject(Arc::clone(&newcomer), score(behaviour), vec![]);
        // a maze has a behaviour of two numbers, so that of the probes does not fit
        assert_eq!(inject(vec![]), Err(Refused::Behaviour));
        assert_eq!(inject(vec![1.0, f64::NAN]), Err(Refused::NotFinite));
        assert_eq!(inject(vec![1.0, 2.0]), Ok(()));
        assert_eq!(inject(vec![1.0, 2.0]), Err(Refused::Known));
    }
}
