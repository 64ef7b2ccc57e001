//! An archive of quality diversity: a box of behaviours in cells, and in each cell the fittest
//! genotype that was found there, its elite (Mouret & Clune 2015, "Illuminating search spaces by
//! mapping elites", arXiv:1504.04909).
//!
//! Which of two elites stays in a cell depends on nothing but the two. So merging archives is
//! commutative, associative and idempotent: replicas that exchange elites in any order end the
//! same.

mod axes;
mod bytes;
mod centroids;
mod components;
mod projection;
mod space;

pub use axes::Axes;
pub use bytes::{ArchiveError, MAX_BYTES};
pub use components::Components;
pub use projection::{project, spread};
pub use space::{MAX_DIMENSIONS, Space, SpaceError};

use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::{Genotype, Shape};
use crate::wire::codec::{self, GenotypeId};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// The fittest genotype of a cell, with what was measured of it.
#[derive(Debug)]
pub struct Elite {
    pub genotype: Arc<Genotype>,
    /// Finite.
    pub fitness: f64,
    /// Finite numbers. Where each is a dimension, as many as the space has; else as many as each of
    /// the other elites has.
    pub behaviour: Vec<f64>,
    id: OnceLock<GenotypeId>,
}

impl Elite {
    pub fn new(genotype: Arc<Genotype>, fitness: f64, behaviour: Vec<f64>) -> Elite {
        // one zero, so that equal numbers have equal bytes
        let behaviour = behaviour.into_iter().map(|number| number + 0.0).collect();
        Elite { genotype, fitness: fitness + 0.0, behaviour, id: OnceLock::new() }
    }

    pub fn id(&self) -> &GenotypeId {
        self.id.get_or_init(|| codec::id(&self.genotype))
    }

    /// Whether it is the one that stays where both are in a cell: it is fitter, or has the lower
    /// id. Of two measurements of one genotype the one with the lower behaviour stays.
    pub fn beats(&self, other: &Elite) -> bool {
        let order = self.fitness.total_cmp(&other.fitness);
        let by_id = || other.id().cmp(self.id());
        let pairs = || self.behaviour.iter().zip(&other.behaviour);
        let by_behaviour =
            || pairs().map(|(own, theirs)| theirs.total_cmp(own)).find(|o| o.is_ne());
        order.then_with(by_id).then_with(|| by_behaviour().unwrap_or(Ordering::Equal)).is_gt()
    }
}

/// The elites of a task in a space.
#[derive(Clone, Debug)]
pub struct Archive {
    task: String,
    shape: Shape,
    space: Arc<Space>,
    elites: BTreeMap<u32, Arc<Elite>>,
}

/// Why two archives have no union.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Different {
    #[error("the archives are of different tasks")]
    Task,
    #[error("the networks in the archives have different inputs or outputs")]
    Shape,
    #[error(
        "the archives divide behaviours differently: bounds, partition, cells and projection must \
         be equal"
    )]
    Space,
    #[error("the behaviours in the archives have {0} and {1} numbers")]
    Length(usize, usize),
}

/// What an archive amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub cells: u32,
    pub filled: usize,
    /// The highest and the mean fitness, where there is an elite.
    pub best: Option<f64>,
    pub mean: Option<f64>,
    /// The sum of what each elite's fitness is above the offset (Pugh, Soros & Stanley 2016).
    pub qd_score: f64,
}

impl Archive {
    pub fn new(task: &str, shape: Shape, space: Arc<Space>) -> Archive {
        Archive { task: task.into(), shape, space, elites: BTreeMap::new() }
    }

    pub fn task(&self) -> &str {
        &self.task
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// By their cells.
    pub fn elites(&self) -> &BTreeMap<u32, Arc<Elite>> {
        &self.elites
    }

    /// How many numbers a behaviour has, if that is known.
    pub fn length(&self) -> Option<usize> {
        let of_elites = || self.elites.values().next().map(|elite| elite.behaviour.len());
        self.space.axes().length(self.space.dimensions()).or_else(of_elites)
    }

    /// Puts an elite into its cell, if it is empty or held by one that this one beats. The elite
    /// must be of the archive's shape, and its behaviour as long as the others. Whether it is in
    /// the archive now.
    pub fn insert(&mut self, elite: Arc<Elite>) -> bool {
        let cell = self.space.cell(&elite.behaviour);
        let enters = self.elites.get(&cell).is_none_or(|held| elite.beats(held));
        if enters {
            self.elites.insert(cell, elite);
        }
        enters
    }

    /// All elites of both: of each cell, the one that beats the other.
    ///
    /// # Errors
    /// [`Different`]
    pub fn merge(&self, other: &Archive) -> Result<Archive, Different> {
        if self.task != other.task {
            return Err(Different::Task);
        }
        if self.shape != other.shape {
            return Err(Different::Shape);
        }
        if self.space != other.space {
            return Err(Different::Space);
        }
        if let (Some(own), Some(theirs)) = (self.length(), other.length())
            && own != theirs
        {
            return Err(Different::Length(own, theirs));
        }
        let mut union = self.clone();
        for elite in other.elites.values() {
            union.insert(Arc::clone(elite));
        }
        Ok(union)
    }

    /// An archive of those of its elites whose cells come here, with another fitness and behaviour.
    /// `None` if there is no elite in a cell, or a behaviour has another length.
    pub fn remeasured(
        &self,
        measured: impl IntoIterator<Item = (u32, f64, Vec<f64>)>,
    ) -> Option<Archive> {
        let mut again = Archive::new(&self.task, self.shape, Arc::clone(&self.space));
        for (cell, fitness, behaviour) in measured {
            let fits = Some(behaviour.len()) == self.length();
            let genotype = &self.elites.get(&cell).filter(|_| fits)?.genotype;
            again.insert(Arc::new(Elite::new(Arc::clone(genotype), fitness, behaviour)));
        }
        Some(again)
    }

    /// The fittest; of equals the one with the lowest id.
    pub fn best(&self) -> Option<(u32, &Arc<Elite>)> {
        let all = self.elites.iter().map(|(cell, elite)| (*cell, elite));
        all.reduce(|a, b| if b.1.beats(a.1) { b } else { a })
    }

    /// The elite whose behaviour is nearest to this one, by the Euclidean distance of their
    /// positions in units of the bounds; of equals the one in the lowest cell.
    pub fn nearest(&self, behaviour: &[f64]) -> Option<(u32, &Arc<Elite>)> {
        let point = self.space.scaled(behaviour);
        let distance = |elite: &Elite| squared(&self.space.scaled(&elite.behaviour), &point);
        let all = self.elites.iter().map(|(cell, elite)| (*cell, elite, distance(elite)));
        let nearer = all.reduce(|a, b| if b.2 < a.2 { b } else { a });
        nearer.map(|(cell, elite, _)| (cell, elite))
    }

    /// So many elites at random, each drawn from all of them.
    pub fn sample(&self, count: usize, seed: u64) -> Vec<(u32, &Arc<Elite>)> {
        let all: Vec<_> = self.elites.iter().map(|(cell, elite)| (*cell, elite)).collect();
        let mut rng = Stream::new(seed, Purpose::Sample, 0, 0);
        (0..count).filter_map(|_| rng.pick(&all).copied()).collect()
    }

    /// `offset` is the fitness that adds nothing to the QD score.
    pub fn summary(&self, offset: f64) -> Summary {
        let fitness = || self.elites.values().map(|elite| elite.fitness);
        let filled = self.elites.len();
        Summary {
            cells: self.space.cells(),
            filled,
            best: self.best().map(|(_, elite)| elite.fitness),
            mean: (filled > 0).then(|| fitness().map(|one| one / filled as f64).sum()),
            // a sum of nothing is -0.0
            qd_score: (0.0 + fitness().map(|one| one - offset).sum::<f64>())
                .clamp(f64::MIN, f64::MAX),
        }
    }
}

/// The fitness of elites as a picture, the lowest row first, each row from its lowest column.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    pub columns: u32,
    pub rows: u32,
    pub fitness: Vec<Option<f64>>,
}

impl Archive {
    /// The picture of an archive of one or two dimensions, with at most so many columns and rows;
    /// the first dimension goes to the right. Where cells are smaller than places of the picture,
    /// the fittest of a place is shown.
    pub fn raster(&self, most: u32) -> Option<Raster> {
        let dimensions = self.space.dimensions();
        let side = self.space.places().unwrap_or_else(|| {
            // about two places along each side of a cell
            (4.0 * f64::from(self.space.cells())).powf(0.5) as u32
        });
        let columns = side.clamp(1, most.max(1));
        let rows = match dimensions {
            1 => 1,
            2 => columns,
            _ => return None,
        };
        let mut raster = Raster { columns, rows, fitness: vec![None; (columns * rows) as usize] };
        match self.space.places() {
            Some(places) => self.fill_by_cells(&mut raster, places),
            None => self.fill_by_places(&mut raster),
        }
        Some(raster)
    }

    fn fill_by_cells(&self, raster: &mut Raster, places: u32) {
        let scaled =
            |along: u32, to: u32| (u64::from(along) * u64::from(to) / u64::from(places)) as u32;
        for (cell, elite) in &self.elites {
            let (x, y) = if raster.rows == 1 { (*cell, 0) } else { (cell / places, cell % places) };
            let at = scaled(y, raster.rows) * raster.columns + scaled(x, raster.columns);
            let known = &mut raster.fitness[at as usize];
            *known = Some(known.map_or(elite.fitness, |fitness| elite.fitness.max(fitness)));
        }
    }

    fn fill_by_places(&self, raster: &mut Raster) {
        for at in 0..raster.columns * raster.rows {
            let (x, y) = (at % raster.columns, at / raster.columns);
            let middle = |along: u32, of: u32| (f64::from(along) + 0.5) / f64::from(of);
            let point = [middle(x, raster.columns), middle(y, raster.rows)];
            let cell = self.space.cell_at(&point[..self.space.dimensions()]);
            raster.fitness[at as usize] = self.elites.get(&cell).map(|elite| elite.fitness);
        }
    }
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}
