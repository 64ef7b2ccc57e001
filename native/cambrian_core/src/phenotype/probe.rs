//! The behaviour of a network without knowledge of its task: its outputs on fixed inputs.

use crate::base::cancel::Cancelled;
use crate::base::rng::{Purpose, Stream};
use crate::phenotype::network::Runner;

/// The steps of a network with up to eight outputs; with more outputs there are fewer steps.
const STEPS: usize = 16;
const MOST: usize = 128;

/// The length of the behaviour of a network with so many outputs.
pub fn length(outputs: usize) -> usize {
    steps(outputs) * outputs
}

fn steps(outputs: usize) -> usize {
    (MOST / outputs).clamp(1, STEPS)
}

/// The outputs of some 16 steps, one after the other. The network starts at rest. Each input is
/// uniform in −1 ≤ x < 1, and the same for all networks on all machines.
///
/// # Errors
/// [`Cancelled`] by the runner.
pub fn behaviour(network: &Runner) -> Result<Vec<f64>, Cancelled> {
    let (inputs, width) = (network.network().inputs(), network.network().outputs());
    let (mut values, mut outputs) = (network.network().rest(), vec![0.0; width]);
    let mut behaviour = Vec::new();
    for step in 0..steps(width) {
        let mut rng = Stream::new(0, Purpose::Probe, 0, step as u64);
        let probe: Vec<f32> = (0..inputs).map(|_| 2.0 * rng.unit() - 1.0).collect();
        network.step(&mut values, &probe, &mut outputs)?;
        behaviour.extend(outputs.iter().map(|&output| f64::from(output)));
    }
    Ok(behaviour)
}
