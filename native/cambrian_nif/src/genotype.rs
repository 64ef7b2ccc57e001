//! cambrian_genotype

use crate::list::List;
use crate::{atoms, either_scheduler, error, parameters};
use cambrian_core::crossover::crossover;
use cambrian_core::genotype::{Connection, Genotype, Node};
use cambrian_core::math::Activation;
use cambrian_core::mutation::{OPERATORS, Operator, mutate};
use cambrian_core::parameters::Parameters;
use cambrian_core::rng::{Purpose, Stream};
use cambrian_core::{codec, innovation, speciation};
use rustler::{Atom, Binary, Encoder, Env, NewBinary, NifResult, Resource, ResourceArc, Term};
use std::sync::Arc;

pub struct GenotypeResource(pub Arc<Genotype>);

#[rustler::resource_impl]
impl Resource for GenotypeResource {}

pub type GenotypeArc = ResourceArc<GenotypeResource>;

pub fn wrap(genotype: impl Into<Arc<Genotype>>) -> GenotypeArc {
    ResourceArc::new(GenotypeResource(genotype.into()))
}

fn operator_stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Operator, 0, 0)
}

/// A gene costs some 20 ns in most operations, 100 where it is sorted, hashed or given random numbers.
fn genes(genotype: &GenotypeArc) -> usize {
    genotype.0.nodes().len() + genotype.0.connections().len()
}

either_scheduler! {
    fn genotype_new, genotype_new_dirty(inputs: u32, outputs: u32, changes: Term<'a>, seed: u64) = new,
        costs 100 * (inputs as usize).saturating_mul(outputs as usize);
    fn genotype_mutate, genotype_mutate_dirty(genotype: GenotypeArc, changes: Term<'a>, seed: u64) = mutate_at_rates,
        costs 100 * genes(&genotype);
    fn genotype_apply, genotype_apply_dirty(genotype: GenotypeArc, operator: Term<'a>, changes: Term<'a>, seed: u64)
        = apply, costs 100 * genes(&genotype);
    fn genotype_crossover, genotype_crossover_dirty(
        fitter: GenotypeArc, other: GenotypeArc, changes: Term<'a>, seed: u64) = cross,
        costs 20 * (genes(&fitter) + genes(&other));
    fn genotype_distance, genotype_distance_dirty(a: GenotypeArc, b: GenotypeArc, changes: Term<'a>) = distance,
        costs 20 * (genes(&a) + genes(&b));
    fn genotype_id, genotype_id_dirty(genotype: GenotypeArc) = id, costs 100 * genes(&genotype);
    fn genotype_info, genotype_info_dirty(genotype: GenotypeArc) = info, costs 100 * genes(&genotype);
    fn genotype_encode, genotype_encode_dirty(genotype: GenotypeArc) = encode, costs 100 * genes(&genotype);
    fn genotype_decode, genotype_decode_dirty(bytes: Binary<'a>) = decode, costs 20 * bytes.len();
}

/// `{ok, Genotype}`
fn born<'a>(env: Env<'a>, genotype: Genotype) -> NifResult<Term<'a>> {
    Ok((atoms::ok(), wrap(genotype)).encode(env))
}

fn new<'a>(env: Env<'a>, inputs: u32, outputs: u32, changes: Term<'a>, seed: u64) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    let genotype = Genotype::new(inputs, outputs, &p, &mut operator_stream(seed));
    born(env, genotype.map_err(error::genotype)?)
}

#[rustler::nif]
fn genotype_operators(env: Env) -> NifResult<Vec<Atom>> {
    OPERATORS.iter().map(|operator| Atom::from_str(env, operator.name)).collect()
}

fn mutate_at_rates<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    changes: Term<'a>,
    seed: u64,
) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    let mut changed = Genotype::clone(&genotype.0);
    mutate(&mut changed, &p, &mut operator_stream(seed));
    born(env, changed)
}

fn apply<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    operator: Term<'a>,
    changes: Term<'a>,
    seed: u64,
) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    let unknown = (atoms::unknown_operator(), operator.decode::<Atom>()?);
    let operator = Operator::named(&atoms::text(operator)?).ok_or_else(|| error::refuse(unknown))?;
    let changed = operator.apply(&genotype.0, &p, &mut operator_stream(seed));
    born(env, changed.map_err(|_| error::refuse(atoms::not_applicable()))?)
}

/// The first parent is the fitter.
fn cross<'a>(
    env: Env<'a>,
    fitter: GenotypeArc,
    other: GenotypeArc,
    changes: Term<'a>,
    seed: u64,
) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    let ends = |g: &Genotype| (g.inputs(), g.outputs());
    if ends(&fitter.0) != ends(&other.0) {
        return Err(error::refuse(atoms::incompatible()));
    }
    born(env, crossover(&fitter.0, &other.0, &p, &mut operator_stream(seed)))
}

fn distance<'a>(env: Env<'a>, a: GenotypeArc, b: GenotypeArc, changes: Term<'a>) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    Ok(speciation::distance(&a.0, &b.0, &p).encode(env))
}

fn id<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(bytes_term(env, &codec::id(&genotype.0)))
}

fn info<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    let g = &genotype.0;
    let counts = [
        (atoms::inputs(), g.inputs() as usize),
        (atoms::outputs(), g.outputs() as usize),
        (atoms::nodes(), g.nodes().len()),
        (atoms::hidden(), g.hidden().len()),
        (atoms::connections(), g.connections().len()),
        (atoms::recurrent(), g.recurrent()),
    ];
    Term::map_from_pairs(env, &counts)
}

fn encode<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(bytes_term(env, &codec::encode(&genotype.0)))
}

fn decode<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<Term<'a>> {
    born(env, codec::decode(&bytes).map_err(error::codec)?)
}

fn bytes_term<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    Binary::from(NewBinary::from_slice(env, bytes)).to_term(env)
}

/// `{Inputs, Outputs, [{Id, Layer, Activation, Bias}], [{Id, From, To, Weight, Enabled}],
/// [IdOfInput], [IdOfOutput]}`, the last two in counting order.
#[rustler::nif(schedule = "DirtyCpu")]
fn genotype_genes(env: Env<'_>, genotype: GenotypeArc) -> NifResult<Term<'_>> {
    let g = &genotype.0;
    let node = |n: &Node| {
        let activation = Atom::from_str(env, n.activation.name())?;
        Ok((n.id, n.layer, activation, n.bias).encode(env))
    };
    let nodes: Vec<Term> = g.nodes().iter().map(node).collect::<NifResult<_>>()?;
    let connections: Vec<Term> =
        (g.connections().iter()).map(|c| (c.id, c.from, c.to, c.weight, c.enabled).encode(env)).collect();
    let inputs: Vec<u64> = (0..g.inputs()).map(innovation::input).collect();
    let outputs: Vec<u64> = (0..g.outputs()).map(innovation::output).collect();
    Ok((g.inputs(), g.outputs(), nodes, connections, inputs, outputs).encode(env))
}

type NodeTerm<'a> = (u64, u64, Term<'a>, f64);
type ConnectionTerm = (u64, u64, f64, bool);

/// Genes in any order; the ids of connections follow from their ends.
#[rustler::nif(schedule = "DirtyCpu")]
fn genotype_from_genes(
    inputs: u32,
    outputs: u32,
    nodes: List<NodeTerm>,
    connections: List<ConnectionTerm>,
) -> NifResult<(Atom, GenotypeArc)> {
    let node = |(id, layer, activation, bias): NodeTerm| {
        let unknown = (atoms::unknown_activation(), activation.decode::<Atom>()?);
        let activation =
            Activation::named(&atoms::text(activation)?).ok_or_else(|| error::refuse(unknown))?;
        Ok(Node { id, layer, activation, bias: bias as f32 })
    };
    let mut nodes: Vec<Node> = nodes.0.into_iter().map(node).collect::<NifResult<_>>()?;
    let mut connections: Vec<Connection> = (connections.0.into_iter())
        .map(|(from, to, weight, enabled)| Connection { enabled, ..Connection::new(from, to, weight as f32) })
        .collect();
    nodes.sort_unstable_by_key(|n| (n.layer, n.id));
    connections.sort_unstable_by_key(|c| c.id);
    let genotype = Genotype::from_genes(inputs, outputs, nodes, connections);
    Ok((atoms::ok(), wrap(genotype.map_err(error::genotype)?)))
}
