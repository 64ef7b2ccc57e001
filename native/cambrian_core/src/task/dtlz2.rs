//! DTLZ2, a problem of any number of objectives, whose front is a part of a sphere (Deb, Thiele,
//! Laumanns & Zitzler 2002, "Scalable multi-objective optimization test problems").
//!
//! The genotype is a vector as in ZDT: numbers within ± 0.5 stand for variables from 0 to 1. Ten of
//! them say how far the solution is from the front, the others where on the front it is.

use super::vector::{self, Reader};
use super::zdt;
use super::{Score, Settings, Shape, Task, TaskError, Trial};
use crate::base::cancel::Cancelled;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;
use std::f64::consts::FRAC_PI_2;

pub struct Dtlz2 {
    objectives: u32,
    reader: Reader,
}

/// Variables that say how far a solution is from the front: the k of the paper.
const DISTANCE: u32 = 10;
/// How far a solution may be from the front, of radius 1.
const NEAR: f64 = 0.01;

impl Dtlz2 {
    /// # Errors
    /// A number of objectives out of range.
    pub fn new(settings: &mut Settings) -> Result<Dtlz2, TaskError> {
        let objectives = settings.take("objectives", 3, (2, 15))?;
        Ok(Dtlz2 { objectives, reader: Reader::new(objectives - 1 + DISTANCE) })
    }

    /// What the paper minimises: f₁ first.
    fn values(&self, variables: &[f64]) -> Vec<f64> {
        let (angles, others) = variables.split_at(self.objectives as usize - 1);
        let g = others.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>();
        let mut left = 1.0 + g;
        let mut values = Vec::new();
        for x in angles {
            let (sin, cos) = libm::sincos(x * FRAC_PI_2);
            values.push(left * sin);
            left *= cos;
        }
        values.push(left);
        values.reverse();
        values
    }

    /// Fitness is the sum of the objectives.
    fn score(&self, variables: &[f64]) -> Score {
        let values = self.values(variables);
        Score::with_objectives(values.into_iter().map(|value| -value).collect())
    }
}

impl Task for Dtlz2 {
    fn shape(&self) -> Shape {
        vector::shape(self.objectives - 1 + DISTANCE)
    }

    fn parameters(&self) -> Parameters {
        zdt::parameters()
    }

    fn objectives(&self) -> usize {
        self.objectives as usize
    }

    fn grain(&self) -> usize {
        64
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(self.score(&zdt::variables(network)?))
    }

    fn evaluate_vector(&self, genotype: &Genotype) -> Option<Score> {
        let score = self.score(&zdt::from_0_to_1(self.reader.read(genotype)?));
        Some(Score { work: self.reader.work(), ..score })
    }

    /// On the front, or as near as a hundredth of its radius.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let values = self.values(&zdt::variables(network)?);
        let radius = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        Ok(Trial::new(radius <= 1.0 + NEAR, vec![("radius", radius)]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::tests::network;
    use super::*;
    use crate::genome::parameters::Value;
    use crate::task;

    fn made(objectives: f64) -> std::sync::Arc<dyn Task> {
        let settings = vec![("objectives".to_string(), Value::Integer(objectives as i64))];
        task::new("dtlz2", settings.into()).unwrap()
    }

    #[test]
    fn the_front_is_the_positive_part_of_a_sphere() {
        let task = made(3.0);
        let objectives = |vector: &[f64]| task.evaluate(&network(vector)).objectives;
        let near = |found: &[f64], expected: [f64; 3]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a + b).abs() < 1e-6), "{found:?}");
        };
        let mut vector = vec![0.0; 12];
        // both angles are 45°
        near(&objectives(&vector), [0.5, 0.5, 0.5f64.sqrt()]);
        assert!(task.trial(&network(&vector)).solved);
        vector[0] = -0.5;
        vector[1] = -0.5;
        near(&objectives(&vector), [1.0, 0.0, 0.0]);
        vector[1] = 0.5;
        near(&objectives(&vector), [0.0, 1.0, 0.0]);
        vector[5] = 0.5;
        near(&objectives(&vector), [0.0, 1.25, 0.0]);
        assert!(!task.trial(&network(&vector)).solved);
    }

    #[test]
    fn dtlz2_may_have_any_number_of_objectives() {
        let vector = [0.1; 14];
        let objectives = made(5.0).evaluate(&network(&vector)).objectives;
        let radius = objectives.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert_eq!(objectives.len(), 5);
        assert!((radius - 1.1).abs() < 1e-6, "{radius}");
    }
}
