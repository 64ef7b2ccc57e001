//! Local competition: whether a genotype is fitter than those that behave alike (Lehman & Stanley
//! 2011, "Evolving a diversity of virtual creatures through novelty search and local competition").
//!
//! It is an objective beside novelty. The paper has a third one, the diversity of genotypes, in
//! place of NSGA-II's crowding distance; here crowding has its usual place.

use super::{Archive, Generation, distance, each, mean};
use crate::base::cancel::CancelToken;
use crate::genome::parameters::Parameters;

/// A genotype among the nearest of the others and of the archive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbourhood {
    /// The mean distance.
    pub novelty: f64,
    /// How many of them are less fit.
    pub beaten: usize,
}

/// The neighbourhood of each that has a fitness; `None` if it was cancelled.
pub fn neighbourhoods(
    generation: &Generation,
    archive: &Archive,
    p: &Parameters,
    token: &dyn CancelToken,
) -> Option<Vec<Option<Neighbourhood>>> {
    let neighbourhood = |at: usize| {
        let (merit, own) = (generation.merit[at]?, &generation.behaviours[at]);
        let far = |theirs: &[f64]| distance::between(own, theirs, p.distance);
        let known = generation.known(at, archive).map(|(theirs, merit)| (far(theirs), merit));
        Some(Neighbourhood::of(known.collect(), p.neighbours as usize, merit))
    };
    each(generation.merit.len(), &neighbourhood, token)
}

impl Neighbourhood {
    /// `known` has distance and merit of each. Of those that are equally far the fitter count as
    /// nearer, so that the order of the others does not matter.
    fn of(mut known: Vec<(f64, f64)>, k: usize, merit: f64) -> Neighbourhood {
        let k = k.min(known.len());
        if k == 0 {
            return Neighbourhood { novelty: 0.0, beaten: 0 };
        }
        let order = |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1));
        known.select_nth_unstable_by(k - 1, order);
        known.truncate(k);
        known.sort_unstable_by(order);
        let distances: Vec<f64> = known.iter().map(|(distance, _)| *distance).collect();
        let beaten = known.iter().filter(|(_, theirs)| *theirs < merit).count();
        Neighbourhood { novelty: mean(&distances), beaten }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::NeverCancelled;
    use crate::genome::parameters::{Distance, Search};
    use crate::search::novelty::{self, Place};
    use proptest::prelude::*;

    fn parameters(neighbours: u32) -> Parameters {
        Parameters { search: Search::LocalCompetition, neighbours, ..Parameters::default() }
    }

    #[test]
    fn the_nearest_are_outperformed_here_and_in_the_archive() {
        let behaviours = [vec![0.0], vec![1.0], vec![3.0], vec![9.0], vec![]];
        let merit = [Some(2.0), Some(1.0), Some(2.0), Some(3.0), None];
        let generation = Generation { merit: &merit, behaviours: &behaviours };
        let archive = Archive::from_iter([Place { behaviour: vec![2.0].into(), merit: 0.0 }]);
        let found = neighbourhoods(&generation, &archive, &parameters(2), &NeverCancelled);
        let found = found.expect("nobody cancels it");
        let at = |at: usize| found[at].map(|one| (one.novelty, one.beaten));
        // the nearest of the second are the first and the archive's, of which one is less fit
        assert_eq!(at(0), Some((1.5, 2)));
        assert_eq!(at(1), Some((1.0, 1)));
        assert_eq!(at(3), Some((6.5, 2)));
        assert_eq!(at(4), None);
    }

    /// By the definition: all neighbours sorted, the first k counted.
    fn by_definition(
        at: usize,
        generation: &Generation,
        archive: &[Place],
        p: &Parameters,
    ) -> Option<Neighbourhood> {
        let own = generation.merit[at]?;
        let mut all = Vec::new();
        for (other, behaviour) in generation.behaviours.iter().enumerate() {
            if let Some(merit) = generation.merit[other].filter(|_| other != at) {
                all.push((behaviour.clone(), merit));
            }
        }
        all.extend(archive.iter().map(|place| (place.behaviour.to_vec(), place.merit)));
        let behaviour = &generation.behaviours[at];
        let far = |other: &[f64]| distance::between(behaviour, other, p.distance);
        all.sort_by(|a, b| far(&a.0).total_cmp(&far(&b.0)).then(b.1.total_cmp(&a.1)));
        all.truncate(p.neighbours as usize);
        let novelty = all.iter().map(|(other, _)| far(other) / all.len() as f64).sum::<f64>();
        Some(Neighbourhood { novelty, beaten: all.iter().filter(|(_, m)| *m < own).count() })
    }

    /// Few different numbers, so that many are equally far.
    fn places(most: usize) -> impl Strategy<Value = Vec<(Vec<f64>, Option<f64>)>> {
        let number = prop_oneof![(-2i32..3).prop_map(f64::from), -9.0..9.0];
        let merit = prop::option::weighted(0.9, (-2i32..3).prop_map(f64::from));
        let place = (prop::collection::vec(number, 3), merit)
            .prop_map(|(one, merit)| (if merit.is_some() { one } else { Vec::new() }, merit));
        prop::collection::vec(place, 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 200, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn neighbourhoods_agree_with_the_definition(
            here in places(40),
            earlier in places(20),
            neighbours in 1u32..30,
            distance in prop::sample::select(vec![
                Distance::Euclidean,
                Distance::SquaredEuclidean,
                Distance::Manhattan,
                Distance::Hamming,
            ]),
        ) {
            let p = Parameters { distance, ..parameters(neighbours) };
            let (behaviours, merit): (Vec<_>, Vec<_>) = here.into_iter().unzip();
            let generation = Generation { merit: &merit, behaviours: &behaviours };
            let earlier = earlier.into_iter().filter_map(|(behaviour, merit)| {
                Some(Place { behaviour: behaviour.into(), merit: merit? })
            });
            let earlier: Vec<Place> = earlier.collect();
            let archive = Archive::from_iter(earlier.clone());
            let found = neighbourhoods(&generation, &archive, &p, &NeverCancelled);
            let found = found.expect("nobody cancels it");
            let novelty = novelty::novelty(&generation, &archive, &p, &NeverCancelled);
            let novelty = novelty.expect("nobody cancels it");
            for at in 0..merit.len() {
                let expected = by_definition(at, &generation, &earlier, &p);
                prop_assert_eq!(found[at], expected);
                prop_assert_eq!(found[at].map(|one| one.novelty), novelty[at]);
            }
        }
    }
}
