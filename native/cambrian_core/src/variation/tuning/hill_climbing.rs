//! Random hill climbing on the weights of chosen nodes, as in DXNN (Sher 2013, *Handbook of
//! Neuroevolution Through Erlang*, chapters 7 and 15).

use crate::base::rng::Stream;
use crate::genome::parameters::Parameters;
use crate::genome::parameters::TuningSelection;
use std::f32::consts::PI;

impl TuningSelection {
    /// The greatest age that is chosen.
    fn limit(self, rng: &mut Stream) -> f32 {
        match self {
            TuningSelection::Dynamic | TuningSelection::DynamicRandom => {
                (1.0 / (1.0 - rng.unit())).sqrt()
            }
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
    /// The positions of its weights in the point.
    pub weights: Vec<usize>,
}

/// The best point so far, and the point that is being tried.
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
            tuning_selection: selection,
            tuning_step: range,
            tuning_annealing: annealing,
            ..
        } = *p;
        HillClimbing {
            tried: start.clone(),
            best: start,
            fitness,
            nodes,
            selection,
            range,
            annealing,
        }
    }

    /// Makes a point: each weight of each chosen node moves with probability 1/√(number of the
    /// node's weights), uniformly by up to `tuning_step` · π · `tuning_annealing`^age.
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

    /// Continues from the requested point if it is better.
    pub fn tell(&mut self, fitness: f64) {
        if fitness > self.fitness {
            self.fitness = fitness;
            self.best.clone_from(&self.tried);
        }
    }

    fn chosen(&self, rng: &mut Stream) -> Vec<&Tunable> {
        let limit = self.selection.limit(rng);
        let pool: Vec<&Tunable> =
            self.nodes.iter().filter(|node| node.age as f32 <= limit).collect();
        let youngest = || self.nodes.iter().min_by_key(|node| node.age).into_iter().collect();
        let pool = if pool.is_empty() { youngest() } else { pool };
        if self.selection.is_random() {
            some(&pool, rng).into_iter().copied().collect()
        } else {
            pool
        }
    }
}

/// Picks each item with probability 1/√(number of items), but at least one item.
fn some<'a, T>(items: &'a [T], rng: &mut Stream) -> Vec<&'a T> {
    let share = 1.0 / (items.len() as f32).sqrt();
    let picked: Vec<&T> = items.iter().filter(|_| rng.chance(share)).collect();
    if picked.is_empty() { rng.pick(items).into_iter().collect() } else { picked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Purpose;

    /// Four nodes with two weights each and the ages 0, 1, 3 and 4.
    fn climb(tuning_selection: TuningSelection, tuning_annealing: f32) -> HillClimbing {
        let nodes = [0, 1, 3, 4]
            .iter()
            .zip(0..)
            .map(|(&age, at)| Tunable { age, weights: vec![2 * at, 2 * at + 1] });
        let p = Parameters {
            tuning_selection,
            tuning_annealing,
            tuning_step: 1.0,
            ..Parameters::default()
        };
        HillClimbing::new(vec![0.0; 8], 0.0, nodes.collect(), &p)
    }

    /// For each node, the share of steps that change it.
    fn shares(selection: TuningSelection) -> [f64; 4] {
        let (mut climb, mut rng) = (climb(selection, 1.0), Stream::new(1, Purpose::Tuning, 0, 0));
        let mut changed = [0.0; 4];
        for _ in 0..20_000 {
            let point = climb.ask(&mut rng);
            for (count, weights) in changed.iter_mut().zip(point.chunks(2)) {
                *count +=
                    f64::from(u8::from(weights.iter().any(|weight| *weight != 0.0))) / 20_000.0;
            }
        }
        changed
    }

    #[test]
    fn each_selection_changes_the_nodes_of_its_rule() {
        // each of n nodes with 1/√n; if that picks none, one of them is changed
        let some = |n: i32| {
            let share = 1.0 / f64::from(n).sqrt();
            share + (1.0 - share).powi(n) / f64::from(n)
        };
        // the age limit √(1/u) is at least 1, and at least a with probability 1/a²
        let (three, four) = (1.0 / 9.0, 1.0 / 16.0);
        let dynamic = |two: f64, three_of: f64, four_of: f64| {
            (1.0 - three) * two + (three - four) * three_of + four * four_of
        };
        let young = dynamic(some(2), some(3), some(4));
        for (selection, expected) in [
            (TuningSelection::All, [1.0; 4]),
            (TuningSelection::AllRandom, [some(4); 4]),
            (TuningSelection::Active, [1.0, 1.0, 1.0, 0.0]),
            (TuningSelection::ActiveRandom, [some(3), some(3), some(3), 0.0]),
            (TuningSelection::Current, [1.0, 0.0, 0.0, 0.0]),
            (TuningSelection::CurrentRandom, [1.0, 0.0, 0.0, 0.0]),
            (TuningSelection::Dynamic, [1.0, 1.0, three, four]),
            (
                TuningSelection::DynamicRandom,
                [young, young, dynamic(0.0, some(3), some(4)), four * some(4)],
            ),
        ] {
            let seen = shares(selection);
            let near =
                seen.iter().zip(expected).all(|(seen, expected)| (seen - expected).abs() < 0.015);
            assert!(near, "{selection:?}: {seen:?}, expected {expected:?}");
        }
    }

    #[test]
    fn if_no_node_is_young_enough_the_youngest_changes() {
        let nodes =
            vec![Tunable { age: 9, weights: vec![0] }, Tunable { age: 7, weights: vec![1] }];
        let p = Parameters { tuning_selection: TuningSelection::Current, ..Parameters::default() };
        let mut climb = HillClimbing::new(vec![0.0; 2], 0.0, nodes, &p);
        let point = climb.ask(&mut Stream::new(1, Purpose::Tuning, 0, 0));
        assert!(point[0] == 0.0 && point[1] != 0.0, "{point:?}");
    }

    #[test]
    fn steps_are_uniform_and_shrink_with_age() {
        let (mut climb, mut rng) =
            (climb(TuningSelection::All, 0.5), Stream::new(2, Purpose::Tuning, 0, 0));
        let mut widest = [0.0f32; 4];
        for _ in 0..5_000 {
            for (widest, weights) in widest.iter_mut().zip(climb.ask(&mut rng).chunks(2)) {
                *widest = weights.iter().fold(*widest, |widest, weight| widest.max(weight.abs()));
            }
        }
        for (widest, age) in widest.into_iter().zip([0, 1, 3, 4]) {
            let bound = PI * 0.5f32.powi(age);
            assert!(widest <= bound && widest > 0.99 * bound, "age {age}: {widest} of {bound}");
        }
    }

    #[test]
    fn the_climb_continues_only_from_better_weights() {
        let (mut climb, mut rng) =
            (climb(TuningSelection::All, 1.0), Stream::new(3, Purpose::Tuning, 0, 0));
        climb.ask(&mut rng);
        climb.tell(0.0);
        assert_eq!(climb.best, [0.0; 8], "an equal is no better");
        let better = climb.ask(&mut rng);
        climb.tell(0.1);
        climb.ask(&mut rng);
        climb.tell(0.05);
        assert_eq!(climb.best, better);
    }
}
