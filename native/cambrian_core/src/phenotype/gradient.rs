//! The gradient of a loss by the weights and biases of a network: reverse mode (Linnainmaa 1970;
//! Rumelhart, Hinton & Williams 1986) through one step from rest.
//!
//! Samples run side by side, and each sum is in a written order, so the bits are the same for any
//! width of vectors. A network at rest remembers 0, so recurrent connections carry 0 and get no
//! gradient, and a delay answers 0. Gains, time constants and rates are not differentiated.

use crate::base::cancel::{CancelToken, Cancelled, WorkMeter};
use crate::base::math::{Aggregation, LIMIT, sigmoid};
use crate::genome::dynamics::{Cell, Dynamics, SOLVER_STEPS};
use crate::genome::genotype::Genotype;
use crate::genome::innovation;

/// Samples that run side by side.
pub const LANES: usize = 16;

type Lanes = [f32; LANES];

/// Rows that a network should learn, whose mean loss is to fall.
pub trait Differentiable: Sync {
    fn rows(&self) -> usize;

    fn inputs(&self, row: usize) -> &[f32];

    /// The loss of a row for these outputs. Writes its derivative by each output.
    fn loss(&self, row: usize, outputs: &[f32], slopes: &mut [f32]) -> f64;
}

/// A genotype's network, to be run backwards. A point is its weights: those of enabled connections
/// in their order, then the biases of all nodes except inputs, if they count.
pub struct Reverse {
    units: Vec<Unit>,
    links: Vec<Link>,
    /// Positions in the row: of each input in their order, and of each output.
    inputs: usize,
    outputs: Vec<u32>,
    weights: usize,
    with_biases: bool,
}

/// A node that is not an input. Its links are those up to `end`.
struct Unit {
    end: usize,
    aggregation: Aggregation,
    cell: Cell,
    gain: f32,
    bias: f32,
}

#[derive(Clone, Copy)]
struct Link {
    /// In the row: the inputs, a zero for whatever comes of the last step, then the units.
    source: u32,
    weight: u32,
}

/// What one block of samples leaves behind: values, net inputs, and derivatives by values.
struct Pass {
    row: Vec<Lanes>,
    nets: Vec<Lanes>,
    slopes: Vec<Lanes>,
}

impl Reverse {
    pub fn new(genotype: &Genotype, with_biases: bool) -> Reverse {
        let (topology, inputs) = (&*genotype.topology, genotype.inputs() as usize);
        let index = topology.index();
        let mut place = vec![0u32; topology.places.len()];
        for input in 0..topology.inputs {
            let at = index.position(innovation::input(input)).expect("an input has its place");
            place[at as usize] = input;
        }
        (inputs..place.len()).for_each(|node| place[node] = node as u32 + 1);
        let mut incoming: Vec<Vec<Link>> = vec![Vec::new(); place.len() - inputs];
        let mut weights = 0;
        for (ends, enabled) in topology.ends.iter().zip(&genotype.enabled) {
            if *enabled {
                let recurrent = topology.is_recurrent(*ends);
                let source = if recurrent { inputs as u32 } else { place[ends.from as usize] };
                incoming[ends.to as usize - inputs].push(Link { source, weight: weights });
                weights += 1;
            }
        }
        let mut end = 0;
        let unit = |(neuron, links): (&crate::genome::neuron::Neuron, &Vec<Link>)| {
            end += links.len();
            let cell = Cell::new(neuron.activation, neuron.dynamics, neuron.time_constant);
            let aggregation = neuron.aggregation;
            Unit { end, aggregation, cell, gain: neuron.gain, bias: neuron.bias }
        };
        let units = genotype.neurons.iter().zip(&incoming).map(unit).collect();
        let output =
            |at: u32| index.position(innovation::output(at)).expect("an output has its place") + 1;
        Reverse {
            units,
            links: incoming.into_iter().flatten().collect(),
            inputs,
            outputs: (0..topology.outputs).map(output).collect(),
            weights: weights as usize,
            with_biases,
        }
    }

    /// How many numbers a point has.
    pub fn len(&self) -> usize {
        self.weights + if self.with_biases { self.units.len() } else { 0 }
    }

    /// How many of them, the first, are weights of connections.
    pub fn weights(&self) -> usize {
        self.weights
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean loss of these rows at a point, and its gradient.
    ///
    /// # Errors
    /// [`Cancelled`] by the token, which is asked between blocks of samples.
    pub fn gradient(
        &self,
        point: &[f32],
        data: &dyn Differentiable,
        rows: &[usize],
        token: &dyn CancelToken,
    ) -> Result<(f64, Vec<f32>), Cancelled> {
        let meter = WorkMeter::new(token);
        let work = LANES as u64 * 3 * (self.links.len() + self.units.len()) as u64;
        let mut sums = vec![[0.0; LANES]; self.len()];
        let blank = || vec![[0.0; LANES]; self.inputs + 1 + self.units.len()];
        let mut pass =
            Pass { row: blank(), nets: vec![[0.0; LANES]; self.units.len()], slopes: blank() };
        let mut loss = 0.0;
        for rows in rows.chunks(LANES) {
            meter.spend(work)?;
            self.forward(point, data, rows, &mut pass);
            loss += self.begin(data, rows, &mut pass);
            self.backward(point, &mut pass, &mut sums);
        }
        let count = rows.len() as f64;
        let mean = |lanes: &Lanes| {
            (lanes.iter().fold(0.0, |sum, lane| sum + f64::from(*lane)) / count) as f32
        };
        Ok((loss / count, sums.iter().map(mean).collect()))
    }

    fn bias(&self, unit: usize, point: &[f32]) -> f32 {
        if self.with_biases { point[self.weights + unit] } else { self.units[unit].bias }
    }

    fn links(&self, unit: usize) -> &[Link] {
        let begin = unit.checked_sub(1).map_or(0, |before| self.units[before].end);
        &self.links[begin..self.units[unit].end]
    }

    fn forward(&self, point: &[f32], data: &dyn Differentiable, rows: &[usize], pass: &mut Pass) {
        for (lane, row) in rows.iter().enumerate() {
            let inputs = data.inputs(*row);
            inputs.iter().zip(&mut pass.row).for_each(|(x, lanes)| lanes[lane] = *x);
        }
        for (at, unit) in self.units.iter().enumerate() {
            let (links, bias) = (self.links(at), self.bias(at, point));
            let mut net = match unit.aggregation {
                Aggregation::Sum => weighted_sums(links, point, &pass.row),
                other => std::array::from_fn(|lane| {
                    other.apply(&weighted(links, point, &pass.row, lane))
                }),
            };
            net.iter_mut().for_each(|net| *net = *net * unit.gain + bias);
            pass.nets[at] = net;
            pass.row[self.inputs + 1 + at] = net.map(|net| unit.value(net));
        }
    }

    /// The losses of these rows, and their derivatives by the outputs.
    fn begin(&self, data: &dyn Differentiable, rows: &[usize], pass: &mut Pass) -> f64 {
        pass.slopes.fill([0.0; LANES]);
        let mut outputs = vec![0.0; self.outputs.len()];
        let mut slopes = outputs.clone();
        let mut sum = 0.0;
        for (lane, row) in rows.iter().enumerate() {
            let places = self.outputs.iter().map(|at| *at as usize);
            outputs.iter_mut().zip(places.clone()).for_each(|(y, at)| *y = pass.row[at][lane]);
            sum += data.loss(*row, &outputs, &mut slopes);
            slopes.iter().zip(places).for_each(|(slope, at)| pass.slopes[at][lane] = *slope);
        }
        sum
    }

    fn backward(&self, point: &[f32], pass: &mut Pass, sums: &mut [Lanes]) {
        for (at, unit) in self.units.iter().enumerate().rev() {
            let (place, links) = (self.inputs + 1 + at, self.links(at));
            let mut slope = pass.slopes[place];
            for (slope, net) in slope.iter_mut().zip(pass.nets[at]) {
                *slope *= unit.slope(net);
            }
            if self.with_biases {
                add(&mut sums[self.weights + at], &slope);
            }
            slope.iter_mut().for_each(|slope| *slope *= unit.gain);
            match unit.aggregation {
                Aggregation::Sum => self.through_sum(links, point, &slope, pass, sums),
                other => self.through(other, links, point, &slope, pass, sums),
            }
        }
    }

    fn through_sum(
        &self,
        links: &[Link],
        point: &[f32],
        slope: &Lanes,
        pass: &mut Pass,
        sums: &mut [Lanes],
    ) {
        for link in links {
            let (source, weight) = (link.source as usize, link.weight as usize);
            let (value, sum) = (&pass.row[source], &mut sums[weight]);
            (0..LANES).for_each(|lane| sum[lane] += slope[lane] * value[lane]);
            if source > self.inputs {
                let (weight, back) = (point[weight], &mut pass.slopes[source]);
                (0..LANES).for_each(|lane| back[lane] += slope[lane] * weight);
            }
        }
    }

    fn through(
        &self,
        aggregation: Aggregation,
        links: &[Link],
        point: &[f32],
        slope: &Lanes,
        pass: &mut Pass,
        sums: &mut [Lanes],
    ) {
        let mut shares = vec![0.0; links.len()];
        for lane in 0..LANES {
            aggregation.slopes(&weighted(links, point, &pass.row, lane), &mut shares);
            for (link, share) in links.iter().zip(&shares) {
                let (source, weight) = (link.source as usize, link.weight as usize);
                sums[weight][lane] += slope[lane] * share * pass.row[source][lane];
                pass.slopes[source][lane] += slope[lane] * share * point[weight];
            }
        }
    }
}

impl Unit {
    /// The output of the first step from rest.
    fn value(&self, net: f32) -> f32 {
        match self.cell.dynamics {
            Dynamics::None => self.cell.activation.apply(net),
            Dynamics::Delay => 0.0,
            _ => self.cell.tick(net, &mut [0.0]),
        }
    }

    /// Its derivative by the net input.
    fn slope(&self, net: f32) -> f32 {
        let Cell { activation, dynamics, time_constant, leak } = self.cell;
        match dynamics {
            Dynamics::None => activation.slope(net),
            Dynamics::Delay => 0.0,
            Dynamics::Leaky if (leak * net).abs() > LIMIT => 0.0,
            Dynamics::Leaky => activation.slope(leak * net) * leak,
            Dynamics::Cfc => {
                let keep = sigmoid(-net / time_constant);
                let of_gate = keep * (1.0 - keep) / time_constant;
                (1.0 - keep) * activation.slope(net) + of_gate * activation.apply(net)
            }
            Dynamics::Ltc => {
                ltc_slope(activation.apply(net), time_constant) * activation.slope(net)
            }
        }
    }
}

/// The derivative of a liquid neuron's first output by its drive, through the steps of its solver.
fn ltc_slope(drive: f32, time_constant: f32) -> f32 {
    let step = 1.0 / SOLVER_STEPS as f32;
    let below = 1.0 + step * (1.0 / time_constant + drive.abs());
    let of_below = if drive == 0.0 { 0.0 } else { step * drive.signum() };
    let (mut x, mut slope) = (0.0, 0.0);
    for _ in 0..SOLVER_STEPS {
        let above = x + step * drive;
        slope = ((slope + step) * below - above * of_below) / (below * below);
        x = above / below;
    }
    slope
}

fn add(sum: &mut Lanes, slope: &Lanes) {
    (0..LANES).for_each(|lane| sum[lane] += slope[lane]);
}

fn weighted_sums(links: &[Link], point: &[f32], row: &[Lanes]) -> Lanes {
    let mut sums = [0.0; LANES];
    for link in links {
        let (value, weight) = (&row[link.source as usize], point[link.weight as usize]);
        (0..LANES).for_each(|lane| sums[lane] += value[lane] * weight);
    }
    sums
}

fn weighted(links: &[Link], point: &[f32], row: &[Lanes], lane: usize) -> Vec<f32> {
    links.iter().map(|link| row[link.source as usize][lane] * point[link.weight as usize]).collect()
}
