//! Exports a model in ONNX, the Open Neural Network Exchange format, for any ONNX runtime.
//!
//! Inputs and outputs are 32-bit floats with a first dimension for any number of samples. The model
//! computes `outputs` from `inputs`; if the network has a memory, it also computes `next_state`
//! from `state`, which is zero at rest. If the network learns from a reward, the reward is the last
//! number of the state. The operators belong to opset 17, without loops; every gene has its
//! operators, plasticity too.
//!
//! The numbers of a runtime differ from [`Network`](crate::phenotype::network::Network) by the
//! order of its sums and by its own exp, tanh and so on: by some 1e-6 for values about 1. If a
//! network has a step, a sign, the largest of several values, or a feedback that amplifies, a last
//! bit can decide, and the difference can be larger.

mod graph;
mod proto;

use super::plan::{Plan, Special, Unit};
use crate::base::math::elementary::FARTHEST;
use crate::base::math::{Activation, Aggregation, LIMIT, MAX_WEIGHT};
use crate::genome::dynamics::{Dynamics, SOLVER_STEPS};
use crate::genome::plasticity::Plasticity;
use crate::phenotype::normalisation::{CUT, Normalisation};
use graph::{Graph, Setting, Value};
use std::collections::BTreeMap;

/// The bytes of a model file.
pub fn write(plan: &Plan) -> Vec<u8> {
    let mut writer = Writer::new(plan);
    let mut at = 0;
    while at < plan.units.len() {
        let count = side_by_side(plan, at);
        let units = &plan.units[at..at + count];
        match &units[0].special {
            Some(special) => writer.special(&units[0], special),
            None => writer.plain(units),
        }
        at += count;
    }
    writer.finish()
}

/// The limit for the numbers of a matrix: so many per connection, and so many more.
const DENSITY: usize = 8;
const SMALL: usize = 4096;

/// How many units from `at` on form one matrix: of one kind, independent of each other, and with
/// few zeros in the matrix.
fn side_by_side(plan: &Plan, at: usize) -> usize {
    let first = &plan.units[at];
    let (mut sources, mut links) = (BTreeMap::new(), 0);
    let fits = |(nth, unit): &(usize, &Unit)| {
        let alike = unit.special.is_none()
            && first.special.is_none()
            && unit.activation == first.activation;
        let waits = unit.links.iter().any(|link| link.source as usize >= plan.first() + at);
        links += unit.links.len();
        sources.extend(unit.links.iter().map(|link| (link.source, ())));
        let sparse = sources.len() * (nth + 1) > DENSITY * links + SMALL;
        *nth == 0 || alike && !waits && !sparse
    };
    plan.units[at..].iter().enumerate().take_while(fits).count()
}

fn normalised(graph: &mut Graph, inputs: &Value, normalisation: &Normalisation) -> Value {
    let means = graph.numbers(normalisation.means());
    let factors = graph.numbers(normalisation.factors());
    graph.about = "inputs of mean 0 and standard deviation 1".to_string();
    let moved = graph.apply("Sub", &[inputs, &means]);
    let scaled = graph.apply("Mul", &[&moved, &factors]);
    graph.within(&scaled, CUT)
}

struct Writer<'a> {
    plan: &'a Plan,
    graph: Graph,
    state: Option<Value>,
    /// The inputs, the memory and the units up to a unit, side by side, and their count.
    row: Value,
    length: usize,
    /// Computed units that are not in the row yet.
    pending: Vec<Value>,
    computed: usize,
    /// The next states of special units.
    states: Vec<Value>,
}

impl<'a> Writer<'a> {
    fn new(plan: &'a Plan) -> Writer<'a> {
        let mut graph = Graph::default();
        let given = graph.input("inputs", plan.inputs, "within ±1e12");
        let inputs = match &plan.normalisation {
            Some(normalisation) => normalised(&mut graph, &given, normalisation),
            None => given,
        };
        let about = if plan.reward.is_some() {
            "0 at rest; the last number is the reward"
        } else {
            "0 at rest"
        };
        let state = (plan.memory > 0).then(|| graph.input("state", plan.memory, about));
        let row = match &state {
            Some(state) => graph.join(&[&inputs, state]),
            None => inputs,
        };
        let length = plan.first();
        Writer {
            plan,
            graph,
            state,
            row,
            length,
            pending: Vec::new(),
            computed: 0,
            states: Vec::new(),
        }
    }

    /// Columns of the row. The row includes pending units only when they are needed.
    fn columns(&mut self, places: &[u32]) -> Value {
        if places.iter().any(|place| *place as usize >= self.length) {
            let parts: Vec<&Value> = [&self.row].into_iter().chain(&self.pending).collect();
            self.row = self.graph.join(&parts);
            self.pending.clear();
            self.length = self.plan.first() + self.computed;
        }
        self.graph.columns(&self.row, places.iter().copied())
    }

    fn compute(&mut self, value: Value, units: usize) {
        self.pending.push(value);
        self.computed += units;
    }

    /// Units that sum and activate, computed as one matrix.
    fn plain(&mut self, units: &[Unit]) {
        let mut columns: BTreeMap<u32, usize> =
            units.iter().flat_map(|unit| &unit.links).map(|link| (link.source, 0)).collect();
        if columns.is_empty() {
            // an empty sum: an input times zero
            columns.insert(0, 0);
        }
        columns.values_mut().zip(0..).for_each(|(column, nth)| *column = nth);
        let mut matrix = vec![0.0; columns.len() * units.len()];
        for (nth, unit) in units.iter().enumerate() {
            unit.links
                .iter()
                .for_each(|link| matrix[columns[&link.source] * units.len() + nth] += link.weight);
        }
        let places: Vec<u32> = columns.into_keys().collect();
        self.graph.about = about(units);
        let sources = self.columns(&places);
        let matrix = self.graph.floats(&[places.len() as i64, units.len() as i64], &matrix);
        let sums = self.graph.apply("MatMul", &[&sources, &matrix]);
        let net = self.net(&sums, units);
        let y = self.activate(units[0].activation, &net);
        self.compute(y, units.len());
    }

    /// gain · sum + bias
    fn net(&mut self, sums: &Value, units: &[Unit]) -> Value {
        let gains: Vec<f32> = units.iter().map(|unit| unit.gain).collect();
        let biases: Vec<f32> = units.iter().map(|unit| unit.bias).collect();
        let mut net = sums.clone();
        if gains.iter().any(|gain| *gain != 1.0) {
            let gains = self.graph.numbers(&gains);
            net = self.graph.apply("Mul", &[&net, &gains]);
        }
        let biases = self.graph.numbers(&biases);
        self.graph.apply("Add", &[&net, &biases])
    }

    /// A unit with a state, or with an aggregation other than the sum.
    fn special(&mut self, unit: &Unit, special: &Special) {
        let places: Vec<u32> = unit.links.iter().map(|link| link.source).collect();
        self.graph.about = about(std::slice::from_ref(unit));
        // without sources the net input is the bias, so any input times zero will do
        let x = self.columns(if places.is_empty() { &[0] } else { &places });
        let genes: Vec<f32> = unit.links.iter().map(|link| link.weight).collect();
        let genes = self.graph.numbers(if genes.is_empty() { &[0.0] } else { &genes });
        let learnt = special.learnt().and_then(|from| self.part(from, unit.links.len()));
        let weights = match &learnt {
            Some(learnt) => self.graph.apply("Add", &[&genes, learnt]),
            None => genes.clone(),
        };
        let terms = self.graph.apply("Mul", &[&x, &weights]);
        let sums = self.aggregate(special.aggregation, &terms, unit.links.len().max(1));
        let net = self.net(&sums, std::slice::from_ref(unit));
        let y = self.tick(special, &net);
        self.learn(special, &Sources { x, weights, genes, count: unit.links.len() }, &y);
        self.compute(y, 1);
    }

    /// A part of the state, from a position in the row on; `None` if the width is 0.
    fn part(&mut self, from: u32, width: usize) -> Option<Value> {
        let from = from - self.plan.inputs as u32;
        let state = self.state.as_ref().filter(|_| width > 0)?;
        Some(self.graph.columns(state, from..from + width as u32))
    }

    fn aggregate(&mut self, aggregation: Aggregation, terms: &Value, count: usize) -> Value {
        let graph = &mut self.graph;
        let middle = count as u32 / 2;
        match aggregation {
            Aggregation::Sum => graph.row_sums(terms),
            Aggregation::Mean => graph.reduce("ReduceMean", terms),
            Aggregation::Max => graph.reduce("ReduceMax", terms),
            Aggregation::Min => graph.reduce("ReduceMin", terms),
            Aggregation::Median if count % 2 == 1 => {
                let sorted = graph.sorted(terms, count);
                graph.columns(&sorted, [middle].into_iter())
            }
            Aggregation::Median => {
                let sorted = graph.sorted(terms, count);
                let middle = graph.columns(&sorted, [middle - 1, middle].into_iter());
                graph.reduce("ReduceMean", &middle)
            }
            Aggregation::MaxAbs => {
                let sizes = graph.apply("Abs", &[terms]);
                let axis = || ("axis", Setting::Int(1));
                let largest = graph.apply_with("ArgMax", &[&sizes], &[axis()]);
                graph.apply_with("GatherElements", &[terms, &largest], &[axis()])
            }
            Aggregation::Product => {
                let first = graph.columns(terms, [0].into_iter());
                let first = graph.within(&first, LIMIT);
                (1..count as u32).fold(first, |product, nth| {
                    let term = graph.columns(terms, [nth].into_iter());
                    let product = graph.apply("Mul", &[&product, &term]);
                    graph.within(&product, LIMIT)
                })
            }
        }
    }

    /// The output for a net input; keeps the next state of the dynamics.
    fn tick(&mut self, special: &Special, net: &Value) -> Value {
        let cell = &special.cell;
        let Some(state) = self.part(special.state, cell.slots()) else {
            return self.activate(cell.activation, net);
        };
        match cell.dynamics {
            Dynamics::None => self.activate(cell.activation, net),
            Dynamics::Leaky => {
                let gap = self.graph.apply("Sub", &[net, &state]);
                let step = self.graph.with("Mul", &gap, cell.leak);
                let next = self.graph.apply("Add", &[&state, &step]);
                let next = self.keep(&next);
                self.activate(cell.activation, &next)
            }
            Dynamics::Cfc => {
                let gate = self.graph.with("Div", net, -cell.time_constant);
                let gate = self.graph.apply("Sigmoid", &[&gate]);
                let kept = self.graph.apply("Mul", &[&gate, &state]);
                let drive = self.activate(cell.activation, net);
                let one = self.graph.scalar(1.0);
                let open = self.graph.apply("Sub", &[&one, &gate]);
                let taken = self.graph.apply("Mul", &[&open, &drive]);
                let next = self.graph.apply("Add", &[&kept, &taken]);
                self.keep(&next)
            }
            Dynamics::Ltc => {
                let drive = self.activate(cell.activation, net);
                let next = self.solve(&drive, cell.time_constant, state);
                self.states.push(next.clone());
                next
            }
            Dynamics::Delay => {
                let newest = self.activate(cell.activation, net);
                let last = cell.slots() as u32 - 1;
                let others =
                    if last == 0 { None } else { Some(self.graph.columns(&state, 0..last)) };
                let next: Vec<&Value> = [&newest].into_iter().chain(&others).collect();
                let next = self.graph.join(&next);
                self.states.push(next);
                self.graph.columns(&state, [last].into_iter())
            }
        }
    }

    /// Limits a next state, and keeps it.
    fn keep(&mut self, next: &Value) -> Value {
        let next = self.graph.within(next, LIMIT);
        self.states.push(next.clone());
        next
    }

    /// The steps of the fused solver.
    fn solve(&mut self, drive: &Value, time_constant: f32, state: Value) -> Value {
        let step = 1.0 / SOLVER_STEPS as f32;
        let push = self.graph.with("Mul", drive, step);
        let size = self.graph.apply("Abs", &[drive]);
        let slope = self.graph.with("Add", &size, 1.0 / time_constant);
        let pull = self.graph.with("Mul", &slope, step);
        let pull = self.graph.with("Add", &pull, 1.0);
        (0..SOLVER_STEPS).fold(state, |state, _| {
            let pushed = self.graph.apply("Add", &[&state, &push]);
            self.graph.apply("Div", &[&pushed, &pull])
        })
    }

    /// The learnt parts of a unit's weights after a step, and the memory of its rule.
    fn learn(&mut self, special: &Special, sources: &Sources, y: &Value) {
        let Some(from) = special.learnt() else { return };
        let own = from + sources.count as u32;
        let (rate, decay) = (special.learning.rate, special.learning.decay);
        let Sources { x, weights: w, .. } = sources;
        let (change, own) = match special.learning.plasticity {
            Plasticity::None => return,
            Plasticity::Hebbian => {
                let grown = self.graph.apply("Mul", &[x, y]);
                let lost = self.graph.with("Mul", w, decay);
                let change = self.graph.apply("Sub", &[&grown, &lost]);
                (self.graph.with("Mul", &change, rate), None)
            }
            Plasticity::Oja => {
                let seen = self.graph.apply("Mul", &[y, w]);
                let unseen = self.graph.apply("Sub", &[x, &seen]);
                let y = self.graph.with("Mul", y, rate);
                (self.graph.apply("Mul", &[&y, &unseen]), None)
            }
            Plasticity::Bcm => {
                let threshold = self.part(own, 1).unwrap_or_default();
                let above = self.graph.apply("Sub", &[y, &threshold]);
                let x = self.graph.with("Mul", x, rate);
                let both = self.graph.apply("Mul", &[&x, y]);
                let square = self.graph.apply("Mul", &[y, y]);
                let gap = self.graph.apply("Sub", &[&square, &threshold]);
                let step = self.graph.with("Mul", &gap, 1.0 - decay);
                let next = self.graph.apply("Add", &[&threshold, &step]);
                (self.graph.apply("Mul", &[&both, &above]), Some(self.graph.within(&next, LIMIT)))
            }
            Plasticity::Reward => {
                let Some(trace) = self.part(own, sources.count) else { return };
                let kept = self.graph.with("Mul", &trace, decay);
                let both = self.graph.apply("Mul", &[x, y]);
                let trace = self.graph.apply("Add", &[&kept, &both]);
                let trace = self.graph.within(&trace, LIMIT);
                let reward = self.reward();
                let reward = self.graph.with("Mul", &reward, rate);
                (self.graph.apply("Mul", &[&reward, &trace]), Some(trace))
            }
        };
        if sources.count > 0 {
            let taught = self.graph.apply("Add", &[w, &change]);
            let taught = self.graph.within(&taught, MAX_WEIGHT);
            let learnt = self.graph.apply("Sub", &[&taught, &sources.genes]);
            self.states.push(learnt);
        }
        self.states.extend(own);
    }

    fn reward(&mut self) -> Value {
        self.plan.reward.and_then(|slot| self.part(slot, 1)).unwrap_or_default()
    }

    fn activate(&mut self, activation: Activation, x: &Value) -> Value {
        use Activation::*;
        let graph = &mut self.graph;
        match activation {
            Identity => graph.within(x, LIMIT),
            Tanh => graph.apply("Tanh", &[x]),
            Sigmoid => graph.apply("Sigmoid", &[x]),
            SteepSigmoid => {
                let x = graph.with("Mul", x, 4.924_273);
                graph.apply("Sigmoid", &[&x])
            }
            Relu => graph.at_least_zero(x),
            Sin => {
                let x = graph.within(x, FARTHEST);
                graph.apply("Sin", &[&x])
            }
            Cos => {
                let x = graph.within(x, FARTHEST);
                graph.apply("Cos", &[&x])
            }
            Gaussian => {
                let square = graph.apply("Mul", &[x, x]);
                let less = graph.apply("Neg", &[&square]);
                graph.apply("Exp", &[&less])
            }
            Step => graph.step(x),
            LeakyRelu => {
                let x = graph.within(x, LIMIT);
                graph.apply_with("LeakyRelu", &[&x], &[("alpha", Setting::Float(0.01))])
            }
            Elu => {
                let y = graph.apply("Elu", &[x]);
                graph.within(&y, LIMIT)
            }
            Selu => {
                let settings =
                    [("alpha", Setting::Float(1.673_263_2)), ("gamma", Setting::Float(1.050_701))];
                let y = graph.apply_with("Selu", &[x], &settings);
                graph.within(&y, LIMIT)
            }
            Gelu => self.gelu(x),
            Swish => {
                let x = graph.within(x, LIMIT);
                let less = graph.apply("Neg", &[&x]);
                let power = graph.apply("Exp", &[&less]);
                let below = graph.with("Add", &power, 1.0);
                graph.apply("Div", &[&x, &below])
            }
            Softplus => {
                let size = graph.apply("Abs", &[x]);
                let less = graph.apply("Neg", &[&size]);
                let power = graph.apply("Exp", &[&less]);
                let more = graph.with("Add", &power, 1.0);
                let log = graph.apply("Log", &[&more]);
                let line = graph.at_least_zero(x);
                graph.apply("Add", &[&line, &log])
            }
            Abs => {
                let size = graph.apply("Abs", &[x]);
                graph.at_least_zero(&size)
            }
            Square => {
                let square = graph.apply("Mul", &[x, x]);
                graph.at_least_zero(&square)
            }
            Sign => graph.apply("Sign", &[x]),
            Clamp => graph.within(x, 1.0),
            InverseMultiquadric => {
                let square = graph.apply("Mul", &[x, x]);
                let more = graph.with("Add", &square, 1.0);
                let root = graph.apply("Sqrt", &[&more]);
                graph.apply("Reciprocal", &[&root])
            }
            Log => {
                let x = graph.clip(x, 1e-7, f32::MAX);
                graph.apply("Log", &[&x])
            }
            Exp => {
                let power = graph.apply("Exp", &[x]);
                graph.at_least_zero(&power)
            }
        }
    }

    fn gelu(&mut self, x: &Value) -> Value {
        let graph = &mut self.graph;
        let x = graph.within(x, LIMIT);
        let square = graph.apply("Mul", &[&x, &x]);
        let cube = graph.apply("Mul", &[&square, &x]);
        let bend = graph.with("Mul", &cube, 0.044_715);
        let bent = graph.apply("Add", &[&x, &bend]);
        let inner = graph.with("Mul", &bent, 0.797_884_6);
        let gate = graph.apply("Tanh", &[&inner]);
        let gate = graph.with("Add", &gate, 1.0);
        let half = graph.with("Mul", &x, 0.5);
        graph.apply("Mul", &[&half, &gate])
    }

    fn finish(mut self) -> Vec<u8> {
        let plan = self.plan;
        let outputs = self.columns(&plan.outputs);
        self.graph.output("outputs", &outputs, plan.outputs.len(), "");
        if plan.memory > 0 {
            let mut carried = plan.carried.clone();
            carried.sort_unstable();
            let places: Vec<u32> = carried.iter().map(|(_, unit)| *unit).collect();
            let mut parts = std::mem::take(&mut self.states);
            if !places.is_empty() {
                parts.insert(0, self.columns(&places));
            }
            if plan.reward.is_some() {
                parts.push(self.reward());
            }
            let next = self.graph.join(&parts.iter().collect::<Vec<_>>());
            self.graph.output("next_state", &next, plan.memory, "the state of the next tick");
        }
        let about = format!(
            "A network that Cambrian {} evolved: genotype {}.",
            env!("CARGO_PKG_VERSION"),
            plan.hex_id()
        );
        self.graph.model(about, &[("genotype", plan.hex_id())])
    }
}

/// The sources of a unit: values, present weights, and weights in the genes.
struct Sources {
    x: Value,
    weights: Value,
    genes: Value,
    count: usize,
}

/// Names the nodes that come next, for a comment.
fn about(units: &[Unit]) -> String {
    units.iter().map(|unit| unit.label.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::proto::Model;
    use super::*;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::{Connection, Genotype};
    use crate::genome::innovation::{input, output};
    use crate::genome::parameters::Parameters;
    use prost::Message;
    use std::collections::BTreeSet;

    fn model(genotype: &Genotype) -> (usize, Model) {
        let bytes = write(&Plan::new(genotype));
        (bytes.len(), Model::decode(&*bytes).unwrap())
    }

    #[test]
    fn every_value_is_computed_before_it_is_used() {
        let p = Parameters {
            change_dynamics: 0.5,
            change_plasticity: 0.5,
            add_node: 0.5,
            ..Parameters::default()
        };
        let mut rng = Stream::new(1, Purpose::Operator, 0, 0);
        let mut genotype = Genotype::new(3, 2, &p, &mut rng).unwrap();
        for _ in 0..100 {
            crate::variation::mutation::mutate(&mut genotype, &p, &mut rng);
            let graph = model(&genotype).1.graph.unwrap();
            let mut known: BTreeSet<&str> =
                graph.inputs.iter().map(|input| input.name.as_str()).collect();
            known.extend(graph.initializers.iter().map(|tensor| tensor.name.as_str()));
            for node in &graph.nodes {
                assert!(node.inputs.iter().all(|input| known.contains(input.as_str())), "{node:?}");
                assert!(node.outputs.iter().all(|output| known.insert(output)), "{node:?}");
            }
            assert!(graph.outputs.iter().all(|output| known.contains(output.name.as_str())));
        }
    }

    #[test]
    fn a_sparse_network_makes_no_large_matrix() {
        let count = 1_000;
        let p = Parameters { initial_connections: 0.0, ..Parameters::default() };
        let first =
            Genotype::new(count, count, &p, &mut Stream::new(1, Purpose::Birth, 0, 0)).unwrap();
        let mut links: Vec<Connection> =
            (0..count).map(|nth| Connection::new(input(nth), output(nth), 0.5)).collect();
        links.sort_unstable_by_key(|link| link.id);
        let genotype = Genotype::from_genes(count, count, first.nodes().collect(), links).unwrap();
        let (bytes, _) = model(&genotype);
        assert!(bytes < 500_000, "{bytes}, of 4,000,000 for all pairs");
    }
}
