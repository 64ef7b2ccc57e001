//! Vectors of sixteen, for batches only: for one sample, a gather is slower than scalar loads.

use super::Program;
use crate::base::cancel::{Cancelled, WorkMeter};

#[target_feature(enable = "avx512f")]
pub fn batch(
    program: &Program,
    inputs: &[f32],
    outputs: &mut [f32],
    meter: &WorkMeter,
) -> Result<(), Cancelled> {
    super::batch::<64>(program, inputs, outputs, meter)
}
