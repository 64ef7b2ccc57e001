//! From a CPPN's answers to a genotype.

use super::{Expression, Plan, Point, SubstrateError};
use crate::genotype::{Connection, Genotype, Node};
use crate::innovation::{self, BOTTOM, Layer, NodeId, TOP};
use crate::math::Activation;
use crate::network::Network;

/// A point, with noughts for the coordinates that it lacks.
pub type Place = [f32; 3];

pub fn place(point: &[f32]) -> Place {
    std::array::from_fn(|axis| point.get(axis).copied().unwrap_or(0.0))
}

/// A node and where it is.
pub struct Site {
    pub id: NodeId,
    pub layer: Layer,
    pub activation: Activation,
    pub place: Place,
}

impl Site {
    fn node(&self) -> Node {
        Node { id: self.id, layer: self.layer, activation: self.activation, bias: 0.0 }
    }
}

/// The network in which every pair is connected that may be, and where its nodes are.
#[derive(Clone, Debug)]
pub struct Wiring {
    full: Genotype,
    /// of each node
    places: Vec<Place>,
    /// which nodes each connection joins
    ends: Vec<(u32, u32)>,
}

/// Fixed point: of `count` layers, the inputs at the bottom and the outputs at the top.
pub fn fixed_point(layer: usize, count: usize) -> Layer {
    if layer + 1 == count { TOP } else { TOP / (count as u64 - 1) * layer as u64 }
}

impl Wiring {
    /// # Errors
    /// Ids that collide, and sizes that no genotype can have.
    pub fn new(
        plan: &Plan,
        mut sites: Vec<Site>,
        pairs: impl Iterator<Item = (NodeId, NodeId)>,
    ) -> Result<Wiring, SubstrateError> {
        sites.sort_unstable_by_key(|site| (site.layer, site.id));
        let nodes = sites.iter().map(Site::node).collect();
        let mut connections: Vec<_> = pairs.map(|(from, to)| Connection::new(from, to, 0.0)).collect();
        connections.sort_unstable_by_key(|c| c.id);
        let (inputs, outputs) = (plan.inputs.len() as u32, plan.outputs.len() as u32);
        let full = Genotype::from_genes(inputs, outputs, nodes, connections);
        let full = full.map_err(SubstrateError::Genotype)?;
        let index = full.index();
        let at = |id| index.position(id).expect("a genotype's connections end at its nodes") as u32;
        let ends = full.connections().iter().map(|c| (at(c.from), at(c.to))).collect();
        Ok(Wiring { places: sites.iter().map(|site| site.place).collect(), ends, full })
    }

    pub fn of_layers(plan: &Plan, joins: &[(u32, u32)]) -> Result<Wiring, SubstrateError> {
        let layers = plan.layers();
        let sites: Vec<Vec<Site>> =
            (0..layers.len()).map(|layer| sites(plan, layer, layers.len(), layers[layer])).collect();
        let pairs: Vec<(NodeId, NodeId)> = (joins.iter())
            .map(|&(from, to)| (&sites[from as usize], &sites[to as usize]))
            .flat_map(|(from, to)| from.iter().flat_map(move |a| to.iter().map(move |b| (a.id, b.id))))
            .collect();
        Wiring::new(plan, sites.into_iter().flatten().collect(), pairs.into_iter())
    }
}

/// One layer of `count`.
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

/// A CPPN that is asked.
pub struct Oracle<'a> {
    pub plan: &'a Plan,
    cppn: Network,
}

/// Pairs that are asked for at once: enough to be worth it, and few enough to stay near the processor.
const BATCH: usize = 1024;

impl Oracle<'_> {
    pub fn new<'a>(plan: &'a Plan, cppn: &Genotype) -> Oracle<'a> {
        Oracle { plan, cppn: Network::new(cppn) }
    }

    /// The CPPN's outputs for each pair of places, in a row.
    pub fn ask(&self, pairs: &[(Place, Place)]) -> Vec<f32> {
        let dimensions = self.plan.dimensions();
        let row = |(from, to): &(Place, Place)| {
            let squares = from.iter().zip(to).map(|(a, b)| (a - b) * (a - b));
            let distance = squares.sum::<f32>().sqrt();
            self.cppn.activate(&[&from[..dimensions], &to[..dimensions], &[distance, 1.0]].concat())
        };
        pairs.iter().flat_map(row).collect()
    }

    /// The weight of a connection, by what the CPPN answered; `None` where there is none.
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

    pub fn express(&self, wiring: &Wiring) -> Result<Genotype, SubstrateError> {
        let full = &wiring.full;
        let (nodes, connections) = (self.nodes(wiring), self.connections(wiring));
        Genotype::from_genes(full.inputs(), full.outputs(), nodes, connections)
            .map_err(SubstrateError::Genotype)
    }

    /// With their biases, which are asked for from the origin.
    fn nodes(&self, wiring: &Wiring) -> Vec<Node> {
        let mut nodes = wiring.full.nodes().to_vec();
        if self.plan.bias {
            let inputs = wiring.full.inputs() as usize;
            let pairs: Vec<_> =
                wiring.places[inputs..].iter().map(|&place| (Place::default(), place)).collect();
            let answers = self.ask(&pairs);
            for (node, answer) in nodes[inputs..].iter_mut().zip(answers.chunks(self.cppn.outputs())) {
                node.bias = answer[1].clamp(-1.0, 1.0) * self.plan.weight_range;
            }
        }
        nodes
    }

    fn connections(&self, wiring: &Wiring) -> Vec<Connection> {
        let mut connections = Vec::new();
        let place = |at: u32| wiring.places[at as usize];
        for (ends, full) in wiring.ends.chunks(BATCH).zip(wiring.full.connections().chunks(BATCH)) {
            let pairs: Vec<_> = ends.iter().map(|&(from, to)| (place(from), place(to))).collect();
            let answers = self.ask(&pairs);
            let answered = full.iter().zip(answers.chunks(self.cppn.outputs()));
            connections.extend(
                answered.filter_map(|(c, answer)| Some(Connection { weight: self.weight(answer)?, ..*c })),
            );
        }
        connections
    }
}
