//! Two links of which only the joint between them is driven, to swing up (Sutton 1996), by the
//! rules of Gymnasium's `Acrobot-v1`: the equations of Sutton & Barto's book, a torque of −1, 0 or
//! 1 N m every 0.2 s, 500 steps.

use super::starts::spread;
use super::{Score, Shape, Task, Trial, argmax};
use crate::base::cancel::Cancelled;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;
use std::f64::consts::PI;

pub struct Acrobot;

const GRAVITY: f64 = 9.8;
const STEP: f64 = 0.2;
/// Both links are 1 m long, of 1 kg, with the centre of mass half-way and a moment of inertia of 1
/// kg m².
const CENTRE: f64 = 0.5;
const MAX_SPIN: [f64; 2] = [4.0 * PI, 9.0 * PI];
const LIMIT: usize = 500;
/// How far above the fixed end the free one is to come.
const GOAL: f64 = 1.0;
/// Starts that fitness looks at, and those that the trial does.
const STARTS: usize = 8;
const TRIALS: usize = 100;
/// Gymnasium's `reward_threshold`; each step but the one that reaches the goal costs 1.
const SOLVED: f64 = -100.0;

/// θ₁ from straight down, θ₂ from the first link, and their velocities.
type State = [f64; 4];

fn derivatives(&[angle1, angle2, spin1, spin2]: &State, torque: f64) -> State {
    let (sin2, cos2) = libm::sincos(angle2);
    let inertia1 = CENTRE * CENTRE + (1.0 + CENTRE * CENTRE + 2.0 * CENTRE * cos2) + 2.0;
    let inertia2 = CENTRE * CENTRE + CENTRE * cos2 + 1.0;
    let weight2 = CENTRE * GRAVITY * libm::cos(angle1 + angle2 - PI / 2.0);
    let weight1 = -CENTRE * spin2 * spin2 * sin2 - 2.0 * CENTRE * spin2 * spin1 * sin2
        + (CENTRE + 1.0) * GRAVITY * libm::cos(angle1 - PI / 2.0)
        + weight2;
    let twist2 = (torque + inertia2 / inertia1 * weight1 - CENTRE * spin1 * spin1 * sin2 - weight2)
        / (CENTRE * CENTRE + 1.0 - inertia2 * inertia2 / inertia1);
    [spin1, spin2, -(inertia2 * twist2 + weight1) / inertia1, twist2]
}

/// One step of the classical Runge-Kutta method of fourth order.
fn integrate(state: &State, torque: f64) -> State {
    let ahead =
        |slope: &State, h: f64| -> State { std::array::from_fn(|i| state[i] + h * slope[i]) };
    let k1 = derivatives(state, torque);
    let k2 = derivatives(&ahead(&k1, STEP / 2.0), torque);
    let k3 = derivatives(&ahead(&k2, STEP / 2.0), torque);
    let k4 = derivatives(&ahead(&k3, STEP), torque);
    std::array::from_fn(|i| state[i] + STEP / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// Into −π to π.
fn wrapped(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}

fn step(state: State, action: usize) -> State {
    let [angle1, angle2, spin1, spin2] = integrate(&state, action as f64 - 1.0);
    let spin = |spin: f64, nth: usize| spin.clamp(-MAX_SPIN[nth], MAX_SPIN[nth]);
    [wrapped(angle1), wrapped(angle2), spin(spin1, 0), spin(spin2, 1)]
}

/// Of the free end above the fixed one.
fn height(state: &State) -> f64 {
    -libm::cos(state[0]) - libm::cos(state[1] + state[0])
}

fn observe(&[angle1, angle2, spin1, spin2]: &State) -> [f32; 6] {
    let ((sin1, cos1), (sin2, cos2)) = (libm::sincos(angle1), libm::sincos(angle2));
    [cos1, sin1, cos2, sin2, spin1, spin2].map(|x| x as f32)
}

/// Steps until the goal, and the highest that the free end came.
fn swing(network: &Runner, start: State) -> Result<(usize, f64), Cancelled> {
    let (mut values, mut outputs) = (network.network().rest(), [0.0; 3]);
    let (mut state, mut highest) = (start, height(&start));
    for steps in 1..=LIMIT {
        network.step(&mut values, &observe(&state), &mut outputs)?;
        state = step(state, argmax(&outputs));
        highest = height(&state).max(highest);
        if highest > GOAL {
            return Ok((steps, highest));
        }
    }
    Ok((LIMIT, highest))
}

/// From starts within 0.1 of hanging still.
fn swings(network: &Runner, starts: usize) -> Result<Vec<(usize, f64)>, Cancelled> {
    (1..=starts).map(|n| swing(network, spread::<4>(n).map(|x| 0.2 * x - 0.1))).collect()
}

impl Task for Acrobot {
    fn shape(&self) -> Shape {
        Shape { inputs: 6, outputs: 3 }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    fn grain(&self) -> usize {
        1
    }

    /// Mean over eight starts, each a case: 1 and the share of the steps that were left at the
    /// goal, or the share of the height that the free end came to.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let worth = |(steps, highest): (usize, f64)| {
            if highest > GOAL {
                1.0 + (LIMIT - steps) as f64 / LIMIT as f64
            } else {
                (highest + 2.0) / (GOAL + 2.0)
            }
        };
        let cases: Vec<f64> = swings(network, STARTS)?.into_iter().map(worth).collect();
        Ok(Score::with_cases(cases.iter().sum::<f64>() / STARTS as f64, cases))
    }

    /// A mean return of −100 or more, over 100 starts.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let cost = |(steps, highest): (usize, f64)| if highest > GOAL { steps - 1 } else { steps };
        let cost: usize = swings(network, TRIALS)?.into_iter().map(cost).sum();
        let mean = -(cost as f64) / TRIALS as f64;
        Ok(Trial::new(mean >= SOLVED, vec![("mean_return", mean)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::starts::follow;

    #[test]
    fn the_links_move_as_those_of_gymnasium() {
        follow(include_str!("../../tests/gymnasium/acrobot.csv"), step);
    }

    #[test]
    fn a_hanging_acrobot_stays_still_and_a_pushed_one_swings() {
        let still = (0..100).fold([0.0; 4], |state, _| step(state, 1));
        assert!(still.iter().all(|x| x.abs() < 1e-9), "{still:?}");
        let pushed =
            (0..20).fold([0.0; 4], |state, n| step(state, if n / 5 % 2 == 0 { 2 } else { 0 }));
        assert!(height(&pushed) > -1.9, "{pushed:?}");
    }
}
