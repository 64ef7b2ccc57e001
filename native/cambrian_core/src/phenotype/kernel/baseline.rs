//! The instructions that every processor of the architecture has.

use super::{Program, VECTOR};
use crate::base::cancel::{Cancelled, WorkMeter};
use crate::base::math::Activation;

pub fn activate(
    activation: Activation,
    sums: &mut [[f32; VECTOR]],
    gains: &[[f32; VECTOR]],
    biases: &[[f32; VECTOR]],
) {
    super::activate(activation, sums, gains, biases);
}

pub fn batch(
    program: &Program,
    inputs: &[f32],
    outputs: &mut [f32],
    meter: &WorkMeter,
) -> Result<(), Cancelled> {
    super::batch::<16>(program, inputs, outputs, meter)
}
