//! Vectors of eight.

use super::Program;

#[target_feature(enable = "avx2")]
pub fn step(program: &Program, row: &mut [f32]) {
    super::step(program, row);
}

#[target_feature(enable = "avx2")]
pub fn batch(program: &Program, inputs: &[f32], outputs: &mut [f32]) {
    super::batch::<64>(program, inputs, outputs);
}
