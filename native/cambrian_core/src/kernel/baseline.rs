//! What every processor of the architecture has.

use super::Program;

pub fn step(program: &Program, row: &mut [f32]) {
    super::step(program, row);
}

pub fn batch(program: &Program, inputs: &[f32], outputs: &mut [f32]) {
    super::batch::<16>(program, inputs, outputs);
}
