//! Searches that compare what networks do: novelty search (Lehman & Stanley, "Abandoning
//! Objectives", 2011) and dominated novelty search (Bahlous-Boldi and others 2025,
//! arXiv:2502.00593).
//!
//! Both keep NEAT's breeding. They only replace the number by which selection compares.

use crate::base::cancel::CancelToken;
use crate::base::rng::{Purpose, Stream};
use crate::genome::parameters::{Objective, Parameters, Search};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Behaviours of earlier generations, the oldest first. New behaviours are compared with them too,
/// so that no place is novel twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Archive {
    behaviours: VecDeque<Arc<[f64]>>,
}

/// The most numbers in an archive, which take 32 MiB.
const MAX_NUMBERS: usize = 1 << 22;

/// The largest generation whose behaviours are compared, each with each.
pub const MAX_POPULATION: u32 = 10_000;

/// What a search compares of a generation; one entry for each genotype.
pub struct Generation<'a> {
    /// Fitness less the cost of size.
    pub merit: &'a [Option<f64>],
    /// Empty where the evaluation failed.
    pub behaviours: &'a [Vec<f64>],
}

impl Archive {
    pub fn len(&self) -> usize {
        self.behaviours.len()
    }

    pub fn is_empty(&self) -> bool {
        self.behaviours.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.behaviours.iter().map(|one| &**one)
    }

    /// How many numbers a behaviour has, if one is known.
    pub fn dimensions(&self) -> Option<usize> {
        self.behaviours.front().map(|one| one.len())
    }

    fn capacity(length: usize, p: &Parameters) -> usize {
        (p.archive_size as usize).min(MAX_NUMBERS / length.max(1))
    }

    /// Whether it is one that a run can have: behaviours of the same length and finite numbers, and
    /// not too many.
    pub fn is_sound(&self, p: &Parameters) -> bool {
        let length = self.dimensions().unwrap_or(1);
        let is_sound = |one: &[f64]| one.len() == length && one.iter().all(|x| x.is_finite());
        length > 0
            && self.len() <= Archive::capacity(length, p)
            && (self.is_empty() || keeps_archive(p))
            && self.iter().all(is_sound)
    }

    /// Adds some behaviours of a generation in novelty search, drawn at random (Lehman & Stanley
    /// 2010, "Efficiently evolving programs through the search for novelty"). The oldest give way
    /// in a full archive.
    pub fn grow(&mut self, behaviours: &[Vec<f64>], p: &Parameters, seed: u64, generation: u64) {
        if !keeps_archive(p) {
            return;
        }
        let mut known: Vec<&Vec<f64>> = behaviours.iter().filter(|one| !one.is_empty()).collect();
        let mut rng = Stream::new(seed, Purpose::Archive, generation, 0);
        rng.shuffle(&mut known);
        let share = (p.archive_share * behaviours.len() as f32).ceil() as usize;
        self.behaviours.extend(known.into_iter().take(share).map(|one| Arc::from(&one[..])));
        let capacity = Archive::capacity(self.dimensions().unwrap_or(1), p);
        self.behaviours.drain(..self.len().saturating_sub(capacity));
    }
}

impl FromIterator<Vec<f64>> for Archive {
    fn from_iter<I: IntoIterator<Item = Vec<f64>>>(behaviours: I) -> Archive {
        Archive { behaviours: behaviours.into_iter().map(Arc::from).collect() }
    }
}

/// Whether a search looks at behaviours.
pub fn needs_behaviours(p: &Parameters) -> bool {
    matches!(p.search, Search::DominatedNovelty | Search::MapElites) || keeps_archive(p)
}

/// Whether a search compares behaviours with those of earlier generations.
fn keeps_archive(p: &Parameters) -> bool {
    let is_objective = p.search == Search::Pareto && p.objectives.contains(&Objective::Novelty);
    p.search == Search::Novelty || is_objective
}

/// How novel each behaviour is; `None` if it was cancelled.
pub fn novelty(
    generation: &Generation,
    archive: &Archive,
    p: &Parameters,
    token: &dyn CancelToken,
) -> Option<Vec<Option<f64>>> {
    let k = p.neighbours as usize;
    generation.each(&|at| generation.novelty(at, archive, k), token)
}

/// Whether it compares all behaviours of a generation with each other.
pub fn compares_all(p: &Parameters) -> bool {
    p.search == Search::DominatedNovelty || keeps_archive(p)
}

/// What selection compares; `None` if it was cancelled.
pub fn merit(
    generation: &Generation,
    archive: &Archive,
    p: &Parameters,
    token: &dyn CancelToken,
) -> Option<Vec<Option<f64>>> {
    let k = p.neighbours as usize;
    match p.search {
        Search::Neat | Search::MapElites | Search::Pareto => Some(generation.merit.to_vec()),
        Search::Novelty => novelty(generation, archive, p, token),
        Search::DominatedNovelty => {
            generation.each(&|at| generation.dominated_novelty(at, k), token).map(with_leaders)
        }
    }
}

impl Generation<'_> {
    fn each(
        &self,
        merit: &(dyn Fn(usize) -> Option<f64> + Sync),
        token: &dyn CancelToken,
    ) -> Option<Vec<Option<f64>>> {
        let each = |at| token.should_continue().then(|| merit(at));
        (0..self.merit.len()).into_par_iter().map(each).collect()
    }

    /// The mean distance from the k nearest behaviours of the others and of the archive.
    fn novelty(&self, at: usize, archive: &Archive, k: usize) -> Option<f64> {
        self.merit[at]?;
        let own = &self.behaviours[at];
        let others = self.behaviours.iter().enumerate().filter(|(other, _)| *other != at);
        let others = others.map(|(_, one)| &one[..]).filter(|one| !one.is_empty());
        let known = others.chain(archive.iter());
        Some(mean_of_nearest(known.map(|one| distance(own, one)).collect(), k).unwrap_or(0.0))
    }

    /// The mean distance from the k nearest behaviours of those that are fitter; infinite where
    /// nobody is.
    fn dominated_novelty(&self, at: usize, k: usize) -> Option<f64> {
        let (merit, own) = (self.merit[at]?, &self.behaviours[at]);
        let is_fitter = |other: &usize| self.merit[*other].is_some_and(|theirs| theirs > merit);
        let fitter = (0..self.merit.len()).filter(is_fitter);
        let distances = fitter.map(|other| distance(own, &self.behaviours[other])).collect();
        Some(mean_of_nearest(distances, k).unwrap_or(f64::INFINITY))
    }
}

/// Those whom nobody dominates get twice the highest of the others.
fn with_leaders(mut all: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let highest = all.iter().flatten().copied().filter(|x| x.is_finite()).fold(0.0, f64::max);
    let lead = if highest > 0.0 { 2.0 * highest } else { 1.0 };
    all.iter_mut().flatten().filter(|merit| merit.is_infinite()).for_each(|merit| *merit = lead);
    all
}

/// Summed in ascending order, so that the order of the others does not matter.
fn mean_of_nearest(mut distances: Vec<f64>, k: usize) -> Option<f64> {
    let k = k.min(distances.len());
    if k == 0 {
        return None;
    }
    distances.select_nth_unstable_by(k - 1, f64::total_cmp);
    distances[..k].sort_unstable_by(f64::total_cmp);
    let mean = distances[..k].iter().map(|distance| distance / k as f64).sum::<f64>();
    Some(mean.min(f64::MAX))
}

/// Euclidean. Of numbers so large that their squares overflow, it is the largest finite number.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    squares.sqrt().min(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::NeverCancelled;
    use std::sync::atomic::AtomicBool;

    fn generation<'a>(merit: &'a [Option<f64>], behaviours: &'a [Vec<f64>]) -> Generation<'a> {
        Generation { merit, behaviours }
    }

    fn measured(generation: &Generation, archive: &Archive, p: &Parameters) -> Vec<Option<f64>> {
        super::merit(generation, archive, p, &NeverCancelled).expect("nobody cancels it")
    }

    fn parameters(search: Search, neighbours: u32) -> Parameters {
        Parameters { search, neighbours, ..Parameters::default() }
    }

    #[test]
    fn novelty_is_the_mean_distance_to_the_nearest_in_the_generation_and_the_archive() {
        let behaviours = [vec![0.0, 0.0], vec![3.0, 4.0], vec![0.0, 1.0], vec![]];
        let merit = [Some(1.0), Some(2.0), Some(3.0), None];
        let p = parameters(Search::Novelty, 2);
        let found = measured(&generation(&merit, &behaviours), &Archive::default(), &p);
        assert_eq!(found[0], Some((1.0 + 5.0) / 2.0));
        assert_eq!(found[3], None);
        let archive = Archive::from_iter([vec![0.0, 0.5]]);
        let found = measured(&generation(&merit, &behaviours), &archive, &p);
        assert_eq!(found[0], Some((0.5 + 1.0) / 2.0));
    }

    #[test]
    fn dominated_novelty_compares_only_with_fitter_genotypes() {
        let behaviours = [vec![0.0], vec![1.0], vec![5.0]];
        let merit = [Some(1.0), Some(2.0), Some(3.0)];
        let p = parameters(Search::DominatedNovelty, 1);
        let found = measured(&generation(&merit, &behaviours), &Archive::default(), &p);
        assert_eq!(found, [Some(1.0), Some(4.0), Some(8.0)]);
    }

    #[test]
    fn the_archive_takes_a_share_of_each_generation_and_forgets_the_oldest() {
        let behaviours: Vec<Vec<f64>> = (0..100).map(|n| vec![f64::from(n)]).collect();
        let p =
            Parameters { archive_share: 0.05, archive_size: 12, ..parameters(Search::Novelty, 15) };
        let mut archive = Archive::default();
        (0..2).for_each(|generation| archive.grow(&behaviours, &p, 7, generation));
        let first = archive.clone();
        assert_eq!(archive.len(), 10);
        archive.grow(&behaviours, &p, 7, 2);
        assert_eq!(archive.len(), 12);
        assert_eq!(archive.behaviours[0], first.behaviours[3]);
    }

    #[test]
    fn an_archive_of_long_behaviours_has_a_bounded_size() {
        let behaviours = vec![vec![1.0; MAX_NUMBERS / 4]; 3];
        let p = Parameters { archive_share: 1.0, ..parameters(Search::Novelty, 15) };
        let mut archive = Archive::default();
        (0..2).for_each(|generation| archive.grow(&behaviours, &p, 7, generation));
        assert_eq!(archive.len(), 4);
        assert!(archive.is_sound(&p));
    }

    #[test]
    fn a_cancelled_measurement_stops() {
        let (behaviours, merit) = ([vec![0.0], vec![1.0]], [Some(1.0), Some(2.0)]);
        for search in [Search::Novelty, Search::DominatedNovelty] {
            let p = parameters(search, 1);
            let token = AtomicBool::new(true);
            let found =
                super::merit(&generation(&merit, &behaviours), &Archive::default(), &p, &token);
            assert_eq!(found, None);
        }
    }

    #[test]
    fn huge_behaviours_have_finite_distances() {
        assert_eq!(distance(&[f64::MAX], &[-f64::MAX]), f64::MAX);
    }
}
