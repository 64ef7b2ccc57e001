//! Fronts of two and of three objectives, by a sweep.
//!
//! Points come in the order of their first objective, so whether an earlier point dominates a later
//! one only depends on the other objectives. A point that some point of a front dominates is
//! dominated by one of every better front too, so its own front is found by halving.

use super::Sorted;

/// Of each front, the best second objective that it has so far. O(N log N).
pub(super) fn of_two(points: &Sorted) -> Vec<u32> {
    let mut best: Vec<u64> = Vec::new();
    let rank = |at| {
        let second = points.row(at)[1];
        let rank = best.partition_point(|best| *best <= second);
        if rank == best.len() {
            best.push(second)
        } else {
            best[rank] = second
        }
        rank as u32
    };
    (0..points.len()).map(rank).collect()
}

/// The points of a front whose second and third objective no other point of it exceeds: the second
/// gets worse, the third better.
#[derive(Default)]
struct Staircase(Vec<(u64, u64)>);

impl Staircase {
    fn dominates(&self, second: u64, third: u64) -> bool {
        let no_worse = self.0.partition_point(|step| step.0 <= second);
        no_worse > 0 && self.0[no_worse - 1].1 <= third
    }

    /// Adds a point that it does not dominate, and drops the steps that this one exceeds.
    fn add(&mut self, second: u64, third: u64) {
        let from = self.0.partition_point(|step| step.0 < second);
        let exceeded = self.0[from..].iter().take_while(|step| step.1 >= third).count();
        self.0.splice(from..from + exceeded, [(second, third)]);
    }
}

/// A staircase for each front (as the sweep of Jensen 2003, "Reducing the run-time complexity of
/// multiobjective EAs", for a front instead of for two halves). O(N log² N), if they
/// are short.
pub(super) fn of_three(points: &Sorted) -> Vec<u32> {
    let mut fronts: Vec<Staircase> = Vec::new();
    let rank = |at| {
        let [_, second, third] = *points.row(at) else { unreachable!("three objectives") };
        let rank = fronts.partition_point(|front| front.dominates(second, third));
        if rank == fronts.len() {
            fronts.push(Staircase::default());
        }
        fronts[rank].add(second, third);
        rank as u32
    };
    (0..points.len()).map(rank).collect()
}
