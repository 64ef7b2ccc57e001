//! Crossover: one child of two parents (Stanley & Miikkulainen 2002, section III-B).

use crate::base::rng::{RandomBits, Stream};
use crate::genome::genotype::Genotype;
use crate::genome::neuron::Neuron;
use crate::genome::parameters::Parameters;

/// Which parent a gene's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Fitter,
    Other,
    Both,
}

/// Which parent each gene of a child comes from.
pub(crate) struct Shares {
    pub connections: Vec<Share>,
    pub neurons: Vec<Share>,
}

impl Shares {
    /// All of the fitter parent, until something else is noted.
    pub fn new(fitter: &Genotype) -> Shares {
        let connections = vec![Share::Fitter; fitter.weights.len()];
        Shares { connections, neurons: vec![Share::Fitter; fitter.neurons.len()] }
    }
}

/// How the genes that both parents have are combined.
#[derive(Clone, Copy)]
enum Mix {
    /// Each from either parent.
    Multipoint,
    /// With the mean of their weights, biases and gains; the rest from either parent.
    Average,
    /// Below this position from the first parent, from there on from the second.
    SinglePoint(usize),
}

/// A child with the genes of the first parent, who is the fitter; those that the other has as well
/// are combined. The parents must have the same inputs and outputs.
pub fn crossover(
    fitter: &Genotype,
    other: &Genotype,
    p: &Parameters,
    rng: &mut Stream,
) -> Genotype {
    cross(fitter, other, p, rng, None)
}

/// The same; notes whose each gene is.
pub(crate) fn cross(
    fitter: &Genotype,
    other: &Genotype,
    p: &Parameters,
    rng: &mut Stream,
    mut shares: Option<&mut Shares>,
) -> Genotype {
    let (connections, neurons) = (fitter.weights.len(), fitter.neurons.len());
    let (point, single) = (rng.unit(), rng.chance(p.single_point));
    let mix = |genes: usize, average: bool| match (average, single) {
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
            Mix::Average => Share::Both,
            Mix::Multipoint if coins.draw(rng) => Share::Other,
            Mix::SinglePoint(point) if at >= point => Share::Other,
            _ => Share::Fitter,
        };
        weights[at] = match share {
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

fn combine_neurons(
    child: &mut Genotype,
    other: &Genotype,
    mix: Mix,
    rng: &mut Stream,
    mut shares: Option<&mut [Share]>,
) {
    let (inputs, mut coins) = (child.inputs() as usize, RandomBits::default());
    let Genotype { topology, neurons, .. } = child;
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

/// Positions of what two ascending lists have in common.
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
