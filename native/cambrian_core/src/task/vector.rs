//! Tasks on vectors: a genotype is a vector of numbers, the weights of a network with one input, as
//! many outputs as the vector has numbers, and no hidden node. The outputs for the input 1 are the
//! vector itself.

use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::genotype::Shape;
use crate::genome::parameters::Parameters;
use crate::phenotype::network::Runner;

/// The longest vector, since a network has at most so many outputs.
pub const LONGEST: u32 = 10_000;

pub fn shape(numbers: u32) -> Shape {
    Shape { inputs: 1, outputs: numbers }
}

/// Without operators that change the structure or add a bias: the network stays a vector. All
/// vectors are of one species.
pub fn parameters() -> Parameters {
    Parameters {
        output_activation: Activation::Identity,
        initial_weight: 0.0,
        perturb_weights: 1.0,
        reset_weights: 0.0,
        weight_step: 0.5,
        weight_limit: 1.0e6,
        perturb_biases: 0.0,
        toggle_connection: 0.0,
        remove_connection: 0.0,
        add_connection: 0.0,
        add_node: 0.0,
        species_threshold: 1000.0,
        target_species: 0,
        ..Parameters::default()
    }
}

pub fn read(network: &Runner) -> Result<Vec<f64>, Cancelled> {
    let outputs = network.activate_batch(&[1.0])?;
    Ok(outputs.into_iter().map(f64::from).collect())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::phenotype::network::Network;

    /// The network that stands for a vector.
    pub fn network(vector: &[f64]) -> Network {
        let mut rng = Stream::new(1, Purpose::Birth, 0, 0);
        let born = Genotype::new(1, vector.len() as u32, &parameters(), &mut rng).unwrap();
        let link = |(at, x): (u32, &f64)| Connection::new(input(0), output(at), *x as f32);
        let mut links: Vec<Connection> = (0..).zip(vector).map(link).collect();
        links.sort_unstable_by_key(|link| link.id);
        let count = vector.len() as u32;
        Network::new(&Genotype::from_genes(1, count, born.nodes().collect(), links).unwrap())
    }
}
