//! Operators on the weights of connections.

use super::{Applied, NotApplicable, Operator};
use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;

pub const ALL: &[Operator] = operators![perturb_weights, reset_weights];

pub fn perturb_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    if g.weights.is_empty() {
        return Err(NotApplicable);
    }
    let step = |weight: f32, z: f32| p.clamp(weight + z * p.weight_step);
    if p.perturbed_share >= 1.0 {
        rng.normals(&mut g.weights, step);
    } else {
        change_some(g, p.perturbed_share, rng, |weight, rng| step(weight, rng.normal()));
    }
    Ok(())
}

pub fn reset_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    if g.weights.is_empty() {
        return Err(NotApplicable);
    }
    change_some(g, 0.1, rng, |_, rng| p.clamp(rng.normal() * p.initial_weight));
    Ok(())
}

/// Changes at least one weight, so that the operator always does what it reports.
fn change_some(
    g: &mut Genotype,
    share: f32,
    rng: &mut Stream,
    change: impl Fn(f32, &mut Stream) -> f32,
) {
    let certain = rng.below(g.weights.len());
    for (at, weight) in g.weights.iter_mut().enumerate() {
        if at == certain || rng.chance(share) {
            *weight = change(*weight, rng);
        }
    }
}
