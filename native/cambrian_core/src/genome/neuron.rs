//! The computation of a node: the genes of every node except inputs.

use crate::base::choice::Choice;
use crate::base::math::{Activation, Aggregation, MAX_WEIGHT};
use crate::genome::dynamics::Dynamics;
use crate::genome::plasticity::Plasticity;

/// Time constants lie between these, in steps.
pub const TIME_CONSTANTS: (f32, f32) = (0.01, 1000.0);

/// Learning rates lie within ± this.
pub const MAX_LEARNING_RATE: f32 = 1.0;

/// The value genes of a node, one row each, in the order of the encodings: its kind, `choice` or
/// `number`; its name and type; its value in an input; and the test for a valid value. Code that
/// handles every gene is generated from this table.
#[macro_export]
macro_rules! neuron_genes {
    ($make:ident) => {
        $make! {
            choice activation: Activation = Activation::Identity, any;
            choice aggregation: Aggregation = Aggregation::Sum, any;
            number bias: f32 = 0.0, within_limit;
            number gain: f32 = 1.0, within_limit;
            choice dynamics: Dynamics = Dynamics::None, any;
            /// τ, in ticks
            number time_constant: f32 = 1.0, is_time_constant;
            choice plasticity: Plasticity = Plasticity::None, any;
            /// η
            number learning_rate: f32 = 0.0, is_learning_rate;
            /// λ
            number decay: f32 = 0.0, is_share;
        }
    };
}

macro_rules! neuron {
    ($($(#[$about:meta])* $kind:ident $name:ident: $type:ty = $input:expr, $is_sound:ident;)*) => {
        /// The value genes of a node. The node's net input is bias + gain · aggregation(weight ×
        /// source, …).
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Neuron {
            $($(#[$about])* pub $name: $type,)*
        }

        impl Neuron {
            /// The neuron of an input: it passes its value on.
            pub const INPUT: Neuron = Neuron { $($name: $input,)* };

            /// Whether every number is finite and within its bounds.
            pub(crate) fn is_sound(&self) -> bool {
                $($is_sound(self.$name))&&*
            }
        }
    };
}

neuron_genes!(neuron);

impl Neuron {
    /// A static neuron that sums: bias 0, gain 1.
    pub const fn new(activation: Activation) -> Neuron {
        Neuron { activation, ..Neuron::INPUT }
    }
}

fn any<C: Choice>(_: C) -> bool {
    true
}

fn is_time_constant(ticks: f32) -> bool {
    let (shortest, longest) = TIME_CONSTANTS;
    (shortest..=longest).contains(&ticks)
}

fn is_learning_rate(rate: f32) -> bool {
    rate.abs() <= MAX_LEARNING_RATE
}

fn is_share(part: f32) -> bool {
    (0.0..=1.0).contains(&part)
}

/// False for NaN too.
pub(crate) fn within_limit(weight: f32) -> bool {
    weight.abs() <= MAX_WEIGHT
}
