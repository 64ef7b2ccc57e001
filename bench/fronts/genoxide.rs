//! genoxide: NSGA-II and NSGA-III in Rust, as in its own examples `zdt1` and `dtlz2_3obj`.

use genoxide::Objective::Minimize;
use genoxide::multi;
use genoxide::multi::problems::{Dtlz2, MultiProblem, Zdt1, Zdt2, Zdt3, Zdt4};
use genoxide::prelude::*;

/// A population of 100; of DTLZ2 one of 92 with 91 directions.
pub fn search(name: &str, seed: u64, evaluations: u64) -> Result<Vec<Vec<f64>>, String> {
    let found = match name {
        "zdt1" => nsga2(Zdt1::new(30), 30, seed, evaluations),
        "zdt2" => nsga2(Zdt2::new(30), 30, seed, evaluations),
        "zdt3" => nsga2(Zdt3::new(30), 30, seed, evaluations),
        "zdt4" => nsga2(Zdt4::new(10), 10, seed, evaluations),
        "dtlz2" => nsga3(seed, evaluations),
        _ => return Err(format!("{name}: expected zdt1, zdt2, zdt3, zdt4 or dtlz2")),
    };
    found.map_err(|error| error.to_string())
}

fn nsga2<P>(problem: P, variables: u32, seed: u64, evaluations: u64) -> Result<Vec<Vec<f64>>>
where
    P: MultiProblem<2, Representation = Real>,
{
    let share = 1.0 / f64::from(variables);
    let nsga2 = Nsga2::builder(problem.representation(), [Minimize; 2])
        .population_size(100)
        .crossover(SimulatedBinaryCrossover::new(15.0)?)
        .crossover_rate(0.9)
        .mutate(PolynomialMutation::per_gene(share, 20.0)?)
        .seed(seed)
        .build()?;
    let stop = Stop::evaluations(evaluations);
    let outcome = MultiEngine::new(nsga2, problem).stop_when(stop).run()?;
    Ok(outcome.front_values().iter().map(|row| row.to_vec()).collect())
}

fn nsga3(seed: u64, evaluations: u64) -> Result<Vec<Vec<f64>>> {
    let problem = Dtlz2::<3>::new(12);
    let directions = multi::das_dennis::<3>(12);
    let nsga3 = Nsga3::builder(problem.representation(), [Minimize; 3], directions)
        .population_size(92)
        .crossover(SimulatedBinaryCrossover::new(30.0)?)
        .mutate(PolynomialMutation::per_gene(1.0 / 12.0, 20.0)?)
        .seed(seed)
        .build()?;
    let stop = Stop::evaluations(evaluations);
    let outcome = MultiEngine::new(nsga3, problem).stop_when(stop).run()?;
    Ok(outcome.front_values().iter().map(|row| row.to_vec()).collect())
}
