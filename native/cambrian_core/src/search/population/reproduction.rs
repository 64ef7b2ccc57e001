//! From one generation to the next.

use crate::base::cancel::CancelToken;
use crate::base::memory::{self, TooLarge};
use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Tuner;
use crate::search::ancestry::Ancestry;
use crate::search::breeding::{self, Parent};
use crate::search::lineage::{Ancestor, Birth, WINDOW, truncate};
use crate::search::map_elites::{Elites, Offspring};
use crate::search::novelty::{self, Archive, Found, Generation};
use crate::search::pareto;
use crate::search::population::OVERHEAD;
use crate::search::population::{Evaluated, Population};
use crate::search::selection::{
    Allotment, ParentSelector, allot_births, allot_offspring, replaced,
};
use crate::search::speciation::{GRAIN, Species, is_undivided, speciate};
use crate::search::strategy::{Draws, EvolutionStrategy};
use crate::variation::mutation::Operators;
use crate::variation::tuning::{Ages, ages};
use rayon::prelude::*;
use std::sync::Arc;

/// Who lives on, with the species that each is of, as an index; and who breeds.
struct Replacement<'a> {
    survivors: Vec<(u32, usize)>,
    allotments: Vec<Allotment<'a>>,
}

struct Child {
    genotype: Arc<Genotype>,
    ages: Ages,
    ancestry: Option<Arc<Ancestry>>,
    /// The fitter first; an index and its other one.
    parents: (u32, Option<u32>),
    operators: Operators,
    /// The parent that it equals, if it does.
    identical_parent: Option<u32>,
    /// Its mother's species, as an index.
    origin: usize,
}

impl Evaluated {
    /// Whether there is memory for another generation beside this one: of children that are as
    /// large, on average.
    ///
    /// # Errors
    /// [`TooLarge`], with the bytes that the children would take.
    pub fn check_memory(&self) -> Result<(), TooLarge> {
        let genotypes = self.population().genotypes();
        memory::check(genotypes.iter().map(|genotype| (genotype.bytes() + OVERHEAD) as u64).sum())
    }

    /// The next generation; `None` if it was cancelled.
    pub fn next(&self, token: &dyn CancelToken) -> Option<Population> {
        match (&self.population.elites, &self.population.strategy) {
            (Some(elites), _) => self.next_of_elites(elites, token),
            (_, Some(strategy)) => self.next_of_strategy(strategy, token),
            _ => self.next_of_species(token),
        }
    }

    fn next_of_species(&self, token: &dyn CancelToken) -> Option<Population> {
        let old = &self.population;
        let Replacement { survivors, allotments } = self.replacement();
        let children = self.children(&allotments, token)?;
        let origins: Vec<usize> =
            survivors.iter().map(|s| s.1).chain(children.iter().map(|c| c.origin)).collect();
        let mut genotypes: Vec<Arc<Genotype>> =
            survivors.iter().map(|(at, _)| Arc::clone(&old.genotypes[*at as usize])).collect();
        let known =
            |&(at, _): &(u32, usize)| (!old.parameters.reevaluate).then(|| self.outcome(at));
        let mut outcomes: Vec<_> = survivors.iter().map(known).collect();
        let mut tuned: Vec<_> =
            survivors.iter().map(|(at, _)| old.tuned[*at as usize].clone()).collect();
        let mut ages: Vec<_> =
            survivors.iter().map(|(at, _)| old.ages[*at as usize].clone()).collect();
        let mut ancestry: Vec<_> =
            survivors.iter().map(|(at, _)| old.ancestry[*at as usize].clone()).collect();
        let births = self.births(&survivors, &children);
        for child in children {
            genotypes.push(child.genotype);
            ages.push(child.ages);
            ancestry.push(child.ancestry);
        }
        outcomes.resize(genotypes.len(), None);
        tuned.resize(genotypes.len(), None);
        let mut next =
            Population { genotypes, outcomes, tuned, ages, births, ancestry, ..self.successors() };
        next.prune();
        next.steer_threshold(old.species.len());
        let mut living = origins.clone();
        living.sort_unstable();
        living.dedup();
        next.species = living.iter().map(|origin| self.successor(&old.species[*origin])).collect();
        let mothers: Vec<Option<usize>> =
            origins.iter().map(|origin| living.binary_search(origin).ok()).collect();
        speciate(
            &next.genotypes,
            &mothers,
            &mut next.species,
            &mut next.next_species,
            next.generation,
            next.threshold,
            &old.parameters,
        );
        Some(next)
    }

    /// Elites live on in the archive, so all of the next generation are offspring, in one species.
    fn next_of_elites(&self, elites: &Elites, token: &dyn CancelToken) -> Option<Population> {
        let old = &self.population;
        let offspring = elites.offspring(&old.parameters, old.seed, old.generation, token)?;
        Some(self.successors_of_one_species(offspring))
    }

    /// All of the next generation are points that the strategy asks for. They have no parents.
    fn next_of_strategy(
        &self,
        strategy: &EvolutionStrategy,
        token: &dyn CancelToken,
    ) -> Option<Population> {
        let old = &self.population;
        let generation = old.generation + 1;
        let draws = Draws { seed: old.seed, generation };
        let genotypes = strategy.genotypes(&old.parameters, draws, token)?;
        let birth = Birth { operators: Operators::TUNING, ..Birth::first(generation) };
        let offspring = genotypes.into_iter().map(|genotype| Offspring {
            genotype,
            birth: birth.clone(),
            ancestry: None,
        });
        Some(self.successors_of_one_species(offspring.collect()))
    }

    fn successors_of_one_species(&self, offspring: Vec<Offspring>) -> Population {
        let old = &self.population;
        let count = offspring.len();
        let mut next = self.successors();
        for Offspring { genotype, birth, ancestry } in offspring {
            next.genotypes.push(genotype);
            next.births.push(birth);
            next.ancestry.push(ancestry);
        }
        next.outcomes.resize(count, None);
        next.tuned.resize(count, None);
        next.ages.resize(count, Ages::new());
        next.prune();
        next.species = vec![Species {
            representative: Arc::clone(&next.genotypes[0]),
            members: (0..count as u32).collect(),
            ..old.species[0].clone()
        }];
        next
    }

    /// The next generation, without genotypes.
    fn successors(&self) -> Population {
        let old = &self.population;
        Population {
            parameters: Arc::clone(&old.parameters),
            encoding: old.encoding.clone(),
            seed: old.seed,
            generation: old.generation + 1,
            tally: old.tally,
            genotypes: Vec::new(),
            outcomes: Vec::new(),
            tuned: Vec::new(),
            ages: Vec::new(),
            births: Vec::new(),
            ancestry: Vec::new(),
            sources: old.sources.clone(),
            leaving: Vec::new(),
            species: Vec::new(),
            next_species: old.next_species,
            threshold: old.threshold,
            archive: self.grown_archive(),
            elites: old.elites.clone(),
            strategy: old.strategy.clone(),
            champion: old.champion.clone(),
            tried: old.tried.clone(),
        }
    }

    /// The archive with some behaviours of this generation.
    fn grown_archive(&self) -> Archive {
        let old = &self.population;
        let mut archive = old.archive.clone();
        if novelty::keeps_archive(&old.parameters) {
            let is_new = |birth: &Birth| birth.generation == old.generation;
            let found = Found {
                generation: Generation { merit: &self.merit(), behaviours: &self.behaviours },
                novelty: &self.novelty,
                is_new: &old.births.iter().map(is_new).collect::<Vec<bool>>(),
                evaluations: old.tally.evaluations,
            };
            let mut rng = Stream::new(old.seed, Purpose::Archive, old.generation, 0);
            archive.grow(&found, &old.parameters, &mut rng);
        }
        archive
    }

    fn replacement(&self) -> Replacement<'_> {
        let (old, p) = (&self.population, &*self.population.parameters);
        if pareto::has_fronts(p) {
            return self.best_of_both();
        }
        let size = old.genotypes.len();
        let births = ((p.replacement * size as f32) as usize).max(1).max(self.places_to_fill());
        if births < size {
            let mut rng = Stream::new(old.seed, Purpose::Selection, old.generation, u64::MAX);
            let allotments = allot_births(&old.species, &self.ranking, births, p, &mut rng);
            let gone = replaced(&old.species, &self.ranking, births);
            let origins = (0..).zip(&old.species);
            let all = origins
                .flat_map(|(origin, species)| species.members.iter().map(move |at| (*at, origin)));
            let survivors = all.filter(|(at, _)| gone.binary_search(at).is_err()).collect();
            return Replacement { survivors, allotments };
        }
        let allotments = allot_offspring(&old.species, &self.ranking, p);
        let elite = |b: &Allotment| {
            b.parents[..b.elite].iter().map(|at| (*at, b.species)).collect::<Vec<_>>()
        };
        Replacement { survivors: allotments.iter().flat_map(elite).collect(), allotments }
    }

    /// In a search with fronts the best of parents and children together survive, and as many
    /// children are born.
    fn best_of_both(&self) -> Replacement<'_> {
        let old = &self.population;
        let size = old.parameters.population as usize;
        let members = self.ranking.fit(&old.species[0]);
        let parents = &members[..size.min(members.len())];
        let survivors = parents.iter().map(|at| (*at, 0)).collect();
        let allotment = Allotment { species: 0, parents, offspring: size, elite: 0 };
        Replacement { survivors, allotments: vec![allotment] }
    }

    /// How many genotypes have no fitness and must be replaced, if some were banned.
    fn places_to_fill(&self) -> usize {
        let is_unfit = |at: &u32| self.fitness()[*at as usize].is_none();
        match self.population.leaving.is_empty() {
            true => 0,
            false => (0..self.fitness().len() as u32).filter(is_unfit).count(),
        }
    }

    /// The offspring of each allotment.
    fn children<'a>(
        &'a self,
        allotments: &[Allotment<'a>],
        token: &dyn CancelToken,
    ) -> Option<Vec<Child>> {
        let old = &self.population;
        let selector = |allotment: &Allotment<'a>| {
            let species = old.species[allotment.species].id;
            let mut rng = Stream::new(old.seed, Purpose::Selection, old.generation, species);
            ParentSelector::new(allotment, &self.ranking, &old.parameters, &mut rng)
        };
        let selectors: Vec<ParentSelector> = allotments.iter().map(selector).collect();
        let births: Vec<(usize, usize)> = (allotments.iter().enumerate())
            .flat_map(|(allotment, b)| (0..b.offspring - b.elite).map(move |nth| (allotment, nth)))
            .collect();
        let birth = |(index, &(allotment, nth)): (usize, &(usize, usize))| {
            token.should_continue().then(|| {
                let mut rng =
                    Stream::new(old.seed, Purpose::Breeding, old.generation, index as u64);
                self.child(&selectors, allotment, nth, &mut rng, allotments[allotment].species)
            })
        };
        births.par_iter().enumerate().with_min_len(GRAIN).map(birth).collect()
    }

    /// How the next generation came to be: those that live on, then the children, whose parents are
    /// ancestors now.
    fn births(&self, survivors: &[(u32, usize)], children: &[Child]) -> Vec<Birth> {
        let old = &self.population;
        let mut is_parent = vec![false; old.genotypes.len()];
        for child in children {
            is_parent[child.parents.0 as usize] = true;
            child.parents.1.inspect(|other| is_parent[*other as usize] = true);
        }
        let ancestor = |at: usize| {
            let birth = &old.births[at];
            let known = birth.own.clone();
            is_parent[at].then(|| known.unwrap_or_else(|| birth.ancestor(&old.genotypes[at])))
        };
        let ancestors: Vec<Option<Arc<Ancestor>>> =
            (0..is_parent.len()).into_par_iter().with_min_len(GRAIN).map(ancestor).collect();
        let own = |at: u32| ancestors[at as usize].as_ref();
        let known = |at: u32| {
            let birth = &old.births[at as usize];
            Birth { own: own(at).or(birth.own.as_ref()).cloned(), ..birth.clone() }
        };
        let born = |child: &Child| {
            let (fitter, other) = (own(child.parents.0), child.parents.1.and_then(own));
            child.identical_parent.map(known).unwrap_or_else(|| Birth {
                generation: old.generation + 1,
                operators: child.operators,
                parents: [fitter, other].map(|parent| parent.map(|parent| parent.id)),
                parent: fitter.cloned(),
                own: None,
            })
        };
        let mut births: Vec<Birth> = survivors.iter().map(|(at, _)| known(*at)).collect();
        births.par_extend(children.par_iter().with_min_len(GRAIN).map(born));
        births
    }

    /// The parent that a child equals, if no operator changed it.
    fn identical_parent(&self, child: &Genotype, parents: (u32, Option<u32>)) -> Option<u32> {
        let same = |at: &u32| {
            let parent = &self.population.genotypes[*at as usize];
            // weights first: nearly all differ in them
            child.weights == parent.weights && *child == **parent
        };
        [Some(parents.0), parents.1].into_iter().flatten().find(same)
    }

    /// The `nth` child of an allotment.
    fn child(
        &self,
        selectors: &[ParentSelector],
        allotment: usize,
        nth: usize,
        rng: &mut Stream,
        origin: usize,
    ) -> Child {
        let old = &self.population;
        let p = &*old.parameters;
        let mother = selectors[allotment].draw(2 * nth, &self.ranking, rng);
        let (parents, child) = if rng.chance(p.crossover) {
            let elsewhere = rng.chance(p.interspecies);
            let mates = if elsewhere { rng.below(selectors.len()) } else { allotment };
            let father = selectors[mates].draw(2 * nth + 1, &self.ranking, rng);
            let (fitter, other) = self.fitter_first(mother, father);
            // a parent crossed with itself is a copy, and a copy that is not mutated is a wasted
            // evaluation
            let is_alone = fitter == other;
            let child = self.parent(fitter).crossed(self.parent(other), p, is_alone, rng);
            ((fitter, Some(other).filter(|_| !is_alone)), child)
        } else {
            ((mother, None), self.parent(mother).mutant(p, rng))
        };
        let breeding::Child { genotype, operators, ancestry } = child;
        let parent = &*old.genotypes[parents.0 as usize];
        let aged = p.tuning == Tuner::HillClimbing;
        let ages =
            if aged { ages(&genotype, parent, &old.ages[parents.0 as usize]) } else { Ages::new() };
        let identical_parent = self.identical_parent(&genotype, parents);
        Child {
            genotype: Arc::new(genotype),
            ages,
            ancestry,
            parents,
            operators,
            identical_parent,
            origin,
        }
    }

    fn parent(&self, at: u32) -> Parent<'_> {
        let (genotype, ancestry) =
            (&self.population.genotypes[at as usize], &self.population.ancestry[at as usize]);
        Parent { genotype, ancestry: ancestry.as_ref() }
    }

    /// The fitter of two first; of two equally fit the smaller counts as fitter.
    fn fitter_first(&self, a: u32, b: u32) -> (u32, u32) {
        let size = |at: u32| self.population.genotypes[at as usize].connections().len();
        let merit = |at: u32| self.ranking.rank(at);
        let order = merit(a).total_cmp(&merit(b)).then(size(b).cmp(&size(a)));
        if order.is_ge() { (a, b) } else { (b, a) }
    }

    /// The species in the next generation, still empty: a random member of this one represents it.
    fn successor(&self, species: &Species) -> Species {
        let old = &self.population;
        let mut rng = Stream::new(old.seed, Purpose::Species, old.generation, species.id);
        let stays = |at: &u32| old.leaving.binary_search(at).is_err();
        let members: Vec<u32> = species.members.iter().copied().filter(stays).collect();
        let at = members[rng.below(members.len())];
        Species {
            representative: Arc::clone(&old.genotypes[at as usize]),
            members: Vec::new(),
            ..*species
        }
    }
}

impl Population {
    /// Forgets what nobody needs who is here now.
    fn prune(&mut self) {
        self.prune_tried();
        self.prune_lineage();
        self.prune_sources();
    }

    /// Not in every generation, as it copies what is kept.
    fn prune_lineage(&mut self) {
        if self.generation.is_multiple_of(WINDOW) {
            let champion = self.champion.as_mut().map(|champion| &mut champion.birth);
            let elites = self.elites.as_mut().map(|elites| Arc::make_mut(elites).members_mut());
            let elites = elites.into_iter().flatten().map(|member| &mut member.birth);
            truncate(
                self.births.iter_mut().chain(champion).chain(elites),
                self.generation.saturating_sub(WINDOW),
            );
        }
    }

    /// Moves the threshold by a twentieth towards the wanted number of species.
    fn steer_threshold(&mut self, count: usize) {
        let p = &self.parameters;
        let target = p.target_species as usize;
        if is_undivided(p) {
            return;
        }
        if target > 0 && count != target {
            let factor = if count > target { 1.05 } else { 0.95 };
            self.threshold = (self.threshold * factor).clamp(0.001, 1000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::parameters::Parameters;
    use crate::task;
    use crate::wire::codec;
    use std::sync::atomic::AtomicBool;

    /// Also for genotypes that are tuned again, and for children that first were identical to a
    /// parent.
    #[test]
    fn descendants_remember_an_ancestor_by_the_genes_they_have_of_it() {
        let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
        for reevaluate in [false, true] {
            let p = Parameters {
                population: 40,
                tuning: Tuner::HillClimbing,
                perturb_weights: 0.1,
                reset_weights: 0.0,
                mutate_after_crossover: 0.0,
                reevaluate,
                ..task.parameters()
            };
            let mut population = Population::new(p, task.shape(), 3).unwrap();
            for _ in 0..12 {
                let evaluated = population.evaluate(task, &go).unwrap();
                let known = &evaluated.population().births;
                for (genotype, birth) in evaluated.population().genotypes().iter().zip(known) {
                    assert!(birth.own.as_ref().is_none_or(|own| own.id == codec::id(genotype)));
                }
                population = evaluated.next(&go).unwrap();
            }
        }
    }
}
