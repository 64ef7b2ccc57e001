//! Searches that compare what networks do: novelty search (Lehman & Stanley, "Abandoning
//! Objectives", 2011), novelty search with local competition (the same, "Evolving a diversity of
//! virtual creatures", 2011) and dominated novelty search (Bahlous-Boldi and others 2025,
//! arXiv:2502.00593).
//!
//! All keep NEAT's breeding. They only replace the number by which selection compares.

mod archive;
mod competition;
mod distance;

pub use archive::{Archive, Found, Place, Threshold};
pub use competition::{Neighbourhood, neighbourhoods};

use crate::base::cancel::CancelToken;
use crate::genome::parameters::{Objective, Parameters, Search};
use rayon::prelude::*;

/// The largest generation whose behaviours are compared, each with each.
pub const MAX_POPULATION: u32 = 10_000;

/// What a search compares of a generation; one entry for each genotype.
#[derive(Clone, Copy)]
pub struct Generation<'a> {
    /// Fitness less the cost of size; `None` where the evaluation failed.
    pub merit: &'a [Option<f64>],
    /// Empty where the evaluation failed.
    pub behaviours: &'a [Vec<f64>],
}

/// Whether a search looks at behaviours.
pub fn needs_behaviours(p: &Parameters) -> bool {
    p.search == Search::MapElites || compares_all(p)
}

/// Whether a search compares behaviours with those of earlier generations.
pub fn keeps_archive(p: &Parameters) -> bool {
    match p.search {
        Search::Novelty | Search::LocalCompetition => true,
        Search::Pareto => p.objectives.contains(&Objective::Novelty),
        Search::Neat | Search::DominatedNovelty | Search::MapElites | Search::EvolutionStrategy => {
            false
        }
    }
}

/// Whether it compares all behaviours of a generation with each other.
pub fn compares_all(p: &Parameters) -> bool {
    p.search == Search::DominatedNovelty || keeps_archive(p)
}

/// How novel each behaviour is: the mean distance from the nearest of the others and of the
/// archive. `None` if it was cancelled.
pub fn novelty(
    generation: &Generation,
    archive: &Archive,
    p: &Parameters,
    token: &dyn CancelToken,
) -> Option<Vec<Option<f64>>> {
    let novelty = |at: usize| {
        generation.merit[at]?;
        let own = &generation.behaviours[at];
        let known = generation.known(at, archive);
        let distances = known.map(|(theirs, _)| distance::between(own, theirs, p.distance));
        Some(mean_of_nearest(distances.collect(), p.neighbours as usize).unwrap_or(0.0))
    };
    each(generation.merit.len(), &novelty, token)
}

/// The mean distance of each behaviour from the nearest of those that are fitter. `None` if it was
/// cancelled.
pub fn dominated_novelty(
    generation: &Generation,
    p: &Parameters,
    token: &dyn CancelToken,
) -> Option<Vec<Option<f64>>> {
    let novelty = |at: usize| {
        let (merit, own) = (generation.merit[at]?, &generation.behaviours[at]);
        let fitter = generation.others(at).filter(|(_, theirs)| *theirs > merit);
        let distances = fitter.map(|(theirs, _)| distance::between(own, theirs, p.distance));
        let mean = mean_of_nearest(distances.collect(), p.neighbours as usize);
        Some(mean.unwrap_or(f64::INFINITY))
    };
    each(generation.merit.len(), &novelty, token).map(with_leaders)
}

/// What belongs to each place, on all threads; `None` if it was cancelled.
fn each<T: Send>(
    count: usize,
    of: &(dyn Fn(usize) -> Option<T> + Sync),
    token: &dyn CancelToken,
) -> Option<Vec<Option<T>>> {
    let each = |at| token.should_continue().then(|| of(at));
    (0..count).into_par_iter().map(each).collect()
}

impl Generation<'_> {
    /// Behaviour and merit of each other that has a fitness.
    fn others(&self, at: usize) -> impl Iterator<Item = (&[f64], f64)> {
        let all = self.behaviours.iter().zip(self.merit).enumerate();
        let others = all.filter(move |(other, _)| *other != at);
        others.filter_map(|(_, (behaviour, merit))| Some((&behaviour[..], (*merit)?)))
    }

    /// The same of each other and of the archive.
    fn known<'a>(
        &'a self,
        at: usize,
        archive: &'a Archive,
    ) -> impl Iterator<Item = (&'a [f64], f64)> {
        self.others(at).chain(archive.iter().map(|place| (&place.behaviour[..], place.merit)))
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
    Some(mean(&distances[..k]))
}

/// Each is divided before it is added, so that the sum does not overflow.
fn mean(distances: &[f64]) -> f64 {
    let count = distances.len() as f64;
    distances.iter().map(|distance| distance / count).sum::<f64>().min(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::NeverCancelled;
    use crate::genome::parameters::Distance;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicBool;

    fn generation<'a>(merit: &'a [Option<f64>], behaviours: &'a [Vec<f64>]) -> Generation<'a> {
        Generation { merit, behaviours }
    }

    fn parameters(search: Search, neighbours: u32) -> Parameters {
        Parameters { search, neighbours, ..Parameters::default() }
    }

    #[test]
    fn novelty_is_the_mean_distance_to_the_nearest_in_the_generation_and_the_archive() {
        let behaviours = [vec![0.0, 0.0], vec![3.0, 4.0], vec![0.0, 1.0], vec![]];
        let merit = [Some(1.0), Some(2.0), Some(3.0), None];
        let p = parameters(Search::Novelty, 2);
        let measured = |archive: &Archive| {
            novelty(&generation(&merit, &behaviours), archive, &p, &NeverCancelled).unwrap()
        };
        let found = measured(&Archive::default());
        assert_eq!(found[0], Some((1.0 + 5.0) / 2.0));
        assert_eq!(found[3], None);
        let kept = Place { behaviour: vec![0.0, 0.5].into(), merit: 0.0 };
        assert_eq!(measured(&Archive::from_iter([kept]))[0], Some((0.5 + 1.0) / 2.0));
    }

    #[test]
    fn dominated_novelty_compares_only_with_fitter_genotypes() {
        let behaviours = [vec![0.0], vec![1.0], vec![5.0]];
        let merit = [Some(1.0), Some(2.0), Some(3.0)];
        let p = parameters(Search::DominatedNovelty, 1);
        let found = dominated_novelty(&generation(&merit, &behaviours), &p, &NeverCancelled);
        assert_eq!(found, Some(vec![Some(1.0), Some(4.0), Some(8.0)]));
    }

    #[test]
    fn a_cancelled_measurement_stops() {
        let (behaviours, merit) = ([vec![0.0], vec![1.0]], [Some(1.0), Some(2.0)]);
        let (generation, archive) = (generation(&merit, &behaviours), Archive::default());
        let (p, token) = (Parameters::default(), AtomicBool::new(true));
        assert_eq!(novelty(&generation, &archive, &p, &token), None);
        assert_eq!(dominated_novelty(&generation, &p, &token), None);
        assert_eq!(neighbourhoods(&generation, &archive, &p, &token), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 100, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn dominated_novelty_agrees_with_the_definition(
            found in prop::collection::vec((-3i32..3, -3i32..3, 0i32..4), 1..30),
            k in 1u32..6,
        ) {
            let behaviours: Vec<Vec<f64>> =
                found.iter().map(|(x, y, _)| vec![f64::from(*x), f64::from(*y)]).collect();
            let merit: Vec<Option<f64>> =
                found.iter().map(|(_, _, merit)| Some(f64::from(*merit))).collect();
            let distance = Distance::Manhattan;
            let p = Parameters { distance, ..parameters(Search::DominatedNovelty, k) };
            let all = dominated_novelty(&generation(&merit, &behaviours), &p, &NeverCancelled);
            let mut expected = Vec::new();
            for (x, y, merit) in &found {
                let fitter = found.iter().filter(|other| other.2 > *merit);
                let mut far: Vec<i32> =
                    fitter.map(|other| (other.0 - x).abs() + (other.1 - y).abs()).collect();
                far.sort_unstable();
                far.truncate(k as usize);
                let count = far.len() as f64;
                let mean = far.iter().map(|one| f64::from(*one) / count).sum::<f64>();
                expected.push(Some(mean).filter(|_| !far.is_empty()));
            }
            let highest = expected.iter().flatten().copied().fold(0.0, f64::max);
            let lead = if highest > 0.0 { 2.0 * highest } else { 1.0 };
            let expected = expected.into_iter().map(|mean| Some(mean.unwrap_or(lead))).collect();
            prop_assert_eq!(all, Some(expected));
        }
    }
}
