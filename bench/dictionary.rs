//! Trains the zstd dictionary that genotypes travel with, and shows what it is worth on genotypes
//! that it has not seen.
//!
//! `dictionary FILE` writes it anew. Whoever does that makes a new version of the envelope: the old
//! one cannot be read with it.

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::search::population::Population;
use cambrian_core::task;
use cambrian_core::variation::mutation::mutate;
use cambrian_core::wire::codec;
use std::sync::atomic::AtomicBool;
use zstd::bulk::Compressor;

/// Larger ones gain another percent or two.
const BYTES: usize = 8192;

const LEVEL: i32 = 3;

fn main() {
    let path = std::env::args().nth(1).expect("usage: dictionary FILE");
    let mut samples: Vec<Vec<u8>> =
        ["xor", "double_pole", "double_pole_novel"].iter().flat_map(|name| evolved(name)).collect();
    samples.extend(
        (0..4000).map(|seed| {
            codec::encode(&grown(SHAPES[seed as usize % SHAPES.len()], seed, seed % 300))
        }),
    );
    let dictionary = zstd::dict::from_samples(&samples, BYTES).expect("samples enough");
    std::fs::write(&path, &dictionary).expect("a file that can be written");
    let mut plain = Compressor::new(LEVEL).expect("zstd");
    let mut with = Compressor::with_dictionary(LEVEL, &dictionary).expect("zstd");
    with.include_dictid(false).expect("zstd");
    println!("inputs-outputs, mutations: bytes, with zstd, with the dictionary; means of 200");
    for mutations in [20, 60, 200, 800] {
        for shape in [(2, 1), (5, 3), (8, 4)] {
            let unseen: Vec<Vec<u8>> = (10_000..10_200)
                .map(|seed| codec::encode(&grown(shape, seed, mutations)))
                .collect();
            let mean = |size: &mut dyn FnMut(&Vec<u8>) -> usize| {
                unseen.iter().map(size).sum::<usize>() / unseen.len()
            };
            let raw = mean(&mut |bytes| bytes.len());
            let alone = mean(&mut |bytes| plain.compress(bytes).expect("zstd").len());
            let better = mean(&mut |bytes| with.compress(bytes).expect("zstd").len());
            println!("{}-{}, {mutations}: {raw}, {alone}, {better}", shape.0, shape.1);
        }
    }
}

const SHAPES: [(u32, u32); 7] = [(2, 1), (6, 1), (3, 1), (4, 2), (8, 4), (24, 4), (12, 3)];

fn grown((inputs, outputs): (u32, u32), seed: u64, mutations: u64) -> Genotype {
    let p = Parameters::default();
    let stream = |nth| Stream::new(seed, Purpose::Operator, 1, nth);
    let mut genotype = Genotype::new(inputs, outputs, &p, &mut stream(u64::MAX)).expect("a shape");
    for nth in 0..mutations {
        mutate(&mut genotype, &p, &mut stream(nth));
    }
    genotype
}

/// Every fifth of every tenth generation of a few runs.
fn evolved(name: &str) -> Vec<Vec<u8>> {
    let (task, stop) = (task::named(name).expect("a task"), AtomicBool::new(false));
    let mut samples = Vec::new();
    for seed in 0..4 {
        let mut population =
            Population::new(task.parameters(), task.shape(), seed).expect("parameters");
        for generation in 0..60 {
            if generation % 10 == 9 {
                samples.extend(
                    population
                        .genotypes()
                        .iter()
                        .step_by(5)
                        .map(|genotype| codec::encode(genotype)),
                );
            }
            population = population
                .evaluate(task, &stop)
                .and_then(|e| e.next(&stop))
                .expect("nobody stops it");
        }
    }
    samples
}
