//! Cambrian's side, and all that a change of its interface touches.

use crate::companion;
use crate::measure::Contestant;
use crate::memory::held;
use crate::model::{Net, Random, Species};
use cambrian_core::base::math::Activation;
use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::{Connection, Genotype, Node, Shape};
use cambrian_core::genome::innovation::{self, BOTTOM, NodeId, TOP};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::Population;
use cambrian_core::task::Score;
use cambrian_core::variation::mutation::{Operator, mutate};
use cambrian_core::wire::envelope::{self, Claims, Record};
use cambrian_core::wire::identity::Signer;
use cambrian_core::{wire::codec, wire::delta};
use rayon::ThreadPoolBuilder;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub const NAME: &str = "cambrian";

/// Hidden nodes get a layer each, in their order.
pub fn genotype(net: &Net) -> Genotype {
    let node = |id, layer, activation| Node { id, layer, neuron: Neuron::new(activation) };
    let ids: Vec<NodeId> = (0..net.nodes()).map(|at| id(net, at)).collect();
    let step = TOP / (net.hidden as u64 + 1);
    let mut nodes: Vec<Node> = (ids.iter().enumerate())
        .map(|(at, &id)| match at.checked_sub(net.inputs) {
            None => node(id, BOTTOM, Activation::Identity),
            Some(hidden) if hidden < net.hidden => {
                node(id, step * (hidden as u64 + 1), Activation::Tanh)
            }
            Some(_) => node(id, TOP, Activation::Tanh),
        })
        .collect();
    let mut connections: Vec<Connection> =
        net.links.iter().map(|l| Connection::new(ids[l.from], ids[l.to], l.weight)).collect();
    nodes.sort_unstable_by_key(|n| (n.layer, n.id));
    connections.sort_unstable_by_key(|c| c.id);
    Genotype::from_genes(net.inputs as u32, net.outputs as u32, nodes, connections)
        .expect("a valid network")
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
    Contestant::new(NAME, net.links.len() * rows.len() / net.inputs, move || {
        black_box(network.activate_batch(black_box(rows)));
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
    erl.args(["-noshell", "-s", "from_erlang", "main", "-pa"]);
    erl.args(
        ["_build/default/lib/cambrian/ebin", "target/bench"].map(|path| format!("{root}/{path}")),
    );
    erl
}

/// As mutation at default rates makes it, of 8 inputs and 4 outputs.
pub fn grown(connections: usize) -> Genotype {
    let (p, mut rng) = (Parameters::default(), Stream::new(1, Purpose::Operator, 0, 0));
    let mut genotype = Genotype::new(8, 4, &p, &mut rng).expect("a shape");
    while genotype.connections().len() < connections {
        mutate(&mut genotype, &p, &mut rng);
    }
    genotype
}

/// With one more node; with other weights.
pub fn descendants(genotype: &Genotype) -> [Genotype; 2] {
    ["add_node", "perturb_weights"].map(|name| {
        let operator = Operator::named(name).expect("an operator");
        let mut rng = Stream::new(2, Purpose::Operator, 0, 0);
        operator.apply(genotype, &Parameters::default(), &mut rng).expect("it applies")
    })
}

fn claims() -> Claims {
    Claims {
        realm: "org.example.lab".into(),
        task: "double_pole".into(),
        fitness: 1.0,
        generation: 100,
        parents: vec![[1; 32], [2; 32]],
        operators: vec!["crossover".into(), "perturb_weights".into()],
        grant: None,
        sequence: 1,
        time: 1_800_000_000_000,
    }
}

pub fn sealed(genotype: &Genotype, base: Option<&Genotype>) -> Vec<u8> {
    envelope::seal(&claims(), genotype, base, &Signer::new(&[7; 32]))
        .expect("claims that are sound")
}

fn one<'a, T: 'a>(work: impl FnMut() -> T + 'a) -> Contestant<'a> {
    named(NAME, work)
}

fn named<'a, T: 'a>(name: &str, mut work: impl FnMut() -> T + 'a) -> Contestant<'a> {
    Contestant::new(name, 1, move || drop(black_box(work())))
}

pub fn encode(genotype: &Genotype) -> Contestant<'_> {
    one(|| codec::encode(black_box(genotype)))
}

pub fn decode(bytes: &[u8]) -> Contestant<'_> {
    one(|| codec::decode(black_box(bytes)).expect("canonical bytes"))
}

pub fn diff<'a>(base: &'a Genotype, target: &'a Genotype) -> Contestant<'a> {
    named("cambrian, diff", move || delta::diff(black_box(base), target))
}

pub fn patch<'a>(base: &'a Genotype, target: &Genotype) -> Contestant<'a> {
    let delta = delta::diff(base, target);
    named("cambrian, patch", move || delta::patch(base, black_box(&delta)).expect("its base"))
}

pub fn seal(genotype: &Genotype) -> Contestant<'_> {
    one(|| sealed(black_box(genotype), None))
}

pub fn open(sealed: &[u8]) -> Contestant<'_> {
    one(|| {
        envelope::read(black_box(sealed)).and_then(|envelope| envelope.open(None)).expect("genuine")
    })
}

pub fn verify(sealed: &[u8]) -> Contestant<'static> {
    let record = envelope::read(sealed).expect("genuine").record.to_bytes();
    named("cambrian, a record", move || Record::from_bytes(black_box(&record)).expect("genuine"))
}

/// Erlang's own bytes of the genotype's map, `term_to_binary` or `binary_to_term`; the name tells
/// how many.
///
/// # Errors
/// What is missing.
pub fn terms(what: &str, genotype: &Genotype) -> Result<Contestant<'static>, String> {
    companion::contestant(&mut erl(), &format!("{what} {}", hex(&codec::encode(genotype))), 1)
}

/// All that a node does with an envelope from another before it evaluates it.
///
/// # Errors
/// What is missing.
pub fn received(genotype: &Genotype) -> Result<Contestant<'static>, String> {
    companion::contestant(&mut erl(), &format!("receive {}", hex(&codec::encode(genotype))), 1)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn work(nets: &[Net]) -> usize {
    nets.iter().map(|net| net.links.len()).sum()
}

/// The defaults of evolution, but species that never die out: random fitness makes no progress.
pub fn parameters(population: usize, threshold: f32) -> Parameters {
    Parameters {
        population: population as u32,
        species_threshold: threshold,
        target_species: 0,
        stagnation: 1_000_000,
        ..Parameters::default()
    }
}

static GO: AtomicBool = AtomicBool::new(false);

fn population(nets: &[Net], threshold: f32) -> Population {
    let shape = Shape { inputs: nets[0].inputs as u32, outputs: nets[0].outputs as u32 };
    let genotypes = nets.iter().map(|net| Arc::new(genotype(net))).collect();
    Population::with_genotypes(parameters(nets.len(), threshold), shape, 1, genotypes)
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
    let scores = population.waiting().map(|_| Score::from(random.unit())).collect();
    let evaluated = population.with_scores(scores).expect("one finite number for each");
    evaluated.next(&GO).expect("nobody stops it")
}
