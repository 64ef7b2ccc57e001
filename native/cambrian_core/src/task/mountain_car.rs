//! A car in a valley, too weak to drive straight out of it (Moore 1990), by the rules of
//! Gymnasium's `MountainCar-v0`: it pushes left, not at all or right, starts at rest from −0.6 to
//! −0.4 and has 200 steps.

use super::starts::spread;
use super::{Score, Shape, Task, Trial, argmax};
use crate::base::cancel::Cancelled;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;

pub struct MountainCar;

const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;
const MAX_SPEED: f64 = 0.07;
const LEFT_END: f64 = -1.2;
const RIGHT_END: f64 = 0.6;
const GOAL: f64 = 0.5;
const LIMIT: usize = 200;
/// Starts that fitness looks at, and those that the trial does.
const STARTS: usize = 10;
const TRIALS: usize = 100;
/// Gymnasium's `reward_threshold`; each step costs 1.
const SOLVED: f64 = -110.0;

/// Position and velocity.
type State = [f64; 2];

fn step([position, velocity]: State, action: usize) -> State {
    let push = (action as f64 - 1.0) * FORCE - GRAVITY * libm::cos(3.0 * position);
    let velocity = (velocity + push).clamp(-MAX_SPEED, MAX_SPEED);
    let position = (position + velocity).clamp(LEFT_END, RIGHT_END);
    let stopped = position == LEFT_END && velocity < 0.0;
    [position, if stopped { 0.0 } else { velocity }]
}

/// Gymnasium's numbers, each over its range.
fn observe([position, velocity]: State) -> [f32; 2] {
    [((position + 0.3) / 0.9) as f32, (velocity / MAX_SPEED) as f32]
}

/// Steps until the goal, which is reached before the limit if at all, and the farthest that the car
/// came.
fn drive(network: &Runner, start: f64) -> Result<(usize, f64), Cancelled> {
    let (mut values, mut outputs) = (network.network().rest(), [0.0; 3]);
    let (mut state, mut farthest) = ([start, 0.0], start);
    for steps in 1..=LIMIT {
        network.step(&mut values, &observe(state), &mut outputs)?;
        state = step(state, argmax(&outputs));
        farthest = state[0].max(farthest);
        if farthest >= GOAL {
            return Ok((steps, farthest));
        }
    }
    Ok((LIMIT, farthest))
}

fn drives(network: &Runner, starts: usize) -> Result<Vec<(usize, f64)>, Cancelled> {
    (1..=starts).map(|n| drive(network, -0.6 + 0.2 * spread::<1>(n)[0])).collect()
}

impl Task for MountainCar {
    fn shape(&self) -> Shape {
        Shape { inputs: 2, outputs: 3 }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    fn grain(&self) -> usize {
        1
    }

    /// Mean over ten starts, each a case: 1 and the share of the steps that were left at the goal,
    /// or the share of the way that the car came.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let worth = |(steps, farthest): (usize, f64)| {
            if farthest >= GOAL {
                1.0 + (LIMIT - steps) as f64 / LIMIT as f64
            } else {
                (farthest - LEFT_END) / (GOAL - LEFT_END)
            }
        };
        let cases: Vec<f64> = drives(network, STARTS)?.into_iter().map(worth).collect();
        Ok(Score::with_cases(cases.iter().sum::<f64>() / STARTS as f64, cases))
    }

    /// A mean return of −110 or more, over 100 starts.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let steps: usize = drives(network, TRIALS)?.into_iter().map(|(steps, _)| steps).sum();
        let mean = -(steps as f64) / TRIALS as f64;
        Ok(Trial::new(mean >= SOLVED, vec![("mean_return", mean)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::starts::follow;

    #[test]
    fn the_car_moves_as_that_of_gymnasium() {
        follow(include_str!("../../tests/gymnasium/mountain_car.csv"), step);
    }

    #[test]
    fn pushing_in_the_direction_of_motion_reaches_the_goal() {
        let mut state = [-0.5, 0.0];
        let steps = (1..).find(|_| {
            state = step(state, if state[1] < 0.0 { 0 } else { 2 });
            state[0] >= GOAL
        });
        assert!(steps < Some(LIMIT), "{steps:?}");
    }
}
