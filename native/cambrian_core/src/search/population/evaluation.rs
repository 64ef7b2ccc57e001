//! Fitness for every genotype of a population: here, within limits, or by outcomes from elsewhere.

use super::{Evaluated, Population};
use crate::base::cancel::{CancelToken, Cancelled, Deadline, NeverCancelled};
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Inheritance, Search, Tuner};
use crate::phenotype::cost::{metered, spend};
use crate::phenotype::encoding::Encoding;
use crate::phenotype::network::Network;
use crate::phenotype::probe;
use crate::phenotype::substrate::SubstrateError;
use crate::search::pareto::{self, Standing};
use crate::search::selection::Ranking;
use crate::search::{map_elites, novelty};
use crate::task::{Outcome, Score, Task};
use crate::variation::tuning::{Newcomer, Slope, Tally, Tuning};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// When an evaluation stops early: after so many evaluations in all generations, or at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub evaluations: u64,
    pub time: Option<Instant>,
}

impl Limits {
    pub const NONE: Limits = Limits { evaluations: u64::MAX, time: None };

    /// Whether the `nth` evaluation of a run, from 0, is too many or too late; never the first.
    fn skip(&self, nth: u64) -> bool {
        let is_late = || self.time.is_some_and(|time| Instant::now() >= time);
        nth > 0 && (nth >= self.evaluations || is_late())
    }

    /// Cancels at the limit of time; the first evaluation of a run gets [`GRACE`] more.
    fn until<'a>(&self, token: &'a dyn CancelToken, is_first: bool) -> Deadline<'a> {
        let grace = if is_first { GRACE } else { Duration::ZERO };
        Deadline { token, time: self.time.and_then(|time| time.checked_add(grace)) }
    }
}

/// How much longer than the limit the first evaluation of a run may take, since without one there
/// is no result.
pub const GRACE: Duration = Duration::from_secs(5);

/// Why there is no evaluated population.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationError {
    /// The token cancelled it.
    Cancelled,
    /// No genotype has a fitness: so many evaluations failed, and a limit may have skipped the
    /// rest.
    NoFitness { failures: u64, is_incomplete: bool },
}

/// The scores do not match the genotypes that wait for one, or hold a number that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected one score of finite numbers for each genotype that waits for one")]
pub struct BadFitness;

impl Population {
    /// [`Population::evaluate_within`] without limits; `None` if it was cancelled or all failed.
    pub fn evaluate(self, task: &dyn Task, token: &dyn CancelToken) -> Option<Evaluated> {
        self.evaluate_within(Limits::NONE, task, token).ok()
    }

    /// Evaluates every genotype that waits for fitness, and tunes weights if the parameters say so.
    /// Tuning ends with the round whose best passes the task's trial. A limit skips the evaluations
    /// that are left, and the limit of time also those under way. Only the first evaluation of a
    /// run has [`GRACE`] beyond the limit; after that it has failed.
    ///
    /// # Errors
    /// [`EvaluationError`]
    pub fn evaluate_within(
        mut self,
        limits: Limits,
        task: &dyn Task,
        token: &dyn CancelToken,
    ) -> Result<Evaluated, EvaluationError> {
        let (mut tuning, work) = (self.tuning(), AtomicU64::new(0));
        let until = limits.until(token, false);
        let p = Arc::clone(&self.parameters);
        let slope =
            task.differentiable().map(|data| Slope { data, decay: p.tuning_decay, token: &until });
        let settle = |population: Population, tuning, solved| {
            let evaluated = population.settle_or_fail(tuning, solved, token)?;
            Ok(evaluated.with_work(work.load(Ordering::Relaxed)))
        };
        loop {
            let candidates = tuning.candidates();
            if candidates.is_empty() {
                break;
            }
            let before = self.tally.evaluations + tuning.tally().evaluations;
            let outcomes = self.evaluate_round(&candidates, before, limits, task, token, &work);
            tuning.tell_with(outcomes.ok_or(EvaluationError::Cancelled)?, slope);
            if tuning.is_incomplete() {
                break;
            }
            let improved = tuning.improved().filter(|_| self.parameters.tuning != Tuner::None);
            let Some(at) = improved else { continue };
            let contender = Arc::clone(tuning.best(at));
            match self.solves(&contender, task, &limits.until(token, false)) {
                Ok(true) => return settle(self, tuning, Some(at)),
                Ok(false) => self.tried.push(contender),
                Err(Cancelled) if !token.should_continue() => {
                    return Err(EvaluationError::Cancelled);
                }
                Err(Cancelled) => {
                    tuning.mark_incomplete();
                    break;
                }
            }
        }
        settle(self, tuning, None)
    }

    /// The outcome of each candidate of a round, `before` evaluations of the run being made; `None`
    /// if it was cancelled. Adds to the work.
    fn evaluate_round(
        &self,
        candidates: &[Arc<Genotype>],
        before: u64,
        limits: Limits,
        task: &dyn Task,
        token: &dyn CancelToken,
        work: &AtomicU64,
    ) -> Option<Vec<Outcome>> {
        let evaluate = |(at, genotype): (usize, &Arc<Genotype>)| {
            let nth = before + at as u64;
            if !token.should_continue() {
                return None;
            }
            if limits.skip(nth) {
                return Some(Outcome::Skipped);
            }
            let token_within = limits.until(token, nth == 0);
            let (outcome, spent) = metered(|| self.outcome(genotype, task, &token_within));
            work.fetch_add(spent, Ordering::Relaxed);
            match outcome {
                Ok(outcome) => Some(outcome),
                Err(Cancelled) if !token.should_continue() => None,
                Err(Cancelled) if nth == 0 => Some(Outcome::Failed),
                Err(Cancelled) => Some(Outcome::Skipped),
            }
        };
        let grain = self.encoding.grain(task.grain());
        candidates.par_iter().enumerate().with_min_len(grain).map(evaluate).collect()
    }

    fn settle_or_fail(
        self,
        tuning: Tuning,
        solved: Option<usize>,
        token: &dyn CancelToken,
    ) -> Result<Evaluated, EvaluationError> {
        let halt = EvaluationError::NoFitness {
            failures: tuning.tally().failures,
            is_incomplete: tuning.is_incomplete(),
        };
        match Evaluated::settle(self, tuning, solved, token) {
            Err(Cancelled) => Err(EvaluationError::Cancelled),
            Ok(evaluated) => evaluated.ok_or(halt),
        }
    }

    fn outcome(
        &self,
        genotype: &Genotype,
        task: &dyn Task,
        token: &dyn CancelToken,
    ) -> Result<Outcome, Cancelled> {
        if let Some(score) = self.score_of_vector(genotype, task) {
            return Ok(Outcome::from(score));
        }
        let Some(network) = self.network(genotype, token)? else { return Ok(Outcome::Failed) };
        let runner = network.runner(token);
        let (score, work) = metered(|| task.evaluate_on(&runner));
        let mut score = map_elites::as_asked(Score { work, ..score? }, &self.parameters);
        if score.behaviour.is_empty() && novelty::needs_behaviours(&self.parameters) {
            let probed = probe::behaviour(&runner)?;
            score.behaviour = map_elites::described(probed, &self.parameters);
        }
        Ok(Outcome::from(score))
    }

    /// Of a network that is a vector, without compiling it.
    fn score_of_vector(&self, genotype: &Genotype, task: &dyn Task) -> Option<Score> {
        if !matches!(self.encoding, Encoding::Direct(_)) {
            return None;
        }
        let score = task.evaluate_vector(genotype)?;
        if score.behaviour.is_empty() && novelty::needs_behaviours(&self.parameters) {
            return None; // the probes need the network
        }
        spend(score.work);
        Some(map_elites::as_asked(score, &self.parameters))
    }

    /// What its network does on the probes; nothing where there is no memory for the network.
    pub(super) fn probed(&self, genotype: &Genotype) -> Vec<f64> {
        let network = self.network(genotype, &NeverCancelled).ok().flatten();
        let probed = network.map(|network| probe::behaviour(&network.runner(&NeverCancelled)));
        let described = |probed| map_elites::described(probed, &self.parameters);
        probed.and_then(Result::ok).map_or(Vec::new(), described)
    }

    /// How many numbers a behaviour has in this run, if one is known.
    fn dimensions(&self) -> Option<usize> {
        let of = |outcome: &Option<Outcome>| Some(outcome.as_ref()?.score()?.behaviour.len());
        let survivors = self.outcomes.iter().filter_map(of).find(|length| *length > 0);
        let of_elites = || self.elites.as_ref().and_then(|elites| elites.length());
        let known = map_elites::dimensions(&self.parameters).or_else(of_elites);
        known.or(self.archive.dimensions()).or(survivors)
    }

    /// Gives each score of these outcomes a behaviour if the search compares behaviours, and takes
    /// it away if not. A network of whose behaviour the task says nothing is probed. A behaviour
    /// of another length than the others' is a failure.
    fn settle_behaviours(&mut self, outcomes: &mut [Option<Outcome>]) {
        let needed = novelty::needs_behaviours(&self.parameters);
        let probe = |(genotype, outcome): (&Arc<Genotype>, &mut Option<Outcome>)| {
            let Some(Outcome::Scored(score)) = outcome else { return };
            if !needed {
                score.behaviour = Vec::new();
            } else if score.behaviour.is_empty() {
                score.behaviour = self.probed(genotype);
            }
        };
        self.genotypes.par_iter().zip(outcomes.par_iter_mut()).for_each(probe);
        let of = |outcome: &Option<Outcome>| Some(outcome.as_ref()?.score()?.behaviour.len());
        let length = self.dimensions().or_else(|| outcomes.iter().find_map(of));
        for outcome in outcomes.iter_mut().filter(|outcome| needed && of(outcome) != length) {
            if outcome.as_ref().is_some_and(|outcome| outcome.score().is_some()) {
                *outcome = Some(Outcome::Failed);
                self.tally.failures += 1;
            }
        }
    }

    /// Takes objectives away from each score if the search does not pursue them. Another number of
    /// them than the others have, or than the weights say, is a failure.
    fn settle_objectives(&mut self, outcomes: &mut [Option<Outcome>]) {
        let needed = self.parameters.search == Search::Pareto;
        let told = pareto::told_by_task(&self.parameters).expect("parameters that were checked");
        let is_told = |count: usize| told.is_none_or(|told| told == count.max(1));
        let mut length = None;
        for outcome in outcomes {
            let Some(Outcome::Scored(score)) = outcome else { continue };
            let count = score.objectives.len();
            if !needed {
                (score.objectives, score.work) = (Vec::new(), 0);
            } else if !is_told(count) || *length.get_or_insert(count) != count {
                *outcome = Some(Outcome::Failed);
                self.tally.failures += 1;
            }
        }
    }

    fn solves(
        &self,
        genotype: &Genotype,
        task: &dyn Task,
        token: &dyn CancelToken,
    ) -> Result<bool, Cancelled> {
        let Some(network) = self.network(genotype, token)? else { return Ok(false) };
        Ok(task.trial_on(&network.runner(token))?.solved)
    }

    /// `None` where there is no memory for it.
    fn network(
        &self,
        genotype: &Genotype,
        token: &dyn CancelToken,
    ) -> Result<Option<Network>, Cancelled> {
        match self.encoding.network(genotype, token) {
            Err(SubstrateError::Cancelled) => Err(Cancelled),
            Err(SubstrateError::Memory(_)) => Ok(None),
            network => Ok(Some(network.expect("all genotypes here are of the encoding's shape"))),
        }
    }

    /// The evaluation of those that wait, round by round, for fitness from elsewhere.
    pub fn tuning(&self) -> Tuning {
        let newcomers = self.genotypes.iter().zip(&self.ages).zip(&self.outcomes);
        let newcomers =
            newcomers.filter(|(_, known)| known.is_none()).map(|(newcomer, _)| newcomer);
        Tuning::new(newcomers, &self.parameters, self.seed, self.generation)
    }

    /// Takes the result of an evaluation from elsewhere. Candidates may be left, but the outcome of
    /// every newcomer must be known. `None` if no genotype has a fitness.
    ///
    /// # Panics
    /// If not ([`Tuning::is_told`]).
    pub fn settle(self, tuning: Tuning) -> Option<Evaluated> {
        assert!(tuning.is_told(), "an outcome for each newcomer");
        Evaluated::settle(self, tuning, None, &NeverCancelled).expect("nobody cancels it")
    }

    /// The same in one round, without tuning: scores in the order of [`Population::waiting`].
    ///
    /// # Errors
    /// [`BadFitness`].
    pub fn with_scores(self, scores: Vec<Score>) -> Result<Evaluated, BadFitness> {
        let mut tuning = self.tuning();
        let outcomes: Vec<Outcome> = scores.into_iter().map(Outcome::from).collect();
        if !tuning.expects(&outcomes) || outcomes.contains(&Outcome::Failed) {
            return Err(BadFitness);
        }
        tuning.tell(outcomes);
        self.settle(tuning).ok_or(BadFitness)
    }
}

impl Evaluated {
    /// `solved` counts among those that were tuned. `None` where no genotype has a fitness.
    fn settle(
        mut population: Population,
        tuning: Tuning,
        solved: Option<usize>,
        token: &dyn CancelToken,
    ) -> Result<Option<Evaluated>, Cancelled> {
        let is_incomplete = tuning.is_incomplete();
        let (new, Tally { evaluations, failures }) = tuning.finish();
        population.tally.evaluations += evaluations;
        population.tally.failures += failures;
        let mut outcomes = std::mem::take(&mut population.outcomes);
        let waiting: Vec<usize> =
            (0..outcomes.len()).filter(|&at| outcomes[at].is_none()).collect();
        for (&at, Newcomer { genotype, outcome }) in waiting.iter().zip(new) {
            outcomes[at] = Some(outcome);
            match population.parameters.inheritance {
                Inheritance::Lamarckian => {
                    if !Arc::ptr_eq(&population.genotypes[at], &genotype) {
                        population.births[at].tune(population.generation);
                    }
                    population.genotypes[at] = genotype;
                }
                Inheritance::Baldwinian => population.tuned[at] = Some(genotype),
            }
        }
        population.settle_behaviours(&mut outcomes);
        population.settle_objectives(&mut outcomes);
        let score = |outcome| match outcome {
            Some(Outcome::Scored(score)) => (Some(score.fitness), score),
            _ => (None, Score::default()),
        };
        let (fitness, scores): (Vec<Option<f64>>, Vec<Score>) =
            outcomes.into_iter().map(score).unzip();
        if fitness.iter().flatten().next().is_none() {
            return Ok(None);
        }
        let work_of = scores.iter().map(|score| score.work).collect();
        let (cases, (behaviours, objectives)) = scores
            .into_iter()
            .map(|score| (score.cases, (score.behaviour, score.objectives)))
            .unzip();
        let ranking = Ranking::new(Vec::new(), cases, population.generation);
        let solved = solved.map(|at| waiting[at] as u32);
        let mut evaluated = Evaluated {
            population,
            fitness,
            behaviours,
            objectives,
            work_of,
            standing: Standing::default(),
            novelty: Vec::new(),
            ranking,
            solved,
            is_incomplete,
            work: 0,
        };
        evaluated.rank(token)?;
        evaluated.illuminate(!waiting.is_empty());
        if !waiting.is_empty() {
            evaluated.instruct();
        }
        Ok(Some(evaluated))
    }
}
