//! Emitters that learn where to look: CMA-ME (Fontaine and others 2020, "Covariance matrix
//! adaptation for the rapid illumination of behavior space", the improvement emitter) and CMA-MAE
//! (Fontaine & Nikolaidis 2023, "Covariance matrix adaptation MAP-annealing").
//!
//! Each moves the weights of the elite that it started from. It ranks its points by how much they
//! improve the archive, and starts again from a random elite when they no longer do.

use super::bandit::{self, Tally};
use super::strategy::Strategy;
use super::{Member, Offspring};
use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Emitter, EmitterChoice, Parameters};
use crate::search::lineage::Birth;
use crate::variation::mutation::Operators;
use std::sync::Arc;

/// The most distributions of a run.
const MAX_DISTRIBUTIONS: usize = 256;

/// Who makes the genotype at a place of a generation: an emitter, its place in the list of all, and
/// if it learns, which of the run's distributions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Role {
    pub emitter: Emitter,
    pub nth: usize,
    pub distribution: Option<usize>,
}

/// A role for each place. The distributions of an emitter share its places evenly.
pub(crate) fn roles(p: &Parameters, tallies: &[Tally]) -> Vec<Role> {
    let mut roles = Vec::with_capacity(p.population as usize);
    let mut before = 0;
    for (nth, (&emitter, places)) in p.emitters.iter().zip(places(p, tallies)).enumerate() {
        let count = distributions_of(p, emitter, places);
        let distribution = |at: usize| (count > 0).then(|| before + at * count / places);
        let role = |at: usize| Role { emitter, nth, distribution: distribution(at) };
        roles.extend((0..places).map(role));
        before += distributions_of(p, emitter, most_places(p, nth));
    }
    roles
}

/// How many places each emitter has in a generation.
fn places(p: &Parameters, tallies: &[Tally]) -> Vec<usize> {
    match p.emitter_choice {
        EmitterChoice::Equal => (0..p.emitters.len()).map(|nth| equal_places(p, nth)).collect(),
        EmitterChoice::Bandit => bandit::places(tallies, p.population, p.emitter_batch),
    }
}

fn equal_places(p: &Parameters, nth: usize) -> usize {
    let (count, kinds) = (p.population as usize, p.emitters.len());
    count * (nth + 1) / kinds - count * nth / kinds
}

/// How many places an emitter can have in a generation.
fn most_places(p: &Parameters, nth: usize) -> usize {
    match p.emitter_choice {
        EmitterChoice::Equal => equal_places(p, nth),
        EmitterChoice::Bandit => p.population as usize,
    }
}

/// How many distributions share so many places of an emitter; none if it does not learn.
fn distributions_of(p: &Parameters, emitter: Emitter, places: usize) -> usize {
    let most = (MAX_DISTRIBUTIONS / p.emitters.len()).max(1);
    let learns = matches!(emitter, Emitter::CmaMe | Emitter::CmaMae);
    if learns && places > 0 { (places / p.emitter_batch as usize).clamp(1, most) } else { 0 }
}

/// How many distributions a run has.
pub(crate) fn distributions(p: &Parameters) -> usize {
    let of = |(nth, &emitter)| distributions_of(p, emitter, most_places(p, nth));
    p.emitters.iter().enumerate().map(of).sum()
}

/// How much a genotype improves the archive; later ones are better. What failed improves nothing.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Improvement {
    /// 2 in an empty cell, 1 where it beats an elite; CMA-ME prefers cells to fitness.
    pub kind: u8,
    pub fitness: f64,
}

impl Improvement {
    pub const NONE: Improvement = Improvement { kind: 0, fitness: f64::NEG_INFINITY };
}

/// A distribution of weights, around an elite when it started.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub from: Member,
    pub strategy: Strategy,
}

impl Distribution {
    /// `None` around a genotype without weights.
    pub fn new(from: Member, p: &Parameters) -> Option<Distribution> {
        let mean = point(&from.elite.genotype, p);
        let strategy = Strategy::new(mean, f64::from(p.emitter_step));
        (strategy.dimensions() > 0).then_some(Distribution { from, strategy })
    }

    /// From a checkpoint; `None` if the strategy is of another number of weights.
    pub fn restored(from: Member, strategy: Strategy, p: &Parameters) -> Option<Distribution> {
        let fits = strategy.dimensions() == point(&from.elite.genotype, p).len();
        (fits && strategy.is_sound()).then_some(Distribution { from, strategy })
    }

    pub fn offspring(&self, p: &Parameters, generation: u64, rng: &mut Stream) -> Offspring {
        let own = self.from.birth.own.clone();
        let birth = Birth {
            generation: generation + 1,
            operators: Operators::TUNING,
            parents: [own.as_ref().map(|own| own.id), None],
            parent: own,
            own: None,
        };
        let genotype = at(&self.from.elite.genotype, &self.strategy.draw(rng), p);
        let ancestry = self.from.ancestry.clone();
        Offspring { genotype: Arc::new(genotype), birth, ancestry }
    }

    /// Learns from its points, each with how much it improved the archive; false if it should
    /// start again.
    pub fn learn(
        &mut self,
        emitter: Emitter,
        mut points: Vec<(Improvement, &Genotype)>,
        p: &Parameters,
    ) -> bool {
        let own = &self.from.elite.genotype.topology;
        // a newcomer may have taken a place
        points.retain(|(_, genotype)| genotype.topology.ids == own.ids);
        let improves = points.iter().any(|(improvement, _)| improvement.kind > 0);
        let value = |improvement: &Improvement| improvement.fitness;
        let differ = points.iter().any(|(one, _)| value(one) != value(&points[0].0));
        if points.len() < 2 || emitter == Emitter::CmaMe && !improves || !differ {
            return false;
        }
        let better = |a: &Improvement, b: &Improvement| match emitter {
            Emitter::CmaMe => a.kind.cmp(&b.kind).then(a.fitness.total_cmp(&b.fitness)),
            _ => a.fitness.total_cmp(&b.fitness),
        };
        points.sort_by(|a, b| better(&b.0, &a.0));
        let ranked: Vec<Vec<f64>> = points.iter().map(|(_, one)| point(one, p)).collect();
        self.strategy.tell(&ranked);
        !self.strategy.is_exhausted()
    }
}

/// The numbers that a distribution moves: weights, and biases where mutation moves biases.
fn point(genotype: &Genotype, p: &Parameters) -> Vec<f64> {
    let biases = genotype.neurons.iter().filter(|_| p.perturb_biases > 0.0).map(|n| n.bias);
    genotype.weights.iter().copied().chain(biases).map(f64::from).collect()
}

/// The genotype with other such numbers.
fn at(genotype: &Genotype, point: &[f64], p: &Parameters) -> Genotype {
    let mut moved = genotype.clone();
    let number = |x: &f64| p.clamp(*x as f32);
    let (weights, biases) = point.split_at(moved.weights.len());
    moved.weights.iter_mut().zip(weights).for_each(|(weight, x)| *weight = number(x));
    if !biases.is_empty() {
        let neurons = moved.neurons_mut().iter_mut();
        neurons.zip(biases).for_each(|(neuron, x)| neuron.bias = number(x));
    }
    moved
}
