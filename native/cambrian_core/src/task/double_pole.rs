//! Two poles on one cart (Wieland 1991), by the rules of Stanley's NEAT: `experiments.cpp`.
//!
//! Without velocities the controller must work out from memory which way things move.

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;
use rayon::prelude::*;

pub struct DoublePole {
    pub velocities: bool,
}

const GRAVITY: f64 = -9.8;
const CART_MASS: f64 = 1.0;
const FORCE: f64 = 20.0;
const STEP: f64 = 0.01;
const HINGE_FRICTION: f64 = 2.0e-6;
const TRACK: f64 = 2.4;
const FALLEN: f64 = 36.0 / 180.0 * std::f64::consts::PI;
const START_ANGLE: f64 = 0.07;

/// (mass, half-length) of each pole.
const POLES: [(f64, f64); 2] = [(0.1, 0.5), (0.01, 0.05)];

const EVALUATION: usize = 1_000;
const LONG: usize = 100_000;
/// Of the 625 starts, how many must be balanced for 1,000 steps.
const ENOUGH_STARTS: usize = 200;

/// x, ẋ, θ₁, θ̇₁, θ₂, θ̇₂ in metres, radians and seconds.
type State = [f64; 6];

const START: State = [0.0, 0.0, START_ANGLE, 0.0, 0.0, 0.0];

fn derivatives(state: &State, force: f64) -> State {
    let [_, speed, angle1, spin1, angle2, spin2] = *state;
    let pole = |(mass, length): (f64, f64), angle: f64, spin: f64| {
        let (sin, cos) = libm::sincos(angle);
        let hinge = HINGE_FRICTION * spin / (mass * length) + GRAVITY * sin;
        let force = mass * length * spin * spin * sin + 0.75 * mass * cos * hinge;
        let mass = mass * (1.0 - 0.75 * cos * cos);
        (cos, hinge, force, mass)
    };
    let (cos1, hinge1, force1, mass1) = pole(POLES[0], angle1, spin1);
    let (cos2, hinge2, force2, mass2) = pole(POLES[1], angle2, spin2);
    let push = (force + force1 + force2) / (CART_MASS + mass1 + mass2);
    let twist1 = -0.75 * (push * cos1 + hinge1) / POLES[0].1;
    let twist2 = -0.75 * (push * cos2 + hinge2) / POLES[1].1;
    [speed, push, spin1, twist1, spin2, twist2]
}

/// One step of the classical Runge-Kutta method of fourth order.
fn integrate(state: &State, force: f64) -> State {
    let ahead =
        |slope: &State, h: f64| -> State { std::array::from_fn(|i| state[i] + h * slope[i]) };
    let k1 = derivatives(state, force);
    let k2 = derivatives(&ahead(&k1, STEP / 2.0), force);
    let k3 = derivatives(&ahead(&k2, STEP / 2.0), force);
    let k4 = derivatives(&ahead(&k3, STEP), force);
    std::array::from_fn(|i| state[i] + STEP / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

fn failed(state: &State) -> bool {
    state[0].abs() > TRACK || state[2].abs() > FALLEN || state[4].abs() > FALLEN
}

/// x and ẋ of the cart, θ and θ̇ of the long pole: what damping keeps small.
fn unrest(state: &State) -> f64 {
    state[..4].iter().map(|x| x.abs()).sum()
}

impl DoublePole {
    fn observe(&self, s: &State) -> Vec<f32> {
        let seen: &[f64] = if self.velocities {
            &[s[0] / 4.8, s[1] / 2.0, s[2] / 0.52, s[3] / 2.0, s[4] / 0.52, s[5] / 2.0, 0.5]
        } else {
            &[s[0] / 4.8, s[2] / 0.52, s[4] / 0.52, 0.5]
        };
        seen.iter().map(|&x| x as f32).collect()
    }

    /// Steps balanced, up to `limit`; `watch` sees the state after each.
    fn balance(
        &self,
        network: &Runner,
        start: State,
        limit: usize,
        mut watch: impl FnMut(&State),
    ) -> Result<usize, Cancelled> {
        let (mut values, mut out, mut state) = (network.network().rest(), [0.0], start);
        for step in 0..limit {
            network.step(&mut values, &self.observe(&state), &mut out)?;
            let force = (f64::from(out[0].clamp(0.0, 1.0)) - 0.5) * FORCE;
            state = integrate(&integrate(&state, force), force);
            watch(&state);
            if failed(&state) {
                return Ok(step);
            }
        }
        Ok(limit)
    }

    /// How many of the 625 starts of Gruau, Whitley & Pyeatt 1996 are balanced for 1,000 steps.
    fn starts_balanced(&self, network: &Runner) -> Result<usize, Cancelled> {
        const SHARES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
        let degrees = std::f64::consts::PI / 180.0;
        let scaled = |k: usize, reach: f64| (SHARES[k % 5] * 2.0 - 1.0) * reach;
        let start = |k: usize| -> State {
            let (x, speed) = (scaled(k, 2.16), scaled(k / 5, 1.35));
            let (angle, spin) = (scaled(k / 25, 3.6 * degrees), scaled(k / 125, 8.6 * degrees));
            [x, speed, angle, spin, 0.0, 0.0]
        };
        let (network, token) = (network.network(), network.token());
        let balanced = |k: usize| {
            let steps = self.balance(&network.runner(token), start(k), EVALUATION, |_| ())?;
            Ok(usize::from(steps == EVALUATION))
        };
        (0..625usize).into_par_iter().map(balanced).try_reduce(|| 0, |a, b| Ok(a + b))
    }
}

impl Task for DoublePole {
    fn shape(&self) -> Shape {
        Shape { inputs: if self.velocities { 7 } else { 4 }, outputs: 1 }
    }

    /// NEAT's of the paper where it has them, with a smaller population; the bias is an input.
    fn parameters(&self) -> Parameters {
        Parameters {
            population: 300,
            activation: Activation::SteepSigmoid,
            output_activation: Activation::SteepSigmoid,
            weight_step: 0.5,
            perturb_biases: 0.0,
            add_connection: 0.3,
            add_recurrent: 0.1,
            remove_connection: 0.05,
            add_node: 0.03,
            weight_weight: 3.0,
            species_threshold: 4.0,
            target_species: 0,
            ..Parameters::default()
        }
    }

    fn grain(&self) -> usize {
        4
    }

    /// With velocities: steps balanced, up to 100,000. Without: 0.1 t/1000 + 0.9 f₂, where t is
    /// the number of steps balanced, up to 1,000, and f₂ = 0.75 / Σ over the last 100 steps of
    /// |x| + |ẋ| + |θ₁| + |θ̇₁|, or 0 below 100 steps (Gruau, Whitley & Pyeatt 1996).
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        if self.velocities {
            return Ok(Score::from(self.balance(network, START, LONG, |_| ())? as f64));
        }
        let mut unrests = Vec::with_capacity(EVALUATION);
        let steps =
            self.balance(network, START, EVALUATION, |state| unrests.push(unrest(state)))?;
        let last: f64 = unrests[unrests.len().saturating_sub(100)..].iter().sum();
        let damped = if steps < 100 { 0.0 } else { 0.75 / last.max(1e-6) };
        Ok(Score::from(0.1 * steps as f64 / EVALUATION as f64 + 0.9 * damped))
    }

    /// Balanced for 100,000 steps; without velocities also from at least 200 of the 625 starts.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let steps = self.balance(network, START, LONG, |_| ())?;
        let mut facts = vec![("steps", steps as f64)];
        if self.velocities || steps < LONG {
            return Ok(Trial::new(steps == LONG, facts));
        }
        let starts = self.starts_balanced(network)?;
        facts.push(("starts_of_625", starts as f64));
        Ok(Trial::new(starts >= ENOUGH_STARTS, facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The energy of cart and poles relative to the track, from the Lagrangian of the system
    /// without friction (a uniform pole of mass m and half-length l has the moment of inertia 4/3
    /// m l² at its hinge).
    fn energy(s: &State) -> f64 {
        let pole = |(m, l): (f64, f64), angle: f64, spin: f64| {
            0.5 * m * s[1] * s[1]
                + m * l * s[1] * spin * angle.cos()
                + 2.0 / 3.0 * m * l * l * spin * spin
                + m * -GRAVITY * l * angle.cos()
        };
        0.5 * CART_MASS * s[1] * s[1] + pole(POLES[0], s[2], s[3]) + pole(POLES[1], s[4], s[5])
    }

    #[test]
    fn without_a_push_only_friction_takes_energy() {
        let mut state = [0.1, 0.3, 0.2, -0.4, -0.1, 0.5];
        let (before, mut heat) = (energy(&state), 0.0);
        for _ in 0..30 {
            heat += HINGE_FRICTION * (state[3] * state[3] + state[5] * state[5]) * STEP;
            state = integrate(&state, 0.0);
        }
        let lost = before - energy(&state);
        assert!((lost - heat).abs() < 2e-5 * before, "{before} lost {lost} heat {heat}");
    }

    #[test]
    fn force_does_work_on_the_system() {
        let mut state = START;
        let (before, mut work) = (energy(&state), 0.0);
        for _ in 0..20 {
            let x = state[0];
            state = integrate(&state, 5.0);
            work += 5.0 * (state[0] - x);
        }
        assert!((energy(&state) - before - work).abs() < 1e-4, "{work}");
    }

    #[test]
    fn without_a_push_the_long_pole_falls_the_way_it_leans() {
        let mut state = START;
        let mut lean = START_ANGLE;
        while !failed(&state) {
            state = integrate(&state, 0.0);
            assert!(state[2] > lean);
            lean = state[2];
        }
    }
}
