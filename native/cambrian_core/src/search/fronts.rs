//! Fronts: which of many points are dominated by none, which of the rest by none of the rest, and
//! so on. In each objective, more is better. A point dominates another if it is no worse in any
//! objective, and better in one.
//!
//! Two and three objectives are swept: `fronts/staircases.rs`. Four and more are compared as sets
//! of bits: `fronts/bit_sets.rs`. No number may be NaN.

mod bit_sets;
mod staircases;

use std::cmp::Ordering;

/// Points of as many objectives each, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    numbers: &'a [f64],
    width: usize,
}

impl<'a> Points<'a> {
    /// # Panics
    /// If the numbers are not whole rows.
    pub fn new(numbers: &'a [f64], width: usize) -> Points<'a> {
        assert!(width > 0 && numbers.len().is_multiple_of(width), "rows of {width} numbers");
        Points { numbers, width }
    }

    pub fn len(&self) -> usize {
        self.numbers.len() / self.width
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// How many objectives there are.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn row(&self, at: usize) -> &'a [f64] {
        &self.numbers[at * self.width..][..self.width]
    }
}

/// The front of each point, from 0. The result does not depend on the order of the points.
pub fn ranks(points: &Points) -> Vec<u32> {
    let keys: Vec<u64> = points.numbers.iter().map(|number| key(*number)).collect();
    let sorted = Sorted::new(&keys, points.width);
    let ranks = match points.width {
        1 => (0..sorted.len() as u32).collect(),
        2 => staircases::of_two(&sorted),
        3 => staircases::of_three(&sorted),
        _ => bit_sets::ranks(&sorted),
    };
    let mut all = vec![0; points.len()];
    sorted.places.iter().for_each(|&(point, place)| all[point as usize] = ranks[place as usize]);
    all
}

/// The points of each front, the best front first; within a front in ascending order.
pub fn fronts(ranks: &[u32]) -> Vec<Vec<u32>> {
    let count = ranks.iter().max().map_or(0, |last| *last as usize + 1);
    let mut fronts = vec![Vec::new(); count];
    (0..).zip(ranks).for_each(|(at, rank)| fronts[*rank as usize].push(at));
    fronts
}

/// A number that is the smaller, the larger the given one is; 0 and −0 have the same.
fn key(number: f64) -> u64 {
    let bits = (0.0 - number).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Points in the order of their first objective, then of their second, and so on; equal ones once.
/// So no point is dominated by a later one.
struct Sorted {
    /// The keys of each, row by row.
    keys: Vec<u64>,
    width: usize,
    /// Of each point its index and its place here.
    places: Vec<(u32, u32)>,
}

impl Sorted {
    fn new(keys: &[u64], width: usize) -> Sorted {
        let row = |at: u32| &keys[at as usize * width..][..width];
        let mut order: Vec<(u64, u32)> = keys.iter().step_by(width).copied().zip(0..).collect();
        let rest = |a: u32, b: u32| row(a)[1..].cmp(&row(b)[1..]);
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| rest(a.1, b.1)));
        let (mut sorted, mut places) = (Vec::with_capacity(keys.len()), Vec::new());
        let mut count = 0;
        for (nth, &(_, at)) in order.iter().enumerate() {
            if nth == 0 || row(order[nth - 1].1) != row(at) {
                sorted.extend_from_slice(row(at));
                count += 1;
            }
            places.push((at, count - 1));
        }
        Sorted { keys: sorted, width, places }
    }

    fn len(&self) -> usize {
        self.keys.len() / self.width
    }

    fn row(&self, at: usize) -> &[u64] {
        &self.keys[at * self.width..][..self.width]
    }
}

/// The crowding distance of each point of a front (Deb, Pratap, Agarwal & Meyarivan 2002, "A fast
/// and elitist multiobjective genetic algorithm: NSGA-II", section III-B): how far its neighbours
/// are from each other in each objective, as a share of what the front spans; infinite for the
/// first and the last. `tie` decides which of equals comes first.
pub fn crowding(points: &Points, front: &[u32], tie: impl Fn(u32, u32) -> Ordering) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    let value = |at: usize, objective: usize| points.row(front[at] as usize)[objective];
    let mut order: Vec<usize> = (0..front.len()).collect();
    for objective in 0..points.width {
        let value = |at: usize| value(at, objective);
        let compare =
            |a: usize, b: usize| value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal);
        order.sort_unstable_by(|&a, &b| compare(a, b).then_with(|| tie(front[a], front[b])));
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else { break };
        distances[first] = f64::INFINITY;
        distances[last] = f64::INFINITY;
        // in halves, so that no range overflows
        let span = 0.5 * value(last) - 0.5 * value(first);
        if span > 0.0 {
            for three in order.windows(3) {
                let gap = 0.5 * value(three[2]) - 0.5 * value(three[0]);
                distances[three[1]] += gap / span;
            }
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dominates(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
    }

    /// The ranks by the definition: O(M N²) for each front.
    fn by_definition(points: &Points) -> Vec<u32> {
        let mut ranks = vec![u32::MAX; points.len()];
        for front in 0.. {
            let left: Vec<usize> = (0..points.len()).filter(|at| ranks[*at] == u32::MAX).collect();
            if left.is_empty() {
                break;
            }
            let is_free = |at: &&usize| {
                !left.iter().any(|other| dominates(points.row(*other), points.row(**at)))
            };
            let free: Vec<usize> = left.iter().filter(is_free).copied().collect();
            free.into_iter().for_each(|at| ranks[at] = front);
        }
        ranks
    }

    /// Rows with few different numbers, so that many are equal, or with any numbers.
    fn rows() -> impl Strategy<Value = (usize, Vec<f64>)> {
        let number = prop_oneof![
            (-3i32..3).prop_map(f64::from),
            Just(-0.0),
            -1.0e3..1.0e3,
            prop_oneof![Just(f64::MAX), Just(f64::MIN), Just(f64::MIN_POSITIVE)],
        ];
        let few = (1usize..8, 0usize..60).prop_flat_map(move |(width, rows)| {
            (Just(width), prop::collection::vec(number.clone(), width * rows))
        });
        // more rows than one block of bits, with many ties
        let many = (2usize..7, 500usize..1300, 2i32..40).prop_flat_map(|(width, rows, values)| {
            let number = (0..values).prop_map(f64::from);
            (Just(width), prop::collection::vec(number, width * rows))
        });
        prop_oneof![9 => few, 1 => many]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn all_algorithms_agree_with_the_definition((width, numbers) in rows()) {
            let points = Points::new(&numbers, width);
            let expected = by_definition(&points);
            prop_assert_eq!(&ranks(&points), &expected);
            // the algorithms for any number of objectives, also where a quicker one exists
            if width > 1 {
                let keys: Vec<u64> = numbers.iter().map(|number| key(*number)).collect();
                let sorted = Sorted::new(&keys, width);
                let found = bit_sets::ranks(&sorted);
                for (point, place) in sorted.places {
                    prop_assert_eq!(found[place as usize], expected[point as usize]);
                }
            }
        }

        #[test]
        fn the_order_of_the_points_does_not_matter((width, numbers) in rows(), turn in 0usize..60) {
            let count = numbers.len() / width;
            let turn = if count == 0 { 0 } else { turn % count };
            let mut turned = numbers.clone();
            turned.rotate_left(turn * width);
            let mut expected = ranks(&Points::new(&numbers, width));
            expected.rotate_left(turn);
            prop_assert_eq!(ranks(&Points::new(&turned, width)), expected);
        }
    }

    #[test]
    fn a_chain_has_a_front_for_each_point() {
        for width in 1..6 {
            let numbers: Vec<f64> =
                (0..1500).flat_map(|n| vec![f64::from(n * 7 % 1500); width]).collect();
            let expected: Vec<u32> = (0..1500).map(|n| 1499 - n * 7 % 1500).collect();
            assert_eq!(ranks(&Points::new(&numbers, width)), expected, "{width}");
        }
    }

    #[test]
    fn fronts_list_their_points() {
        let points = [1.0, 5.0, 5.0, 1.0, 0.0, 0.0, 0.5, 4.0, 5.0, 1.0];
        let ranks = ranks(&Points::new(&points, 2));
        assert_eq!(ranks, [0, 0, 2, 1, 0]);
        assert_eq!(fronts(&ranks), [vec![0, 1, 4], vec![3], vec![2]]);
    }

    #[test]
    fn crowding_is_the_distance_of_the_neighbours_divided_by_the_span() {
        let numbers = [0.0, 8.0, 1.0, 6.0, 3.0, 2.0, 4.0, 0.0];
        let points = Points::new(&numbers, 2);
        let found = crowding(&points, &[3, 0, 1, 2], |a, b| a.cmp(&b));
        assert_eq!(found, [f64::INFINITY, f64::INFINITY, 0.75 + 0.75, 0.75 + 0.75]);
        assert!(crowding(&points, &[], |a, b| a.cmp(&b)).is_empty());
    }

    #[test]
    fn a_tie_break_decides_which_of_equal_points_are_at_the_ends() {
        let points = Points::new(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 2);
        let first = f64::INFINITY;
        assert_eq!(crowding(&points, &[0, 1, 2], |a, b| a.cmp(&b)), [first, 0.0, first]);
        assert_eq!(
            crowding(&points, &[0, 1, 2], |a, b| (a % 2).cmp(&(b % 2)).then(a.cmp(&b)))[1],
            first
        );
    }
}
