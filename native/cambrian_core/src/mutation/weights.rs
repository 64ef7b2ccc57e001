//! Operators on the weights of connections.

use super::{Applied, NotApplicable};
use crate::genotype::Genotype;
use crate::parameters::Parameters;
use crate::rng::Stream;

pub fn perturb_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    if g.weights.is_empty() {
        return Err(NotApplicable);
    }
    rng.normals(&mut g.weights, |weight, z| p.clamp(weight + z * p.weight_step));
    Ok(())
}

pub fn reset_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    if g.weights.is_empty() {
        return Err(NotApplicable);
    }
    // at least one, so that the operator never claims a change that it did not make
    let certain = rng.below(g.weights.len());
    for (i, weight) in g.weights.iter_mut().enumerate() {
        if i == certain || rng.chance(0.1) {
            *weight = p.clamp(rng.normal() * p.initial_weight);
        }
    }
    Ok(())
}
