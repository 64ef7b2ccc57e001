//! A search for several objectives side by side: NSGA-II (Deb, Pratap, Agarwal & Meyarivan 2002)
//! and NSGA-III (Deb & Jain 2014, "An evolutionary many-objective optimization algorithm using
//! reference-point-based nondominated sorting approach"), with the variation of NEAT.
//!
//! All genotypes are of one species. The best of parents and children together are the parents of
//! the next generation. This module says which are the best. Novelty search with local competition
//! selects in the same way, by two objectives of its own.

mod niching;

pub use niching::directions;

use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Objective, ParameterError, Parameters, Pareto, Search};
use crate::search::fronts::{self, Points};
use crate::wire::codec::{self, GenotypeId};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

/// Whether a search sorts parents and children into fronts, of which the best survive.
pub(crate) fn has_fronts(p: &Parameters) -> bool {
    matches!(p.search, Search::Pareto | Search::LocalCompetition)
}

/// The largest population: fronts of more would take minutes, and directions are compared with all.
pub(crate) fn max_population(p: &Parameters) -> u32 {
    match p.pareto {
        Pareto::Nsga2 => 100_000,
        Pareto::Nsga3 => 10_000,
    }
}

/// How many objectives the task must give, where the weights say it: as many as are not of another
/// objective. A task without objectives has one, its fitness.
///
/// # Errors
/// Weights that are not as many as objectives.
pub fn told_by_task(p: &Parameters) -> Result<Option<usize>, ParameterError> {
    let weights = p.objective_weights.0.len();
    let (all, of_task) =
        (p.objectives.len(), p.objectives.iter().filter(|one| **one == Objective::Task).count());
    if weights == 0 || p.search != Search::Pareto {
        return Ok(None);
    }
    match (weights.checked_sub(all - of_task), of_task) {
        (Some(0), 0) => Ok(None),
        (Some(left), 1..) if left >= of_task && left % of_task == 0 => Ok(Some(left / of_task)),
        (_, 0) => Err(wrong_weights(&all.to_string())),
        _ => Err(wrong_weights(&format!("{all} or more"))),
    }
}

/// Whether there are as many weights as objectives, where the task gives so many.
///
/// # Errors
/// The weights, if not.
pub fn check_weights(p: &Parameters, told: usize) -> Result<(), ParameterError> {
    let told = told.max(1);
    match told_by_task(p)? {
        Some(expected) if expected != told => {
            let of = |one: &Objective| if *one == Objective::Task { told } else { 1 };
            Err(wrong_weights(&p.objectives.iter().map(of).sum::<usize>().to_string()))
        }
        _ => Ok(()),
    }
}

fn wrong_weights(count: &str) -> ParameterError {
    let expected = format!("a list of {count} numbers, one for each objective");
    ParameterError::Invalid { name: "objective_weights", expected }
}

/// What was measured of each genotype.
pub(crate) struct Scored<'a> {
    pub fitness: &'a [Option<f64>],
    pub objectives: &'a [Vec<f64>],
    pub work: &'a [u64],
    pub genotypes: &'a [Arc<Genotype>],
}

impl Scored<'_> {
    /// What each genotype reaches in each objective; `None` where its evaluation failed.
    pub fn goals(&self, novelty: &[Option<f64>], p: &Parameters) -> Vec<Option<Vec<f64>>> {
        let goals = |at: usize| {
            let fitness = self.fitness[at]?;
            let mut goals = Vec::new();
            for objective in &p.objectives {
                match objective {
                    Objective::Task if self.objectives[at].is_empty() => goals.push(fitness),
                    Objective::Task => goals.extend_from_slice(&self.objectives[at]),
                    Objective::Fitness => goals.push(fitness),
                    Objective::Connections => goals.push(0.0 - self.connections(at) as f64),
                    Objective::Energy => goals.push(0.0 - self.energy(at) as f64),
                    Objective::Novelty => goals.push(novelty[at].unwrap_or(0.0)),
                }
            }
            Some(goals)
        };
        (0..self.genotypes.len()).into_par_iter().map(goals).collect()
    }

    /// Those that are switched on.
    fn connections(&self, at: usize) -> usize {
        self.genotypes[at].enabled.iter().filter(|enabled| **enabled).count()
    }

    /// The work of its evaluation; that of one activation where nobody has measured more.
    fn energy(&self, at: usize) -> u64 {
        match self.work[at] {
            0 => self.genotypes[at].cost(),
            work => work,
        }
    }
}

/// Where each genotype of a generation stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Empty where the evaluation failed.
    goals: Vec<Vec<f64>>,
    /// Which are on the first front. Of those that reach the same only one is.
    is_first: Vec<bool>,
    /// Those that have goals, the best first.
    order: Vec<u32>,
    favourite: Option<u32>,
}

/// Content ids, computed where they are needed: between equals.
struct Ids<'a> {
    genotypes: &'a [Arc<Genotype>],
    known: Vec<OnceLock<GenotypeId>>,
}

impl<'a> Ids<'a> {
    fn new(genotypes: &'a [Arc<Genotype>]) -> Ids<'a> {
        let known = genotypes.iter().map(|_| OnceLock::new()).collect();
        Ids { genotypes, known }
    }

    fn of(&self, at: u32) -> &GenotypeId {
        self.known[at as usize].get_or_init(|| codec::id(&self.genotypes[at as usize]))
    }

    /// By id; copies of one genotype by place.
    fn compare(&self, a: u32, b: u32) -> Ordering {
        self.of(a).cmp(self.of(b)).then(a.cmp(&b))
    }
}

impl Standing {
    /// Those that reach the same are copies of one another, unless `behaviours` has different ones
    /// for them. `stream` is the seed and the generation.
    pub fn new(
        goals: Vec<Option<Vec<f64>>>,
        behaviours: &[Vec<f64>],
        genotypes: &[Arc<Genotype>],
        p: &Parameters,
        (seed, generation): (u64, u64),
    ) -> Standing {
        let ids = Ids::new(genotypes);
        let is_fit: Vec<bool> = goals.iter().map(Option::is_some).collect();
        let goals: Vec<Vec<f64>> = goals.into_iter().map(Option::unwrap_or_default).collect();
        let fit: Vec<u32> = (0..goals.len() as u32).filter(|at| is_fit[*at as usize]).collect();
        let (distinct, mut copies) = copies(&fit, &goals, behaviours, |a, b| ids.compare(a, b));
        let width = fit.first().map_or(1, |at| goals[*at as usize].len());
        let numbers: Vec<f64> =
            distinct.iter().flat_map(|at| goals[*at as usize].iter().copied()).collect();
        let points = Points::new(&numbers, width);
        let fronts = fronts::fronts(&fronts::ranks(&points));
        let tie = |a: u32, b: u32| ids.compare(distinct[a as usize], distinct[b as usize]);
        let order = match p.pareto {
            Pareto::Nsga2 => by_crowding(&points, &fronts, tie),
            Pareto::Nsga3 => {
                let mut rng = Stream::new(seed, Purpose::Niches, generation, 0);
                niching::order(&points, &fronts, p.population as usize, &mut rng, tie)
            }
        };
        let place = |at: u32| distinct[at as usize];
        let weights = &p.objective_weights.0;
        let favourite = fronts.first().map(|front| place(favourite(&points, front, weights, tie)));
        let mut front_of = vec![0; goals.len()];
        for (nth, front) in fronts.iter().enumerate() {
            front.iter().for_each(|at| front_of[place(*at) as usize] = nth);
        }
        let is_distinct = |at: &u32| distinct.binary_search(at).is_ok();
        let is_first =
            (0..goals.len() as u32).map(|at| front_of[at as usize] == 0 && is_distinct(&at));
        let is_first = is_first.collect();
        // the second of each before the third of any
        copies.sort_by_key(|copy| (copy.nth, front_of[copy.of as usize]));
        let copies = copies.iter().map(|copy| copy.at);
        let order = order.into_iter().map(place).chain(copies).collect();
        Standing { goals, is_first, order, favourite }
    }

    /// More for what stands better.
    pub fn merit(&self) -> Vec<Option<f64>> {
        let mut merit = vec![None; self.goals.len()];
        let places = self.order.iter().rev().zip(1u32..);
        places.for_each(|(at, place)| merit[*at as usize] = Some(f64::from(place)));
        merit
    }

    /// The champion: of the first front the one that the weights favour, or its knee.
    pub fn favourite(&self) -> Option<u32> {
        self.favourite
    }

    /// Whether nobody else is as good in every objective.
    pub fn is_unmatched(&self, at: u32) -> bool {
        let own = &self.goals[at as usize];
        let matches = |other: &u32| {
            let theirs = &self.goals[*other as usize];
            *other != at && theirs.iter().zip(own).all(|(theirs, own)| theirs >= own)
        };
        !self.order.iter().any(matches)
    }

    /// The first front, the first objective descending, then the others.
    pub fn front(&self) -> Vec<(u32, &[f64])> {
        let first = self.order.iter().filter(|at| self.is_first[**at as usize]);
        let mut front: Vec<_> = first.map(|at| (*at, &self.goals[*at as usize][..])).collect();
        front.sort_by(|a, b| b.1.partial_cmp(a.1).unwrap_or(Ordering::Equal));
        front
    }
}

/// A genotype that is a copy of an earlier one.
#[derive(Debug, PartialEq)]
struct Duplicate {
    at: u32,
    of: u32,
    /// From 1.
    nth: u32,
}

/// One of those that are copies of one another, in the order of their places, and the others. Where
/// objectives are counts, as connections are, a front would be full of copies otherwise.
fn copies(
    fit: &[u32],
    goals: &[Vec<f64>],
    behaviours: &[Vec<f64>],
    tie: impl Fn(u32, u32) -> Ordering,
) -> (Vec<u32>, Vec<Duplicate>) {
    let of = |at: u32| (&goals[at as usize], behaviours.get(at as usize));
    let mut order = fit.to_vec();
    let by_goals = |a: u32, b: u32| of(a).partial_cmp(&of(b)).unwrap_or(Ordering::Equal);
    order.sort_unstable_by(|a, b| by_goals(*a, *b).then_with(|| tie(*a, *b)));
    let (mut distinct, mut copies): (Vec<u32>, Vec<Duplicate>) = (Vec::new(), Vec::new());
    let mut nth = 0;
    for at in order {
        match distinct.last() {
            Some(&first) if of(first) == of(at) => {
                nth += 1;
                copies.push(Duplicate { at, of: first, nth });
            }
            _ => {
                nth = 0;
                distinct.push(at);
            }
        }
    }
    distinct.sort_unstable();
    (distinct, copies)
}

/// Front by front; within a front those whose neighbours are far come first.
fn by_crowding(
    points: &Points,
    fronts: &[Vec<u32>],
    tie: impl Fn(u32, u32) -> Ordering + Copy,
) -> Vec<u32> {
    let mut order = Vec::with_capacity(points.len());
    for front in fronts {
        let distances = fronts::crowding(points, front, tie);
        let mut sorted: Vec<(f64, u32)> =
            distances.into_iter().zip(front.iter().copied()).collect();
        sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| tie(a.1, b.1)));
        order.extend(sorted.into_iter().map(|(_, at)| at));
    }
    order
}

/// The point of a front with the highest weighted sum Σ w (x − worst) / (best − worst), where the
/// worst and the best are those of the front in each objective; of equals the first. Without
/// weights all are 1. That is the knee, the point that is farthest from the plane through the ends
/// of the front (Das 1999, "On characterizing the knee of the Pareto curve").
fn favourite(
    points: &Points,
    front: &[u32],
    weights: &[f64],
    tie: impl Fn(u32, u32) -> Ordering,
) -> u32 {
    let value = |at: u32, objective: usize| points.row(at as usize)[objective];
    let ends = |objective: usize| {
        let values = front.iter().map(|at| value(*at, objective));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let ends: Vec<(f64, f64)> = (0..points.width()).map(ends).collect();
    let share = |at: u32, objective: usize| {
        let (low, high) = ends[objective];
        // in halves, so that no range overflows
        let span = 0.5 * high - 0.5 * low;
        if span > 0.0 { (0.5 * value(at, objective) - 0.5 * low) / span } else { 0.0 }
    };
    let weight = |objective: usize| weights.get(objective).copied().unwrap_or(1.0);
    let worth = |at: u32, objective: usize| weight(objective) * share(at, objective);
    let sum = |at: u32| (0..points.width()).map(|objective| worth(at, objective)).sum::<f64>();
    let sums: Vec<(f64, u32)> = front.iter().map(|at| (sum(*at), *at)).collect();
    let better = |a: (f64, u32), b: (f64, u32)| {
        let order = a.0.total_cmp(&b.0).then_with(|| tie(b.1, a.1));
        if order.is_ge() { a } else { b }
    };
    sums.into_iter().reduce(better).map_or(0, |best| best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_the_point_farthest_from_the_line_between_the_ends() {
        let numbers = [0.0, 10.0, 0.8, 8.5, 0.9, 3.0, 1.0, 0.0];
        let points = Points::new(&numbers, 2);
        let knee = |front: &[u32]| favourite(&points, front, &[], |a, b| a.cmp(&b));
        assert_eq!(knee(&[0, 1, 2, 3]), 1);
        assert_eq!(knee(&[0, 3]), 0);
        assert_eq!(favourite(&points, &[0, 3], &[], |a, b| b.cmp(&a)), 3);
    }

    /// Shares of the range in each objective: (0, 1), (0.8, 0.85), (0.9, 0.3) and (1, 0).
    #[test]
    fn weights_choose_the_point_with_the_highest_weighted_sum() {
        let numbers = [0.0, 10.0, 0.8, 8.5, 0.9, 3.0, 1.0, 0.0];
        let points = Points::new(&numbers, 2);
        let chosen = |weights: &[f64]| {
            favourite(&points, &[0, 1, 2, 3], weights, |a: u32, b: u32| a.cmp(&b))
        };
        assert_eq!(chosen(&[1.0, 1.0]), 1);
        assert_eq!(chosen(&[0.0, 3.0]), 0);
        assert_eq!(chosen(&[1.0, 6.0]), 0);
        assert_eq!(chosen(&[1.0, 5.0]), 1);
        assert_eq!(chosen(&[5.0, 1.0]), 3);
        assert_eq!(chosen(&[4.0, 1.0]), 1);
    }

    #[test]
    fn there_must_be_as_many_weights_as_objectives() {
        use crate::genome::parameters::Weights;
        let with = |objectives: &[Objective], weights: usize| Parameters {
            objectives: objectives.to_vec(),
            objective_weights: Weights(vec![1.0; weights]),
            search: Search::Pareto,
            ..Parameters::default()
        };
        let told = |objectives: &[Objective], weights: usize| {
            told_by_task(&with(objectives, weights)).map_err(|error| error.to_string())
        };
        use Objective::{Connections, Fitness, Task};
        assert_eq!(told(&[Fitness, Connections], 0), Ok(None));
        assert_eq!(told(&[Fitness, Connections], 2), Ok(None));
        assert_eq!(told(&[Task, Connections], 4), Ok(Some(3)));
        let error = |count| {
            format!("objective_weights: expected a list of {count} numbers, one for each objective")
        };
        assert_eq!(told(&[Fitness, Connections], 3), Err(error("2")));
        assert_eq!(told(&[Task, Connections], 1), Err(error("2 or more")));
        let check = |weights: usize, of_task: usize| {
            let p = with(&[Task, Connections], weights);
            check_weights(&p, of_task).map_err(|error| error.to_string())
        };
        assert_eq!([check(3, 2), check(2, 0), check(2, 1), check(0, 7)], [const { Ok(()) }; 4]);
        assert_eq!(check(3, 3), Err(error("4")));
    }

    #[test]
    fn of_genotypes_with_equal_objectives_all_but_one_come_last() {
        let goals = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, -0.0]];
        let goals = goals.map(|one| one.to_vec());
        let found = copies(&[0, 1, 2, 3, 4], &goals, &[], |a, b| b.cmp(&a));
        let copy = |at, nth| Duplicate { at, of: 4, nth };
        assert_eq!(found, (vec![1, 3, 4], vec![copy(2, 1), copy(0, 2)]));
        let behaviours = [vec![1.0], vec![], vec![2.0], vec![], vec![2.0]];
        let found = copies(&[0, 1, 2, 3, 4], &goals, &behaviours, |a, b| b.cmp(&a));
        assert_eq!(found, (vec![0, 1, 3, 4], vec![copy(2, 1)]));
    }

    #[test]
    fn crowded_points_come_last_in_their_front() {
        let numbers = [0.0, 4.0, 1.0, 3.0, 1.1, 2.9, 4.0, 0.0, 0.0, 0.0];
        let points = Points::new(&numbers, 2);
        let fronts = fronts::fronts(&fronts::ranks(&points));
        assert_eq!(by_crowding(&points, &fronts, |a, b| a.cmp(&b)), [0, 3, 2, 1, 4]);
    }
}
