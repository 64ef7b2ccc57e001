//! Networks with one hidden layer, as other libraries of quality diversity have them from the
//! start: every input leads to every hidden node, and every hidden node to every output.

use cambrian_core::base::math::Activation;
use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::{Connection, Genotype, Node, Shape};
use cambrian_core::genome::innovation::{BOTTOM, NodeId, TOP, imported, input, output};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::search::population::Population;
use std::sync::Arc;

/// A first generation. Hidden nodes are ReLU.
pub fn population(p: Parameters, shape: Shape, hidden: u32, seed: u64) -> Population {
    let create = |index: u32| {
        let mut rng = Stream::new(seed, Purpose::Birth, 0, u64::from(index));
        Arc::new(genotype(shape, hidden, p.output_activation, &mut rng))
    };
    let genotypes = (0..p.population).map(create).collect();
    Population::with_genotypes(p, shape, seed, genotypes)
}

fn genotype(shape: Shape, hidden: u32, last: Activation, rng: &mut Stream) -> Genotype {
    let middle = |at: u32| imported(TOP / 2, u64::from(at));
    let inputs: Vec<NodeId> = (0..shape.inputs).map(input).collect();
    let middles: Vec<NodeId> = (0..hidden).map(middle).collect();
    let outputs: Vec<NodeId> = (0..shape.outputs).map(output).collect();
    let mut links = Vec::new();
    for (sources, targets) in [(&inputs, &middles), (&middles, &outputs)] {
        // LeCun 1998: uniform, with a variance of 1 / sources
        let limit = (3.0 / sources.len() as f32).sqrt();
        let mut link = |from, to| Connection::new(from, to, limit * (2.0 * rng.unit() - 1.0));
        for &from in sources {
            links.extend(targets.iter().map(|&to| link(from, to)));
        }
    }
    links.sort_unstable_by_key(|link| link.id);
    let node = |layer, neuron| move |&id: &NodeId| Node { id, layer, neuron };
    let mut nodes: Vec<Node> = inputs
        .iter()
        .map(node(BOTTOM, Neuron::INPUT))
        .chain(middles.iter().map(node(TOP / 2, Neuron::new(Activation::Relu))))
        .chain(outputs.iter().map(node(TOP, Neuron::new(last))))
        .collect();
    nodes.sort_unstable_by_key(|node| (node.layer, node.id));
    Genotype::from_genes(shape.inputs, shape.outputs, nodes, links).expect("genes in order")
}
