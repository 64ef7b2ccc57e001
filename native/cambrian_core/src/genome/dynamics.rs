//! Neurons with a state, whose output depends on time.

use crate::base::choice::choices;
use crate::base::math::{Activation, LIMIT, sigmoid};

choices! {
    /// How a node's output follows its net input s over time. The unit of time is a step; f is the
    /// node's activation, τ its time constant and x its state, 0 at rest.
    pub enum Dynamics {
        /// y = f(s)
        None = "none",
        /// x ← x + (1 − e^(−1/τ)) (s − x), y = f(x): a leaky integrator, dx/dt = (s − x)/τ, solved
        /// exactly over a tick (Beer 1995).
        Leaky = "leaky",
        /// x ← σ(−s/τ) x + (1 − σ(−s/τ)) f(s), y = x: the gated form of the closed-form
        /// continuous-time neuron of Hasani et al. 2022, with its state for their g, f for their h
        /// and s/τ for their f.
        Cfc = "cfc",
        /// dx/dt = −(1/τ + |f(s)|) x + f(s), y = x: a liquid time-constant neuron whose reversal
        /// potential is the sign of f(s), by six steps a tick of the fused solver (Hasani et al.
        /// 2021, algorithm 1).
        Ltc = "ltc",
        /// y = f(s) as it was round(τ) ticks ago, 1 to [`MAX_DELAY`]; 0 before.
        Delay = "delay",
    }
}

/// The longest delay in ticks.
pub const MAX_DELAY: usize = 64;

/// Steps that the fused solver takes a tick, as many as its authors take.
pub(crate) const SOLVER_STEPS: usize = 6;

/// A neuron's dynamics with all that follows from its genes, ready to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub activation: Activation,
    pub dynamics: Dynamics,
    pub time_constant: f32,
    /// 1 − e^(−1/τ)
    pub(crate) leak: f32,
}

impl Cell {
    pub fn new(activation: Activation, dynamics: Dynamics, time_constant: f32) -> Cell {
        Cell { activation, dynamics, time_constant, leak: 1.0 - libm::expf(-1.0 / time_constant) }
    }

    /// How many numbers its state is.
    pub fn slots(&self) -> usize {
        match self.dynamics {
            Dynamics::None => 0,
            Dynamics::Leaky | Dynamics::Cfc | Dynamics::Ltc => 1,
            Dynamics::Delay => (libm::roundf(self.time_constant) as usize).clamp(1, MAX_DELAY),
        }
    }

    /// The output for a net input, one tick later than `state`, which is [`Cell::slots`] long and
    /// stays within ±[`LIMIT`].
    pub fn tick(&self, net: f32, state: &mut [f32]) -> f32 {
        let f = |x| self.activation.apply(x);
        match self.dynamics {
            Dynamics::None => f(net),
            Dynamics::Leaky => leaky(f, self.leak, net, state),
            Dynamics::Cfc => cfc(f, self.time_constant, net, state),
            Dynamics::Ltc => ltc(f, self.time_constant, net, state),
            Dynamics::Delay => delay(f, net, state),
        }
    }
}

// These are written into exported networks as they stand here.

fn leaky(f: impl Fn(f32) -> f32, leak: f32, net: f32, state: &mut [f32]) -> f32 {
    state[0] = (state[0] + leak * (net - state[0])).clamp(-LIMIT, LIMIT);
    f(state[0])
}

fn cfc(f: impl Fn(f32) -> f32, time_constant: f32, net: f32, state: &mut [f32]) -> f32 {
    let keep = sigmoid(-net / time_constant);
    let next = keep * state[0] + (1.0 - keep) * f(net);
    state[0] = next.clamp(-LIMIT, LIMIT);
    state[0]
}

fn ltc(f: impl Fn(f32) -> f32, time_constant: f32, net: f32, state: &mut [f32]) -> f32 {
    let drive = f(net);
    let step = 1.0 / SOLVER_STEPS as f32;
    let slope = 1.0 / time_constant + drive.abs();
    for _ in 0..SOLVER_STEPS {
        state[0] = (state[0] + step * drive) / (1.0 + step * slope);
    }
    state[0]
}

fn delay(f: impl Fn(f32) -> f32, net: f32, state: &mut [f32]) -> f32 {
    let delayed = state[state.len() - 1];
    state.rotate_right(1);
    state[0] = f(net);
    delayed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::choice::Choice;

    fn course(cell: Cell, nets: &[f32]) -> Vec<f32> {
        let mut state = vec![0.0; cell.slots()];
        nets.iter().map(|net| cell.tick(*net, &mut state)).collect()
    }

    #[test]
    fn a_leaky_integrator_follows_the_exact_solution() {
        // dx/dt = (1 − x)/τ from 0: x(t) = 1 − e^(−t/τ)
        let cell = Cell::new(Activation::Identity, Dynamics::Leaky, 4.0);
        for (tick, x) in (1..).zip(course(cell, &[1.0; 20])) {
            assert!(
                (f64::from(x) - (1.0 - (-f64::from(tick) / 4.0).exp())).abs() < 1e-6,
                "{tick}: {x}"
            );
        }
    }

    #[test]
    fn a_liquid_neuron_settles_where_its_equation_says() {
        // 0 = −(1/τ + |f|) x + f, whatever the solver's step
        for (net, tau) in [(0.5, 1.0), (-2.0, 3.0), (1.5, 0.05), (30.0, 100.0)] {
            let cell = Cell::new(Activation::Tanh, Dynamics::Ltc, tau);
            let f = Activation::Tanh.apply(net);
            let rest = f / (1.0 / tau + f.abs());
            let last = *course(cell, &[net; 400]).last().unwrap();
            assert!((last - rest).abs() < 1e-5, "{net} {tau}: {last} for {rest}");
        }
    }

    #[test]
    fn a_liquid_neuron_is_quicker_with_a_stronger_input() {
        let share = |net: f32| {
            let seen = course(Cell::new(Activation::Tanh, Dynamics::Ltc, 10.0), &[net; 400]);
            seen[0] / seen[399]
        };
        assert!(share(0.1) < share(1.0) && share(1.0) < share(3.0));
    }

    #[test]
    fn a_closed_form_neuron_keeps_its_state_when_shut_and_takes_its_input_when_open() {
        let cell = Cell::new(Activation::Tanh, Dynamics::Cfc, 1.0);
        let seen = course(cell, &[20.0, -20.0, -20.0, 0.0]);
        assert!(seen[0] > 0.999, "open: {seen:?}");
        assert!(seen[2] > 0.999, "shut: {seen:?}");
        assert!((seen[3] - 0.5 * seen[2]).abs() < 1e-6, "half open towards f(0) = 0: {seen:?}");
    }

    #[test]
    fn a_state_stays_within_the_limit() {
        for &dynamics in Dynamics::ALL {
            for tau in [0.01, 0.3, 1.7, 900.0] {
                let cell = Cell::new(Activation::Identity, dynamics, tau);
                let mut state = vec![0.0; cell.slots()];
                for net in [1e30, 1e30, 0.9e12, -1e30, 1e30, 1e12] {
                    assert!(cell.tick(net, &mut state).abs() <= LIMIT, "{dynamics:?} {tau}");
                    assert!(
                        state.iter().all(|x| x.abs() <= LIMIT),
                        "{dynamics:?} {tau}: {state:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_delay_is_as_long_as_its_time_constant() {
        let cell = Cell::new(Activation::Identity, Dynamics::Delay, 3.2);
        assert_eq!(course(cell, &[1.0, 2.0, 3.0, 4.0, 5.0]), [0.0, 0.0, 0.0, 1.0, 2.0]);
    }
}
