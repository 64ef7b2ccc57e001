//! cambrian_archive

use crate::genotype::wrap;
use crate::parameters::show;
use crate::population::{EvaluatedArc, PopulationArc};
use crate::term::{List, binary, evenly};
use crate::{atoms, error};
use cambrian_core::base::choice::Choice;
use cambrian_core::genome::parameters::{Projection, Value};
use cambrian_core::search::archive::{Archive, Axes, Different, Elite, Raster, Space, Summary};
use cambrian_core::search::map_elites;
use cambrian_core::search::population::Population;
use rustler::{Atom, Binary, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use std::sync::Arc;

/// Immutable.
pub struct ArchiveResource(Archive);

#[rustler::resource_impl]
impl Resource for ArchiveResource {}

pub type ArchiveArc = ResourceArc<ArchiveResource>;

fn wrapped(archive: Archive) -> ArchiveArc {
    ResourceArc::new(ArchiveResource(archive))
}

/// The archive of a generation, evaluated or waiting for fitness; `undefined` in a search without
/// an archive.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_archive<'a>(env: Env<'a>, generation: Term<'a>, task: &str) -> NifResult<Term<'a>> {
    let of = |population: &Population| {
        let elites = population.elites()?;
        Some(wrapped(elites.archive(task, population.shape())))
    };
    let archive = match generation.decode::<EvaluatedArc>() {
        Ok(evaluated) => of(evaluated.0.population()),
        Err(_) => of(&generation.decode::<PopulationArc>()?.0),
    };
    Ok(archive.map_or_else(|| atoms::undefined().encode(env), |archive| archive.encode(env)))
}

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_encode(env: Env<'_>, archive: ArchiveArc) -> Term<'_> {
    binary(env, &archive.0.encode())
}

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_id(env: Env<'_>, archive: ArchiveArc) -> Term<'_> {
    binary(env, &archive.0.id())
}

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_decode(bytes: Binary) -> NifResult<(Atom, ArchiveArc)> {
    let archive = Archive::decode(&bytes).map_err(error::archive)?;
    Ok((atoms::ok(), wrapped(archive)))
}

/// `{ok, Archive}`
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_merge(a: ArchiveArc, b: ArchiveArc) -> NifResult<(Atom, ArchiveArc)> {
    let different = |why: Different| error::refuse((atoms::different_archives(), why.to_string()));
    Ok((atoms::ok(), wrapped(a.0.merge(&b.0).map_err(different)?)))
}

/// `offset` is the fitness that adds nothing to the QD score.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_info(env: Env<'_>, archive: ArchiveArc, offset: f64) -> NifResult<Term<'_>> {
    let (archive, space) = (&archive.0, archive.0.space());
    let Summary { cells, filled, best, mean, qd_score } = archive.summary(offset);
    let or_none = |number: Option<f64>| match number {
        Some(number) => number.encode(env),
        None => atoms::none().encode(env),
    };
    let pairs = [
        (atoms::task(), binary(env, archive.task().as_bytes())),
        (atoms::inputs(), archive.shape().inputs.encode(env)),
        (atoms::outputs(), archive.shape().outputs.encode(env)),
        (atoms::bounds(), show(env, &Value::Pairs(space.bounds().0.clone()))?),
        (atoms::partition(), Atom::from_str(env, space.partition().name())?.encode(env)),
        (atoms::cells(), cells.encode(env)),
        (atoms::filled(), filled.encode(env)),
        (atoms::coverage(), (filled as f64 / f64::from(cells)).encode(env)),
        (atoms::best(), or_none(best)),
        (atoms::mean(), or_none(mean)),
        (atoms::qd_score(), qd_score.encode(env)),
    ];
    let map = Term::map_from_pairs(env, &pairs)?;
    let map = match space.places() {
        Some(places) => map.map_put(atoms::places(), places)?,
        None => map,
    };
    let projection = match space.axes() {
        Axes::Own => return Ok(map),
        Axes::Random => Projection::Random,
        Axes::Principal(_) => Projection::Principal,
    };
    let length = archive.length().unwrap_or(0);
    let map = map.map_put(atoms::projection(), Atom::from_str(env, projection.name())?)?;
    map.map_put(atoms::length(), length)
}

/// `#{cell, genotype, fitness, behaviour}`, and its position in an archive with other axes.
fn elite<'a>(env: Env<'a>, space: &Space, cell: u32, elite: &Elite) -> NifResult<Term<'a>> {
    let pairs = [
        (atoms::cell(), cell.encode(env)),
        (atoms::genotype(), wrap(Arc::clone(&elite.genotype)).encode(env)),
        (atoms::fitness(), elite.fitness.encode(env)),
        (atoms::behaviour(), elite.behaviour.encode(env)),
    ];
    let map = Term::map_from_pairs(env, &pairs)?;
    match space.axes() {
        Axes::Own => Ok(map),
        _ => map.map_put(atoms::position(), space.position(&elite.behaviour).into_owned()),
    }
}

/// `{ok, Elite} | none`
fn found<'a>(
    env: Env<'a>,
    archive: &Archive,
    one: Option<(u32, &Arc<Elite>)>,
) -> NifResult<Term<'a>> {
    match one {
        Some((cell, one)) => Ok((atoms::ok(), elite(env, archive.space(), cell, one)?).encode(env)),
        None => Ok(atoms::none().encode(env)),
    }
}

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_best(env: Env<'_>, archive: ArchiveArc) -> NifResult<Term<'_>> {
    found(env, &archive.0, archive.0.best())
}

/// Checks the length of a behaviour: as many finite numbers as those in the archive.
fn point(archive: &Archive, behaviour: List<f64>) -> NifResult<Vec<f64>> {
    let fits = archive.length().is_none_or(|length| length == behaviour.0.len());
    if fits { Ok(behaviour.0) } else { Err(Error::BadArg) }
}

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_at<'a>(env: Env<'a>, archive: ArchiveArc, behaviour: List<f64>) -> NifResult<Term<'a>> {
    let cell = archive.0.space().cell(&point(&archive.0, behaviour)?);
    found(env, &archive.0, archive.0.elites().get(&cell).map(|elite| (cell, elite)))
}

/// The cell of a behaviour.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_cell(archive: ArchiveArc, behaviour: List<f64>) -> NifResult<u32> {
    Ok(archive.0.space().cell(&point(&archive.0, behaviour)?))
}

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_nearest<'a>(
    env: Env<'a>,
    archive: ArchiveArc,
    behaviour: List<f64>,
) -> NifResult<Term<'a>> {
    found(env, &archive.0, archive.0.nearest(&point(&archive.0, behaviour)?))
}

/// The most elites that one call draws.
const MOST_SAMPLES: usize = 1_000_000;

#[rustler::nif(schedule = "DirtyCpu")]
fn archive_sample(
    env: Env<'_>,
    archive: ArchiveArc,
    count: usize,
    seed: u64,
) -> NifResult<Vec<Term<'_>>> {
    if count > MOST_SAMPLES {
        return Err(Error::BadArg);
    }
    let sample = archive.0.sample(count, seed);
    sample.into_iter().map(|(cell, one)| elite(env, archive.0.space(), cell, one)).collect()
}

/// All elites, by their cells.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_elites(env: Env<'_>, archive: ArchiveArc) -> NifResult<Vec<Term<'_>>> {
    archive.0.elites().iter().map(|(cell, one)| elite(env, archive.0.space(), *cell, one)).collect()
}

/// Their ids, in the same order.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_ids(env: Env<'_>, archive: ArchiveArc) -> Vec<Term<'_>> {
    archive.0.elites().values().map(|elite| binary(env, elite.id())).collect()
}

/// At most so many, evenly chosen.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_some(env: Env<'_>, archive: ArchiveArc, most: usize) -> NifResult<Vec<Term<'_>>> {
    let elites = archive.0.elites();
    let mut chosen = evenly(elites.len(), most).peekable();
    let is_chosen = |(at, _): &(usize, _)| chosen.next_if_eq(at).is_some();
    let some = elites.iter().enumerate().filter(is_chosen);
    some.map(|(_, (cell, one))| elite(env, archive.0.space(), *cell, one)).collect()
}

/// Whether its behaviours are what networks with so many outputs do on probes.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_is_of_probes(archive: ArchiveArc, outputs: u32) -> bool {
    outputs > 0 && map_elites::is_of_probes(&archive.0, outputs)
}

/// An archive of those of its elites whose cells are listed, with other measurements:
/// `[{Cell, Fitness, Behaviour}]`.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_remeasured(
    archive: ArchiveArc,
    measured: List<(u32, f64, List<f64>)>,
) -> NifResult<ArchiveArc> {
    let measured = measured.0.into_iter();
    let measured = measured.map(|(cell, fitness, behaviour)| (cell, fitness, behaviour.0));
    archive.0.remeasured(measured).map(wrapped).ok_or(Error::BadArg)
}

/// A picture of an archive of one or two dimensions, with at most so many columns and rows, the
/// lowest row first: `{Columns, Rows, [Fitness | none]}`. `undefined` for more dimensions.
#[rustler::nif(schedule = "DirtyCpu")]
fn archive_raster(env: Env<'_>, archive: ArchiveArc, most: u32) -> NifResult<Term<'_>> {
    if most == 0 {
        return Err(Error::BadArg);
    }
    let Some(Raster { columns, rows, fitness }) = archive.0.raster(most) else {
        return Ok(atoms::undefined().encode(env));
    };
    let number = |fitness: &Option<f64>| match fitness {
        Some(fitness) => fitness.encode(env),
        None => atoms::none().encode(env),
    };
    Ok((columns, rows, fitness.iter().map(number).collect::<Vec<Term>>()).encode(env))
}
