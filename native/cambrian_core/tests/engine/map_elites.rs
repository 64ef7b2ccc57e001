//! MAP-Elites: its archive fills, repeats to the bit, and loses banned genes.

use cambrian_core::genome::genotype::{Genotype, Shape};
use cambrian_core::genome::parameters::{
    Bounds, Emitter, EmitterChoice, Parameters, Partition, Projection, Search,
};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::archive::Archive;
use cambrian_core::search::population::purge::Banned;
use cambrian_core::search::population::{Evaluated, Population, Refused, checkpoint};
use cambrian_core::task::{self, Outcome, Score, Task};
use cambrian_core::wire::codec;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

fn parameters(task: &dyn Task) -> Parameters {
    Parameters { search: Search::MapElites, population: 40, cells: 400, ..task.parameters() }
}

fn first(task: &dyn Task, p: Parameters, seed: u64) -> Population {
    Population::new(p, task.shape(), seed).unwrap()
}

fn archive(population: &Population) -> Archive {
    population.elites().unwrap().archive("maze_hard", population.shape())
}

fn after(task: &dyn Task, mut population: Population, generation: u64) -> Population {
    while population.generation() < generation {
        population = population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
    }
    population
}

/// Scores with two numbers of behaviour from the network's outputs, and the given fitness.
fn told(population: Population, fitness: impl Fn(usize) -> f64) -> Evaluated {
    let mut tuning = population.tuning();
    let score = |at: usize| Score {
        fitness: fitness(at),
        behaviour: vec![at as f64, 0.0],
        ..Score::default()
    };
    let count = population.waiting().count();
    tuning.tell((0..count).map(|at| Outcome::Scored(score(at))).collect());
    population.settle(tuning).unwrap()
}

#[test]
fn the_archive_fills_and_each_elite_has_its_measured_values() {
    let task = task::named("maze_medium").unwrap();
    let (mut filled, mut population) = (0, first(task, parameters(task), 1));
    for generation in [10, 40] {
        population = after(task, population, generation);
        let archive = archive(&population);
        assert!(archive.summary(0.0).filled > filled);
        filled = archive.summary(0.0).filled;
        for (cell, elite) in archive.elites() {
            let score = task.evaluate(&Network::new(&elite.genotype));
            assert_eq!((score.fitness, &score.behaviour), (elite.fitness, &elite.behaviour));
            assert_eq!(archive.space().cell(&score.behaviour), *cell);
        }
        assert_eq!(population.champion().unwrap().fitness, archive.best().unwrap().1.fitness);
    }
}

/// A grid and centroids, all emitters, with crossover and without, with a bandit and without.
fn variants(task: &dyn Task) -> Vec<Parameters> {
    let p = parameters(task);
    vec![
        p.clone(),
        Parameters { partition: Partition::Cvt, crossover: 0.0, ..p.clone() },
        mixed(p.clone()),
        Parameters { emitter_choice: EmitterChoice::Bandit, ..mixed(p) },
    ]
}

fn mixed(p: Parameters) -> Parameters {
    Parameters {
        emitters: vec![Emitter::Neat, Emitter::IsoLine, Emitter::CmaMe, Emitter::CmaMae],
        emitter_batch: 5,
        iso_step: 0.1,
        ..p
    }
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads_and_after_any_checkpoint() {
    let task = task::named("maze_medium").unwrap();
    for p in variants(task) {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| checkpoint::encode(&after(task, first(task, p.clone(), 5), 40)))
        };
        let whole = on(1);
        assert_eq!([on(2), on(8)], [whole.clone(), whole.clone()]);
        let mut resumed = first(task, p.clone(), 5);
        for generation in 1..=40 {
            let bytes = checkpoint::encode(&after(task, resumed, generation));
            resumed = checkpoint::decode(&bytes).unwrap();
        }
        assert_eq!(checkpoint::encode(&resumed), whole);
    }
}

/// On a sphere, where small random steps seldom find the best vectors of a behaviour.
#[test]
fn emitters_that_learn_find_more_than_random_steps() {
    let task = task::named("linear_projection").unwrap();
    let score = |emitter| {
        let p = Parameters {
            search: Search::MapElites,
            population: 180,
            emitters: vec![emitter],
            ..task.parameters()
        };
        let population = after(task, first(task, p, 1), 600);
        population.elites().unwrap().archive("task", population.shape()).summary(0.0).qd_score
    };
    let (line, mae) = (score(Emitter::IsoLine), score(Emitter::CmaMae));
    assert!(mae > 1.1 * line, "{mae} {line}");
}

/// One that makes copies of elites improves nothing.
#[test]
fn an_emitter_without_success_loses_its_share() {
    let task = task::named("maze_medium").unwrap();
    let p = Parameters {
        emitters: vec![Emitter::IsoLine, Emitter::Neat],
        emitter_choice: EmitterChoice::Bandit,
        emitter_batch: 10,
        iso_step: 0.0,
        line_step: 0.0,
        ..parameters(task)
    };
    let population = after(task, first(task, p, 1), 41);
    let [copies, neat] = population.elites().unwrap().tallies() else { panic!("two emitters") };
    // the first generation is of no emitter, and the second is shared
    assert_eq!(copies.offspring + neat.offspring, 40 * 40);
    assert_eq!(copies.improved, 0);
    assert!(neat.improved > 40 && copies.offspring <= 60, "{copies:?} {neat:?}");
}

/// What a bandit chose, recomputed from what it knew: the emitter with the highest bound makes all
/// of a generation that is a single batch.
#[test]
fn a_bandit_chooses_by_ucb1() {
    let task = task::named("maze_medium").unwrap();
    let emitters = vec![Emitter::Neat, Emitter::IsoLine, Emitter::CmaMe];
    let count = emitters.len();
    let p = Parameters {
        emitters,
        emitter_choice: EmitterChoice::Bandit,
        emitter_batch: 40,
        iso_step: 0.1,
        ..parameters(task)
    };
    let mut population = after(task, first(task, p, 1), 1);
    for _ in 0..30 {
        let before = population.elites().unwrap().tallies().to_vec();
        let all: u64 = before.iter().map(|one| one.offspring).sum();
        let bound = |at: &usize| {
            let made = before[*at].offspring as f64;
            let rate = before[*at].improved as f64 / made;
            if made == 0.0 { f64::MAX } else { rate + 0.05 * ((all as f64).ln() / made).sqrt() }
        };
        let best = (0..count).rev().max_by(|a, b| bound(a).total_cmp(&bound(b))).unwrap();
        let evaluated = population.evaluate(task, &GO).unwrap();
        for (at, now) in evaluated.population().elites().unwrap().tallies().iter().enumerate() {
            let made = now.offspring - before[at].offspring;
            assert_eq!(made, if at == best { 40 } else { 0 }, "{before:?}");
        }
        population = evaluated.next(&GO).unwrap();
    }
}

#[test]
fn a_checkpoint_with_a_damaged_tally_is_refused() {
    let task = task::named("maze_medium").unwrap();
    let p = Parameters { emitter_choice: EmitterChoice::Bandit, ..parameters(task) };
    let bytes = checkpoint::encode(&after(task, first(task, p, 1), 3));
    let name = b"tallies";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let mut damaged = bytes.clone();
    // two generations of 40
    let offspring = at + bytes[at..].iter().position(|byte| *byte == 80).unwrap();
    damaged[offspring] = 0;
    assert!(checkpoint::decode(&bytes).is_ok());
    assert!(checkpoint::decode(&damaged).is_err());
}

#[test]
fn banned_genes_leave_the_archive() {
    let task = task::named("maze_medium").unwrap();
    let mut evaluated = first(task, parameters(task), 1).evaluate(task, &GO).unwrap();
    let newcomer = Arc::clone(&first(task, parameters(task), 99).genotypes()[7]);
    let score = Score { fitness: 299.0, behaviour: vec![6.0, 6.0], ..Score::default() };
    assert_eq!(evaluated.inject(Arc::clone(&newcomer), score, vec![[7; 32]]), Ok(()));
    let carriers = |population: &Population| {
        let all = population.genotypes().iter().filter(|one| !population.sources(one).is_empty());
        all.count()
    };
    let mut population = after(task, evaluated.next(&GO).unwrap(), 2);
    while carriers(&population) == 0 {
        population = after(task, population.clone(), population.generation() + 1);
    }
    let banned = Banned { keys: [[7; 32]].into_iter().collect(), ..Banned::default() };
    let purged = population.purge(&banned);
    assert!(purged.lost_champion && purged.leaving > carriers(&population));
    let (before, left) = (archive(&population), archive(&purged.population));
    let is_there = |archive: &Archive| {
        archive.elites().values().any(|elite| *elite.id() == codec::id(&newcomer))
    };
    assert_eq!((is_there(&before), is_there(&left)), (true, false));
    assert!(left.elites().len() < before.elites().len());
    let champion = purged.population.champion().unwrap();
    assert_eq!(champion.fitness, left.best().unwrap().1.fitness);
    // and the remaining archive evolves without it
    let after = after(task, purged.population, 20);
    assert!(after.newcomers().is_empty() && archive(&after).elites().len() >= left.elites().len());
}

#[test]
fn a_newcomer_must_be_better_than_the_elite_of_its_cell() {
    let task = task::named("maze_medium").unwrap();
    let mut evaluated = told(first(task, parameters(task), 1), |_| 5.0);
    let newcomers = first(task, parameters(task), 99);
    let mut inject = |at: usize, fitness, behaviour| {
        let score = Score { fitness, behaviour, ..Score::default() };
        evaluated.inject(Arc::clone(&newcomers.genotypes()[at]), score, vec![])
    };
    assert_eq!(inject(0, 4.9, vec![39.0, 0.0]), Err(Refused::NotBetter));
    assert_eq!(inject(1, 6.0, vec![39.0, 0.0]), Ok(()));
    assert_eq!(inject(2, 4.0, vec![39.0, 0.0]), Err(Refused::NotBetter));
    // an empty cell takes any newcomer
    assert_eq!(inject(2, -9.0, vec![290.0, 130.0]), Ok(()));
    assert_eq!(inject(3, 6.0, vec![39.0]), Err(Refused::Behaviour));
}

#[test]
fn a_behaviour_of_another_length_than_the_bounds_is_a_failure() {
    let task = task::named("maze_medium").unwrap();
    let p = Parameters { bounds: Bounds(vec![(0.0, 1.0); 3]), ..parameters(task) };
    assert!(first(task, p, 1).evaluate(task, &GO).is_none());
}

/// For a task without a behaviour.
#[test]
fn without_bounds_the_archive_uses_the_projected_probes() {
    let task = task::named("xor").unwrap();
    let population = after(task, first(task, parameters(task), 1), 30);
    let archive = archive(&population);
    assert_eq!((archive.space().dimensions(), archive.space().cells()), (2, 400));
    assert!(archive.elites().len() > 40, "{}", archive.elites().len());
    let bytes = checkpoint::encode(&population);
    assert_eq!(checkpoint::encode(&checkpoint::decode(&bytes).unwrap()), bytes);
}

/// Also for a task that has a behaviour but no bounds.
#[test]
fn without_bounds_the_behaviour_of_the_task_is_not_used() {
    let task = task::named("maze_medium").unwrap();
    let p = Parameters { bounds: Bounds::default(), ..parameters(task) };
    let population = after(task, first(task, p, 1), 3);
    let archive = archive(&population);
    // 16 probes of two outputs, projected to two dimensions
    assert_eq!(archive.space().bounds().0, [(-4.0, 4.0); 2]);
    for elite in archive.elites().values() {
        let own = task.evaluate(&Network::new(&elite.genotype)).behaviour;
        assert_ne!(elite.behaviour, own);
    }
}

/// A ban repeats an evaluated generation, from which the emitters have already learnt.
#[test]
fn emitters_learn_from_a_generation_once() {
    let task = task::named("maze_medium").unwrap();
    let p = Parameters { emitters: vec![Emitter::CmaMae], emitter_batch: 10, ..parameters(task) };
    let evaluated = after(task, first(task, p, 1), 3).evaluate(task, &GO).unwrap();
    let whole = checkpoint::encode(&evaluated.next(&GO).unwrap());
    let nobody = evaluated.unevaluated().purge(&Banned::default()).population;
    let again = nobody.evaluate(task, &GO).unwrap();
    assert_eq!(checkpoint::encode(&again.next(&GO).unwrap()), whole);
}

#[test]
fn a_wrong_archive_is_refused() {
    let task = task::named("xor").unwrap();
    let refused = |p: Parameters| Population::new(p, task.shape(), 1).unwrap_err().to_string();
    let wide = Bounds(vec![(0.0, 1.0); 17]);
    assert_eq!(
        refused(Parameters { bounds: wide, ..parameters(task) }),
        "bounds: expected at most 16 pairs"
    );
    let bounds = Bounds(vec![(0.0, 1.0); 16]);
    assert!(
        refused(Parameters { bounds, ..parameters(task) })
            .starts_with("cells: expected at least 65536")
    );
}

/// A behaviour of 200 numbers, of which two say all: how the first two outputs of the network on
/// one input swing.
fn with_waves(population: Population) -> Evaluated {
    with_waves_of(population, 1.0)
}

/// The same, with each number multiplied by `height`.
fn with_waves_of(population: Population, height: f64) -> Evaluated {
    let mut tuning = population.tuning();
    let score = |genotype: &Arc<Genotype>| {
        let outputs = Network::new(genotype).activate(&[0.3; 10]);
        let [a, b] = [f64::from(outputs[0]), f64::from(outputs[1])];
        let wave = |at: u32| a * libm::sin(f64::from(at) / 7.0) + 0.5 * b * f64::from(at % 3);
        let behaviour = (0..200).map(|at| height * wave(at)).collect();
        Outcome::Scored(Score { fitness: a - b, behaviour, ..Score::default() })
    };
    tuning.tell(tuning.candidates().iter().map(score).collect());
    population.settle(tuning).unwrap()
}

fn waves(projection: Projection, until: u64) -> Population {
    let task = task::named("maze_hard").unwrap();
    let bounds = Bounds(vec![(-4.0, 4.0); 2]);
    let p = Parameters { projection, bounds, ..parameters(task) };
    let mut population = first(task, p, 5);
    while population.generation() < until {
        population = with_waves(population).next(&GO).unwrap();
    }
    population
}

#[test]
fn behaviours_of_many_numbers_fill_an_archive_by_their_projections() {
    for projection in [Projection::Random, Projection::Principal] {
        let population = waves(projection, 30);
        let archive = archive(&population);
        assert_eq!(archive.length(), Some(200));
        assert_eq!(archive.space().dimensions(), 2);
        assert!(archive.summary(0.0).filled > 20, "{projection:?} {:?}", archive.summary(0.0));
        for (cell, elite) in archive.elites() {
            assert_eq!(
                (elite.behaviour.len(), archive.space().cell(&elite.behaviour)),
                (200, *cell)
            );
        }
    }
}

/// Two directions hold all that differs, so the first two components lose nothing.
#[test]
fn principal_components_keep_the_distances_of_behaviours_that_differ_in_two_ways() {
    let archive = archive(&waves(Projection::Principal, 17));
    let elites: Vec<_> = archive.elites().values().collect();
    let distance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
    for pair in elites.windows(2) {
        let [a, b] = [&pair[0].behaviour[..], &pair[1].behaviour];
        let (space, whole) = (archive.space(), distance(a, b));
        let kept = distance(&space.position(a), &space.position(b));
        assert!((kept - whole).abs() < 1e-6 * (1.0 + whole), "{kept} of {whole}");
    }
}

#[test]
fn components_are_found_anew_in_the_generations_that_are_powers_of_two() {
    let space = |until| {
        Arc::clone(
            with_waves(waves(Projection::Principal, until)).population().elites().unwrap().space(),
        )
    };
    let spaces: Vec<_> = (0..9).map(space).collect();
    let changes: Vec<usize> = (1..9).filter(|&at| spaces[at] != spaces[at - 1]).collect();
    assert_eq!(changes, [1, 2, 4, 8]);
}

#[test]
fn a_run_with_components_resumes_to_the_bit() {
    for generation in [0, 1, 5] {
        let saved = checkpoint::encode(&waves(Projection::Principal, generation));
        let mut resumed = checkpoint::decode(&saved).unwrap();
        while resumed.generation() < 9 {
            resumed = with_waves(resumed).next(&GO).unwrap();
        }
        let whole = waves(Projection::Principal, 9);
        assert_eq!(checkpoint::encode(&resumed), checkpoint::encode(&whole));
        assert_eq!(archive(&resumed).id(), archive(&whole).id());
    }
}

#[test]
fn behaviours_that_change_in_length_are_failures_with_a_projection_too() {
    for projection in [Projection::Random, Projection::Principal] {
        let next = waves(projection, 3);
        let mut tuning = next.tuning();
        let score = Score { fitness: 1.0, behaviour: vec![0.0; 3], ..Score::default() };
        tuning.tell(vec![Outcome::Scored(score); next.waiting().count()]);
        assert!(next.settle(tuning).is_none(), "no network has a fitness");
    }
}

/// All first vectors are 0, so their behaviours have no direction in which they differ.
#[test]
fn an_archive_of_components_fills_where_the_first_behaviours_are_alike() {
    let task = task::named("linear_projection").unwrap();
    let p = Parameters { projection: Projection::Principal, ..parameters(task) };
    let archive = archive(&after(task, first(task, p, 1), 20));
    assert!(archive.summary(0.0).filled > 50, "{:?}", archive.summary(0.0));
}

/// The fifth generation is the first whose behaviours differ; 8 is the next power of two.
#[test]
fn an_archive_of_components_fills_as_soon_as_behaviours_differ() {
    let task = task::named("maze_hard").unwrap();
    let p = Parameters { projection: Projection::Principal, ..parameters(task) };
    let mut population = first(task, p, 5);
    let mut filled = Vec::new();
    for generation in 0..7 {
        let height = f64::from(u8::from(generation >= 5));
        let evaluated = with_waves_of(population, height);
        filled.push(archive(evaluated.population()).summary(0.0).filled);
        population = evaluated.next(&GO).unwrap();
    }
    assert_eq!(filled[..5], [1; 5]);
    assert!(filled[5] > 1 && filled[6] > filled[5], "{filled:?}");
}

#[test]
fn a_projection_without_a_box_is_refused() {
    let task = task::named("xor").unwrap();
    let p = Parameters { projection: Projection::Random, ..parameters(task) };
    let refused = Population::new(p, task.shape(), 1).unwrap_err().to_string();
    assert_eq!(refused, "bounds: expected a pair for each dimension of the projection");
}

/// A ban may leave the elite around which a distribution started, and none in the archive.
#[test]
fn a_checkpoint_without_elites_but_with_a_distribution_is_read() {
    let task = task::named("maze_hard").unwrap();
    for projection in [Projection::Random, Projection::Principal] {
        let bounds = Bounds(vec![(-4.0, 4.0); 2]);
        let emitters = vec![Emitter::CmaMae];
        let p = Parameters { projection, bounds, emitters, ..parameters(task) };
        let mut population = first(task, p, 5);
        for _ in 0..6 {
            population = with_waves(population).next(&GO).unwrap();
        }
        let elites = archive(&population);
        let genotypes = elites.elites().values().map(|elite| *elite.id()).collect();
        let banned = Banned { genotypes, ..Banned::default() };
        let purged = population.purge(&banned).population;
        let saved = checkpoint::encode(&purged);
        assert!(checkpoint::decode(&saved).is_ok(), "{projection:?}");
    }
}

/// Networks of many outputs have more numbers on probes than a task may return.
#[test]
fn a_run_with_many_outputs_and_components_resumes() {
    let shape = Shape { inputs: 1, outputs: 1001 };
    let search = Search::MapElites;
    let p = Parameters {
        search,
        projection: Projection::Principal,
        population: 4,
        ..Parameters::default()
    };
    let population = Population::new(p, shape, 1).unwrap();
    let scores = (0..4).map(|at| Score { fitness: f64::from(at), ..Score::default() }).collect();
    let next = population.with_scores(scores).unwrap().next(&GO).unwrap();
    assert!(checkpoint::decode(&checkpoint::encode(&next)).is_ok());
}
