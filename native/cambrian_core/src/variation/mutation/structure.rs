//! Operators on connections and hidden nodes.

use super::{Applied, NotApplicable, Operator};
use crate::base::rng::Stream;
use crate::genome::genotype::{Genotype, MAX_CONNECTIONS};
use crate::genome::innovation;
use crate::genome::neuron::Neuron;
use crate::genome::parameters::Parameters;
use crate::genome::topology::{Ends, Place};

/// Operators that never add connections.
pub const FEWER: &[Operator] =
    operators![toggle_connection, remove_connection, remove_recurrent, remove_node];

pub const MORE: &[Operator] = operators![add_connection, add_recurrent, add_node];

pub fn toggle_connection(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    if g.enabled.is_empty() {
        return Err(NotApplicable);
    }
    let at = rng.below(g.enabled.len());
    g.enabled[at] ^= true;
    Ok(())
}

pub fn remove_connection(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    if g.weights.is_empty() {
        return Err(NotApplicable);
    }
    remove(g, g.topology.ends[rng.below(g.weights.len())]);
    Ok(())
}

pub fn remove_recurrent(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    let ends = g.topology.ends.iter().copied();
    let recurrent: Vec<Ends> = ends.filter(|ends| g.topology.is_recurrent(*ends)).collect();
    remove(g, *rng.pick(&recurrent).ok_or(NotApplicable)?);
    Ok(())
}

/// Removes a connection, and the hidden nodes that it leaves idle.
fn remove(g: &mut Genotype, gone: Ends) {
    g.disconnect(|ends| ends == gone);
    // the higher first, so that the other keeps its index
    let (low, high) = (gone.from.min(gone.to), gone.from.max(gone.to));
    for node in if low == high { vec![low] } else { vec![high, low] } {
        remove_if_idle(g, node);
    }
}

/// Removes a hidden node that has no connections except loops to itself.
pub fn remove_if_idle(g: &mut Genotype, node: u32) {
    let joined = g.topology.ends.iter().any(|ends| (ends.from == node) != (ends.to == node));
    if g.topology.is_hidden(node) && !joined {
        g.remove_node(node);
    }
}

pub fn add_connection(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    connect(g, p, rng, false)
}

pub fn add_recurrent(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    connect(g, p, rng, true)
}

/// Tries random pairs first, since most genotypes are sparse, and searches only when they fail.
fn connect(g: &mut Genotype, p: &Parameters, rng: &mut Stream, recurrent: bool) -> Applied {
    let (sources, targets) = (g.topology.places.len(), g.neurons.len());
    let ends =
        |from: usize, to: usize| Ends { from: from as u32, to: (to + sources - targets) as u32 };
    let free = |ends: &Ends| {
        g.topology.is_recurrent(*ends) == recurrent
            && g.topology.find(g.topology.connection_id(*ends)).is_err()
    };
    let guess = (0..20).map(|_| ends(rng.below(sources), rng.below(targets))).find(free);
    let search = || {
        let pairs = sources * targets;
        let start = rng.below(pairs);
        (0..pairs.min(10_000))
            .map(|k| (start + k) % pairs)
            .map(|k| ends(k / targets, k % targets))
            .find(free)
    };
    let found = guess.or_else(search).ok_or(NotApplicable)?;
    g.connect(found, p.clamp(rng.normal() * p.initial_weight)).map(|_| ()).ok_or(NotApplicable)
}

/// Splits an enabled connection and disables it. The connection out of the new node gets the old
/// weight, the connection into it the weight 1 (Stanley & Miikkulainen 2002, section III-A).
pub fn add_node(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let enabled: Vec<usize> = (0..g.enabled.len()).filter(|&at| g.enabled[at]).collect();
    let split = *rng.pick(&enabled).ok_or(NotApplicable)?;
    if g.weights.len() + 2 > MAX_CONNECTIONS {
        return Err(NotApplicable);
    }
    let (old, id, weight) = (g.topology.ends[split], g.topology.ids[split], g.weights[split]);
    let layer_of = |node: u32| g.topology.places[node as usize].layer;
    let layer =
        innovation::split_layer(layer_of(old.from), layer_of(old.to)).ok_or(NotApplicable)?;
    let index = g.topology.index();
    let fresh = (0..=u32::MAX)
        .map(|nth| innovation::split(id, nth))
        .find(|id| index.position(*id).is_none());
    let place = Place { layer, id: fresh.ok_or(NotApplicable)? };
    let node = g.insert_node(place, Neuron::new(p.activation)).ok_or(NotApplicable)?;
    let moved = |end: u32| end + u32::from(end >= node);
    let (from, to) = (moved(old.from), moved(old.to));
    // ids of new nodes are new, so the ids of their connections can be taken only by a collision of
    // the hash
    let joined = g
        .connect(Ends { from, to: node }, 1.0)
        .and_then(|_| g.connect(Ends { from: node, to }, weight));
    let at = g.topology.find(id).map_err(|_| NotApplicable)?;
    match joined {
        Some(_) => g.enabled[at] = false,
        None => g.remove_node(node),
    }
    joined.map(|_| ()).ok_or(NotApplicable)
}

/// Removes a hidden node and connects each of its sources to each of its targets, with the product
/// of the two weights: the inverse of [`add_node`], if the node is linear. An existing connection
/// keeps its weight, unless it is disabled.
pub fn remove_node(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    if g.hidden() == 0 {
        return Err(NotApplicable);
    }
    let node = (g.topology.hidden().start + rng.below(g.hidden())) as u32;
    let joined = |keep: fn(&Ends) -> u32, other: fn(&Ends) -> u32| -> Vec<(u32, f32)> {
        let all = g.topology.ends.iter().zip(&g.weights).zip(&g.enabled);
        all.filter(|((ends, _), enabled)| **enabled && other(ends) == node && keep(ends) != node)
            .map(|((ends, weight), _)| (keep(ends), *weight))
            .collect()
    };
    let (sources, targets) = (joined(|e| e.from, |e| e.to), joined(|e| e.to, |e| e.from));
    for &(from, weight_in) in &sources {
        for &(to, weight_out) in &targets {
            bridge(g, Ends { from, to }, p.clamp(weight_in * weight_out));
        }
    }
    g.remove_node(node);
    Ok(())
}

fn bridge(g: &mut Genotype, ends: Ends, weight: f32) {
    match g.topology.find(g.topology.connection_id(ends)) {
        Ok(at) if !g.enabled[at] => (g.enabled[at], g.weights[at]) = (true, weight),
        Ok(_) => {}
        Err(_) => {
            g.connect(ends, weight);
        }
    }
}
