//! Exclusive or: the smallest task that needs a hidden node.

use super::{Score, Shape, Task, Trial};
use crate::network::Network;
use crate::parameters::Parameters;

pub struct Xor;

const CASES: [([f32; 2], f32); 4] =
    [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)];

/// 4 − Σe² from here on counts as solved: every output is within 0.32 of what it should be.
const SOLVED: f64 = 3.9;

impl Task for Xor {
    fn shape(&self) -> Shape {
        Shape { inputs: 2, outputs: 1 }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    fn grain(&self) -> usize {
        128
    }

    /// 4 − Σe² over the four cases: 0 to 4. Each case has −e².
    fn evaluate(&self, network: &Network) -> Score {
        let error = |(inputs, wanted): &([f32; 2], f32)| {
            let got = network.activate(inputs)[0].clamp(0.0, 1.0);
            f64::from((got - wanted) * (got - wanted))
        };
        let cases: Vec<f64> = CASES.iter().map(|case| -error(case)).collect();
        Score { fitness: 4.0 + cases.iter().sum::<f64>(), cases }
    }

    fn trial(&self, network: &Network) -> Trial {
        let fitness = self.evaluate(network).fitness;
        Trial::new(fitness >= SOLVED, vec![("squared_error", 4.0 - fitness)])
    }
}
