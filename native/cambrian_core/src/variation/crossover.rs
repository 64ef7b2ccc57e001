//! Crossover: makes one child from two parents (Stanley & Miikkulainen 2002, section III-B).

mod simulated_binary;

use crate::base::rng::{RandomBits, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::neuron::Neuron;
use crate::genome::parameters::Parameters;
use simulated_binary::Draws;
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
    let mut draws = matches!(mix, Mix::SimulatedBinary).then(Draws::new);
    aligned(&topology.ids, &other.topology.ids, |at, match_at| {
        let theirs = other.weights[match_at];
        let share = match mix {
            Mix::Average | Mix::SimulatedBinary => Share::Both,
            Mix::Multipoint if coins.draw(rng) => Share::Other,
            Mix::SinglePoint(point) if at >= point => Share::Other,
            _ => Share::Fitter,
        };
        weights[at] = match share {
            Share::Both => match &mut draws {
                None => 0.5 * weights[at] + 0.5 * theirs,
                Some(draws) => {
                    if coins.draw(rng) {
                        let (unit, lower) = (rng.unit(), coins.draw(rng));
                        draws.add(weights, (at, theirs), unit, lower, p);
                    }
                    weights[at]
                }
            },
            Share::Other => theirs,
            Share::Fitter => weights[at],
        };
        note(&mut shares, at, share);
        if !(enabled[at] && other.enabled[match_at]) {
            enabled[at] = !rng.chance(p.stay_disabled);
        }
    });
    if let Some(mut draws) = draws {
        draws.finish(weights, p);
    }
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
    // whether neurons are shared must make no difference: nodes with other ids are not aligned
    let are_same = Arc::ptr_eq(neurons, &other.neurons)
        && (Arc::ptr_eq(topology, &other.topology) || topology.places == other.topology.places);
    if shares.is_none() && are_same && !matches!(mix, Mix::SinglePoint(_)) {
        (0..neurons.len()).for_each(|_| _ = coins.draw(rng));
        return;
    }
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
    use crate::variation::mutation::mutate;

    /// After a checkpoint, genotypes share what they did not share before.
    #[test]
    fn a_child_is_the_same_whether_its_parents_share_genes_or_not() {
        let p = Parameters { initial_weight: 1.0, ..Parameters::default() };
        // as many nodes as a word has coins, before any is added
        let first = Genotype::new(2, 32, &p, &mut stream(0)).unwrap();
        let growing = Parameters { add_node: 1.0, perturb_biases: 0.0, ..p.clone() };
        let grown = |nodes: u64, seed: u64| {
            let (mut genotype, mut rng) = (first.clone(), stream(seed));
            (0..nodes).for_each(|_| _ = mutate(&mut genotype, &growing, &mut rng));
            genotype
        };
        let mut kinds = [0, 0];
        for seed in 1..60 {
            let (one, other) = (grown(seed % 4, seed), grown(seed % 3, seed + 60));
            let sharing = other.clone().sharing(&one);
            assert_eq!(sharing, other);
            let are_shared = Arc::ptr_eq(&sharing.neurons, &one.neurons);
            let are_aligned = sharing.topology.places == one.topology.places;
            kinds[usize::from(are_aligned)] += usize::from(are_shared);
            for simulated_binary in [0.0, 1.0] {
                let p = Parameters { simulated_binary, ..p.clone() };
                let child = |other: &Genotype| {
                    let mut rng = stream(seed + 200);
                    (crossover(&one, other, &p, &mut rng), rng.unit())
                };
                assert_eq!(child(&sharing), child(&other), "{seed}");
            }
        }
        assert!(kinds[0] > 3 && kinds[1] > 3, "with and without the same nodes: {kinds:?}");
    }

    fn stream(index: u64) -> Stream {
        Stream::new(7, crate::base::rng::Purpose::Breeding, 0, index)
    }
}
