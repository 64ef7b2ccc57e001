//! radiate: a graph whose every weight is a node of its own.
//!
//! `GraphEvaluator` is made once and `eval_into_mut` reuses its buffers; `Graph::eval_into` is its
//! way for many inputs. Its engine has no NEAT out of the box: the operators are its graph ones, at
//! the rates of the NEAT paper.

use crate::measure::Contestant;
use crate::model::{Net, Random, Species, forward_pairs};
use radiate::graphs::InnovationId;
use radiate::*;
use std::hint::black_box;
use std::sync::Mutex;

pub const NAME: &str = "radiate";

type Nodes = Vec<GraphNode<Op<f32>>>;

/// Innovations by place: nodes, then every link that could be.
struct Innovations(Vec<InnovationId>, Vec<(usize, usize)>);

impl Innovations {
    fn new(net: &Net) -> Innovations {
        let pairs = forward_pairs(net.hidden);
        Innovations((0..net.nodes() + pairs.len()).map(|_| InnovationId::new()).collect(), pairs)
    }
}

fn nodes(net: &Net, innovations: &Innovations) -> Nodes {
    let outputs = net.inputs + net.hidden;
    let node = |at: usize| match at {
        at if at < net.inputs => GraphNode::new(at, NodeType::Input, Op::var(at)),
        at if at < outputs => GraphNode::new(at, NodeType::Vertex, Op::tanh()),
        at => GraphNode::new(at, NodeType::Output, Op::tanh()),
    };
    let mut nodes: Nodes = (0..net.nodes()).map(node).collect();
    for link in &net.links {
        let edge = nodes.len();
        let weight = GraphNode::new(edge, NodeType::Edge, Op::weight_with(link.weight));
        nodes.push(weight.with_incoming([link.from]).with_outgoing([link.to]));
        nodes[link.from].insert_outgoing(edge);
        nodes[link.to].insert_incoming(edge);
        let place =
            innovations.1.binary_search(&(link.from, link.to)).expect("links lead forwards");
        nodes[edge].set_innovation(Some(innovations.0[net.nodes() + place]));
    }
    (0..net.nodes()).for_each(|at| nodes[at].set_innovation(Some(innovations.0[at])));
    nodes
}

fn graph(net: &Net) -> Graph<Op<f32>> {
    Graph::new(nodes(net, &Innovations::new(net)))
}

pub fn outputs(net: &Net, input: &[f32]) -> Vec<f32> {
    GraphEvaluator::new(&graph(net)).eval_mut(input)
}

pub fn single<'a>(nets: &[Net], rows: &'a [f32]) -> Contestant<'a> {
    // an evaluator borrows its graph; these live as long as the program
    let graphs: &'static [Graph<Op<f32>>] = nets.iter().map(graph).collect::<Vec<_>>().leak();
    let mut evaluators: Vec<GraphEvaluator<Op<f32>, f32>> =
        graphs.iter().map(GraphEvaluator::new).collect();
    let (width, work) = (nets[0].inputs, nets.iter().map(|net| net.links.len()).sum());
    let mut outputs = vec![0.0; nets[0].outputs];
    let mut row = rows.chunks_exact(width).cycle();
    Contestant::new(NAME, work, move || {
        for evaluator in &mut evaluators {
            evaluator.eval_into_mut(black_box(row.next().expect("a cycle")), &mut outputs[..]);
            black_box(&outputs);
        }
    })
}

pub fn batch<'a>(net: &Net, rows: &[f32]) -> Contestant<'a> {
    let graph = graph(net);
    let rows: Vec<Vec<f32>> = rows.chunks_exact(net.inputs).map(<[f32]>::to_vec).collect();
    let mut outputs = vec![vec![0.0; net.outputs]; rows.len()];
    Contestant::new(NAME, net.links.len() * rows.len(), move || {
        graph.eval_into(black_box(&rows[..]), &mut outputs);
        black_box(&outputs);
    })
}

pub fn compile<'a>(net: &Net) -> Contestant<'a> {
    let graph = graph(net);
    Contestant::new(NAME, 1, move || {
        black_box(GraphEvaluator::<Op<f32>, f32>::new(black_box(&graph)));
    })
}

/// A generation replaces the whole population, as in NEAT, and is one species: of several, the
/// least fit gets no offspring in any generation, until one is left. Only distances are measured on
/// more than one thread.
pub fn breed<'a>(nets: &[Net], threads: usize) -> Contestant<'a> {
    let innovations = Innovations::new(&nets[0]);
    let store = node_store! {
        Input => (0..nets[0].inputs).map(Op::var).collect::<Vec<_>>(),
        Edge => vec![Op::weight()],
        Vertex => vec![Op::tanh()],
        Output => vec![Op::tanh()]
    };
    let phenotype = |net: &Net| {
        let chromosome = GraphChromosome::new(nodes(net, &innovations), store.clone());
        Phenotype::from((Genotype::from(chromosome), 0))
    };
    let random = Mutex::new(Random::new(1));
    let mut engine = GeneticEngine::builder()
        .codec(GraphCodec::directed(nets[0].inputs, nets[0].outputs, store.clone()))
        .population_size(nets.len())
        .population(nets.iter().map(phenotype).collect::<Vec<_>>())
        .executor(Executor::FixedSizedWorkerPool(threads))
        .offspring_fraction(1.0)
        .diversity(NeatDistance::new(1.0, 1.0, 1.0))
        .species_threshold(Species::One.threshold())
        .max_species_age(usize::MAX)
        .max_age(usize::MAX)
        .alter(alters!(
            GraphCrossover::new(0.75, 0.5),
            OperationMutator::new(0.8, 0.1),
            GraphMutator::new(0.03, 0.05).allow_recurrent(false)
        ))
        .raw_fitness_fn(move |_: &Genotype<GraphChromosome<Op<f32>>>| {
            random.lock().expect("no panic").unit() as f32
        })
        .build();
    let name = format!("{NAME}, {threads} threads");
    Contestant::breeding(&name, nets.len(), move || {
        engine.step().expect("a generation");
        engine.context().ecosystem().species().map_or(0, Vec::len)
    })
}
