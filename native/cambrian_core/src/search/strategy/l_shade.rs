//! Differential evolution with a memory of settings that succeeded, and a population that shrinks:
//! L-SHADE (Tanabe & Fukunaga 2014, "Improving the search performance of SHADE using linear
//! population size reduction"), with the paper's settings.

use super::differential_evolution::cross;
use super::{Draws, Strategy, are_points, is_fitness};
use crate::base::math::elementary::{cos, sin};
use crate::base::rng::Stream;
use crate::genome::parameters::Parameters;
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// N_min, H, r_arc and p of the paper.
const FEWEST: usize = 4;
const MEMORY: usize = 6;
const ARCHIVE_RATE: f64 = 2.6;
const BEST_SHARE: f64 = 0.11;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LShade {
    /// At first, and the evaluations in which it shrinks.
    size: usize,
    budget: u64,
    evaluations: u64,
    /// The best first, once they are evaluated.
    members: Vec<Vec<f32>>,
    /// Empty until then.
    fitness: Vec<f64>,
    /// Members that were replaced by better ones.
    archive: Vec<Vec<f32>>,
    memory: Vec<Settings>,
    /// The part of the memory that is replaced next.
    oldest: usize,
}

/// The factor of a difference, and the share of numbers that get one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    weight: f32,
    /// `None` once only a share of 0 has succeeded: then it stays 0.
    crossover: Option<f32>,
}

/// Settings that made a member better, and by how much.
struct Success {
    weight: f64,
    crossover: f64,
    gain: f64,
}

impl LShade {
    /// Of four points or more.
    pub fn new(members: Vec<Vec<f32>>, p: &Parameters) -> LShade {
        LShade {
            size: members.len(),
            budget: u64::from(p.strategy_budget),
            evaluations: 0,
            members,
            fitness: Vec::new(),
            archive: Vec::new(),
            memory: vec![Settings { weight: 0.5, crossover: Some(0.5) }; MEMORY],
            oldest: 0,
        }
    }

    /// The settings for a point: a random part of the memory, varied.
    fn settings(&self, rng: &mut Stream) -> (f32, f32) {
        let Settings { weight, crossover } = self.memory[rng.below(MEMORY)];
        let crossover = match crossover {
            Some(centre) => (centre + 0.1 * rng.normal()).clamp(0.0, 1.0),
            None => 0.0,
        };
        loop {
            // Cauchy's distribution: the tangent of a random angle
            let angle = PI * (rng.unit() - 0.5);
            let weight = weight + 0.1 * (sin(angle) / cos(angle).max(f32::MIN_POSITIVE));
            if weight > 0.0 {
                return (weight.min(1.0), crossover);
            }
        }
    }

    /// How many members are left after so many evaluations.
    fn members_left(&self) -> usize {
        let done = (self.evaluations as f64 / self.budget as f64).min(1.0);
        let fewer = (self.size as f64 - FEWEST as f64) * done;
        (self.size as f64 - fewer).round() as usize
    }

    /// Takes in each point that is no worse than its member. Returns the successful settings.
    fn replace(&mut self, points: &[Vec<f32>], fitness: &[f64], draws: Draws) -> Vec<Success> {
        let mut successes = Vec::new();
        let settings: Vec<(f32, f32)> =
            (0..points.len()).map(|place| self.settings(&mut draws.of(place))).collect();
        let members = self.members.iter_mut().zip(&mut self.fitness);
        for ((member, own), (at, point)) in members.zip(points.iter().enumerate()) {
            if fitness[at] < *own {
                continue;
            }
            let old = std::mem::replace(member, point.clone());
            if fitness[at] > *own {
                self.archive.push(old);
                let (weight, crossover) = (f64::from(settings[at].0), f64::from(settings[at].1));
                successes.push(Success { weight, crossover, gain: fitness[at] - *own });
            }
            *own = fitness[at];
        }
        successes
    }

    /// The next part of the memory gets the mean of the settings that succeeded: Lehmer's mean,
    /// weighted by how much better a member became.
    fn remember(&mut self, mut successes: Vec<Success>) {
        // a member whose own evaluation failed became infinitely better
        successes.retain(|success| success.gain.is_finite());
        if successes.is_empty() {
            return;
        }
        let mean = |of: fn(&Success) -> f64| {
            let sum = |power: fn(f64) -> f64| -> f64 {
                successes.iter().map(|success| success.gain * power(of(success))).sum()
            };
            let (squares, plain) = (sum(|x| x * x), sum(|x| x));
            (plain > 0.0 && squares.is_finite()).then(|| (squares / plain) as f32)
        };
        let old = self.memory[self.oldest];
        let crossover = old.crossover.and_then(|_| mean(|success| success.crossover));
        let weight = mean(|success| success.weight).unwrap_or(old.weight);
        self.memory[self.oldest] = Settings { weight, crossover };
        self.oldest = (self.oldest + 1) % MEMORY;
    }

    /// Puts the best first, and drops the worst and random parts of the archive.
    fn shrink(&mut self, mut rng: Stream) {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.sort_by(|&a, &b| self.fitness[b].total_cmp(&self.fitness[a]));
        order.truncate(self.members_left());
        self.fitness = order.iter().map(|at| self.fitness[*at]).collect();
        self.members = order.iter().map(|at| std::mem::take(&mut self.members[*at])).collect();
        let most = (ARCHIVE_RATE * self.members.len() as f64).round() as usize;
        while self.archive.len() > most {
            let at = rng.below(self.archive.len());
            self.archive.swap_remove(at);
        }
    }
}

impl Strategy for LShade {
    fn size(&self) -> usize {
        self.members.len()
    }

    /// A member whose numbers are replaced by those of x + F (best − x) + F (b − c): `best` is one
    /// of the best members, b another one, and c another one or of the archive.
    fn point(&self, place: usize, draws: Draws) -> Vec<f32> {
        let mut point = self.members[place].clone();
        if self.fitness.is_empty() {
            return point;
        }
        let mut rng = draws.of(place);
        let (weight, crossover) = self.settings(&mut rng);
        let count = self.members.len();
        let best = ((BEST_SHARE * count as f64).round() as usize).max(2);
        let best = &self.members[rng.below(best)];
        let b = (place + 1 + rng.below(count - 1)) % count;
        let c = loop {
            let at = rng.below(count + self.archive.len());
            if at != place && at != b {
                break at;
            }
        };
        let (b, c) = (&self.members[b], self.members.iter().chain(&self.archive).nth(c));
        let (own, c) = (&self.members[place], c.expect("a place of one of them"));
        let donor = |at: usize| own[at] + weight * (best[at] - own[at]) + weight * (b[at] - c[at]);
        cross(&mut point, crossover, &mut rng, donor);
        point
    }

    fn tell(&mut self, points: &[Vec<f32>], fitness: &[f64], draws: Draws) {
        self.evaluations += points.len() as u64;
        if self.fitness.is_empty() {
            (self.members, self.fitness) = (points.to_vec(), fitness.to_vec());
        } else {
            let successes = self.replace(points, fitness, draws);
            self.remember(successes);
        }
        self.shrink(draws.of_all());
    }

    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool {
        let is_share = |x: f32| (0.0..=1.0).contains(&x);
        let are_settings =
            |one: &Settings| is_share(one.weight) && one.crossover.is_none_or(is_share);
        let left = if self.fitness.is_empty() { self.size } else { self.members_left() };
        (self.size, self.budget) == (p.population as usize, u64::from(p.strategy_budget))
            && self.members.len() == left
            && [0, left].contains(&self.fitness.len())
            && self.archive.len() as f64 <= ARCHIVE_RATE * left as f64 + 0.5
            && are_points(self.members.iter().chain(&self.archive), numbers)
            && self.fitness.iter().all(is_fitness)
            && self.fitness.is_sorted_by(|a, b| a >= b)
            && self.memory.len() == MEMORY
            && self.oldest < MEMORY
            && self.memory.iter().all(are_settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Purpose;

    fn started(size: u32, budget: u32) -> LShade {
        let p = Parameters { population: size, strategy_budget: budget, ..Parameters::default() };
        let members = (0..size).map(|at| vec![at as f32, 1.0]).collect();
        LShade::new(members, &p)
    }

    #[test]
    fn the_population_shrinks_to_four_within_the_budget() {
        let mut strategy = started(40, 1000);
        let mut evaluations = 0;
        for generation in 0.. {
            let draws = Draws { seed: 1, generation };
            let points: Vec<Vec<f32>> =
                (0..strategy.size()).map(|at| strategy.point(at, draws)).collect();
            evaluations += points.len();
            let expected = 40.0 - 36.0 * (evaluations as f64 / 1000.0).min(1.0);
            let fitness: Vec<f64> = points.iter().map(|x| f64::from(-x[0] * x[0])).collect();
            strategy.tell(&points, &fitness, draws);
            assert_eq!(strategy.size(), expected.round() as usize);
            assert!(strategy.archive.len() as f64 <= 2.6 * expected.round() + 0.5);
            if evaluations > 1200 {
                break;
            }
        }
        assert_eq!(strategy.size(), 4);
        assert!(strategy.memory.iter().any(|one| one.weight != 0.5));
    }

    #[test]
    fn a_share_of_zero_that_succeeds_alone_stays() {
        let mut strategy = started(8, 100);
        strategy.remember(vec![Success { weight: 0.3, crossover: 0.0, gain: 2.0 }]);
        assert_eq!(strategy.memory[0], Settings { weight: 0.3, crossover: None });
        strategy.oldest = 0;
        strategy.remember(vec![Success { weight: 0.4, crossover: 1.0, gain: 2.0 }]);
        assert_eq!(strategy.memory[0], Settings { weight: 0.4, crossover: None });
    }

    #[test]
    fn weights_have_the_quartiles_of_cauchys_distribution() {
        let strategy = started(8, 100);
        let mut rng = Stream::new(1, Purpose::Strategy, 0, 0);
        let mut weights: Vec<f32> = (0..20_000).map(|_| strategy.settings(&mut rng).0).collect();
        weights.sort_by(f32::total_cmp);
        let near = |share: f64, expected: f32| {
            let found = weights[(share * weights.len() as f64) as usize];
            assert!((found - expected).abs() < 0.01, "{found} and not {expected}");
        };
        // a sixteenth, below 0, is drawn again
        near(0.5, 0.51);
        near(0.75, 0.607);
        near(0.25, 0.423);
    }
}
