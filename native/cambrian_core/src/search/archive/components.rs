//! Principal components: the directions in which behaviours differ most (Pearson 1901, "On lines
//! and planes of closest fit to systems of points in space").

use crate::base::rng::{Purpose, Stream};
use crate::genome::parameters::Bounds;
use ndarray::{Array1, Array2, ArrayView1, Axis};

/// The most behaviours that components are made of; of more, so many that are evenly apart.
const MOST_BEHAVIOURS: usize = 1_000;
/// The most rounds of the subspace iteration, and the change at which it ends.
const ROUNDS: usize = 200;
const CHANGE: f64 = 1.0e-9;
/// About how many products all rounds make at most: a second.
const AFFORDABLE: usize = 500_000_000;

/// A mean behaviour, and directions of length 1 at right angles to each other, the one with the
/// largest variance first. A direction is 0 where behaviours differ in fewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    mean: Array1<f64>,
    /// One a row.
    directions: Array2<f64>,
}

impl Components {
    /// So many, of behaviours that are all as long and finite.
    ///
    /// By subspace iteration (Golub & Van Loan, "Matrix Computations", 8.2.4), from a start that
    /// follows from the lengths. All sums are in a fixed order: `ndarray` multiplies a matrix and a
    /// vector so, but not two matrices, where it chooses instructions by the processor.
    pub fn fit(behaviours: &[&[f64]], count: usize) -> Components {
        let length = behaviours.first().map_or(0, |one| one.len());
        let step = behaviours.len().div_ceil(MOST_BEHAVIOURS).max(1);
        let chosen: Vec<&[f64]> = behaviours.iter().step_by(step).copied().collect();
        let share = 1.0 / chosen.len().max(1) as f64;
        let mut mean = Array1::<f64>::zeros(length);
        for one in &chosen {
            mean.scaled_add(share, &ArrayView1::from(*one));
        }
        let mut apart = Array2::from_shape_fn((chosen.len(), length), |(row, at)| {
            // halves, so that the difference of the largest numbers is finite
            chosen[row][at] / 2.0 - mean[at] / 2.0
        });
        let widest = apart.iter().fold(0.0_f64, |widest, x| widest.max(x.abs()));
        if widest > 0.0 {
            apart.mapv_inplace(|x| x / widest);
        }
        let directions = directions(&apart, count);
        Components { mean, directions }
    }

    /// From numbers that were saved; `None` if they are not finite, or cannot be those of so many
    /// components.
    pub fn restored(mean: Vec<f64>, directions: Vec<f64>, count: usize) -> Option<Components> {
        let are_finite = mean.iter().chain(&directions).all(|x| x.is_finite());
        // one zero, so that equal components have equal bytes
        let one_zero = |all: Vec<f64>| all.into_iter().map(|x| x + 0.0).collect::<Vec<f64>>();
        let (mean, directions) = (one_zero(mean), one_zero(directions));
        let directions = Array2::from_shape_vec((count, mean.len()), directions).ok()?;
        are_finite.then(|| Components { mean: mean.into(), directions })
    }

    pub fn mean(&self) -> impl Iterator<Item = f64> + '_ {
        self.mean.iter().copied()
    }

    /// One after the other.
    pub fn directions(&self) -> impl Iterator<Item = f64> + '_ {
        self.directions.iter().copied()
    }

    pub fn count(&self) -> usize {
        self.directions.nrows()
    }

    /// How many numbers a behaviour has.
    pub fn length(&self) -> usize {
        self.mean.len()
    }

    /// How far a behaviour lies from the mean, along each direction.
    pub fn position(&self, behaviour: &[f64]) -> Vec<f64> {
        let apart = || behaviour.iter().zip(&self.mean).map(|(x, mean)| x / 2.0 - mean / 2.0);
        let along = |direction: ArrayView1<f64>| {
            let half: f64 = apart().zip(direction).map(|(x, along)| x * along).sum();
            // sums of the largest numbers overflow to either side
            if half.is_nan() { 0.0 } else { (2.0 * half).clamp(f64::MIN, f64::MAX) }
        };
        self.directions.outer_iter().map(along).collect()
    }

    /// A box around the positions of these behaviours, half as wide again; from −1 to 1 along a
    /// direction in which they do not differ.
    pub fn bounds(&self, behaviours: &[&[f64]]) -> Bounds {
        let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); self.count()];
        for behaviour in behaviours {
            for ((low, high), at) in ends.iter_mut().zip(self.position(behaviour)) {
                (*low, *high) = (low.min(at), high.max(at));
            }
        }
        let wider = |(low, high): (f64, f64)| {
            let margin = high / 4.0 - low / 4.0;
            let ends = ((low - margin).max(f64::MIN), (high + margin).min(f64::MAX));
            if ends.0 < ends.1 { (ends.0 + 0.0, ends.1 + 0.0) } else { (-1.0, 1.0) }
        };
        Bounds(ends.into_iter().map(wider).collect())
    }
}

/// The principal directions of rows whose mean is 0.
fn directions(rows: &Array2<f64>, count: usize) -> Array2<f64> {
    let length = rows.ncols();
    let mut rng = Stream::new(length as u64, Purpose::Projection, count as u64, u64::MAX);
    let mut directions = Array2::from_shape_fn((count, length), |_| f64::from(rng.normal()));
    orthonormal(&mut directions);
    let rounds = AFFORDABLE / (2 * rows.len() * count).max(1);
    for _ in 0..rounds.clamp(1, ROUNDS) {
        let mut next = Array2::zeros((count, length));
        for (direction, mut next) in directions.outer_iter().zip(next.outer_iter_mut()) {
            next.assign(&rows.t().dot(&rows.dot(&direction)));
        }
        orthonormal(&mut next);
        let change = (&next - &directions).iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        directions = next;
        if change < CHANGE {
            break;
        }
    }
    sorted(rows, directions)
}

/// Makes the rows orthogonal to those before them, twice for accuracy, and of length 1. A row that
/// lies within those before it becomes 0 (the method of Gram & Schmidt).
fn orthonormal(rows: &mut Array2<f64>) {
    for at in 0..rows.nrows() {
        let (before, mut rest) = rows.view_mut().split_at(Axis(0), at);
        let mut row = rest.row_mut(0);
        let whole = row.dot(&row).sqrt();
        for _ in 0..2 {
            for other in before.outer_iter() {
                let along = row.dot(&other);
                row.scaled_add(-along, &other);
            }
        }
        let left = row.dot(&row).sqrt();
        let scale = if left > 1.0e-12 * whole { 1.0 / left } else { 0.0 };
        row.mapv_inplace(|x| if scale == 0.0 { 0.0 } else { x * scale });
    }
}

/// The direction with the largest variance first. The largest number of each is positive, as the
/// opposite direction would do as well.
fn sorted(rows: &Array2<f64>, directions: Array2<f64>) -> Array2<f64> {
    let variance = |direction: ArrayView1<f64>| {
        let along = rows.dot(&direction);
        along.dot(&along)
    };
    let mut order: Vec<(f64, Array1<f64>)> =
        directions.outer_iter().map(|one| (variance(one), one.to_owned())).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut sorted = Array2::zeros(directions.dim());
    for (mut row, (_, direction)) in sorted.outer_iter_mut().zip(order) {
        let largest =
            direction.iter().fold(0.0_f64, |most, x| if x.abs() > most.abs() { *x } else { most });
        row.assign(&direction.mapv(|x| if largest < 0.0 { -x } else { x } + 0.0));
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals(seed: u64, count: usize) -> Vec<f64> {
        let mut rng = Stream::new(seed, Purpose::Task, 0, 0);
        (0..count).map(|_| f64::from(rng.normal())).collect()
    }

    /// Behaviours of 300 numbers that vary by 5, 2 and 0.1 along three known directions.
    fn scattered() -> (Vec<Vec<f64>>, [Vec<f64>; 2]) {
        let mut axes = Array2::from_shape_vec((3, 300), normals(1, 900)).unwrap();
        orthonormal(&mut axes);
        let draws = normals(2, 3000);
        let behaviour = |of: &[f64]| {
            let along = |at: usize| {
                7.0 + 5.0 * of[0] * axes[[0, at]]
                    + 2.0 * of[1] * axes[[1, at]]
                    + 0.1 * of[2] * axes[[2, at]]
            };
            (0..300).map(along).collect()
        };
        let all = draws.chunks(3).map(behaviour).collect();
        (all, [axes.row(0).to_vec(), axes.row(1).to_vec()])
    }

    fn views(all: &[Vec<f64>]) -> Vec<&[f64]> {
        all.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn components_are_the_directions_of_the_largest_variance() {
        let (all, axes) = scattered();
        let found = Components::fit(&views(&all), 2);
        for (at, axis) in axes.iter().enumerate() {
            let cosine: f64 = found.directions.row(at).iter().zip(axis).map(|(a, b)| a * b).sum();
            assert!(cosine.abs() > 0.995, "{at}: {cosine}");
        }
        let variance = |at: usize| {
            all.iter().map(|one| found.position(one)[at].powi(2)).sum::<f64>() / all.len() as f64
        };
        assert!((variance(0) - 25.0).abs() < 2.5, "{}", variance(0));
        assert!((variance(1) - 4.0).abs() < 0.4, "{}", variance(1));
    }

    /// In as many components as they have numbers, behaviours keep their distances.
    #[test]
    fn all_components_together_keep_distances() {
        let all: Vec<Vec<f64>> = normals(3, 200).chunks(4).map(<[f64]>::to_vec).collect();
        let found = Components::fit(&views(&all), 4);
        let distance = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
        };
        for pair in all.windows(2) {
            let kept = distance(&found.position(&pair[0]), &found.position(&pair[1]));
            assert!((kept - distance(&pair[0], &pair[1])).abs() < 1e-9);
        }
    }

    #[test]
    fn every_behaviour_that_made_the_components_is_within_their_bounds() {
        let (all, _) = scattered();
        let found = Components::fit(&views(&all), 3);
        let bounds = found.bounds(&views(&all));
        for one in &all {
            let inside = |(at, (low, high)): (f64, &(f64, f64))| (*low..=*high).contains(&at);
            assert!(found.position(one).into_iter().zip(&bounds.0).all(inside));
        }
    }

    #[test]
    fn behaviours_that_differ_in_nothing_or_are_extreme_have_components() {
        let same = vec![vec![3.0; 5]; 4];
        let found = Components::fit(&views(&same), 2);
        assert_eq!(found.position(&[3.0; 5]), [0.0; 2]);
        assert_eq!(found.bounds(&views(&same)).0, [(-1.0, 1.0); 2]);
        let none = Components::fit(&[], 2);
        assert_eq!((none.length(), none.position(&[])), (0, vec![0.0; 2]));
        let extreme = vec![vec![f64::MAX, 1.0], vec![-f64::MAX, 2.0], vec![0.0, -f64::MAX]];
        let found = Components::fit(&views(&extreme), 2);
        assert!(found.directions().all(f64::is_finite));
        assert!(Bounds::checked(found.bounds(&views(&extreme)).0).is_some());
        assert!(found.position(&[f64::MAX, -f64::MAX]).iter().all(|x| x.is_finite()));
    }

    #[test]
    fn saved_components_are_restored_and_others_refused() {
        let (all, _) = scattered();
        let found = Components::fit(&views(&all), 2);
        let (mean, directions): (Vec<f64>, Vec<f64>) =
            (found.mean().collect(), found.directions().collect());
        let restored = |mean: &[f64], directions: &[f64], count| {
            Components::restored(mean.to_vec(), directions.to_vec(), count)
        };
        assert_eq!(restored(&mean, &directions, 2), Some(found));
        assert_eq!(restored(&mean, &directions, 3), None);
        assert_eq!(restored(&mean, &[f64::NAN; 600], 2), None);
    }
}
