//! One pole on a cart (Barto, Sutton & Anderson 1983), by the rules of Stanley's NEAT,
//! `experiments.cpp`, whose simulator is Sutton & Anderson's, without their friction.
//!
//! A push of 10 N to the left or to the right every 0.02 s, Euler's method; failed beyond 2.4 m or
//! 12°. It starts upright, in the middle and at rest, as in the paper.

use super::double_pole::DoublePole;
use super::{Score, Shape, Task, Trial, argmax};
use crate::base::cancel::Cancelled;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;

pub struct SinglePole {
    /// Whether the network sees them; without, it must work out from memory which way things move.
    pub velocities: bool,
}

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = CART_MASS + POLE_MASS;
/// Half of the pole's.
const LENGTH: f64 = 0.5;
const FORCE: f64 = 10.0;
const STEP: f64 = 0.02;
const TRACK: f64 = 2.4;
const FALLEN: f64 = 12.0 / 180.0 * std::f64::consts::PI;
const LONG: usize = 100_000;

/// x, ẋ, θ, θ̇ in metres, radians and seconds.
type State = [f64; 4];

fn step([x, speed, angle, spin]: State, force: f64) -> State {
    let (sin, cos) = libm::sincos(angle);
    let push = (force + POLE_MASS * LENGTH * spin * spin * sin) / TOTAL_MASS;
    let twist =
        (GRAVITY * sin - cos * push) / (LENGTH * (4.0 / 3.0 - POLE_MASS * cos * cos / TOTAL_MASS));
    let pull = push - POLE_MASS * LENGTH * twist * cos / TOTAL_MASS;
    [x + STEP * speed, speed + STEP * pull, angle + STEP * spin, spin + STEP * twist]
}

fn failed(state: &State) -> bool {
    state[0].abs() > TRACK || state[2].abs() > FALLEN
}

impl SinglePole {
    fn observe(&self, s: &State, inputs: &mut [f32]) {
        let seen = [
            1.0,
            (s[0] + 2.4) / 4.8,
            (s[2] + FALLEN) / 0.41,
            (s[1] + 0.75) / 1.5,
            (s[3] + 1.0) / 2.0,
        ];
        inputs.iter_mut().zip(seen).for_each(|(input, seen)| *input = seen as f32);
    }

    /// Steps balanced, up to 100,000.
    fn balance(&self, network: &Runner) -> Result<usize, Cancelled> {
        let (mut values, mut state) = (network.network().rest(), [0.0; 4]);
        let (mut inputs, mut outputs) = (vec![0.0; network.network().inputs()], [0.0; 2]);
        for steps in 0..LONG {
            self.observe(&state, &mut inputs);
            network.step(&mut values, &inputs, &mut outputs)?;
            state = step(state, if argmax(&outputs) == 1 { FORCE } else { -FORCE });
            if failed(&state) {
                return Ok(steps);
            }
        }
        Ok(LONG)
    }
}

impl Task for SinglePole {
    /// A bias of 1, x and θ, and ẋ and θ̇ where they are seen; the stronger output pushes, the
    /// first to the left.
    fn shape(&self) -> Shape {
        Shape { inputs: if self.velocities { 5 } else { 3 }, outputs: 2 }
    }

    /// Those of the double pole; the bias is an input.
    fn parameters(&self) -> Parameters {
        DoublePole { velocities: self.velocities }.parameters()
    }

    fn grain(&self) -> usize {
        4
    }

    /// Steps balanced, up to 100,000.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(Score::from(self.balance(network)? as f64))
    }

    /// Balanced for 100,000 steps.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let steps = self.balance(network)?;
        Ok(Trial::new(steps == LONG, vec![("steps", steps as f64)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::starts::follow;

    #[test]
    fn the_cart_moves_as_that_of_gymnasium() {
        follow(include_str!("../../tests/gymnasium/cart_pole.csv"), |state: State, action| {
            step(state, if action == 1 { FORCE } else { -FORCE })
        });
    }
}
