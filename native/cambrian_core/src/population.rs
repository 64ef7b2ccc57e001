//! Generations: a pure function from one to the next, whatever number of threads computes it.
//!
//! A [`Population`] waits for fitness; with it it is an [`Evaluated`] one, which gives the next.

use crate::crossover::crossover;
use crate::encoding::Encoding;
use crate::genotype::Genotype;
use crate::mutation::mutate;
use crate::network::Network;
use crate::parameters::{ParameterError, Parameters};
use crate::rng::{Purpose, Stream};
use crate::selection::{Brood, broods};
use crate::speciation::{GRAIN, Species, distance, found_species, speciate};
use crate::task::{Shape, Task};
use rayon::prelude::*;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A genotype with what it achieved and when.
#[derive(Clone, Debug)]
pub struct Champion {
    pub genotype: Arc<Genotype>,
    pub fitness: f64,
    pub generation: u64,
}

/// Genotypes in their species, waiting for fitness.
#[derive(Clone, Debug)]
pub struct Population {
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) encoding: Encoding,
    pub(crate) seed: u64,
    pub(crate) generation: u64,
    pub(crate) evaluations: u64,
    pub(crate) genotypes: Vec<Arc<Genotype>>,
    pub(crate) species: Vec<Species>,
    pub(crate) next_species: u64,
    pub(crate) threshold: f32,
    pub(crate) champion: Option<Champion>,
    /// Those here that have been contenders; the elite would else contend again in every generation.
    pub(crate) tried: Vec<Arc<Genotype>>,
}

/// A population whose genotypes have their fitness; the members of each species stand best first.
#[derive(Clone, Debug)]
pub struct Evaluated {
    population: Population,
    fitness: Vec<f64>,
}

/// What a person wants to know of a generation.
#[derive(Clone, Debug)]
pub struct Stats {
    pub generation: u64,
    pub evaluations: u64,
    pub best: f64,
    pub mean: f64,
    /// Id and size of each species.
    pub species: Vec<(u64, usize)>,
    pub mean_nodes: f64,
    pub mean_connections: f64,
}

/// Why a newcomer was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has other inputs or outputs.
    Shape,
    /// It is here already.
    Known,
    /// It is no better than the worst of its species.
    NotBetter,
    /// Its fitness is not a finite number.
    NotFinite,
}

/// Fitness that is not one finite number for each genotype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFitness;

impl fmt::Display for BadFitness {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("expected one finite number for each genotype")
    }
}

impl std::error::Error for BadFitness {}

impl Population {
    /// The first generation.
    ///
    /// # Errors
    /// A shape that no genotype can have, as an invalid parameter `inputs`.
    pub fn new(
        parameters: Parameters,
        encoding: impl Into<Encoding>,
        seed: u64,
    ) -> Result<Population, ParameterError> {
        let encoding = encoding.into();
        let shape = encoding.shape();
        let bear = |index: u32| {
            let mut rng = Stream::new(seed, Purpose::Birth, 0, u64::from(index));
            Genotype::new(shape.inputs, shape.outputs, &parameters, &mut rng).map(Arc::new)
        };
        let genotypes: Result<Vec<_>, _> =
            (0..parameters.population).into_par_iter().with_min_len(GRAIN).map(bear).collect();
        let genotypes = genotypes
            .map_err(|error| ParameterError::Invalid { name: "inputs", expected: error.to_string() })?;
        let threshold = parameters.species_threshold;
        let (mut species, mut next_species) = (Vec::new(), 0);
        speciate(&genotypes, &mut species, &mut next_species, 0, threshold, &parameters);
        Ok(Population {
            parameters: Arc::new(parameters),
            encoding,
            seed,
            generation: 0,
            evaluations: 0,
            genotypes,
            species,
            next_species,
            threshold,
            champion: None,
            tried: Vec::new(),
        })
    }

    /// Fitness of every genotype by a task; `None` if `stop` was set meanwhile.
    pub fn evaluate(self, task: &dyn Task, stop: &AtomicBool) -> Option<Evaluated> {
        let one = |genotype: &Arc<Genotype>| {
            (!stop.load(Ordering::Relaxed)).then(|| task.evaluate(&self.network(genotype)))
        };
        let grain = self.encoding.grain(task.grain());
        let fitness: Option<Vec<f64>> = self.genotypes.par_iter().with_min_len(grain).map(one).collect();
        Some(Evaluated::settle(self, fitness?))
    }

    fn network(&self, genotype: &Genotype) -> Network {
        self.encoding.network(genotype).expect("all genotypes here are of the encoding's shape")
    }

    /// The same with fitness from elsewhere.
    ///
    /// # Errors
    /// [`BadFitness`].
    pub fn with_fitness(self, fitness: Vec<f64>) -> Result<Evaluated, BadFitness> {
        let fine = fitness.len() == self.genotypes.len() && fitness.iter().all(|f| f.is_finite());
        if fine { Ok(Evaluated::settle(self, fitness)) } else { Err(BadFitness) }
    }

    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// Of the genotypes.
    pub fn shape(&self) -> Shape {
        self.encoding.shape()
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn genotypes(&self) -> &[Arc<Genotype>] {
        &self.genotypes
    }

    pub fn species(&self) -> &[Species] {
        &self.species
    }

    /// The best of all generations so far; `None` before the first evaluation.
    pub fn champion(&self) -> Option<&Champion> {
        self.champion.as_ref()
    }
}

impl Evaluated {
    fn settle(mut population: Population, fitness: Vec<f64>) -> Evaluated {
        population.evaluations += fitness.len() as u64;
        let mut evaluated = Evaluated { population, fitness };
        evaluated.rank();
        evaluated
    }

    /// Orders the members of each species, and notes who is better than ever.
    fn rank(&mut self) {
        let (population, fitness) = (&mut self.population, &self.fitness);
        for species in &mut population.species {
            let fit = |at: u32| fitness[at as usize];
            species.members.sort_by(|&a, &b| fit(b).total_cmp(&fit(a)).then(a.cmp(&b)));
            let best = fit(species.members[0]);
            if best > species.best {
                (species.best, species.improved) = (best, population.generation);
            }
        }
        let best = self.best() as usize;
        let population = &mut self.population;
        let beaten = population.champion.as_ref().is_none_or(|c| self.fitness[best] > c.fitness);
        if beaten {
            population.champion = Some(Champion {
                genotype: Arc::clone(&population.genotypes[best]),
                fitness: self.fitness[best],
                generation: population.generation,
            });
        }
    }

    pub fn population(&self) -> &Population {
        &self.population
    }

    pub fn fitness(&self) -> &[f64] {
        &self.fitness
    }

    /// Where the fittest of this generation stands; the first of equals.
    pub fn best(&self) -> u32 {
        let better = |a: u32, b: u32| if self.fitness[b as usize] > self.fitness[a as usize] { b } else { a };
        (0..self.fitness.len() as u32).reduce(better).unwrap_or(0)
    }

    /// The fittest of this generation that has not contended before, who is to undergo the task's trial: one a
    /// generation, as in Stanley's program, but never the same twice.
    pub fn contender(&mut self) -> Option<u32> {
        let (population, fitness) = (&mut self.population, &self.fitness);
        let mut order: Vec<u32> = (0..fitness.len() as u32).collect();
        order.sort_by(|&a, &b| fitness[b as usize].total_cmp(&fitness[a as usize]));
        let genotypes = &population.genotypes;
        let contender = order.into_iter().find(|&at| !holds(&population.tried, &genotypes[at as usize]))?;
        population.tried.push(Arc::clone(&genotypes[contender as usize]));
        Some(contender)
    }

    pub fn stats(&self) -> Stats {
        let population = &self.population;
        let count = self.fitness.len() as f64;
        let mean = |size: fn(&Genotype) -> usize| {
            population.genotypes.iter().map(|g| size(g)).sum::<usize>() as f64 / count
        };
        Stats {
            generation: population.generation,
            evaluations: population.evaluations,
            best: self.fitness[self.best() as usize],
            mean: self.fitness.iter().sum::<f64>() / count,
            species: population.species.iter().map(|s| (s.id, s.members.len())).collect(),
            mean_nodes: mean(|g| g.nodes().len()),
            mean_connections: mean(|g| g.connections().len()),
        }
    }

    /// Takes in a genotype from elsewhere, with the fitness that was measured here, in place of
    /// the worst of its species; one that is unlike all others founds a species in place of the worst of all.
    ///
    /// # Errors
    /// [`Refused`]; nothing changes then.
    pub fn inject(&mut self, newcomer: Arc<Genotype>, fitness: f64) -> Result<(), Refused> {
        let population = &mut self.population;
        let Shape { inputs, outputs } = population.shape();
        if (newcomer.inputs(), newcomer.outputs()) != (inputs, outputs) {
            return Err(Refused::Shape);
        }
        if !fitness.is_finite() {
            return Err(Refused::NotFinite);
        }
        if holds(&population.genotypes, &newcomer) {
            return Err(Refused::Known);
        }
        let like = |s: &Species| {
            distance(&newcomer, &s.representative, &population.parameters) < population.threshold
        };
        let home = population.species.iter().position(like);
        let place = match home {
            Some(home) => population.species[home].members.last().copied(),
            None => worst(&self.fitness),
        };
        let place = place.filter(|&at| self.fitness[at as usize] < fitness).ok_or(Refused::NotBetter)?;
        if home.is_none() {
            let mut founded = found_species(population.next_species, &newcomer, place, population.generation);
            founded.best = fitness;
            population.species.iter_mut().for_each(|s| s.members.retain(|&at| at != place));
            population.species.retain(|s| !s.members.is_empty());
            population.species.push(founded);
            population.next_species += 1;
        }
        population.genotypes[place as usize] = newcomer;
        self.fitness[place as usize] = fitness;
        self.rank();
        Ok(())
    }

    /// The next generation; `None` if `stop` was set meanwhile.
    pub fn next(&self, stop: &AtomicBool) -> Option<Population> {
        let old = &self.population;
        let broods = broods(&old.species, &self.fitness, old.generation, &old.parameters);
        let births: Vec<(usize, usize)> = broods
            .iter()
            .enumerate()
            .flat_map(|(brood, b)| (0..b.offspring).map(move |nth| (brood, nth)))
            .collect();
        let birth = |(index, &(brood, nth)): (usize, &(usize, usize))| {
            (!stop.load(Ordering::Relaxed)).then(|| self.offspring(&broods, brood, nth, index as u64))
        };
        let genotypes: Vec<_> =
            births.par_iter().enumerate().with_min_len(GRAIN).map(birth).collect::<Option<_>>()?;
        let mut next = Population { generation: old.generation + 1, genotypes, ..old.clone() };
        next.tried.retain(|tried| holds(&next.genotypes, tried));
        next.species = broods.iter().map(|brood| self.successor(brood.species)).collect();
        next.steer_threshold(old.species.len());
        speciate(
            &next.genotypes,
            &mut next.species,
            &mut next.next_species,
            next.generation,
            next.threshold,
            &old.parameters,
        );
        Some(next)
    }

    /// The `nth` child of a brood, the `index`th of the generation.
    fn offspring(&self, broods: &[Brood], brood: usize, nth: usize, index: u64) -> Arc<Genotype> {
        let old = &self.population;
        let p = &*old.parameters;
        let Brood { parents, elite, .. } = broods[brood];
        let genotype = |at: u32| &old.genotypes[at as usize];
        if nth < elite {
            return Arc::clone(genotype(parents[nth]));
        }
        let mut rng = Stream::new(old.seed, Purpose::Breeding, old.generation, index);
        let mother = parents[rng.below(parents.len())];
        if !rng.chance(p.crossover) {
            let mut child = Genotype::clone(genotype(mother));
            mutate(&mut child, p, &mut rng);
            return Arc::new(child);
        }
        let elsewhere = rng.chance(p.interspecies);
        let mates = if elsewhere { broods[rng.below(broods.len())].parents } else { parents };
        let father = mates[rng.below(mates.len())];
        let (fitter, other) = self.fitter_first(mother, father);
        let mut child = crossover(genotype(fitter), genotype(other), p, &mut rng);
        // a parent crossed with itself is a copy, and a copy that is not mutated is a wasted evaluation
        if mother == father || rng.chance(p.mutate_after_crossover) {
            mutate(&mut child, p, &mut rng);
        }
        Arc::new(child)
    }

    /// Of two equally fit the smaller is the fitter.
    fn fitter_first(&self, a: u32, b: u32) -> (u32, u32) {
        let size = |at: u32| self.population.genotypes[at as usize].connections().len();
        let order =
            (self.fitness[a as usize].total_cmp(&self.fitness[b as usize])).then(size(b).cmp(&size(a)));
        if order.is_ge() { (a, b) } else { (b, a) }
    }

    /// The species in the next generation, still empty: a random member of this one represents it.
    fn successor(&self, species: &Species) -> Species {
        let old = &self.population;
        let mut rng = Stream::new(old.seed, Purpose::Species, old.generation, species.id);
        let at = species.members[rng.below(species.members.len())];
        Species { representative: Arc::clone(&old.genotypes[at as usize]), members: Vec::new(), ..*species }
    }
}

impl Population {
    /// A twentieth up or down towards the wanted number of species.
    fn steer_threshold(&mut self, count: usize) {
        let p = &self.parameters;
        let target = p.target_species as usize;
        if target > 0 && count != target {
            let factor = if count > target { 1.05 } else { 0.95 };
            self.threshold = (self.threshold * factor).clamp(0.001, 1000.0);
        }
    }
}

fn holds(genotypes: &[Arc<Genotype>], wanted: &Arc<Genotype>) -> bool {
    genotypes.iter().any(|g| Arc::ptr_eq(g, wanted) || g == wanted)
}

/// The least fit, the last of equals, but never the best.
fn worst(fitness: &[f64]) -> Option<u32> {
    let indexes = (0..fitness.len() as u32).rev();
    indexes.min_by(|&a, &b| fitness[a as usize].total_cmp(&fitness[b as usize]))
}
