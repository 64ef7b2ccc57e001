//! Several objectives: what sorting into fronts costs, and how good the fronts are that a search
//! finds. `bench/peers.py` asks for both, gives its peers the same work, and scores all fronts.
//!
//! `fronts sort SEED WIDTH [FOLDER]` sorts 10,000 points, uniform in the unit cube of WIDTH
//! objectives, and prints the number of fronts and the CPU milliseconds. In the folder it leaves
//! the points (`points`, little-endian f64, row by row, more is better) and the front of each
//! (`ranks`, little-endian u32).
//!
//! `fronts find TASK SEED EVALUATIONS [PARAMETER=VALUE ...]` searches on one thread, and prints the
//! evaluations, the CPU seconds and the first front of those that survive the last generation, as
//! many as the population has: a line a genotype, with what the papers minimise. `fronts genoxide
//! TASK SEED EVALUATIONS` is the same search by genoxide, where it was built in.

#[path = "../clock.rs"]
mod clock;
#[cfg(feature = "peers")]
mod genoxide;
#[path = "../values.rs"]
mod values;

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::parameters::{Parameters, Search};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::fronts::{self, Points};
use cambrian_core::search::population::Population;
use cambrian_core::task::{self, Task};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

const POINTS: usize = 10_000;

const USAGE: &str = "expected sort SEED WIDTH [FOLDER], find TASK SEED EVALUATIONS \
                     [NAME=VALUE ...], or genoxide TASK SEED EVALUATIONS";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["sort", seed, width] => sort(seed, width, None),
        ["sort", seed, width, folder] => sort(seed, width, Some(folder)),
        ["find", name, seed, evaluations, settings @ ..] => find(name, seed, evaluations, settings),
        ["genoxide", name, seed, evaluations] => peer(name, seed, evaluations),
        _ => Err(USAGE.into()),
    };
    if let Err(error) = done {
        eprintln!("fronts: {error}");
        std::process::exit(2);
    }
}

fn sort(seed: &str, width: &str, folder: Option<&str>) -> Result<(), String> {
    let width = values::number(width)? as usize;
    if !(1..=100).contains(&width) {
        return Err(format!("{width}: expected 1 to 100 objectives"));
    }
    let mut rng = Stream::new(values::number(seed)?, Purpose::Task, 0, 0);
    let numbers: Vec<f64> = (0..POINTS * width).map(|_| f64::from(rng.unit())).collect();
    let points = Points::new(&numbers, width);
    let started = clock::cpu();
    let ranks = fronts::ranks(&points);
    let took = clock::cpu() - started;
    println!("fronts,cpu_ms");
    println!("{},{:.3}", fronts::fronts(&ranks).len(), 1000.0 * took);
    let Some(folder) = folder.map(Path::new) else { return Ok(()) };
    let write = |name: &str, bytes: Vec<u8>| {
        std::fs::write(folder.join(name), bytes)
            .map_err(|error| format!("{}: {error}", folder.join(name).display()))
    };
    write("points", numbers.iter().flat_map(|number| number.to_le_bytes()).collect())?;
    write("ranks", ranks.iter().flat_map(|rank| rank.to_le_bytes()).collect())
}

fn find(name: &str, seed: &str, evaluations: &str, settings: &[&str]) -> Result<(), String> {
    let pairs = values::pairs(settings)?;
    let task = task::new(name, values::of_task(&pairs)).map_err(|error| error.to_string())?;
    let mut parameters = Parameters { search: Search::Pareto, ..task.parameters() };
    values::set(&mut parameters, &pairs)?;
    let (seed, evaluations) = (values::number(seed)?, values::number(evaluations)?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let started = clock::cpu();
    let last = pool.install(|| search(&*task, parameters, seed, evaluations))?;
    let took = clock::cpu() - started;
    print(last.evaluations(), took, front(&*task, &last).into_iter());
    Ok(())
}

/// A front, of what is minimised.
fn print(evaluations: u64, took: f64, front: impl Iterator<Item = Vec<f64>>) {
    println!("evaluations,cpu_s");
    println!("{evaluations},{took:.4}");
    for row in front {
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        println!("{}", row.join(","));
    }
}

#[cfg(feature = "peers")]
fn peer(name: &str, seed: &str, evaluations: &str) -> Result<(), String> {
    let (seed, evaluations) = (values::number(seed)?, values::number(evaluations)?);
    let started = clock::cpu();
    let front = genoxide::search(name, seed, evaluations)?;
    print(evaluations, clock::cpu() - started, front.into_iter());
    Ok(())
}

#[cfg(not(feature = "peers"))]
fn peer(_: &str, _: &str, _: &str) -> Result<(), String> {
    Err("genoxide was not built in".into())
}

/// The generation after so many evaluations.
fn search(
    task: &dyn Task,
    p: Parameters,
    seed: u64,
    evaluations: u64,
) -> Result<Population, String> {
    let mut population =
        Population::new(p, task.shape(), seed).map_err(|error| error.to_string())?;
    while population.evaluations() < evaluations {
        let evaluated = population.evaluate(task, &GO).expect("nobody stops it");
        population = evaluated.next(&GO).expect("nobody stops it");
    }
    Ok(population)
}

/// The first front of those that are evaluated already: the parents of the next generation.
fn front(task: &dyn Task, population: &Population) -> Vec<Vec<f64>> {
    let children: Vec<_> = population.waiting().map(Arc::as_ptr).collect();
    let survivors =
        population.genotypes().iter().filter(|one| !children.contains(&Arc::as_ptr(one)));
    let rows: Vec<Vec<f64>> =
        survivors.map(|one| task.evaluate(&Network::new(one)).objectives).collect();
    let ranks = fronts::ranks(&Points::new(&rows.concat(), rows[0].len()));
    let first = rows.into_iter().zip(ranks).filter(|(_, rank)| *rank == 0);
    first.map(|(row, _)| row.into_iter().map(|number| 0.0 - number).collect()).collect()
}
