//! Species: genotypes that are alike enough to breed together (Stanley & Miikkulainen 2002, section
//! III-C).

use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Parameters, Search};
use rayon::prelude::*;
use std::sync::Arc;

/// How many genotypes are worth another thread when they are bred or compared: on a busy machine a
/// thread can start milliseconds late.
pub const GRAIN: usize = 128;

/// A group of like genotypes that share their fitness.
#[derive(Clone, Debug)]
pub struct Species {
    pub id: u64,
    /// The genotype that new ones are compared with.
    pub representative: Arc<Genotype>,
    /// Indexes into the population, ascending.
    pub members: Vec<u32>,
    /// The best fitness that it ever had, and the generation when it had it first.
    pub best: f64,
    pub improved: u64,
}

/// Whether all genotypes are of one species, in searches that let any breed with any.
pub(crate) fn is_undivided(p: &Parameters) -> bool {
    use Search::{EvolutionStrategy, LocalCompetition, MapElites, Pareto};
    matches!(p.search, Pareto | LocalCompetition | MapElites | EvolutionStrategy)
}

/// The distance within which genotypes are of one species at first.
pub(crate) fn threshold(p: &Parameters) -> f32 {
    if is_undivided(p) { f32::MAX } else { p.species_threshold }
}

/// c₁ · (genes that do not match) / (genes of the larger) + c₃ · (mean difference of matching
/// weights).
///
/// Computed innovation ids have no age, so the paper's excess and disjoint genes are one kind.
pub fn distance(a: &Genotype, b: &Genotype, p: &Parameters) -> f32 {
    distance_below(a, b, p, f32::INFINITY).unwrap_or(f32::INFINITY)
}

/// Partial sums of the difference; the k-th matching gene adds to the one of k modulo this, so that
/// vectors can do it.
const LANES: usize = 16;

/// The distance, if it is below the threshold. Ids are hashes, so the genes that come first are a
/// fair sample, and those of strangers soon show that it cannot be.
fn distance_below(a: &Genotype, b: &Genotype, p: &Parameters, threshold: f32) -> Option<f32> {
    let (ours, theirs) = (&a.topology.ids, &b.topology.ids);
    let (genes, larger) = (ours.len() + theirs.len(), ours.len().max(theirs.len()).max(1));
    let value = |matching: usize, difference: f32| {
        p.disjoint_weight * (genes - 2 * matching) as f32 / larger as f32
            + p.weight_weight * difference / matching.max(1) as f32
    };
    let mut lanes = [0.0f32; LANES];
    if std::ptr::eq(ours, theirs) {
        for (mine, other) in a.weights.chunks(LANES).zip(b.weights.chunks(LANES)) {
            for ((lane, x), y) in lanes.iter_mut().zip(mine).zip(other) {
                *lane += (x - y).abs();
            }
        }
        return Some(value(ours.len(), sum(lanes))).filter(|distance| *distance < threshold);
    }
    let (mut i, mut j, mut matching) = (0, 0, 0);
    while i < ours.len() && j < theirs.len() {
        // as if all that is left would match exactly
        let at_best = matching + (ours.len() - i).min(theirs.len() - j);
        if value(at_best, sum(lanes)) >= threshold {
            return None;
        }
        // less often where much has matched: the check costs as much as some ten genes
        for _ in 0..(i / 2).clamp(8, 64) {
            if i == ours.len() || j == theirs.len() {
                break;
            }
            let (mine, other) = (ours[i], theirs[j]);
            // without a branch, which would be mispredicted as often as genes do not match
            let same = u8::from(mine == other);
            lanes[matching % LANES] += (a.weights[i] - b.weights[j]).abs() * f32::from(same);
            matching += usize::from(same);
            i += usize::from(mine <= other);
            j += usize::from(other <= mine);
        }
    }
    Some(value(matching, sum(lanes))).filter(|distance| *distance < threshold)
}

/// In halves, which is quicker than one after the other.
fn sum(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        (0..width).for_each(|lane| lanes[lane] += lanes[lane + width]);
        width /= 2;
    }
    lanes[0]
}

/// Puts each genotype into a species whose representative is within the threshold: that of its
/// mother if it is one, else the first, else one that it founds. Species without members are
/// dropped. The result does not depend on how many threads compare.
///
/// `mothers` has the species of each genotype's mother, as an index.
pub fn speciate(
    genotypes: &[Arc<Genotype>],
    mothers: &[Option<usize>],
    species: &mut Vec<Species>,
    next_id: &mut u64,
    generation: u64,
    threshold: f32,
    p: &Parameters,
) {
    for group in species.iter_mut() {
        group.members.clear();
    }
    let near =
        |g: &Genotype, s: &Species| distance_below(g, &s.representative, p, threshold).is_some();
    let home = |(genotype, mother): (&Arc<Genotype>, &Option<usize>)| {
        let own = mother.filter(|at| near(genotype, &species[*at]));
        own.or_else(|| species.iter().position(|s| near(genotype, s)))
    };
    let known: Vec<Option<usize>> =
        genotypes.par_iter().zip(mothers).with_min_len(GRAIN).map(home).collect();
    let first_new = species.len();
    for (genotype, (found, at)) in genotypes.iter().zip(known.into_iter().zip(0..)) {
        let home = found.or_else(|| {
            species[first_new..].iter().position(|s| near(genotype, s)).map(|k| first_new + k)
        });
        match home {
            Some(home) => species[home].members.push(at),
            None => {
                species.push(found_species(*next_id, genotype, at, generation));
                *next_id += 1;
            }
        }
    }
    species.retain(|s| !s.members.is_empty());
}

/// A species of one.
pub fn found_species(id: u64, founder: &Arc<Genotype>, at: u32, generation: u64) -> Species {
    let representative = Arc::clone(founder);
    Species { id, representative, members: vec![at], best: f64::NEG_INFINITY, improved: generation }
}
