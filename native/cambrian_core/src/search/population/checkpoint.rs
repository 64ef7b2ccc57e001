//! A population as bytes, from which a run resumes to the bit.

mod births;
mod newcomers;

use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::{Parameters, Search};
use crate::phenotype::encoding::Encoding;
use crate::phenotype::substrate::{Plan, Substrate};
use crate::search::archive::Elite;
use crate::search::map_elites::{self, Elites, Learnt, Member};
use crate::search::novelty::{self, Archive};
use crate::search::population::{Champion, Population};
use crate::search::speciation::{self, Species};
use crate::task::{Outcome, Score};
use crate::variation::tuning::{Ages, Tally};
use crate::wire::codec;
use births::{Births, Lines};
use newcomers::Newcomers;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::sync::Arc;

const VERSION: u64 = 1;

/// The bytes are not those of a checkpoint, or of one that a newer release wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    Malformed,
    UnsupportedVersion(u64),
}

/// Written with its field names, so that a parameter can be added without a new version.
#[derive(Serialize, Deserialize)]
struct Saved {
    parameters: Parameters,
    inputs: u32,
    outputs: u32,
    /// if the encoding has one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    substrate: Option<Plan>,
    seed: u64,
    generation: u64,
    evaluations: u64,
    /// How many of them failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u64,
    genotypes: Vec<ByteBuf>,
    /// Fitness and cases of those that are known.
    #[serde(default)]
    scores: Vec<Option<(f64, Vec<f64>)>>,
    /// Their behaviours, if the search compares these; empty where there is no score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    behaviours: Vec<Vec<f64>>,
    /// Their objectives and the work of their evaluations, in a Pareto search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    objectives: Vec<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    work: Vec<u64>,
    /// Which of those without a score have failed, and wait for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<u32>,
    #[serde(default)]
    tuned: Vec<Option<ByteBuf>>,
    #[serde(default)]
    ages: Vec<Ages>,
    species: Vec<SavedSpecies>,
    next_species: u64,
    threshold: f32,
    /// Of novelty search, the oldest behaviour first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    archive: Vec<Vec<f64>>,
    /// Genotype, fitness and behaviour of each elite of MAP-Elites, by their cells, and of those
    /// around which distributions started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elites: Vec<(ByteBuf, f64, Vec<f64>)>,
    #[serde(default, skip_serializing_if = "Learnt::is_empty")]
    learnt: Learnt,
    champion: Option<(ByteBuf, f64, u64)>,
    tried: Vec<ByteBuf>,
    #[serde(default)]
    births: Births,
    #[serde(default, skip_serializing_if = "Newcomers::is_empty")]
    newcomers: Newcomers,
    /// Places of those that are banned, and not in the next generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leaving: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct SavedSpecies {
    id: u64,
    representative: ByteBuf,
    members: Vec<u32>,
    best: f64,
    improved: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub fn encode(population: &Population) -> Vec<u8> {
    let genes = |genotype| ByteBuf::from(codec::encode(genotype));
    let species = population.species.iter().map(|s| SavedSpecies {
        id: s.id,
        representative: genes(&s.representative),
        members: s.members.clone(),
        best: s.best,
        improved: s.improved,
    });
    let champion = population.champion.as_ref();
    let Shape { inputs, outputs } = population.shape();
    let substrate = match &population.encoding {
        Encoding::Direct(_) => None,
        Encoding::Substrate(substrate) => Some(substrate.plan().clone()),
    };
    let saved = Saved {
        parameters: Parameters::clone(&population.parameters),
        inputs,
        outputs,
        substrate,
        seed: population.seed,
        generation: population.generation,
        evaluations: population.tally.evaluations,
        failures: population.tally.failures,
        genotypes: population.genotypes.iter().map(|g| genes(g)).collect(),
        scores: population.outcomes.iter().map(saved_score).collect(),
        behaviours: saved_behaviours(population),
        objectives: saved(population, |score| score.objectives.clone()),
        work: saved(population, |score| score.work),
        failed: (0..)
            .zip(&population.outcomes)
            .filter(|(_, o)| is_failed(o))
            .map(|(at, _)| at)
            .collect(),
        tuned: population.tuned.iter().map(|g| g.as_ref().map(|g| genes(g))).collect(),
        ages: population.ages.clone(),
        species: species.collect(),
        next_species: population.next_species,
        threshold: population.threshold,
        archive: population.archive.iter().map(<[f64]>::to_vec).collect(),
        elites: members(population)
            .map(|Member { elite: one, .. }| {
                (genes(&one.genotype), one.fitness, one.behaviour.clone())
            })
            .collect(),
        learnt: population.elites.as_ref().map_or(Learnt::default(), |elites| elites.learnt()),
        champion: champion.map(|c| (genes(&c.genotype), c.fitness, c.generation)),
        tried: population.tried.iter().map(|g| genes(g)).collect(),
        births: Births::of(population),
        newcomers: Newcomers::of(population),
        leaving: population.leaving.clone(),
    };
    rmp_serde::encode::to_vec_named(&(VERSION, saved)).expect("writing to memory cannot fail")
}

fn members(population: &Population) -> impl Iterator<Item = &Member> {
    population.elites.iter().flat_map(|elites| elites.members())
}

fn saved_score(outcome: &Option<Outcome>) -> Option<(f64, Vec<f64>)> {
    let Score { fitness, cases, .. } = outcome.as_ref()?.score()?;
    Some((*fitness, cases.clone()))
}

fn saved_behaviours(population: &Population) -> Vec<Vec<f64>> {
    if !novelty::needs_behaviours(&population.parameters) {
        return Vec::new();
    }
    let behaviour = |outcome: &Option<Outcome>| {
        let score = outcome.as_ref().and_then(Outcome::score);
        score.map_or(Vec::new(), |score| score.behaviour.clone())
    };
    population.outcomes.iter().map(behaviour).collect()
}

/// A part of each score of a Pareto search.
fn saved<T: Default>(population: &Population, part: fn(&Score) -> T) -> Vec<T> {
    if population.parameters.search != Search::Pareto {
        return Vec::new();
    }
    let part = |outcome: &Option<Outcome>| {
        outcome.as_ref().and_then(Outcome::score).map_or(T::default(), part)
    };
    population.outcomes.iter().map(part).collect()
}

fn is_failed(outcome: &Option<Outcome>) -> bool {
    *outcome == Some(Outcome::Failed)
}

/// # Errors
/// [`CheckpointError`]
pub fn decode(bytes: &[u8]) -> Result<Population, CheckpointError> {
    match codec::version(bytes).ok_or(CheckpointError::Malformed)? {
        VERSION => {}
        other => return Err(CheckpointError::UnsupportedVersion(other)),
    }
    let (_, saved): (u64, Saved) =
        rmp_serde::from_slice(bytes).map_err(|_| CheckpointError::Malformed)?;
    saved.population().ok_or(CheckpointError::Malformed)
}

/// The highest count that is accepted, so that counting on cannot overflow.
const MAX_COUNT: u64 = 1 << 53;
impl Saved {
    fn population(self) -> Option<Population> {
        if !self.parameters.are_sound() {
            return None;
        }
        let shape = Shape { inputs: self.inputs, outputs: self.outputs };
        let encoding = match self.substrate {
            None => Encoding::Direct(shape),
            Some(plan) => Encoding::Substrate(Arc::new(Substrate::new(plan).ok()?)),
        };
        let genotype = |bytes: &ByteBuf| {
            let genotype = codec::decode(bytes).ok()?;
            let fits = (genotype.inputs(), genotype.outputs()) == (shape.inputs, shape.outputs);
            fits.then(|| Arc::new(genotype))
        };
        let genotypes: Vec<_> = self.genotypes.iter().map(genotype).collect::<Option<_>>()?;
        let elites = self.elites.iter().map(|(bytes, _, _)| genotype(bytes));
        let elites: Vec<_> = elites.collect::<Option<_>>()?;
        let newcomers = self.newcomers.read(&genotypes, &elites, self.champion.is_some())?;
        let Lines { living: births, champion: of_champion, elites: of_elites } =
            self.births.read(genotypes.len(), elites.len(), self.generation)?;
        let scores = self.elites.iter().map(|(_, fitness, behaviour)| (*fitness, &behaviour[..]));
        let elites = elites.into_iter().zip(scores).zip(of_elites).zip(newcomers.elites);
        let elites = elites.map(|(((genotype, (fitness, behaviour)), birth), ancestry)| {
            let elite = Arc::new(Elite::new(genotype, fitness, behaviour.to_vec()));
            Member { elite, birth, ancestry }
        });
        let elites = Elites::of(
            &self.parameters,
            encoding.network_shape().outputs,
            elites.collect(),
            self.learnt,
        )?;
        let archive: Archive = self.archive.into_iter().collect();
        let mut behaviours = self.behaviours;
        if !are_behaviours(&behaviours, &self.scores, &archive, &self.parameters) {
            return None;
        }
        behaviours.resize(self.scores.len(), Vec::new());
        let (mut objectives, mut work) = (self.objectives, self.work);
        if !are_objectives(&objectives, &work, &self.scores, &self.parameters) {
            return None;
        }
        objectives.resize(self.scores.len(), Vec::new());
        work.resize(self.scores.len(), 0);
        let score = |(at, score): (usize, Option<(f64, Vec<f64>)>)| {
            let (fitness, cases) = score?;
            let behaviour = std::mem::take(&mut behaviours[at]);
            let objectives = std::mem::take(&mut objectives[at]);
            let score = Score { fitness, cases, behaviour, objectives, work: work[at] };
            Some(Outcome::from(score))
        };
        let mut outcomes: Vec<Option<Outcome>> =
            self.scores.into_iter().enumerate().map(score).collect();
        let tuned =
            self.tuned.iter().map(|g| g.as_ref().map(genotype).map_or(Some(None), |g| g.map(Some)));
        let mut tuned: Vec<Option<Arc<Genotype>>> = tuned.collect::<Option<_>>()?;
        let mut ages = self.ages;
        // written before these were kept
        if outcomes.is_empty() {
            outcomes.resize(genotypes.len(), None);
        }
        let sound = !outcomes.iter().any(is_failed);
        for at in self.failed {
            let waiting = outcomes.get_mut(at as usize).filter(|outcome| outcome.is_none())?;
            *waiting = Some(Outcome::Failed);
        }
        if tuned.is_empty() && ages.is_empty() {
            tuned.resize(genotypes.len(), None);
            ages.resize(genotypes.len(), Ages::new());
        }
        let counts = [self.generation, self.evaluations, self.next_species];
        let is_undivided = speciation::is_undivided(&self.parameters);
        if !is_size(genotypes.len(), &self.parameters)
            || (is_undivided && self.species.len() != 1)
            || [outcomes.len(), tuned.len(), ages.len()] != [genotypes.len(); 3]
            || !sound
            || self.failures > self.evaluations
            || !tuned
                .iter()
                .zip(&genotypes)
                .all(|(tuned, g)| tuned.as_ref().is_none_or(|t| is_tuned(t, g)))
            || !ages
                .iter()
                .zip(&genotypes)
                .all(|(ages, g)| [0, g.neurons.len()].contains(&ages.len()))
            || encoding.shape() != shape
            || !(self.threshold > 0.0 && self.threshold.is_finite())
            || counts.iter().any(|&count| count > MAX_COUNT)
            || !are_species(&self.species, genotypes.len())
            || !are_leaving(&self.leaving, &outcomes)
        {
            return None;
        }
        let species = |s: SavedSpecies| {
            let representative = genotype(&s.representative)?;
            let SavedSpecies { id, members, best, improved, .. } = s;
            // one that was never evaluated has the lowest
            let has_best = best.is_finite() || best == f64::NEG_INFINITY;
            let sound = has_best && improved <= self.generation && id < self.next_species;
            sound.then_some(Species { id, representative, members, best, improved })
        };
        let champion = match self.champion {
            Some((bytes, fitness, generation)) => {
                let sound = fitness.is_finite() && generation <= self.generation;
                let genotype = genotype(&bytes).filter(|_| sound)?;
                let ancestry = newcomers.champion;
                if ancestry.as_ref().is_some_and(|known| !known.fits(&genotype)) {
                    return None;
                }
                Some(Champion { genotype, fitness, generation, birth: of_champion, ancestry })
            }
            None => None,
        };
        Some(Population {
            parameters: Arc::new(self.parameters),
            encoding,
            seed: self.seed,
            generation: self.generation,
            tally: Tally { evaluations: self.evaluations, failures: self.failures },
            genotypes,
            outcomes,
            tuned,
            ages,
            births,
            ancestry: newcomers.living,
            sources: newcomers.sources,
            leaving: self.leaving,
            species: self.species.into_iter().map(species).collect::<Option<_>>()?,
            next_species: self.next_species,
            threshold: self.threshold,
            archive,
            elites,
            champion,
            tried: self.tried.iter().map(genotype).collect::<Option<_>>()?,
        })
    }
}

/// Whether one is the other with other weights.
fn is_tuned(tuned: &Genotype, genotype: &Genotype) -> bool {
    tuned.topology.ids == genotype.topology.ids && tuned.neurons.len() == genotype.neurons.len()
}

/// Whether exactly those that have a score have a behaviour, all of one length, if the search
/// compares behaviours; none if not. The numbers are checked with the scores.
fn are_behaviours(
    behaviours: &[Vec<f64>],
    scores: &[Option<(f64, Vec<f64>)>],
    archive: &Archive,
    p: &Parameters,
) -> bool {
    if !novelty::needs_behaviours(p) {
        return behaviours.is_empty() && archive.is_empty();
    }
    let known = behaviours.iter().map(Vec::len).find(|length| *length > 0);
    let length = map_elites::dimensions(p).or(archive.dimensions()).or(known).unwrap_or(0);
    let fits = |(behaviour, score): (&Vec<f64>, &Option<_>)| match score {
        Some(_) => behaviour.len() == length && length > 0,
        None => behaviour.is_empty(),
    };
    archive.is_sound(p)
        && (p.population <= novelty::MAX_POPULATION || !novelty::compares_all(p))
        && behaviours.len() == scores.len()
        && behaviours.iter().zip(scores).all(fits)
}

/// Whether exactly those that have a score have objectives, all as many, and a measure of work, in
/// a Pareto search; none in another. The numbers are checked with the scores.
fn are_objectives(
    objectives: &[Vec<f64>],
    work: &[u64],
    scores: &[Option<(f64, Vec<f64>)>],
    p: &Parameters,
) -> bool {
    if p.search != Search::Pareto {
        return objectives.is_empty() && work.is_empty();
    }
    let known = objectives.iter().zip(scores).find(|(_, score)| score.is_some());
    let length = known.map_or(0, |(one, _)| one.len());
    let fits = |((one, work), score): ((&Vec<f64>, &u64), &Option<_>)| match score {
        Some(_) => one.len() == length,
        None => one.is_empty() && *work == 0,
    };
    [objectives.len(), work.len()] == [scores.len(); 2]
        && objectives.iter().zip(work).zip(scores).all(fits)
}

/// Whether a generation may have so many genotypes. In a Pareto search it has parents and children.
fn is_size(genotypes: usize, p: &Parameters) -> bool {
    let size = p.population as usize;
    let most = if p.search == Search::Pareto { 2 * size } else { size };
    (size..=most).contains(&genotypes)
}

/// Whether every genotype is in one species, and no species is there twice or empty.
fn are_species(species: &[SavedSpecies], genotypes: usize) -> bool {
    let mut members: Vec<u32> = species.iter().flat_map(|s| s.members.iter().copied()).collect();
    members.sort_unstable();
    let mut ids: Vec<u64> = species.iter().map(|s| s.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == species.len()
        && species.iter().all(|s| !s.members.is_empty())
        && members.into_iter().eq(0..genotypes as u32)
}

/// Whether they are places in ascending order of those that have no fitness and get none.
fn are_leaving(leaving: &[u32], outcomes: &[Option<Outcome>]) -> bool {
    leaving.windows(2).all(|pair| pair[0] < pair[1])
        && leaving.iter().all(|&at| outcomes.get(at as usize).is_some_and(is_failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::parameters::Tuner;
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
        assert!(
            saved.tuned.iter().flatten().count() > 0 && saved.scores.iter().flatten().count() > 0
        );
        assert!(saved.ages.iter().any(|ages| !ages.is_empty()) && saved.species.len() > 1);
        assert!(
            !saved.births.ancestors.is_empty()
                && saved.champion.is_some()
                && !saved.tried.is_empty()
        );
        saved
    }

    type Corruption = (&'static str, fn(&mut Saved));

    #[test]
    fn every_field_is_checked() {
        let corruptions: [Corruption; 40] = [
            ("a parameter", |s| s.parameters.survival = f32::NAN),
            ("fewer genotypes than the parameters say", |s| s.parameters.population = 41),
            ("inputs", |s| s.inputs = 3),
            ("outputs", |s| s.outputs = 0),
            ("a substrate for it", |s| {
                s.substrate = Some(Plan::new(vec![vec![0.0]], vec![vec![1.0]]))
            }),
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
                let other =
                    (1..40).find(|at| s.genotypes[*at].len() != s.genotypes[0].len()).unwrap();
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
        assert!(saved().population().is_some());
        for (what, spoil) in corruptions {
            let mut saved = saved();
            spoil(&mut saved);
            assert!(saved.population().is_none(), "{what}");
        }
    }

    /// Of a steady state, in which some have a behaviour and others wait for one.
    fn saved_of_novelty() -> Saved {
        let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
        let p = Parameters {
            population: 20,
            search: crate::genome::parameters::Search::Novelty,
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
        assert!(
            saved.archive.len() == 8 && saved.scores[0].is_some() && saved.scores[19].is_none()
        );
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
        assert!(saved_of_novelty().population().is_some());
        for (what, spoil) in corruptions {
            let mut saved = saved_of_novelty();
            spoil(&mut saved);
            assert!(saved.population().is_none(), "{what}");
        }
        let mut neat = saved_of_novelty();
        neat.parameters.search = crate::genome::parameters::Search::Neat;
        assert!(neat.population().is_none(), "an archive in another search");
    }

    fn saved_of_elites() -> Saved {
        let (task, go) = (task::named("maze_medium").unwrap(), AtomicBool::new(false));
        let p = Parameters {
            population: 12,
            cells: 100,
            search: crate::genome::parameters::Search::MapElites,
            ..task.parameters()
        };
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
                s.parameters.search = crate::genome::parameters::Search::Neat;
            }),
        ];
        assert!(saved_of_elites().population().is_some());
        for (what, spoil) in corruptions {
            let mut saved = saved_of_elites();
            spoil(&mut saved);
            assert!(saved.population().is_none(), "{what}");
        }
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
        let mut evaluated =
            Population::new(p, task.shape(), 3).unwrap().evaluate(task, &go).unwrap();
        for seed in 11..14 {
            let mut rng =
                crate::base::rng::Stream::new(seed, crate::base::rng::Purpose::Birth, 0, 0);
            let newcomer = Genotype::new(2, 1, &task.parameters(), &mut rng).unwrap();
            evaluated
                .inject(Arc::new(newcomer), 9.0 + seed as f64, vec![[seed as u8; 32]])
                .unwrap();
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
    fn what_is_known_of_newcomers_is_checked() {
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
        assert!(with_newcomers().population().is_some());
        for (what, spoil) in corruptions {
            let mut saved = with_newcomers();
            spoil(&mut saved);
            assert!(saved.population().is_none(), "{what}");
        }
    }

    /// Whatever bytes change, what is read can go on.
    #[test]
    fn what_is_read_has_a_next_generation() {
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
}
