//! cambrian_genotype

use crate::list::List;
use crate::{atoms, error, parameters};
use cambrian_core::genotype::{Connection, Genotype, Node};
use cambrian_core::math::Activation;
use cambrian_core::mutation::{OPERATORS, Operator, mutate};
use cambrian_core::parameters::Parameters;
use cambrian_core::rng::{Purpose, Stream};
use cambrian_core::{codec, crossover, innovation, speciation};
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

#[rustler::nif]
fn genotype_new(inputs: u32, outputs: u32, changes: Term, seed: u64) -> NifResult<(Atom, GenotypeArc)> {
    let p = parameters::read(changes, Parameters::default())?;
    let genotype = Genotype::new(inputs, outputs, &p, &mut operator_stream(seed));
    Ok((atoms::ok(), wrap(genotype.map_err(error::genotype)?)))
}

#[rustler::nif]
fn genotype_operators(env: Env) -> NifResult<Vec<Atom>> {
    OPERATORS.iter().map(|operator| Atom::from_str(env, operator.name)).collect()
}

#[rustler::nif]
fn genotype_mutate(genotype: GenotypeArc, changes: Term, seed: u64) -> NifResult<(Atom, GenotypeArc)> {
    let p = parameters::read(changes, Parameters::default())?;
    let mut changed = Genotype::clone(&genotype.0);
    mutate(&mut changed, &p, &mut operator_stream(seed));
    Ok((atoms::ok(), wrap(changed)))
}

#[rustler::nif]
fn genotype_apply(
    genotype: GenotypeArc,
    operator: Term,
    changes: Term,
    seed: u64,
) -> NifResult<(Atom, GenotypeArc)> {
    let p = parameters::read(changes, Parameters::default())?;
    let unknown = (atoms::unknown_operator(), operator.decode::<Atom>()?);
    Operator::named(&atoms::text(operator)?)
        .ok_or_else(|| error::refuse(unknown))?
        .apply(&genotype.0, &p, &mut operator_stream(seed))
        .map(|changed| (atoms::ok(), wrap(changed)))
        .map_err(|_| error::refuse(atoms::not_applicable()))
}

/// The first parent is the fitter.
#[rustler::nif]
fn genotype_crossover(
    fitter: GenotypeArc,
    other: GenotypeArc,
    changes: Term,
    seed: u64,
) -> NifResult<(Atom, GenotypeArc)> {
    let p = parameters::read(changes, Parameters::default())?;
    let ends = |g: &Genotype| (g.inputs(), g.outputs());
    if ends(&fitter.0) != ends(&other.0) {
        return Err(error::refuse(atoms::incompatible()));
    }
    let child = crossover::crossover(&fitter.0, &other.0, &p, &mut operator_stream(seed));
    Ok((atoms::ok(), wrap(child)))
}

#[rustler::nif]
fn genotype_distance(a: GenotypeArc, b: GenotypeArc, changes: Term) -> NifResult<f32> {
    let p = parameters::read(changes, Parameters::default())?;
    Ok(speciation::distance(&a.0, &b.0, &p))
}

#[rustler::nif]
fn genotype_id(env: Env<'_>, genotype: GenotypeArc) -> Binary<'_> {
    NewBinary::from_slice(env, &codec::id(&genotype.0)).into()
}

#[rustler::nif]
fn genotype_info(env: Env<'_>, genotype: GenotypeArc) -> NifResult<Term<'_>> {
    let g = &genotype.0;
    Term::map_from_pairs(
        env,
        &[
            (atoms::inputs(), (g.inputs() as usize).encode(env)),
            (atoms::outputs(), g.outputs().encode(env)),
            (atoms::nodes(), g.nodes().len().encode(env)),
            (atoms::hidden(), g.hidden().len().encode(env)),
            (atoms::connections(), g.connections().len().encode(env)),
            (atoms::recurrent(), g.recurrent().encode(env)),
        ],
    )
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

#[rustler::nif]
fn genotype_encode(env: Env<'_>, genotype: GenotypeArc) -> Binary<'_> {
    NewBinary::from_slice(env, &codec::encode(&genotype.0)).into()
}

#[rustler::nif(schedule = "DirtyCpu")]
fn genotype_decode_dirty(bytes: Binary) -> NifResult<(Atom, GenotypeArc)> {
    decode(bytes)
}

#[rustler::nif]
fn genotype_decode(bytes: Binary) -> NifResult<(Atom, GenotypeArc)> {
    decode(bytes)
}

fn decode(bytes: Binary) -> NifResult<(Atom, GenotypeArc)> {
    let genotype = codec::decode(&bytes).map_err(error::codec)?;
    Ok((atoms::ok(), wrap(genotype)))
}
