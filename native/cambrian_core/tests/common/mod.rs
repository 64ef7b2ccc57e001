//! Genotypes and populations to test with.
#![allow(dead_code)] // each test file takes what it needs

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::search::population::{Evaluated, Population};
use cambrian_core::task::{self, Task};
use cambrian_core::variation::mutation::{OPERATORS, Operator, mutate};
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;

pub fn parameters() -> Parameters {
    Parameters::default()
}

pub fn stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Operator, 0, 0)
}

pub fn newborn(inputs: u32, outputs: u32, seed: u64) -> Genotype {
    Genotype::new(inputs, outputs, &parameters(), &mut stream(seed)).unwrap()
}

/// Applies operators by number; those that do not apply change nothing.
pub fn evolved(inputs: u32, outputs: u32, seed: u64, operators: &[usize]) -> Genotype {
    operators.iter().zip(0..).fold(newborn(inputs, outputs, seed), |g, (&operator, i)| {
        OPERATORS[operator % OPERATORS.len()]
            .apply(&g, &parameters(), &mut stream(seed ^ (i << 32)))
            .unwrap_or(g)
    })
}

pub fn histories() -> impl Strategy<Value = (u32, u32, u64, Vec<usize>)> {
    (1u32..5, 1u32..4, any::<u64>(), prop::collection::vec(any::<usize>(), 0..120))
}

/// Of 8 inputs and 4 outputs and so many connections, as mutation at default rates makes it.
pub fn grown(connections: usize) -> Genotype {
    let mut g = newborn(8, 4, 1);
    let mut stream = stream(2);
    while g.connections().len() < connections {
        mutate(&mut g, &parameters(), &mut stream);
    }
    g
}

pub fn apply(name: &str, g: &Genotype, seed: u64) -> Genotype {
    Operator::named(name).unwrap().apply(g, &parameters(), &mut stream(seed)).unwrap()
}

pub static GO: AtomicBool = AtomicBool::new(false);

pub fn first(task: &dyn Task, seed: u64) -> Population {
    Population::new(task.parameters(), task.shape(), seed).unwrap()
}

/// The thirteenth generation of a run on `xor`.
pub fn evaluated(seed: u64) -> Evaluated {
    let parameters = Parameters { population: 60, target_species: 8, ..Parameters::default() };
    let task = task::named("xor").unwrap();
    let mut population = Population::new(parameters, task.shape(), seed).unwrap();
    for _ in 0..12 {
        population = population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
    }
    population.evaluate(task, &GO).unwrap()
}
