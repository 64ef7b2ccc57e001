//! Normalises the inputs of a network: observations of any unit come to a mean of 0 and a standard
//! deviation of 1.

use crate::base::math::LIMIT;

/// No normalised input goes beyond this, so a rare outlier does not drown the others.
/// Implementations of reinforcement learning cut at the same place, as Stable-Baselines3 does in
/// `VecNormalize`.
pub const CUT: f32 = 10.0;

/// For each input, a mean that is subtracted, and then a factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    means: Vec<f32>,
    factors: Vec<f32>,
}

impl Normalisation {
    /// `None` unless there are as many means as factors, all within ±[`LIMIT`].
    pub fn new(means: Vec<f32>, factors: Vec<f32>) -> Option<Normalisation> {
        let is_sound = |numbers: &[f32]| numbers.iter().all(|x| x.abs() <= LIMIT);
        let fits = means.len() == factors.len() && is_sound(&means) && is_sound(&factors);
        fits.then_some(Normalisation { means, factors })
    }

    pub fn means(&self) -> &[f32] {
        &self.means
    }

    pub fn factors(&self) -> &[f32] {
        &self.factors
    }

    /// Normalises the inputs of one step.
    pub fn apply(&self, inputs: &mut [f32]) {
        for ((x, mean), factor) in inputs.iter_mut().zip(&self.means).zip(&self.factors) {
            *x = ((*x - mean) * factor).clamp(-CUT, CUT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_moved_scaled_and_cut() {
        let normalisation = Normalisation::new(vec![1.0, -2.0, 0.0], vec![2.0, 0.5, 1.0]).unwrap();
        let mut inputs = [2.0, 4.0, -LIMIT];
        normalisation.apply(&mut inputs);
        assert_eq!(inputs, [2.0, 3.0, -CUT]);
    }

    #[test]
    fn other_numbers_are_refused() {
        assert_eq!(Normalisation::new(vec![0.0], vec![]), None);
        assert_eq!(Normalisation::new(vec![f32::NAN], vec![1.0]), None);
        assert_eq!(Normalisation::new(vec![0.0], vec![f32::INFINITY]), None);
    }
}
