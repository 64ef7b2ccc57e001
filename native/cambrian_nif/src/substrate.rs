//! cambrian_substrate

use crate::genotype::{GenotypeArc, choice, wrap};
use crate::job::{self, Job};
use crate::scheduler::is_short;
use crate::term::List;
use crate::{atoms, error};
use cambrian_core::genome::genotype::Shape;
use cambrian_core::phenotype::encoding::Encoding;
use cambrian_core::phenotype::substrate::{
    self, Expression, Hidden, Plan, Point, Quadtree, Substrate, SubstrateError,
};
use rustler::{Atom, Decoder, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use std::sync::Arc;

pub struct SubstrateResource(pub Arc<Substrate>);

#[rustler::resource_impl]
impl Resource for SubstrateResource {}

pub type SubstrateArc = ResourceArc<SubstrateResource>;

/// A float or an integer.
struct Number(f32);

impl<'a> Decoder<'a> for Number {
    fn decode(term: Term<'a>) -> NifResult<Number> {
        let float = term.decode::<f64>().or_else(|_| term.decode::<i64>().map(|i| i as f64));
        float.map(|x| Number(x as f32))
    }
}

struct Points(Vec<Point>);

impl<'a> Decoder<'a> for Points {
    fn decode(term: Term<'a>) -> NifResult<Points> {
        let List(points): List<List<Number>> = term.decode()?;
        Ok(Points(
            points.into_iter().map(|point| point.0.into_iter().map(|x| x.0).collect()).collect(),
        ))
    }
}

/// The value of a map under a name.
fn get<'a, T: Decoder<'a>>(map: Term<'a>, name: Atom) -> NifResult<Option<T>> {
    map.map_get(name).ok().map(|term| term.decode()).transpose()
}

/// The defaults of cambrian_core, changed by the map's keys, which are the names of the fields of
/// `Plan` and `Quadtree`.
fn plan(map: Term) -> NifResult<Plan> {
    let inputs = get::<Points>(map, atoms::inputs())?.ok_or(Error::BadArg)?;
    let outputs = get::<Points>(map, atoms::outputs())?.ok_or(Error::BadArg)?;
    let mut plan = Plan::new(inputs.0, outputs.0);
    if let Some(term) = get::<Term>(map, atoms::hidden())? {
        plan.hidden = if term.is_map() { Hidden::Found(quadtree(term)?) } else { layers(term)? };
    }
    if let (Some(List(pairs)), Hidden::Placed { joins, .. }) =
        (get(map, atoms::joins())?, &mut plan.hidden)
    {
        *joins = pairs;
    }
    plan.activation = choice(map, atoms::activation(), plan.activation)?;
    plan.output_activation = choice(map, atoms::output_activation(), plan.output_activation)?;
    if let Some(Number(range)) = get(map, atoms::weight_range())? {
        plan.weight_range = range;
    }
    if let Some(Number(threshold)) = get(map, atoms::threshold())? {
        plan.expression = Expression::Threshold(threshold);
    }
    if get(map, atoms::leo())?.unwrap_or(false) {
        plan.expression = Expression::Leo;
    }
    plan.bias = get(map, atoms::bias())?.unwrap_or(plan.bias);
    Ok(plan)
}

fn layers(term: Term) -> NifResult<Hidden> {
    let List(layers): List<Points> = term.decode()?;
    Ok(Hidden::layers(layers.into_iter().map(|points| points.0).collect()))
}

fn quadtree(map: Term) -> NifResult<Quadtree> {
    let mut quadtree = Quadtree::default();
    let counts = [
        (atoms::initial_depth(), &mut quadtree.initial_depth),
        (atoms::max_depth(), &mut quadtree.max_depth),
        (atoms::iterations(), &mut quadtree.iterations),
    ];
    for (name, field) in counts {
        *field = get(map, name)?.unwrap_or(*field);
    }
    let thresholds = [
        (atoms::division_threshold(), &mut quadtree.division_threshold),
        (atoms::variance_threshold(), &mut quadtree.variance_threshold),
        (atoms::band_threshold(), &mut quadtree.band_threshold),
    ];
    for (name, field) in thresholds {
        *field = get(map, name)?.map_or(*field, |number: Number| number.0);
    }
    Ok(quadtree)
}

#[rustler::nif(schedule = "DirtyCpu")]
fn substrate_new(options: Term) -> NifResult<(Atom, SubstrateArc)> {
    let substrate = Substrate::new(plan(options)?).map_err(error::substrate)?;
    Ok((atoms::ok(), ResourceArc::new(SubstrateResource(Arc::new(substrate)))))
}

#[rustler::nif(schedule = "DirtyCpu")]
fn substrate_grid(sizes: List<u32>) -> NifResult<Vec<Point>> {
    substrate::grid(&sizes.0).map_err(|_| Error::BadArg)
}

/// `#{dimensions, inputs, outputs, pairs}` of its networks
#[rustler::nif]
fn substrate_info(env: Env<'_>, substrate: SubstrateArc) -> NifResult<Term<'_>> {
    let (substrate, shape) = (&substrate.0, substrate.0.shape());
    let counts = [
        (atoms::dimensions(), substrate.dimensions()),
        (atoms::inputs(), shape.inputs as usize),
        (atoms::outputs(), shape.outputs as usize),
        (atoms::pairs(), substrate.pairs()),
    ];
    Term::map_from_pairs(env, &counts)
}

/// `#{inputs, outputs}` of its CPPNs
#[rustler::nif]
fn substrate_shape(env: Env<'_>, substrate: SubstrateArc) -> NifResult<Term<'_>> {
    let Shape { inputs, outputs } = substrate.0.cppn_shape();
    Term::map_from_pairs(env, &[(atoms::inputs(), inputs), (atoms::outputs(), outputs)])
}

/// In nanoseconds: about a hundred per pair, plus the work of the CPPN.
pub fn cost(substrate: &Substrate, cppn: &GenotypeArc) -> usize {
    substrate.pairs().saturating_mul(100 + cppn.0.nodes().len() + cppn.0.connections().len())
}

/// # Errors
/// `{error, {wrong_size, inputs | outputs, Expected, Got}}` for a genotype that is not one of its
/// CPPNs.
pub fn check(encoding: &Encoding, genotype: &GenotypeArc) -> NifResult<()> {
    let (expected, got) =
        (encoding.shape(), Shape { inputs: genotype.0.inputs(), outputs: genotype.0.outputs() });
    match encoding {
        Encoding::Substrate(_) if expected != got => {
            Err(error::substrate(SubstrateError::Cppn { expected, got }))
        }
        _ => Ok(()),
    }
}

/// `{ok, Genotype}`, or `dirty` if that takes long.
#[rustler::nif]
fn substrate_express<'a>(
    env: Env<'a>,
    substrate: SubstrateArc,
    cppn: GenotypeArc,
) -> NifResult<Term<'a>> {
    if !is_short(env, cost(&substrate.0, &cppn)) {
        return Ok(atoms::dirty().encode(env));
    }
    let genotype = substrate.0.express(&cppn.0).map_err(error::substrate)?;
    Ok((atoms::ok(), wrap(genotype)).encode(env))
}

/// `{Tag, {ok, {ok, Genotype} | {error, Reason}}}`, the long form of [`substrate_express`].
#[rustler::nif]
fn substrate_express_job<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    substrate: SubstrateArc,
    cppn: GenotypeArc,
) -> NifResult<ResourceArc<Job>> {
    job::post(env, tag, move |token| match substrate.0.express_until_cancelled(&cppn.0, token) {
        Err(SubstrateError::Cancelled) => None,
        expressed => Some(Answer(expressed.map(wrap))),
    })
}

/// The answer that a direct call would return.
pub struct Answer<T>(pub Result<T, SubstrateError>);

impl<T: Encoder> Encoder for Answer<T> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            Ok(made) => (atoms::ok(), made).encode(env),
            Err(reason) => match error::substrate(*reason) {
                Error::Term(reason) => (atoms::error(), reason.encode(env)).encode(env),
                _ => atoms::error().encode(env),
            },
        }
    }
}
