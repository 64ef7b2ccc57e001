//! What single functions take, by criterion: `bin/bench functions`, or `bin/bench functions codec`
//! for those with a name like that. Changes since the last time are printed.

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::parameters::{Bounds, Parameters, Partition};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::archive::{Components, Space, project};
use cambrian_core::search::fronts::{Points, ranks};
use cambrian_core::search::novelty::{Archive, Generation, novelty};
use cambrian_core::search::speciation::distance;
use cambrian_core::variation::crossover::crossover;
use cambrian_core::variation::mutation::mutate;
use cambrian_core::wire::{codec, delta};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

fn stream(index: u64) -> Stream {
    Stream::new(1, Purpose::Task, 0, index)
}

/// With 8 inputs and 4 outputs, after so many mutations that grow it.
fn genotype(index: u64, mutations: usize) -> Genotype {
    let p = Parameters { add_node: 0.5, add_connection: 0.9, ..Parameters::default() };
    let mut rng = stream(0);
    let mut genotype = Genotype::new(8, 4, &p, &mut rng).expect("a valid shape");
    let mut rng = stream(index);
    for _ in 0..mutations {
        mutate(&mut genotype, &p, &mut rng);
    }
    genotype
}

/// Uniform between 0 and 1.
fn numbers(count: usize) -> Vec<f64> {
    let mut rng = stream(7);
    (0..count).map(|_| f64::from(rng.unit())).collect()
}

fn vectors(count: usize, length: usize) -> Vec<Vec<f64>> {
    numbers(count * length).chunks(length).map(<[f64]>::to_vec).collect()
}

fn networks(c: &mut Criterion) {
    let genotype = genotype(1, 200);
    let network = Network::new(&genotype);
    let (mut values, mut outputs) = (network.rest(), vec![0.0; 4]);
    c.bench_function("network/compile", |b| b.iter(|| Network::new(black_box(&genotype))));
    c.bench_function("network/step", |b| {
        b.iter(|| network.step(&mut values, black_box(&[0.5; 8]), &mut outputs));
    });
}

fn variation(c: &mut Criterion) {
    let p = Parameters::default();
    let (one, other) = (genotype(1, 200), genotype(2, 200));
    let mut rng = stream(3);
    c.bench_function("variation/mutate", |b| {
        b.iter_batched(
            || one.clone(),
            |mut child| {
                mutate(&mut child, &p, &mut rng);
                child
            },
            BatchSize::SmallInput,
        );
    });
    let mut rng = stream(4);
    c.bench_function("variation/crossover", |b| {
        b.iter(|| crossover(black_box(&one), black_box(&other), &p, &mut rng));
    });
    c.bench_function("variation/distance", |b| {
        b.iter(|| distance(black_box(&one), black_box(&other), &p));
    });
}

fn bytes(c: &mut Criterion) {
    let (one, other) = (genotype(1, 200), genotype(1, 201));
    let bytes = codec::encode(&one);
    c.bench_function("codec/encode", |b| b.iter(|| codec::encode(black_box(&one))));
    c.bench_function("codec/decode", |b| b.iter(|| codec::decode(black_box(&bytes))));
    c.bench_function("codec/id", |b| b.iter(|| codec::id(black_box(&one))));
    c.bench_function("codec/difference", |b| {
        b.iter(|| delta::diff(black_box(&one), black_box(&other)));
    });
}

fn behaviours(c: &mut Criterion) {
    let all = vectors(1000, 2);
    let merit = vec![Some(1.0); all.len()];
    let generation = Generation { merit: &merit, behaviours: &all };
    let p = Parameters::default();
    let archive = Archive::default();
    c.bench_function("behaviour/novelty of 1,000 in 2 dimensions", |b| {
        b.iter(|| novelty(black_box(&generation), &archive, &p, &GO));
    });
    let long = vectors(1000, 200);
    let views: Vec<&[f64]> = long.iter().map(Vec::as_slice).collect();
    c.bench_function("behaviour/random projection of 200 numbers", |b| {
        b.iter(|| project(black_box(&long[0]), 2));
    });
    c.bench_function("behaviour/principal components of 1,000 times 200", |b| {
        b.iter(|| Components::fit(black_box(&views), 2));
    });
    for (name, partition) in [("grid", Partition::Grid), ("cvt", Partition::Cvt)] {
        let space = Space::new(&Bounds(vec![(0.0, 1.0); 2]), partition, 2500).expect("a box");
        c.bench_function(&format!("behaviour/cell of {name}"), |b| {
            b.iter(|| space.cell(black_box(&all[0])));
        });
    }
}

fn objectives(c: &mut Criterion) {
    for width in [2, 3, 5] {
        let numbers = numbers(2000 * width);
        c.bench_function(&format!("fronts/of 2,000 with {width} objectives"), |b| {
            b.iter(|| ranks(black_box(&Points::new(&numbers, width))));
        });
    }
}

criterion_group!(functions, networks, variation, bytes, behaviours, objectives);
criterion_main!(functions);
