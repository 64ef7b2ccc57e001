//! Operators on the weights of connections.

use super::{Applied, NotApplicable, Operator};
use crate::base::math;
use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::{Parameters, Perturbation};

pub const ALL: &[Operator] = operators![perturb_weights, reset_weights];

pub fn perturb_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    if g.weights.is_empty() {
        return Err(NotApplicable);
    }
    if p.perturbation == Perturbation::Polynomial {
        change_some(g, p.perturbed_share, rng, |weight, rng| polynomial(weight, rng.unit(), p));
        return Ok(());
    }
    let step = |weight: f32, z: f32| p.clamp(weight + z * p.weight_step);
    if p.perturbed_share >= 1.0 {
        rng.normals(&mut g.weights, step);
    } else {
        change_some(g, p.perturbed_share, rng, |weight, rng| step(weight, rng.normal()));
    }
    Ok(())
}

/// Polynomial mutation within plus and minus `weight_limit` (Deb & Goyal 1996, with the bounds of
/// Deb's program of NSGA-II).
fn polynomial(weight: f32, unit: f32, p: &Parameters) -> f32 {
    let (limit, power) = (p.weight_limit, p.perturbation_index + 1.0);
    let range = 2.0 * limit;
    let step = |room: f32, unit: f32| {
        let near = math::power((1.0 - room / range).clamp(0.0, 1.0), power);
        math::power(2.0 * unit + (1.0 - 2.0 * unit) * near, 1.0 / power) - 1.0
    };
    let moved = if unit <= 0.5 {
        weight + range * step(weight + limit, unit)
    } else {
        weight - range * step(limit - weight, 1.0 - unit)
    };
    p.clamp(moved)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Deb & Goyal: with the index n and far from the bounds, |step| / range is below d with
    /// probability 1 − (1 − d)^(n + 1).
    #[test]
    fn polynomial_steps_have_the_distribution_of_the_paper_and_stay_in_bounds() {
        let p = Parameters { weight_limit: 2.0, ..Parameters::default() };
        let units = || (0..1000).map(|n| (n as f32 + 0.5) / 1000.0);
        let steps: Vec<f64> = units().map(|u| f64::from(polynomial(0.0, u, &p)) / 4.0).collect();
        assert!(steps.is_sorted(), "a larger draw moves up");
        for d in [0.01, 0.05, 0.1] {
            let share = steps.iter().filter(|step| step.abs() < d).count() as f64 / 1000.0;
            assert!((share - (1.0 - (1.0f64 - d).powi(21))).abs() < 0.005, "{d}: {share}");
        }
        for edge in [-2.0f32, -1.9, 2.0] {
            assert!(units().all(|unit| polynomial(edge, unit, &p).abs() <= 2.0), "{edge}");
        }
        assert!(polynomial(-2.0, 0.25, &p) == -2.0 && polynomial(-2.0, 0.75, &p) > -2.0);
    }
}
