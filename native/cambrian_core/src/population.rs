//! Generations: a pure function from one to the next, whatever number of threads computes it.
//!
//! A [`Population`] waits for fitness; with it it is an [`Evaluated`] one, which gives the next.

use crate::encoding::Encoding;
use crate::genotype::Genotype;
use crate::lineage::Birth;
use crate::mutation::{Operators, mutate};
use crate::network::Network;
use crate::parameters::{Inheritance, ParameterError, Parameters, Tuner};
use crate::permission::Permission;
use crate::rng::{Purpose, Stream};
use crate::selection::Standing;
use crate::speciation::{GRAIN, Species, distance, found_species, speciate};
use crate::task::{Score, Shape, Task};
use crate::tuning::{Ages, Tuned, Tuning};
use rayon::prelude::*;
use std::fmt;
use std::sync::Arc;

/// A genotype with what it achieved and when.
#[derive(Clone, Debug)]
pub struct Champion {
    pub genotype: Arc<Genotype>,
    pub fitness: f64,
    pub generation: u64,
    pub birth: Birth,
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
    /// What is known already of those that lived on from the last generation.
    pub(crate) scores: Vec<Option<Score>>,
    /// The tuned weights that have these scores, where the genotype did not inherit them.
    pub(crate) tuned: Vec<Option<Arc<Genotype>>>,
    pub(crate) ages: Vec<Ages>,
    pub(crate) births: Vec<Birth>,
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
    pub(crate) population: Population,
    fitness: Vec<f64>,
    pub(crate) standing: Standing,
    /// One that was seen to solve the task while it was tuned.
    solved: Option<u32>,
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

/// Scores that are not one of finite numbers for each genotype that waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFitness;

impl fmt::Display for BadFitness {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("expected one score of finite numbers for each genotype that waits for one")
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
        Ok(Population::with_genotypes(parameters, encoding, seed, genotypes))
    }

    /// A first generation that descends from given genotypes: each of them as it is, then mutated copies of them in turn
    /// until the population is full. Founders beyond its size are left out.
    ///
    /// # Errors
    /// [`Refused::Shape`] of no founder, or one that has another shape than the encoding's genotypes.
    pub fn founded_by(
        parameters: Parameters,
        encoding: impl Into<Encoding>,
        seed: u64,
        founders: &[Arc<Genotype>],
    ) -> Result<Population, Refused> {
        let encoding = encoding.into();
        let Shape { inputs, outputs } = encoding.shape();
        let fits = |founder: &Arc<Genotype>| (founder.inputs(), founder.outputs()) == (inputs, outputs);
        if founders.is_empty() || !founders.iter().all(fits) {
            return Err(Refused::Shape);
        }
        let elsewhere = Birth { operators: Operators::INJECTION, ..Birth::first(0) };
        let known: Vec<Birth> = (founders.par_iter().with_min_len(GRAIN))
            .map(|founder| Birth { own: Some(elsewhere.ancestor(founder)), ..elsewhere.clone() })
            .collect();
        let bear = |index: usize| {
            let (founder, birth) = (&founders[index % founders.len()], &known[index % founders.len()]);
            if index < founders.len() {
                return (Arc::clone(founder), birth.clone());
            }
            let mut child = Genotype::clone(founder);
            let mut rng = Stream::new(seed, Purpose::Birth, 0, index as u64);
            let operators = mutate(&mut child, &parameters, &mut rng);
            if child == **founder {
                return (Arc::clone(founder), birth.clone());
            }
            let parent = birth.own.clone();
            let parents = [parent.as_ref().map(|parent| parent.id), None];
            (Arc::new(child), Birth { operators, parents, parent, ..Birth::first(0) })
        };
        let size = parameters.population as usize;
        let (genotypes, births) =
            (0..size).into_par_iter().with_min_len(GRAIN).map(bear).collect::<(Vec<_>, Vec<_>)>();
        Ok(Population { births, ..Population::with_genotypes(parameters, encoding, seed, genotypes) })
    }

    /// A first generation of genotypes that are there already, all of the encoding's shape.
    pub fn with_genotypes(
        parameters: Parameters,
        encoding: impl Into<Encoding>,
        seed: u64,
        genotypes: Vec<Arc<Genotype>>,
    ) -> Population {
        let threshold = parameters.species_threshold;
        let (mut species, mut next_species) = (Vec::new(), 0);
        let mothers = vec![None; genotypes.len()];
        speciate(&genotypes, &mothers, &mut species, &mut next_species, 0, threshold, &parameters);
        Population {
            parameters: Arc::new(parameters),
            encoding: encoding.into(),
            seed,
            generation: 0,
            evaluations: 0,
            scores: vec![None; genotypes.len()],
            tuned: vec![None; genotypes.len()],
            ages: vec![Ages::new(); genotypes.len()],
            births: vec![Birth::first(0); genotypes.len()],
            genotypes,
            species,
            next_species,
            threshold,
            champion: None,
            tried: Vec::new(),
        }
    }

    /// Fitness by a task of every genotype that waits for it, tuned if the parameters say so; `None` without leave
    /// to go on. Tuning ends with the round whose best passes the task's trial.
    pub fn evaluate(mut self, task: &dyn Task, leave: &dyn Permission) -> Option<Evaluated> {
        let grain = self.encoding.grain(task.grain());
        let mut tuning = self.tuning();
        loop {
            let candidates = tuning.candidates();
            if candidates.is_empty() {
                return Some(Evaluated::settle(self, tuning, None));
            }
            let one =
                |genotype: &Arc<Genotype>| leave.granted().then(|| task.evaluate(&self.network(genotype)));
            let scores: Option<Vec<Score>> = candidates.par_iter().with_min_len(grain).map(one).collect();
            tuning.tell(scores?);
            if self.parameters.tuning == Tuner::None {
                continue;
            }
            if let Some(at) = tuning.improved() {
                let contender = Arc::clone(&tuning.best(at).genotype);
                if task.trial(&self.network(&contender)).solved {
                    return Some(Evaluated::settle(self, tuning, Some(at)));
                }
                self.tried.push(contender);
            }
        }
    }

    fn network(&self, genotype: &Genotype) -> Network {
        self.encoding.network(genotype).expect("all genotypes here are of the encoding's shape")
    }

    /// The evaluation of those that wait, round by round, for fitness from elsewhere.
    pub fn tuning(&self) -> Tuning {
        let newcomers = self.genotypes.iter().zip(&self.ages).zip(&self.scores);
        let newcomers = newcomers.filter(|(_, score)| score.is_none()).map(|(newcomer, _)| newcomer);
        Tuning::new(newcomers, &self.parameters, self.seed, self.generation)
    }

    /// What an evaluation from elsewhere came to; there may be candidates left, but every newcomer must have a score.
    ///
    /// # Panics
    /// If not ([`Tuning::is_scored`]).
    pub fn settle(self, tuning: Tuning) -> Evaluated {
        assert!(tuning.is_scored(), "a score for each newcomer");
        Evaluated::settle(self, tuning, None)
    }

    /// The same in one round, without tuning: scores in the order of [`Population::waiting`].
    ///
    /// # Errors
    /// [`BadFitness`].
    pub fn with_scores(self, scores: Vec<Score>) -> Result<Evaluated, BadFitness> {
        let mut tuning = self.tuning();
        if !tuning.expects(&scores) {
            return Err(BadFitness);
        }
        tuning.tell(scores);
        Ok(self.settle(tuning))
    }

    /// The genotypes that have no fitness yet.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Genotype>> {
        self.genotypes
            .iter()
            .zip(&self.scores)
            .filter(|(_, score)| score.is_none())
            .map(|(genotype, _)| genotype)
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

    /// In all generations before this one.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    pub fn genotypes(&self) -> &[Arc<Genotype>] {
        &self.genotypes
    }

    pub fn species(&self) -> &[Species] {
        &self.species
    }

    /// How a genotype that is here came to be.
    pub fn origin(&self, genotype: &Genotype) -> Option<Birth> {
        let champion = self.champion.as_ref().filter(|champion| *champion.genotype == *genotype);
        champion.map(|champion| champion.birth.clone()).or_else(|| {
            let here = (0..self.genotypes.len() as u32).find(|at| **self.tuned(*at) == *genotype);
            here.map(|at| self.birth(at))
        })
    }

    /// The best of all generations so far; `None` before the first evaluation.
    pub fn champion(&self) -> Option<&Champion> {
        self.champion.as_ref()
    }
}

impl Evaluated {
    /// `solved` counts among those that were tuned.
    fn settle(mut population: Population, tuning: Tuning, solved: Option<usize>) -> Evaluated {
        let (new, evaluations) = tuning.finish();
        population.evaluations += evaluations;
        let mut scores = std::mem::take(&mut population.scores);
        let waiting: Vec<usize> = (0..scores.len()).filter(|&at| scores[at].is_none()).collect();
        for (&at, Tuned { genotype, score }) in waiting.iter().zip(new) {
            scores[at] = Some(score);
            match population.parameters.inheritance {
                Inheritance::Lamarckian => {
                    if !Arc::ptr_eq(&population.genotypes[at], &genotype) {
                        population.births[at].tune(population.generation);
                    }
                    population.genotypes[at] = genotype;
                }
                Inheritance::Baldwinian => population.tuned[at] = Some(genotype),
            }
        }
        let all = scores.into_iter().map(Option::unwrap_or_default);
        let (fitness, cases) = all.map(|score| (score.fitness, score.cases)).unzip();
        let standing = Standing::new(Vec::new(), cases, population.generation);
        let solved = solved.map(|at| waiting[at] as u32);
        let mut evaluated = Evaluated { population, fitness, standing, solved };
        evaluated.rank();
        evaluated
    }

    pub(crate) fn score(&self, at: u32) -> Score {
        Score { fitness: self.fitness[at as usize], cases: self.standing.cases[at as usize].clone() }
    }

    /// Orders the members of each species, and notes who is better than ever.
    fn rank(&mut self) {
        let population = &mut self.population;
        let cost = |g: &Genotype| f64::from(population.parameters.parsimony) * g.connections().len() as f64;
        let merit = population.genotypes.iter().zip(&self.fitness).map(|(g, fit)| fit - cost(g)).collect();
        let cases = std::mem::take(&mut self.standing.cases);
        self.standing = Standing::new(merit, cases, population.generation);
        for species in &mut population.species {
            let fit = |at: u32| self.standing.merit[at as usize];
            species.members.sort_by(|&a, &b| fit(b).total_cmp(&fit(a)).then(a.cmp(&b)));
            let best = fit(species.members[0]);
            if best > species.best {
                (species.best, species.improved) = (best, population.generation);
            }
        }
        let best = self.best();
        let fitness = self.fitness[best as usize];
        let population = &mut self.population;
        if population.champion.as_ref().is_none_or(|champion| fitness > champion.fitness) {
            population.champion = Some(Champion {
                genotype: Arc::clone(population.tuned(best)),
                fitness,
                generation: population.generation,
                birth: population.birth(best),
            });
        }
    }

    pub fn population(&self) -> &Population {
        &self.population
    }

    pub fn fitness(&self) -> &[f64] {
        &self.fitness
    }

    /// A genotype with the weights that have its fitness: its own, unless they were tuned and are not inherited.
    pub fn tuned(&self, at: u32) -> &Arc<Genotype> {
        self.population.tuned(at)
    }

    /// Where the fittest of this generation stands; the first of equals.
    pub fn best(&self) -> u32 {
        let better = |a: u32, b: u32| if self.fitness[b as usize] > self.fitness[a as usize] { b } else { a };
        (0..self.fitness.len() as u32).reduce(better).unwrap_or(0)
    }

    /// The fittest of this generation that has not contended before, who is to undergo the task's trial: one a
    /// generation, as in Stanley's program, but never the same twice. One that passed it while it was tuned goes
    /// first.
    pub fn contender(&mut self) -> Option<u32> {
        let (population, fitness) = (&mut self.population, &self.fitness);
        let mut order: Vec<u32> = (0..fitness.len() as u32).collect();
        order.sort_by(|&a, &b| fitness[b as usize].total_cmp(&fitness[a as usize]));
        let untried = |at: &u32| !holds(&population.tried, population.tuned(*at));
        let contender = self.solved.take().or_else(|| order.into_iter().find(untried))?;
        population.tried.push(Arc::clone(population.tuned(contender)));
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
        population.tuned[place as usize] = None;
        population.ages[place as usize] = Ages::new();
        population.births[place as usize] =
            Birth { operators: Operators::INJECTION, ..Birth::first(population.generation) };
        self.fitness[place as usize] = fitness;
        self.standing.cases[place as usize] = Vec::new();
        self.rank();
        Ok(())
    }
}

fn holds(genotypes: &[Arc<Genotype>], wanted: &Arc<Genotype>) -> bool {
    genotypes.iter().any(|g| Arc::ptr_eq(g, wanted) || g == wanted)
}

impl Population {
    pub(crate) fn tuned(&self, at: u32) -> &Arc<Genotype> {
        self.tuned[at as usize].as_ref().unwrap_or(&self.genotypes[at as usize])
    }

    pub(crate) fn birth(&self, at: u32) -> Birth {
        let birth = &self.births[at as usize];
        let tuned = if self.tuned[at as usize].is_some() { Operators::TUNING } else { Operators::default() };
        Birth { operators: birth.operators.and(tuned), ..birth.clone() }
    }

    /// Only those that are still here can contend again.
    pub(crate) fn forget_trials_of_the_gone(&mut self) {
        let here: Vec<Arc<Genotype>> =
            (0..self.genotypes.len() as u32).map(|at| Arc::clone(self.tuned(at))).collect();
        self.tried.retain(|tried| holds(&here, tried));
    }
}

/// The least fit, the last of equals, but never the best.
fn worst(fitness: &[f64]) -> Option<u32> {
    let indexes = (0..fitness.len() as u32).rev();
    indexes.min_by(|&a, &b| fitness[a as usize].total_cmp(&fitness[b as usize]))
}
