//! How the behaviours of a run get places in its archive, as its parameters say.

use crate::base::cancel::NeverCancelled;
use crate::genome::parameters::{Bounds, ParameterError, Parameters, Projection, Search};
use crate::phenotype::network::Network;
use crate::phenotype::probe;
use crate::search::archive::{Archive, Axes, Components, Space, SpaceError, project, spread};
use crate::task::Score;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many dimensions an archive has for tasks without bounds.
const DIMENSIONS: usize = 2;

/// No behaviour that a task returns has more numbers.
const LONGEST: usize = 1000;

/// The box of principal components, for a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Principal {
    bounds: Bounds,
    mean: Vec<f64>,
    directions: Vec<f64>,
}

/// The space of a run that begins, of networks with so many outputs.
pub(super) fn space(p: &Parameters, outputs: u32) -> Result<Space, ParameterError> {
    match p.projection {
        Projection::None => divided(&bounds(p, outputs), p),
        Projection::Random if p.bounds.0.is_empty() => Err(ParameterError::Invalid {
            name: "bounds",
            expected: "a pair for each dimension of the projection".into(),
        }),
        Projection::Random => Ok(divided(&p.bounds, p)?.along(Axes::Random)),
        Projection::Principal => principal(&[], p),
    }
}

/// The space of the principal components of these behaviours.
pub(super) fn principal(behaviours: &[&[f64]], p: &Parameters) -> Result<Space, ParameterError> {
    let components = Components::fit(behaviours, p.components as usize);
    let space = divided(&components.bounds(behaviours), p)?;
    Ok(space.along(Axes::Principal(Arc::new(components))))
}

/// As it was saved; `None` if it cannot be that of a run with these parameters.
pub(super) fn restored(saved: Principal, p: &Parameters, outputs: u32) -> Option<Space> {
    let Principal { bounds, mean, directions } = saved;
    let most = most_numbers(p, outputs);
    let components = Components::restored(mean, directions, p.components as usize)?;
    let bounds = Bounds::checked(bounds.0).filter(|all| all.0.len() == components.count())?;
    let is_principal = p.projection == Projection::Principal && components.length() <= most;
    let space = divided(&bounds, p).ok().filter(|_| is_principal)?;
    Some(space.along(Axes::Principal(Arc::new(components))))
}

/// The box of a space that is one of principal components, and not the first, which has none.
pub(super) fn saved(space: &Space) -> Option<Principal> {
    match space.axes() {
        Axes::Principal(components) if components.length() > 0 => Some(Principal {
            bounds: space.bounds().clone(),
            mean: components.mean().collect(),
            directions: components.directions().collect(),
        }),
        _ => None,
    }
}

fn divided(bounds: &Bounds, p: &Parameters) -> Result<Space, ParameterError> {
    let invalid = |error: SpaceError| ParameterError::Invalid {
        name: match error {
            SpaceError::Dimensions => "bounds",
            SpaceError::TooFew(_) | SpaceError::TooMany(_) => "cells",
        },
        expected: error.to_string(),
    };
    Space::new(bounds, p.partition, p.cells).map_err(invalid)
}

fn bounds(p: &Parameters, outputs: u32) -> Bounds {
    if p.bounds.0.is_empty() { probed(outputs) } else { p.bounds.clone() }
}

/// What most projections of the outputs on probes lie within.
fn probed(outputs: u32) -> Bounds {
    let reach = spread(probe::length(outputs as usize), DIMENSIONS);
    Bounds(vec![(-reach, reach); DIMENSIONS])
}

/// Whether the behaviours of an archive are what its networks, with so many outputs, do on probes.
/// Networks that a substrate makes are not looked at: their behaviours count as such if they are as
/// long.
pub fn is_of_probes(archive: &Archive, outputs: u32) -> bool {
    if let Axes::Own = archive.space().axes() {
        return *archive.space().bounds() == probed(outputs);
    }
    let Some(elite) = archive.elites().values().next() else { return false };
    if archive.shape().outputs != outputs {
        return elite.behaviour.len() == probe::length(outputs as usize);
    }
    let network = Network::new(&elite.genotype);
    probe::behaviour(&network.runner(&NeverCancelled)).is_ok_and(|probed| probed == elite.behaviour)
}

/// The outputs on probes as an archive looks at them: it has few dimensions.
pub(crate) fn described(probed: Vec<f64>, p: &Parameters) -> Vec<f64> {
    match dimensions(p) {
        Some(dimensions) => project(&probed, dimensions),
        None => probed,
    }
}

/// How many numbers a behaviour must have, where the parameters say it.
pub(crate) fn dimensions(p: &Parameters) -> Option<usize> {
    let dimensions = if p.bounds.0.is_empty() { DIMENSIONS } else { p.bounds.0.len() };
    is_of_numbers(p).then_some(dimensions)
}

/// How many numbers a behaviour can have at most, of networks with so many outputs.
pub(super) fn most_numbers(p: &Parameters, outputs: u32) -> usize {
    dimensions(p).unwrap_or_else(|| LONGEST.max(probe::length(outputs as usize)))
}

/// The score without a behaviour that the search does not ask for: without bounds only probes are
/// looked at, whatever the task says.
pub(crate) fn as_asked(score: Score, p: &Parameters) -> Score {
    match told_by_task(p) {
        Some(0) => Score { behaviour: Vec::new(), ..score },
        _ => score,
    }
}

/// How many numbers a task must give as the behaviour of a network, where the parameters say it; 0
/// where only probes are looked at.
pub fn told_by_task(p: &Parameters) -> Option<usize> {
    is_of_numbers(p).then_some(p.bounds.0.len())
}

/// Whether there is an archive of elites, and each number of a behaviour is a dimension of it.
fn is_of_numbers(p: &Parameters) -> bool {
    p.search == Search::MapElites && p.projection == Projection::None
}
