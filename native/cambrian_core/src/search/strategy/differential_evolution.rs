//! Differential evolution, DE/rand/1/bin (Storn & Price 1997, "Differential evolution: a simple and
//! efficient heuristic for global optimization over continuous spaces").

use super::{Draws, Strategy, are_points, is_fitness};
use crate::base::rng::Stream;
use crate::genome::parameters::Parameters;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DifferentialEvolution {
    /// F and CR
    weight: f32,
    crossover: f32,
    members: Vec<Vec<f32>>,
    /// Empty until the members are evaluated.
    fitness: Vec<f64>,
}

impl DifferentialEvolution {
    /// Of four points or more.
    pub fn new(members: Vec<Vec<f32>>, p: &Parameters) -> DifferentialEvolution {
        let (weight, crossover) = (p.differential_weight, p.differential_crossover);
        DifferentialEvolution { weight, crossover, members, fitness: Vec::new() }
    }
}

impl Strategy for DifferentialEvolution {
    fn size(&self) -> usize {
        self.members.len()
    }

    /// A member whose numbers are replaced by those of a + F (b − c), each with probability CR and
    /// one in any case, where a, b and c are three other random members.
    fn point(&self, place: usize, draws: Draws) -> Vec<f32> {
        let mut point = self.members[place].clone();
        if self.fitness.is_empty() {
            return point;
        }
        let mut rng = draws.of(place);
        let [a, b, c] = others(place, self.members.len(), &mut rng).map(|at| &self.members[at]);
        let donor = |at: usize| a[at] + self.weight * (b[at] - c[at]);
        cross(&mut point, self.crossover, &mut rng, donor);
        point
    }

    fn tell(&mut self, points: &[Vec<f32>], fitness: &[f64], _: Draws) {
        if self.fitness.is_empty() {
            (self.members, self.fitness) = (points.to_vec(), fitness.to_vec());
            return;
        }
        let members = self.members.iter_mut().zip(&mut self.fitness);
        for ((member, own), (point, fitness)) in members.zip(points.iter().zip(fitness)) {
            if fitness >= own {
                (*own, *member) = (*fitness, point.clone());
            }
        }
    }

    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool {
        self.members.len() == p.population as usize
            && (self.weight, self.crossover) == (p.differential_weight, p.differential_crossover)
            && are_points(&self.members, numbers)
            && [0, self.members.len()].contains(&self.fitness.len())
            && self.fitness.iter().all(is_fitness)
    }
}

/// Three different places of `count`, none of them `place`.
fn others(place: usize, count: usize, rng: &mut Stream) -> [usize; 3] {
    let mut taken = [place; 4];
    for nth in 1..4 {
        // of those that are left; each that is taken and not above moves it up by one
        let mut at = rng.below(count - nth);
        let mut known = taken[..nth].to_vec();
        known.sort_unstable();
        known.iter().for_each(|known| at += usize::from(at >= *known));
        taken[nth] = at;
    }
    [taken[1], taken[2], taken[3]]
}

/// Binomial crossover: each number is the donor's with the probability `rate`, and one in any case.
pub(super) fn cross(point: &mut [f32], rate: f32, rng: &mut Stream, donor: impl Fn(usize) -> f32) {
    let always = rng.below(point.len());
    for (at, number) in point.iter_mut().enumerate() {
        if rng.chance(rate) || at == always {
            *number = donor(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Purpose;
    use std::collections::BTreeMap;

    #[test]
    fn the_three_others_are_different_and_each_as_likely() {
        let mut rng = Stream::new(1, Purpose::Strategy, 0, 0);
        let mut counts: BTreeMap<[usize; 3], u32> = BTreeMap::new();
        (0..24_000).for_each(|_| *counts.entry(others(2, 5, &mut rng)).or_default() += 1);
        assert_eq!(counts.len(), 4 * 3 * 2);
        assert!(counts.keys().all(|[a, b, c]| a != b && b != c && a != c));
        assert!(counts.keys().flatten().all(|at| *at != 2));
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
