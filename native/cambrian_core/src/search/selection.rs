//! Selection: which genotypes breed, and how many offspring each species has.

use crate::base::rng::Stream;
use crate::genome::parameters::{Parameters, Pareto, Selection};
use crate::search::pareto;
use crate::search::speciation::Species;

/// Fitness of an evaluated generation, as selection compares it.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Fitness less the cost of size, which selection compares; `None` without fitness.
    merit: Vec<Option<f64>>,
    /// Of each genotype its result in each of the task's cases, more is better; empty without
    /// cases.
    pub cases: Vec<Vec<f64>>,
    pub generation: u64,
    /// Where the best of all stands, the first of equals.
    best: Option<u32>,
    /// The merit that counts as 0 when offspring are shared out.
    floor: f64,
    /// A power of two that brings shares to a size whose sums neither overflow nor lose all their
    /// digits; 1.0 nearly always.
    scale: f64,
}

impl Ranking {
    pub fn new(merit: Vec<Option<f64>>, cases: Vec<Vec<f64>>, generation: u64) -> Ranking {
        let better = |a: (u32, f64), b: (u32, f64)| if b.1 > a.1 { b } else { a };
        let known = || merit.iter().flatten().copied();
        let best = (0..).zip(&merit).filter_map(|(at, merit)| Some((at, (*merit)?))).reduce(better);
        let floor = known().fold(0.0, f64::min);
        let scale = scale(known().fold(0.0, f64::max), floor);
        Ranking { merit, cases, generation, best: best.map(|best| best.0), floor, scale }
    }

    /// Merit to sort by; one that has none comes last.
    pub fn rank(&self, at: u32) -> f64 {
        self.merit[at as usize].unwrap_or(f64::NEG_INFINITY)
    }

    fn has_fitness(&self, at: u32) -> bool {
        self.merit[at as usize].is_some()
    }

    /// Those members of a species, which stand best first, that have a fitness.
    pub fn fit<'a>(&self, species: &'a Species) -> &'a [u32] {
        &species.members[..species.members.partition_point(|&at| self.has_fitness(at))]
    }

    /// What a genotype adds to its species' share: nothing where it has no fitness.
    fn above_floor(&self, at: u32) -> f64 {
        self.merit[at as usize].map_or(0.0, |merit| merit * self.scale - self.floor * self.scale)
    }

    /// Whether the best of all is in this species, whose members stand best first. Only one species
    /// leads: if all equals did, their elites could fill a small generation, and nobody would be
    /// born any more.
    fn leads(&self, species: &Species) -> bool {
        Some(species.members[0]) == self.best
    }
}

/// By what power of two merit is multiplied before it is shared, so that a million of the largest
/// number can be added up, and the smallest ones are not rounded away. Differences of ordinary size
/// keep their bits.
fn scale(highest: f64, floor: f64) -> f64 {
    const HUGE: f64 = 1e300;
    const TINY: f64 = 1e-290;
    match highest - floor {
        range if range > HUGE => 2f64.powi(-32),
        range if range > 0.0 && range < TINY => 2f64.powi(200),
        _ => 1.0,
    }
}

/// A species that breeds, the members that do, and the number of its offspring.
#[derive(Clone, Copy)]
pub struct Allotment<'a> {
    /// Which species, as an index.
    pub species: usize,
    /// Best first.
    pub parents: &'a [u32],
    /// Its places in the next generation.
    pub offspring: usize,
    /// So many of those places go to the best parents themselves.
    pub elite: usize,
}

/// A species with so many members has an elite (Stanley & Miikkulainen 2002, section IV-A).
const MIN_ELITIST_SIZE: usize = 5;

/// Divides the next generation among the species, whose members stand best first, by their shared
/// fitness.
///
/// Fitness sharing (Stanley & Miikkulainen 2002, section III-C): a genotype's fitness is divided by
/// the size of its species, so a species as a whole weighs its mean. Members without a fitness
/// count in neither. A species that has not improved for `stagnation` generations gets nothing. The
/// best of all is never lost: its species gets one place at least, and the first goes to the best
/// itself, as small as the species may be.
pub fn allot_offspring<'a>(
    species: &'a [Species],
    ranking: &Ranking,
    p: &Parameters,
) -> Vec<Allotment<'a>> {
    let (living, shares) = shares(species, ranking, p);
    let mut counts = apportion(&shares, p.population as usize);
    let leads = |home: usize| ranking.leads(&species[home]);
    if let Some(leader) =
        living.iter().position(|&home| leads(home)).filter(|&leader| counts[leader] == 0)
    {
        let largest = (0..counts.len()).max_by_key(|&at| counts[at]).unwrap_or(leader);
        counts[largest] -= 1;
        counts[leader] = 1;
    }
    let allotment = |(home, offspring): (usize, usize)| {
        let parents = parents(&species[home], ranking, p);
        let spared =
            if species[home].members.len() >= MIN_ELITIST_SIZE { p.elitism as usize } else { 0 };
        let elite = spared.max(usize::from(leads(home))).min(parents.len()).min(offspring);
        Allotment { species: home, parents, offspring, elite }
    };
    living.into_iter().zip(counts).filter(|(_, offspring)| *offspring > 0).map(allotment).collect()
}

/// The same where only `births` places are free and the rest of the generation lives on (Stanley,
/// Bryant & Miikkulainen 2005): so few that they are drawn instead of apportioned.
pub fn allot_births<'a>(
    species: &'a [Species],
    ranking: &Ranking,
    births: usize,
    p: &Parameters,
    rng: &mut Stream,
) -> Vec<Allotment<'a>> {
    let (living, shares) = shares(species, ranking, p);
    let counts = universal_sampling(&shares, births, rng);
    let allotment = |(home, offspring)| Allotment {
        species: home,
        parents: parents(&species[home], ranking, p),
        offspring,
        elite: 0,
    };
    living.into_iter().zip(counts).filter(|(_, offspring)| *offspring > 0).map(allotment).collect()
}

/// Which genotypes are replaced when `births` are born into a full generation: those without a
/// fitness first, then those with the lowest shared fitness, the later of equals, but never the
/// best of all. Ascending places.
pub fn replaced(species: &[Species], ranking: &Ranking, births: usize) -> Vec<u32> {
    let mut shared: Vec<(f64, u32)> = (species.iter())
        .flat_map(|s| {
            let shared = |at| ranking.above_floor(at) / ranking.fit(s).len() as f64;
            s.members
                .iter()
                .map(move |&at| (if ranking.has_fitness(at) { shared(at) } else { -1.0 }, at))
        })
        .filter(|&(_, at)| Some(at) != ranking.best)
        .collect();
    shared.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let mut gone: Vec<u32> = shared.into_iter().take(births).map(|(_, at)| at).collect();
    gone.sort_unstable();
    gone
}

/// The best members, of those that have a fitness.
fn parents<'a>(species: &'a Species, ranking: &Ranking, p: &Parameters) -> &'a [u32] {
    let breeding = (species.members.len() as f32 * p.survival).ceil().max(1.0) as usize;
    &species.members[..breeding.min(ranking.fit(species).len())]
}

/// The species that may breed, as indexes, and the mean merit of each.
fn shares(species: &[Species], ranking: &Ranking, p: &Parameters) -> (Vec<usize>, Vec<f64>) {
    let thrives = |s: &Species| {
        let progresses =
            ranking.generation - s.improved < u64::from(p.stagnation) || ranking.leads(s);
        progresses && ranking.has_fitness(s.members[0])
    };
    let living: Vec<usize> = (0..species.len()).filter(|&home| thrives(&species[home])).collect();
    let mean = |&home: &usize| {
        let members = ranking.fit(&species[home]);
        members.iter().map(|&at| ranking.above_floor(at)).sum::<f64>() / members.len() as f64
    };
    let shares = living.iter().map(mean).collect();
    (living, shares)
}

/// Draws parents for the children of an allotment.
pub struct ParentSelector<'a> {
    parents: &'a [u32],
    method: Method,
}

enum Method {
    Even,
    BestOf(usize),
    /// Running sums of the weights.
    Weighted(Vec<f64>),
    /// Drawn beforehand, in the order in which they are used.
    Drawn(Vec<u32>),
    /// How far from the best a result of each case may be to count as equal.
    Lexicase(Vec<f64>),
}

impl<'a> ParentSelector<'a> {
    /// `rng` is the allotment's own.
    pub fn new(
        allotment: &Allotment<'a>,
        ranking: &Ranking,
        p: &Parameters,
        rng: &mut Stream,
    ) -> ParentSelector<'a> {
        let parents = allotment.parents;
        let worth = || parents.iter().map(|&at| ranking.above_floor(at)).collect::<Vec<f64>>();
        let method = match p.selection {
            // parents have survived already (Deb & others 2002; Deb & Jain 2014)
            _ if pareto::has_fronts(p) => match p.pareto {
                Pareto::Nsga2 => Method::BestOf(2),
                Pareto::Nsga3 => Method::Even,
            },
            Selection::Truncation => Method::Even,
            Selection::Tournament => Method::BestOf(p.tournament as usize),
            Selection::Roulette => Method::Weighted(running(worth())),
            Selection::Rank => {
                Method::Weighted(running((1..=parents.len()).rev().map(|place| place as f64)))
            }
            Selection::Sus => {
                let counts = universal_sampling(&worth(), 2 * allotment.offspring, rng);
                let times = parents.iter().zip(counts);
                let mut drawn: Vec<u32> =
                    times.flat_map(|(at, count)| std::iter::repeat_n(*at, count)).collect();
                rng.shuffle(&mut drawn);
                Method::Drawn(drawn)
            }
            Selection::Lexicase => Method::Lexicase(Vec::new()),
            Selection::EpsilonLexicase => Method::Lexicase(deviations(parents, ranking)),
        };
        ParentSelector { parents, method }
    }

    /// A parent; `nth` counts those that the allotment needs.
    pub fn draw(&self, nth: usize, ranking: &Ranking, rng: &mut Stream) -> u32 {
        let parents = self.parents;
        match &self.method {
            Method::Even => parents[rng.below(parents.len())],
            // parents stand best first
            Method::BestOf(count) => {
                let best = (0..*count).map(|_| rng.below(parents.len())).min();
                parents[best.unwrap_or(0)]
            }
            Method::Weighted(sums) => {
                let total = sums[sums.len() - 1];
                let point = f64::from(rng.unit()) * total;
                let found = sums.partition_point(|sum| *sum <= point);
                if total > 0.0 { parents[found] } else { parents[rng.below(parents.len())] }
            }
            Method::Drawn(drawn) => drawn[nth % drawn.len()],
            Method::Lexicase(slack) => lexicase(parents, slack, ranking, rng),
        }
    }
}

fn cases(parents: &[u32], ranking: &Ranking) -> usize {
    parents.first().and_then(|at| ranking.cases.get(*at as usize)).map_or(0, Vec::len)
}

/// The median absolute deviation of each case among the parents: ε of La Cava, Spector & Danai
/// 2016, "Epsilon-lexicase selection for regression", equation 5.
fn deviations(parents: &[u32], ranking: &Ranking) -> Vec<f64> {
    let deviation = |case: usize| {
        let known = parents.iter().filter_map(|at| ranking.cases[*at as usize].get(case));
        let results: Vec<f64> = known.copied().collect();
        let middle = median(results.clone());
        median(results.into_iter().map(|result| (result - middle).abs()).collect())
    };
    (0..cases(parents, ranking)).map(deviation).collect()
}

/// The mean of the middle two of an even count; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = |at: usize| 0.5 * numbers.get(at).copied().unwrap_or(0.0);
    middle(numbers.len().saturating_sub(1) / 2) + middle(numbers.len() / 2)
}

/// A case without slack counts only the best results as equal.
fn lexicase(parents: &[u32], slack: &[f64], ranking: &Ranking, rng: &mut Stream) -> u32 {
    let mut left = parents.to_vec();
    let cases = cases(parents, ranking);
    let mut order: Vec<usize> = (0..cases).collect();
    rng.shuffle(&mut order);
    for case in order {
        let result =
            |at: u32| ranking.cases[at as usize].get(case).copied().unwrap_or(f64::NEG_INFINITY);
        let best = left.iter().map(|&at| result(at)).fold(f64::NEG_INFINITY, f64::max);
        let least = best - slack.get(case).copied().unwrap_or(0.0);
        left.retain(|&at| result(at) >= least);
        if left.len() == 1 {
            break;
        }
    }
    // without cases the parents' own order, best first, decides
    if cases == 0 { left[0] } else { left[rng.below(left.len())] }
}

fn running(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let sums = weights.into_iter().scan(0.0, |sum, weight| {
        *sum += weight;
        Some(*sum)
    });
    sums.collect()
}

/// Stochastic universal sampling (Baker 1987): how often each is picked by `total` pointers at
/// equal distances on a wheel that is spun once. That is in proportion to its weight, to within
/// one. Weights that are all zero count as equal.
fn universal_sampling(weights: &[f64], total: usize, rng: &mut Stream) -> Vec<usize> {
    let zero = weights.iter().all(|weight| *weight <= 0.0);
    let sums = running(weights.iter().map(|weight| if zero { 1.0 } else { *weight }));
    let (sum, start) = (sums.last().copied().unwrap_or(0.0), f64::from(rng.unit()));
    let mut counts = vec![0; weights.len()];
    for nth in 0..total {
        let point = (start + nth as f64) / total as f64 * sum;
        let found = sums.partition_point(|sum| *sum <= point).min(weights.len() - 1);
        counts[found] += 1;
    }
    counts
}

/// Whole numbers in proportion to `shares` that add up to `total`: largest remainders, the
/// earlier first among equals. Shares that are all zero count as equal.
fn apportion(shares: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = shares.iter().sum();
    let quota = |share: &f64| {
        let part = if sum > 0.0 { share / sum } else { 1.0 / shares.len() as f64 };
        part * total as f64
    };
    let quotas: Vec<f64> = shares.iter().map(quota).collect();
    let mut counts: Vec<usize> = quotas.iter().map(|q| *q as usize).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&a, &b| quotas[b].fract().total_cmp(&quotas[a].fract()).then(a.cmp(&b)));
    let missing = total - counts.iter().sum::<usize>();
    for &at in order.iter().cycle().take(missing) {
        counts[at] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::choice::Choice;
    use crate::base::rng::Purpose;

    #[test]
    fn apportioned_counts_add_up_and_follow_the_shares() {
        assert_eq!(apportion(&[1.0, 1.0, 2.0], 8), [2, 2, 4]);
        assert_eq!(apportion(&[1.0, 1.0, 1.0], 10), [4, 3, 3]);
        assert_eq!(apportion(&[0.0, 0.0], 3), [2, 1]);
        assert_eq!(apportion(&[0.0, 5.0], 3), [0, 3]);
        assert_eq!(apportion(&[1e-300, 1e-300, 1e300], 100).iter().sum::<usize>(), 100);
    }

    fn picks(selection: Selection, merit: &[f64], cases: &[Vec<f64>], draws: usize) -> Vec<usize> {
        let p = Parameters { selection, ..Parameters::default() };
        let mut rng = Stream::new(1, Purpose::Operator, 0, 0);
        let mut parents: Vec<u32> = (0..merit.len() as u32).collect();
        parents.sort_by(|&a, &b| merit[b as usize].total_cmp(&merit[a as usize]));
        let allotment =
            Allotment { species: 0, parents: &parents, offspring: draws.div_ceil(2), elite: 0 };
        let ranking = &Ranking::new(merit.iter().copied().map(Some).collect(), cases.to_vec(), 0);
        let selector = ParentSelector::new(&allotment, ranking, &p, &mut rng);
        let mut counts = vec![0; merit.len()];
        (0..draws).for_each(|nth| counts[selector.draw(nth, ranking, &mut rng) as usize] += 1);
        counts
    }

    #[test]
    fn each_selection_picks_as_often_as_its_formula_says() {
        let merit = [1.0, 4.0, 3.0, 2.0];
        let expected: [(Selection, [f64; 4]); 5] = [
            (Selection::Truncation, [0.25; 4]),
            // the best of three of four: 1 − (3/4)³, and so on down
            (Selection::Tournament, [1.0 / 64.0, 37.0 / 64.0, 19.0 / 64.0, 7.0 / 64.0]),
            (Selection::Roulette, [0.1, 0.4, 0.3, 0.2]),
            (Selection::Rank, [0.1, 0.4, 0.3, 0.2]),
            (Selection::Sus, [0.1, 0.4, 0.3, 0.2]),
        ];
        for (selection, shares) in expected {
            let counts = picks(selection, &merit, &[], 20_000);
            // the standard deviation of a binomial share is at most 71; universal sampling has
            // none
            let slack = if selection == Selection::Sus { 1.0 } else { 300.0 };
            for (count, share) in counts.iter().zip(shares) {
                assert!(
                    (*count as f64 - 20_000.0 * share).abs() <= slack,
                    "{selection:?} {counts:?}"
                );
            }
        }
    }

    #[test]
    fn equal_and_negative_merits_can_be_selected_from() {
        for selection in Selection::ALL {
            for merit in [[0.0; 3], [-5.0; 3], [-1.0, -2.0, -3.0]] {
                assert_eq!(
                    picks(*selection, &merit, &[], 30).iter().sum::<usize>(),
                    30,
                    "{selection:?}"
                );
            }
        }
    }

    #[test]
    fn lexicase_picks_specialists_with_a_lower_mean() {
        let cases = [vec![9.0, 0.0], vec![0.0, 9.0], vec![5.0, 5.0]];
        let counts = picks(Selection::Lexicase, &[9.0, 9.0, 10.0], &cases, 1000);
        assert!(counts[2] == 0 && counts[0] > 400 && counts[1] > 400, "{counts:?}");
        assert_eq!(picks(Selection::Lexicase, &[1.0, 3.0, 2.0], &[], 10), [0, 10, 0]);
    }

    #[test]
    fn epsilon_lexicase_treats_results_near_the_best_as_equal() {
        // the median of the first case is 8 and the deviation 1, so 10 and 9 are equal in it
        let results = [[10.0, 0.0], [9.0, 0.0], [8.0, 0.0], [7.0, 0.0], [0.0, 0.0]];
        let cases = results.map(|result| result.to_vec());
        let merit = [5.0, 4.0, 3.0, 2.0, 1.0];
        let places: Vec<u32> = (0..5).collect();
        let ranking = Ranking::new(merit.map(Some).to_vec(), cases.to_vec(), 0);
        assert_eq!(deviations(&places, &ranking), [1.0, 0.0]);
        let counts = picks(Selection::EpsilonLexicase, &merit, &cases, 1000);
        assert!(counts[0] > 400 && counts[1] > 400 && counts[0] + counts[1] == 1000, "{counts:?}");
        assert_eq!(picks(Selection::Lexicase, &merit, &cases, 10), [10, 0, 0, 0, 0]);
        assert_eq!(picks(Selection::EpsilonLexicase, &[1.0, 3.0, 2.0], &[], 10), [0, 10, 0]);
    }

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 10.0]), 3.0);
        assert_eq!([median(vec![4.0, 1.0, 2.0]), median(vec![])], [2.0, 0.0]);
    }
}
