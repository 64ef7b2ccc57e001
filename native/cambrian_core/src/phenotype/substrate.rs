//! Indirect encoding: a large network whose weights follow from the positions of its nodes.
//!
//! HyperNEAT (Stanley, D'Ambrosio & Gauci 2009, "A hypercube-based indirect encoding for evolving
//! large-scale neural networks"). A substrate has nodes at points in space. A small network, the
//! CPPN, computes the weight of the connection between each pair of nodes. The CPPN is a genotype
//! like any other, which evolves; [`Substrate::express`] makes the network that runs, as another
//! genotype.
//!
//! The inputs of a CPPN are the point of the source, the point of the target, their distance, and
//! 1.0. Its outputs are the weight and, if the substrate needs them, the bias of the target and
//! whether to connect at all.

mod quadtree;
mod wiring;

pub use quadtree::Quadtree;

use crate::base::cancel::{self, CancelToken, NeverCancelled};
use crate::base::math::Activation;
use crate::base::memory::{self, TooLarge};
use crate::genome::genotype::{Genotype, GenotypeError, MAX_NODES, Shape};
use crate::genome::parameters::Parameters;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;
use wiring::{CppnQuery, Wiring};

/// 1 to 3 coordinates, usually from −1 to 1.
pub type Point = Vec<f32>;

/// Coordinates lie within ± this.
pub const MAX_COORDINATE: f32 = 1.0e6;

/// The most pairs of nodes, because of their cost: with 9,150,625 pairs (all of 55 by 55 points to
/// all of 55 by 55) a network takes 1.5 s and 36 bytes per pair on a core of a Xeon, and the
/// substrate 17 bytes per pair: 53 in total.
pub const MAX_PAIRS: usize = 10_000_000;

/// The bytes per pair while a substrate is made, and while a network on it is made.
const IN_SUBSTRATE: usize = 53;
const IN_NETWORK: usize = 60;

/// The description of a substrate. [`Plan::new`] has the defaults, [`Substrate::new`] checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub inputs: Vec<Point>,
    pub hidden: Hidden,
    pub outputs: Vec<Point>,
    /// The activation of the hidden nodes.
    pub activation: Activation,
    pub output_activation: Activation,
    /// The weight and the bias for a CPPN's output 1.0; more than 0, at most 1000.
    pub weight_range: f32,
    pub expression: Expression,
    /// Whether the CPPN has an output for the bias of a node, computed for the pair of the origin
    /// and the node.
    pub bias: bool,
}

/// The positions of the hidden nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Hidden {
    /// On layers. The joins say which layer leads to which: 0 is the inputs, the last the outputs.
    /// The connections from a layer to itself or to a lower layer are recurrent.
    Placed { layers: Vec<Vec<Point>>, joins: Vec<(u32, u32)> },
    /// At positions where the weights of the CPPN vary.
    Found(Quadtree),
}

impl Hidden {
    /// Layers that each lead to the next.
    pub fn layers(layers: Vec<Vec<Point>>) -> Hidden {
        let joins = (0..=layers.len() as u32).map(|from| (from, from + 1)).collect();
        Hidden::Placed { layers, joins }
    }
}

/// The rule for which pairs of nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Expression {
    /// Pairs whose weight output is beyond ± this, from 0 to less than 1; the rest of the output is
    /// scaled to the range.
    Threshold(f32),
    /// Pairs for which a further output of the CPPN is more than 0: the link expression output
    /// (Verbancsics & Stanley 2011, "Constraining connectivity to encourage modularity in
    /// HyperNEAT").
    Leo,
}

impl Plan {
    /// Inputs that lead to outputs, with the paper's values: weights within ±3, no connection for
    /// an output within ±0.2.
    pub fn new(inputs: Vec<Point>, outputs: Vec<Point>) -> Plan {
        Plan {
            inputs,
            hidden: Hidden::layers(Vec::new()),
            outputs,
            activation: Activation::Tanh,
            output_activation: Activation::Sigmoid,
            weight_range: 3.0,
            expression: Expression::Threshold(0.2),
            bias: false,
        }
    }
}

/// The centres of the cells of a regular grid from −1 to 1. The first coordinate changes slowest.
///
/// Grids of different sizes cover the same space. That is why a CPPN can be expressed at another
/// resolution.
///
/// # Errors
/// [`SubstrateError::Grid`] unless there are 1 to 3 sizes, and 1 to [`MAX_NODES`] cells.
pub fn grid(sizes: &[u32]) -> Result<Vec<Point>, SubstrateError> {
    let cells = sizes.iter().fold(1u64, |cells, &size| cells.saturating_mul(u64::from(size)));
    if !(1..=3).contains(&sizes.len()) || !(1..=MAX_NODES as u64).contains(&cells) {
        return Err(SubstrateError::Grid);
    }
    let add_axis = |points: Vec<Point>, &size: &u32| {
        // an odd integer over the size: the grid is symmetric to the last bit
        let centre = |i: u32| (2.0 * i as f32 + 1.0 - size as f32) / size as f32;
        let extend = |point: Point| (0..size).map(move |i| [&point[..], &[centre(i)]].concat());
        points.into_iter().flat_map(extend).collect()
    };
    Ok(sizes.iter().fold(vec![Vec::new()], add_axis))
}

/// Why a plan is not a substrate, or a genotype is not a CPPN of a substrate.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum SubstrateError {
    #[error("grid: expected 1 to 3 sizes, for 1 to {MAX_NODES} points in all")]
    Grid,
    #[error("{name}: expected {expected}")]
    Setting { name: &'static str, expected: &'static str },
    #[error("layer {0} is empty; expected one or more points")]
    EmptyLayer(usize),
    #[error(
        "point {index} of layer {layer}: expected as many coordinates as the first, which has \
         {dimensions} of 1 to 3, each within ±{MAX_COORDINATE}"
    )]
    Point { layer: usize, index: usize, dimensions: usize },
    #[error(
        "layer {from} to {to}: expected each pair of layers once, from 0 (the inputs) to the last \
         (the outputs), none leading to the inputs"
    )]
    Join { from: u32, to: u32 },
    #[error("points with {0} coordinates; a quadtree needs 2")]
    Dimensions(usize),
    #[error(
        "a CPPN of {} inputs and {} outputs; expected {} and {}",
        got.inputs, got.outputs, expected.inputs, expected.outputs
    )]
    Cppn { expected: Shape, got: Shape },
    #[error(
        "{nodes} nodes and {pairs} pairs of them to ask the CPPN for; expected at most {MAX_NODES} \
         and {MAX_PAIRS}, as each pair takes some 200 ns and 53 bytes"
    )]
    TooLarge { nodes: usize, pairs: usize },
    #[error(transparent)]
    Genotype(GenotypeError),
    #[error("a smaller one was expected: {0}")]
    Memory(#[from] TooLarge),
    /// The token cancelled it.
    #[error("{}", cancel::Cancelled)]
    Cancelled,
}

impl From<cancel::Cancelled> for SubstrateError {
    fn from(_: cancel::Cancelled) -> SubstrateError {
        SubstrateError::Cancelled
    }
}

impl Plan {
    fn dimensions(&self) -> usize {
        self.inputs.first().map_or(0, Vec::len)
    }

    /// The layers from the inputs to the outputs; without the hidden ones if these are found.
    fn layers(&self) -> Vec<&[Point]> {
        let placed = match &self.hidden {
            Hidden::Placed { layers, .. } => &layers[..],
            Hidden::Found(_) => &[],
        };
        let hidden = placed.iter().map(Vec::as_slice);
        std::iter::once(&self.inputs[..]).chain(hidden).chain([&self.outputs[..]]).collect()
    }

    fn check(&self) -> Result<(), SubstrateError> {
        self.check_settings()?;
        self.check_points()?;
        match &self.hidden {
            Hidden::Placed { joins, .. } => self.check_joins(joins)?,
            Hidden::Found(_) if self.dimensions() != 2 => {
                return Err(SubstrateError::Dimensions(self.dimensions()));
            }
            Hidden::Found(quadtree) => quadtree.check()?,
        }
        let (nodes, connections) = self.size();
        if nodes > MAX_NODES || connections > MAX_PAIRS {
            return Err(SubstrateError::TooLarge { nodes, pairs: connections });
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<(), SubstrateError> {
        if !(self.weight_range > 0.0 && self.weight_range <= 1000.0) {
            let expected = "a number above 0, up to 1000";
            return Err(SubstrateError::Setting { name: "weight_range", expected });
        }
        match self.expression {
            Expression::Threshold(threshold) if !(0.0..1.0).contains(&threshold) => {
                let expected = "a number from 0 to less than 1";
                Err(SubstrateError::Setting { name: "threshold", expected })
            }
            _ => Ok(()),
        }
    }

    fn check_points(&self) -> Result<(), SubstrateError> {
        let dimensions = self.dimensions();
        let sound = |point: &Point| {
            (1..=3).contains(&dimensions)
                && point.len() == dimensions
                && point.iter().all(|x| x.abs() <= MAX_COORDINATE)
        };
        for (layer, points) in self.layers().into_iter().enumerate() {
            if points.is_empty() {
                return Err(SubstrateError::EmptyLayer(layer));
            }
            if let Some(index) = points.iter().position(|point| !sound(point)) {
                return Err(SubstrateError::Point { layer, index, dimensions });
            }
        }
        Ok(())
    }

    fn check_joins(&self, joins: &[(u32, u32)]) -> Result<(), SubstrateError> {
        let layers = self.layers().len() as u32;
        let mut known = BTreeSet::new();
        let mut is_sound = |&(from, to): &(u32, u32)| {
            from < layers && (1..layers).contains(&to) && known.insert((from, to))
        };
        match joins.iter().find(|join| !is_sound(join)) {
            Some(&(from, to)) => Err(SubstrateError::Join { from, to }),
            None => Ok(()),
        }
    }

    /// The most nodes and connections that a network can have.
    fn size(&self) -> (usize, usize) {
        let layers = self.layers();
        let placed = layers.iter().fold(0, |nodes: usize, layer| nodes.saturating_add(layer.len()));
        match &self.hidden {
            Hidden::Placed { joins, .. } => {
                let count = |layer: u32| layers[layer as usize].len();
                let pairs = joins.iter().map(|&(from, to)| count(from).saturating_mul(count(to)));
                (placed, pairs.fold(0, usize::saturating_add))
            }
            Hidden::Found(quadtree) => {
                let sources = placed.saturating_add(quadtree.places());
                (sources, sources.saturating_mul(quadtree.leaves()))
            }
        }
    }
}

/// A valid plan: every CPPN of its shape can be expressed on it.
#[derive(Clone, Debug)]
pub struct Substrate {
    plan: Plan,
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Layout {
    Fixed(Wiring),
    Found(Quadtree),
}

impl Substrate {
    /// # Errors
    /// [`SubstrateError`]. [`SubstrateError::TooLarge`] counts all pairs that may be connected,
    /// before anything of that size is allocated.
    pub fn new(plan: Plan) -> Result<Substrate, SubstrateError> {
        plan.check()?;
        memory::check(memory::product(&[plan.size().1, IN_SUBSTRATE]))?;
        let layout = match &plan.hidden {
            Hidden::Placed { joins, .. } => Layout::Fixed(Wiring::of_layers(&plan, joins)?),
            Hidden::Found(quadtree) => Layout::Found(quadtree.clone()),
        };
        Ok(Substrate { plan, layout })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The number of coordinates of a point.
    pub fn dimensions(&self) -> usize {
        self.plan.dimensions()
    }

    /// The most connections of a network: the work of expressing a network.
    pub fn pairs(&self) -> usize {
        self.plan.size().1
    }

    /// The shape of the networks.
    pub fn shape(&self) -> Shape {
        Shape { inputs: self.plan.inputs.len() as u32, outputs: self.plan.outputs.len() as u32 }
    }

    /// The shape of the CPPNs.
    pub fn cppn_shape(&self) -> Shape {
        let leo = self.plan.expression == Expression::Leo;
        Shape {
            inputs: 2 * self.dimensions() as u32 + 2,
            outputs: 1 + u32::from(self.plan.bias) + u32::from(leo),
        }
    }

    /// The network that a CPPN describes, as a genotype.
    ///
    /// # Errors
    /// [`SubstrateError::Cppn`] for a genotype with another shape than [`Substrate::cppn_shape`];
    /// and, with found nodes, two ids that collide.
    pub fn express(&self, cppn: &Genotype) -> Result<Genotype, SubstrateError> {
        self.express_until_cancelled(cppn, &NeverCancelled)
    }

    /// Does the same until the token cancels it: a large CPPN with ten million pairs takes hours.
    ///
    /// # Errors
    /// Those of [`Substrate::express`], and [`SubstrateError::Cancelled`].
    pub fn express_until_cancelled(
        &self,
        cppn: &Genotype,
        token: &dyn CancelToken,
    ) -> Result<Genotype, SubstrateError> {
        let (expected, got) =
            (self.cppn_shape(), Shape { inputs: cppn.inputs(), outputs: cppn.outputs() });
        if got != expected {
            return Err(SubstrateError::Cppn { expected, got });
        }
        memory::check(memory::product(&[self.pairs(), IN_NETWORK]))?;
        let query = CppnQuery::new(&self.plan, cppn, token);
        match &self.layout {
            Layout::Fixed(wiring) => Ok(query.express(wiring)?),
            Layout::Found(quadtree) => Ok(query.express(&quadtree.wiring(&query)?)?),
        }
    }
}

/// A task's parameters, adapted to CPPNs: weights of both signs, functions that repeat, mirror and
/// fade, and no recurrence, because a CPPN runs a single step.
pub fn cppn_parameters(task: Parameters) -> Parameters {
    use Activation::{Gaussian, Identity, Sigmoid, Sin, Tanh};
    Parameters {
        output_activation: Tanh,
        activation: Gaussian,
        activations: vec![Identity, Sin, Gaussian, Sigmoid, Tanh],
        change_activation: 0.1,
        add_recurrent: 0.0,
        ..task
    }
}
