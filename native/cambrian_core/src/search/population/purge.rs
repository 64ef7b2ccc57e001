//! Bans: a genotype that is banned, or carries banned genes, has no offspring and is not in the
//! next generation.

use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use crate::search::ancestry::{Mark, Source};
use crate::search::lineage::Birth;
use crate::search::map_elites::{Elites, Member};
use crate::search::population::{Champion, Evaluated, Population};
use crate::search::speciation::GRAIN;
use crate::search::strategy::Draws;
use crate::task::Outcome;
use crate::variation::mutation::Operators;
use crate::wire::codec::{self, GenotypeId};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Keys and genotypes that are not wanted here.
#[derive(Clone, Debug, Default)]
pub struct Banned {
    pub keys: HashSet<[u8; 32]>,
    pub genotypes: HashSet<GenotypeId>,
}

/// What a ban leaves of a generation.
#[derive(Clone, Debug)]
pub struct Purged {
    pub population: Population,
    /// How many genotypes of this generation, elites, and genotypes at which an emitter began are
    /// banned now, without those that were before.
    pub leaving: usize,
    /// No genotype is left, so all are new.
    pub is_restarted: bool,
    /// The best of all generations was banned.
    pub lost_champion: bool,
}

impl Banned {
    fn has(&self, source: &Source) -> bool {
        self.genotypes.contains(&source.genotype)
            || source.keys.iter().any(|key| self.keys.contains(key))
    }
}

impl Evaluated {
    /// The same generation as a [`Population`], with its outcomes: no genotype waits for fitness.
    ///
    /// # Panics
    /// Where a limit left some out ([`Evaluated::is_incomplete`]).
    pub fn unevaluated(&self) -> Population {
        assert!(!self.is_incomplete(), "a whole generation");
        let mut population = self.population.clone();
        let all = 0..population.genotypes.len() as u32;
        population.outcomes = all.map(|at| Some(self.outcome(at))).collect();
        population
    }
}

impl Population {
    /// Takes fitness from every banned genotype, so that it has no offspring and is not in the next
    /// generation. Its place goes to offspring of the others. If none is left, all are new, as in
    /// the first generation.
    ///
    /// A genotype is banned if it carries genes of a newcomer that has a banned id or came by a
    /// banned key; if its own id is banned; or if a parent in its line ([`Birth::line`]) that was
    /// bred here, or was a founder, has a banned id.
    pub fn purge(&self, banned: &Banned) -> Purged {
        let marks: BTreeSet<Mark> = self
            .sources
            .iter()
            .filter(|(_, source)| banned.has(source))
            .map(|(mark, _)| *mark)
            .collect();
        let is_banned = |at: u32| {
            let carries =
                |marks| self.ancestry[at as usize].as_ref().is_some_and(|known| known.has(marks));
            !self.leaving.contains(&at) && (carries(&marks) || self.is_of(at, banned))
        };
        let leaving: Vec<u32> = (0..self.genotypes.len() as u32)
            .into_par_iter()
            .with_min_len(GRAIN)
            .filter(|&at| is_banned(at))
            .collect();
        let lost_champion = self.champion.as_ref().is_some_and(|champion| {
            let carries = champion.ancestry.as_ref().is_some_and(|known| known.has(&marks));
            carries || self.is_one(&champion.genotype, &champion.birth, banned)
        });
        let elites = self.elites_without(&marks, banned);
        let count_of =
            |elites: &Option<Arc<Elites>>| elites.iter().flat_map(|all| all.members()).count();
        let count = leaving.len() + count_of(&self.elites) - count_of(&elites);
        let is_restarted = !leaving.is_empty() && !self.has_others(&leaving);
        let left = Population { elites, ..self.clone() };
        let population = if is_restarted {
            left.restarted(lost_champion)
        } else {
            left.without(leaving, lost_champion)
        };
        Purged { population, leaving: count, is_restarted, lost_champion }
    }

    fn elites_without(&self, marks: &BTreeSet<Mark>, banned: &Banned) -> Option<Arc<Elites>> {
        let mut elites = self.elites.clone()?;
        let is_left = |member: &Member| {
            let carries = member.ancestry.as_ref().is_some_and(|known| known.has(marks));
            !carries && !self.is_one(&member.elite.genotype, &member.birth, banned)
        };
        if !elites.members().all(is_left) {
            Arc::make_mut(&mut elites).retain(is_left);
        }
        Some(elites)
    }

    fn is_of(&self, at: u32, banned: &Banned) -> bool {
        let birth = &self.births[at as usize];
        let tuned = self.tuned[at as usize].iter();
        std::iter::once(&self.genotypes[at as usize])
            .chain(tuned)
            .any(|one| self.is_one(one, birth, banned))
    }

    /// By its own id, or those of its ancestors that were bred here: what it has of newcomers is
    /// known gene by gene.
    fn is_one(&self, genotype: &Genotype, birth: &Birth, banned: &Banned) -> bool {
        if banned.genotypes.is_empty() {
            return false;
        }
        // the founders of a first generation have no marks
        let is_injected =
            |birth: &Birth| birth.operators == Operators::INJECTION && birth.generation > 0;
        let came = |id: &GenotypeId| {
            self.sources.values().any(|source| source.genotype == *id)
                || birth.line().any(|one| one.id == *id && is_injected(&one.birth))
        };
        let births = std::iter::once(birth).chain(birth.line().map(|ancestor| &ancestor.birth));
        let mut named = births.flat_map(|birth| birth.parents.iter().flatten());
        banned.genotypes.contains(&codec::id(genotype))
            || named.any(|id| banned.genotypes.contains(id) && !came(id))
    }

    /// Whether somebody else has a fitness, or may get one.
    fn has_others(&self, leaving: &[u32]) -> bool {
        let may_breed =
            |at: usize| !matches!(&self.outcomes[at], Some(outcome) if outcome.score().is_none());
        (0..self.genotypes.len())
            .any(|at| leaving.binary_search(&(at as u32)).is_err() && may_breed(at))
    }

    fn without(self, leaving: Vec<u32>, lost_champion: bool) -> Population {
        let mut left = self;
        for &at in &leaving {
            left.outcomes[at as usize] = Some(Outcome::Failed);
            left.tuned[at as usize] = None;
            left.ancestry[at as usize] = None;
        }
        left.leaving.extend(&leaving);
        left.leaving.sort_unstable();
        for species in &mut left.species {
            let is_left = |at: &&u32| left.leaving.binary_search(at).is_err();
            if species.members.iter().any(|at| leaving.binary_search(at).is_ok()) {
                // its best fitness may be that of a banned genotype, so the others start afresh
                (species.best, species.improved) = (f64::NEG_INFINITY, left.generation);
                if let Some(&at) = species.members.iter().find(is_left) {
                    species.representative = Arc::clone(&left.genotypes[at as usize]);
                }
            }
        }
        if lost_champion {
            left.champion = left.best_known();
        }
        left.prune_sources();
        left
    }

    /// The fittest in the archive.
    fn best_elite(&self) -> Option<Champion> {
        let Member { elite, birth, ancestry } = self.elites.as_ref()?.best()?;
        Some(Champion {
            genotype: Arc::clone(&elite.genotype),
            fitness: elite.fitness,
            generation: self.generation,
            birth: birth.clone(),
            ancestry: ancestry.clone(),
        })
    }

    /// The fittest of those whose fitness is known; the first of equals.
    fn best_known(&self) -> Option<Champion> {
        if self.elites.is_some() {
            return self.best_elite();
        }
        let better = |a: (u32, f64), b: (u32, f64)| if b.1 > a.1 { b } else { a };
        let fitness =
            |outcome: &Option<Outcome>| outcome.as_ref()?.score().map(|score| score.fitness);
        let known =
            (0..).zip(&self.outcomes).filter_map(|(at, outcome)| Some((at, fitness(outcome)?)));
        let (at, fitness) = known.reduce(better)?;
        Some(Champion {
            genotype: Arc::clone(self.tuned(at)),
            fitness,
            generation: self.generation,
            birth: self.birth(at),
            ancestry: self.ancestry[at as usize].clone(),
        })
    }

    /// Replaces this generation by random genotypes, as in the first, drawn from the same seed.
    fn restarted(&self, lost_champion: bool) -> Population {
        let Self { parameters, encoding, seed, generation, elites, .. } = self;
        let shape = encoding.shape();
        let create = |index: u32| {
            let mut rng = Stream::new(*seed, Purpose::Birth, *generation, u64::from(index));
            let born = Genotype::new(shape.inputs, shape.outputs, parameters, &mut rng);
            Arc::new(born.expect("those that were first had this shape"))
        };
        let genotypes =
            (0..parameters.population).into_par_iter().with_min_len(GRAIN).map(create).collect();
        let parameters = Parameters::clone(parameters);
        let draws = Draws { seed: *seed, generation: *generation };
        let first = Population::begun(parameters, encoding.clone(), draws, genotypes);
        let births = vec![Birth::first(*generation); first.genotypes.len()];
        let mut species = first.species;
        species
            .iter_mut()
            .for_each(|one| (one.id, one.improved) = (one.id + self.next_species, *generation));
        let mut founded = Population {
            generation: *generation,
            tally: self.tally,
            next_species: self.next_species + first.next_species,
            births,
            species,
            champion: if lost_champion { self.best_elite() } else { self.champion.clone() },
            elites: elites.clone(),
            sources: self.sources.clone(),
            ..first
        };
        founded.prune_sources();
        founded
    }
}
