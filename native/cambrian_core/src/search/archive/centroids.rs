//! Points that divide the unit cube evenly: a centroidal Voronoi tessellation (Vassiliades,
//! Chatzilygeroudis & Mouret 2018, arXiv:1610.05729), by the method of Lloyd on random samples.
//!
//! The samples follow from the number of points and of dimensions alone, so everybody has the same
//! points. A k-d tree finds the nearest one.

use super::squared;
use crate::base::rng::{Purpose, Stream};
use rayon::prelude::*;
use std::sync::{Arc, Mutex};

/// Rounds of Lloyd's method, and samples for each centroid and in all, where they are affordable.
const ROUNDS: usize = 10;
const SAMPLES: usize = 16;
const FEWEST_SAMPLES: usize = 10_000;

/// In up to so many dimensions the tree looks at few points.
pub(super) const FEW_DIMENSIONS: usize = 4;
/// About how many numbers are compared in all: some seconds.
const AFFORDABLE: usize = 4_000_000_000;
/// What a query of a large tree costs for each dimension, in comparisons of numbers in a row: it
/// waits for memory.
const JUMPS: usize = 500;
/// How many samples are worth another thread.
const GRAIN: usize = 256;

#[derive(Debug)]
pub struct Centroids(Arc<Tree>);

#[derive(Debug)]
struct Tree {
    points: Vec<Vec<f64>>,
    /// The places of points: in the middle of each part the one that splits it, along the dimension
    /// of its depth.
    order: Vec<u32>,
}

impl Centroids {
    pub fn new(count: u32, dimensions: usize) -> Centroids {
        // a run, its checkpoints and its archives ask for the same points
        static LAST: Mutex<Option<Arc<Tree>>> = Mutex::new(None);
        let last = || LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_same =
            |tree: &Tree| tree.points.len() == count as usize && tree.points[0].len() == dimensions;
        if let Some(tree) = last().as_ref().filter(|tree| is_same(tree)) {
            return Centroids(Arc::clone(tree));
        }
        let tree = Arc::new(tessellation(count as usize, dimensions));
        *last() = Some(Arc::clone(&tree));
        Centroids(tree)
    }

    pub fn len(&self) -> usize {
        self.0.points.len()
    }

    pub fn at(&self, cell: u32) -> &[f64] {
        &self.0.points[cell as usize]
    }

    /// The place of the nearest; the first of equals.
    pub fn nearest(&self, point: &[f64]) -> u32 {
        self.0.nearest(point)
    }
}

/// How many samples, and how many rounds.
fn effort(count: usize, dimensions: usize) -> (usize, usize) {
    let query = if dimensions <= FEW_DIMENSIONS { JUMPS * dimensions } else { count * dimensions };
    let queries = AFFORDABLE / query;
    let samples = (SAMPLES * count).max(FEWEST_SAMPLES).min(queries / 2).max(count);
    (samples, (queries / samples).clamp(1, ROUNDS))
}

/// Each centroid moves to the mean of the samples that are nearest to it, some times over. One
/// without samples stays.
fn tessellation(count: usize, dimensions: usize) -> Tree {
    let draw = |index: usize| {
        let mut rng =
            Stream::new(count as u64, Purpose::Centroids, dimensions as u64, index as u64);
        (0..dimensions).map(|_| f64::from(rng.unit())).collect::<Vec<f64>>()
    };
    let (samples, rounds) = effort(count, dimensions);
    let samples: Vec<Vec<f64>> =
        (0..samples).into_par_iter().with_min_len(GRAIN).map(draw).collect();
    let mut tree = Tree::new(samples[..count].to_vec());
    for _ in 0..rounds {
        let near: Vec<u32> =
            samples.par_iter().with_min_len(GRAIN).map(|sample| tree.nearest(sample)).collect();
        let mut sums = vec![(vec![0.0; dimensions], 0.0); count];
        for (sample, at) in samples.iter().zip(near) {
            let (sum, number) = &mut sums[at as usize];
            sum.iter_mut().zip(sample).for_each(|(sum, number)| *sum += number);
            *number += 1.0;
        }
        let mean = |((sum, number), old): ((Vec<f64>, f64), Vec<f64>)| match number {
            0.0 => old,
            _ => sum.into_iter().map(|sum| sum / number).collect(),
        };
        tree = Tree::new(sums.into_iter().zip(tree.points).map(mean).collect());
    }
    tree
}

impl Tree {
    fn new(points: Vec<Vec<f64>>) -> Tree {
        let mut order: Vec<u32> = (0..points.len() as u32).collect();
        split(&mut order, &points, 0);
        Tree { points, order }
    }

    fn nearest(&self, point: &[f64]) -> u32 {
        let mut found = (f64::INFINITY, u32::MAX);
        self.search(&self.order, 0, point, &mut found);
        found.1
    }

    fn search(&self, part: &[u32], depth: usize, point: &[f64], found: &mut (f64, u32)) {
        let middle = part.len() / 2;
        let Some(&at) = part.get(middle) else { return };
        let split = &self.points[at as usize];
        let distance = squared(split, point);
        if distance < found.0 || distance == found.0 && at < found.1 {
            *found = (distance, at);
        }
        let across = depth % point.len();
        let away = point[across] - split[across];
        let (below, above) = (&part[..middle], &part[middle + 1..]);
        let (near, far) = if away < 0.0 { (below, above) } else { (above, below) };
        self.search(near, depth + 1, point, found);
        // an equal distance may be that of one that comes first
        if away * away <= found.0 {
            self.search(far, depth + 1, point, found);
        }
    }
}

fn split(part: &mut [u32], points: &[Vec<f64>], depth: usize) {
    if part.len() < 2 {
        return;
    }
    let across = depth % points[0].len();
    let order = |a: &u32, b: &u32| {
        points[*a as usize][across].total_cmp(&points[*b as usize][across]).then(a.cmp(b))
    };
    let middle = part.len() / 2;
    part.select_nth_unstable_by(middle, order);
    split(&mut part[..middle], points, depth + 1);
    split(&mut part[middle + 1..], points, depth + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Small numbers, so that many points are equally near.
        #[test]
        fn the_tree_finds_the_first_of_the_nearest_centroids(
            points in prop::collection::vec(prop::collection::vec(0..4u8, 3), 1..60),
            point in prop::collection::vec(0..4u8, 3),
        ) {
            let numbers = |one: &Vec<u8>| one.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
            let (points, point) = (points.iter().map(numbers).collect::<Vec<_>>(), numbers(&point));
            let nearer = |a: &usize, b: &usize| {
                squared(&points[*a], &point).total_cmp(&squared(&points[*b], &point))
            };
            let slow = (0..points.len()).min_by(nearer).unwrap();
            prop_assert_eq!(Tree::new(points.clone()).nearest(&point), slow as u32);
        }
    }

    #[test]
    fn many_dimensions_get_fewer_samples_and_rounds() {
        assert_eq!(effort(2500, 2), (40_000, ROUNDS));
        assert_eq!(effort(10_000, 4), (160_000, ROUNDS));
        assert_eq!(effort(50_000, 2), (800_000, 5));
        assert_eq!(effort(50_000, 4), (800_000, 2));
        for (count, dimensions) in [(10_000, 16), (2500, 8), (10_000, 5), (1, 16)] {
            let (samples, rounds) = effort(count, dimensions);
            assert!(samples >= count && rounds >= 1);
            assert!(samples * rounds * count * dimensions <= AFFORDABLE, "{count} {dimensions}");
        }
    }

    /// Neighbouring centroids are about as far apart as the side of an equal share of the space.
    #[test]
    fn centroids_are_evenly_spaced() {
        let centroids = Centroids::new(400, 2);
        let nearest = |at: usize| {
            let others = (0..400).filter(|other| *other != at);
            let all =
                others.map(|other| squared(centroids.at(at as u32), centroids.at(other as u32)));
            all.fold(f64::INFINITY, f64::min).sqrt()
        };
        let apart: Vec<f64> = (0..400).map(nearest).collect();
        let lowest = apart.iter().copied().fold(f64::INFINITY, f64::min);
        let mean = apart.iter().sum::<f64>() / 400.0;
        assert!(lowest > 0.015 && (0.03..0.06).contains(&mean), "{lowest} {mean}");
    }
}
