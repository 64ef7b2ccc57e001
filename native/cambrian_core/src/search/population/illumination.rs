//! What a search learns of an evaluated generation beyond its ranks: it enters the archive of
//! elites, or an evolution strategy is told of it.

use super::{Evaluated, Population};
use crate::search::archive::Elite;
use crate::search::map_elites::{Elites, Member};
use crate::search::strategy::Draws;
use std::sync::Arc;

impl Evaluated {
    /// The genotype at a place as an elite; `None` if it has no fitness.
    fn member(&self, at: u32) -> Option<Member> {
        let (population, behaviour) = (&self.population, self.behaviours[at as usize].clone());
        let genotype = Arc::clone(population.tuned(at));
        let elite = Arc::new(Elite::new(genotype, self.fitness[at as usize]?, behaviour));
        let ancestry = population.ancestry[at as usize].clone();
        Some(Member { elite, birth: population.birth(at), ancestry })
    }

    /// Whether no fitter elite is in the cell of the genotype at a place.
    fn may_enter(&self, elites: &Elites, at: u32) -> bool {
        let (behaviour, fitness) = (&self.behaviours[at as usize], self.fitness[at as usize]);
        fitness.is_some_and(|own| elites.fitness_at(behaviour).is_none_or(|held| held <= own))
    }

    /// Puts all of the generation into the archive of elites, if there is one. Emitters learn from
    /// it only if it `is_new`, and not one that a ban has begun again.
    pub(crate) fn illuminate(&mut self, is_new: bool) {
        // shared only while the generation before is still there
        let Some(mut elites) = self.population.elites.take() else { return };
        let Population { genotypes, parameters, seed, generation, .. } = &self.population;
        let known = Arc::make_mut(&mut elites);
        let places = 0..self.fitness.len() as u32;
        if is_new {
            let scored = self.behaviours.iter().zip(&self.fitness);
            let behaviours: Vec<&[f64]> =
                scored.filter(|(_, fitness)| fitness.is_some()).map(|(one, _)| &one[..]).collect();
            known.find_axes(behaviours, parameters, *generation);
        }
        if is_new && known.learns() {
            let all: Vec<Option<Member>> = places.map(|at| self.member(at)).collect();
            known.learn(&all, genotypes, parameters);
            all.into_iter().flatten().for_each(|member| known.enter(member));
        } else {
            for at in places {
                let member = if self.may_enter(known, at) { self.member(at) } else { None };
                member.into_iter().for_each(|member| known.enter(member));
            }
        }
        known.begin(parameters, *seed, *generation);
        self.population.elites = Some(elites);
    }

    /// Tells the evolution strategy, if there is one, of a generation that it has asked for.
    pub(crate) fn instruct(&mut self) {
        let Some(mut strategy) = self.population.strategy.take() else { return };
        let Population { genotypes, parameters, seed, generation, .. } = &self.population;
        let draws = Draws { seed: *seed, generation: *generation };
        Arc::make_mut(&mut strategy).tell(genotypes, &self.fitness, parameters, draws);
        self.population.strategy = Some(strategy);
    }

    /// Puts the genotype at one place into the archive of elites.
    pub(crate) fn enter(&mut self, at: u32) {
        let member = self.member(at);
        if let (Some(elites), Some(member)) = (&mut self.population.elites, member) {
            Arc::make_mut(elites).enter(member);
        }
    }
}
