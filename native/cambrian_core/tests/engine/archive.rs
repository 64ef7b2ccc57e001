//! Archives: merging in any order gives the same archive, and only canonical bytes are read.

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::{Genotype, Shape};
use cambrian_core::genome::parameters::{Bounds, Parameters, Partition};
use cambrian_core::search::archive::{
    Archive, ArchiveError, Axes, Components, Different, Elite, Space,
};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

const SHAPE: Shape = Shape { inputs: 2, outputs: 1 };

/// Only a few, so that both archives often have the same genotype.
static GENOTYPES: LazyLock<Vec<Arc<Genotype>>> = LazyLock::new(|| {
    let one = |seed| {
        let mut rng = Stream::new(seed, Purpose::Birth, 0, 0);
        Arc::new(Genotype::new(2, 1, &Parameters::default(), &mut rng).unwrap())
    };
    (0..4).map(one).collect()
});

fn space(partition: Partition) -> Arc<Space> {
    Arc::new(Space::new(&Bounds(vec![(0.0, 4.0), (-2.0, 2.0)]), partition, 16).unwrap())
}

fn empty() -> Archive {
    Archive::new("task", SHAPE, space(Partition::Grid))
}

/// Genotype, fitness and behaviour, with few values, so that cells and fitnesses are often equal.
type Found = (usize, u8, [u8; 2]);

fn elite((genotype, fitness, at): Found) -> Arc<Elite> {
    let behaviour = at.map(|x| f64::from(x) / 3.0 - 0.5);
    let fitness = f64::from(fitness) - 1.0;
    Arc::new(Elite::new(Arc::clone(&GENOTYPES[genotype]), fitness, behaviour.to_vec()))
}

fn archive(found: &[Found]) -> Archive {
    let mut archive = empty();
    for one in found {
        archive.insert(elite(*one));
    }
    archive
}

fn some() -> impl Strategy<Value = Vec<Found>> {
    prop::collection::vec((0..4usize, 0..3u8, [0..14u8, 0..9u8]), 0..40)
}

fn merged(a: &Archive, b: &Archive) -> Archive {
    a.merge(b).unwrap()
}

proptest! {
    #[test]
    fn a_union_is_commutative_associative_and_idempotent(a in some(), b in some(), c in some()) {
        let all: Vec<Found> = a.iter().chain(&b).chain(&c).copied().collect();
        let (a, b, c) = (archive(&a), archive(&b), archive(&c));
        let whole = merged(&merged(&a, &b), &c);
        prop_assert_eq!(merged(&a, &b).encode(), merged(&b, &a).encode());
        prop_assert_eq!(whole.encode(), merged(&a, &merged(&b, &c)).encode());
        prop_assert_eq!(merged(&whole, &a).id(), whole.id());
        prop_assert_eq!(whole.id(), archive(&all).id());
    }

    /// Replicas that send each other their archives, in any order and any number of times, and
    /// lose some messages, end with the same archive once each has heard from all.
    #[test]
    fn replicas_end_with_the_same_archive(
        found in prop::collection::vec(some(), 4),
        messages in prop::collection::vec((0..4usize, 0..4usize), 0..30),
    ) {
        let mut replicas: Vec<Archive> = found.iter().map(|one| archive(one)).collect();
        for (from, to) in messages {
            replicas[to] = merged(&replicas[to], &replicas[from]);
        }
        for from in 0..4 {
            for to in (0..4).rev() {
                replicas[to] = merged(&replicas[to], &replicas[from]);
            }
        }
        for from in (0..4).rev() {
            for to in 0..4 {
                replicas[to] = merged(&replicas[to], &replicas[from]);
            }
        }
        let whole = archive(&found.concat()).id();
        prop_assert!(replicas.iter().all(|replica| replica.id() == whole));
    }

    #[test]
    fn bytes_are_read_as_they_were_written_and_changed_bytes_are_refused(
        found in some(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let archive = archive(&found);
        let mut bytes = archive.encode();
        let read = Archive::decode(&bytes).unwrap();
        prop_assert_eq!((read.id(), read.summary(0.0)), (archive.id(), archive.summary(0.0)));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Archive::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }
}

#[test]
fn only_archives_of_the_same_kind_are_merged() {
    let of = |task: &str, shape, partition| Archive::new(task, shape, space(partition));
    let own = of("task", SHAPE, Partition::Grid);
    let refused = |other: Archive| own.merge(&other).unwrap_err();
    assert_eq!(refused(of("another", SHAPE, Partition::Grid)), Different::Task);
    assert_eq!(refused(of("task", SHAPE, Partition::Cvt)), Different::Space);
    let shape = Shape { inputs: 3, outputs: 1 };
    assert_eq!(refused(of("task", shape, Partition::Grid)), Different::Shape);
}

#[test]
fn the_summary_counts_cells_and_sums_fitness_above_the_offset() {
    let archive = archive(&[(0, 2, [3, 3]), (1, 0, [13, 8]), (2, 1, [3, 3])]);
    let summary = archive.summary(-2.0);
    assert_eq!((summary.cells, summary.filled, summary.best), (16, 2, Some(1.0)));
    assert_eq!((summary.qd_score, summary.mean), (3.0 + 1.0, Some(0.0)));
    let empty = empty().summary(0.0);
    assert_eq!((empty.filled, empty.best, empty.mean, empty.qd_score), (0, None, None, 0.0));
}

#[test]
fn the_nearest_elite_is_measured_in_units_of_the_bounds() {
    let archive = archive(&[(0, 2, [3, 3]), (1, 0, [13, 8])]);
    assert_eq!(archive.nearest(&[4.0, 2.0]).unwrap().1.fitness, -1.0);
    assert_eq!(archive.nearest(&[0.0, -2.0]).unwrap().1.fitness, 1.0);
    assert!(empty().nearest(&[0.0, 0.0]).is_none());
    assert_eq!(archive.sample(5, 3).len(), 5);
    assert_eq!(archive.sample(5, 3)[0].0, archive.sample(1, 3)[0].0);
    assert!(empty().sample(5, 3).is_empty());
}

#[test]
fn malformed_bytes_are_refused_with_their_reason() {
    assert_eq!(Archive::decode(&[]).unwrap_err(), ArchiveError::Malformed);
    let mut newer = empty().encode();
    newer[1] = 3;
    assert_eq!(Archive::decode(&newer).unwrap_err(), ArchiveError::UnsupportedVersion(3));
}

#[test]
fn a_picture_has_each_elite_in_its_cell() {
    let found = [(0, 2, [2, 3]), (1, 0, [13, 8]), (2, 1, [2, 5])];
    let raster = archive(&found).raster(100).unwrap();
    assert_eq!((raster.columns, raster.rows), (4, 4));
    let filled: Vec<_> = (0..16).filter_map(|at| Some((at, raster.fitness[at]?))).collect();
    // the second dimension points upwards
    assert_eq!(filled, [(8, 1.0), (12, 0.0), (15, -1.0)]);
    let small = archive(&found).raster(2).unwrap();
    assert_eq!(small.fitness, [None, None, Some(1.0), Some(-1.0)]);
    let cvt = Archive::new("task", SHAPE, space(Partition::Cvt));
    assert_eq!(cvt.raster(100).unwrap().columns, 8);
}

/// Elites that others measured again come into the cells of their new behaviour.
#[test]
fn an_archive_can_be_made_of_other_measurements_of_its_elites() {
    let before = archive(&[(0, 2, [2, 0]), (1, 1, [5, 3]), (2, 2, [10, 6])]);
    let cells: Vec<u32> = before.elites().keys().copied().collect();
    let here = |cell: u32| before.elites()[&cell].behaviour.clone();
    let same = before.elites().iter().map(|(cell, one)| (*cell, one.fitness, here(*cell)));
    assert_eq!(before.remeasured(same).unwrap().id(), before.id());
    // one stays, one comes into its cell and is less fit, one is left out
    let moved = [(cells[0], 0.5, here(cells[0])), (cells[1], 0.25, here(cells[0]))];
    let after = before.remeasured(moved).unwrap();
    let left: Vec<_> = after.elites().iter().map(|(cell, one)| (*cell, one.fitness)).collect();
    assert_eq!(left, [(cells[0], 0.5)]);
    assert_eq!(before.elites().len(), 3);
    let empty = (0..16).find(|cell| !cells.contains(cell)).unwrap();
    assert!(before.remeasured([(empty, 0.5, here(cells[0]))]).is_none());
    assert!(before.remeasured([(cells[0], 0.5, vec![1.0])]).is_none());
}

/// The same elites with behaviours of five numbers, in a box of two projected dimensions.
fn projected(found: &[Found], axes: &Axes) -> Archive {
    let space = Space::new(&Bounds(vec![(-4.0, 4.0); 2]), Partition::Grid, 16).unwrap();
    let mut archive = Archive::new("task", SHAPE, Arc::new(space.along(axes.clone())));
    for (genotype, fitness, [x, y]) in found {
        let (x, y) = (f64::from(*x) / 3.0, f64::from(*y) / 3.0);
        let behaviour = vec![x, y, x - y, 1.0, x + y];
        let genotype = Arc::clone(&GENOTYPES[*genotype]);
        archive.insert(Arc::new(Elite::new(genotype, f64::from(*fitness), behaviour)));
    }
    archive
}

fn principal() -> Axes {
    let behaviours: Vec<Vec<f64>> = (0..40)
        .map(|at| (0..5).map(|of| f64::from((at * 7 + of * at * at) % 11)).collect())
        .collect();
    let behaviours: Vec<&[f64]> = behaviours.iter().map(Vec::as_slice).collect();
    Axes::Principal(Arc::new(Components::fit(&behaviours, 2)))
}

proptest! {
    #[test]
    fn archives_with_projections_have_unions_and_canonical_bytes(a in some(), b in some()) {
        for axes in [Axes::Random, principal()] {
            let (a, b) = (projected(&a, &axes), projected(&b, &axes));
            let union = merged(&a, &b);
            prop_assert_eq!(union.encode(), merged(&b, &a).encode());
            prop_assert_eq!(union.encode(), merged(&union, &a).encode());
            let read = Archive::decode(&union.encode()).unwrap();
            prop_assert_eq!(read.id(), union.id());
            prop_assert_eq!(read.space(), union.space());
        }
    }
}

#[test]
fn archives_with_other_projections_or_longer_behaviours_are_not_merged() {
    let all: Vec<Found> = (0..10).map(|at| (0, 1, [at, at / 2])).collect();
    let (random, principal) = (projected(&all, &Axes::Random), projected(&all, &principal()));
    assert_eq!(random.merge(&principal).unwrap_err(), Different::Space);
    let mut longer = Archive::new("task", SHAPE, Arc::clone(random.space()));
    longer.insert(Arc::new(Elite::new(Arc::clone(&GENOTYPES[0]), 1.0, vec![0.0; 7])));
    assert_eq!(random.merge(&longer).unwrap_err(), Different::Length(5, 7));
}

#[test]
fn an_archive_with_a_projection_says_so_in_its_version() {
    // the array and its first element
    assert_eq!(empty().encode()[..2], [0x9b, 1]);
    let mut bytes = projected(&[(0, 1, [3, 4])], &Axes::Random).encode();
    assert_eq!(bytes[..2], [0x9c, 2]);
    bytes[1] = 1;
    assert_eq!(Archive::decode(&bytes).unwrap_err(), ArchiveError::NotCanonical);
}

/// With -0, equal archives could have different bytes.
#[test]
fn bytes_with_minus_0_are_refused() {
    let is_zero = |x: f64| x.to_bits() == 0;
    assert!(is_zero(Bounds::checked(vec![(-0.0, 1.0)]).unwrap().0[0].0));
    let components = Components::restored(vec![-0.0, 7.7], vec![-0.0, 0.7], 1).unwrap();
    assert!(components.mean().chain(components.directions()).all(|x| is_zero(x) || x > 0.0));
    let space = |low| Space::new(&Bounds(vec![(low, 3.3)]), Partition::Grid, 4).unwrap();
    let encoded =
        |low, axes| Archive::new("task", SHAPE, Arc::new(space(low).along(axes))).encode();
    let principal = || Axes::Principal(Arc::new(components.clone()));
    for (bytes, zeros) in [(encoded(0.0, Axes::Own), 1), (encoded(0.0, principal()), 3)] {
        assert!(Archive::decode(&bytes).is_ok());
        let starts: Vec<usize> =
            (0..bytes.len() - 8).filter(|&at| bytes[at..at + 8] == [0; 8]).collect();
        assert_eq!(starts.len(), zeros, "{bytes:?}");
        for at in starts {
            let mut forged = bytes.clone();
            forged[at + 7] = 0x80;
            assert_eq!(Archive::decode(&forged).unwrap_err(), ArchiveError::NotCanonical, "{at}");
        }
    }
}
