//! A box of behaviours, divided into cells.

use super::axes::Axes;
use super::centroids::{Centroids, FEW_DIMENSIONS};
use crate::genome::parameters::{Bounds, Partition};
use std::borrow::Cow;
use thiserror::Error;

/// A grid of more dimensions would have two or fewer places along each, and centroids would be far
/// from everything.
pub const MAX_DIMENSIONS: usize = 16;

/// Centroids are found by comparing samples with them, with all where there are many dimensions.
const MAX_CENTROIDS: u32 = 50_000;
const MAX_CENTROIDS_OF_MANY: u32 = 10_000;

/// Behaviours beyond a bound count as those at the bound.
#[derive(Debug)]
pub struct Space {
    bounds: Bounds,
    partition: Partition,
    division: Division,
    axes: Axes,
}

#[derive(Debug)]
enum Division {
    /// So many places along each dimension.
    Grid(u32),
    Centroids(Centroids),
}

/// Why a box cannot be divided so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SpaceError {
    #[error("at most {MAX_DIMENSIONS} pairs")]
    Dimensions,
    #[error("at least {0}: a grid of this many dimensions needs two places along each")]
    TooFew(u32),
    #[error("at most {0} with partition cvt and so many dimensions")]
    TooMany(u32),
}

impl PartialEq for Space {
    fn eq(&self, other: &Space) -> bool {
        (&self.bounds, self.partition, self.cells(), &self.axes)
            == (&other.bounds, other.partition, other.cells(), &other.axes)
    }
}

impl Space {
    /// With at most so many cells: exactly so many by centroids, and in a grid the highest number
    /// that gives each dimension equally many places.
    ///
    /// # Errors
    /// [`SpaceError`]
    pub fn new(bounds: &Bounds, partition: Partition, cells: u32) -> Result<Space, SpaceError> {
        let dimensions = bounds.0.len();
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(SpaceError::Dimensions);
        }
        let division = match partition {
            Partition::Grid => {
                let places = root(cells, dimensions as u32);
                let fewest = 1 << dimensions;
                Division::Grid(Some(places).filter(|n| *n > 1).ok_or(SpaceError::TooFew(fewest))?)
            }
            Partition::Cvt if cells > most_centroids(dimensions) => {
                return Err(SpaceError::TooMany(most_centroids(dimensions)));
            }
            Partition::Cvt => Division::Centroids(Centroids::new(cells, dimensions)),
        };
        Ok(Space { bounds: bounds.clone(), partition, division, axes: Axes::Own })
    }

    /// The same box, with other axes of as many dimensions.
    pub fn along(self, axes: Axes) -> Space {
        Space { axes, ..self }
    }

    pub fn axes(&self) -> &Axes {
        &self.axes
    }

    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub fn partition(&self) -> Partition {
        self.partition
    }

    pub fn dimensions(&self) -> usize {
        self.bounds.0.len()
    }

    pub fn cells(&self) -> u32 {
        match &self.division {
            Division::Grid(places) => places.pow(self.dimensions() as u32),
            Division::Centroids(centroids) => centroids.len() as u32,
        }
    }

    /// How many places a grid has along each dimension.
    pub fn places(&self) -> Option<u32> {
        match self.division {
            Division::Grid(places) => Some(places),
            Division::Centroids(_) => None,
        }
    }

    /// Where a behaviour lies, along each axis.
    pub fn position<'a>(&self, behaviour: &'a [f64]) -> Cow<'a, [f64]> {
        self.axes.position(behaviour, self.dimensions())
    }

    /// Its position, from 0 at the lower bound of each axis to 1 at the upper one.
    pub fn scaled(&self, behaviour: &[f64]) -> Vec<f64> {
        self.scale(&self.position(behaviour)).collect()
    }

    fn scale<'a>(&'a self, position: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        position.iter().zip(&self.bounds.0).map(|(number, (low, high))| {
            // halves, so that the difference of the largest bounds is finite
            ((number / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0)
        })
    }

    /// The number of the cell, from 0. In a grid the last dimension counts first.
    pub fn cell(&self, behaviour: &[f64]) -> u32 {
        match &self.division {
            Division::Grid(places) => grid_cell(*places, self.scale(&self.position(behaviour))),
            Division::Centroids(centroids) => centroids.nearest(&self.scaled(behaviour)),
        }
    }

    /// The same of a scaled behaviour.
    pub fn cell_at(&self, point: &[f64]) -> u32 {
        match &self.division {
            Division::Grid(places) => grid_cell(*places, point.iter().copied()),
            Division::Centroids(centroids) => centroids.nearest(point),
        }
    }

    /// The middle of a cell, as a position.
    pub fn centre(&self, cell: u32) -> Vec<f64> {
        let scaled = match &self.division {
            Division::Grid(places) => {
                let along = |nth: u32| cell / places.pow(nth) % places;
                let middle = |nth: u32| (f64::from(along(nth)) + 0.5) / f64::from(*places);
                (0..self.dimensions() as u32).rev().map(middle).collect()
            }
            Division::Centroids(centroids) => centroids.at(cell).to_vec(),
        };
        let unscale = |(at, (low, high)): (&f64, &(f64, f64))| low * (1.0 - at) + high * at;
        scaled.iter().zip(&self.bounds.0).map(unscale).collect::<Vec<f64>>()
    }
}

fn grid_cell(places: u32, point: impl Iterator<Item = f64>) -> u32 {
    let place = |at: f64| ((at * f64::from(places)) as u32).min(places - 1);
    point.fold(0, |cell, at| cell * places + place(at))
}

fn most_centroids(dimensions: usize) -> u32 {
    if dimensions <= FEW_DIMENSIONS { MAX_CENTROIDS } else { MAX_CENTROIDS_OF_MANY }
}

/// The largest number whose power is no more than `of`.
fn root(of: u32, power: u32) -> u32 {
    let fits = |n: u32| n.checked_pow(power).is_some_and(|all| all <= of);
    let (mut low, mut high) = (1, of);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        (low, high) = if fits(middle) { (middle, high) } else { (low, middle - 1) };
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(all: &[(f64, f64)]) -> Bounds {
        Bounds(all.to_vec())
    }

    #[test]
    fn a_root_is_the_largest_whose_power_fits() {
        assert_eq!(
            [root(2500, 2), root(2499, 2), root(8, 3), root(7, 3), root(1, 16)],
            [50, 49, 2, 1, 1]
        );
        assert_eq!(root(1_000_000, 1), 1_000_000);
    }

    #[test]
    fn a_grid_has_its_cells_in_rows_and_clips_values_beyond_its_bounds() {
        let space = Space::new(&bounds(&[(0.0, 10.0), (-1.0, 1.0)]), Partition::Grid, 100).unwrap();
        assert_eq!((space.cells(), space.places()), (100, Some(10)));
        assert_eq!(space.cell(&[0.0, -1.0]), 0);
        assert_eq!(space.cell(&[0.0, -0.7]), 1);
        assert_eq!(space.cell(&[1.5, -1.0]), 10);
        assert_eq!(space.cell(&[10.0, 1.0]), 99);
        assert_eq!(space.cell(&[1.0e300, -5.0]), 90);
        let centre = space.centre(5);
        assert!((centre[0] - 0.5).abs() + (centre[1] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_centre_of_each_cell_is_in_it() {
        let box_of_three = bounds(&[(-3.0, 7.0), (0.0, 1.0), (100.0, 101.0)]);
        for partition in [Partition::Grid, Partition::Cvt] {
            let space = Space::new(&box_of_three, partition, 130).unwrap();
            assert!((0..space.cells()).all(|cell| space.cell(&space.centre(cell)) == cell));
        }
    }

    #[test]
    fn the_widest_bounds_have_cells() {
        let space = Space::new(&bounds(&[(-f64::MAX, f64::MAX)]), Partition::Grid, 4).unwrap();
        assert_eq!(
            [-f64::MAX, -0.2 * f64::MAX, 0.2 * f64::MAX, f64::MAX].map(|x| space.cell(&[x])),
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn a_space_that_cannot_be_divided_is_refused() {
        let wide = bounds(&[(0.0, 1.0); 16]);
        let refused =
            |bounds: &Bounds, partition, cells| Space::new(bounds, partition, cells).err();
        assert_eq!(refused(&bounds(&[]), Partition::Grid, 9), Some(SpaceError::Dimensions));
        assert_eq!(refused(&wide, Partition::Grid, 2500), Some(SpaceError::TooFew(65_536)));
        assert_eq!(refused(&wide, Partition::Cvt, 10_001), Some(SpaceError::TooMany(10_000)));
        let flat = bounds(&[(0.0, 1.0); 2]);
        assert_eq!(refused(&flat, Partition::Cvt, 50_001), Some(SpaceError::TooMany(50_000)));
    }
}
