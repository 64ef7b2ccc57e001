//! What a checkpoint must be, to be read.

use super::*;
use crate::genome::parameters::{Admission, Emitter, Tuner};
use crate::task;
use serde_bytes::ByteArray;
use std::sync::atomic::AtomicBool;

/// Of a population that has everything that one can have.
fn saved() -> Saved {
    let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
    let p = Parameters {
        population: 40,
        tuning: Tuner::HillClimbing,
        inheritance: crate::genome::parameters::Inheritance::Baldwinian,
        ..task.parameters()
    };
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    for _ in 0..12 {
        population = population.evaluate(task, &go).unwrap().next(&go).unwrap();
    }
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    assert!(saved.tuned.iter().flatten().count() > 0 && saved.scores.iter().flatten().count() > 0);
    assert!(saved.ages.iter().any(|ages| !ages.is_empty()) && saved.species.len() > 1);
    assert!(
        !saved.births.ancestors.is_empty() && saved.champion.is_some() && !saved.tried.is_empty()
    );
    saved
}

type Corruption = (&'static str, fn(&mut Saved));

/// What is saved is read, and with each of these corruptions it is not.
fn assert_refused(saved: impl Fn() -> Saved, corruptions: &[Corruption]) {
    assert!(saved().population().is_some());
    for (what, spoil) in corruptions {
        let mut spoilt = saved();
        spoil(&mut spoilt);
        assert!(spoilt.population().is_none(), "{what}");
    }
}

#[test]
fn every_field_is_checked() {
    let corruptions: [Corruption; 40] = [
        ("a parameter", |s| s.parameters.survival = f32::NAN),
        ("fewer genotypes than the parameters say", |s| s.parameters.population = 41),
        ("inputs", |s| s.inputs = 3),
        ("outputs", |s| s.outputs = 0),
        ("a substrate for it", |s| s.substrate = Some(Plan::new(vec![vec![0.0]], vec![vec![1.0]]))),
        ("generation", |s| s.generation = u64::MAX),
        ("a generation before its births", |s| s.generation = 0),
        ("evaluations", |s| s.evaluations = u64::MAX),
        ("no genotypes", |s| s.genotypes.clear()),
        ("a genotype", |s| s.genotypes[7] = ByteBuf::from(vec![1, 2, 3])),
        ("bytes after a genotype", |s| s.genotypes[7].push(0)),
        ("a genotype too many", |s| s.genotypes.push(s.genotypes[0].clone())),
        ("a fitness", |s| s.scores[0] = Some((f64::NAN, vec![]))),
        ("a case", |s| s.scores[0] = Some((1.0, vec![f64::INFINITY]))),
        ("scores", |s| s.scores.truncate(39)),
        ("one tuned", |s| s.tuned[0] = Some(ByteBuf::new())),
        ("another tuned", |s| {
            let other = (1..40).find(|at| s.genotypes[*at].len() != s.genotypes[0].len()).unwrap();
            s.tuned[0] = Some(s.genotypes[other].clone());
        }),
        ("tuned", |s| s.tuned.truncate(39)),
        ("ages", |s| s.ages.truncate(39)),
        ("one's ages", |s| s.ages[0] = vec![1; 17]),
        ("no species", |s| s.species.clear()),
        ("a species twice", |s| s.species[1].id = s.species[0].id),
        ("a species to come", |s| s.species[0].id = s.next_species),
        ("next species", |s| s.next_species = u64::MAX),
        ("a representative", |s| s.species[0].representative.clear()),
        ("an empty species", |s| {
            let all = std::mem::take(&mut s.species[0].members);
            s.species[1].members.extend(all);
        }),
        ("a member twice", |s| {
            let member = s.species[1].members[0];
            s.species[0].members.push(member);
        }),
        ("a member who is not there", |s| s.species[0].members[0] = 40),
        ("a species' best", |s| s.species[0].best = f64::NAN),
        ("a species' endless best", |s| s.species[0].best = f64::INFINITY),
        ("an improvement to come", |s| s.species[0].improved = s.generation + 1),
        ("threshold", |s| s.threshold = f32::NAN),
        ("a threshold below all", |s| s.threshold = -1.0),
        ("champion", |s| s.champion.as_mut().unwrap().0.truncate(9)),
        ("champion's fitness", |s| s.champion.as_mut().unwrap().1 = f64::NAN),
        ("champion's generation", |s| s.champion.as_mut().unwrap().2 = s.generation + 1),
        ("one tried", |s| s.tried[0].clear()),
        ("operators", |s| s.births.operators.resize(65, "crossover".into())),
        ("a birth too few", |s| s.births.living.truncate(39)),
        ("an ancestor who is not there", |s| s.births.living[0].3[0] = Some(u32::MAX)),
    ];
    assert_refused(saved, &corruptions);
}

/// Of a steady state, in which some have a behaviour and others wait for one.
fn saved_of_novelty() -> Saved {
    let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
    let p = Parameters {
        population: 20,
        search: Search::Novelty,
        replacement: 0.5,
        archive_size: 8,
        archive_share: 0.2,
        ..task.parameters()
    };
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    for _ in 0..4 {
        population = population.evaluate(task, &go).unwrap().next(&go).unwrap();
    }
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    assert!(saved.archive.len() == 8 && saved.scores[0].is_some() && saved.scores[19].is_none());
    saved
}

#[test]
fn every_field_of_novelty_is_checked() {
    let corruptions: [Corruption; 9] = [
        ("a number of the archive", |s| s.archive[0][0] = f64::NAN),
        ("a longer behaviour in the archive", |s| s.archive[3].push(0.0)),
        ("behaviours of no numbers", |s| s.archive.iter_mut().for_each(Vec::clear)),
        ("an archive that is too large", |s| s.archive.push(s.archive[0].clone())),
        ("a number of a behaviour", |s| s.behaviours[0][0] = f64::INFINITY),
        ("a shorter behaviour", |s| s.behaviours[0].truncate(3)),
        ("a score without a behaviour", |s| s.behaviours[0].clear()),
        ("a behaviour without a score", |s| s.behaviours[19] = s.behaviours[0].clone()),
        ("behaviours", |s| s.behaviours.truncate(19)),
    ];
    assert_refused(saved_of_novelty, &corruptions);
    let mut neat = saved_of_novelty();
    neat.parameters.search = Search::Neat;
    assert!(neat.population().is_none(), "an archive in another search");
}

/// With local competition, and a threshold that decides what is kept.
fn saved_of_local_competition() -> Saved {
    let (task, go) = (task::named("maze_medium").unwrap(), AtomicBool::new(false));
    let p = Parameters {
        population: 20,
        search: Search::LocalCompetition,
        novelty_archive: Admission::Threshold,
        ..task.parameters()
    };
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    for _ in 0..3 {
        population = population.evaluate(task, &go).unwrap().next(&go).unwrap();
    }
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    assert!(saved.archive_merit.len() > 1 && saved.genotypes.len() == 40);
    saved
}

#[test]
fn every_field_of_local_competition_is_checked() {
    let corruptions: [Corruption; 6] = [
        ("a merit", |s| s.archive_merit[0] = f64::NAN),
        ("a merit too few", |s| s.archive_merit.truncate(1)),
        ("no merits", |s| s.archive_merit.clear()),
        ("no threshold", |s| s.novelty_threshold = None),
        ("a threshold that decides nothing", |s| {
            s.parameters.novelty_archive = Admission::Sample;
        }),
        ("another search", |s| s.parameters.search = Search::Novelty),
    ];
    assert_refused(saved_of_local_competition, &corruptions);
    let is_read = |novelty: f64, since: u64| {
        let mut saved = saved_of_local_competition();
        let bytes = rmp_serde::to_vec(&(novelty, since)).unwrap();
        saved.novelty_threshold = Some(rmp_serde::from_slice(&bytes).unwrap());
        saved.population().is_some()
    };
    assert!(is_read(6.0, 60), "of three generations of 20");
    for (novelty, since) in [(0.0, 0), (-1.0, 0), (f64::NAN, 0), (f64::INFINITY, 0), (6.0, 61)] {
        assert!(!is_read(novelty, since), "{novelty}, {since}");
    }
}

fn saved_of_elites() -> Saved {
    let (task, go) = (task::named("maze_medium").unwrap(), AtomicBool::new(false));
    let p =
        Parameters { population: 12, cells: 100, search: Search::MapElites, ..task.parameters() };
    let mut evaluated =
        Population::new(p.clone(), task.shape(), 3).unwrap().evaluate(task, &go).unwrap();
    let newcomer = Arc::clone(&Population::new(p, task.shape(), 4).unwrap().genotypes[0]);
    let score = Score { fitness: 1.0, behaviour: vec![6.0, 6.0], ..Score::default() };
    evaluated.inject(newcomer, score, vec![[1; 32]]).unwrap();
    let population = evaluated.next(&go).unwrap();
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    assert!(saved.elites.len() > 1 && saved.newcomers.elites.len() == 1);
    saved
}

#[test]
fn every_field_of_elites_is_checked() {
    let corruptions: [Corruption; 10] = [
        ("a fitness", |s| s.elites[0].1 = f64::NAN),
        ("a number of a behaviour", |s| s.elites[0].2[0] = f64::INFINITY),
        ("a longer behaviour", |s| s.elites[0].2.push(0.0)),
        ("a genotype", |s| s.elites[0].0.truncate(9)),
        ("two in a cell", |s| s.elites[1].2 = s.elites[0].2.clone()),
        ("an elite without a birth", |s| s.births.elites.truncate(1)),
        ("a birth that is to come", |s| s.births.elites[0].0 = 99),
        ("genes of one who is not there", |s| s.newcomers.elites[0].0 = 99),
        ("bounds", |s| s.parameters.bounds.0.clear()),
        ("another search", |s| {
            s.parameters.search = Search::Neat;
        }),
    ];
    assert_refused(saved_of_elites, &corruptions);
}

/// In a Pareto search, after some generations.
fn saved_of_objectives() -> Saved {
    let (task, go) = (task::named("zdt1").unwrap(), AtomicBool::new(false));
    let p = Parameters { population: 10, search: Search::Pareto, ..task.parameters() };
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    for _ in 0..2 {
        population = population.evaluate(task, &go).unwrap().next(&go).unwrap();
    }
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    assert!(saved.scores[0].is_some() && saved.scores[19].is_none() && saved.work[0] > 0);
    saved
}

#[test]
fn every_field_of_objectives_is_checked() {
    let corruptions: [Corruption; 9] = [
        ("a number", |s| s.objectives[0][0] = f64::NAN),
        ("an objective too many", |s| s.objectives[0].push(0.0)),
        ("a score without objectives", |s| s.objectives[0].clear()),
        ("objectives without a score", |s| s.objectives[19] = s.objectives[0].clone()),
        ("objectives", |s| s.objectives.truncate(19)),
        ("work", |s| s.work.truncate(19)),
        ("work without a score", |s| s.work[19] = 1),
        ("two species", |s| {
            let last = s.species[0].members.pop().unwrap();
            let first = &s.species[0];
            let second = SavedSpecies {
                id: 1,
                representative: first.representative.clone(),
                members: vec![last],
                ..*first
            };
            s.species.push(second);
            s.next_species = 2;
        }),
        ("another search", |s| s.parameters.search = Search::Neat),
    ];
    assert_refused(saved_of_objectives, &corruptions);
}

/// Of emitters that learn.
fn saved_of_emitters() -> Saved {
    let (task, go) = (task::named("maze_medium").unwrap(), AtomicBool::new(false));
    let p = Parameters {
        population: 12,
        cells: 100,
        search: Search::MapElites,
        emitters: vec![Emitter::CmaMae],
        emitter_batch: 6,
        ..task.parameters()
    };
    let mut population = Population::new(p, task.shape(), 3).unwrap();
    for _ in 0..3 {
        population = population.evaluate(task, &go).unwrap().next(&go).unwrap();
    }
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    let started = saved.learnt.strategies.iter().flatten().count();
    assert!(started == 2 && !saved.learnt.thresholds.is_empty());
    saved
}

#[test]
fn the_state_of_emitters_is_checked() {
    let corruptions: [Corruption; 6] = [
        ("a strategy too few", |s| s.learnt.strategies.truncate(1)),
        ("a strategy too many", |s| s.learnt.strategies.push(None)),
        ("a strategy without the elite it began at", |s| s.elites.truncate(s.elites.len() - 1)),
        ("a cell that is not there", |s| s.learnt.thresholds[0].0 = 100),
        ("a threshold", |s| s.learnt.thresholds[0].1 = f64::NAN),
        ("another search", |s| s.parameters.search = Search::Neat),
    ];
    assert_refused(saved_of_emitters, &corruptions);
}

/// Of three newcomers, each in a species of its own, one is banned and another the champion.
fn with_newcomers() -> Saved {
    let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
    let p = Parameters {
        population: 12,
        species_threshold: 0.05,
        target_species: 0,
        ..task.parameters()
    };
    let mut evaluated = Population::new(p, task.shape(), 3).unwrap().evaluate(task, &go).unwrap();
    for seed in 11..14 {
        let mut rng = crate::base::rng::Stream::new(seed, crate::base::rng::Purpose::Birth, 0, 0);
        let newcomer = Genotype::new(2, 1, &task.parameters(), &mut rng).unwrap();
        evaluated.inject(Arc::new(newcomer), 9.0 + seed as f64, vec![[seed as u8; 32]]).unwrap();
    }
    let banned = crate::search::population::purge::Banned {
        keys: [[12; 32]].into_iter().collect(),
        ..Default::default()
    };
    let population = evaluated.unevaluated().purge(&banned).population;
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
    let Newcomers { sources, sets, living, champion, .. } = &saved.newcomers;
    assert_eq!([sources.len(), sets.len(), living.len(), saved.leaving.len()], [2, 2, 2, 1]);
    assert!(champion.is_some());
    saved
}

#[test]
fn the_records_of_newcomers_are_checked() {
    let corruptions: [Corruption; 15] = [
        ("one leaving who has a fitness", |s| s.leaving = vec![(s.leaving[0] + 1) % 12]),
        ("one leaving who is not there", |s| s.leaving.push(12)),
        ("one leaving twice", |s| s.leaving.push(s.leaving[0])),
        ("a mark that nobody has come with", |s| s.newcomers.sets[0][0] = 99),
        ("no marks", |s| s.newcomers.sets[0].clear()),
        ("marks out of order", |s| s.newcomers.sets[0] = vec![2, 0]),
        ("more marks than are known", |s| s.newcomers.sets[0] = vec![0; 17]),
        ("newcomers out of order", |s| s.newcomers.sources.swap(0, 1)),
        ("a newcomer's mark", |s| s.newcomers.sources[1].0 = u64::MAX),
        ("a newcomer's keys", |s| s.newcomers.sources[0].2 = vec![ByteArray::new([0; 32]); 9]),
        ("genes of one who is not there", |s| s.newcomers.living[0].0 = 12),
        ("marks that are not there", |s| s.newcomers.living[0].1.0[0].1 = u32::MAX),
        ("a gene that is not there", |s| s.newcomers.living[0].1.0[0].0 ^= 1),
        ("genes out of order", |s| s.newcomers.living[0].1.0.reverse()),
        ("the genes of no champion", |s| s.champion = None),
    ];
    assert_refused(with_newcomers, &corruptions);
}

/// Whatever bytes change, what is read can go on.
#[test]
fn a_checkpoint_that_is_read_has_a_next_generation() {
    let go = AtomicBool::new(false);
    let mut read = 0;
    for saved in [saved(), with_newcomers(), saved_of_elites()] {
        let bytes = rmp_serde::encode::to_vec_named(&(VERSION, saved)).unwrap();
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0xc0, 0xff, bytes[at] ^ 1] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(population) = decode(&changed) {
                    // most are as they were in all but a weight
                    if read % 16 == 0 {
                        let behaviour = match &population.elites {
                            Some(elites) => elites.space().centre(0),
                            None => Vec::new(),
                        };
                        let score = Score { behaviour, ..Score::from(1.0) };
                        let scores = vec![score; population.waiting().count()];
                        population.with_scores(scores).unwrap().next(&go).unwrap();
                    }
                    read += 1;
                }
            }
        }
    }
    assert!(read > 1000, "{read}");
}
