//! What every processor of the architecture has.

use super::{Program, VECTOR};
use crate::base::math::Activation;
use crate::base::permission::{Meter, Stopped};

pub fn squash(
    activation: Activation,
    sums: &mut [[f32; VECTOR]],
    gains: &[[f32; VECTOR]],
    biases: &[[f32; VECTOR]],
) {
    super::squash(activation, sums, gains, biases);
}

pub fn batch(program: &Program, inputs: &[f32], outputs: &mut [f32], meter: &Meter) -> Result<(), Stopped> {
    super::batch::<16>(program, inputs, outputs, meter)
}
