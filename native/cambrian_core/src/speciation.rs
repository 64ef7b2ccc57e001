//! Who is alike enough to breed together (Stanley & Miikkulainen 2002, section III-C).

use crate::genotype::Genotype;
use crate::parameters::Parameters;
use rayon::prelude::*;
use std::sync::Arc;

/// Genotypes that are worth another thread when they are bred or compared: on a busy machine a thread that is
/// waited for can be milliseconds away.
pub const GRAIN: usize = 128;

/// A group of like genotypes that share their fitness.
#[derive(Clone, Debug)]
pub struct Species {
    pub id: u64,
    /// Whom newcomers are compared with.
    pub representative: Arc<Genotype>,
    /// Indexes into the population, ascending.
    pub members: Vec<u32>,
    /// The best fitness that it ever had, and the generation when it had it first.
    pub best: f64,
    pub improved: u64,
}

/// c₁ · (genes that do not match) / (genes of the larger) + c₃ · (mean difference of matching weights).
///
/// Computed innovation ids have no age, so the paper's excess and disjoint genes are one kind.
pub fn distance(a: &Genotype, b: &Genotype, p: &Parameters) -> f32 {
    let (mut i, mut j, mut matching, mut difference) = (0, 0, 0u32, 0.0f32);
    let (ours, theirs) = (&a.connections, &b.connections);
    while i < ours.len() && j < theirs.len() {
        let (mine, other) = (&ours[i], &theirs[j]);
        if mine.id == other.id {
            matching += 1;
            difference += (mine.weight - other.weight).abs();
        }
        i += usize::from(mine.id <= other.id);
        j += usize::from(other.id <= mine.id);
    }
    let disjoint = ours.len() + theirs.len() - 2 * matching as usize;
    let larger = ours.len().max(theirs.len()).max(1);
    p.disjoint_weight * disjoint as f32 / larger as f32
        + p.weight_weight * difference / matching.max(1) as f32
}

/// Puts each genotype into the first species whose representative is within the threshold, or
/// founds one with it. Species without members are dropped. The result does not depend on
/// how many threads compare.
pub fn speciate(
    genotypes: &[Arc<Genotype>],
    species: &mut Vec<Species>,
    next_id: &mut u64,
    generation: u64,
    threshold: f32,
    p: &Parameters,
) {
    for group in species.iter_mut() {
        group.members.clear();
    }
    let near = |g: &Genotype, s: &Species| distance(g, &s.representative, p) < threshold;
    let known: Vec<Option<usize>> =
        genotypes.par_iter().with_min_len(GRAIN).map(|g| species.iter().position(|s| near(g, s))).collect();
    let first_new = species.len();
    for (genotype, (found, at)) in genotypes.iter().zip(known.into_iter().zip(0..)) {
        let home = found
            .or_else(|| species[first_new..].iter().position(|s| near(genotype, s)).map(|k| first_new + k));
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
