//! The newcomers of a population: those whose genes some genotype here carries.

use crate::base::cancel::NeverCancelled;
use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::Search;
use crate::search::ancestry::{Ancestry, Mark, Source};
use crate::search::archive::Elite;
use crate::search::lineage::Birth;
use crate::search::population::{Champion, Evaluated, Population, Refused, holds};
use crate::search::speciation::{Species, distance, found_species};
use crate::search::{map_elites, novelty};
use crate::task::Score;
use crate::variation::mutation::Operators;
use crate::variation::tuning::Ages;
use crate::wire::codec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Population {
    /// The newcomers whose genes a genotype of this population carries.
    pub fn sources(&self, genotype: &Genotype) -> Vec<Source> {
        let champion = self.champion.as_ref().filter(|champion| *champion.genotype == *genotype);
        let ancestry = champion.map(|champion| champion.ancestry.clone()).or_else(|| {
            let here = (0..self.genotypes.len()).find(|at| **self.tuned(*at as u32) == *genotype);
            here.map(|at| self.ancestry[at].clone())
        });
        ancestry.flatten().map_or(Vec::new(), |ancestry| self.sources_of(&ancestry))
    }

    /// The same of one that was the champion, or is a migrant.
    pub fn sources_of_champion(&self, champion: &Champion) -> Vec<Source> {
        champion.ancestry.as_ref().map_or(Vec::new(), |ancestry| self.sources_of(ancestry))
    }

    fn sources_of(&self, ancestry: &Ancestry) -> Vec<Source> {
        ancestry.marks().iter().filter_map(|mark| self.sources.get(mark).cloned()).collect()
    }

    /// Whether no gene came from another node. Genes that a user injected came with no key.
    pub(crate) fn is_own(&self, ancestry: Option<&Ancestry>) -> bool {
        let has_keys =
            |mark: &Mark| self.sources.get(mark).is_some_and(|source| !source.keys.is_empty());
        ancestry.is_none_or(|known| !known.marks().iter().any(has_keys))
    }

    /// The newcomers whose genes some genotype here carries.
    pub fn newcomers(&self) -> &BTreeMap<Mark, Source> {
        &self.sources
    }

    pub fn ancestry(&self, at: usize) -> Option<&Arc<Ancestry>> {
        self.ancestry[at].as_ref()
    }

    /// A newcomer's mark, with what is known of it.
    pub(crate) fn mark(&mut self, source: Source) -> Mark {
        // a paused generation may take in newcomers for ever, each in the place of the last
        if self.sources.len() >= 2 * self.genotypes.len().max(64) {
            self.prune_sources();
        }
        let mark = self.sources.last_key_value().map_or(0, |(last, _)| last + 1);
        self.sources.insert(mark, source);
        mark
    }

    /// Forgets the newcomers of whom nobody has a gene.
    pub(crate) fn prune_sources(&mut self) {
        if self.sources.is_empty() {
            return;
        }
        let champion = self.champion.iter().filter_map(|champion| champion.ancestry.as_ref());
        let elites = self.elites.iter().flat_map(|elites| elites.members());
        let elites = elites.filter_map(|member| member.ancestry.as_ref());
        let carried: BTreeSet<Mark> = self
            .ancestry
            .iter()
            .flatten()
            .chain(champion)
            .chain(elites)
            .flat_map(|ancestry| ancestry.marks())
            .collect();
        self.sources.retain(|mark, _| carried.contains(mark));
    }
}

impl Evaluated {
    /// Takes in a genotype from elsewhere, with the score that was measured here and the keys of
    /// those who bred and sent it, in place of the worst of its species; one that is unlike all
    /// others founds a species in place of the worst of all. With an archive of elites it must
    /// enter its cell. With an evolution strategy, which never learns of it, it must be fitter than
    /// the champion, in whose place it is.
    ///
    /// # Errors
    /// [`Refused`]; nothing changes then.
    pub fn inject(
        &mut self,
        newcomer: Arc<Genotype>,
        score: impl Into<Score>,
        keys: Vec<[u8; 32]>,
    ) -> Result<(), Refused> {
        let (score, population) = (score.into(), &self.population);
        let Shape { inputs, outputs } = population.shape();
        if (newcomer.inputs(), newcomer.outputs()) != (inputs, outputs) {
            return Err(Refused::Shape);
        }
        if !score.is_sound() {
            return Err(Refused::NotFinite);
        }
        if holds(&population.genotypes, &newcomer) {
            return Err(Refused::Known);
        }
        if population.parameters.search == Search::Pareto {
            return self.inject_into_front(newcomer, score, keys);
        }
        let like = |s: &Species| {
            distance(&newcomer, &s.representative, &population.parameters) < population.threshold
        };
        let home = population.species.iter().position(like);
        let (place, score) = if let Some(elites) = &population.elites {
            let score = self.with_behaviour(&newcomer, score)?;
            let elite = Elite::new(Arc::clone(&newcomer), score.fitness, score.behaviour.clone());
            let enters = elites.admits(&elite);
            (self.worst().filter(|_| enters).ok_or(Refused::NotBetter)?, score)
        } else if population.strategy.is_some() {
            let champion = population.champion.as_ref();
            let is_best = champion.is_none_or(|champion| score.fitness > champion.fitness);
            (self.worst().filter(|_| is_best).ok_or(Refused::NotBetter)?, score)
        } else {
            let place = match home {
                Some(home) => population.species[home].members.last().copied(),
                None => self.worst(),
            };
            let place =
                place.filter(|&at| self.order(at) < score.fitness).ok_or(Refused::NotBetter)?;
            (place, self.with_behaviour(&newcomer, score)?)
        };
        let population = &mut self.population;
        if home.is_none() && population.elites.is_none() && population.strategy.is_none() {
            let mut founded =
                found_species(population.next_species, &newcomer, place, population.generation);
            founded.best = score.fitness;
            population.species.iter_mut().for_each(|s| s.members.retain(|&at| at != place));
            population.species.retain(|s| !s.members.is_empty());
            population.species.push(founded);
            population.next_species += 1;
        }
        self.replace(place, newcomer, score, keys);
        Ok(())
    }

    /// In a Pareto search a newcomer takes the place of the last of all, unless somebody here is as
    /// good in every objective.
    fn inject_into_front(
        &mut self,
        newcomer: Arc<Genotype>,
        score: Score,
        keys: Vec<[u8; 32]>,
    ) -> Result<(), Refused> {
        let known = (0..self.fitness.len()).find(|at| self.fitness[*at].is_some());
        if known.is_none_or(|at| self.objectives[at].len() != score.objectives.len()) {
            return Err(Refused::Objectives);
        }
        let score = self.with_behaviour(&newcomer, score)?;
        let last = self.population.species[0].members.last().copied();
        let place = last.ok_or(Refused::NotBetter)?;
        let mut changed = self.clone();
        changed.replace(place, newcomer, score, keys);
        if !changed.standing.is_unmatched(place) {
            return Err(Refused::NotBetter);
        }
        *self = changed;
        Ok(())
    }

    fn replace(&mut self, place: u32, newcomer: Arc<Genotype>, score: Score, keys: Vec<[u8; 32]>) {
        let Score { fitness, cases, behaviour, objectives, work } = score;
        let population = &mut self.population;
        let mark = population.mark(Source { genotype: codec::id(&newcomer), keys });
        population.ancestry[place as usize] = Some(Arc::new(Ancestry::of(&newcomer, mark)));
        population.leaving.retain(|at| *at != place);
        population.genotypes[place as usize] = newcomer;
        population.tuned[place as usize] = None;
        population.ages[place as usize] = Ages::new();
        population.births[place as usize] =
            Birth { operators: Operators::INJECTION, ..Birth::first(population.generation) };
        self.fitness[place as usize] = Some(fitness);
        self.ranking.cases[place as usize] = cases;
        self.behaviours[place as usize] = behaviour;
        self.objectives[place as usize] = objectives;
        self.work_of[place as usize] = work;
        self.rank(&NeverCancelled).expect("nobody cancels it");
        self.enter(place);
    }

    /// The behaviour of a newcomer of this score, by which it has its cell; empty in a search
    /// without an archive of elites, and where the newcomer does not fit into it.
    pub fn behaviour_of(&self, newcomer: &Genotype, score: Score) -> Vec<f64> {
        let Shape { inputs, outputs } = self.population.shape();
        let fits = (newcomer.inputs(), newcomer.outputs()) == (inputs, outputs);
        if self.population.elites.is_none() || !fits || !score.is_sound() {
            return Vec::new();
        }
        self.with_behaviour(newcomer, score).map_or(Vec::new(), |score| score.behaviour)
    }

    /// The score with a behaviour as long as those here, if the search compares behaviours.
    fn with_behaviour(&self, newcomer: &Genotype, score: Score) -> Result<Score, Refused> {
        if !novelty::needs_behaviours(&self.population.parameters) {
            return Ok(Score { behaviour: Vec::new(), ..score });
        }
        let score = map_elites::as_asked(score, &self.population.parameters);
        let behaviour = match score.behaviour.is_empty() {
            true => self.population.probed(newcomer),
            false => score.behaviour,
        };
        let known = self.behaviours.iter().map(Vec::len).find(|length| *length > 0);
        let length = map_elites::dimensions(&self.population.parameters).or(known);
        let fits = length == Some(behaviour.len());
        if fits { Ok(Score { behaviour, ..score }) } else { Err(Refused::Behaviour) }
    }

    /// The least fit, the last of equals.
    fn worst(&self) -> Option<u32> {
        let places = (0..self.fitness.len() as u32).rev();
        places.min_by(|&a, &b| self.order(a).total_cmp(&self.order(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::parameters::Parameters;
    use crate::task;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicBool;

    /// A newcomer with values that no other genotype has, so that a gene shows its origin.
    fn newcomer(of: &Genotype, nth: u32) -> Genotype {
        let mut newcomer = of.clone();
        // a connection into a new node has the weight 1
        let value = |at: usize| (2 + nth) as f32 + at as f32 / 1024.0;
        newcomer.weights.iter_mut().enumerate().for_each(|(at, weight)| *weight = value(at));
        newcomer
            .neurons_mut()
            .iter_mut()
            .enumerate()
            .for_each(|(at, neuron)| neuron.bias = value(512 + at));
        newcomer
    }

    /// The values of a genotype's genes, the slow way to find their origins: a value may have
    /// moved to another gene.
    fn genes(genotype: &Genotype) -> BTreeSet<u32> {
        let weights = genotype.weights.iter().map(|weight| weight.to_bits());
        weights.chain(genotype.neurons.iter().map(|neuron| neuron.bias.to_bits())).collect()
    }

    fn agrees_with_the_values(evaluated: &Evaluated, came: &[(Genotype, Source)], is_exact: bool) {
        let population = evaluated.population();
        for genotype in population.genotypes() {
            let own = genes(genotype);
            let slow = came.iter().filter(|(one, _)| !own.is_disjoint(&genes(one)));
            let slow: BTreeSet<_> = slow.map(|(_, source)| source.keys[0]).collect();
            let known = population.sources(genotype);
            let known: BTreeSet<_> = known.iter().map(|source| source.keys[0]).collect();
            assert!(known == slow || !is_exact && known.is_superset(&slow), "{known:?} {slow:?}");
        }
    }

    /// Sixteen generations of a population with newcomers. Values do not change in it, so a gene
    /// is a newcomer's exactly if it still has the newcomer's value; but a gene that is removed
    /// and added again in the same mutation has another value and the same mark.
    fn genes_are_followed(p: Parameters, seed: u64) {
        let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
        let is_exact = p.remove_connection == 0.0 || p.add_connection + p.add_node == 0.0;
        let p = Parameters {
            population: 30,
            perturb_weights: 0.0,
            reset_weights: 0.0,
            perturb_biases: 0.0,
            average_weights: 0.0,
            ..p
        };
        let mut population = Population::new(p, task.shape(), seed).unwrap();
        let mut came = Vec::new();
        for nth in 0..16 {
            let mut evaluated = population.evaluate(task, &go).unwrap();
            agrees_with_the_values(&evaluated, &came, is_exact);
            let (at, best) = evaluated.best();
            let one = newcomer(&evaluated.population().genotypes()[at as usize], nth);
            let source = Source { genotype: codec::id(&one), keys: vec![[nth as u8; 32]] };
            let mut inject =
                || evaluated.inject(Arc::new(one.clone()), best, source.keys.clone()).is_ok();
            if nth % 3 == 0 && inject() {
                came.push((one, source));
                agrees_with_the_values(&evaluated, &came, is_exact);
            }
            population = evaluated.next(&go).unwrap();
            let carried: BTreeSet<Mark> =
                population.ancestry.iter().flatten().flat_map(|known| known.marks()).collect();
            assert!(population.champion.is_some());
            let champions = population.champion.iter().flat_map(|one| one.ancestry.iter());
            let carried: BTreeSet<Mark> =
                carried.into_iter().chain(champions.flat_map(|known| known.marks())).collect();
            assert_eq!(carried, population.sources.keys().copied().collect());
        }
        assert!(!came.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 24, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn a_genotype_carries_a_newcomers_genes_as_long_as_it_has_one_of_them(
            seed in any::<u64>(),
            single_point in prop_oneof![Just(0.0), Just(1.0)],
            replacement in prop_oneof![Just(1.0f32), Just(0.2)],
            (remove_connection, add_connection, add_node) in
                prop_oneof![
                    Just((0.1f32, 0.0f32, 0.2f32)),
                    Just((0.0, 0.4, 0.2)),
                    Just((0.1, 0.0, 0.0)),
                ],
        ) {
            genes_are_followed(
                Parameters {
                    single_point,
                    replacement,
                    remove_connection,
                    add_connection,
                    add_node,
                    ..Parameters::default()
                },
                seed,
            );
        }
    }

    /// Mutation may split a connection that is split in the less fit parent already.
    #[test]
    fn a_split_that_the_other_parent_has_too_keeps_its_mark() {
        let p = Parameters {
            replacement: 0.2,
            remove_connection: 0.1,
            add_connection: 0.0,
            add_node: 0.2,
            ..Parameters::default()
        };
        genes_are_followed(p, 15_348_990_498_178_242_932);
    }
}
