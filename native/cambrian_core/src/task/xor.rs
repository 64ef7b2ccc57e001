//! Exclusive or: the smallest task that needs a hidden node.

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;

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

    /// 4 − Σe² over the four cases, of the outputs as they are: 4 at most, and far below 0 for
    /// outputs far beyond 0 to 1. Each case has −e².
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let error = |(inputs, wanted): &([f32; 2], f32)| {
            let error = network.activate(inputs)?[0] - wanted;
            Ok(-f64::from(error * error))
        };
        let cases = CASES.iter().map(error).collect::<Result<Vec<f64>, Cancelled>>()?;
        Ok(Score::with_cases(4.0 + cases.iter().sum::<f64>(), cases))
    }

    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let fitness = self.evaluate_on(network)?.fitness;
        Ok(Trial::new(fitness >= SOLVED, vec![("squared_error", 4.0 - fitness)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::math::Activation;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::phenotype::network::Network;

    #[test]
    fn outputs_are_not_clipped() {
        // both inputs lead to cos(pi (x + y)) with a weight of pi: 1, -1, -1 and 1
        let p = Parameters { output_activation: Activation::Cos, ..Parameters::default() };
        let born = Genotype::new(2, 1, &p, &mut Stream::new(1, Purpose::Birth, 0, 0)).unwrap();
        let link = |at| Connection::new(input(at), output(0), std::f32::consts::PI);
        let mut links = vec![link(0), link(1)];
        links.sort_unstable_by_key(|link| link.id);
        let genes = Genotype::from_genes(2, 1, born.nodes().collect(), links).unwrap();
        let network = Network::new(&genes);
        let score = Xor.evaluate(&network);
        // the squared errors are 1, 4, 4 and 1
        assert!((score.fitness - (4.0 - 10.0)).abs() < 1e-5, "{score:?}");
        assert!((Xor.trial(&network).facts[0].1 - 10.0).abs() < 1e-5);
    }
}
