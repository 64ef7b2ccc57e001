//! Which genotype of a population migrates to other nodes.

use crate::base::choice::choices;
use crate::base::rng::{Purpose, Stream};
use crate::search::population::{Champion, Evaluated};
use crate::search::speciation::distance;
use std::sync::Arc;

choices! {
    /// What decides.
    pub enum Migration {
        /// The best of all generations.
        Champion = "champion",
        /// The fittest of three random ones: good, and seldom twice the same.
        Tournament = "tournament",
        /// The one that is most unlike those here, of the fitter half.
        Novel = "novel",
        /// A random one, each as likely as any other.
        Random = "random",
    }
}

const CONTESTANTS: usize = 3;

/// Novelty is the mean distance to this many nearest, as in Lehman & Stanley 2011 ("Abandoning
/// objectives", section 3). Here it is a distance of genes, as only a task knows behaviour, and
/// there is no archive: one that has migrated may be novel again.
const NEAREST: usize = 15;

/// Genes that may be compared to find out who is novel: a quarter of a second. What a larger
/// population would take is estimated from a random part of it.
const GENES: usize = 1 << 26;

impl Evaluated {
    /// A genotype to send to others. The same `draw`, a number that the caller chooses, gives the
    /// same one. No random number of the evolution is used up.
    pub fn migrant(&self, migration: Migration, draw: u64) -> Champion {
        let population = self.population();
        let mut rng = Stream::new(population.seed, Purpose::Migration, population.generation, draw);
        let fit = self.fit();
        let at = match migration {
            Migration::Champion => {
                return population.champion.clone().expect("an evaluated population has one");
            }
            Migration::Random => fit[rng.below(fit.len())],
            Migration::Tournament => (1..CONTESTANTS).fold(fit[rng.below(fit.len())], |best, _| {
                let other = fit[rng.below(fit.len())];
                if other.1 > best.1 { other } else { best }
            }),
            Migration::Novel => self.most_novel(&fit, &mut rng),
        };
        let (at, fitness) = (at.0 as u32, at.1);
        Champion {
            genotype: Arc::clone(self.tuned(at)),
            fitness,
            generation: population.generation,
            birth: population.birth(at),
            ancestry: population.ancestry[at as usize].clone(),
        }
    }

    /// Where those stand that have a fitness, and how fit they are: nobody else leaves the node.
    fn fit(&self) -> Vec<(usize, f64)> {
        (0..).zip(self.fitness()).filter_map(|(at, fitness)| Some((at, (*fitness)?))).collect()
    }

    /// Of those that are no less fit than the median; the first of equals.
    fn most_novel(&self, fit: &[(usize, f64)], rng: &mut Stream) -> (usize, f64) {
        let everybody: Vec<usize> = (0..self.fitness().len()).collect();
        let mut order: Vec<f64> = fit.iter().map(|one| one.1).collect();
        order.sort_by(f64::total_cmp);
        let median = order[order.len() / 2];
        let fitter = fit.iter().filter(|one| one.1 >= median).map(|one| one.0).collect();
        let size = self.affordable();
        let (candidates, crowd) = (part(fitter, size, rng), part(everybody, size, rng));
        let novelty = |&at: &usize| (self.novelty(at, &crowd), at);
        let more = |a: (f32, usize), b: (f32, usize)| if b.0 > a.0 { b } else { a };
        let most = candidates.iter().map(novelty).reduce(more).map(|(_, at)| at);
        fit.iter().copied().find(|one| Some(one.0) == most).unwrap_or(fit[0])
    }

    /// How many may be compared with as many others.
    fn affordable(&self) -> usize {
        let genotypes = self.population().genotypes();
        let genes: usize = genotypes.iter().map(|g| 1 + g.connections().len()).sum();
        (GENES * genotypes.len() / (2 * genes)).isqrt().max(NEAREST + 1)
    }

    fn novelty(&self, at: usize, crowd: &[usize]) -> f32 {
        let population = self.population();
        let to = |&other: &usize| {
            distance(
                &population.genotypes[at],
                &population.genotypes[other],
                &population.parameters,
            )
        };
        let mut distances: Vec<f32> = crowd.iter().filter(|other| **other != at).map(to).collect();
        distances.sort_by(f32::total_cmp);
        let nearest = &distances[..distances.len().min(NEAREST)];
        nearest.iter().sum::<f32>() / nearest.len().max(1) as f32
    }
}

/// So many random ones, in their order. Draws nothing if that is all of them.
fn part(mut all: Vec<usize>, size: usize, rng: &mut Stream) -> Vec<usize> {
    if all.len() > size {
        rng.shuffle(&mut all);
        all.truncate(size);
        all.sort_unstable();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::choice::Choice;
    use crate::genome::genotype::{Genotype, Shape};
    use crate::genome::parameters::Parameters;
    use crate::search::population::Population;
    use crate::task::Score;
    use crate::variation::mutation::Operator;
    use std::collections::HashSet;

    const SIZE: usize = 20;
    const SHAPE: Shape = Shape { inputs: 2, outputs: 1 };

    /// The fitness follows from the index; the genotype at 12 has grown, and all others are
    /// alike.
    fn evaluated(fitness: impl Fn(usize) -> f64) -> Evaluated {
        let p = Parameters { population: SIZE as u32, ..Parameters::default() };
        let mut rng = Stream::new(1, Purpose::Operator, 0, 0);
        let grow = |genotype: Genotype, rng: &mut Stream| {
            let grown = Operator::named("add_node").unwrap().apply(&genotype, &p, rng);
            grown.unwrap_or(genotype)
        };
        let mut genotypes: Vec<Arc<Genotype>> = (0..SIZE)
            .map(|_| Arc::new(Genotype::new(SHAPE.inputs, SHAPE.outputs, &p, &mut rng).unwrap()))
            .collect();
        let stranger =
            (0..9).fold((*genotypes[12]).clone(), |genotype, _| grow(genotype, &mut rng));
        genotypes[12] = Arc::new(stranger);
        let population = Population::with_genotypes(p, SHAPE, 7, genotypes);
        population.with_scores((0..SIZE).map(|at| Score::from(fitness(at))).collect()).unwrap()
    }

    fn place(evaluated: &Evaluated, migrant: &Champion) -> usize {
        let genotypes = evaluated.population().genotypes();
        genotypes.iter().position(|genotype| Arc::ptr_eq(genotype, &migrant.genotype)).unwrap()
    }

    fn places(evaluated: &Evaluated, migration: Migration, draws: u64) -> Vec<usize> {
        (0..draws).map(|draw| place(evaluated, &evaluated.migrant(migration, draw))).collect()
    }

    #[test]
    fn each_migrant_has_its_own_fitness_and_generation() {
        let evaluated = evaluated(|at| at as f64);
        for &migration in Migration::ALL {
            let migrant = evaluated.migrant(migration, 3);
            assert_eq!(migrant.fitness, place(&evaluated, &migrant) as f64);
            assert_eq!(migrant.generation, 0);
        }
        assert_eq!(places(&evaluated, Migration::Champion, 3), [SIZE - 1; 3]);
    }

    #[test]
    fn the_random_policy_picks_any_genotype_and_the_tournament_fitter_ones() {
        let evaluated = evaluated(|at| at as f64);
        let random = places(&evaluated, Migration::Random, 400);
        let tournament = places(&evaluated, Migration::Tournament, 400);
        assert_eq!(random.iter().collect::<HashSet<_>>().len(), SIZE);
        let mean = |places: &[usize]| places.iter().sum::<usize>() as f64 / places.len() as f64;
        assert!((mean(&random) - 9.5).abs() < 1.0, "{}", mean(&random));
        // the largest of three of 0 to 19
        assert!((mean(&tournament) - 14.0).abs() < 1.0, "{}", mean(&tournament));
        assert_eq!(
            random,
            places(&evaluated, Migration::Random, 400),
            "the same draws are the same again"
        );
    }

    #[test]
    fn the_novel_policy_picks_the_unlike_genotype_among_the_fitter() {
        assert_eq!(places(&evaluated(|at| at as f64), Migration::Novel, 3), [12; 3]);
        assert_eq!(
            places(&evaluated(|_| 1.0), Migration::Novel, 1),
            [12],
            "no less fit than the median"
        );
        let unfit = evaluated(|at| if at == 12 { -1.0 } else { at as f64 });
        assert_ne!(places(&unfit, Migration::Novel, 1), [12]);
    }

    #[test]
    fn novelty_is_compared_within_a_sample_of_a_large_population() {
        let mut rng = Stream::new(1, Purpose::Migration, 0, 0);
        let some = part((0..1000).collect(), 30, &mut rng);
        assert!(some.len() == 30 && some.is_sorted() && some.iter().any(|at| *at > 500));
        assert_eq!(part((0..30).collect(), 30, &mut rng), (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn every_policy_picks_the_only_genotype() {
        let p = Parameters { population: 1, ..Parameters::default() };
        let one =
            Population::new(p, SHAPE, 1).unwrap().with_scores(vec![Score::from(0.5)]).unwrap();
        for &migration in Migration::ALL {
            assert_eq!(one.migrant(migration, 0).fitness, 0.5);
        }
    }
}
