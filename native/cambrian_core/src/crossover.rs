//! Two parents, one child: multipoint crossover (Stanley & Miikkulainen 2002, section III-B).

use crate::genotype::{Connection, Genotype, Node};
use crate::parameters::Parameters;
use crate::rng::Stream;

/// Matching genes come from either parent at random, or with their weights averaged; all others
/// come from the first parent, who is the fitter. The parents must have the same inputs and outputs.
pub fn crossover(fitter: &Genotype, other: &Genotype, p: &Parameters, rng: &mut Stream) -> Genotype {
    let average = rng.chance(p.average_weights);
    let mut connections = Vec::with_capacity(fitter.connections.len());
    let mut theirs = other.connections.iter().peekable();
    for mine in &fitter.connections {
        while theirs.next_if(|c| c.id < mine.id).is_some() {}
        connections.push(match theirs.next_if(|c| c.id == mine.id) {
            Some(matching) => combine_connections(mine, matching, average, p, rng),
            None => *mine,
        });
    }
    let mut nodes = Vec::with_capacity(fitter.nodes.len());
    let mut theirs = other.nodes.iter().peekable();
    for mine in &fitter.nodes {
        let key = (mine.layer, mine.id);
        while theirs.next_if(|n| (n.layer, n.id) < key).is_some() {}
        nodes.push(match theirs.next_if(|n| (n.layer, n.id) == key) {
            Some(matching) => combine_nodes(mine, matching, average, rng),
            None => *mine,
        });
    }
    Genotype { inputs: fitter.inputs, outputs: fitter.outputs, nodes, connections }
}

fn combine_connections(
    mine: &Connection,
    theirs: &Connection,
    average: bool,
    p: &Parameters,
    rng: &mut Stream,
) -> Connection {
    let weight = if average {
        0.5 * mine.weight + 0.5 * theirs.weight
    } else if rng.chance(0.5) {
        mine.weight
    } else {
        theirs.weight
    };
    let both = mine.enabled && theirs.enabled;
    Connection { weight, enabled: both || !rng.chance(p.stay_disabled), ..*mine }
}

fn combine_nodes(mine: &Node, theirs: &Node, average: bool, rng: &mut Stream) -> Node {
    let node = if rng.chance(0.5) { *mine } else { *theirs };
    if average { Node { bias: 0.5 * mine.bias + 0.5 * theirs.bias, ..node } } else { node }
}
