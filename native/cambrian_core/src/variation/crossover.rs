//! Crossover: makes one child from two parents (Stanley & Miikkulainen 2002, section III-B).

use crate::base::rng::{RandomBits, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::neuron::Neuron;
use crate::genome::parameters::Parameters;
use std::sync::Arc;

/// The parent from which a gene's value comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Fitter,
    Other,
    Both,
}

/// The parent from which each gene of a child comes.
pub(crate) struct Shares {
    pub connections: Vec<Share>,
    pub neurons: Vec<Share>,
}

impl Shares {
    /// All genes from the fitter parent, until a change is recorded.
    pub fn new(fitter: &Genotype) -> Shares {
        let connections = vec![Share::Fitter; fitter.weights.len()];
        Shares { connections, neurons: vec![Share::Fitter; fitter.neurons.len()] }
    }
}

/// How the genes that both parents have are combined.
#[derive(Clone, Copy)]
enum Mix {
    /// Each gene from either parent.
    Multipoint,
    /// The mean of weights, biases and gains; the other values from either parent.
    Average,
    /// Weights are drawn around and between the parents' weights; the other values from either
    /// parent.
    SimulatedBinary,
    /// Genes below this position from the first parent, the others from the second.
    SinglePoint(usize),
}

/// A child with the genes of the first parent, which is the fitter. Genes that both parents have
/// are combined. The parents must have the same inputs and outputs.
pub fn crossover(
    fitter: &Genotype,
    other: &Genotype,
    p: &Parameters,
    rng: &mut Stream,
) -> Genotype {
    cross(fitter, other, p, rng, None)
}

/// Makes a child, and records the parent of each gene.
pub(crate) fn cross(
    fitter: &Genotype,
    other: &Genotype,
    p: &Parameters,
    rng: &mut Stream,
    mut shares: Option<&mut Shares>,
) -> Genotype {
    let (connections, neurons) = (fitter.weights.len(), fitter.neurons.len());
    let (point, single) = (rng.unit(), rng.chance(p.single_point));
    // a share of 0 draws no number
    let simulated = p.simulated_binary > 0.0 && rng.chance(p.simulated_binary);
    let mix = |genes: usize, average: bool| match (average, single) {
        _ if simulated => Mix::SimulatedBinary,
        (true, _) => Mix::Average,
        (false, true) => Mix::SinglePoint((point * genes as f32) as usize),
        (false, false) => Mix::Multipoint,
    };
    let average = rng.chance(p.average_weights);
    let mut child = fitter.clone();
    let of_connections = shares.as_mut().map(|shares| &mut shares.connections[..]);
    combine_connections(&mut child, other, mix(connections, average), p, rng, of_connections);
    let of_neurons = shares.map(|shares| &mut shares.neurons[..]);
    combine_neurons(&mut child, other, mix(neurons, average), rng, of_neurons);
    child
}

fn combine_connections(
    child: &mut Genotype,
    other: &Genotype,
    mix: Mix,
    p: &Parameters,
    rng: &mut Stream,
    mut shares: Option<&mut [Share]>,
) {
    let Genotype { topology, weights, enabled, .. } = child;
    let mut coins = RandomBits::default();
    aligned(&topology.ids, &other.topology.ids, |at, match_at| {
        let theirs = other.weights[match_at];
        let share = match mix {
            Mix::Average | Mix::SimulatedBinary => Share::Both,
            Mix::Multipoint if coins.draw(rng) => Share::Other,
            Mix::SinglePoint(point) if at >= point => Share::Other,
            _ => Share::Fitter,
        };
        weights[at] = match share {
            Share::Both if matches!(mix, Mix::SimulatedBinary) => {
                if coins.draw(rng) {
                    let (unit, lower) = (rng.unit(), coins.draw(rng));
                    simulated_binary(weights[at], theirs, f64::from(unit), lower, p)
                } else {
                    weights[at]
                }
            }
            Share::Both => 0.5 * weights[at] + 0.5 * theirs,
            Share::Other => theirs,
            Share::Fitter => weights[at],
        };
        note(&mut shares, at, share);
        if !(enabled[at] && other.enabled[match_at]) {
            enabled[at] = !rng.chance(p.stay_disabled);
        }
    });
}

/// Simulated binary crossover within plus and minus `weight_limit` (Deb & Agrawal 1995, with the
/// bounds of Deb's program of NSGA-II): one of two numbers at the same distance from the mean of
/// the parents.
fn simulated_binary(mine: f32, theirs: f32, unit: f64, lower: bool, p: &Parameters) -> f32 {
    let (low, high) = (f64::from(mine.min(theirs)), f64::from(mine.max(theirs)));
    let (range, limit) = (high - low, f64::from(p.weight_limit));
    if range < 1.0e-14 {
        return mine;
    }
    let power = f64::from(p.simulated_binary_index) + 1.0;
    let room = if lower { low + limit } else { limit - high };
    let alpha = 2.0 - libm::pow(1.0 + 2.0 * room.max(0.0) / range, -power);
    let base = if unit <= 1.0 / alpha { unit * alpha } else { 1.0 / (2.0 - unit * alpha) };
    let spread = libm::pow(base, 1.0 / power) * range;
    p.clamp((0.5 * (low + high + if lower { -spread } else { spread })) as f32)
}

fn combine_neurons(
    child: &mut Genotype,
    other: &Genotype,
    mix: Mix,
    rng: &mut Stream,
    mut shares: Option<&mut [Share]>,
) {
    let (inputs, mut coins) = (child.inputs() as usize, RandomBits::default());
    let Genotype { topology, neurons, .. } = child;
    let neurons = Arc::make_mut(neurons);
    aligned(&topology.places[inputs..], &other.topology.places[inputs..], |at, match_at| {
        let (mine, theirs) = (neurons[at], other.neurons[match_at]);
        let first = match mix {
            Mix::SinglePoint(point) => at < point,
            _ => coins.draw(rng),
        };
        let chosen = if first { mine } else { theirs };
        let mean = |value: fn(&Neuron) -> f32| 0.5 * value(&mine) + 0.5 * value(&theirs);
        neurons[at] = match mix {
            Mix::Average => Neuron { bias: mean(|n| n.bias), gain: mean(|n| n.gain), ..chosen },
            _ => chosen,
        };
        let share = if first { Share::Fitter } else { Share::Other };
        note(&mut shares, at, if matches!(mix, Mix::Average) { Share::Both } else { share });
    });
}

fn note(shares: &mut Option<&mut [Share]>, at: usize, share: Share) {
    if let Some(shares) = shares {
        shares[at] = share;
    }
}

/// The positions of the common items of two ascending lists.
pub(crate) fn aligned<K: Ord>(mine: &[K], theirs: &[K], mut both: impl FnMut(usize, usize)) {
    if std::ptr::eq(mine, theirs) {
        return (0..mine.len()).for_each(|at| both(at, at));
    }
    let (mut i, mut j) = (0, 0);
    while i < mine.len() && j < theirs.len() {
        let (lower, higher) = (mine[i] < theirs[j], mine[i] > theirs[j]);
        if !lower && !higher {
            both(i, j);
        }
        i += usize::from(!higher);
        j += usize::from(!lower);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deb & Agrawal: with the index n and far from the bounds, the spread is below b ≤ 1 with
    /// probability b^(n + 1) / 2.
    #[test]
    fn simulated_binary_crossover_has_the_spread_of_the_paper_and_stays_in_bounds() {
        let p = Parameters { weight_limit: 1000.0, ..Parameters::default() };
        let units = || (0..1000).map(|n| (f64::from(n) + 0.5) / 1000.0);
        let child = |unit, lower| f64::from(simulated_binary(3.0, 1.0, unit, lower, &p));
        for unit in units() {
            assert!(
                (child(unit, true) + child(unit, false) - 4.0).abs() < 1e-4,
                "around the middle"
            );
        }
        for b in [0.9f64, 0.95, 1.0] {
            let share = units().filter(|unit| child(*unit, false) - 2.0 < b).count();
            assert!((share as f64 / 1000.0 - 0.5 * b.powi(16)).abs() < 0.005, "{b}: {share}");
        }
        let near = Parameters { weight_limit: 3.0, ..p };
        let bounded = |unit| simulated_binary(1.0, 3.0, unit, false, &near);
        assert!(units().all(|unit| bounded(unit) <= 3.0));
    }
}
