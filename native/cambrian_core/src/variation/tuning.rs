//! Memetic tuning: before selection, the weights of the fittest new genotypes are tuned within a
//! budget of evaluations.
//!
//! Tuning works in rounds. In the first round each genotype requests its own score. In later
//! rounds, each tuned genotype requests the scores of some candidates. All candidates of a round
//! can be evaluated at the same time on any node, so the result does not depend on the order of
//! evaluations.

mod cma_es;
mod covariance;
pub(crate) mod rates;
mod hill_climbing;
mod lbfgs;
mod minibatch;

pub use cma_es::CmaEs;
pub use hill_climbing::{HillClimbing, Tunable};
pub use lbfgs::Lbfgs;
pub use minibatch::Minibatch;

use crate::base::cancel::{CancelToken, Cancelled};
use crate::base::choice::Choice;
use crate::base::math::Activation;
use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::innovation::ConnectionId;
use crate::genome::neuron::Neuron;
use crate::genome::parameters::{ParameterError, Parameters, Tuner};
use crate::phenotype::gradient::{Differentiable, Reverse};
use crate::task::{Outcome, Score};
use rayon::prelude::*;
use std::sync::Arc;

/// A generation during its evaluation and tuning.
#[derive(Clone, Debug)]
pub struct Tuning {
    parameters: Arc<Parameters>,
    seed: u64,
    generation: u64,
    /// Each newcomer with its outcome, once it is known, and its ages.
    newcomers: Vec<(Newcomer, Ages)>,
    /// The searches of the tuned newcomers, from the second round on.
    searches: Option<Vec<Search>>,
    /// The fittest newcomer that the last round improved.
    improved: Option<usize>,
    tally: Tally,
    is_incomplete: bool,
}

/// A genotype with the outcome of its evaluation; `Skipped` until then.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub genotype: Arc<Genotype>,
    pub outcome: Outcome,
}

/// How many evaluations were made, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub evaluations: u64,
    pub failures: u64,
}

impl Tally {
    fn count(&mut self, outcomes: &[Outcome]) {
        let count =
            |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|one| wanted(one)).count() as u64;
        self.evaluations += count(|one| *one != Outcome::Skipped);
        self.failures += count(|one| *one == Outcome::Failed);
    }
}

/// A genotype with the best weights found so far, and their score.
#[derive(Clone, Debug)]
struct Tuned {
    genotype: Arc<Genotype>,
    score: Score,
}

/// The tuning of one newcomer.
#[derive(Clone, Debug)]
struct Search {
    newcomer: usize,
    rng: Stream,
    best: Tuned,
    method: Method,
    /// The genotypes that wait for a score; empty when the tuning has ended.
    asked: Vec<Arc<Genotype>>,
    /// Evaluations so far, and since the last improvement.
    spent: usize,
    since_improved: usize,
}

#[derive(Clone, Debug)]
enum Method {
    HillClimbing(HillClimbing),
    CmaEs(CmaEs),
    Minibatch(Minibatch),
    Lbfgs(Lbfgs),
}

/// What tuning by gradients needs: the rows to learn, how strongly weights are pulled to 0, and who
/// may stop it.
#[derive(Clone, Copy)]
pub struct Slope<'a> {
    pub data: &'a dyn Differentiable,
    pub decay: f32,
    pub token: &'a dyn CancelToken,
}

impl Slope<'_> {
    /// The mean loss of these rows at a point, and decay / 2 times the sum of the squared weights
    /// (without biases); with the gradient of both.
    fn gradient(
        &self,
        reverse: &Reverse,
        point: &[f32],
        rows: &[usize],
    ) -> Result<(f64, Vec<f32>), Cancelled> {
        let (mut loss, mut gradient) = reverse.gradient(point, self.data, rows, self.token)?;
        for (weight, slope) in point[..reverse.weights()].iter().zip(&mut gradient) {
            loss += 0.5 * f64::from(self.decay) * f64::from(*weight) * f64::from(*weight);
            *slope += self.decay * weight;
        }
        Ok((loss, gradient))
    }
}

/// Whether the parameters can tune on a task, which has gradients or not.
///
/// # Errors
/// Tuning by gradients without gradients, or of activations that are flat.
pub fn check(p: &Parameters, has_gradients: bool) -> Result<(), ParameterError> {
    if !p.tuning.is_by_gradient() {
        return Ok(());
    }
    let invalid = |name, expected| Err(ParameterError::Invalid { name, expected });
    if !has_gradients {
        let others = Tuner::ALL.iter().filter(|tuner| !tuner.is_by_gradient());
        let names = others.map(|tuner| tuner.name()).collect::<Vec<_>>().join(", ");
        return invalid("tuning", format!("one of {names}: only a dataset has gradients"));
    }
    let choices = if p.change_activation > 0.0 { &p.activations[..] } else { &[] };
    let used = [("activation", p.activation), ("output_activation", p.output_activation)];
    let all = used.into_iter().chain(choices.iter().map(|choice| ("activations", *choice)));
    match all.into_iter().find(|(_, activation)| activation.is_flat()) {
        Some((name, _)) => {
            let flat = Activation::flat_names();
            invalid(name, format!("other than {flat} with tuning by gradients: they are flat"))
        }
        None => Ok(()),
    }
}

/// The most weights for CMA-ES with a full covariance. The covariance of 500 weights takes 4 MB,
/// and half a second to decompose; the covariance of a million weights would take 16 TB.
pub(crate) const MAX_FULL_DIMENSION: usize = 500;

/// Estimates the bytes that tuning takes for each genotype of a generation, if all are similar to
/// `like`.
pub(crate) fn bytes(p: &Parameters, like: &Genotype) -> usize {
    let weights = like.connections().len() + like.nodes().len();
    let own = match p.tuning {
        Tuner::None => return 0,
        Tuner::HillClimbing => 16 * weights,
        // moments and lanes; the past of L-BFGS
        Tuner::Adam => 128 * weights,
        Tuner::Lbfgs => 320 * weights,
        Tuner::SepCmaEs => (64 + 12 * LAMBDA) * weights,
        Tuner::CmaEs => (64 + 12 * LAMBDA) * weights + 16 * weights.min(MAX_FULL_DIMENSION).pow(2),
    };
    (f64::from(p.tuning_share) * (own + LAMBDA * like.bytes()) as f64) as usize
}

/// The number of points that CMA-ES requests at once for the largest genotypes.
const LAMBDA: usize = 45;

/// How many searches are worth another thread: a step of one takes some 10 µs.
const GRAIN: usize = 16;

impl Tuning {
    /// Ages may be empty: then all nodes count as new.
    pub(crate) fn new<'a>(
        newcomers: impl Iterator<Item = (&'a Arc<Genotype>, &'a Ages)>,
        parameters: &Arc<Parameters>,
        seed: u64,
        generation: u64,
    ) -> Tuning {
        let unknown =
            |genotype| Newcomer { genotype: Arc::clone(genotype), outcome: Outcome::Skipped };
        let mut all = Vec::with_capacity(parameters.population as usize);
        all.extend(newcomers.map(|(genotype, ages)| (unknown(genotype), ages.clone())));
        let parameters = Arc::clone(parameters);
        Tuning {
            parameters,
            seed,
            generation,
            newcomers: all,
            searches: None,
            improved: None,
            tally: Tally::default(),
            is_incomplete: false,
        }
    }

    /// The genotypes to evaluate in this round; empty when all rounds are done.
    pub fn candidates(&self) -> Vec<Arc<Genotype>> {
        match &self.searches {
            None => {
                self.newcomers.iter().map(|(newcomer, _)| Arc::clone(&newcomer.genotype)).collect()
            }
            Some(searches) => {
                searches.iter().flat_map(|search| search.asked.iter().cloned()).collect()
            }
        }
    }

    /// Whether these are outcomes for the candidates of this round: as many, with finite numbers.
    pub fn expects(&self, outcomes: &[Outcome]) -> bool {
        let asked = match &self.searches {
            None => self.newcomers.len(),
            Some(searches) => searches.iter().map(|search| search.asked.len()).sum(),
        };
        outcomes.len() == asked && outcomes.iter().filter_map(Outcome::score).all(Score::is_sound)
    }

    /// Whether the outcome of every new genotype is known, tuned or not.
    pub fn is_told(&self) -> bool {
        self.searches.is_some() || self.newcomers.is_empty()
    }

    /// Takes the outcome of each candidate of this round, in their order, and begins the next
    /// round. Tuning by gradients ends here: see [`tell_with`](Tuning::tell_with).
    ///
    /// # Panics
    /// If [`expects`](Tuning::expects) returns false for the outcomes.
    pub fn tell(&mut self, outcomes: Vec<Outcome>) {
        self.tell_with(outcomes, None);
    }

    /// [`tell`](Tuning::tell), with the gradients of the task if it has some.
    ///
    /// # Panics
    /// As that.
    pub fn tell_with(&mut self, outcomes: Vec<Outcome>, slope: Option<Slope>) {
        assert!(self.expects(&outcomes), "an outcome for each candidate and no more");
        self.tally.count(&outcomes);
        self.is_incomplete |= outcomes.contains(&Outcome::Skipped);
        let p = Arc::clone(&self.parameters);
        let fitter = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
        let Some(searches) = &mut self.searches else {
            let known = outcomes
                .iter()
                .enumerate()
                .filter_map(|(at, outcome)| Some((at, outcome.fitness()?)));
            self.improved = known.reduce(fitter).map(|best| best.0);
            let told = self.newcomers.iter_mut().zip(outcomes);
            told.for_each(|((newcomer, _), outcome)| newcomer.outcome = outcome);
            self.searches = Some(self.begin(slope));
            return;
        };
        let mut outcomes = outcomes.into_iter();
        let shares: Vec<Vec<Outcome>> = searches
            .iter()
            .map(|search| outcomes.by_ref().take(search.asked.len()).collect())
            .collect();
        let tell = |(search, share): (&mut Search, Vec<Outcome>)| {
            search.tell(share, &p, slope).then_some((search.newcomer, search.best.score.fitness))
        };
        let improved: Vec<Option<(usize, f64)>> =
            searches.par_iter_mut().zip(shares).with_min_len(GRAIN).map(tell).collect();
        self.improved = improved.into_iter().flatten().reduce(fitter).map(|best| best.0);
    }

    /// Searches from the fittest newcomers, which already have requests.
    fn begin(&self, slope: Option<Slope>) -> Vec<Search> {
        let p = &*self.parameters;
        if p.tuning == Tuner::None {
            return Vec::new();
        }
        let known = |at: usize| self.newcomers[at].0.outcome.fitness().map(|fitness| (at, fitness));
        let mut order: Vec<(usize, f64)> = (0..self.newcomers.len()).filter_map(known).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        order.truncate((order.len() as f32 * p.tuning_share).ceil().max(1.0) as usize);
        let search = |(newcomer, _): (usize, f64)| {
            let ages = &self.newcomers[newcomer].1;
            let start = self.scored(newcomer)?;
            let mut search = Search {
                newcomer,
                rng: Stream::new(self.seed, Purpose::Tuning, self.generation, newcomer as u64),
                method: Method::new(&start, ages, p)?,
                best: start,
                asked: Vec::new(),
                spent: 1,
                since_improved: 0,
            };
            search.ask(p, slope);
            Some(search)
        };
        order.into_par_iter().filter_map(search).collect()
    }

    /// The fittest newcomer that the last round improved (in the first round all count), as an
    /// index among the newcomers.
    pub fn improved(&self) -> Option<usize> {
        self.improved
    }

    /// A newcomer with its own score, if it has one.
    fn scored(&self, newcomer: usize) -> Option<Tuned> {
        let Newcomer { genotype, outcome } = &self.newcomers[newcomer].0;
        Some(Tuned { genotype: Arc::clone(genotype), score: outcome.score()?.clone() })
    }

    /// The best weights found so far for a newcomer, in its genotype; its own weights if none are
    /// better.
    pub fn best(&self, newcomer: usize) -> &Arc<Genotype> {
        let found = self.searches.iter().flatten().find(|search| search.newcomer == newcomer);
        found.map_or(&self.newcomers[newcomer].0.genotype, |search| &search.best.genotype)
    }

    /// Records that a limit ended the round early.
    pub(crate) fn mark_incomplete(&mut self) {
        self.is_incomplete = true;
    }

    /// Whether a limit left some candidates without an outcome.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// The evaluations so far in this generation.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The outcome of each new genotype, and the number of evaluations.
    pub(crate) fn finish(self) -> (Vec<Newcomer>, Tally) {
        let mut newcomers: Vec<Newcomer> =
            self.newcomers.into_iter().map(|(newcomer, _)| newcomer).collect();
        for Search { newcomer, best, .. } in self.searches.into_iter().flatten() {
            newcomers[newcomer] =
                Newcomer { genotype: best.genotype, outcome: Outcome::Scored(best.score) };
        }
        (newcomers, self.tally)
    }
}

impl Search {
    /// Takes the outcomes of its requests, if it had any, and makes new requests. Returns whether
    /// there is a new best. Both methods use ranks, in which failed candidates are last.
    fn tell(&mut self, outcomes: Vec<Outcome>, p: &Parameters, slope: Option<Slope>) -> bool {
        if outcomes.is_empty() {
            return false;
        }
        let asked = std::mem::take(&mut self.asked);
        self.spent += outcomes.len();
        self.since_improved += outcomes.len();
        let rank = |outcome: &Outcome| outcome.fitness().unwrap_or(f64::NEG_INFINITY);
        self.method.tell(&outcomes.iter().map(rank).collect::<Vec<f64>>());
        for (genotype, outcome) in asked.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Scored(score) if score.fitness > self.best.score.fitness => {
                    self.best = Tuned { genotype, score };
                    self.since_improved = 0;
                }
                _ => {}
            }
        }
        self.ask(p, slope);
        self.since_improved == 0
    }

    fn ask(&mut self, p: &Parameters, slope: Option<Slope>) {
        if self.since_improved >= p.tuning_patience as usize {
            return;
        }
        // who is stopped asks for something all the same: the round itself ends as cancelled
        let here = || weights(&self.best.genotype, p);
        let points = match (&mut self.method, slope) {
            (Method::HillClimbing(climb), _) => vec![climb.ask(&mut self.rng)],
            (Method::CmaEs(es), _) => es.ask(&mut self.rng),
            (Method::Minibatch(_) | Method::Lbfgs(_), None) => Vec::new(),
            (Method::Minibatch(passes), Some(slope)) => {
                let reverse = Reverse::new(&self.best.genotype, with_biases(p));
                vec![passes.pass(&reverse, slope, &mut self.rng).unwrap_or_else(|_| here())]
            }
            (Method::Lbfgs(lbfgs), Some(slope)) => {
                let reverse = Reverse::new(&self.best.genotype, with_biases(p));
                lbfgs.step(&reverse, slope).unwrap_or_else(|_| Some(here())).into_iter().collect()
            }
        };
        if points.is_empty() {
            return;
        }
        if self.spent + points.len() <= p.tuning_budget as usize {
            let genotype = &self.best.genotype;
            self.asked =
                points.iter().map(|point| Arc::new(with_weights(genotype, point, p))).collect();
        }
    }
}

impl Method {
    /// `None` if there is nothing to tune.
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
            Tuner::CmaEs => {
                let separable = point.len() > MAX_FULL_DIMENSION;
                Some(Method::CmaEs(CmaEs::new(&point, p.tuning_step, separable)))
            }
            Tuner::SepCmaEs => Some(Method::CmaEs(CmaEs::new(&point, p.tuning_step, true))),
            Tuner::Adam => {
                let (rate, batch) = (p.tuning_rate, p.tuning_batch as usize);
                Some(Method::Minibatch(Minibatch::new(point, rate, batch, p.weight_limit)))
            }
            Tuner::Lbfgs => Some(Method::Lbfgs(Lbfgs::new(point, p.weight_limit))),
        }
    }

    fn tell(&mut self, fitness: &[f64]) {
        match self {
            Method::HillClimbing(climb) => climb.tell(fitness[0]),
            Method::CmaEs(es) => es.tell(fitness),
            // they follow the gradient, whatever the score
            Method::Minibatch(_) | Method::Lbfgs(_) => {}
        }
    }
}

/// Whether biases are tuned: only if they evolve at all.
fn with_biases(p: &Parameters) -> bool {
    p.perturb_biases > 0.0
}

/// The weights of the enabled connections, in their order, then the biases, if they are tuned.
pub(crate) fn weights(g: &Genotype, p: &Parameters) -> Vec<f32> {
    let links = g
        .weights
        .iter()
        .zip(&g.enabled)
        .filter(|(_, enabled)| **enabled)
        .map(|(weight, _)| *weight);
    let biases = g.neurons.iter().filter(|_| with_biases(p)).map(|neuron| neuron.bias);
    links.chain(biases).collect()
}

/// The genotype with these weights, each limited to `weight_limit`.
pub(crate) fn with_weights(g: &Genotype, point: &[f32], p: &Parameters) -> Genotype {
    let mut tuned = g.clone();
    let mut point = point.iter();
    let links = tuned.weights.iter_mut().zip(&tuned.enabled).filter(|(_, enabled)| **enabled);
    links.zip(&mut point).for_each(|((weight, _), value)| *weight = p.clamp(*value));
    if point.len() > 0 {
        let neurons = Arc::make_mut(&mut tuned.neurons).iter_mut();
        neurons.zip(point).for_each(|(neuron, value)| neuron.bias = p.clamp(*value));
    }
    tuned
}

/// The nodes with weights, and the positions of their weights among all tuned weights.
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

/// For each node except inputs, in their order, the number of generations since it last changed,
/// for hill climbing. Ages are not genes: genotypes with the same genes are equal, whatever their
/// ages.
pub type Ages = Vec<u32>;

/// The ages of a child's nodes: 0 if the node's kind or its incoming enabled connections differ
/// from the parent's, else the parent's age plus one.
pub(crate) fn ages(child: &Genotype, parent: &Genotype, of_parent: &Ages) -> Ages {
    let index = parent.topology.index();
    let (sources, of_sources) = (sources(child), sources(parent));
    let kind = |n: &Neuron| (n.activation, n.aggregation, n.dynamics, n.plasticity);
    let age = |at: usize| {
        let id = child.topology.places[at + child.inputs() as usize].id;
        let before = (index.position(id)? - parent.inputs()) as usize;
        let same = kind(&child.neurons[at]) == kind(&parent.neurons[before])
            && sources[at] == of_sources[before];
        same.then(|| of_parent.get(before).map_or(1, |age| age.saturating_add(1)))
    };
    (0..child.neurons.len()).map(|at| age(at).unwrap_or(0)).collect()
}

/// For each node except inputs, its incoming enabled connections.
fn sources(g: &Genotype) -> Vec<Vec<ConnectionId>> {
    let mut sources = vec![Vec::new(); g.neurons.len()];
    let t = &g.topology;
    for ((ends, id), _) in
        t.ends.iter().zip(&t.ids).zip(&g.enabled).filter(|(_, enabled)| **enabled)
    {
        sources[(ends.to - g.inputs()) as usize].push(*id);
    }
    sources
}
