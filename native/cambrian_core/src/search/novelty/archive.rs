//! The archive of novelty search: behaviours of earlier generations. New behaviours are compared
//! with them too, so that no place is novel twice.

use super::{Generation, keeps_archive};
use crate::base::rng::Stream;
use crate::genome::parameters::{Admission, Parameters, Search};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// The most numbers in an archive, which take 32 MiB.
const MAX_NUMBERS: usize = 1 << 22;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Archive {
    /// The oldest first.
    places: VecDeque<Place>,
    /// Where it decides what is kept, from the end of the first generation on.
    threshold: Option<Threshold>,
}

/// A behaviour that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub behaviour: Arc<[f64]>,
    /// Of the genotype that was there, if the search compares it, else 0.
    pub merit: f64,
}

/// A generation that was ranked, of which some behaviours are kept.
pub struct Found<'a> {
    pub generation: Generation<'a>,
    pub novelty: &'a [Option<f64>],
    /// Whether a genotype is of this generation and not an earlier one.
    pub is_new: &'a [bool],
    /// Of the run so far.
    pub evaluations: u64,
}

impl Archive {
    /// `None` if it is none that a run can have: of behaviours of the same length and finite
    /// numbers, not too many of them, and with a threshold exactly where one decides.
    pub fn of(
        places: Vec<Place>,
        threshold: Option<Threshold>,
        p: &Parameters,
        (generation, evaluations): (u64, u64),
    ) -> Option<Archive> {
        let archive = Archive { places: places.into(), threshold };
        let length = archive.dimensions().unwrap_or(1);
        let is_sound = |place: &Place| {
            let numbers = place.behaviour.iter().chain([&place.merit]);
            place.behaviour.len() == length && numbers.copied().all(f64::is_finite)
        };
        let decides = keeps_archive(p) && p.novelty_archive == Admission::Threshold;
        let sound = length > 0
            && archive.len() <= capacity(length, p)
            && (archive.is_empty() || keeps_archive(p))
            && archive.places.iter().all(is_sound)
            && threshold.is_some() == (decides && generation > 0)
            && threshold.is_none_or(|threshold| threshold.is_sound(evaluations));
        sound.then_some(archive)
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    pub fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }

    /// How many numbers a behaviour has, if one is known.
    pub fn dimensions(&self) -> Option<usize> {
        self.places.front().map(|place| place.behaviour.len())
    }

    /// Keeps some behaviours of a generation. The oldest give way in a full archive.
    pub fn grow(&mut self, found: &Found, p: &Parameters, rng: &mut Stream) {
        let chosen = match p.novelty_archive {
            Admission::Sample => found.sample(p, rng),
            Admission::Threshold => self.above_threshold(found, p),
        };
        let compares_merit = p.search == Search::LocalCompetition;
        let merit = |at: usize| found.generation.merit[at].filter(|_| compares_merit);
        let place = |at: usize| Place {
            behaviour: Arc::from(&found.generation.behaviours[at][..]),
            merit: merit(at).unwrap_or(0.0),
        };
        self.places.extend(chosen.into_iter().map(place));
        let capacity = capacity(self.dimensions().unwrap_or(1), p);
        self.places.drain(..self.len().saturating_sub(capacity));
    }

    /// Those that are new and more novel than the threshold, which then adapts.
    fn above_threshold(&mut self, found: &Found, p: &Parameters) -> Vec<usize> {
        let first = Threshold { novelty: f64::from(p.novelty_threshold), since: 0 };
        let threshold = self.threshold.unwrap_or(first);
        let is_novel = |novelty: Option<f64>| novelty.is_some_and(|x| x > threshold.novelty);
        let is_kept = |at: &usize| found.is_new[*at] && is_novel(found.novelty[*at]);
        let kept: Vec<usize> = (0..found.novelty.len()).filter(is_kept).collect();
        self.threshold = Some(threshold.adapted(kept.len(), found.evaluations));
        kept
    }
}

impl FromIterator<Place> for Archive {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Archive {
        Archive { places: places.into_iter().collect(), threshold: None }
    }
}

/// How many behaviours of this length it holds at most.
fn capacity(length: usize, p: &Parameters) -> usize {
    (p.archive_size as usize).min(MAX_NUMBERS / length.max(1))
}

impl Found<'_> {
    /// A share of all, drawn at random (Lehman & Stanley 2010, "Efficiently evolving programs
    /// through the search for novelty").
    fn sample(&self, p: &Parameters, rng: &mut Stream) -> Vec<usize> {
        let behaviours = self.generation.behaviours;
        let is_known = |at: &usize| !behaviours[*at].is_empty();
        let mut known: Vec<usize> = (0..behaviours.len()).filter(is_known).collect();
        rng.shuffle(&mut known);
        known.truncate((p.archive_share * behaviours.len() as f32).ceil() as usize);
        known
    }
}

/// How novel a behaviour must be to be kept.
///
/// It adapts as in Lehman & Stanley 2011, "Abandoning objectives", appendix A, and in the program
/// of its authors: more than four that are kept in a generation raise it by 20 %, and 2,500
/// evaluations in which none is kept lower it by 5 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    novelty: f64,
    /// The evaluations of the run when it was lowered last, or a behaviour was kept.
    since: u64,
}

impl Threshold {
    const MANY: usize = 4;
    const PATIENCE: u64 = 2500;

    fn adapted(self, kept: usize, evaluations: u64) -> Threshold {
        let is_idle = kept == 0 && evaluations.saturating_sub(self.since) >= Threshold::PATIENCE;
        let factor = match kept > Threshold::MANY {
            true => 1.2,
            false if is_idle => 0.95,
            false => 1.0,
        };
        let novelty = (self.novelty * factor).clamp(f64::MIN_POSITIVE, f64::MAX);
        let since = if is_idle || kept > 0 { evaluations } else { self.since };
        Threshold { novelty, since }
    }

    fn is_sound(self, evaluations: u64) -> bool {
        let range = f64::MIN_POSITIVE..=f64::MAX;
        range.contains(&self.novelty) && self.since <= evaluations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Purpose;

    fn grown(archive: &mut Archive, behaviours: &[Vec<f64>], p: &Parameters, generation: u64) {
        let merit: Vec<Option<f64>> = (0..behaviours.len()).map(|at| Some(at as f64)).collect();
        let found = Found {
            generation: Generation { merit: &merit, behaviours },
            novelty: &merit,
            is_new: &vec![true; merit.len()],
            evaluations: (generation + 1) * merit.len() as u64,
        };
        archive.grow(&found, p, &mut Stream::new(7, Purpose::Archive, generation, 0));
    }

    fn line(length: i32) -> Vec<Vec<f64>> {
        (0..length).map(|n| vec![f64::from(n)]).collect()
    }

    fn parameters(search: Search) -> Parameters {
        Parameters { search, ..Parameters::default() }
    }

    #[test]
    fn it_takes_a_share_of_each_generation_and_forgets_the_oldest() {
        let p = Parameters { archive_share: 0.05, archive_size: 12, ..parameters(Search::Novelty) };
        let mut archive = Archive::default();
        (0..2).for_each(|generation| grown(&mut archive, &line(100), &p, generation));
        let first = archive.clone();
        assert_eq!(archive.len(), 10);
        grown(&mut archive, &line(100), &p, 2);
        assert_eq!(archive.len(), 12);
        assert_eq!(archive.places[0], first.places[3]);
        assert!(archive.iter().all(|place| place.merit == 0.0));
    }

    #[test]
    fn it_keeps_merit_where_the_search_compares_it() {
        let p = Parameters { archive_share: 0.05, ..parameters(Search::LocalCompetition) };
        let mut archive = Archive::default();
        grown(&mut archive, &line(100), &p, 0);
        assert_eq!(archive.len(), 5);
        assert!(archive.iter().all(|place| place.merit == place.behaviour[0]));
    }

    #[test]
    fn an_archive_of_long_behaviours_has_a_bounded_size() {
        let behaviours = vec![vec![1.0; MAX_NUMBERS / 4]; 3];
        let sampled = Parameters { archive_share: 1.0, ..parameters(Search::Novelty) };
        let above = Parameters {
            novelty_archive: Admission::Threshold,
            novelty_threshold: 1.0e-6,
            ..parameters(Search::Novelty)
        };
        for p in [sampled, above] {
            let mut archive = Archive::default();
            (0..3).for_each(|generation| grown(&mut archive, &behaviours, &p, generation));
            assert_eq!(archive.len(), 4);
            let Archive { places, threshold } = archive;
            assert!(Archive::of(places.into(), threshold, &p, (3, 9)).is_some());
        }
    }

    #[test]
    fn a_threshold_keeps_new_behaviours_that_are_more_novel() {
        let p = Parameters {
            novelty_archive: Admission::Threshold,
            novelty_threshold: 2.0,
            ..parameters(Search::Novelty)
        };
        let (behaviours, merit) = (line(6), [Some(0.0); 6]);
        let found = Found {
            generation: Generation { merit: &merit, behaviours: &behaviours },
            novelty: &[Some(9.0), Some(9.0), Some(2.0), Some(2.1), None, Some(0.0)],
            is_new: &[true, false, true, true, true, true],
            evaluations: 6,
        };
        let mut archive = Archive::default();
        archive.grow(&found, &p, &mut Stream::new(7, Purpose::Archive, 0, 0));
        let kept: Vec<f64> = archive.iter().map(|place| place.behaviour[0]).collect();
        assert_eq!(kept, [0.0, 3.0]);
        assert_eq!(archive.threshold(), Some(Threshold { novelty: 2.0, since: 6 }));
    }

    #[test]
    fn a_threshold_adapts_to_how_many_are_kept() {
        let mut threshold = Threshold { novelty: 6.0, since: 0 };
        let mut after = |kept, evaluations| {
            threshold = threshold.adapted(kept, evaluations);
            (threshold.novelty, threshold.since)
        };
        assert_eq!(after(4, 250), (6.0, 250));
        let (raised, lowered) = (6.0 * 1.2, 6.0 * 1.2 * 0.95);
        assert_eq!(after(5, 500), (raised, 500));
        // nine idle generations of 250, then the tenth
        (1..10).for_each(|nth| assert_eq!(after(0, 500 + 250 * nth), (raised, 500)));
        assert_eq!(after(0, 3000), (lowered, 3000));
        assert_eq!(after(0, 3250), (lowered, 3000));
        assert_eq!(after(1, 5500), (lowered, 5500));
        assert_eq!(after(0, 7999), (lowered, 5500));
    }

    #[test]
    fn a_threshold_is_never_zero_or_infinite() {
        let lowest = Threshold { novelty: f64::MIN_POSITIVE, since: 0 };
        assert_eq!(lowest.adapted(0, 2500).novelty, f64::MIN_POSITIVE);
        let highest = Threshold { novelty: f64::MAX, since: 0 };
        assert_eq!(highest.adapted(5, 1).novelty, f64::MAX);
    }
}
