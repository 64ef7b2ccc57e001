//! Operators on sensors and actuators.
//!
//! A task fixes how many inputs and outputs there are; a genotype decides which of them it uses
//! (Sher 2013, chapter 8; feature selection as in Whiteson et al. 2005). So these never change what
//! a genotype can be evaluated on.

use super::structure::remove_if_idle;
use super::{Applied, NotApplicable, Operator};
use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use crate::genome::topology::Ends;

pub const ALL: &[Operator] = operators![remove_input, remove_output, add_input, add_output];

/// An input that leads nowhere is joined to a random node.
pub fn add_input(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let from = one(g, rng, inputs(g), false)?;
    let to = g.inputs() + rng.below(g.neurons.len()) as u32;
    join(g, Ends { from, to }, p, rng)
}

/// An output that nothing leads to is joined to a random node on a lower layer.
pub fn add_output(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let to = one(g, rng, outputs(g), false)?;
    let from = rng.below(outputs(g).start as usize) as u32;
    join(g, Ends { from, to }, p, rng)
}

/// An input loses all its connections; nothing is left of it until it is added again.
pub fn remove_input(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    let gone = one(g, rng, inputs(g), true)?;
    cut(g, gone);
    Ok(())
}

/// An output loses all its connections, and answers what its bias gives.
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

/// A random node of a range that is in use, or is not.
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
    // from the highest down, so that those still to come stay where they are
    others.into_iter().for_each(|node| remove_if_idle(g, node));
}
