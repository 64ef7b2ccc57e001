//! Tasks on vectors: a genotype is a vector of numbers, the weights of a network with one input, as
//! many outputs as the vector has numbers, and no hidden node. The outputs for the input 1 are the
//! vector itself.

use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::genotype::{Genotype, Shape};
use crate::genome::innovation::{self, ConnectionId};
use crate::genome::neuron::Neuron;
use crate::genome::parameters::Parameters;
use crate::genome::topology::Topology;
use crate::phenotype::cost;
use crate::phenotype::network::Runner;
use std::sync::{Arc, RwLock};

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

/// What relatives share.
type Shared = (Arc<Topology>, Arc<Vec<Neuron>>);

/// Reads vectors of one length from their genes, without a network.
pub struct Reader {
    /// Of the connections from the input to each output, ascending.
    ids: Vec<ConnectionId>,
    /// The output that each leads to.
    outputs: Vec<u32>,
    /// The genes of the last vector that was compared: its relatives share them.
    known: RwLock<Option<Shared>>,
}

impl Reader {
    pub fn new(length: u32) -> Reader {
        let connection =
            |at: u32| (innovation::connection(innovation::input(0), innovation::output(at)), at);
        let mut all: Vec<(ConnectionId, u32)> = (0..length).map(connection).collect();
        all.sort_unstable();
        let (ids, outputs) = all.into_iter().unzip();
        Reader { ids, outputs, known: RwLock::default() }
    }

    /// The work of the network that a vector is.
    pub fn work(&self) -> u64 {
        (cost::PLAIN + cost::LINK) * self.ids.len() as u64
    }

    /// What [`read`] reads from the network of the genotype; `None` of one with other connections
    /// or nodes than a vector has.
    pub fn read(&self, genotype: &Genotype) -> Option<Vec<f64>> {
        // `all` would stop early, and could not look at many at once
        let are_enabled = genotype.enabled.iter().fold(true, |all, enabled| all & enabled);
        if !(are_enabled && self.is_known(genotype)) {
            return None;
        }
        let mut vector = vec![0.0; self.outputs.len()];
        for (at, weight) in self.outputs.iter().zip(&genotype.weights) {
            vector[*at as usize] = f64::from(*weight);
        }
        Some(vector)
    }

    /// Whether connections and neurons are those of a vector.
    fn is_known(&self, Genotype { topology, neurons, .. }: &Genotype) -> bool {
        let is_same =
            |(known, plain): &Shared| Arc::ptr_eq(topology, known) && Arc::ptr_eq(neurons, plain);
        if self.known.read().is_ok_and(|known| known.as_ref().is_some_and(is_same)) {
            return true;
        }
        let plain = Neuron::new(Activation::Identity);
        let is_vector = topology.places.len() == 1 + self.ids.len()
            && topology.ids == self.ids
            && neurons.iter().all(|neuron| *neuron == plain);
        if let (true, Ok(mut known)) = (is_vector, self.known.write()) {
            *known = Some((Arc::clone(topology), Arc::clone(neurons)));
        }
        is_vector
    }
}

pub fn read(network: &Runner) -> Result<Vec<f64>, Cancelled> {
    let outputs = network.activate_batch(&[1.0])?;
    Ok(outputs.into_iter().map(f64::from).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::phenotype::network::Network;
    use crate::task::Score;

    /// A network that stands for a vector.
    pub fn network(vector: &[f64]) -> Network {
        let mut rng = Stream::new(1, Purpose::Birth, 0, 0);
        let born = Genotype::new(1, vector.len() as u32, &parameters(), &mut rng).unwrap();
        let link = |(at, x): (u32, &f64)| Connection::new(input(0), output(at), *x as f32);
        let mut links: Vec<Connection> = (0..).zip(vector).map(link).collect();
        links.sort_unstable_by_key(|link| link.id);
        let count = vector.len() as u32;
        Network::new(&Genotype::from_genes(1, count, born.nodes().collect(), links).unwrap())
    }

    #[test]
    fn a_vector_is_the_same_from_its_genes_and_from_its_network() {
        let p = Parameters { initial_weight: 1.0, ..parameters() };
        let mut rng = Stream::new(5, Purpose::Birth, 0, 0);
        let mut genotype = Genotype::new(1, 30, &p, &mut rng).unwrap();
        let from_network = Network::new(&genotype).run_to_end(read);
        let reader = Reader::new(30);
        assert_eq!(reader.read(&genotype), Some(from_network));
        assert_eq!(Reader::new(29).read(&genotype), None);
        genotype.neurons_mut()[3].bias = 1.0;
        assert_eq!(reader.read(&genotype), None);
    }

    #[test]
    fn every_task_on_vectors_gives_the_same_score_from_genes_and_from_a_network() {
        let names = crate::task::TASKS.iter().map(|(name, _)| *name);
        let of = |name: &str| crate::task::named(name).unwrap();
        let on_vectors = names.filter(|name| {
            let task = of(name);
            let born = first(&task.parameters(), task.shape());
            let read = task.evaluate_vector(&born);
            let from_network = || task.evaluate(&Network::new(&born));
            let Some(score) = read else { return false };
            assert_eq!(score.work, born.cost(), "{name}");
            assert_eq!(Score { work: 0, ..score }, from_network(), "{name}");
            true
        });
        let expected =
            ["linear_projection", "arm", "zdt1", "zdt2", "zdt3", "zdt4", "zdt6", "dtlz2"];
        assert_eq!(on_vectors.collect::<Vec<_>>(), expected);
    }

    fn first(own: &Parameters, shape: Shape) -> Genotype {
        let p = Parameters { initial_weight: 0.4, ..own.clone() };
        let mut rng = Stream::new(3, Purpose::Birth, 0, 0);
        Genotype::new(shape.inputs, shape.outputs, &p, &mut rng).unwrap()
    }
}
