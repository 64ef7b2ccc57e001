//! Where was the better reward? The T-maze of Soltoggio et al. 2008, as Sher simplified it for the
//! discrete T-maze of his Handbook of Neuroevolution Through Erlang (2012): an agent must remember
//! from one run to the next what it found where, as one reward is larger, and they change places.
//!
//! A life is 100 runs. The agent sees how far it could go to its left, ahead and to its right, and
//! the reward where it stands; its output turns it to the left below −0.33 and to the right above
//! 0.33, and it takes a step. At home it can only go ahead, at the junction only aside. In an arm
//! it finds its reward, 1 or 0.2, and is home again after that, as it is when it runs into a wall,
//! which costs 0.4. Once in a life, after 36 to 65 runs, the rewards change places.
//!
//! Sher draws that moment; here there are lives with several, and with the larger reward on either
//! side at first.
//!
//! Neurons that learn from reward are told how much a reward lacks of the larger one, where it is
//! found: what Soltoggio et al. leave to modulatory neurons to compute.

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::parameters::Parameters;
use crate::genome::plasticity::Plasticity;
use crate::phenotype::network::{Runner, Values};

pub struct TMaze;

const RUNS: usize = 100;
const LARGE: f64 = 1.0;
const SMALL: f64 = 0.2;
const CRASH: f64 = -0.4;
const TURN: f32 = 0.33;
/// Runs after which the rewards change places: those that fitness looks at, and those that the
/// trial does.
const CHANGES: [usize; 3] = [38, 47, 61];
const ALL_CHANGES: std::ops::RangeInclusive<usize> = 36..=65;
/// Rewards that the best agent there can be misses in a life: one to find the larger, one to find
/// that it moved.
const UNAVOIDABLE: usize = 2;

/// What an agent sees to its left, ahead and to its right.
const HOME: [f32; 3] = [0.0, 1.0, 0.0];
const JUNCTION: [f32; 3] = [1.0, 0.0, 1.0];
const ARM: [f32; 3] = [0.0, 0.0, 0.0];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// What became of a life.
#[derive(Default)]
struct Life {
    reward: f64,
    /// Runs that did not end at the larger reward.
    missed: usize,
}

struct Agent<'a> {
    network: &'a Runner<'a>,
    values: Values,
}

impl Agent<'_> {
    /// Where it turns, if anywhere.
    fn act(
        &mut self,
        [left, ahead, right]: [f32; 3],
        reward: f64,
        lacking: f64,
    ) -> Result<Option<Side>, Cancelled> {
        let mut output = [0.0];
        self.network.network().reward(&mut self.values, -lacking as f32);
        self.network.step(&mut self.values, &[left, ahead, right, reward as f32], &mut output)?;
        Ok(match output[0] {
            y if y < -TURN => Some(Side::Left),
            y if y > TURN => Some(Side::Right),
            _ => None,
        })
    }

    /// The reward of one run from home.
    fn run(&mut self, larger: Side) -> Result<f64, Cancelled> {
        if self.act(HOME, 0.0, 0.0)?.is_some() {
            return Ok(CRASH);
        }
        let Some(side) = self.act(JUNCTION, 0.0, 0.0)? else { return Ok(CRASH) };
        let reward = if side == larger { LARGE } else { SMALL };
        self.act(ARM, reward, LARGE - reward)?;
        Ok(reward)
    }
}

fn live(network: &Runner, first: Side, change: usize) -> Result<Life, Cancelled> {
    let mut agent = Agent { network, values: network.network().rest() };
    let mut life = Life::default();
    for run in 0..RUNS {
        let moved = run >= change;
        let larger = if (first == Side::Left) == moved { Side::Right } else { Side::Left };
        let reward = agent.run(larger)?;
        life.reward += reward;
        life.missed += usize::from(reward < LARGE);
    }
    Ok(life)
}

fn lives(network: &Runner, changes: impl Iterator<Item = usize>) -> Result<Vec<Life>, Cancelled> {
    let both = |change| [Side::Left, Side::Right].map(|first| (first, change));
    changes.flat_map(both).map(|(first, change)| live(network, first, change)).collect()
}

impl Task for TMaze {
    fn shape(&self) -> Shape {
        Shape { inputs: 4, outputs: 1 }
    }

    /// The output is from −1 to 1; memory is in weights that learn, or in recurrent connections.
    fn parameters(&self) -> Parameters {
        Parameters {
            output_activation: Activation::Tanh,
            add_recurrent: 0.05,
            plasticities: vec![Plasticity::None, Plasticity::Reward],
            change_plasticity: 0.3,
            change_learning: 0.6,
            ..Parameters::default()
        }
    }

    fn grain(&self) -> usize {
        2
    }

    /// The mean reward of six lives, each a case: up to 98.8 for one that changes sides whenever it
    /// finds the smaller.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let cases: Vec<f64> =
            lives(network, CHANGES.into_iter())?.iter().map(|life| life.reward).collect();
        Ok(Score::with_cases(cases.iter().sum::<f64>() / cases.len() as f64, cases))
    }

    /// In none of 60 lives, one for each moment and side, the larger reward is missed more often
    /// than is needed to find it and to find that it moved: twice.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let lives = lives(network, ALL_CHANGES)?;
        let missed = lives.iter().map(|life| life.missed).max().unwrap_or(RUNS);
        let reward = lives.iter().map(|life| life.reward).sum::<f64>() / lives.len() as f64;
        Ok(Trial::new(
            missed <= UNAVOIDABLE,
            vec![("mean_reward", reward), ("most_missed", missed as f64)],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::phenotype::network::Network;

    /// A network that always turns by so much at the junction, and never learns.
    fn stubborn(turn: f32) -> Network {
        let born =
            Genotype::new(4, 1, &TMaze.parameters(), &mut Stream::new(1, Purpose::Birth, 0, 0))
                .unwrap();
        let links = vec![Connection::new(input(0), output(0), turn)];
        Network::new(&Genotype::from_genes(4, 1, born.nodes().collect(), links).unwrap())
    }

    #[test]
    fn running_into_a_wall_costs_reward_each_time() {
        assert!((TMaze.evaluate(&stubborn(0.0)).fitness - 100.0 * CRASH).abs() < 1e-9);
    }

    #[test]
    fn a_network_that_never_changes_sides_gets_the_larger_reward_half_the_time() {
        let left = stubborn(-2.0);
        let life = |side| left.run_to_end(|left| live(left, side, 40));
        assert_eq!((life(Side::Left).missed, life(Side::Right).missed), (60, 40));
        assert!((life(Side::Left).reward - (40.0 * LARGE + 60.0 * SMALL)).abs() < 1e-9);
        for network in [left, stubborn(2.0)] {
            assert!((TMaze.evaluate(&network).fitness - 60.0).abs() < 1e-9);
            assert!(!TMaze.trial(&network).solved);
        }
    }
}
