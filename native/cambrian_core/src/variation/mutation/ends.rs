//! Operators on sensors and actuators.
//!
//! A task fixes the number of inputs and outputs; a genotype decides which of them it uses (Sher
//! 2013, chapter 8; feature selection as in Whiteson et al. 2005). So these operators never change
//! the tasks for which a genotype can be evaluated.

use super::structure::remove_if_idle;
use super::{Applied, NotApplicable, Operator};
use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use crate::genome::topology::Ends;

pub const ALL: &[Operator] = operators![remove_input, remove_output, add_input, add_output];

/// Connects an unused input to a random node.
pub fn add_input(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let from = one(g, rng, inputs(g), false)?;
    let to = g.inputs() + rng.below(g.neurons.len()) as u32;
    join(g, Ends { from, to }, p, rng)
}

/// Connects a random node on a lower layer to an unused output.
pub fn add_output(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let to = one(g, rng, outputs(g), false)?;
    let from = rng.below(outputs(g).start as usize) as u32;
    join(g, Ends { from, to }, p, rng)
}

/// Removes all connections of an input. The input stays unused until it is connected again.
pub fn remove_input(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    let gone = one(g, rng, inputs(g), true)?;
    cut(g, gone);
    Ok(())
}

/// Removes all connections of an output. The output then depends only on its bias.
pub fn remove_output(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    let gone = one(g, rng, outputs(g), true)?;
    cut(g, gone);
    Ok(())
}

fn inputs(g: &Genotype) -> std::ops::Range<u32> {
    0..g.inputs()
}

fn outputs(g: &Genotype) -> std::ops::Range<u32> {
    let nodes = g.topology.places.len() as u32;
    nodes - g.outputs()..nodes
}

/// A random node of a range that is in use, or that is not in use.
fn one(
    g: &Genotype,
    rng: &mut Stream,
    range: std::ops::Range<u32>,
    used: bool,
) -> Result<u32, NotApplicable> {
    let mut joined = vec![false; g.topology.places.len()];
    for ends in &g.topology.ends {
        joined[ends.from as usize] = true;
        joined[ends.to as usize] = true;
    }
    let nodes: Vec<u32> = range.filter(|node| joined[*node as usize] == used).collect();
    rng.pick(&nodes).copied().ok_or(NotApplicable)
}

fn join(g: &mut Genotype, ends: Ends, p: &Parameters, rng: &mut Stream) -> Applied {
    g.connect(ends, p.clamp(rng.normal() * p.initial_weight)).map(|_| ()).ok_or(NotApplicable)
}

fn cut(g: &mut Genotype, gone: u32) {
    let cut: Vec<Ends> = g
        .topology
        .ends
        .iter()
        .copied()
        .filter(|ends| ends.from == gone || ends.to == gone)
        .collect();
    g.disconnect(|ends| ends.from == gone || ends.to == gone);
    let mut others: Vec<u32> = cut.iter().flat_map(|ends| [ends.from, ends.to]).collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    others.dedup();
    // from the highest down, so that the remaining indexes stay valid
    others.into_iter().for_each(|node| remove_if_idle(g, node));
}
