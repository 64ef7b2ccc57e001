//! Random hill climbing on the weights of chosen nodes, as in DXNN (Sher 2013, *Handbook of Neuroevolution
//! Through Erlang*, chapters 7 and 15).

use crate::parameters::Parameters;
use crate::parameters::TuningSelection;
use crate::rng::Stream;
use std::f32::consts::PI;

impl TuningSelection {
    /// The greatest age that is chosen.
    fn limit(self, rng: &mut Stream) -> f32 {
        match self {
            TuningSelection::Dynamic | TuningSelection::DynamicRandom => (1.0 / (1.0 - rng.unit())).sqrt(),
            TuningSelection::Active | TuningSelection::ActiveRandom => 3.0,
            TuningSelection::Current | TuningSelection::CurrentRandom => 0.0,
            TuningSelection::All | TuningSelection::AllRandom => f32::INFINITY,
        }
    }

    fn is_random(self) -> bool {
        use TuningSelection::*;
        matches!(self, DynamicRandom | ActiveRandom | CurrentRandom | AllRandom)
    }
}

/// A node with weights to tune.
#[derive(Clone, Debug)]
pub struct Tunable {
    pub age: u32,
    /// Where its weights stand in the point.
    pub weights: Vec<usize>,
}

/// The best point so far and the one that is being tried.
#[derive(Clone, Debug)]
pub struct HillClimbing {
    best: Vec<f32>,
    tried: Vec<f32>,
    fitness: f64,
    nodes: Vec<Tunable>,
    selection: TuningSelection,
    range: f32,
    annealing: f32,
}

impl HillClimbing {
    /// Starts at a point of this fitness; `nodes` must not be empty.
    pub fn new(start: Vec<f32>, fitness: f64, nodes: Vec<Tunable>, p: &Parameters) -> HillClimbing {
        let Parameters {
            tuning_selection: selection, tuning_step: range, tuning_annealing: annealing, ..
        } = *p;
        HillClimbing { tried: start.clone(), best: start, fitness, nodes, selection, range, annealing }
    }

    /// A point: of each chosen node, each weight has moved with probability 1/√(how many it has), evenly by up to
    /// `tuning_step` · π · `tuning_annealing`^age.
    pub fn ask(&mut self, rng: &mut Stream) -> Vec<f32> {
        let mut point = self.best.clone();
        for node in self.chosen(rng) {
            let spread = self.range * PI * libm::powf(self.annealing, node.age as f32);
            for &at in some(&node.weights, rng) {
                point[at] += spread * (2.0 * rng.unit() - 1.0);
            }
        }
        self.tried.clone_from(&point);
        point
    }

    /// Goes on from the point that was asked for if it is better.
    pub fn tell(&mut self, fitness: f64) {
        if fitness > self.fitness {
            self.fitness = fitness;
            self.best.clone_from(&self.tried);
        }
    }

    fn chosen(&self, rng: &mut Stream) -> Vec<&Tunable> {
        let limit = self.selection.limit(rng);
        let pool: Vec<&Tunable> = self.nodes.iter().filter(|node| node.age as f32 <= limit).collect();
        let youngest = || self.nodes.iter().min_by_key(|node| node.age).into_iter().collect();
        let pool = if pool.is_empty() { youngest() } else { pool };
        if self.selection.is_random() { some(&pool, rng).into_iter().copied().collect() } else { pool }
    }
}

/// Each with probability 1/√(how many they are), but at least one.
fn some<'a, T>(items: &'a [T], rng: &mut Stream) -> Vec<&'a T> {
    let share = 1.0 / (items.len() as f32).sqrt();
    let picked: Vec<&T> = items.iter().filter(|_| rng.chance(share)).collect();
    if picked.is_empty() { rng.pick(items).into_iter().collect() } else { picked }
}
