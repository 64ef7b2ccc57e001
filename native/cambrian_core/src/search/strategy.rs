//! Searches over vectors of numbers: the weights and biases of networks of one topology.
//!
//! Each file has one of them, as a value with the trait [`Strategy`]: a generation asks for points,
//! which may be evaluated in any order and anywhere, and is told their fitness. What it draws
//! depends only on the seed, the generation and the place of a point.
//!
//! ```
//! use cambrian_core::genome::parameters::Parameters;
//! use cambrian_core::search::strategy::{Draws, Method, Strategy};
//!
//! let p = Parameters { population: 10, ..Parameters::default() };
//! let mut strategy = Method::new(&[3.0, -2.0], &p, Draws { seed: 42, generation: 0 })?;
//! for generation in 0..60 {
//!     let draws = Draws { seed: 42, generation };
//!     let points: Vec<Vec<f32>> =
//!         (0..strategy.size()).map(|at| strategy.point(at, draws)).collect();
//!     let fitness: Vec<f64> =
//!         points.iter().map(|x| -f64::from(x[0] * x[0] + x[1] * x[1])).collect();
//!     strategy.tell(&points, &fitness, draws);
//! }
//! assert!(strategy.point(0, Draws { seed: 42, generation: 60 })[0].abs() < 1e-3);
//! # Ok::<(), cambrian_core::genome::parameters::ParameterError>(())
//! ```

mod cma_es;
mod differential_evolution;
mod l_shade;
mod open_ai_es;
mod particle_swarm;

use crate::base::cancel::CancelToken;
use crate::base::memory;
use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{self, ParameterError, Parameters, Search, Tuner};
use crate::search::speciation::GRAIN;
use crate::variation::tuning::{CmaEs, MAX_FULL_DIMENSION, weights, with_weights};
use differential_evolution::DifferentialEvolution;
use l_shade::LShade;
use open_ai_es::OpenAiEs;
use particle_swarm::ParticleSwarm;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Gives each generation of a run random numbers of its own.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    pub seed: u64,
    pub generation: u64,
}

impl Draws {
    /// One stream for each place of a generation.
    fn of(self, place: usize) -> Stream {
        Stream::new(self.seed, Purpose::Strategy, self.generation, place as u64)
    }

    /// One for the generation as a whole.
    fn of_all(self) -> Stream {
        Stream::new(self.seed, Purpose::Strategy, self.generation, u64::MAX)
    }
}

/// A search over vectors of one length, between two generations. Fitness is maximised.
pub trait Strategy {
    /// How many points the generation has.
    fn size(&self) -> usize;

    /// A point of this generation.
    fn point(&self, place: usize, draws: Draws) -> Vec<f32>;

    /// Takes all points of this generation, as they were evaluated, and their fitness: −∞ where the
    /// evaluation failed. `draws` are those that the points were made with.
    fn tell(&mut self, points: &[Vec<f32>], fitness: &[f64], draws: Draws);

    /// Whether a run with these parameters over so many numbers can be in this state.
    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool;
}

/// A strategy with its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    CmaEs(CmaEs),
    OpenAiEs(OpenAiEs),
    DifferentialEvolution(DifferentialEvolution),
    LShade(LShade),
    ParticleSwarm(ParticleSwarm),
}

impl Method {
    /// The strategy of the parameters, around a point, with the draws of its first generation.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn new(start: &[f32], p: &Parameters, draws: Draws) -> Result<Method, ParameterError> {
        check(start.len(), p)?;
        let first = || {
            (0..p.population as usize).map(|at| around(start, p.strategy_step, at, draws)).collect()
        };
        let with_covariance = |is_diagonal| {
            CmaEs::with_lambda(start, p.strategy_step, is_diagonal, p.population as usize)
        };
        Ok(match p.strategy {
            parameters::Strategy::CmaEs => Method::CmaEs(with_covariance(false)),
            parameters::Strategy::SepCmaEs => Method::CmaEs(with_covariance(true)),
            parameters::Strategy::OpenAiEs => Method::OpenAiEs(OpenAiEs::new(start, p)),
            parameters::Strategy::DifferentialEvolution => {
                Method::DifferentialEvolution(DifferentialEvolution::new(first(), p))
            }
            parameters::Strategy::LShade => Method::LShade(LShade::new(first(), p)),
            parameters::Strategy::ParticleSwarm => {
                Method::ParticleSwarm(ParticleSwarm::new(first()))
            }
        })
    }

    fn strategy(&self) -> &dyn Strategy {
        match self {
            Method::CmaEs(one) => one,
            Method::OpenAiEs(one) => one,
            Method::DifferentialEvolution(one) => one,
            Method::LShade(one) => one,
            Method::ParticleSwarm(one) => one,
        }
    }
}

impl Strategy for Method {
    fn size(&self) -> usize {
        self.strategy().size()
    }

    fn point(&self, place: usize, draws: Draws) -> Vec<f32> {
        self.strategy().point(place, draws)
    }

    fn tell(&mut self, points: &[Vec<f32>], fitness: &[f64], draws: Draws) {
        let strategy: &mut dyn Strategy = match self {
            Method::CmaEs(one) => one,
            Method::OpenAiEs(one) => one,
            Method::DifferentialEvolution(one) => one,
            Method::LShade(one) => one,
            Method::ParticleSwarm(one) => one,
        };
        strategy.tell(points, fitness, draws);
    }

    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool {
        let is_of = match p.strategy {
            parameters::Strategy::CmaEs => matches!(self, Method::CmaEs(es) if es.is_full()),
            parameters::Strategy::SepCmaEs => matches!(self, Method::CmaEs(es) if !es.is_full()),
            parameters::Strategy::OpenAiEs => matches!(self, Method::OpenAiEs(_)),
            parameters::Strategy::DifferentialEvolution => {
                matches!(self, Method::DifferentialEvolution(_))
            }
            parameters::Strategy::LShade => matches!(self, Method::LShade(_)),
            parameters::Strategy::ParticleSwarm => matches!(self, Method::ParticleSwarm(_)),
        };
        is_of && self.strategy().is_sound(numbers, p)
    }
}

/// The first place has the point itself, the others have points around it.
fn around(start: &[f32], step: f32, place: usize, draws: Draws) -> Vec<f32> {
    let mut point = start.to_vec();
    if place > 0 {
        draws.of(place).normals(&mut point, |x, z| x + step * z);
    }
    point
}

/// Whether all numbers of points are finite, and the points so long.
fn are_points<'a>(points: impl IntoIterator<Item = &'a Vec<f32>>, numbers: usize) -> bool {
    let is_point = |point: &Vec<f32>| point.len() == numbers && point.iter().all(|x| x.is_finite());
    points.into_iter().all(is_point)
}

/// A fitness, or −∞ where there is none.
fn is_fitness(fitness: &f64) -> bool {
    *fitness < f64::INFINITY
}

/// Whether a search over so many numbers can be begun.
///
/// # Errors
/// The parameter that it cannot have.
pub fn check(numbers: usize, p: &Parameters) -> Result<(), ParameterError> {
    let invalid = |name, expected| Err(ParameterError::Invalid { name, expected });
    let fewest = match p.strategy {
        parameters::Strategy::DifferentialEvolution | parameters::Strategy::LShade => 4,
        _ => 2,
    };
    if numbers == 0 {
        let expected = "a search that can add connections, as the first network has no weights";
        return invalid("search", expected.into());
    }
    if p.tuning != Tuner::None {
        return invalid(
            "tuning",
            "none with evolution_strategy, which finds weights itself".into(),
        );
    }
    if p.strategy == parameters::Strategy::CmaEs && numbers > MAX_FULL_DIMENSION {
        let most = MAX_FULL_DIMENSION;
        let expected = format!(
            "sep_cma_es or another one, as cma_es has at most {most} weights and biases, and these \
             networks have {numbers}"
        );
        return invalid("strategy", expected);
    }
    if p.population < fewest {
        return invalid("population", format!("{fewest} or more with this strategy"));
    }
    Ok(())
}

/// About how many bytes a search over so many numbers takes, beside its genotypes.
pub fn bytes(numbers: usize, p: &Parameters) -> u64 {
    let vectors = |each: usize| memory::product(&[p.population as usize, each, 4 * numbers]);
    // beside what it keeps, a generation has each point as a vector
    let points = vectors(1);
    let kept = match p.strategy {
        parameters::Strategy::CmaEs => CmaEs::bytes(numbers, false).saturating_add(vectors(2)),
        parameters::Strategy::SepCmaEs => CmaEs::bytes(numbers, true).saturating_add(vectors(2)),
        parameters::Strategy::OpenAiEs => 24 * numbers as u64,
        parameters::Strategy::DifferentialEvolution => vectors(1),
        parameters::Strategy::LShade => vectors(4),
        parameters::Strategy::ParticleSwarm => vectors(3),
    };
    points.saturating_add(kept)
}

/// A strategy over the weights and biases of networks of one topology. As elsewhere, biases count
/// if mutation moves biases.
#[derive(Clone, Debug)]
pub struct EvolutionStrategy {
    /// The network whose numbers are replaced.
    template: Arc<Genotype>,
    method: Method,
}

impl EvolutionStrategy {
    /// Around a network; `None` in other searches.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn new(
        template: &Arc<Genotype>,
        p: &Parameters,
        draws: Draws,
    ) -> Result<Option<Arc<EvolutionStrategy>>, ParameterError> {
        if p.search != Search::EvolutionStrategy {
            return Ok(None);
        }
        let (template, method) =
            (Arc::clone(template), Method::new(&weights(template, p), p, draws)?);
        Ok(Some(Arc::new(EvolutionStrategy { template, method })))
    }

    /// From a checkpoint; `None` if it is not of a run with these parameters.
    pub(crate) fn restored(
        template: Arc<Genotype>,
        method: Method,
        p: &Parameters,
    ) -> Option<Arc<EvolutionStrategy>> {
        let is_sound = p.search == Search::EvolutionStrategy
            && check(weights(&template, p).len(), p).is_ok()
            && method.is_sound(weights(&template, p).len(), p);
        is_sound.then(|| Arc::new(EvolutionStrategy { template, method }))
    }

    pub(crate) fn template(&self) -> &Arc<Genotype> {
        &self.template
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The genotypes of a generation; `None` if it was cancelled.
    pub(crate) fn genotypes(
        &self,
        p: &Parameters,
        draws: Draws,
        token: &dyn CancelToken,
    ) -> Option<Vec<Arc<Genotype>>> {
        let genotype = |place: usize| {
            token.should_continue().then(|| {
                let point = self.method.point(place, draws);
                Arc::new(with_weights(&self.template, &point, p))
            })
        };
        (0..self.method.size()).into_par_iter().with_min_len(GRAIN).map(genotype).collect()
    }

    /// Takes all genotypes of this generation with their fitness.
    pub(crate) fn tell(
        &mut self,
        genotypes: &[Arc<Genotype>],
        fitness: &[Option<f64>],
        p: &Parameters,
        draws: Draws,
    ) {
        let points: Vec<Vec<f32>> = genotypes.iter().map(|one| weights(one, p)).collect();
        let fitness: Vec<f64> =
            fitness.iter().map(|known| known.unwrap_or(f64::NEG_INFINITY)).collect();
        self.method.tell(&points, &fitness, draws);
    }
}

#[cfg(test)]
mod tests;
