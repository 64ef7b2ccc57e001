//! Quality diversity: how much of the archive fills, how good it is, and how fast.
//!
//! `diversity TASK SEEDS EVALUATIONS [hidden=NODES] [set.SETTING=VALUE ...] [PARAMETER=VALUE ...]`
//! prints, for each seed and on average, the QD score as the mean fitness over all cells, the
//! coverage in percent and evaluations a CPU-second, on one thread. With `hidden` the first
//! genotypes have a layer of so many nodes. `diversity naive EVALUATIONS` is a plain loop of
//! MAP-Elites with iso+line on the sphere of 100 numbers, and `diversity ratio EVALUATIONS` runs
//! that loop and Cambrian by turns.

mod clock;
mod layered;
mod values;

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::parameters::{Parameters, Search};
use cambrian_core::search::population::Population;
use cambrian_core::task::{self, Task};
use std::sync::atomic::AtomicBool;
use values::number;

static GO: AtomicBool = AtomicBool::new(false);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["naive", evaluations] => number(evaluations).map(|evaluations| {
            let [qd_score, coverage, rate] = naive(evaluations);
            println!("naive,{qd_score:.2},{coverage:.2},{rate:.0}");
        }),
        ["ratio", evaluations] => number(evaluations).and_then(ratio),
        [task, seeds, evaluations, settings @ ..] => {
            number(seeds).and_then(|seeds| run(task, seeds, number(evaluations)?, settings))
        }
        _ => {
            let expected = "naive or ratio EVALUATIONS, or TASK SEEDS EVALUATIONS [NAME=VALUE ...]";
            Err(format!("expected {expected}"))
        }
    };
    if let Err(error) = done {
        eprintln!("diversity: {error}");
        std::process::exit(2);
    }
}

fn run(name: &str, seeds: u64, evaluations: u64, settings: &[&str]) -> Result<(), String> {
    let (layers, others): (Vec<&str>, Vec<&str>) =
        settings.iter().partition(|one| one.starts_with("hidden="));
    let hidden = layers.first().map(|one| number(&one["hidden=".len()..])).transpose()?;
    let pairs = values::pairs(&others)?;
    let task = task::new(name, values::of_task(&pairs)).map_err(|e| e.to_string())?;
    let mut parameters = Parameters { search: Search::MapElites, ..task.parameters() };
    values::set(&mut parameters, &pairs)?;
    let mut sums = [0.0; 3];
    println!("seed,qd_score,coverage,evaluations_per_cpu_second");
    for seed in 1..=seeds {
        let found = search(&*task, &parameters, hidden, evaluations, seed);
        println!("{seed},{:.2},{:.2},{:.0}", found[0], found[1], found[2]);
        sums.iter_mut().zip(found).for_each(|(sum, number)| *sum += number / seeds as f64);
    }
    println!("mean,{:.2},{:.2},{:.0}", sums[0], sums[1], sums[2]);
    Ok(())
}

/// QD score over all cells, coverage in percent, evaluations a CPU-second.
fn search(
    task: &dyn Task,
    p: &Parameters,
    hidden: Option<u64>,
    evaluations: u64,
    seed: u64,
) -> [f64; 3] {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(|| {
        let started = clock::cpu();
        let mut population = match hidden {
            None => Population::new(p.clone(), task.shape(), seed).expect("a task's"),
            Some(hidden) => layered::population(p.clone(), task.shape(), hidden as u32, seed),
        };
        loop {
            let evaluated = population.evaluate(task, &GO).expect("nobody stops it");
            if evaluated.stats().evaluations >= evaluations {
                let rate = evaluated.stats().evaluations as f64 / (clock::cpu() - started);
                let elites = evaluated.population().elites().expect("map_elites");
                let summary = elites.archive("bench", task.shape()).summary(0.0);
                let cells = f64::from(summary.cells);
                return [summary.qd_score / cells, 100.0 * summary.filled as f64 / cells, rate];
            }
            population = evaluated.next(&GO).expect("nobody stops it");
        }
    })
}

/// How many times as fast as the naive loop, in each of some turns.
fn ratio(evaluations: u64) -> Result<(), String> {
    let task =
        task::new("linear_projection", task::Settings::default()).map_err(|e| e.to_string())?;
    let population = 540;
    let p = Parameters { search: Search::MapElites, population, ..task.parameters() };
    println!("turn,naive_per_second,evaluations_per_second,ratio");
    for turn in 1..=5 {
        let naive = naive(evaluations)[2];
        let own = search(&*task, &p, None, evaluations, turn)[2];
        println!("{turn},{naive:.0},{own:.0},{:.2}", own / naive);
    }
    Ok(())
}

/// One vector after the other, in an array of cells. The same figures as [`search`].
fn naive(evaluations: u64) -> [f64; 3] {
    const N: usize = 100;
    const SIDE: usize = 100;
    let mut rng = Stream::new(1, Purpose::Task, 0, 0);
    let mut cells: Vec<Option<(f64, [f32; N])>> = vec![None; SIDE * SIDE];
    let mut filled: Vec<usize> = Vec::new();
    let started = clock::cpu();
    for nth in 0..evaluations {
        let vector: [f32; N] = if nth < 540 {
            [0.0; N]
        } else {
            let mut pick = || cells[filled[rng.below(filled.len())]].expect("a filled cell").1;
            let (one, other) = (pick(), pick());
            let along = 0.2 * rng.normal();
            std::array::from_fn(|at| one[at] + 0.5 * rng.normal() + along * (other[at] - one[at]))
        };
        let worst = N as f64 * 7.168 * 7.168;
        let cost: f64 = vector.iter().map(|x| (f64::from(*x) - 2.048).powi(2)).sum();
        let fitness = (worst - cost) / worst * 100.0;
        let clip = |x: &f32| {
            let x = f64::from(*x);
            if x.abs() > 5.12 { 5.12 / x } else { x }
        };
        let place = |half: &[f32]| {
            let sum: f64 = half.iter().map(clip).sum();
            ((sum / 512.0 + 0.5) * SIDE as f64) as usize
        };
        let at =
            place(&vector[..N / 2]).min(SIDE - 1) * SIDE + place(&vector[N / 2..]).min(SIDE - 1);
        match &cells[at] {
            Some((held, _)) if *held >= fitness => {}
            held => {
                if held.is_none() {
                    filled.push(at);
                }
                cells[at] = Some((fitness, vector));
            }
        }
    }
    let rate = evaluations as f64 / (clock::cpu() - started);
    let qd: f64 = cells.iter().flatten().map(|cell| cell.0).sum();
    let all = (SIDE * SIDE) as f64;
    [qd / all, 100.0 * filled.len() as f64 / all, rate]
}
