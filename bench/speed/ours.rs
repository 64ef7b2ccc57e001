//! Cambrian's side, and all that a change of its interface touches.

use crate::companion;
use crate::measure::Contestant;
use crate::memory::held;
use crate::model::{Net, Random, Species};
use cambrian_core::genotype::{Connection, Genotype, Node};
use cambrian_core::innovation::{self, BOTTOM, NodeId, TOP};
use cambrian_core::math::Activation;
use cambrian_core::network::Network;
use cambrian_core::parameters::Parameters;
use cambrian_core::population::Population;
use cambrian_core::speciation::speciate;
use cambrian_core::{checkpoint, codec};
use rayon::ThreadPoolBuilder;
use serde_bytes::ByteBuf;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub const NAME: &str = "cambrian";

/// Hidden nodes get a layer each, in their order.
pub fn genotype(net: &Net) -> Genotype {
    let node = |id, layer, activation| Node { id, layer, activation, bias: 0.0 };
    let ids: Vec<NodeId> = (0..net.nodes()).map(|at| id(net, at)).collect();
    let step = TOP / (net.hidden as u64 + 1);
    let mut nodes: Vec<Node> = (ids.iter().enumerate())
        .map(|(at, &id)| match at.checked_sub(net.inputs) {
            None => node(id, BOTTOM, Activation::Identity),
            Some(hidden) if hidden < net.hidden => node(id, step * (hidden as u64 + 1), Activation::Tanh),
            Some(_) => node(id, TOP, Activation::Tanh),
        })
        .collect();
    let mut connections: Vec<Connection> =
        net.links.iter().map(|l| Connection::new(ids[l.from], ids[l.to], l.weight)).collect();
    nodes.sort_unstable_by_key(|n| (n.layer, n.id));
    connections.sort_unstable_by_key(|c| c.id);
    Genotype::from_genes(net.inputs as u32, net.outputs as u32, nodes, connections).expect("a valid network")
}

fn id(net: &Net, at: usize) -> NodeId {
    let outputs = net.inputs + net.hidden;
    if at < net.inputs {
        innovation::input(at as u32)
    } else if at < outputs {
        let first = innovation::connection(innovation::input(0), innovation::output(0));
        innovation::split(first, (at - net.inputs) as u32)
    } else {
        innovation::output((at - outputs) as u32)
    }
}

pub fn outputs(net: &Net, input: &[f32]) -> Vec<f32> {
    Network::new(&genotype(net)).activate(input)
}

/// One row after the other through each of the networks.
pub fn single<'a>(nets: &[Net], rows: &'a [f32]) -> Contestant<'a> {
    let networks: Vec<Network> = nets.iter().map(|net| Network::new(&genotype(net))).collect();
    let mut values: Vec<_> = networks.iter().map(Network::rest).collect();
    let (width, mut outputs) = (nets[0].inputs, vec![0.0; nets[0].outputs]);
    let mut row = rows.chunks_exact(width).cycle();
    Contestant::new(NAME, work(nets), move || {
        for (network, values) in networks.iter().zip(&mut values) {
            network.step(values, black_box(row.next().expect("a cycle")), &mut outputs);
            black_box(&outputs);
        }
    })
}

/// All rows through one network.
pub fn batch<'a>(net: &Net, rows: &'a [f32]) -> Contestant<'a> {
    let network = Network::new(&genotype(net));
    let mut values = network.rest();
    let (width, height) = (net.inputs, net.outputs);
    let mut outputs = vec![0.0; rows.len() / width * height];
    Contestant::new(NAME, net.links.len() * rows.len() / width, move || {
        for (row, outputs) in rows.chunks_exact(width).zip(outputs.chunks_exact_mut(height)) {
            network.step(&mut values, black_box(row), outputs);
        }
        black_box(&outputs);
    })
}

pub fn compile<'a>(net: &Net) -> Contestant<'a> {
    let genotype = genotype(net);
    Contestant::new(NAME, 1, move || {
        black_box(Network::new(black_box(&genotype)));
    })
}

/// The same network called from Erlang.
///
/// # Errors
/// What is missing.
pub fn from_erlang(net: &Net, rows: &[f32], units: usize) -> Result<Contestant<'static>, String> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let input: Vec<u8> = rows[..net.inputs].iter().flat_map(|x| x.to_le_bytes()).collect();
    let work = format!("activate {} {}", hex(&codec::encode(&genotype(net))), hex(&input));
    companion::contestant(&mut erl(), &work, units)
}

/// # Errors
/// What is missing.
pub fn empty_nif() -> Result<Contestant<'static>, String> {
    companion::contestant(&mut erl(), "empty", 1)
}

/// `bin/bench` compiles what is looked for here.
fn erl() -> Command {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut erl = Command::new("erl");
    erl.env("ERL_CRASH_DUMP_SECONDS", "0");
    erl.args(["-noshell", "-s", "from_erlang", "main", "-pa"]);
    erl.args(["_build/default/lib/cambrian/ebin", "target/bench"].map(|path| format!("{root}/{path}")));
    erl
}

fn work(nets: &[Net]) -> usize {
    nets.iter().map(|net| net.links.len()).sum()
}

/// The defaults of evolution, but species never die out, as random fitness makes no progress, and have no hybrids,
/// which would found more and more of them.
pub fn parameters(population: usize, threshold: f32) -> Parameters {
    Parameters {
        population: population as u32,
        species_threshold: threshold,
        target_species: 0,
        stagnation: 1_000_000,
        interspecies: 0.0,
        ..Parameters::default()
    }
}

static GO: AtomicBool = AtomicBool::new(false);

/// A population that goes on from the given networks, by way of a checkpoint.
fn population(nets: &[Net], threshold: f32) -> Population {
    #[derive(serde::Serialize)]
    struct Saved {
        parameters: Parameters,
        inputs: u32,
        outputs: u32,
        seed: u64,
        generation: u64,
        evaluations: u64,
        genotypes: Vec<ByteBuf>,
        species: Vec<SavedSpecies>,
        next_species: u64,
        threshold: f32,
        champion: Option<(ByteBuf, f64, u64)>,
        tried: Vec<ByteBuf>,
    }
    #[derive(serde::Serialize)]
    struct SavedSpecies {
        id: u64,
        representative: ByteBuf,
        members: Vec<u32>,
        best: f64,
        improved: u64,
    }
    let parameters = parameters(nets.len(), threshold);
    let bytes = |genotype: &Genotype| ByteBuf::from(codec::encode(genotype));
    let genotypes: Vec<Arc<Genotype>> = nets.iter().map(|net| Arc::new(genotype(net))).collect();
    let (mut species, mut next_species) = (Vec::new(), 0);
    speciate(&genotypes, &mut species, &mut next_species, 0, threshold, &parameters);
    let species = species.into_iter().map(|s| SavedSpecies {
        id: s.id,
        representative: bytes(&s.representative),
        members: s.members,
        best: 0.0,
        improved: 0,
    });
    let saved = Saved {
        parameters,
        inputs: nets[0].inputs as u32,
        outputs: nets[0].outputs as u32,
        seed: 1,
        generation: 0,
        evaluations: 0,
        genotypes: genotypes.iter().map(|g| bytes(g)).collect(),
        species: species.collect(),
        next_species,
        threshold,
        champion: None,
        tried: Vec::new(),
    };
    let bytes = rmp_serde::to_vec_named(&(1, saved)).expect("writing to memory cannot fail");
    checkpoint::decode(&bytes).expect("the form of a checkpoint")
}

pub fn breed<'a>(nets: &[Net], species: Species, threads: usize) -> Contestant<'a> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let mut random = Random::new(1);
    let mut next = Some(population(nets, species.threshold()));
    let plural = if threads == 1 { "" } else { "s" };
    Contestant::breeding(&format!("{NAME}, {threads} thread{plural}"), nets.len(), move || {
        let last = next.take().expect("the generation before");
        let population = pool.install(|| generation(last, &mut random));
        let species = population.species().len();
        next = Some(population);
        species
    })
}

/// Bytes a connection of a population that was bred, nodes and all the rest included.
pub fn memory(nets: &[Net]) -> f64 {
    let mut random = Random::new(1);
    let mut population = population(nets, Species::Families.threshold());
    for _ in 0..3 {
        population = generation(population, &mut random);
    }
    let connections: usize = population.genotypes().iter().map(|g| g.connections().len()).sum();
    held(population) as f64 / connections as f64
}

/// From one generation to the next, at random.
fn generation(population: Population, random: &mut Random) -> Population {
    let fitness = population.genotypes().iter().map(|_| random.unit()).collect();
    let evaluated = population.with_fitness(fitness).expect("one finite number for each");
    evaluated.next(&GO).expect("nobody stops it")
}
