//! To say again, in order, what was seen before: the bit-sequence memory of neat-python's examples
//! (`memory-variable`), with every case in place of random ones.
//!
//! The inputs are a bit, whether it is to be remembered, and whether it is time to recall. A
//! sequence of `length` bits is shown, then up to `delay` bits that are to be ignored; then the
//! output must be the bits of the sequence in their order, while the first input shows other bits.
//! There are all sequences with all delays.

use super::{Score, Settings, Shape, Task, TaskError, Trial};
use crate::base::cancel::Cancelled;
use crate::base::rng::{Purpose, RandomBits, Stream};
use crate::genome::dynamics::Dynamics;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;

pub struct SequenceRecall {
    length: u32,
    delay: u32,
}

/// What the bits to be ignored are drawn with, for fitness and for the trial.
const DRAWS: u64 = 0;
const OTHER_DRAWS: u64 = 1;

impl SequenceRecall {
    /// # Errors
    /// A `length` that is not from 1 to 8, or a `delay` that is not from 0 to 16.
    pub fn new(settings: &mut Settings) -> Result<SequenceRecall, TaskError> {
        let length = settings.take("length", 1, (1, 8))?;
        Ok(SequenceRecall { length, delay: settings.take("delay", 4, (0, 16))? })
    }

    /// Every sequence, its first bit the lowest, with every delay.
    fn cases(&self) -> impl Iterator<Item = (u32, u32)> {
        let delays = 0..=self.delay;
        (0..1 << self.length)
            .flat_map(move |sequence| delays.clone().map(move |delay| (sequence, delay)))
    }

    /// The outputs when it is time to recall, case by case, each with what it should be.
    fn answers(&self, network: &Runner, draws: u64) -> Result<Vec<(f32, bool)>, Cancelled> {
        let mut rng = Stream::new(0, Purpose::Task, 0, draws);
        let (mut coins, mut values, mut output) =
            (RandomBits::default(), network.network().rest(), [0.0]);
        let mut answers = Vec::with_capacity(self.cases().count() * self.length as usize);
        for (sequence, delay) in self.cases() {
            network.network().reset(&mut values);
            let bits = (0..self.length).map(|bit| sequence >> bit & 1 == 1);
            let mut tick = |bit: bool, record: bool, play: bool| {
                let inputs = [bit, record, play].map(|on| f32::from(u8::from(on)));
                network.step(&mut values, &inputs, &mut output)?;
                Ok(output[0])
            };
            for bit in bits.clone() {
                tick(bit, true, false)?;
            }
            for _ in 0..delay {
                tick(coins.draw(&mut rng), false, false)?;
            }
            for bit in bits {
                answers.push((tick(coins.draw(&mut rng), false, true)?, bit));
            }
        }
        Ok(answers)
    }
}

impl Task for SequenceRecall {
    fn shape(&self) -> Shape {
        Shape { inputs: 3, outputs: 1 }
    }

    /// Memory is in recurrent connections, and in nodes that hold what they have as long as their
    /// input shuts them.
    fn parameters(&self) -> Parameters {
        Parameters {
            population: 300,
            add_recurrent: 0.4,
            add_node: 0.1,
            dynamics: vec![Dynamics::None, Dynamics::Cfc],
            change_dynamics: 0.1,
            change_time_constant: 0.1,
            ..Parameters::default()
        }
    }

    fn grain(&self) -> usize {
        1
    }

    /// 1 − the mean of e², of the outputs as they are, as there; each case has −Σe².
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let answers = self.answers(network, DRAWS)?;
        let error = |(output, bit): &(f32, bool)| {
            let error = f64::from(output - f32::from(u8::from(*bit)));
            -error * error
        };
        let case = |answers: &[(f32, bool)]| answers.iter().map(error).sum();
        let cases: Vec<f64> = answers.chunks_exact(self.length as usize).map(case).collect();
        Ok(Score::with_cases(1.0 + cases.iter().sum::<f64>() / answers.len() as f64, cases))
    }

    /// Every output on the right side of 0.5, with other bits to be ignored.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let answers = self.answers(network, OTHER_DRAWS)?;
        let right = answers.iter().filter(|(output, bit)| (*output >= 0.5) == *bit).count();
        let share = right as f64 / answers.len() as f64;
        Ok(Trial::new(right == answers.len(), vec![("right", share)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::math::Activation;
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::phenotype::network::Network;

    fn task(length: u32, delay: u32) -> SequenceRecall {
        SequenceRecall { length, delay }
    }

    /// A network whose output is the first input of so many ticks ago.
    fn line(ticks: f32) -> Network {
        amplifier(ticks, 1.0)
    }

    fn amplifier(ticks: f32, weight: f32) -> Network {
        let p = Parameters { output_activation: Activation::Identity, ..Parameters::default() };
        let born = Genotype::new(3, 1, &p, &mut Stream::new(1, Purpose::Birth, 0, 0)).unwrap();
        let mut nodes: Vec<_> = born.nodes().collect();
        for node in nodes.iter_mut().filter(|node| node.id == output(0)) {
            (node.neuron.dynamics, node.neuron.time_constant) = (Dynamics::Delay, ticks);
        }
        let links = vec![Connection::new(input(0), output(0), weight)];
        Network::new(&Genotype::from_genes(3, 1, nodes, links).unwrap())
    }

    #[test]
    fn a_delay_line_recalls_a_sequence_at_once_but_not_after_another_delay() {
        for length in [1, 3] {
            let line = line(length as f32);
            assert_eq!(task(length, 0).evaluate(&line).fitness, 1.0);
            assert!(task(length, 0).trial(&line).solved);
            assert!(!task(length, 1).trial(&line).solved);
        }
    }

    #[test]
    fn outputs_are_not_clipped() {
        // half of the bits are 1, for which the output is 3
        assert_eq!(task(3, 0).evaluate(&amplifier(3.0, 3.0)).fitness, 1.0 - 4.0 / 2.0);
    }

    #[test]
    fn every_sequence_is_tried_with_every_delay() {
        let score = task(3, 2).evaluate(&line(3.0));
        assert_eq!(score.cases.len(), 8 * 3);
        // after a delay the line recalls bits to be ignored, half of which happen to be right
        let at_once: Vec<f64> = score.cases.iter().step_by(3).copied().collect();
        assert_eq!(at_once, [0.0; 8]);
        assert!((0.4..0.95).contains(&score.fitness), "{}", score.fitness);
    }
}
