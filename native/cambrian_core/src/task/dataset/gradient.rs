//! The losses of a dataset's rows with their derivatives, for tuning by gradients.

use super::{Part, Targets, cross_entropy, squared_error};
use crate::phenotype::gradient::Differentiable;

/// The mean of the losses is the error that fitness is made of.
impl Differentiable for Part {
    fn rows(&self) -> usize {
        self.targets.count()
    }

    fn inputs(&self, row: usize) -> &[f32] {
        &self.inputs.numbers[row * self.inputs.width..][..self.inputs.width]
    }

    fn loss(&self, row: usize, outputs: &[f32], slopes: &mut [f32]) -> f64 {
        match &self.targets {
            Targets::Numbers(rows) => {
                let targets = &rows.numbers[row * outputs.len()..][..outputs.len()];
                let count = outputs.len() as f32;
                for (slope, (y, target)) in slopes.iter_mut().zip(outputs.iter().zip(targets)) {
                    *slope = 2.0 * (y - target) / count;
                }
                let errors = outputs.iter().zip(targets).map(squared_error);
                errors.fold(0.0, |sum, error| sum + error) / f64::from(count)
            }
            Targets::Classes { rows, .. } => {
                let class = rows[row] as usize;
                softmax(outputs, slopes);
                slopes[class] -= 1.0;
                cross_entropy(outputs, class)
            }
        }
    }
}

fn softmax(outputs: &[f32], shares: &mut [f32]) {
    let highest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |y: &f32| libm::exp(f64::from(*y) - f64::from(highest));
    let sum: f64 = outputs.iter().map(weight).sum();
    shares.iter_mut().zip(outputs).for_each(|(share, y)| *share = (weight(y) / sum) as f32);
}
