//! Where each genotype of a generation stands, as selection compares it; and who is the champion.

use crate::base::cancel::{CancelToken, Cancelled};
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Objective, Search};
use crate::search::novelty::{self, Generation, Neighbourhood};
use crate::search::pareto::{self, Standing};
use crate::search::population::{Champion, Evaluated};
use crate::search::selection::Ranking;
use std::sync::Arc;

impl Evaluated {
    /// Sorts the members of each species, and notes which species and which champion have improved.
    ///
    /// # Errors
    /// [`Cancelled`]; then it must not be used.
    pub(crate) fn rank(&mut self, token: &dyn CancelToken) -> Result<(), Cancelled> {
        let merit = self.compared(self.merit(), token).ok_or(Cancelled)?;
        let population = &mut self.population;
        let cases = std::mem::take(&mut self.ranking.cases);
        self.ranking = Ranking::new(merit, cases, population.generation);
        for species in &mut population.species {
            let rank = |at: u32| self.ranking.rank(at);
            species.members.sort_by(|&a, &b| rank(b).total_cmp(&rank(a)).then(a.cmp(&b)));
            let best = rank(species.members[0]);
            // nobody stays novel, or ahead of all others, so no species could improve for long
            if best > species.best || population.parameters.search != Search::Neat {
                (species.best, species.improved) = (best, population.generation);
            }
        }
        self.crown();
        Ok(())
    }

    /// Fitness less the cost of size.
    pub(super) fn merit(&self) -> Vec<Option<f64>> {
        let population = &self.population;
        let cost = |g: &Genotype| {
            f64::from(population.parameters.parsimony) * g.connections().len() as f64
        };
        let each = population.genotypes.iter().zip(&self.fitness);
        each.map(|(g, fit)| Some((*fit)? - cost(g))).collect()
    }

    /// What selection compares; `None` if it was cancelled.
    fn compared(
        &mut self,
        merit: Vec<Option<f64>>,
        token: &dyn CancelToken,
    ) -> Option<Vec<Option<f64>>> {
        let (archive, p) = (&self.population.archive, &*self.population.parameters);
        let generation = Generation { merit: &merit, behaviours: &self.behaviours };
        match p.search {
            Search::Neat | Search::MapElites | Search::EvolutionStrategy => Some(merit),
            Search::DominatedNovelty => novelty::dominated_novelty(&generation, p, token),
            Search::Novelty => {
                self.novelty = novelty::novelty(&generation, archive, p, token)?;
                Some(self.novelty.clone())
            }
            Search::LocalCompetition => {
                let all = novelty::neighbourhoods(&generation, archive, p, token)?;
                self.novelty = all.iter().map(|one| one.map(|one| one.novelty)).collect();
                let goals = |one: Neighbourhood| vec![one.novelty, one.beaten as f64];
                let goals = all.into_iter().map(|one| one.map(goals)).collect();
                Some(self.standing(goals, &self.behaviours).merit())
            }
            Search::Pareto => {
                if p.objectives.contains(&Objective::Novelty) {
                    self.novelty = novelty::novelty(&generation, archive, p, token)?;
                }
                let scored = pareto::Scored {
                    fitness: &self.fitness,
                    objectives: &self.objectives,
                    work: &self.work_of,
                    genotypes: &self.population.genotypes,
                };
                self.standing = self.standing(scored.goals(&self.novelty, p), &[]);
                Some(self.standing.merit())
            }
        }
    }

    fn standing(&self, goals: Vec<Option<Vec<f64>>>, behaviours: &[Vec<f64>]) -> Standing {
        let population = &self.population;
        let stream = (population.seed, population.generation);
        Standing::new(goals, behaviours, &population.genotypes, &population.parameters, stream)
    }

    /// Notes the champion: the fittest of all generations, or the favourite of the present front.
    fn crown(&mut self) {
        let favourite = self.standing.favourite();
        let (best, fitness) = favourite
            .and_then(|at| Some((at, self.fitness[at as usize]?)))
            .unwrap_or_else(|| self.best());
        let population = &mut self.population;
        let is_better = population.champion.as_ref().is_none_or(|champion| match favourite {
            Some(_) => champion.genotype != *population.tuned(best),
            None => fitness > champion.fitness,
        });
        if is_better {
            population.champion = Some(Champion {
                genotype: Arc::clone(population.tuned(best)),
                fitness,
                generation: population.generation,
                birth: population.birth(best),
                ancestry: population.ancestry[best as usize].clone(),
            });
        }
    }

    /// The first front of a Pareto search, in descending order of the first objective: places and
    /// what they reach in each objective. Empty in other searches.
    pub fn front(&self) -> Vec<(u32, &[f64])> {
        self.standing.front()
    }
}
