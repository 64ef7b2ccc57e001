//! cambrian_genotype

use crate::error::Bytes;
use crate::numbers;
use crate::term::{List, binary};
use crate::{atoms, either_scheduler, error, parameters};
use cambrian_core::base::choice::Choice;
use cambrian_core::base::math::{Activation, Aggregation};
use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::formats::export::name::Name;
use cambrian_core::formats::export::plan::Plan;
use cambrian_core::formats::export::{c, onnx, rust};
use cambrian_core::genome::dynamics::Dynamics;
use cambrian_core::genome::genotype::{Connection, Genotype, Node};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::genome::plasticity::Plasticity;
use cambrian_core::neuron_genes;
use cambrian_core::variation::crossover::crossover;
use cambrian_core::variation::mutation::{OPERATORS, Operator, Operators, mutate};
use cambrian_core::{
    formats::json, formats::neat_python, genome::innovation, search::speciation, wire::codec,
    wire::delta,
};
use rustler::{Atom, Binary, Encoder, Env, NifResult, Resource, ResourceArc, Term};
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

/// The cost of a gene in most operations is some 20 ns, or 100 ns if it is sorted, hashed or given
/// random numbers.
fn genes(genotype: &GenotypeArc) -> usize {
    genotype.0.nodes().len() + genotype.0.connections().len()
}

either_scheduler! {
    fn genotype_new, genotype_new_dirty(
        inputs: u32, outputs: u32, changes: Term<'a>, seed: u64) = new,
        costs 100 * (inputs as usize).saturating_mul(outputs as usize);
    fn genotype_mutate, genotype_mutate_dirty(
        genotype: GenotypeArc, changes: Term<'a>, seed: u64) = mutate_at_rates,
        costs 100 * genes(&genotype);
    fn genotype_apply, genotype_apply_dirty(
        genotype: GenotypeArc, operator: Term<'a>, changes: Term<'a>, seed: u64)
        = apply, costs 100 * genes(&genotype);
    fn genotype_crossover, genotype_crossover_dirty(
        fitter: GenotypeArc, other: GenotypeArc, changes: Term<'a>, seed: u64) = cross,
        costs 20 * (genes(&fitter) + genes(&other));
    fn genotype_resize, genotype_resize_dirty(
        genotype: GenotypeArc, inputs: u32, outputs: u32, changes: Term<'a>)
        = resize, costs 100 * (genes(&genotype) + inputs as usize + outputs as usize);
    fn genotype_distance, genotype_distance_dirty(
        a: GenotypeArc, b: GenotypeArc, changes: Term<'a>) = distance,
        costs 20 * (genes(&a) + genes(&b));
    fn genotype_id, genotype_id_dirty(genotype: GenotypeArc) = id, costs 100 * genes(&genotype);
    fn genotype_info, genotype_info_dirty(
        genotype: GenotypeArc) = info,
        costs 100 * genes(&genotype);
    fn genotype_cost, genotype_cost_dirty(
        genotype: GenotypeArc) = cost,
        costs 20 * genes(&genotype);
    fn genotype_encode, genotype_encode_dirty(
        genotype: GenotypeArc) = encode,
        costs 100 * genes(&genotype);
    fn genotype_decode, genotype_decode_dirty(bytes: Binary<'a>) = decode, costs 20 * bytes.len();
    fn genotype_to_json, genotype_to_json_dirty(
        genotype: GenotypeArc, normalisation: Term<'a>) = to_json,
        costs 1000 * genes(&genotype);
    fn genotype_from_json, genotype_from_json_dirty(
        bytes: Binary<'a>) = from_json,
        costs 20 * bytes.len();
    fn genotype_from_neat_python, genotype_from_neat_python_dirty(
        bytes: Binary<'a>) = from_neat_python,
        costs 20 * bytes.len();
    fn genotype_diff, genotype_diff_dirty(base: GenotypeArc, target: GenotypeArc) = diff,
        costs 200 * (genes(&base) + genes(&target));
    fn genotype_patch, genotype_patch_dirty(base: GenotypeArc, bytes: Binary<'a>) = patch,
        costs 200 * genes(&base) + 20 * bytes.len();
    fn genotype_to_c, genotype_to_c_dirty(
        genotype: GenotypeArc, normalisation: Term<'a>, name: Term<'a>) = to_c,
        costs 10_000 + 1_000 * genes(&genotype);
    fn genotype_to_rust, genotype_to_rust_dirty(
        genotype: GenotypeArc, normalisation: Term<'a>, name: Term<'a>) = to_rust,
        costs 10_000 + 1_000 * genes(&genotype);
    fn genotype_to_onnx, genotype_to_onnx_dirty(
        genotype: GenotypeArc, normalisation: Term<'a>) = to_onnx,
        costs 10_000 + 1_000 * genes(&genotype);
}

/// `{ok, Genotype}`
fn born<'a>(env: Env<'a>, genotype: Genotype) -> NifResult<Term<'a>> {
    Ok((atoms::ok(), wrap(genotype)).encode(env))
}

fn new<'a>(
    env: Env<'a>,
    inputs: u32,
    outputs: u32,
    changes: Term<'a>,
    seed: u64,
) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    let genotype = Genotype::new(inputs, outputs, &p, &mut operator_stream(seed));
    born(env, genotype.map_err(error::genotype)?)
}

#[rustler::nif]
fn genotype_operators(env: Env) -> NifResult<Vec<Atom>> {
    OPERATORS.iter().map(|operator| Atom::from_str(env, operator.name)).collect()
}

/// The names that a birth may have: those of mutations, and of what else makes genotypes.
#[rustler::nif]
fn genotype_births(env: Env) -> NifResult<Vec<Atom>> {
    Operators::all().names().map(|name| Atom::from_str(env, name)).collect()
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
    let operator =
        Operator::named(&atoms::text(operator)?).ok_or_else(|| error::refuse(unknown))?;
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

fn resize<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    inputs: u32,
    outputs: u32,
    changes: Term<'a>,
) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    born(env, genotype.0.resized(inputs, outputs, &p).map_err(error::genotype)?)
}

fn distance<'a>(
    env: Env<'a>,
    a: GenotypeArc,
    b: GenotypeArc,
    changes: Term<'a>,
) -> NifResult<Term<'a>> {
    let p = parameters::read(changes, Parameters::default())?;
    Ok(speciation::distance(&a.0, &b.0, &p).encode(env))
}

fn id<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(binary(env, &codec::id(&genotype.0)))
}

fn info<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    let g = &genotype.0;
    let counts = [
        (atoms::inputs(), g.inputs() as usize),
        (atoms::outputs(), g.outputs() as usize),
        (atoms::nodes(), g.nodes().len()),
        (atoms::hidden(), g.hidden()),
        (atoms::connections(), g.connections().len()),
        (atoms::recurrent(), g.recurrent()),
    ];
    Term::map_from_pairs(env, &counts)
}

fn cost<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(genotype.0.cost().encode(env))
}

fn encode<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(binary(env, &codec::encode(&genotype.0)))
}

fn decode<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<Term<'a>> {
    born(env, codec::decode(&bytes).map_err(error::codec)?)
}

fn to_json<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    normalisation: Term<'a>,
) -> NifResult<Term<'a>> {
    let normalisation = numbers::normalisation(normalisation, genotype.0.inputs() as usize)?;
    Ok(binary(env, &json::write(&genotype.0, normalisation.as_ref())))
}

fn from_json<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<Term<'a>> {
    born(env, json::read(&bytes).map_err(error::json)?)
}

fn from_neat_python<'a>(env: Env<'a>, bytes: Binary<'a>) -> NifResult<Term<'a>> {
    born(env, neat_python::read(&bytes).map_err(error::json)?)
}

fn diff<'a>(env: Env<'a>, base: GenotypeArc, target: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(binary(env, &delta::diff(&base.0, &target.0)))
}

fn patch<'a>(env: Env<'a>, base: GenotypeArc, bytes: Binary<'a>) -> NifResult<Term<'a>> {
    born(env, delta::patch(&base.0, &bytes).map_err(error::delta)?)
}

fn to_c<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    normalisation: Term<'a>,
    name: Term<'a>,
) -> NifResult<Term<'a>> {
    let name = read_name(name)?;
    Ok(binary(env, c::write(&plan(&genotype, normalisation)?, &name).as_bytes()))
}

fn to_rust<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    normalisation: Term<'a>,
    name: Term<'a>,
) -> NifResult<Term<'a>> {
    let name = read_name(name)?;
    Ok(binary(env, rust::write(&plan(&genotype, normalisation)?, &name).as_bytes()))
}

fn read_name(term: Term) -> NifResult<Name> {
    let bytes: Binary = term.decode()?;
    let text = std::str::from_utf8(&bytes).unwrap_or("");
    Name::new(text).map_err(|error| {
        let (given, expected) = (Bytes(bytes.to_vec()), error.to_string());
        error::refuse((atoms::bad_option(), (atoms::name(), given, expected)))
    })
}

fn to_onnx<'a>(
    env: Env<'a>,
    genotype: GenotypeArc,
    normalisation: Term<'a>,
) -> NifResult<Term<'a>> {
    Ok(binary(env, &onnx::write(&plan(&genotype, normalisation)?)))
}

fn plan(genotype: &GenotypeArc, normalisation: Term) -> NifResult<Plan> {
    let normalisation = numbers::normalisation(normalisation, genotype.0.inputs() as usize)?;
    Ok(Plan::new(&genotype.0).normalised(normalisation))
}

/// The possible values of each named gene: `#{activation => [identity, ...], ...}`.
#[rustler::nif]
fn genotype_choices(env: Env<'_>) -> NifResult<Term<'_>> {
    let choices = [
        (atoms::activation(), names::<Activation>(env)?),
        (atoms::aggregation(), names::<Aggregation>(env)?),
        (atoms::dynamics(), names::<Dynamics>(env)?),
        (atoms::plasticity(), names::<Plasticity>(env)?),
    ];
    Term::map_from_pairs(env, &choices)
}

fn names<C: Choice>(env: Env) -> NifResult<Vec<Atom>> {
    C::ALL.iter().map(|choice| Atom::from_str(env, choice.name())).collect()
}

/// `{Inputs, Outputs, [{Id, Layer, Neuron}], [{Id, From, To, Weight, Enabled}],
/// [IdOfInput], [IdOfOutput]}`,
/// the last two in counting order; a neuron is a map of its genes.
#[rustler::nif(schedule = "DirtyCpu")]
fn genotype_genes(env: Env<'_>, genotype: GenotypeArc) -> NifResult<Term<'_>> {
    let g = &genotype.0;
    let node = |n: Node| Ok((n.id, n.layer, show_neuron(env, &n.neuron)?).encode(env));
    let nodes: Vec<Term> = g.nodes().map(node).collect::<NifResult<_>>()?;
    let connections: Vec<Term> =
        g.connections().map(|c| (c.id, c.from, c.to, c.weight, c.enabled).encode(env)).collect();
    let inputs: Vec<u64> = (0..g.inputs()).map(innovation::input).collect();
    let outputs: Vec<u64> = (0..g.outputs()).map(innovation::output).collect();
    Ok((g.inputs(), g.outputs(), nodes, connections, inputs, outputs).encode(env))
}

macro_rules! terms {
    ($($(#[$about:meta])* $kind:ident $name:ident: $type:ty = $input:expr, $is_sound:ident;)*) => {
        fn show_neuron<'a>(env: Env<'a>, neuron: &Neuron) -> NifResult<Term<'a>> {
            Term::map_from_pairs(env, &[$((atoms::$name(), show::$kind(env, neuron.$name)?)),*])
        }

        /// Missing genes have the values of an input.
        fn read_neuron(genes: Term) -> NifResult<Neuron> {
            Ok(Neuron { $($name: $kind(genes, atoms::$name(), Neuron::INPUT.$name)?,)* })
        }
    };
}

neuron_genes!(terms);

/// A term of each kind of gene.
mod show {
    use cambrian_core::base::choice::Choice;
    use rustler::{Atom, Encoder, Env, NifResult, Term};

    pub fn choice<C: Choice>(env: Env<'_>, gene: C) -> NifResult<Term<'_>> {
        Ok(Atom::from_str(env, gene.name())?.encode(env))
    }

    pub fn number(env: Env<'_>, gene: f32) -> NifResult<Term<'_>> {
        Ok(gene.encode(env))
    }
}

fn number(genes: Term, gene: Atom, usual: f32) -> NifResult<f32> {
    let Ok(term) = genes.map_get(gene) else { return Ok(usual) };
    term.decode::<f64>().or_else(|_| term.decode::<i64>().map(|i| i as f64)).map(|x| x as f32)
}

/// The named value of a gene, if the map has it; for an unknown name,
/// `{error, {unknown_gene, Gene, Name}}`.
pub fn choice<C: Choice>(genes: Term, gene: Atom, usual: C) -> NifResult<C> {
    let Ok(term) = genes.map_get(gene) else { return Ok(usual) };
    let unknown = (atoms::unknown_gene(), gene, term.decode::<Atom>()?);
    C::named(&atoms::text(term)?).ok_or_else(|| error::refuse(unknown))
}

type ConnectionTerm = (u64, u64, f64, bool);

/// Genes in any order; the ids of connections follow from their ends.
#[rustler::nif(schedule = "DirtyCpu")]
fn genotype_from_genes(
    inputs: u32,
    outputs: u32,
    nodes: List<(u64, u64, Term)>,
    connections: List<ConnectionTerm>,
) -> NifResult<(Atom, GenotypeArc)> {
    let node = |(id, layer, genes)| Ok(Node { id, layer, neuron: read_neuron(genes)? });
    let mut nodes: Vec<Node> = nodes.0.into_iter().map(node).collect::<NifResult<_>>()?;
    let mut connections: Vec<Connection> = (connections.0.into_iter())
        .map(|(from, to, weight, enabled)| Connection {
            enabled,
            ..Connection::new(from, to, weight as f32)
        })
        .collect();
    nodes.sort_unstable_by_key(|n| (n.layer, n.id));
    connections.sort_unstable_by_key(|c| c.id);
    let genotype = Genotype::from_genes(inputs, outputs, nodes, connections);
    Ok((atoms::ok(), wrap(genotype.map_err(error::genotype)?)))
}
