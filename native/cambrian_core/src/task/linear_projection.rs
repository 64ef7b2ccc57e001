//! Linear projection, a task for searches that look for many unlike solutions (Fontaine, Togelius,
//! Nikolaidis & Hoover 2020, "Covariance matrix adaptation for the rapid illumination of behavior
//! space"), with the functions and the constants of Fontaine & Nikolaidis 2023, "Covariance matrix
//! adaptation MAP-annealing".
//!
//! The genotype is a vector. Its behaviour is the sum of each half. Most vectors have a behaviour
//! near 0, and the best one of a behaviour is hard to find.

use super::vector::{self, LONGEST, Reader};
use super::{Score, Settings, Shape, Task, TaskError, Trial};
use crate::base::cancel::Cancelled;
use crate::base::choice::choices;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Bounds, Emitter, Parameters};
use crate::phenotype::network::Runner;
use std::f64::consts::PI;

choices! {
    /// What fitness is made of.
    pub enum Function {
        /// Σ (x − 2.048)².
        Sphere = "sphere",
        /// 10 n + Σ ((x − 2.048)² − 10 cos 2π (x − 2.048)).
        Rastrigin = "rastrigin",
        /// The same fitness for all vectors within ± 5.12, and less beyond.
        Plateau = "plateau",
    }
}

pub struct LinearProjection {
    n: u32,
    function: Function,
    reader: Reader,
}

/// Beyond plus and minus this a number counts less in the behaviour the larger it is.
const BOUND: f64 = 5.12;
/// Where the optimum is, in each dimension.
const OPTIMUM: f64 = 0.4 * BOUND;

impl LinearProjection {
    /// # Errors
    /// An `n` that is odd or out of range, or another function.
    pub fn new(settings: &mut Settings) -> Result<LinearProjection, TaskError> {
        let function = settings.take("function", Function::Sphere, ())?;
        let n = settings.take("n", 100, (2, LONGEST))?;
        if n % 2 == 1 {
            let expected = format!("an even integer from 2 to {LONGEST}");
            return Err(TaskError::Invalid { name: "n", expected });
        }
        Ok(LinearProjection { n, function, reader: Reader::new(n) })
    }

    fn score(&self, vector: &[f64]) -> Score {
        let (fitness, behaviour) = (self.fitness(vector), behaviour(vector));
        Score { fitness, behaviour, ..Score::default() }
    }

    /// 100 at the optimum; of sphere and Rastrigin, 0 where all numbers are −5.12.
    fn fitness(&self, vector: &[f64]) -> f64 {
        let n = vector.len() as f64;
        let value = |cost: fn(f64) -> f64| {
            let worst = n * cost(-BOUND);
            (worst - vector.iter().map(|x| cost(*x)).sum::<f64>()) / worst * 100.0
        };
        match self.function {
            Function::Sphere => value(|x| (x - OPTIMUM) * (x - OPTIMUM)),
            Function::Rastrigin => value(|x| {
                let from = x - OPTIMUM;
                10.0 + from * from - 10.0 * libm::cos(2.0 * PI * from)
            }),
            Function::Plateau => {
                let beyond = vector.iter().map(|x| (x.abs() - BOUND).max(0.0));
                100.0 - beyond.map(|x| x * x).sum::<f64>() / n
            }
        }
    }
}

/// The sum of each half.
fn behaviour(vector: &[f64]) -> Vec<f64> {
    let clip = |x: &f64| if x.abs() > BOUND { BOUND / x } else { *x };
    vector.chunks(vector.len() / 2).map(|half| half.iter().map(clip).sum()).collect()
}

impl Task for LinearProjection {
    fn shape(&self) -> Shape {
        vector::shape(self.n)
    }

    /// All start at 0, as in the paper.
    fn parameters(&self) -> Parameters {
        let reach = f64::from(self.n / 2) * BOUND;
        Parameters {
            bounds: Bounds(vec![(-reach, reach); 2]),
            cells: 10_000,
            emitters: vec![Emitter::IsoLine],
            iso_step: 0.5,
            ..vector::parameters()
        }
    }

    fn grain(&self) -> usize {
        64
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(self.score(&vector::read(network)?))
    }

    fn evaluate_vector(&self, genotype: &Genotype) -> Option<Score> {
        let score = self.score(&self.reader.read(genotype)?);
        Some(Score { work: self.reader.work(), ..score })
    }

    /// There is no goal.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let fitness = self.fitness(&vector::read(network)?);
        Ok(Trial::new(false, vec![("fitness", fitness)]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::tests::network;
    use super::*;
    use crate::genome::parameters::Value;
    use crate::task;
    use std::sync::Arc;

    fn made(settings: &[(&str, Value)]) -> Result<Arc<dyn Task>, TaskError> {
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect();
        task::new("linear_projection", settings.into())
    }

    fn function(name: &str, n: f64) -> Arc<dyn Task> {
        made(&[("function", Value::Name(name.into())), ("n", Value::Integer(n as i64))]).unwrap()
    }

    #[test]
    fn fitness_is_100_at_the_optimum_and_0_in_the_corner() {
        for name in ["sphere", "rastrigin"] {
            let task = function(name, 4.0);
            let fitness = |x: f64| task.evaluate(&network(&[x; 4])).fitness;
            assert!((fitness(OPTIMUM) - 100.0).abs() < 1e-4, "{name}");
            assert!(fitness(-BOUND).abs() < 1e-4, "{name}");
            assert!(fitness(OPTIMUM) > fitness(0.0) && fitness(0.0) > fitness(-3.0));
        }
        // (5.12 + 2.048)² is 51.380224, and 2.048² is 4.194304
        let sphere = function("sphere", 2.0).evaluate(&network(&[0.0; 2])).fitness;
        assert!((sphere - 100.0 * (1.0 - 4.194304 / 51.380224)).abs() < 1e-9, "{sphere}");
    }

    #[test]
    fn fitness_is_constant_on_the_plateau_and_falls_beyond_it() {
        let task = function("plateau", 2.0);
        let fitness = |vector: [f64; 2]| task.evaluate(&network(&vector)).fitness;
        assert_eq!([fitness([0.0, 5.0]), fitness([-5.0, 1.0])], [100.0; 2]);
        let beyond = fitness([0.0, -6.12]);
        assert!((beyond - 99.5).abs() < 1e-5, "{beyond}");
    }

    #[test]
    fn the_behaviour_sums_each_half_and_values_beyond_the_bound_count_less() {
        let of = |vector: &[f64]| {
            function("sphere", vector.len() as f64).evaluate(&network(vector)).behaviour
        };
        assert_eq!(of(&[1.0, 2.0, -0.5, 4.0]), [3.0, 3.5]);
        assert_eq!(of(&[8.0, -16.0]), [0.64, -0.32]);
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(made(&[]).unwrap().shape(), Shape { inputs: 1, outputs: 100 });
        let error = |name, value| made(&[(name, value)]).err().unwrap().to_string();
        assert_eq!(error("n", Value::Integer(7)), "n: expected an even integer from 2 to 10000");
        assert_eq!(
            error("function", Value::Name("ackley".into())),
            "function: expected one of sphere, rastrigin, plateau"
        );
    }
}
