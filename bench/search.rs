//! How many evaluations a task takes, over a range of seeds, by the task's own criterion of success.
//!
//! `search TASK SEEDS [limit=EVALUATIONS] [PARAMETER=VALUE ...]`

use cambrian_core::network::Network;
use cambrian_core::parameters::{Parameters, Value};
use cambrian_core::population::Population;
use cambrian_core::task::{self, Task};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

static GO: AtomicBool = AtomicBool::new(false);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(task), Some(Ok(seeds))) =
        (args.first().and_then(|name| task::named(name)), args.get(1).map(|n| n.parse()))
    else {
        let names: Vec<&str> = task::TASKS.iter().map(|t| t.0).collect();
        eprintln!("search TASK SEEDS [limit=EVALUATIONS] [PARAMETER=VALUE ...]; tasks: {}", names.join(", "));
        std::process::exit(2);
    };
    let (parameters, limit) = settings(task, &args[2..]).unwrap_or_else(|error| {
        eprintln!("search: {error}");
        std::process::exit(2);
    });
    let mut needed: Vec<u64> =
        (1..=seeds).filter_map(|seed| search(task, &parameters, limit, seed)).collect();
    needed.sort_unstable();
    let median = needed.get(needed.len() / 2).map_or("none".into(), u64::to_string);
    println!("{}: {} of {seeds} solved within {limit} evaluations, median {median}", args[0], needed.len());
}

fn settings(task: &dyn Task, args: &[String]) -> Result<(Parameters, u64), String> {
    let (mut parameters, mut limit) = (task.parameters(), 100_000);
    for arg in args {
        let (name, text) = arg.split_once('=').ok_or_else(|| format!("{arg}: expected PARAMETER=VALUE"))?;
        if name == "limit" {
            limit = text.parse().map_err(|_| format!("{arg}: expected a number of evaluations"))?;
        } else {
            let value = text.parse().map_or_else(|_| Value::Name(text.into()), Value::Number);
            parameters.set(name, &value).map_err(|error| error.to_string())?;
        }
    }
    Ok((parameters, limit))
}

/// Prints how it went; the evaluations that it took, if it was solved.
fn search(task: &dyn Task, parameters: &Parameters, limit: u64, seed: u64) -> Option<u64> {
    let started = Instant::now();
    let mut population = Population::new(parameters.clone(), task.shape(), seed).expect("a task's shape");
    loop {
        let mut evaluated = population.evaluate(task, &GO).expect("nobody stops it");
        let stats = evaluated.stats();
        let contender = evaluated.contender();
        let genotypes = evaluated.population().genotypes();
        let trial = contender.map(|at| task.trial(&Network::new(&genotypes[at as usize])));
        let solved = trial.as_ref().is_some_and(|t| t.solved);
        if solved || stats.evaluations >= limit {
            println!(
                "seed {seed:3}: {} after {:6} evaluations, generation {:4}, best {:.3}, {:.1} nodes and {:.1} connections on average, {:.2} s, {:?}",
                if solved { "solved" } else { "failed" },
                stats.evaluations,
                stats.generation,
                stats.best,
                stats.mean_nodes,
                stats.mean_connections,
                started.elapsed().as_secs_f64(),
                trial.map(|t| t.facts).unwrap_or_default(),
            );
            return solved.then_some(stats.evaluations);
        }
        population = evaluated.next(&GO).expect("nobody stops it");
    }
}
