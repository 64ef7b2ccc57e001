//! genoxide: NEAT in Rust, with weights and activations in f64.
//!
//! `Network::feed_forward` compiles once and `activate` then allocates nothing, which is the way
//! its documentation gives; there is none for many inputs at once. It makes networks only by
//! evolving them, so ours come in as JSON, through the serde feature that is there for checkpoints.
//! It breeds on one thread.

use crate::measure::Contestant;
use crate::model::{Net, Random, Species, forward_pairs};
use genoxide::neat::{FeedForward, Neat, Network};
use genoxide::nn::Activation;
use genoxide::{Algorithm, Fitness};
use std::hint::black_box;

pub const NAME: &str = "genoxide";

/// Node ids: inputs, the bias, outputs, hidden nodes. A link's innovation is its place among all
/// that could be.
fn json(net: &Net, pairs: &[(usize, usize)]) -> String {
    let node = |id: usize, kind: &str, activation: &str| {
        format!(r#"{{"id":{id},"kind":"{kind}","activation":"{activation}"}}"#)
    };
    let bias = net.inputs;
    let nodes: Vec<String> = (0..net.inputs)
        .map(|id| node(id, "Input", "Identity"))
        .chain([node(bias, "Bias", "Identity")])
        .chain((0..net.outputs).map(|k| node(bias + 1 + k, "Output", "Tanh")))
        .chain((0..net.hidden).map(|k| node(bias + 1 + net.outputs + k, "Hidden", "Tanh")))
        .collect();
    let connections: Vec<String> = net
        .links
        .iter()
        .map(|l| {
            let innovation = pairs.binary_search(&(l.from, l.to)).expect("links lead forwards");
            let (from, to, weight) = (id(net, l.from), id(net, l.to), l.weight);
            format!(
                concat!(
                    r#"{{"innovation":{innovation},"from":{from},"to":{to},"#,
                    r#""weight":{weight},"enabled":true}}"#
                ),
                innovation = innovation,
                from = from,
                to = to,
                weight = weight
            )
        })
        .collect();
    format!(
        r#"{{"inputs":{},"outputs":{},"nodes":[{}],"connections":[{}]}}"#,
        net.inputs,
        net.outputs,
        nodes.join(","),
        connections.join(",")
    )
}

fn id(net: &Net, at: usize) -> usize {
    let first_output = net.inputs + net.hidden;
    if at < net.inputs {
        at
    } else if at < first_output {
        at + 1 + net.outputs
    } else {
        at - first_output + net.inputs + 1
    }
}

fn network(net: &Net) -> Network {
    serde_json::from_str(&json(net, &forward_pairs(net.hidden)))
        .expect("genoxide's form of a network")
}

fn evaluator(net: &Net) -> FeedForward {
    network(net).feed_forward().expect("no cycle")
}

fn doubles(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

pub fn outputs(net: &Net, input: &[f32]) -> Vec<f32> {
    let mut outputs = vec![0.0; net.outputs];
    evaluator(net).activate(&doubles(input), &mut outputs);
    outputs.iter().map(|x| *x as f32).collect()
}

pub fn single<'a>(nets: &[Net], rows: &[f32]) -> Contestant<'a> {
    let mut evaluators: Vec<FeedForward> = nets.iter().map(evaluator).collect();
    let (width, work) = (nets[0].inputs, nets.iter().map(|net| net.links.len()).sum());
    let (rows, mut outputs) = (doubles(rows), vec![0.0; nets[0].outputs]);
    let mut row = 0;
    Contestant::new(NAME, work, move || {
        for evaluator in &mut evaluators {
            evaluator.activate(black_box(&rows[row..row + width]), &mut outputs);
            black_box(&outputs);
            row = (row + width) % rows.len();
        }
    })
}

pub fn batch<'a>(net: &Net, rows: &[f32]) -> Contestant<'a> {
    let mut evaluator = evaluator(net);
    let (width, height, rows) = (net.inputs, net.outputs, doubles(rows));
    let mut outputs = vec![0.0; rows.len() / width * height];
    Contestant::new(NAME, net.links.len() * rows.len() / width, move || {
        for (row, outputs) in rows.chunks_exact(width).zip(outputs.chunks_exact_mut(height)) {
            evaluator.activate(black_box(row), outputs);
        }
        black_box(&outputs);
    })
}

pub fn compile<'a>(net: &Net) -> Contestant<'a> {
    let network = network(net);
    Contestant::new(NAME, 1, move || {
        black_box(black_box(&network).feed_forward().expect("no cycle"));
    })
}

/// A run that goes on from a given population: that of a fresh one is replaced, and its innovations
/// with it.
fn run(nets: &[Net], threshold: f64) -> Neat {
    let (inputs, outputs, hidden) = (nets[0].inputs, nets[0].outputs, nets[0].hidden);
    let fresh = Neat::builder(inputs, outputs)
        .population_size(nets.len())
        // c₃ is 1 as Cambrian's, so that one threshold means the same to both
        .compatibility(1.0, 1.0, 1.0, threshold)
        .stagnation(u64::MAX)
        // its defaults, but no mating between species
        .reproduction(0.25, 0.0, 0.75)
        .activation(Activation::Tanh)
        .seed(1)
        .build()
        .expect("settings within range");
    let mut state = serde_json::to_value(&fresh).expect("JSON can hold a run");
    let pairs = forward_pairs(hidden);
    let known =
        pairs.iter().zip(0..).map(|(&(from, to), k)| (id(&nets[0], from), id(&nets[0], to), k));
    state["registry"]["connections"] =
        serde_json::json!(known.collect::<Vec<(usize, usize, u32)>>());
    state["registry"]["next_innovation"] = pairs.len().into();
    state["registry"]["next_node"] = (inputs + 1 + outputs + hidden).into();
    // As text, not as a value: a million genes would take a gigabyte.
    state["population"] = "HERE".into();
    let individuals: Vec<String> = nets
        .iter()
        .map(|net| format!(r#"{{"genome":{},"fitness":null,"age":0}}"#, json(net, &pairs)))
        .collect();
    let population = format!(r#"{{"individuals":[{}]}}"#, individuals.join(","));
    serde_json::from_str(&state.to_string().replace(r#""HERE""#, &population))
        .expect("genoxide's form of a run")
}

pub fn breed<'a>(nets: &[Net], species: Species) -> Contestant<'a> {
    let mut neat = run(nets, f64::from(species.threshold()));
    let mut random = Random::new(1);
    Contestant::breeding(NAME, nets.len(), move || {
        let asked = neat.ask().len();
        let fitness: Vec<Fitness> = (0..asked).map(|_| Fitness::new(random.unit())).collect();
        neat.tell(&fitness).expect("one fitness for each");
        neat.species().len()
    })
}
