//! The memetic stage: before a generation is selected from, the weights of its fittest newcomers are tuned within
//! a budget of evaluations.
//!
//! It goes in rounds. In the first each genotype asks for its own score, in those that follow each that is tuned asks
//! for those of some candidates. So all candidates of a round can be evaluated at once and anywhere, and the
//! result does not depend on who evaluates how many of them when.

mod cma_es;
mod covariance;
mod hill_climbing;

pub use cma_es::CmaEs;
pub use hill_climbing::{HillClimbing, Tunable};

use crate::genotype::Genotype;
use crate::innovation::ConnectionId;
use crate::neuron::Neuron;
use crate::parameters::{Parameters, Tuner};
use crate::rng::{Purpose, Stream};
use crate::task::Score;
use rayon::prelude::*;
use std::sync::Arc;

/// A generation that is being tuned.
#[derive(Clone, Debug)]
pub struct Tuning {
    parameters: Arc<Parameters>,
    searches: Vec<Search>,
    evaluations: u64,
}

/// A genotype with the best weights that were found, and their score.
#[derive(Clone, Debug)]
pub struct Tuned {
    pub genotype: Arc<Genotype>,
    pub score: Score,
}

#[derive(Clone, Debug)]
struct Search {
    rng: Stream,
    ages: Ages,
    best: Tuned,
    /// Whether the last round brought a new best.
    improved: bool,
    method: Option<Method>,
    asked: Vec<Arc<Genotype>>,
    /// Evaluations so far, and since the last improvement.
    spent: usize,
    vain: usize,
}

#[derive(Clone, Debug)]
enum Method {
    HillClimbing(HillClimbing),
    CmaEs(CmaEs),
}

/// Searches that are worth another thread: a step of one takes some 10 µs.
const GRAIN: usize = 16;

impl Tuning {
    /// `ages` may be empty: all nodes count as new then.
    pub(crate) fn new<'a>(
        newcomers: impl Iterator<Item = (&'a Arc<Genotype>, &'a Ages)>,
        parameters: &Arc<Parameters>,
        seed: u64,
        generation: u64,
    ) -> Tuning {
        let search = |(index, (genotype, ages)): (u64, (&Arc<Genotype>, &Ages))| Search {
            rng: Stream::new(seed, Purpose::Tuning, generation, index),
            ages: ages.clone(),
            best: Tuned { genotype: Arc::clone(genotype), score: Score::from(f64::NEG_INFINITY) },
            improved: false,
            method: None,
            asked: vec![Arc::clone(genotype)],
            spent: 0,
            vain: 0,
        };
        let searches = (0..).zip(newcomers).map(search).collect();
        Tuning { parameters: Arc::clone(parameters), searches, evaluations: 0 }
    }

    /// What is to be evaluated in this round; nothing when the generation has been tuned.
    pub fn candidates(&self) -> Vec<Arc<Genotype>> {
        self.searches.iter().flat_map(|search| search.asked.iter().cloned()).collect()
    }

    /// Whether these are scores for the candidates of this round: as many, of finite numbers.
    pub fn expects(&self, scores: &[Score]) -> bool {
        let asked: usize = self.searches.iter().map(|search| search.asked.len()).sum();
        scores.len() == asked && scores.iter().all(Score::is_sound)
    }

    /// Takes the score of each candidate of this round, in their order; the next round begins.
    ///
    /// # Panics
    /// If they are not as many as the candidates.
    pub fn tell(&mut self, scores: Vec<Score>) {
        let first = self.evaluations == 0;
        self.evaluations += scores.len() as u64;
        let mut scores = scores.into_iter();
        let mut shares = Vec::with_capacity(self.searches.len());
        for search in &self.searches {
            shares.push(scores.by_ref().take(search.asked.len()).collect::<Vec<Score>>());
            assert_eq!(shares.last().map(Vec::len), Some(search.asked.len()), "a score for each candidate");
        }
        assert_eq!(scores.len(), 0, "a score for each candidate and no more");
        self.searches.iter_mut().zip(shares).for_each(|(search, share)| search.tell(share));
        if first {
            self.begin();
        }
        let p = &*self.parameters;
        self.searches.par_iter_mut().with_min_len(GRAIN).for_each(|search| search.ask(p));
    }

    /// Gives the fittest a method.
    fn begin(&mut self) {
        let p = &*self.parameters;
        let mut order: Vec<&mut Search> = self.searches.iter_mut().collect();
        order.sort_by(|a, b| b.best.score.fitness.total_cmp(&a.best.score.fitness));
        let share = (order.len() as f32 * p.tuning_share).ceil() as usize;
        order
            .into_iter()
            .take(share)
            .for_each(|search| search.method = Method::new(&search.best, &search.ages, p));
    }

    /// The fittest of those that the last round improved.
    pub fn improved(&self) -> Option<usize> {
        let fitness = |at: usize| self.searches[at].best.score.fitness;
        let improved = (0..self.searches.len()).filter(|&at| self.searches[at].improved);
        improved.reduce(|a, b| if fitness(b) > fitness(a) { b } else { a })
    }

    pub fn best(&self, at: usize) -> &Tuned {
        &self.searches[at].best
    }

    /// What became of each genotype, and how many evaluations that took.
    pub(crate) fn finish(self) -> (Vec<Tuned>, u64) {
        (self.searches.into_iter().map(|search| search.best).collect(), self.evaluations)
    }
}

impl Search {
    fn tell(&mut self, scores: Vec<Score>) {
        self.spent += scores.len();
        self.vain += scores.len();
        self.improved = false;
        let asked = std::mem::take(&mut self.asked);
        if let Some(method) = self.method.as_mut().filter(|_| !asked.is_empty()) {
            method.tell(&scores.iter().map(|score| score.fitness).collect::<Vec<f64>>());
        }
        for (genotype, score) in asked.into_iter().zip(scores) {
            if score.fitness > self.best.score.fitness {
                self.best = Tuned { genotype, score };
                self.improved = true;
                self.vain = 0;
            }
        }
    }

    fn ask(&mut self, p: &Parameters) {
        if self.vain >= p.tuning_patience as usize {
            self.method = None;
        }
        let Some(method) = &mut self.method else { return };
        let points = method.ask(&mut self.rng);
        if self.spent + points.len() > p.tuning_budget as usize {
            self.method = None;
            return;
        }
        let genotype = &self.best.genotype;
        self.asked = points.iter().map(|point| Arc::new(with_weights(genotype, point, p))).collect();
    }
}

impl Method {
    /// `None` where nothing is to be tuned.
    fn new(start: &Tuned, ages: &Ages, p: &Parameters) -> Option<Method> {
        let point = weights(&start.genotype, p);
        if point.is_empty() {
            return None;
        }
        match p.tuning {
            Tuner::None => None,
            Tuner::HillClimbing => {
                let nodes = tunable(&start.genotype, ages, p);
                Some(Method::HillClimbing(HillClimbing::new(point, start.score.fitness, nodes, p)))
            }
            Tuner::CmaEs => Some(Method::CmaEs(CmaEs::new(&point, p.tuning_step, false))),
            Tuner::SepCmaEs => Some(Method::CmaEs(CmaEs::new(&point, p.tuning_step, true))),
        }
    }

    fn ask(&mut self, rng: &mut Stream) -> Vec<Vec<f32>> {
        match self {
            Method::HillClimbing(climb) => vec![climb.ask(rng)],
            Method::CmaEs(es) => es.ask(rng),
        }
    }

    fn tell(&mut self, fitness: &[f64]) {
        match self {
            Method::HillClimbing(climb) => climb.tell(fitness[0]),
            Method::CmaEs(es) => es.tell(fitness),
        }
    }
}

/// Whether biases are tuned: where they evolve at all.
fn with_biases(p: &Parameters) -> bool {
    p.perturb_biases > 0.0
}

/// The weights of the enabled connections, in their order, and then the biases, if these are tuned.
fn weights(g: &Genotype, p: &Parameters) -> Vec<f32> {
    let links = g.weights.iter().zip(&g.enabled).filter(|(_, enabled)| **enabled).map(|(weight, _)| *weight);
    let biases = g.neurons.iter().filter(|_| with_biases(p)).map(|neuron| neuron.bias);
    links.chain(biases).collect()
}

/// The genotype with these weights, each within `weight_limit`.
fn with_weights(g: &Genotype, point: &[f32], p: &Parameters) -> Genotype {
    let mut tuned = g.clone();
    let links = tuned.weights.iter_mut().zip(&tuned.enabled).filter(|(_, enabled)| **enabled);
    let genes =
        links.map(|(weight, _)| weight).chain(tuned.neurons.iter_mut().map(|neuron| &mut neuron.bias));
    genes.zip(point).for_each(|(gene, &value)| *gene = p.clamp(value));
    tuned
}

/// The nodes that have weights, with the places of these among all that are tuned.
fn tunable(g: &Genotype, ages: &Ages, p: &Parameters) -> Vec<Tunable> {
    let age = |at: usize| ages.get(at).copied().unwrap_or(0);
    let mut nodes: Vec<Tunable> =
        (0..g.neurons.len()).map(|at| Tunable { age: age(at), weights: Vec::new() }).collect();
    let targets = g.topology.ends.iter().zip(&g.enabled).filter(|(_, enabled)| **enabled);
    let targets = targets.map(|(ends, _)| (ends.to - g.inputs()) as usize);
    let biased = (0..g.neurons.len()).filter(|_| with_biases(p));
    targets.chain(biased).enumerate().for_each(|(place, node)| nodes[node].weights.push(place));
    nodes.retain(|node| !node.weights.is_empty());
    nodes
}

/// Of each node but the inputs, in their order, how many generations of breeding ago it last changed; hill climbing
/// wants to know. They are no genes: equal genotypes are equal however they came about.
pub type Ages = Vec<u32>;

/// The ages of a child's nodes: 0 where its kind or which enabled connections lead into it is not as in the
/// parent, else one more than there.
pub(crate) fn ages(child: &Genotype, parent: &Genotype, of_parent: &Ages) -> Ages {
    let index = parent.topology.index();
    let (sources, of_sources) = (sources(child), sources(parent));
    let kind = |n: &Neuron| (n.activation, n.aggregation, n.dynamics, n.plasticity);
    let age = |at: usize| {
        let id = child.topology.places[at + child.inputs() as usize].id;
        let before = (index.position(id)? - parent.inputs()) as usize;
        let same =
            kind(&child.neurons[at]) == kind(&parent.neurons[before]) && sources[at] == of_sources[before];
        same.then(|| of_parent.get(before).map_or(1, |age| age.saturating_add(1)))
    };
    (0..child.neurons.len()).map(|at| age(at).unwrap_or(0)).collect()
}

/// Of each node but the inputs, the enabled connections into it.
fn sources(g: &Genotype) -> Vec<Vec<ConnectionId>> {
    let mut sources = vec![Vec::new(); g.neurons.len()];
    let t = &g.topology;
    for ((ends, id), _) in t.ends.iter().zip(&t.ids).zip(&g.enabled).filter(|(_, enabled)| **enabled) {
        sources[(ends.to - g.inputs()) as usize].push(*id);
    }
    sources
}
