//! Vectors of eight.

use super::{Program, VECTOR};
use crate::base::cancel::{Cancelled, WorkMeter};
use crate::base::math::Activation;

#[target_feature(enable = "avx2")]
pub fn activate(
    activation: Activation,
    sums: &mut [[f32; VECTOR]],
    gains: &[[f32; VECTOR]],
    biases: &[[f32; VECTOR]],
) {
    super::activate(activation, sums, gains, biases);
}

#[target_feature(enable = "avx2")]
pub fn batch(
    program: &Program,
    inputs: &[f32],
    outputs: &mut [f32],
    meter: &WorkMeter,
) -> Result<(), Cancelled> {
    super::batch::<64>(program, inputs, outputs, meter)
}
