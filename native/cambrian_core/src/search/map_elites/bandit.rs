//! A bandit that shares generations among emitters: UCB1 (Auer, Cesa-Bianchi & Fischer 2002), as in
//! Multi-Emitter MAP-Elites (Cully 2021, arXiv:2007.05352). An emitter that has found more elites
//! for each offspring makes more of the next generation.
//!
//! Rewards are counts. Time takes no part, so the same seed makes the same choices everywhere.

use serde::{Deserialize, Serialize};

/// The ζ of the paper: how much an emitter gains by having made few offspring.
const EXPLORATION: f64 = 0.05;

/// The highest count that is read, so that counting on cannot overflow.
const MAX_COUNT: u64 = 1 << 53;

/// What an emitter has achieved in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many genotypes it made that were evaluated, failures included.
    pub offspring: u64,
    /// How many of these filled a cell that was empty before their generation, or were fitter than
    /// the elite there.
    pub improved: u64,
}

impl Tally {
    pub(super) fn add(&mut self, improves: bool) {
        self.offspring += 1;
        self.improved += u64::from(improves);
    }

    /// Whether it is one that a run can have.
    pub(super) fn is_sound(&self) -> bool {
        self.improved <= self.offspring && self.offspring <= MAX_COUNT
    }

    /// S / B + ζ √(ln N / B) of S improvements by B offspring, where all emitters have made N. The
    /// outcome of `pending` offspring is not known yet: they count as made and keep S / B as it is.
    fn bound(&self, pending: u64, all: u64) -> f64 {
        let made = self.offspring + pending;
        if made == 0 {
            return f64::INFINITY;
        }
        let rate = self.improved as f64 / self.offspring.max(1) as f64;
        rate + EXPLORATION * (libm::log(all as f64) / made as f64).sqrt()
    }
}

/// How many places of a generation each emitter gets. They are given in batches of at least `batch`
/// offspring, or all at once if there are fewer: each batch to the emitter with the highest bound,
/// of equals to the first.
pub(super) fn places(tallies: &[Tally], population: u32, batch: u32) -> Vec<usize> {
    let batches = u64::from(population / batch).max(1);
    let (before, mut pending) = (made(tallies), vec![0; tallies.len()]);
    for nth in 0..batches {
        let share = |end: u64| u64::from(population) * end / batches;
        let all = before + share(nth);
        let bounds = tallies.iter().zip(&pending).map(|(one, pending)| one.bound(*pending, all));
        let higher = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
        let (best, _) = bounds.enumerate().reduce(higher).expect("there is an emitter");
        pending[best] += share(nth + 1) - share(nth);
    }
    pending.into_iter().map(|places| places as usize).collect()
}

fn made(tallies: &[Tally]) -> u64 {
    tallies.iter().map(|one| one.offspring).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(improved: u64, offspring: u64) -> Tally {
        Tally { offspring, improved }
    }

    /// By the formula, worked out by hand: ln 1000 = 6.907755.
    #[test]
    fn a_bound_is_that_of_ucb1() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(near(tally(30, 200).bound(0, 1000), 0.15 + 0.05 * 0.185846));
        assert!(near(tally(30, 200).bound(200, 1000), 0.15 + 0.05 * 0.131413));
        assert!(near(tally(0, 800).bound(0, 1000), 0.05 * 0.092923));
        assert_eq!(tally(0, 0).bound(0, 1000), f64::INFINITY);
    }

    #[test]
    fn an_emitter_without_offspring_comes_first_and_then_the_best() {
        assert_eq!(places(&[tally(0, 0); 3], 108, 36), [36, 36, 36]);
        assert_eq!(places(&[tally(0, 0); 5], 108, 36), [36, 36, 36, 0, 0]);
        assert_eq!(places(&[tally(50, 100), tally(1, 100), tally(0, 0)], 108, 36), [72, 0, 36]);
        // 0.095 + 0.05 √(ln 1100 / 1000) is 0.0992, and x + 0.05 √(ln 1100 / 100) is x + 0.0132
        assert_eq!(places(&[tally(95, 1000), tally(9, 100)], 36, 36), [0, 36]);
        assert_eq!(places(&[tally(95, 1000), tally(8, 100)], 36, 36), [36, 0]);
    }

    #[test]
    fn every_place_is_given() {
        for (population, batch) in [(2, 36), (150, 36), (37, 36), (1079, 36), (540, 4)] {
            let places = places(&[tally(3, 40), tally(2, 40)], population, batch);
            assert_eq!(places.iter().sum::<usize>(), population as usize);
        }
    }
}
