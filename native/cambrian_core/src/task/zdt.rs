//! Two goals that contradict each other: the problems ZDT1 to ZDT4 and ZDT6 of Zitzler, Deb &
//! Thiele 2000, "Comparison of multiobjective evolutionary algorithms". ZDT5 is missing, as its
//! genotypes are bits.
//!
//! The genotype is a vector; each of its numbers is clipped to ± 0.5, and stands for a variable
//! from 0 to 1 (in ZDT4, all but the first from −5 to 5). The papers minimise f₁ and f₂; here the
//! objectives are −f₁ and −f₂, since more is better.

use super::vector::{self, LONGEST, Reader};
use super::{Score, Settings, Shape, Task, TaskError, Trial};
use crate::base::cancel::Cancelled;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Parameters, Perturbation};
use crate::phenotype::network::Runner;
use std::f64::consts::PI;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Problem {
    One,
    Two,
    Three,
    Four,
    Six,
}

pub struct Zdt {
    problem: Problem,
    n: u32,
    reader: Reader,
}

/// How far g may be from its optimum, which is 1, in a solution.
const NEAR: f64 = 0.01;

impl Zdt {
    /// # Errors
    /// An `n` out of range.
    pub fn new(problem: Problem, settings: &mut Settings) -> Result<Zdt, TaskError> {
        let usual = if matches!(problem, Problem::Four | Problem::Six) { 10 } else { 30 };
        let n = settings.take("n", usual, (2, LONGEST))?;
        Ok(Zdt { problem, n, reader: Reader::new(n) })
    }

    /// How far the vector is from the front: 1 on it.
    fn g(&self, others: &[f64]) -> f64 {
        let n = others.len() as f64;
        let mean = others.iter().sum::<f64>() / n;
        match self.problem {
            Problem::Four => {
                let wave = |x: f64| x * x - 10.0 * libm::cos(4.0 * PI * x);
                let wide = others.iter().map(|x| wave(10.0 * (x - 0.5)));
                1.0 + 10.0 * n + wide.sum::<f64>()
            }
            Problem::Six => 1.0 + 9.0 * mean.sqrt().sqrt(),
            _ => 1.0 + 9.0 * mean,
        }
    }

    /// f₁, f₂ and g of variables from 0 to 1.
    fn values(&self, variables: &[f64]) -> [f64; 3] {
        let x = variables[0];
        let f1 = match self.problem {
            Problem::Six => {
                let wave = libm::sin(6.0 * PI * x);
                1.0 - libm::exp(-4.0 * x) * (wave * wave * wave) * (wave * wave * wave)
            }
            _ => x,
        };
        let g = self.g(&variables[1..]);
        let share = f1 / g;
        let h = match self.problem {
            Problem::One | Problem::Four => 1.0 - share.sqrt(),
            Problem::Two | Problem::Six => 1.0 - share * share,
            Problem::Three => 1.0 - share.sqrt() - share * libm::sin(10.0 * PI * f1),
        };
        [f1, g * h, g]
    }

    /// Fitness is the sum of the objectives.
    fn score(&self, variables: &[f64]) -> Score {
        let [f1, f2, _] = self.values(variables);
        Score::with_objectives(vec![-f1, -f2])
    }
}

/// The vector of a network, as variables from 0 to 1.
pub(super) fn variables(network: &Runner) -> Result<Vec<f64>, Cancelled> {
    Ok(from_0_to_1(vector::read(network)?))
}

pub(super) fn from_0_to_1(vector: Vec<f64>) -> Vec<f64> {
    vector.into_iter().map(|x| (0.5 + x).clamp(0.0, 1.0)).collect()
}

/// Weights stay within the variables' bounds; first ones lie in all of the space. The operators are
/// those of NSGA-II (Deb & others 2002), in which each of n numbers mutates with a chance of 1/n.
/// So in some 65 of 100 children a number does, here one. With one in every child, ZDT4 would end
/// further from its front.
pub(super) fn parameters() -> Parameters {
    Parameters {
        population: 100,
        initial_weight: 0.3,
        weight_limit: 0.5,
        crossover: 0.9,
        simulated_binary: 1.0,
        perturb_weights: 0.65,
        perturbation: Perturbation::Polynomial,
        perturbed_share: 0.0,
        ..vector::parameters()
    }
}

impl Task for Zdt {
    fn shape(&self) -> Shape {
        vector::shape(self.n)
    }

    fn parameters(&self) -> Parameters {
        parameters()
    }

    fn objectives(&self) -> usize {
        2
    }

    fn grain(&self) -> usize {
        64
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(self.score(&variables(network)?))
    }

    fn evaluate_vector(&self, genotype: &Genotype) -> Option<Score> {
        let score = self.score(&from_0_to_1(self.reader.read(genotype)?));
        Some(Score { work: self.reader.work(), ..score })
    }

    /// On the front, or as near as a hundredth of g.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let [f1, f2, g] = self.values(&variables(network)?);
        Ok(Trial::new(g <= 1.0 + NEAR, vec![("f1", f1), ("f2", f2), ("g", g)]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::tests::network;
    use super::*;
    use crate::task;

    /// f₁ and f₂ of the variables.
    fn of(name: &str, variables: &[f64]) -> [f64; 2] {
        let n = crate::genome::parameters::Value::Integer(variables.len() as i64);
        let task = task::new(name, vec![("n".to_string(), n)].into()).unwrap();
        let vector: Vec<f64> = variables.iter().map(|x| x - 0.5).collect();
        let score = task.evaluate(&network(&vector));
        assert_eq!(score.fitness, score.objectives[0] + score.objectives[1]);
        [-score.objectives[0], -score.objectives[1]]
    }

    fn near(found: [f64; 2], expected: [f64; 2]) {
        let far = |at: usize| (found[at] - expected[at]).abs() > 1e-6;
        assert!(!far(0) && !far(1), "{found:?}, expected {expected:?}");
    }

    /// The fronts are those of the paper; the other values were computed with its formulas.
    #[test]
    fn the_values_are_those_of_the_paper() {
        for x in [0.0, 0.25, 0.75, 1.0] {
            near(of("zdt1", &[x, 0.0, 0.0]), [x, 1.0 - x.sqrt()]);
            near(of("zdt2", &[x, 0.0, 0.0]), [x, 1.0 - x * x]);
            near(of("zdt3", &[x, 0.0]), [x, 1.0 - x.sqrt() - x * (10.0 * PI * x).sin()]);
            near(of("zdt4", &[x, 0.5, 0.5]), [x, 1.0 - x.sqrt()]);
        }
        near(of("zdt1", &[0.25, 1.0, 0.0]), [0.25, 5.5 - (0.25f64 * 5.5).sqrt()]);
        // cos 4π·2.5 is 1, so that g is 1 + 10 + 6.25 − 10
        near(of("zdt4", &[0.25, 0.75]), [0.25, 7.25 - (0.25f64 * 7.25).sqrt()]);
        near(of("zdt6", &[0.0, 0.0]), [1.0, 0.0]);
        let f1 = 1.0 - (-1.0f64).exp();
        near(of("zdt6", &[0.25, 0.0]), [f1, 1.0 - f1 * f1]);
        near(of("zdt6", &[0.25, 1.0]), [f1, 10.0 - f1 * f1 / 10.0]);
    }

    #[test]
    fn variables_beyond_the_bounds_are_clipped() {
        near(of("zdt1", &[2.0, -3.0]), of("zdt1", &[1.0, 0.0]));
    }

    #[test]
    fn a_vector_on_the_front_solves_the_task() {
        let task = task::named("zdt2").unwrap();
        let mut vector = vec![-0.5; 30];
        assert!(task.trial(&network(&vector)).solved);
        vector[7] = 0.0;
        assert!(!task.trial(&network(&vector)).solved);
    }
}
