//! The losses of a dataset's rows with their derivatives, for tuning by gradients.

use super::{Dataset, Loss, Targets, cross_entropy};
use crate::phenotype::gradient::Differentiable;

/// Of the rows to learn. The mean of the losses is the error that fitness is made of.
impl Differentiable for Dataset {
    fn rows(&self) -> usize {
        self.training.targets.count()
    }

    fn inputs(&self, row: usize) -> &[f32] {
        let inputs = &self.training.inputs;
        &inputs.numbers[row * inputs.width..][..inputs.width]
    }

    fn loss(&self, row: usize, outputs: &[f32], slopes: &mut [f32]) -> f64 {
        match &self.training.targets {
            Targets::Numbers(rows) => {
                let targets = &rows.numbers[row * outputs.len()..][..outputs.len()];
                let count = outputs.len() as f64;
                for (slope, (y, target)) in slopes.iter_mut().zip(outputs.iter().zip(targets)) {
                    let error = f64::from(*y) - f64::from(*target);
                    *slope = (self.objective.loss.slope(error) / count) as f32;
                }
                self.objective.loss.add_to(0.0, outputs, targets) / count
            }
            Targets::Classes { rows, .. } => {
                let class = rows[row] as usize;
                let weight = self.objective.weights[class] / self.mean_weight;
                softmax(outputs, slopes);
                slopes[class] -= 1.0;
                slopes.iter_mut().for_each(|slope| *slope *= weight as f32);
                weight * cross_entropy(outputs, class)
            }
        }
    }
}

impl Dataset {
    /// Of the rows to learn.
    pub(super) fn mean_weight(targets: &Targets, weights: &[f64]) -> f64 {
        match targets {
            Targets::Numbers(_) => 1.0,
            Targets::Classes { rows, .. } => {
                let sum = rows.iter().fold(0.0, |sum, class| sum + weights[*class as usize]);
                sum / rows.len() as f64
            }
        }
    }
}

impl Loss {
    /// The derivative of what an error costs.
    fn slope(self, error: f64) -> f64 {
        match self {
            Loss::Squared => 2.0 * error,
            Loss::Absolute if error == 0.0 => 0.0,
            Loss::Absolute => error.signum(),
            Loss::Huber(delta) => error.clamp(-delta, delta),
        }
    }
}

fn softmax(outputs: &[f32], shares: &mut [f32]) {
    let highest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |y: &f32| libm::exp(f64::from(*y) - f64::from(highest));
    let sum: f64 = outputs.iter().map(weight).sum();
    shares.iter_mut().zip(outputs).for_each(|(share, y)| *share = (weight(y) / sum) as f32);
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Label, Rows};
    use super::super::{Held, Learning, Weights};
    use super::*;

    fn dataset(targets: Targets, loss: Loss, weights: Weights) -> Dataset {
        let inputs = Rows::new(1, (0..targets.count()).map(|at| at as f32).collect()).unwrap();
        let held = Held::Share { share: 0.0, seed: 0 };
        Dataset::with(inputs, targets, &Learning { held, loss, weights }).unwrap()
    }

    /// Of each row's loss by each output, and of the mean of the losses.
    fn check(task: &Dataset, outputs: &[f32]) {
        let mut unused = vec![0.0; outputs.len()];
        for row in 0..task.rows() {
            let mut slopes = unused.clone();
            task.loss(row, outputs, &mut slopes);
            for at in 0..outputs.len() {
                let mut moved = |by: f32| {
                    let mut outputs = outputs.to_vec();
                    outputs[at] += by;
                    task.loss(row, &outputs, &mut unused)
                };
                let seen = (moved(0.001) - moved(-0.001)) / 0.002;
                let slope = f64::from(slopes[at]);
                assert!((seen - slope).abs() < 1e-2 * slope.abs().max(1.0), "{row} {at}: {slope}");
            }
        }
    }

    #[test]
    fn every_loss_has_the_slope_of_its_differences() {
        for loss in [Loss::Squared, Loss::Absolute, Loss::Huber(0.5), Loss::Huber(3.0)] {
            let targets = Rows::new(2, vec![0.0, 1.0, -2.0, 4.0]).unwrap();
            check(&dataset(Targets::Numbers(targets), loss, Weights::Equal), &[0.3, -0.7]);
        }
        for weights in [Weights::Equal, Weights::Balanced, Weights::Given(vec![3.0, 0.5, 1.0])] {
            let labels = [0, 0, 0, 1, 2, 1].map(Label::Integer);
            let targets = Targets::classes(labels).unwrap();
            let task = dataset(targets, Loss::Squared, weights);
            check(&task, &[0.3, -0.7, 1.9]);
            assert!(task.mean_weight > 0.0);
        }
    }
}
