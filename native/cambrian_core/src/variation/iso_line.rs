//! The operator iso+line (Vassiliades & Mouret 2018, "Discovering the elite hypervolume by
//! leveraging interspecies correlation", arXiv:1804.03906).

use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use crate::variation::crossover::{Share, Shares, aligned};
use std::sync::Arc;

/// A copy whose weights each move by a normal step, and together along the line towards another
/// genotype, in the genes that both have. Biases move too if mutation moves biases.
pub(crate) fn iso_line(
    of: &Genotype,
    towards: &Genotype,
    p: &Parameters,
    rng: &mut Stream,
    mut shares: Option<&mut Shares>,
) -> Genotype {
    let (mut child, along) = (of.clone(), rng.normal() * p.line_step);
    let moved = |own: f32, theirs: f32| own + along * (theirs - own);
    if Arc::ptr_eq(&of.topology, &towards.topology) && shares.is_none() {
        // the same, in a loop without branches
        let both = child.weights.iter_mut().zip(&towards.weights);
        both.for_each(|(own, theirs)| *own = moved(*own, *theirs));
    } else {
        aligned(&of.topology.ids, &towards.topology.ids, |at, match_at| {
            child.weights[at] = moved(of.weights[at], towards.weights[match_at]);
            if let Some(shares) = &mut shares {
                shares.connections[at] = Share::Both;
            }
        });
    }
    rng.normals(&mut child.weights, |weight, z| p.clamp(weight + p.iso_step * z));
    if p.perturb_biases > 0.0 {
        let (own, theirs) = (&of.topology.places, &towards.topology.places);
        let (inputs, of_theirs) = (of.inputs() as usize, towards.inputs() as usize);
        let neurons = child.neurons_mut();
        aligned(&own[inputs..], &theirs[of_theirs..], |at, match_at| {
            neurons[at].bias = moved(of.neurons[at].bias, towards.neurons[match_at].bias);
            if let Some(shares) = &mut shares {
                shares.neurons[at] = Share::Both;
            }
        });
        for neuron in neurons {
            neuron.bias = p.clamp(neuron.bias + p.iso_step * rng.normal());
        }
    }
    child
}
