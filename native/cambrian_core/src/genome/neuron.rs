//! What a node computes: the genes that every node but an input has.

use crate::base::math::{Activation, Aggregation, MAX_WEIGHT};
use crate::genome::dynamics::Dynamics;
use crate::genome::plasticity::Plasticity;

/// Time constants lie between these, in ticks.
pub const TIME_CONSTANTS: (f32, f32) = (0.01, 1000.0);

/// Learning rates lie within ± this.
pub const MAX_LEARNING_RATE: f32 = 1.0;

/// The value genes of a node: its net input is bias + gain · aggregation(weight × source, …).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neuron {
    pub bias: f32,
    pub gain: f32,
    /// τ, in ticks
    pub time_constant: f32,
    /// η
    pub learning_rate: f32,
    /// λ
    pub decay: f32,
    pub activation: Activation,
    pub aggregation: Aggregation,
    pub dynamics: Dynamics,
    pub plasticity: Plasticity,
}

impl Neuron {
    /// A static neuron that sums: bias 0, gain 1.
    pub const fn new(activation: Activation) -> Neuron {
        Neuron {
            bias: 0.0,
            gain: 1.0,
            time_constant: 1.0,
            learning_rate: 0.0,
            decay: 0.0,
            activation,
            aggregation: Aggregation::Sum,
            dynamics: Dynamics::None,
            plasticity: Plasticity::None,
        }
    }

    /// What an input is: itself.
    pub const INPUT: Neuron = Neuron::new(Activation::Identity);

    /// Whether every number is finite and within its bounds.
    pub(crate) fn is_sound(&self) -> bool {
        let (shortest, longest) = TIME_CONSTANTS;
        within_limit(self.bias)
            && within_limit(self.gain)
            && (shortest..=longest).contains(&self.time_constant)
            && self.learning_rate.abs() <= MAX_LEARNING_RATE
            && (0.0..=1.0).contains(&self.decay)
    }
}

/// False for NaN too.
pub(crate) fn within_limit(weight: f32) -> bool {
    weight.abs() <= MAX_WEIGHT
}
