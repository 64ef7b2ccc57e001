//! An archive as bytes: one canonical MessagePack array, the same on every machine.
//!
//! `docs/wire-format.md` describes it for other readers. The id of an archive is the hash of these
//! bytes, so equal archives have equal ids.

use super::{Archive, Axes, Components, Elite, Space, SpaceError};
use crate::base::choice::Choice;
use crate::base::memory::{self, TooLarge};
use crate::genome::genotype::{MAX_ENDS, Shape};
use crate::genome::parameters::{Bounds, Partition, Projection};
use crate::wire::codec::{self, CodecError, GenotypeId};
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use std::sync::Arc;
use thiserror::Error;

/// The version of the schema where each number of a behaviour is a dimension.
const VERSION: u64 = 1;
/// The version with a projection.
const PROJECTED: u64 = 2;

/// No name of a task is longer, in bytes.
const MAX_TASK: usize = 1024;

/// Longer bytes are refused unread.
pub const MAX_BYTES: usize = 1 << 30;

/// Why bytes are not an archive.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ArchiveError {
    #[error("{0} bytes; expected at most {MAX_BYTES}")]
    TooLarge(usize),
    #[error(transparent)]
    Memory(TooLarge),
    /// Not an array of the right kinds, cut short, or columns whose lengths disagree.
    #[error("not the bytes of an archive")]
    Malformed,
    #[error("archive version {0}; this release reads up to {PROJECTED}")]
    UnsupportedVersion(u64),
    #[error(transparent)]
    Space(SpaceError),
    #[error(transparent)]
    Genotype(CodecError),
    /// The same archive has other, canonical bytes.
    #[error("not the canonical bytes of this archive")]
    NotCanonical,
}

#[derive(Serialize, Deserialize)]
struct Columns<'a> {
    schema: u64,
    task: &'a str,
    inputs: u32,
    outputs: u32,
    partition: u8,
    cells: u32,
    #[serde(borrow)]
    bounds: &'a Bytes,
    places: &'a Bytes,
    fitness: &'a Bytes,
    behaviours: &'a Bytes,
    genotypes: Vec<&'a Bytes>,
    /// What the axes are, and the mean and the directions of principal components.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    axes: Option<(u8, &'a Bytes, &'a Bytes)>,
}

fn floats(all: impl Iterator<Item = f64>) -> Vec<u8> {
    all.flat_map(f64::to_le_bytes).collect()
}

fn words<const N: usize>(bytes: &[u8]) -> Result<&[[u8; N]], ArchiveError> {
    let (words, rest) = bytes.as_chunks();
    if rest.is_empty() { Ok(words) } else { Err(ArchiveError::Malformed) }
}

fn read_floats(bytes: &[u8]) -> Result<Vec<f64>, ArchiveError> {
    let floats: Vec<f64> = words(bytes)?.iter().map(|word| f64::from_le_bytes(*word)).collect();
    if floats.iter().all(|x| x.is_finite()) { Ok(floats) } else { Err(ArchiveError::Malformed) }
}

impl Archive {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let space = self.space();
        let elites = || self.elites().values();
        let bounds = floats(space.bounds().0.iter().flat_map(|(low, high)| [*low, *high]));
        let places: Vec<u8> = self.elites().keys().flat_map(|cell| cell.to_le_bytes()).collect();
        let fitness = floats(elites().map(|elite| elite.fitness));
        let behaviours = floats(elites().flat_map(|elite| elite.behaviour.iter().copied()));
        let (mean, directions) = match space.axes() {
            Axes::Own | Axes::Random => (Vec::new(), Vec::new()),
            Axes::Principal(components) => {
                (floats(components.mean()), floats(components.directions()))
            }
        };
        let axes =
            |kind: Projection| Some((kind.number(), Bytes::new(&mean), Bytes::new(&directions)));
        let axes = match space.axes() {
            Axes::Own => None,
            Axes::Random => axes(Projection::Random),
            Axes::Principal(_) => axes(Projection::Principal),
        };
        let genotypes: Vec<Vec<u8>> = elites().map(|one| codec::encode(&one.genotype)).collect();
        let columns = Columns {
            schema: if axes.is_some() { PROJECTED } else { VERSION },
            task: self.task(),
            inputs: self.shape().inputs,
            outputs: self.shape().outputs,
            partition: space.partition().number(),
            cells: space.cells(),
            bounds: Bytes::new(&bounds),
            places: Bytes::new(&places),
            fitness: Bytes::new(&fitness),
            behaviours: Bytes::new(&behaviours),
            genotypes: genotypes.iter().map(|bytes| Bytes::new(bytes)).collect(),
            axes,
        };
        rmp_serde::to_vec(&columns).expect("writing numbers to memory cannot fail")
    }

    /// SHA-256 of the canonical bytes: of descriptor, cells and elites, and of nothing that depends
    /// on how they were found.
    pub fn id(&self) -> GenotypeId {
        codec::id_of(&self.encode())
    }

    /// Reads canonical bytes from anyone.
    ///
    /// # Errors
    /// [`ArchiveError`]; memory stays in proportion to the bytes that were given.
    pub fn decode(bytes: &[u8]) -> Result<Archive, ArchiveError> {
        if bytes.len() > MAX_BYTES {
            return Err(ArchiveError::TooLarge(bytes.len()));
        }
        memory::check(memory::product(&[bytes.len(), 4])).map_err(ArchiveError::Memory)?;
        match codec::version(bytes).ok_or(ArchiveError::Malformed)? {
            VERSION | PROJECTED => {}
            other => return Err(ArchiveError::UnsupportedVersion(other)),
        }
        let columns: Columns = rmp_serde::from_slice(bytes).map_err(|_| ArchiveError::Malformed)?;
        let archive = columns.archive()?;
        if archive.encode() == bytes { Ok(archive) } else { Err(ArchiveError::NotCanonical) }
    }
}

impl Columns<'_> {
    fn space(&self) -> Result<Space, ArchiveError> {
        let bounds = words(self.bounds)?.as_chunks::<2>().0.iter();
        let bounds = bounds.map(|pair| pair.map(f64::from_le_bytes).into()).collect();
        let bounds = Bounds::checked(bounds).ok_or(ArchiveError::Malformed)?;
        let partition = Partition::numbered(self.partition).ok_or(ArchiveError::Malformed)?;
        // it would take long to find that the cells are others
        let has_cells = self.cells > 0 && self.cells <= Bounds::MAX_CELLS;
        if !has_cells {
            return Err(ArchiveError::Malformed);
        }
        let axes = self.axes(bounds.0.len()).ok_or(ArchiveError::Malformed)?;
        let space = Space::new(&bounds, partition, self.cells).map_err(ArchiveError::Space)?;
        Ok(space.along(axes))
    }

    fn axes(&self, dimensions: usize) -> Option<Axes> {
        let Some((kind, mean, directions)) = self.axes else { return Some(Axes::Own) };
        match Projection::numbered(kind)? {
            Projection::None => None,
            Projection::Random => Some(Axes::Random),
            Projection::Principal => {
                let (mean, directions) = (read_floats(mean).ok()?, read_floats(directions).ok()?);
                let components = Components::restored(mean, directions, dimensions)?;
                Some(Axes::Principal(Arc::new(components)))
            }
        }
    }

    fn archive(&self) -> Result<Archive, ArchiveError> {
        let sizes = 1..=MAX_ENDS;
        let is_known = sizes.contains(&self.inputs) && sizes.contains(&self.outputs);
        if !is_known || self.task.is_empty() || self.task.len() > MAX_TASK {
            return Err(ArchiveError::Malformed);
        }
        let shape = Shape { inputs: self.inputs, outputs: self.outputs };
        let (fitness, numbers) = (read_floats(self.fitness)?, read_floats(self.behaviours)?);
        let places: &[[u8; 4]] = words(self.places)?;
        let count = self.genotypes.len();
        if [fitness.len(), places.len()] != [count; 2] {
            return Err(ArchiveError::Malformed);
        }
        // last, as centroids can take seconds
        let space = self.space()?;
        let of_elites = || numbers.len().checked_div(count).unwrap_or(0);
        let length = space.axes().length(space.dimensions()).unwrap_or_else(of_elites);
        let is_long = length > MAX_ENDS as usize;
        if is_long || count.checked_mul(length) != Some(numbers.len()) {
            return Err(ArchiveError::Malformed);
        }
        let mut archive = Archive::new(self.task, shape, Arc::new(space));
        let behaviours = (0..count).map(|at| &numbers[at * length..(at + 1) * length]);
        let all = self.genotypes.iter().zip(fitness).zip(behaviours);
        for ((genotype, fitness), behaviour) in all {
            let genotype = codec::decode(genotype).map_err(ArchiveError::Genotype)?;
            if (genotype.inputs(), genotype.outputs()) != (self.inputs, self.outputs) {
                return Err(ArchiveError::Malformed);
            }
            archive.insert(Arc::new(Elite::new(Arc::new(genotype), fitness, behaviour.to_vec())));
        }
        Ok(archive)
    }
}
