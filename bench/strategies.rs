//! Searches over vectors on the functions of the literature, called directly.
//!
//! `strategies FUNCTION N RUNS EVALUATIONS [PARAMETER=VALUE ...]` prints, for each run, after how
//! many evaluations the error was 1e-6 or less (0 if it never was), and the least error. Runs
//! differ in the optimum, uniform in [−2, 2]ⁿ, and in the start, uniform in [−4, 4]ⁿ.

#[allow(dead_code, reason = "a strategy has no task")]
mod values;

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::search::strategy::{Draws, Method, Strategy};
use std::f64::consts::TAU;
use values::number;

const TARGET: f64 = 1e-6;

/// Of x − optimum.
type Function = fn(&[f64]) -> f64;

const FUNCTIONS: &[(&str, Function)] = &[
    ("sphere", |z| z.iter().map(|z| z * z).sum()),
    ("ellipsoid", |z| {
        let scale = |at: usize| 1e6f64.powf(at as f64 / (z.len() - 1) as f64);
        z.iter().enumerate().map(|(at, z)| scale(at) * z * z).sum()
    }),
    ("rosenbrock", |z| {
        let z: Vec<f64> = z.iter().map(|z| z + 1.0).collect();
        z.windows(2).map(|w| 100.0 * (w[0] * w[0] - w[1]).powi(2) + (w[0] - 1.0).powi(2)).sum()
    }),
    ("rastrigin", |z| z.iter().map(|z| 10.0 + z * z - 10.0 * (TAU * z).cos()).sum()),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [function, n, runs, evaluations, settings @ ..] => {
            all(function, [n, runs, evaluations], settings)
        }
        _ => Err("expected FUNCTION N RUNS EVALUATIONS [PARAMETER=VALUE ...]".into()),
    };
    if let Err(error) = done {
        eprintln!("strategies: {error}");
        std::process::exit(2);
    }
}

fn all(function: &str, counts: [&str; 3], settings: &[&str]) -> Result<(), String> {
    let [n, runs, evaluations] = counts.map(number);
    let known = FUNCTIONS.iter().find(|(name, _)| *name == function);
    let (_, function) = known.ok_or_else(|| format!("{function}: expected a function"))?;
    let mut p = Parameters::default();
    values::set(&mut p, &values::pairs(settings)?)?;
    println!("run,evaluations,error");
    for seed in 1..=runs? {
        let (hit, least) = run(*function, n.clone()? as usize, evaluations.clone()?, &p, seed)?;
        println!("{seed},{hit},{least:e}");
    }
    Ok(())
}

/// When the error first was small enough, and the least error.
fn run(f: Function, n: usize, most: u64, p: &Parameters, seed: u64) -> Result<(u64, f64), String> {
    let mut rng = Stream::new(seed, Purpose::Task, 0, 0);
    let mut uniform =
        |half: f32| -> Vec<f32> { (0..n).map(|_| half * (2.0 * rng.unit() - 1.0)).collect() };
    let (optimum, start) = (uniform(2.0), uniform(4.0));
    let error = |x: &Vec<f32>| {
        let z = x.iter().zip(&optimum).map(|(x, o)| f64::from(*x) - f64::from(*o));
        f(&z.collect::<Vec<f64>>())
    };
    let first = Draws { seed, generation: 0 };
    let mut strategy = Method::new(&start, p, first).map_err(|error| error.to_string())?;
    let (mut evaluations, mut hit, mut least) = (0, 0, f64::INFINITY);
    for generation in 0.. {
        let draws = Draws { seed, generation };
        let points: Vec<Vec<f32>> =
            (0..strategy.size()).map(|at| strategy.point(at, draws)).collect();
        let errors: Vec<f64> = points.iter().map(error).collect();
        for error in &errors {
            evaluations += 1;
            least = error.min(least);
            if *error <= TARGET && hit == 0 {
                hit = evaluations;
            }
        }
        if hit > 0 || evaluations >= most {
            break;
        }
        let fitness: Vec<f64> = errors.iter().map(|error| -error).collect();
        strategy.tell(&points, &fitness, draws);
    }
    Ok((hit, least))
}
