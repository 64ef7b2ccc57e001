//! A population as bytes, from which a run resumes to the bit.

mod births;
mod newcomers;

use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::{Parameters, Search, Strategy};
use crate::phenotype::encoding::Encoding;
use crate::phenotype::substrate::{Plan, Substrate};
use crate::search::archive::Elite;
use crate::search::map_elites::{self, Elites, Learnt, Member};
use crate::search::novelty::{self, Archive, Place, Threshold};
use crate::search::pareto;
use crate::search::population::{Champion, Population};
use crate::search::speciation::{self, Species};
use crate::search::strategy::{EvolutionStrategy, Method};
use crate::task::{Outcome, Score};
use crate::variation::tuning::{Ages, Tally};
use crate::wire::codec;
use births::{Births, Lines};
use newcomers::Newcomers;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::cell::OnceCell;
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
    /// Of searches for novelty, the oldest behaviour first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    archive: Vec<Vec<f64>>,
    /// Merit of each of them, with local competition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    archive_merit: Vec<f64>,
    /// If it decides what the archive takes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    novelty_threshold: Option<Threshold>,
    /// Genotype, fitness and behaviour of each elite of MAP-Elites, by their cells, and of those
    /// around which distributions started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elites: Vec<(ByteBuf, f64, Vec<f64>)>,
    #[serde(default, skip_serializing_if = "Learnt::is_empty")]
    learnt: Learnt,
    /// Of an evolution strategy: the network that it began with, and what it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strategy: Option<(ByteBuf, Method)>,
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
        archive: population.archive.iter().map(|place| place.behaviour.to_vec()).collect(),
        archive_merit: saved_merit(population),
        novelty_threshold: population.archive.threshold(),
        elites: members(population)
            .map(|Member { elite: one, .. }| {
                (genes(&one.genotype), one.fitness, one.behaviour.clone())
            })
            .collect(),
        learnt: population.elites.as_ref().map_or(Learnt::default(), |elites| elites.learnt()),
        strategy: (population.strategy.as_ref())
            .map(|one| (genes(one.template()), one.method().clone())),
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

fn saved_merit(population: &Population) -> Vec<f64> {
    match population.parameters.search {
        Search::LocalCompetition => population.archive.iter().map(|place| place.merit).collect(),
        _ => Vec::new(),
    }
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
        let first: OnceCell<Arc<Genotype>> = OnceCell::new();
        let genotype = |bytes: &ByteBuf| {
            let genotype = codec::decode(bytes).ok()?;
            let fits = (genotype.inputs(), genotype.outputs()) == (shape.inputs, shape.outputs);
            let shared = || match first.get() {
                None => Arc::clone(first.get_or_init(|| Arc::new(genotype))),
                Some(first) => Arc::new(genotype.sharing(first)),
            };
            fits.then(shared)
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
        let strategy = match self.strategy {
            Some((bytes, method)) => {
                let template = genotype(&bytes)?;
                Some(EvolutionStrategy::restored(template, method, &self.parameters)?)
            }
            None if self.parameters.search == Search::EvolutionStrategy => return None,
            None => None,
        };
        let places = places(self.archive, self.archive_merit, &self.parameters)?;
        let moment = (self.generation, self.evaluations);
        let archive = Archive::of(places, self.novelty_threshold, &self.parameters, moment)?;
        let mut behaviours = self.behaviours;
        if !are_behaviours(&behaviours, &self.scores, &archive, elites.as_deref(), &self.parameters)
        {
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
            strategy,
            champion,
            tried: self.tried.iter().map(genotype).collect::<Option<_>>()?,
        })
    }
}

/// Whether one is the other with other weights.
fn is_tuned(tuned: &Genotype, genotype: &Genotype) -> bool {
    tuned.topology.ids == genotype.topology.ids && tuned.neurons.len() == genotype.neurons.len()
}

/// What an archive holds, of behaviours and, with local competition, the merit of each.
fn places(archive: Vec<Vec<f64>>, merit: Vec<f64>, p: &Parameters) -> Option<Vec<Place>> {
    let merits = if p.search == Search::LocalCompetition { archive.len() } else { 0 };
    let place = |(at, behaviour): (usize, Vec<f64>)| Place {
        behaviour: behaviour.into(),
        merit: merit.get(at).copied().unwrap_or(0.0),
    };
    (merit.len() == merits).then(|| archive.into_iter().enumerate().map(place).collect())
}

/// Whether exactly those that have a score have a behaviour, all of one length, if the search
/// compares behaviours; none if not. The numbers are checked with the scores.
fn are_behaviours(
    behaviours: &[Vec<f64>],
    scores: &[Option<(f64, Vec<f64>)>],
    archive: &Archive,
    elites: Option<&Elites>,
    p: &Parameters,
) -> bool {
    if !novelty::needs_behaviours(p) {
        return behaviours.is_empty();
    }
    let known = behaviours.iter().map(Vec::len).find(|length| *length > 0);
    let of_elites = || elites.and_then(Elites::length);
    let told = map_elites::dimensions(p).or_else(of_elites).or(archive.dimensions());
    let length = told.or(known).unwrap_or(0);
    let fits = |(behaviour, score): (&Vec<f64>, &Option<_>)| match score {
        Some(_) => behaviour.len() == length && length > 0,
        None => behaviour.is_empty(),
    };
    (p.population <= novelty::MAX_POPULATION || !novelty::compares_all(p))
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
    let Ok(told) = pareto::told_by_task(p) else { return false };
    let known = objectives.iter().zip(scores).find(|(_, score)| score.is_some());
    let length = known.map_or(0, |(one, _)| one.len());
    let is_told = known.is_none() || told.is_none_or(|told| told == length.max(1));
    let fits = |((one, work), score): ((&Vec<f64>, &u64), &Option<_>)| match score {
        Some(_) => one.len() == length,
        None => one.is_empty() && *work == 0,
    };
    is_told
        && [objectives.len(), work.len()] == [scores.len(); 2]
        && objectives.iter().zip(work).zip(scores).all(fits)
}

/// Whether a generation may have so many genotypes. In a search with fronts it has parents and
/// children; that of L-SHADE shrinks.
fn is_size(genotypes: usize, p: &Parameters) -> bool {
    let size = p.population as usize;
    if p.search == Search::EvolutionStrategy && p.strategy == Strategy::LShade {
        return (4..=size).contains(&genotypes);
    }
    let most = if pareto::has_fronts(p) { 2 * size } else { size };
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
mod tests;
