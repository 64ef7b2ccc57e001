//! How a dataset is learnt: which rows are held back, and what an error costs.

use super::rows::{DatasetError, Targets};
use crate::base::rng::{Purpose, Stream};
use sha2::{Digest, Sha256};

/// Which rows fitness does not see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Held {
    /// A share of the rows, of each class the same, drawn with the seed. Of each class one row at
    /// least is left to learn.
    Share { share: f64, seed: u64 },
    /// As many rows at the end: of data in the order of time, the latest.
    Last(usize),
}

/// What an output costs that differs from its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// (output − target)²
    Squared,
    /// |output − target|
    Absolute,
    /// Half the square up to this difference, and beyond it a line (Huber 1964, "Robust estimation
    /// of a location parameter").
    Huber(f64),
}

/// How much a row counts, by its class.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    Equal,
    /// All classes count the same, whatever number of rows each has to learn.
    Balanced,
    /// One for each label, in their order.
    Given(Vec<f64>),
}

/// All that is set of how a dataset is learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Learning {
    pub held: Held,
    pub loss: Loss,
    pub weights: Weights,
}

/// What learning makes of the targets of a training part.
pub(super) struct Objective {
    pub(super) loss: Loss,
    /// One for each class.
    pub(super) weights: Vec<f64>,
}

impl Learning {
    /// The mean squared error or the mean cross entropy, and a share of the rows held back.
    pub fn of_share(share: f64, seed: u64) -> Learning {
        let held = Held::Share { share, seed };
        Learning { held, loss: Loss::Squared, weights: Weights::Equal }
    }

    /// # Errors
    /// [`DatasetError::Loss`] and [`DatasetError::Weights`].
    pub(super) fn objective(&self, targets: &Targets) -> Result<Objective, DatasetError> {
        let Targets::Classes { labels, rows } = targets else {
            return match self.weights {
                Weights::Equal => Ok(Objective { loss: self.loss, weights: Vec::new() }),
                _ => Err(DatasetError::Weights(0)),
            };
        };
        if self.loss != Loss::Squared {
            return Err(DatasetError::Loss);
        }
        let weights = match &self.weights {
            Weights::Equal => vec![1.0; labels.len()],
            Weights::Balanced => balanced(labels.len(), rows),
            Weights::Given(weights) if weights.len() == labels.len() => weights.clone(),
            Weights::Given(_) => return Err(DatasetError::Weights(labels.len())),
        };
        Ok(Objective { loss: self.loss, weights })
    }

    /// What is not at its default follows what was hashed before it could be set, so that the ids
    /// of other datasets stay.
    pub(super) fn hash(&self, hash: &mut Sha256) {
        // a share is below 1
        let (held, seed) = match self.held {
            Held::Share { share, seed } => (share, seed),
            Held::Last(count) => (count as f64, 0),
        };
        hash.update(held.to_le_bytes());
        hash.update(seed.to_le_bytes());
        match self.loss {
            Loss::Squared => {}
            Loss::Absolute => hash.update(b"absolute"),
            Loss::Huber(delta) => {
                hash.update(b"huber");
                hash.update(delta.to_le_bytes());
            }
        }
        match &self.weights {
            Weights::Equal => {}
            Weights::Balanced => hash.update(b"balanced"),
            Weights::Given(weights) => {
                hash.update(b"weights");
                weights.iter().for_each(|weight| hash.update(weight.to_le_bytes()));
            }
        }
    }
}

/// rows / (classes · rows of the class), as scikit-learn has it. A class without a row, which only
/// rows held back can have, counts as if it had one.
fn balanced(classes: usize, rows: &[u32]) -> Vec<f64> {
    let mut counts = vec![0_u32; classes];
    rows.iter().for_each(|class| counts[*class as usize] += 1);
    let weight = |count: u32| rows.len() as f64 / (classes as f64 * f64::from(count.max(1)));
    counts.into_iter().map(weight).collect()
}

impl Loss {
    /// The sum and what these outputs cost, added one by one.
    pub(super) fn add_to(self, sum: f64, outputs: &[f32], targets: &[f32]) -> f64 {
        match self {
            Loss::Squared => add(sum, outputs, targets, |error| error * error),
            Loss::Absolute => add(sum, outputs, targets, f64::abs),
            Loss::Huber(delta) => add(sum, outputs, targets, |error| {
                let size = error.abs();
                if size <= delta { size * size / 2.0 } else { delta * (size - delta / 2.0) }
            }),
        }
    }
}

fn add(sum: f64, outputs: &[f32], targets: &[f32], cost: impl Fn(f64) -> f64) -> f64 {
    let error = |(output, target): (&f32, &f32)| f64::from(*output) - f64::from(*target);
    outputs.iter().zip(targets).map(error).fold(sum, |sum, error| sum + cost(error))
}

impl Held {
    /// The rows to learn and those held back, each in their order.
    ///
    /// # Errors
    /// [`DatasetError::Validation`], if a part would be empty that should not be.
    pub(super) fn split(self, targets: &Targets) -> Result<(Vec<usize>, Vec<usize>), DatasetError> {
        let (kept, held) = match self {
            Held::Share { share: 0.0, .. } => return Ok((Vec::new(), Vec::new())),
            Held::Share { share, seed } => drawn(targets, share, seed),
            Held::Last(count) => {
                let first = targets.count().saturating_sub(count);
                ((0..first).collect(), (first..targets.count()).collect())
            }
        };
        if kept.is_empty() || held.is_empty() {
            return Err(DatasetError::Validation);
        }
        Ok((kept, held))
    }
}

fn drawn(targets: &Targets, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let groups = match targets {
        Targets::Numbers(rows) => vec![(0..rows.count()).collect()],
        Targets::Classes { labels, rows } => {
            let mut groups = vec![Vec::new(); labels.len()];
            rows.iter().enumerate().for_each(|(at, class)| groups[*class as usize].push(at));
            groups
        }
    };
    let is_classes = matches!(targets, Targets::Classes { .. });
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for (class, mut group) in (0..).zip(groups) {
        Stream::new(seed, Purpose::Task, 1, class).shuffle(&mut group);
        let most = if is_classes { group.len().saturating_sub(1) } else { group.len() };
        let count = ((share * group.len() as f64).round() as usize).min(most);
        kept.extend_from_slice(&group[count..]);
        held.extend_from_slice(&group[..count]);
    }
    kept.sort_unstable();
    held.sort_unstable();
    (kept, held)
}

/// The rows 0 to `count` − 1 in random order; a stream for each group of rows.
pub fn order(count: usize, seed: u64, group: u64) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..count as u32).collect();
    Stream::new(seed, Purpose::Task, 2, group).shuffle(&mut rows);
    rows
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Label, Rows};
    use super::*;

    fn classes(rows: &[i64]) -> Targets {
        Targets::classes(rows.iter().copied().map(Label::Integer)).unwrap()
    }

    fn learning(loss: Loss, weights: Weights) -> Learning {
        Learning { held: Held::Last(1), loss, weights }
    }

    #[test]
    fn losses_are_those_of_their_definitions() {
        let (outputs, targets) = ([0.5, -3.0, 2.0], [0.0, 0.0, 2.0]);
        let cost = |loss: Loss| loss.add_to(1.0, &outputs, &targets);
        assert_eq!(cost(Loss::Squared), 1.0 + 0.25 + 9.0);
        assert_eq!(cost(Loss::Absolute), 1.0 + 0.5 + 3.0);
        assert_eq!(cost(Loss::Huber(1.0)), 1.0 + 0.125 + 2.5);
        assert_eq!(cost(Loss::Huber(8.0)), 1.0 + 0.125 + 4.5);
    }

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 0, 1, 1, 2, 2])
        let targets = classes(&[0, 0, 0, 0, 1, 1, 2, 2]);
        let weights = |weights| learning(Loss::Squared, weights).objective(&targets);
        let balanced = weights(Weights::Balanced).unwrap().weights;
        assert_eq!(balanced, [8.0 / 12.0, 8.0 / 6.0, 8.0 / 6.0]);
        assert_eq!(weights(Weights::Equal).unwrap().weights, [1.0; 3]);
        assert_eq!(weights(Weights::Given(vec![1.0])).err(), Some(DatasetError::Weights(3)));
    }

    #[test]
    fn a_loss_of_numbers_and_weights_of_classes_do_not_mix() {
        let (numbers, classes) =
            (Targets::Numbers(Rows::new(1, vec![1.0]).unwrap()), classes(&[0, 1]));
        let absolute = learning(Loss::Absolute, Weights::Equal);
        assert_eq!(absolute.objective(&classes).err(), Some(DatasetError::Loss));
        assert!(absolute.objective(&numbers).is_ok());
        let balanced = learning(Loss::Squared, Weights::Balanced);
        assert_eq!(balanced.objective(&numbers).err(), Some(DatasetError::Weights(0)));
    }

    #[test]
    fn the_last_rows_are_held_back_in_their_order() {
        let targets = classes(&[0, 1, 0, 1, 1]);
        assert_eq!(Held::Last(2).split(&targets), Ok((vec![0, 1, 2], vec![3, 4])));
        for wrong in [0, 5, 6] {
            assert_eq!(Held::Last(wrong).split(&targets), Err(DatasetError::Validation));
        }
    }

    #[test]
    fn an_order_has_every_row_once_and_depends_on_seed_and_group() {
        let mut sorted = order(100, 1, 0);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
        assert_eq!(order(100, 1, 0), order(100, 1, 0));
        assert_ne!(order(100, 1, 0), order(100, 2, 0));
        assert_ne!(order(100, 1, 0), order(100, 1, 1));
    }

    #[test]
    fn every_setting_has_its_own_hash() {
        let hash = |learning: &Learning| {
            let mut hash = Sha256::new();
            learning.hash(&mut hash);
            hash.finalize()
        };
        let mut all = vec![hash(&Learning::of_share(0.5, 1)), hash(&Learning::of_share(0.5, 2))];
        for loss in [Loss::Squared, Loss::Absolute, Loss::Huber(1.0), Loss::Huber(2.0)] {
            all.push(hash(&learning(loss, Weights::Equal)));
        }
        for weights in [Weights::Balanced, Weights::Given(vec![1.0]), Weights::Given(vec![2.0])] {
            all.push(hash(&learning(Loss::Squared, weights)));
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
