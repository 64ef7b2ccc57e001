//! Evolves a task from a range of seeds: `cargo run --release --example search -- TASK SEEDS [NAME=VALUE ...]`.

use cambrian_core::network::Network;
use cambrian_core::parameters::Value;
use cambrian_core::population::Population;
use cambrian_core::task;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let task = task::named(&args[0]).expect("a task's name");
    let seeds: u64 = args[1].parse().expect("a number of seeds");
    let mut parameters = task.parameters();
    let mut limit = 100_000;
    for setting in &args[2..] {
        let (name, value) = setting.split_once('=').expect("NAME=VALUE");
        if name == "limit" {
            limit = value.parse().expect("evaluations");
            continue;
        }
        let value = value.parse().map_or_else(|_| Value::Name(value.into()), Value::Number);
        parameters.set(name, &value).expect("a parameter");
    }
    let stop = AtomicBool::new(false);
    let mut needed = Vec::new();
    for seed in 1..=seeds {
        let started = Instant::now();
        let mut population = Population::new(parameters.clone(), task.shape(), seed).expect("a shape");
        loop {
            let mut evaluated = population.evaluate(task, &stop).expect("not stopped");
            let stats = evaluated.stats();
            let contender = evaluated.contender();
            let genotypes = evaluated.population().genotypes();
            let trial = contender.map(|at| task.trial(&Network::new(&genotypes[at as usize])));
            let solved = trial.as_ref().is_some_and(|t| t.solved);
            if solved || stats.evaluations >= limit {
                println!(
                    "seed {seed:3} {} evaluations {:7} generation {:4} best {:8.3} species {:3} nodes {:.1} connections {:.1} {:6.2} s {:?}",
                    if solved { "solved" } else { "FAILED" },
                    stats.evaluations,
                    stats.generation,
                    stats.best,
                    stats.species.len(),
                    stats.mean_nodes,
                    stats.mean_connections,
                    started.elapsed().as_secs_f64(),
                    trial.map(|t| t.facts)
                );
                if solved {
                    needed.push(stats.evaluations);
                }
                break;
            }
            population = evaluated.next(&stop).expect("not stopped");
        }
    }
    needed.sort_unstable();
    println!("{} of {seeds} solved, median {:?}", needed.len(), needed.get(needed.len() / 2));
}
