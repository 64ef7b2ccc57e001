//! cambrian_rounds: populations that evaluators evaluate, round after round.

use crate::genotype::{GenotypeArc, wrap};
use crate::population::{EvaluatedArc, EvaluatedResource, PopulationArc};
use crate::task::score;
use crate::term::List;
use crate::{atoms, error, pools};
use cambrian_core::task::Outcome;
use cambrian_core::variation::tuning::Tuning;
use rustler::{Atom, Error, NifResult, Resource, ResourceArc, Term};

/// An evaluation by the caller, in rounds: it is asked for candidates and told their scores, until
/// there are no more.
pub struct TuningResource {
    population: PopulationArc,
    tuning: Tuning,
    /// The work so far, counting one tick for each evaluation: how many ticks an evaluation takes
    /// is not known here.
    work: u64,
}

#[rustler::resource_impl]
impl Resource for TuningResource {}

type TuningArc = ResourceArc<TuningResource>;

#[rustler::nif(schedule = "DirtyCpu")]
fn population_tuning(population: PopulationArc) -> TuningArc {
    let tuning = population.0.tuning();
    ResourceArc::new(TuningResource { population, tuning, work: 0 })
}

#[rustler::nif(schedule = "DirtyCpu")]
fn tuning_candidates(tuning: TuningArc) -> Vec<GenotypeArc> {
    tuning.tuning.candidates().into_iter().map(wrap).collect()
}

/// A score of [`crate::task::score`], `failed` or `skipped` of each candidate, in their order.
#[rustler::nif(schedule = "DirtyCpu")]
fn tuning_tell(tuning: TuningArc, outcomes: List<Term>) -> NifResult<(Atom, TuningArc)> {
    let outcome = |term: Term| {
        match term.decode::<Atom>() {
            Ok(word) if word == atoms::failed() => return Ok(Outcome::Failed),
            Ok(word) if word == atoms::skipped() => return Ok(Outcome::Skipped),
            _ => {}
        }
        Ok(Outcome::Scored(score(term)?))
    };
    let outcomes: Vec<Outcome> = outcomes.0.into_iter().map(outcome).collect::<NifResult<_>>()?;
    if !tuning.tuning.expects(&outcomes) {
        return Err(error::refuse(atoms::bad_fitness()));
    }
    let ran = tuning
        .tuning
        .candidates()
        .into_iter()
        .zip(&outcomes)
        .filter(|(_, o)| **o != Outcome::Skipped);
    let work = tuning.work + ran.map(|(genotype, _)| genotype.cost()).sum::<u64>();
    let (population, mut next) = (ResourceArc::clone(&tuning.population), tuning.tuning.clone());
    pools::install(|| next.tell(outcomes))?;
    Ok((atoms::ok(), ResourceArc::new(TuningResource { population, tuning: next, work })))
}

/// The population with its scores, as good as tuning has made them so far; `{error, no_fitness}`
/// where there are none.
#[rustler::nif(schedule = "DirtyCpu")]
fn tuning_settle(tuning: TuningArc) -> NifResult<(Atom, EvaluatedArc)> {
    let TuningResource { population, tuning, work } = &*tuning;
    if !tuning.is_told() {
        return Err(Error::BadArg);
    }
    let evaluated = pools::install(|| population.0.clone().settle(tuning.clone()))?;
    let evaluated = evaluated.ok_or_else(|| error::refuse(atoms::no_fitness()))?;
    Ok((atoms::ok(), ResourceArc::new(EvaluatedResource(evaluated.with_work(*work)))))
}
