//! The binary multiplexer with eleven inputs, with the fitness that SharpNEAT gives it.

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;
use std::sync::LazyLock;

/// Three inputs are the address of the one, of eight others, that the output is to show.
pub struct Multiplexer11;

const ADDRESS: u32 = 3;
const INPUTS: u32 = ADDRESS + (1 << ADDRESS);
const CASES: u32 = 1 << INPUTS;

/// A bias of 1 and the bits of each case, row by row.
static ROWS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let row = |case: u32| {
        std::iter::once(1.0).chain((0..INPUTS).map(move |bit| (case >> bit & 1) as f32))
    };
    (0..CASES).flat_map(row).collect()
});

fn wanted(case: u32) -> f32 {
    let address = case & ((1 << ADDRESS) - 1);
    (case >> (ADDRESS + address) & 1) as f32
}

/// Output and what it should be, in every case.
fn answers(network: &Runner) -> Result<impl Iterator<Item = (f32, f32)> + use<>, Cancelled> {
    Ok(network.activate_batch(&ROWS)?.into_iter().zip((0..CASES).map(wanted)))
}

impl Task for Multiplexer11 {
    /// The first input is a bias.
    fn shape(&self) -> Shape {
        Shape { inputs: INPUTS + 1, outputs: 1 }
    }

    /// Small steps of few weights, as a good network has a hundred of them to lose.
    fn parameters(&self) -> Parameters {
        Parameters {
            population: 300,
            weight_step: 0.3,
            perturbed_share: 0.05,
            crossover: 0.3,
            survival: 0.1,
            target_species: 8,
            ..Parameters::default()
        }
    }

    fn grain(&self) -> usize {
        4
    }

    /// Σ (1 − e²) over the 2,048 cases: 0 to 2,048, as SharpNEAT takes outputs beyond 0 to 1 for 0
    /// or 1.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let credit = |(output, wanted): (f32, f32)| {
            let error = f64::from(output.clamp(0.0, 1.0) - wanted);
            1.0 - error * error
        };
        Ok(Score::from(answers(network)?.map(credit).sum::<f64>()))
    }

    /// Every output on the right side of 0.5.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let right = answers(network)?
            .filter(|(output, wanted)| (*output >= 0.5) == (*wanted == 1.0))
            .count();
        Ok(Trial::new(right == CASES as usize, vec![("right_of_2048", right as f64)]))
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
    fn the_output_is_the_addressed_bit() {
        // address 0b101 is the sixth of the eight
        assert_eq!(wanted(0b001_0000_0101), 1.0);
        assert_eq!(wanted(0b110_1111_1101), 0.0);
        assert_eq!((0..CASES).map(wanted).sum::<f32>(), 1024.0);
    }

    #[test]
    fn an_output_of_a_half_scores_three_quarters_and_outputs_above_one_count_as_one() {
        assert_eq!(Multiplexer11.evaluate(&saying(0.5)).fitness, 0.75 * 2048.0);
        assert_eq!(Multiplexer11.evaluate(&saying(3.0)).fitness, 1024.0);
    }

    fn saying(always: f32) -> Network {
        let p = Parameters { output_activation: Activation::Identity, ..Parameters::default() };
        let mut rng = Stream::new(1, Purpose::Birth, 0, 0);
        let g = Genotype::new(12, 1, &p, &mut rng).unwrap();
        let bias = Connection::new(input(0), output(0), always);
        Network::new(&Genotype::from_genes(12, 1, g.nodes().collect(), vec![bias]).unwrap())
    }
}
