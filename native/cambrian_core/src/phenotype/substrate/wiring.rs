//! Makes a genotype from the outputs of a CPPN.

use super::{Expression, Plan, Point, SubstrateError};
use crate::base::cancel::{CancelToken, Cancelled, WorkMeter};
use crate::base::math::Activation;
use crate::genome::genotype::{Genotype, GenotypeError};
use crate::genome::innovation::{self, BOTTOM, Layer, NodeId, TOP};
use crate::genome::neuron::Neuron;
use crate::genome::topology::{self, Ends, NodeIndex, Topology};
use crate::phenotype::network::Network;

/// A point, with 0 for missing coordinates.
pub type Place = [f32; 3];

pub fn place(point: &[f32]) -> Place {
    std::array::from_fn(|axis| point.get(axis).copied().unwrap_or(0.0))
}

/// A node and its position.
pub struct Site {
    pub id: NodeId,
    pub layer: Layer,
    pub activation: Activation,
    pub place: Place,
}

/// The network with all allowed connections, and the positions of its nodes.
#[derive(Clone, Debug)]
pub struct Wiring {
    full: Genotype,
    /// of each node
    places: Vec<Place>,
}

/// The fixed-point layer of one of `count` layers: inputs at the bottom, outputs at the top.
pub fn fixed_point(layer: usize, count: usize) -> Layer {
    if layer + 1 == count { TOP } else { TOP / (count as u64 - 1) * layer as u64 }
}

impl Wiring {
    /// # Errors
    /// Ids that collide.
    pub fn new(
        plan: &Plan,
        mut sites: Vec<Site>,
        pairs: impl Iterator<Item = (NodeId, NodeId)>,
    ) -> Result<Wiring, SubstrateError> {
        sites.sort_unstable_by_key(|site| (site.layer, site.id));
        let index = NodeIndex::new(sites.iter().map(|site| site.id));
        let at =
            |id| index.position(id).ok_or(SubstrateError::Genotype(GenotypeError::MissingEnd(id)));
        let joined = |(from, to)| {
            Ok((innovation::connection(from, to), Ends { from: at(from)?, to: at(to)? }))
        };
        let mut connections = pairs.map(joined).collect::<Result<Vec<_>, SubstrateError>>()?;
        connections.sort_unstable_by_key(|(id, _)| *id);
        let ends: Vec<Ends> = connections.into_iter().map(|(_, ends)| ends).collect();
        let (inputs, outputs, count) = (plan.inputs.len(), plan.outputs.len(), ends.len());
        let places =
            sites.iter().map(|site| topology::Place { layer: site.layer, id: site.id }).collect();
        let topology = Topology::new(inputs as u32, outputs as u32, places, ends);
        let neurons = sites[inputs..].iter().map(|site| Neuron::new(site.activation)).collect();
        let full = Genotype::of_any_size(topology, neurons, vec![0.0; count], vec![true; count]);
        let full = full.map_err(SubstrateError::Genotype)?;
        Ok(Wiring { places: sites.iter().map(|site| site.place).collect(), full })
    }

    pub fn of_layers(plan: &Plan, joins: &[(u32, u32)]) -> Result<Wiring, SubstrateError> {
        let layers = plan.layers();
        let sites: Vec<Vec<Site>> = (0..layers.len())
            .map(|layer| sites(plan, layer, layers.len(), layers[layer]))
            .collect();
        let ids: Vec<Vec<NodeId>> =
            sites.iter().map(|layer| layer.iter().map(|site| site.id).collect()).collect();
        let pairs = (joins.iter())
            .map(|&(from, to)| (&ids[from as usize], &ids[to as usize]))
            .flat_map(|(from, to)| from.iter().flat_map(move |a| to.iter().map(move |b| (*a, *b))));
        Wiring::new(plan, sites.into_iter().flatten().collect(), pairs)
    }
}

/// The nodes of one layer out of `count`, with their positions.
pub fn sites(plan: &Plan, layer: usize, count: usize, points: &[Point]) -> Vec<Site> {
    let fixed = fixed_point(layer, count);
    let site = |(point, index): (&Point, u32)| {
        let (id, activation) = match fixed {
            BOTTOM => (innovation::input(index), Activation::Identity),
            TOP => (innovation::output(index), plan.output_activation),
            _ => (innovation::substrate(fixed, u64::from(index)), plan.activation),
        };
        Site { id, layer: fixed, activation, place: place(point) }
    };
    points.iter().zip(0..).map(site).collect()
}

/// Asks a CPPN for the weights of a plan.
pub struct CppnQuery<'a> {
    pub plan: &'a Plan,
    cppn: Network,
    meter: WorkMeter<'a>,
}

/// How many pairs are computed at once: enough to fill vectors, and few enough for the processor's
/// cache.
const BATCH: usize = 1024;

/// The work per pair besides the CPPN, in units of work.
const PAIR: u64 = 50;

impl CppnQuery<'_> {
    pub fn new<'a>(plan: &'a Plan, cppn: &Genotype, token: &'a dyn CancelToken) -> CppnQuery<'a> {
        CppnQuery { plan, cppn: Network::new(cppn), meter: WorkMeter::new(token) }
    }

    /// The CPPN's outputs for each pair of places, in one row.
    pub fn ask(&self, pairs: &[(Place, Place)]) -> Result<Vec<f32>, Cancelled> {
        let dimensions = self.plan.dimensions();
        let row = |(from, to): &(Place, Place)| {
            let squares = from.iter().zip(to).map(|(a, b)| (a - b) * (a - b));
            let distance = squares.sum::<f32>().sqrt();
            [&from[..dimensions], &to[..dimensions], &[distance, 1.0]].concat()
        };
        self.meter.spend(PAIR * pairs.len() as u64)?;
        self.cppn.batch(&pairs.iter().flat_map(row).collect::<Vec<f32>>(), &self.meter)
    }

    /// The weight of a connection, from the CPPN's outputs; `None` if there is no connection.
    pub fn weight(&self, answer: &[f32]) -> Option<f32> {
        let (weight, range) = (answer[0].clamp(-1.0, 1.0), self.plan.weight_range);
        match self.plan.expression {
            Expression::Threshold(threshold) => {
                let beyond = (weight.abs() - threshold) / (1.0 - threshold);
                (beyond > 0.0).then(|| (beyond * range).copysign(weight))
            }
            Expression::Leo => (answer[answer.len() - 1] > 0.0).then_some(weight * range),
        }
    }

    pub fn express(&self, wiring: &Wiring) -> Result<Genotype, Cancelled> {
        let weights = self.weights(wiring)?;
        let kept: Vec<bool> = weights.iter().map(Option::is_some).collect();
        let mut genotype = wiring.full.clone();
        genotype.weights = weights.into_iter().map(Option::unwrap_or_default).collect();
        genotype.keep(&kept);
        if self.plan.bias {
            let biases = self.biases(wiring)?;
            let neurons = genotype.neurons_mut().iter_mut();
            neurons.zip(biases).for_each(|(neuron, bias)| neuron.bias = bias);
        }
        Ok(genotype)
    }

    /// The biases, which the CPPN computes for pairs of the origin and a node.
    fn biases(&self, wiring: &Wiring) -> Result<Vec<f32>, Cancelled> {
        let computed = &wiring.places[wiring.full.inputs() as usize..];
        let pairs: Vec<_> = computed.iter().map(|&place| (Place::default(), place)).collect();
        let answers = self.ask(&pairs)?;
        let bias = |answer: &[f32]| answer[1].clamp(-1.0, 1.0) * self.plan.weight_range;
        Ok(answers.chunks(self.cppn.outputs()).map(bias).collect())
    }

    fn weights(&self, wiring: &Wiring) -> Result<Vec<Option<f32>>, Cancelled> {
        let place = |at: u32| wiring.places[at as usize];
        let ends = &wiring.full.topology.ends;
        let mut weights = Vec::with_capacity(ends.len());
        for ends in ends.chunks(BATCH) {
            let pairs: Vec<_> =
                ends.iter().map(|ends| (place(ends.from), place(ends.to))).collect();
            let answers = self.ask(&pairs)?;
            weights.extend(answers.chunks(self.cppn.outputs()).map(|answer| self.weight(answer)));
        }
        Ok(weights)
    }
}
