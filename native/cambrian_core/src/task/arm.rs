//! A planar arm of many joints, a task for searches that look for many unlike solutions (Cully,
//! Clune, Tarapore & Mouret 2015; Vassiliades & Mouret 2018), as in Fontaine & Nikolaidis 2023,
//! "Covariance matrix adaptation MAP-annealing".
//!
//! The genotype is the vector of the joints' angles, in radians, each from the link before. Its
//! behaviour is where the arm ends, and the evener the angles, the higher its fitness.

use super::vector::{self, LONGEST, Reader};
use super::{Score, Settings, Shape, Task, TaskError, Trial};
use crate::base::cancel::Cancelled;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Bounds, Emitter, Parameters};
use crate::phenotype::network::Runner;

pub struct Arm {
    /// Links, each of length 1.
    links: u32,
    reader: Reader,
}

impl Arm {
    /// # Errors
    /// An `n` out of range.
    pub fn new(settings: &mut Settings) -> Result<Arm, TaskError> {
        let links = settings.take("n", 100, (2, LONGEST))?;
        Ok(Arm { links, reader: Reader::new(links) })
    }
}

/// 100 (1 − the variance of the angles).
fn fitness(angles: &[f64]) -> f64 {
    let n = angles.len() as f64;
    let mean = angles.iter().sum::<f64>() / n;
    100.0 * (1.0 - angles.iter().map(|angle| (angle - mean) * (angle - mean)).sum::<f64>() / n)
}

fn end(angles: &[f64]) -> Vec<f64> {
    let (mut heading, mut end) = (0.0, [0.0; 2]);
    for angle in angles {
        heading += angle;
        let (sin, cos) = libm::sincos(heading);
        end = [end[0] + cos, end[1] + sin];
    }
    end.to_vec()
}

fn score(angles: &[f64]) -> Score {
    Score { fitness: fitness(angles), behaviour: end(angles), ..Score::default() }
}

impl Task for Arm {
    fn shape(&self) -> Shape {
        vector::shape(self.links)
    }

    /// All start straight, as in the paper, and with its steps.
    fn parameters(&self) -> Parameters {
        let reach = f64::from(self.links);
        Parameters {
            weight_step: 0.1,
            bounds: Bounds(vec![(-reach, reach); 2]),
            cells: 10_000,
            emitters: vec![Emitter::IsoLine],
            iso_step: 0.1,
            ..vector::parameters()
        }
    }

    fn grain(&self) -> usize {
        32
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(score(&vector::read(network)?))
    }

    fn evaluate_vector(&self, genotype: &Genotype) -> Option<Score> {
        let score = score(&self.reader.read(genotype)?);
        Some(Score { work: self.reader.work(), ..score })
    }

    /// There is no goal.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let fitness = fitness(&vector::read(network)?);
        Ok(Trial::new(false, vec![("fitness", fitness)]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::tests::network;
    use super::*;
    use std::f64::consts::PI;

    fn of(angles: &[f64]) -> Score {
        let links = angles.len() as u32;
        Arm { links, reader: Reader::new(links) }.evaluate(&network(angles))
    }

    #[test]
    fn the_behaviour_is_the_end_of_the_arm() {
        let near = |angles: &[f64], x: f64, y: f64| {
            let end = of(angles).behaviour;
            assert!((end[0] - x).abs() < 1e-6 && (end[1] - y).abs() < 1e-6, "{end:?}");
        };
        near(&[0.0; 5], 5.0, 0.0);
        near(&[PI / 2.0, 0.0, 0.0], 0.0, 3.0);
        near(&[0.0, PI / 2.0, PI / 2.0], 0.0, 1.0);
    }

    #[test]
    fn equal_angles_have_the_best_fitness() {
        assert_eq!(of(&[0.5; 4]).fitness, 100.0);
        assert_eq!(of(&[0.5, -0.5]).fitness, 75.0);
    }
}
