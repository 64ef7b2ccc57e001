//! Who breeds, and how much.

use crate::parameters::Parameters;
use crate::speciation::Species;

/// A species that breeds, the members that do, and the number of its offspring.
pub struct Brood<'a> {
    pub species: &'a Species,
    /// Best first.
    pub parents: &'a [u32],
    pub offspring: usize,
    /// Of these offspring so many are the best parents themselves, unchanged.
    pub elite: usize,
}

/// Members from which on a species has an elite (Stanley & Miikkulainen 2002, section IV-A).
const LARGE: usize = 5;

/// Divides the next generation among the species, whose members stand best first, by their shared fitness.
///
/// Fitness sharing (Stanley & Miikkulainen 2002, section III-C): a genotype's fitness is
/// divided by the size of its species, so a species as a whole weighs its mean. A species that has
/// not improved for `stagnation` generations gets nothing. The best of all is never lost: its species
/// gets one place at least, and the first goes to the best itself, as small as the species may be.
pub fn broods<'a>(
    species: &'a [Species],
    fitness: &[f64],
    generation: u64,
    p: &Parameters,
) -> Vec<Brood<'a>> {
    let fit = |at: u32| fitness[at as usize];
    let highest = fitness.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = fitness.iter().copied().fold(f64::INFINITY, f64::min).min(0.0);
    let leads = |s: &Species| fit(s.members[0]) == highest;
    let thrives = |s: &&Species| generation - s.improved < u64::from(p.stagnation) || leads(s);
    let living: Vec<&Species> = species.iter().filter(thrives).collect();
    let mean =
        |s: &&Species| s.members.iter().map(|&at| fit(at) - lowest).sum::<f64>() / s.members.len() as f64;
    let shares: Vec<f64> = living.iter().map(mean).collect();
    let mut counts = apportion(&shares, p.population as usize);
    if let Some(leader) = living.iter().position(|s| leads(s)).filter(|&leader| counts[leader] == 0) {
        let largest = (0..counts.len()).max_by_key(|&at| counts[at]).unwrap_or(leader);
        counts[largest] -= 1;
        counts[leader] = 1;
    }
    (living.into_iter().zip(counts))
        .filter(|(_, offspring)| *offspring > 0)
        .map(|(species, offspring)| {
            let size = species.members.len();
            let parents = (size as f32 * p.survival).ceil().max(1.0) as usize;
            let spared = if size >= LARGE { p.elitism as usize } else { 0 };
            let elite = spared.max(usize::from(leads(species))).min(parents).min(offspring);
            Brood { species, parents: &species.members[..parents], offspring, elite }
        })
        .collect()
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

    #[test]
    fn apportioned_counts_add_up_and_follow_the_shares() {
        assert_eq!(apportion(&[1.0, 1.0, 2.0], 8), [2, 2, 4]);
        assert_eq!(apportion(&[1.0, 1.0, 1.0], 10), [4, 3, 3]);
        assert_eq!(apportion(&[0.0, 0.0], 3), [2, 1]);
        assert_eq!(apportion(&[0.0, 5.0], 3), [0, 3]);
        assert_eq!(apportion(&[1e-300, 1e-300, 1e300], 100).iter().sum::<usize>(), 100);
    }
}
