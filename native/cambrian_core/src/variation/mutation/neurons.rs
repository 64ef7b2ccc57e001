//! Operators on the computation of a node.

use super::{Applied, NotApplicable, Operator};
use crate::base::choice::Choice;
use crate::base::rng::Stream;
use crate::genome::dynamics::Dynamics;
use crate::genome::genotype::Genotype;
use crate::genome::neuron::{MAX_LEARNING_RATE, Neuron, TIME_CONSTANTS};
use crate::genome::parameters::Parameters;
use crate::genome::plasticity::Plasticity;

pub const ALL: &[Operator] = operators![
    perturb_biases,
    add_bias,
    remove_bias,
    change_activation,
    change_aggregation,
    change_gain,
    change_dynamics,
    change_time_constant,
    change_plasticity,
    change_learning
];

pub fn perturb_biases(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    for neuron in g.neurons_mut() {
        neuron.bias = p.clamp(neuron.bias + rng.normal() * p.weight_step);
    }
    Ok(())
}

pub fn add_bias(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    one_where(g, rng, |n| n.bias == 0.0)?.bias = p.clamp(rng.normal() * p.initial_weight);
    Ok(())
}

pub fn remove_bias(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    one_where(g, rng, |n| n.bias != 0.0)?.bias = 0.0;
    Ok(())
}

pub fn change_activation(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    // only of hidden nodes: outputs keep the range that their task expects
    let hidden = g.hidden();
    if hidden == 0 {
        return Err(NotApplicable);
    }
    let neuron = &mut g.neurons_mut()[rng.below(hidden)];
    neuron.activation = another(&p.activations, neuron.activation, rng)?;
    Ok(())
}

pub fn change_aggregation(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let neuron = one_where(g, rng, |_| true)?;
    neuron.aggregation = another(&p.aggregations, neuron.aggregation, rng)?;
    Ok(())
}

pub fn change_gain(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let neuron = one_where(g, rng, |_| true)?;
    neuron.gain = p.clamp(neuron.gain + rng.normal() * p.weight_step);
    Ok(())
}

/// A neuron that gets dynamics also gets a time constant.
pub fn change_dynamics(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let neuron = one_where(g, rng, |_| true)?;
    neuron.dynamics = another(&p.dynamics, neuron.dynamics, rng)?;
    rescale_time(neuron, rng);
    Ok(())
}

pub fn change_time_constant(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    rescale_time(one_where(g, rng, |n| n.dynamics != Dynamics::None)?, rng);
    Ok(())
}

/// A factor of up to two in both directions, approximately uniform in the logarithm: u / (3 − u),
/// with 1 ≤ u ≤ 2.
fn rescale_time(neuron: &mut Neuron, rng: &mut Stream) {
    let u = 1.0 + rng.unit();
    let (shortest, longest) = TIME_CONSTANTS;
    neuron.time_constant = (neuron.time_constant * u / (3.0 - u)).clamp(shortest, longest);
}

/// A neuron that gets another rule also gets its rates.
pub fn change_plasticity(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Applied {
    let neuron = one_where(g, rng, |_| true)?;
    neuron.plasticity = another(&p.plasticities, neuron.plasticity, rng)?;
    perturb_learning(neuron, rng);
    Ok(())
}

pub fn change_learning(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Applied {
    perturb_learning(one_where(g, rng, |n| n.plasticity != Plasticity::None)?, rng);
    Ok(())
}

/// Standard deviations of a step of the learning rate and of the decay.
const LEARNING_STEP: f32 = 0.1;
const DECAY_STEP: f32 = 0.2;

fn perturb_learning(neuron: &mut Neuron, rng: &mut Stream) {
    let rate = neuron.learning_rate + rng.normal() * LEARNING_STEP;
    neuron.learning_rate = rate.clamp(-MAX_LEARNING_RATE, MAX_LEARNING_RATE);
    neuron.decay = (neuron.decay + rng.normal() * DECAY_STEP).clamp(0.0, 1.0);
}

/// A random neuron for which `fits` returns true.
fn one_where<'a>(
    g: &'a mut Genotype,
    rng: &mut Stream,
    fits: impl Fn(&Neuron) -> bool,
) -> Result<&'a mut Neuron, NotApplicable> {
    let fitting: Vec<usize> = (0..g.neurons.len()).filter(|&at| fits(&g.neurons[at])).collect();
    let at = *rng.pick(&fitting).ok_or(NotApplicable)?;
    Ok(&mut g.neurons_mut()[at])
}

/// A random choice of the palette, other than the present one.
fn another<C: Choice>(palette: &[C], present: C, rng: &mut Stream) -> Result<C, NotApplicable> {
    let others: Vec<C> = palette.iter().copied().filter(|choice| *choice != present).collect();
    rng.pick(&others).copied().ok_or(NotApplicable)
}
