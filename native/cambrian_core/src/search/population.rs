//! A population and its generations. The next generation is a pure function of this one, on any
//! number of threads.
//!
//! A [`Population`] waits for fitness. Once evaluated it is [`Evaluated`], which breeds the next
//! one.

pub mod checkpoint;
mod evaluation;
mod illumination;
pub mod migration;
mod newcomers;
pub mod purge;
mod ranking;
mod reproduction;

pub use evaluation::{BadFitness, EvaluationError, GRACE, Limits};

use crate::base::cancel::NeverCancelled;
use crate::base::memory;
use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::{Genotype, GenotypeError, Shape};
use crate::genome::parameters::{ParameterError, Parameters, Search};
use crate::phenotype::encoding::Encoding;
use crate::search::ancestry::{Ancestry, Mark, Source};
use crate::search::lineage::Birth;
use crate::search::map_elites::Elites;
use crate::search::novelty::{self, Archive};
use crate::search::pareto::{self, Standing};
use crate::search::selection::Ranking;
use crate::search::speciation::{self, GRAIN, Species, speciate};
use crate::search::strategy::{self, Draws, EvolutionStrategy};
use crate::task::{Outcome, Score};
use crate::variation::mutation::{Operators, mutate};
use crate::variation::tuning::{self, Ages, Tally};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A genotype with what it achieved and when.
#[derive(Clone, Debug)]
pub struct Champion {
    pub genotype: Arc<Genotype>,
    pub fitness: f64,
    pub generation: u64,
    pub birth: Birth,
    /// Its genes that came from elsewhere.
    ancestry: Option<Arc<Ancestry>>,
}

/// Genotypes in their species, waiting for fitness.
#[derive(Clone, Debug)]
pub struct Population {
    parameters: Arc<Parameters>,
    encoding: Encoding,
    seed: u64,
    generation: u64,
    /// In all generations before this one.
    tally: Tally,
    genotypes: Vec<Arc<Genotype>>,
    /// Outcomes of those that survived from the last generation; `None` where one still has to be
    /// evaluated.
    outcomes: Vec<Option<Outcome>>,
    /// The tuned weights that have these fitnesses, where the genotype did not inherit them.
    tuned: Vec<Option<Arc<Genotype>>>,
    ages: Vec<Ages>,
    births: Vec<Birth>,
    /// Of each, its genes that came from elsewhere.
    ancestry: Vec<Option<Arc<Ancestry>>>,
    /// The newcomers whose genes some genotype here carries.
    sources: BTreeMap<Mark, Source>,
    /// Places of banned genotypes, ascending. They are not in the next generation.
    leaving: Vec<u32>,
    species: Vec<Species>,
    next_species: u64,
    threshold: f32,
    /// Of searches for novelty; empty in others.
    archive: Archive,
    /// Of MAP-Elites; with those of the last generation that was evaluated.
    elites: Option<Arc<Elites>>,
    /// Of a fixed topology; it knows the last generation that was evaluated.
    strategy: Option<Arc<EvolutionStrategy>>,
    champion: Option<Champion>,
    /// Genotypes here that were contenders. Without this the elite would contend in every
    /// generation.
    tried: Vec<Arc<Genotype>>,
}

/// A population that was evaluated; the members of each species stand best first. At least one
/// genotype has a fitness.
#[derive(Clone, Debug)]
pub struct Evaluated {
    population: Population,
    /// `None` where the evaluation failed.
    fitness: Vec<Option<f64>>,
    /// Empty where the evaluation failed, or the search compares none.
    behaviours: Vec<Vec<f64>>,
    /// What a Pareto search needs of each score; empty in other searches.
    objectives: Vec<Vec<f64>>,
    work_of: Vec<u64>,
    /// Of a Pareto search.
    standing: Standing,
    /// Empty in searches that keep no archive of behaviours.
    novelty: Vec<Option<f64>>,
    ranking: Ranking,
    /// The one that solved the task while it was tuned.
    solved: Option<u32>,
    is_incomplete: bool,
    work: u64,
}

/// A summary of a generation.
#[derive(Clone, Debug)]
pub struct Stats {
    pub generation: u64,
    /// In all generations so far; and how many of these evaluations failed.
    pub evaluations: u64,
    pub failures: u64,
    /// Of those of this generation that have a fitness.
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
    /// The search compares behaviours, and this one has another length than those here.
    Behaviour,
    /// The search pursues objectives, and it has another number of them than those here.
    Objectives,
}

/// About how many bytes a population keeps beside each genotype: its birth, ages, outcome and
/// places.
pub(crate) const OVERHEAD: usize = 512;

impl Population {
    /// The first generation.
    ///
    /// # Errors
    /// A shape that no genotype can have is an invalid parameter `inputs`, or `hidden`; and those
    /// of [`Population::check_memory`].
    pub fn new(
        parameters: Parameters,
        encoding: impl Into<Encoding>,
        seed: u64,
    ) -> Result<Population, ParameterError> {
        let encoding = encoding.into();
        let shape = encoding.shape();
        let create = |index: u32| {
            let mut rng = Stream::new(seed, Purpose::Birth, 0, u64::from(index));
            Genotype::new(shape.inputs, shape.outputs, &parameters, &mut rng)
        };
        let name = if parameters.hidden.0.is_empty() { "inputs" } else { "hidden" };
        let invalid =
            |error: GenotypeError| ParameterError::Invalid { name, expected: error.to_string() };
        let first = create(0).map_err(invalid)?;
        Population::check_memory(&parameters, &first)?;
        if parameters.search == Search::EvolutionStrategy {
            return Ok(Population::with_genotypes(
                parameters,
                encoding,
                seed,
                vec![Arc::new(first)],
            ));
        }
        // most have the same topology
        let create = |index| create(index).map(|genotype| Arc::new(genotype.sharing(&first)));
        let genotypes: Result<Vec<_>, _> =
            (0..parameters.population).into_par_iter().with_min_len(GRAIN).map(create).collect();
        Ok(Population::with_genotypes(parameters, encoding, seed, genotypes.map_err(invalid)?))
    }

    /// Whether the search can be begun, and there is memory for two generations of genotypes like
    /// this one, for their tuning, and for a full archive of elites.
    ///
    /// # Errors
    /// A parameter that the search cannot have; or the size of the population, with the bytes that
    /// it would take.
    pub fn check_memory(parameters: &Parameters, like: &Genotype) -> Result<(), ParameterError> {
        let by_fronts = pareto::has_fronts(parameters);
        let bounds = [
            (novelty::compares_all(parameters), novelty::MAX_POPULATION, "compares behaviours"),
            (by_fronts, pareto::max_population(parameters), "has several objectives"),
        ];
        for (applies, most, what) in bounds {
            if applies && parameters.population > most {
                let expected = format!("at most {most} with a search that {what}");
                return Err(ParameterError::Invalid { name: "population", expected });
            }
        }
        pareto::told_by_task(parameters)?;
        let elites = Elites::new(parameters, like.outputs())?;
        let elites = elites.map_or(0, |elites| {
            elites.bytes(like, like.bytes() + OVERHEAD, parameters, like.outputs())
        });
        // parents and children in one generation, and children in the next
        let generations = if by_fronts { 3 } else { 2 };
        let each = generations * (like.bytes() + OVERHEAD) + tuning::bytes(parameters, like);
        let learnt = if parameters.search == Search::EvolutionStrategy {
            let numbers = tuning::weights(like, parameters).len();
            strategy::check(numbers, parameters)?;
            strategy::bytes(numbers, parameters)
        } else {
            elites
        };
        let all = memory::product(&[parameters.population as usize, each]).saturating_add(learnt);
        memory::check(all).map_err(|error| {
            let (nodes, connections) = (like.nodes().len(), like.connections().len());
            let like = format!("networks of {nodes} nodes and {connections} connections");
            ParameterError::Invalid {
                name: "population",
                expected: format!("fewer: of {like} {error}"),
            }
        })
    }

    /// A first generation that descends from given genotypes: each of them as it is, then mutated
    /// copies of them in turn until the population is full. Founders beyond its size are left out.
    /// An evolution strategy begins around the first one.
    ///
    /// # Errors
    /// [`Refused::Shape`] if there is no founder, or one has another shape than the encoding's
    /// genotypes.
    pub fn founded_by(
        parameters: Parameters,
        encoding: impl Into<Encoding>,
        seed: u64,
        founders: &[Arc<Genotype>],
    ) -> Result<Population, Refused> {
        let encoding = encoding.into();
        let Shape { inputs, outputs } = encoding.shape();
        let fits =
            |founder: &Arc<Genotype>| (founder.inputs(), founder.outputs()) == (inputs, outputs);
        if founders.is_empty() || !founders.iter().all(fits) {
            return Err(Refused::Shape);
        }
        if parameters.search == Search::EvolutionStrategy {
            let first = vec![Arc::clone(&founders[0])];
            return Ok(Population::with_genotypes(parameters, encoding, seed, first));
        }
        let elsewhere = Birth { operators: Operators::INJECTION, ..Birth::first(0) };
        let known: Vec<Birth> = (founders.par_iter().with_min_len(GRAIN))
            .map(|founder| Birth { own: Some(elsewhere.ancestor(founder)), ..elsewhere.clone() })
            .collect();
        let create = |index: usize| {
            let (founder, birth) =
                (&founders[index % founders.len()], &known[index % founders.len()]);
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
            (0..size).into_par_iter().with_min_len(GRAIN).map(create).collect::<(Vec<_>, Vec<_>)>();
        Ok(Population {
            births,
            ..Population::with_genotypes(parameters, encoding, seed, genotypes)
        })
    }

    /// A first generation of these genotypes, all of the encoding's shape; of an evolution strategy
    /// that begins around the first one. The parameters must be some that
    /// [`Population::check_memory`] has passed.
    pub fn with_genotypes(
        parameters: Parameters,
        encoding: impl Into<Encoding>,
        seed: u64,
        genotypes: Vec<Arc<Genotype>>,
    ) -> Population {
        Population::begun(parameters, encoding.into(), Draws { seed, generation: 0 }, genotypes)
    }

    /// The same in any generation, which it does not yet have.
    fn begun(
        parameters: Parameters,
        encoding: Encoding,
        draws: Draws,
        mut genotypes: Vec<Arc<Genotype>>,
    ) -> Population {
        let strategy = EvolutionStrategy::new(&genotypes[0], &parameters, draws);
        let strategy = strategy.expect("parameters that were checked");
        if let Some(strategy) = &strategy {
            let asked = strategy.genotypes(&parameters, draws, &NeverCancelled);
            genotypes = asked.expect("nobody cancels it");
        }
        let outputs = encoding.network_shape().outputs;
        let elites = Elites::new(&parameters, outputs).expect("parameters that were checked");
        let threshold = speciation::threshold(&parameters);
        let (mut species, mut next_species) = (Vec::new(), 0);
        let mothers = vec![None; genotypes.len()];
        speciate(&genotypes, &mothers, &mut species, &mut next_species, 0, threshold, &parameters);
        Population {
            parameters: Arc::new(parameters),
            encoding,
            seed: draws.seed,
            generation: 0,
            tally: Tally::default(),
            outcomes: vec![None; genotypes.len()],
            tuned: vec![None; genotypes.len()],
            ages: vec![Ages::new(); genotypes.len()],
            births: vec![Birth::first(0); genotypes.len()],
            ancestry: vec![None; genotypes.len()],
            sources: BTreeMap::new(),
            leaving: Vec::new(),
            genotypes,
            species,
            next_species,
            threshold,
            archive: Archive::default(),
            elites,
            strategy,
            champion: None,
            tried: Vec::new(),
        }
    }

    /// The genotypes that are to be evaluated.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Genotype>> {
        self.genotypes
            .iter()
            .zip(&self.outcomes)
            .filter(|(_, known)| known.is_none())
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
        self.tally.evaluations
    }

    /// How many of them failed.
    pub fn failures(&self) -> u64 {
        self.tally.failures
    }

    pub fn genotypes(&self) -> &[Arc<Genotype>] {
        &self.genotypes
    }

    pub fn species(&self) -> &[Species] {
        &self.species
    }

    /// The median cost of one tick: of all genotypes here, and of those without a gene of another
    /// node. With a substrate it is the cost of the CPPNs.
    pub fn median_costs(&self) -> (u64, u64) {
        let costs = || self.genotypes.iter().map(|genotype| genotype.cost());
        let own = costs().zip(&self.ancestry).filter(|(_, known)| self.is_own(known.as_deref()));
        (median(costs().collect()), median(own.map(|(cost, _)| cost).collect()))
    }

    /// How a genotype that is here came to be.
    pub fn origin(&self, genotype: &Genotype) -> Option<Birth> {
        let champion = self.champion.as_ref().filter(|champion| *champion.genotype == *genotype);
        champion.map(|champion| champion.birth.clone()).or_else(|| {
            let here = (0..self.genotypes.len() as u32).find(|at| **self.tuned(*at) == *genotype);
            here.map(|at| self.birth(at))
        })
    }

    /// The archive of MAP-Elites.
    pub fn elites(&self) -> Option<&Elites> {
        self.elites.as_deref()
    }

    /// The best of all generations so far; `None` before the first evaluation.
    pub fn champion(&self) -> Option<&Champion> {
        self.champion.as_ref()
    }
}

/// The median, of an even count the lower one of the middle two; 0 of none.
fn median(mut costs: Vec<u64>) -> u64 {
    let middle = costs.len().saturating_sub(1) / 2;
    if costs.is_empty() { 0 } else { *costs.select_nth_unstable(middle).1 }
}

impl Evaluated {
    pub(crate) fn outcome(&self, at: u32) -> Outcome {
        let at = at as usize;
        let score = |fitness| Score {
            fitness,
            cases: self.ranking.cases[at].clone(),
            behaviour: self.behaviours[at].clone(),
            objectives: self.objectives.get(at).cloned().unwrap_or_default(),
            work: self.work_of.get(at).copied().unwrap_or(0),
        };
        self.fitness[at].map_or(Outcome::Failed, |fitness| Outcome::Scored(score(fitness)))
    }

    /// Fitness to sort by; one that has none comes last.
    pub(crate) fn order(&self, at: u32) -> f64 {
        self.fitness[at as usize].unwrap_or(f64::NEG_INFINITY)
    }

    pub fn population(&self) -> &Population {
        &self.population
    }

    /// The work of all networks that this evaluation ran, in the units of
    /// [`crate::phenotype::cost`].
    pub fn work(&self) -> u64 {
        self.work
    }

    /// The same, of one that was made elsewhere.
    #[must_use]
    pub fn with_work(self, work: u64) -> Evaluated {
        Evaluated { work, ..self }
    }

    /// Whether a limit skipped some. The run then differs from that of the same seed without the
    /// limit.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// `None` where the evaluation failed.
    pub fn fitness(&self) -> &[Option<f64>] {
        &self.fitness
    }

    /// A genotype with the weights that have its fitness: its own, unless they were tuned and are
    /// not inherited.
    pub fn tuned(&self, at: u32) -> &Arc<Genotype> {
        self.population.tuned(at)
    }

    /// Where the fittest of this generation stands, and its fitness; the first of equals.
    pub fn best(&self) -> (u32, f64) {
        let better = |a: (u32, f64), b: (u32, f64)| if b.1 > a.1 { b } else { a };
        let known = (0..).zip(&self.fitness).filter_map(|(at, fitness)| Some((at, (*fitness)?)));
        known.reduce(better).expect("at least one has a fitness")
    }

    /// The fittest of this generation that was not tried before, to undergo the task's trial: one a
    /// generation, as in Stanley's program, and none twice. One that solved the task while it was
    /// tuned comes first.
    pub fn contender(&mut self) -> Option<u32> {
        let known = |at: &u32| self.fitness[*at as usize].is_some();
        let mut order: Vec<u32> = (0..self.fitness.len() as u32).filter(known).collect();
        order.sort_by(|&a, &b| self.order(b).total_cmp(&self.order(a)));
        let population = &mut self.population;
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
            evaluations: population.tally.evaluations,
            failures: population.tally.failures,
            best: self.best().1,
            mean: mean_of(&self.fitness),
            species: population.species.iter().map(|s| (s.id, s.members.len())).collect(),
            mean_nodes: mean(|g| g.nodes().len()),
            mean_connections: mean(|g| g.connections().len()),
        }
    }
}

/// The mean of those that have a fitness. Where the sum overflows, each is divided before it is
/// added.
fn mean_of(fitness: &[Option<f64>]) -> f64 {
    let known = || fitness.iter().flatten();
    let count = known().count() as f64;
    let mean = known().sum::<f64>() / count;
    if mean.is_finite() {
        return mean;
    }
    known().map(|fitness| fitness / count).sum::<f64>().clamp(f64::MIN, f64::MAX)
}

pub(crate) fn holds(genotypes: &[Arc<Genotype>], wanted: &Arc<Genotype>) -> bool {
    genotypes.iter().any(|g| Arc::ptr_eq(g, wanted) || g == wanted)
}

impl Population {
    pub(crate) fn tuned(&self, at: u32) -> &Arc<Genotype> {
        self.tuned[at as usize].as_ref().unwrap_or(&self.genotypes[at as usize])
    }

    pub(crate) fn birth(&self, at: u32) -> Birth {
        let birth = &self.births[at as usize];
        let tuned = if self.tuned[at as usize].is_some() {
            Operators::TUNING
        } else {
            Operators::default()
        };
        Birth { operators: birth.operators.and(tuned), ..birth.clone() }
    }

    /// Only those that are still here can contend again.
    pub(crate) fn prune_tried(&mut self) {
        let here: Vec<Arc<Genotype>> =
            (0..self.genotypes.len() as u32).map(|at| Arc::clone(self.tuned(at))).collect();
        self.tried.retain(|tried| holds(&here, tried));
    }
}
