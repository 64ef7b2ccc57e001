//! Whether an odd number of bits are set (Minsky & Papert 1969): of two bits, exclusive or.

use super::{Score, Settings, Shape, Task, TaskError, Trial};
use crate::base::cancel::Cancelled;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;

pub struct Parity {
    bits: u32,
    /// The bits of every case, row by row.
    rows: Vec<f32>,
}

impl Parity {
    /// # Errors
    /// `bits` that are not from 2 to 12.
    pub fn new(settings: &mut Settings) -> Result<Parity, TaskError> {
        let bits = settings.take("bits", 3, (2, 12))?;
        let row = |case: u32| (0..bits).map(move |bit| (case >> bit & 1) as f32);
        Ok(Parity { bits, rows: (0..1 << bits).flat_map(row).collect() })
    }

    /// Output and what it should be, in every case.
    fn answers(
        &self,
        network: &Runner,
    ) -> Result<impl Iterator<Item = (f32, f32)> + use<>, Cancelled> {
        let wanted = |case: u32| (case.count_ones() % 2) as f32;
        Ok(network.activate_batch(&self.rows)?.into_iter().zip((0..).map(wanted)))
    }
}

impl Task for Parity {
    fn shape(&self) -> Shape {
        Shape { inputs: self.bits, outputs: 1 }
    }

    /// Nodes for the many sums that there are to tell apart, and activations that rise and fall,
    /// which do for several.
    fn parameters(&self) -> Parameters {
        Parameters { add_node: 0.1, change_activation: 0.1, ..Parameters::default() }
    }

    fn grain(&self) -> usize {
        (256 >> self.bits).max(1)
    }

    /// Σ (1 − e²) over the cases, of the outputs as they are: as many as there are cases at most.
    /// Each case has −e².
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let error = |(output, wanted): (f32, f32)| {
            let error = output - wanted;
            -f64::from(error * error)
        };
        let cases: Vec<f64> = self.answers(network)?.map(error).collect();
        Ok(Score::with_cases(cases.len() as f64 + cases.iter().sum::<f64>(), cases))
    }

    /// Every output on the right side of 0.5.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let right =
            self.answers(network)?.filter(|(output, wanted)| (*output >= 0.5) == (*wanted == 1.0));
        let share = right.count() as f64 / f64::from(1 << self.bits);
        Ok(Trial::new(share == 1.0, vec![("right", share)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::phenotype::network::Network;
    use crate::task;

    #[test]
    fn parity_of_two_bits_is_xor() {
        let two = Parity::new(
            &mut vec![("bits".to_string(), crate::genome::parameters::Value::Integer(2))].into(),
        )
        .unwrap();
        let born =
            Genotype::new(2, 1, &two.parameters(), &mut Stream::new(1, Purpose::Birth, 0, 0))
                .unwrap();
        let network = Network::new(&born);
        let (ours, xor) = (two.evaluate(&network), task::named("xor").unwrap().evaluate(&network));
        assert!((ours.fitness - xor.fitness).abs() < 1e-12);
    }

    #[test]
    fn one_of_three_bits_scores_as_chance() {
        let (three, network) = (three(), of_first_bit(1.0));
        assert_eq!(three.evaluate(&network).fitness, 4.0);
        assert_eq!(three.trial(&network), Trial::new(false, vec![("right", 0.5)]));
    }

    #[test]
    fn outputs_are_not_clipped() {
        // outputs of 0 and 2: of eight cases two have e² = 0, four have 1 and two have 4
        assert_eq!(three().evaluate(&of_first_bit(2.0)).fitness, 8.0 - 12.0);
    }

    fn three() -> Parity {
        Parity::new(&mut Settings::default()).unwrap()
    }

    fn of_first_bit(weight: f32) -> Network {
        let three = three();
        let p = Parameters {
            output_activation: crate::base::math::Activation::Identity,
            ..three.parameters()
        };
        let born = Genotype::new(3, 1, &p, &mut Stream::new(1, Purpose::Birth, 0, 0)).unwrap();
        let first = Connection::new(input(0), output(0), weight);
        Network::new(&Genotype::from_genes(3, 1, born.nodes().collect(), vec![first]).unwrap())
    }
}
