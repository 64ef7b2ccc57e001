//! Vectors of eight.

use super::{Program, VECTOR};
use crate::base::math::Activation;
use crate::base::permission::{Meter, Stopped};

#[target_feature(enable = "avx2")]
pub fn squash(
    activation: Activation,
    sums: &mut [[f32; VECTOR]],
    gains: &[[f32; VECTOR]],
    biases: &[[f32; VECTOR]],
) {
    super::squash(activation, sums, gains, biases);
}

#[target_feature(enable = "avx2")]
pub fn batch(program: &Program, inputs: &[f32], outputs: &mut [f32], meter: &Meter) -> Result<(), Stopped> {
    super::batch::<64>(program, inputs, outputs, meter)
}
