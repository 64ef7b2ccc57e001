//! MAP-Elites (Mouret & Clune 2015, arXiv:1504.04909): each generation descends from elites that
//! are drawn at random from an archive, and then enters the archive.

use crate::base::cancel::CancelToken;
use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::{Bounds, Emitter, ParameterError, Parameters, Search};
use crate::phenotype::{probe, projection};
use crate::search::ancestry::Ancestry;
use crate::search::archive::{Archive, Elite, Space, SpaceError};
use crate::search::breeding::{Child, Parent};
use crate::search::lineage::Birth;
use crate::search::population::Champion;
use crate::search::speciation::GRAIN;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The archive of a run, with what breeding and bans need to know of each elite.
#[derive(Clone, Debug)]
pub struct Elites {
    space: Arc<Space>,
    members: BTreeMap<u32, Member>,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub elite: Arc<Elite>,
    /// With itself as an ancestor.
    pub birth: Birth,
    /// Its genes that came from elsewhere.
    pub ancestry: Option<Arc<Ancestry>>,
}

/// A child with how it came to be.
pub(crate) struct Offspring {
    pub genotype: Arc<Genotype>,
    pub birth: Birth,
    pub ancestry: Option<Arc<Ancestry>>,
}

impl Elites {
    /// Without elites, for networks with so many outputs; `None` in searches without an archive of
    /// elites.
    ///
    /// # Errors
    /// The parameter that does not divide a box of behaviours.
    pub fn new(p: &Parameters, outputs: u32) -> Result<Option<Arc<Elites>>, ParameterError> {
        if p.search != Search::MapElites {
            return Ok(None);
        }
        let invalid = |error: SpaceError| ParameterError::Invalid {
            name: match error {
                SpaceError::Dimensions => "bounds",
                SpaceError::TooFew(_) | SpaceError::TooMany => "cells",
            },
            expected: error.to_string(),
        };
        let space = Space::new(&bounds(p, outputs), p.partition, p.cells).map_err(invalid)?;
        Ok(Some(Arc::new(Elites { space: Arc::new(space), members: BTreeMap::new() })))
    }

    /// With these, each in a cell of its own; `None` if they cannot be the elites of a run with
    /// these parameters.
    pub(crate) fn of(
        p: &Parameters,
        outputs: u32,
        members: Vec<Member>,
    ) -> Option<Option<Arc<Elites>>> {
        let Some(mut elites) = Elites::new(p, outputs).ok()? else {
            return members.is_empty().then_some(None);
        };
        let (dimensions, count) = (elites.space.dimensions(), members.len());
        let all = Arc::make_mut(&mut elites);
        let is_sound = |Elite { fitness, behaviour, .. }: &Elite| {
            let mut numbers = behaviour.iter().chain([fitness]);
            behaviour.len() == dimensions && numbers.all(|number| number.is_finite())
        };
        if !members.iter().all(|member| is_sound(&member.elite)) {
            return None;
        }
        for member in members {
            all.enter(member);
        }
        (all.len() == count).then_some(Some(elites))
    }

    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What others see of it.
    pub fn archive(&self, task: &str, shape: Shape) -> Archive {
        let mut archive = Archive::new(task, shape, Arc::clone(&self.space));
        for member in self.members.values() {
            archive.insert(Arc::clone(&member.elite));
        }
        archive
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    /// The fitness of the elite in the cell of a behaviour.
    pub(crate) fn fitness_at(&self, behaviour: &[f64]) -> Option<f64> {
        let held = self.members.get(&self.space.cell(behaviour))?;
        Some(held.elite.fitness)
    }

    /// Puts a genotype into the cell of its behaviour, unless one is there that beats it.
    pub(crate) fn enter(&mut self, mut member: Member) {
        let cell = self.space.cell(&member.elite.behaviour);
        let is_beaten = |held: &Member| !member.elite.beats(&held.elite);
        if self.members.get(&cell).is_some_and(is_beaten) {
            return;
        }
        if member.birth.own.is_none() {
            member.birth.own = Some(member.birth.ancestor(&member.elite.genotype));
        }
        self.members.insert(cell, member);
    }

    /// The fittest, as the champion of a generation.
    pub(crate) fn champion(&self, generation: u64) -> Option<Champion> {
        let all = self.members.values();
        let best = all.reduce(|a, b| if b.elite.beats(&a.elite) { b } else { a })?;
        let Member { elite, birth, ancestry } = best;
        let (genotype, birth) = (Arc::clone(&elite.genotype), birth.clone());
        Some(Champion::new(genotype, elite.fitness, generation, birth, ancestry.clone()))
    }

    /// Takes away those that are banned.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Member) -> bool) {
        self.members.retain(|_, member| keep(member));
    }

    /// The next generation; `None` if it was cancelled. There must be an elite.
    pub(crate) fn offspring(
        &self,
        p: &Parameters,
        seed: u64,
        generation: u64,
        token: &dyn CancelToken,
    ) -> Option<Vec<Offspring>> {
        let members: Vec<&Member> = self.members.values().collect();
        let count = p.population as usize;
        let bear = |at: usize| {
            let emitter = p.emitters[at * p.emitters.len() / count];
            let mut rng = Stream::new(seed, Purpose::Breeding, generation, at as u64);
            token.should_continue().then(|| born(emitter, &members, p, generation, &mut rng))
        };
        (0..count).into_par_iter().with_min_len(GRAIN).map(bear).collect()
    }
}

/// An offspring of random elites.
fn born(
    emitter: Emitter,
    members: &[&Member],
    p: &Parameters,
    generation: u64,
    rng: &mut Stream,
) -> Offspring {
    let one = members[rng.below(members.len())];
    let draw = |rng: &mut Stream| members[rng.below(members.len())];
    let (first, second, child) = match emitter {
        Emitter::Neat if rng.chance(p.crossover) => {
            let other = draw(rng);
            let (fitter, other) =
                if other.elite.beats(&one.elite) { (other, one) } else { (one, other) };
            let is_alone = std::ptr::eq(fitter, other);
            let child = fitter.parent().crossed(other.parent(), p, is_alone, rng);
            (fitter, Some(other).filter(|_| !is_alone), child)
        }
        Emitter::Neat => (one, None, one.parent().mutant(p, rng)),
        Emitter::IsoLine => {
            let other = draw(rng);
            let child = one.parent().moved(other.parent(), p, rng);
            (one, Some(other).filter(|other| !std::ptr::eq(one, *other)), child)
        }
    };
    let Child { genotype, operators, ancestry } = child;
    let id = |member: &Member| member.birth.own.as_ref().map(|own| own.id);
    let birth = Birth {
        generation: generation + 1,
        operators,
        parents: [id(first), second.and_then(id)],
        parent: first.birth.own.clone(),
        own: None,
    };
    Offspring { genotype: Arc::new(genotype), birth, ancestry }
}

impl Member {
    fn parent(&self) -> Parent<'_> {
        Parent { genotype: &self.elite.genotype, ancestry: self.ancestry.as_ref() }
    }
}

/// How many dimensions an archive has for tasks without bounds.
const DIMENSIONS: usize = 2;

/// Those of the parameters, or what projections of the probes' outputs reach.
fn bounds(p: &Parameters, outputs: u32) -> Bounds {
    if !p.bounds.0.is_empty() {
        return p.bounds.clone();
    }
    let reach = projection::spread(probe::length(outputs as usize), DIMENSIONS);
    Bounds(vec![(-reach, reach); DIMENSIONS])
}

/// How many numbers a behaviour must have, where the search says it.
pub(crate) fn dimensions(p: &Parameters) -> Option<usize> {
    let dimensions = if p.bounds.0.is_empty() { DIMENSIONS } else { p.bounds.0.len() };
    (p.search == Search::MapElites).then_some(dimensions)
}

/// How many numbers a task must give as the behaviour of a network, where the search says it; 0
/// where only probes are looked at.
pub fn told_by_task(p: &Parameters) -> Option<usize> {
    (p.search == Search::MapElites).then_some(p.bounds.0.len())
}
