//! Searches with several objectives: they find known fronts, repeat to the bit, and name what is
//! wrong with objectives.

use cambrian_core::genome::parameters::{Objective, Parameters, Pareto, Search, Weights};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::{Evaluated, Population, Refused, checkpoint};
use cambrian_core::task::{self, Outcome, Score, Task};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

fn parameters(task: &dyn Task, population: u32) -> Parameters {
    Parameters { search: Search::Pareto, population, ..task.parameters() }
}

fn first(task: &dyn Task, p: Parameters, seed: u64) -> Population {
    Population::new(p, task.shape(), seed).unwrap()
}

/// The evaluated population of a generation.
fn at_generation(task: &dyn Task, p: Parameters, seed: u64, generation: u64) -> Evaluated {
    let mut evaluated = first(task, p, seed).evaluate(task, &GO).unwrap();
    while evaluated.population().generation() < generation {
        evaluated = evaluated.next(&GO).unwrap().evaluate(task, &GO).unwrap();
    }
    evaluated
}

/// The hypervolume of a front of two objectives, up to 1.1 in both values of the papers.
fn hypervolume(front: &[(u32, &[f64])]) -> f64 {
    let mut points: Vec<[f64; 2]> = front.iter().map(|(_, row)| [-row[0], -row[1]]).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (mut volume, mut lowest) = (0.0, 1.1);
    for [x, y] in points.into_iter().filter(|[x, y]| *x < 1.1 && *y < 1.1) {
        if y < lowest {
            volume += (1.1 - x) * (lowest - y);
            lowest = y;
        }
    }
    volume
}

/// The limits are 0.8767, 0.5433, 1.3318 and 0.8767. With 100 points, pymoo and genoxide come to
/// 0.8697, 0.5364, 1.3276 and 0.8648.
#[test]
fn nsga2_finds_the_fronts_of_zdt() {
    for (name, least) in [("zdt1", 0.868), ("zdt2", 0.534), ("zdt3", 1.326), ("zdt4", 0.863)] {
        let task = task::named(name).unwrap();
        let evaluated = at_generation(task, parameters(task, 100), 1, 249);
        assert_eq!(evaluated.stats().evaluations, 25_000);
        let volume = hypervolume(&evaluated.front());
        assert!(volume > least, "{name}: {volume}");
        let champion = evaluated.population().champion().unwrap();
        let network = Network::new(&champion.genotype);
        assert!(task.trial(&network).solved, "{name}");
    }
}

/// The vector of a genotype keeps its length, and the task reads that vector.
#[test]
fn the_structure_of_a_vector_never_changes() {
    for name in ["linear_projection", "arm", "zdt4", "dtlz2"] {
        let task = task::named(name).unwrap();
        for search in [Search::Neat, Search::Pareto] {
            let p = Parameters { search, population: 20, ..task.parameters() };
            let evaluated = at_generation(task, p, 3, 6);
            let genotypes = evaluated.population().genotypes();
            for genotype in genotypes {
                let enabled = genotype.connections().filter(|link| link.enabled).count();
                assert_eq!(enabled, task.shape().outputs as usize);
                let output = Network::new(genotype).activate(&[1.0])[0];
                assert!(genotype.connections().any(|link| link.weight == output));
                assert!(genotype.nodes().all(|node| node.neuron.bias == 0.0));
            }
            assert_ne!(genotypes[0], genotypes[19], "{name}");
        }
    }
}

/// The mean distance of evenly spread points of the sphere from the front.
#[test]
fn nsga3_spreads_over_the_sphere_of_dtlz2() {
    let task = task::named("dtlz2").unwrap();
    let p = Parameters { pareto: Pareto::Nsga3, ..parameters(task, 92) };
    let evaluated = at_generation(task, p, 1, 250);
    let front = evaluated.front();
    let directions = cambrian_core::search::pareto::directions(3, 92);
    let nearest = |direction: &Vec<f64>| {
        let length = direction.iter().map(|w| w * w).sum::<f64>().sqrt();
        let square = |row: &[f64]| -> f64 {
            row.iter().zip(direction).map(|(x, w)| (-x - w / length) * (-x - w / length)).sum()
        };
        front.iter().map(|(_, row)| square(row).sqrt()).fold(f64::INFINITY, f64::min)
    };
    let igd = directions.iter().map(nearest).sum::<f64>() / directions.len() as f64;
    assert!(igd < 0.004, "{igd}");
}

#[test]
fn small_networks_are_found_beside_good_ones() {
    let task = task::named("xor").unwrap();
    let objectives = vec![Objective::Fitness, Objective::Connections];
    let p = Parameters { objectives, ..parameters(task, 150) };
    let evaluated = at_generation(task, p, 2, 60);
    let front = evaluated.front();
    assert!(front.is_sorted_by(|a, b| a.1[0] >= b.1[0]));
    assert!(front.is_sorted_by(|a, b| a.1[1] < b.1[1]), "each is there once");
    // without a hidden node, fitness is at most 3
    assert!(front[0].1[0] > 3.3 && front[0].1[1] < -4.0, "{:?}", front[0]);
    assert_eq!(front.last().unwrap().1[1], 0.0, "nothing at all is the smallest");
}

#[test]
fn a_run_is_the_same_on_any_number_of_threads_and_after_any_checkpoint() {
    let every = vec![Objective::Task, Objective::Energy, Objective::Novelty];
    for (name, objectives, pareto) in [
        ("zdt3", vec![Objective::Task], Pareto::Nsga2),
        ("maze_medium", every.clone(), Pareto::Nsga2),
        ("dtlz2", vec![Objective::Task], Pareto::Nsga3),
        ("xor", every, Pareto::Nsga3),
    ] {
        let task = task::named(name).unwrap();
        let p = Parameters { objectives, pareto, ..parameters(task, 24) };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let evaluated = pool.install(|| at_generation(task, p.clone(), 5, 9));
            checkpoint::encode(&evaluated.next(&GO).unwrap())
        };
        let whole = on(1);
        assert_eq!([on(2), on(8)], [whole.clone(), whole.clone()], "{name}");
        let mut resumed = first(task, p.clone(), 5);
        for _ in 0..10 {
            resumed = resumed.evaluate(task, &GO).unwrap().next(&GO).unwrap();
            resumed = checkpoint::decode(&checkpoint::encode(&resumed)).unwrap();
        }
        assert_eq!(checkpoint::encode(&resumed), whole, "{name}");
        assert_eq!(resumed.genotypes().len(), 48, "parents and children");
    }
}

/// The scores of a generation; `count` gives the number of objectives of each.
fn told(population: Population, count: impl Fn(usize) -> usize) -> Option<Evaluated> {
    let mut tuning = population.tuning();
    let score = |at: usize| Score::with_objectives(vec![at as f64; count(at)]);
    let waiting = population.waiting().count();
    tuning.tell((0..waiting).map(|at| Outcome::Scored(score(at))).collect());
    population.settle(tuning)
}

#[test]
fn another_number_of_objectives_is_a_failure() {
    let task = task::named("xor").unwrap();
    let odd = |at: usize| if at == 7 { 3 } else { 2 };
    let evaluated = told(first(task, parameters(task, 20), 1), odd).unwrap();
    let failed: Vec<usize> = (0..20).filter(|at| evaluated.fitness()[*at].is_none()).collect();
    assert_eq!((failed, evaluated.stats().failures), (vec![7], 1));
    // later generations must have the number of the first; the failed genotype has not survived
    let next = evaluated.next(&GO).unwrap();
    assert_eq!((next.genotypes().len(), next.waiting().count()), (39, 20));
    let next = told(next, |_| 3).expect("those that live on have a fitness");
    assert_eq!((next.fitness().iter().flatten().count(), next.stats().failures), (19, 21));
    assert!(checkpoint::decode(&checkpoint::encode(&next.next(&GO).unwrap())).is_ok());
}

/// The weighted sum of shares of the front's range, computed here again.
#[test]
fn weights_choose_the_champion_of_the_front() {
    let task = task::named("zdt1").unwrap();
    let with = |weights: &[f64]| {
        let objective_weights = Weights(weights.to_vec());
        let p = Parameters { objective_weights, ..parameters(task, 40) };
        at_generation(task, p, 1, 30)
    };
    let champion = |evaluated: &Evaluated| {
        let champion = Arc::clone(&evaluated.population().champion().unwrap().genotype);
        let front = evaluated.front();
        let here =
            |(at, _): &(u32, &[f64])| evaluated.population().genotypes()[*at as usize] == champion;
        front.iter().find(|one| here(one)).unwrap().1.to_vec()
    };
    for weights in [[1.0, 0.0], [0.0, 0.5], [1.0, 3.0], [1.0, 1.0]] {
        let evaluated = with(&weights);
        let front: Vec<Vec<f64>> = evaluated.front().iter().map(|one| one.1.to_vec()).collect();
        let ends = |at: usize| {
            let all = || front.iter().map(|row| row[at]);
            (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
        };
        let share = |row: &[f64], at: usize| (row[at] - ends(at).0) / (ends(at).1 - ends(at).0);
        let sum = |row: &[f64]| weights[0] * share(row, 0) + weights[1] * share(row, 1);
        let chosen = sum(&champion(&evaluated));
        assert!(front.iter().all(|row| sum(row) <= chosen + 1e-12), "{weights:?}");
    }
    // equal weights are the knee, and what survives does not depend on weights
    let (plain, equal) = (with(&[]), with(&[2.0, 2.0]));
    assert_eq!(champion(&plain), champion(&equal));
    assert_eq!(plain.population().genotypes(), with(&[0.0, 1.0]).population().genotypes());
}

#[test]
fn another_number_of_objectives_than_weights_is_a_failure() {
    let task = task::named("xor").unwrap();
    let p = Parameters { objective_weights: Weights(vec![1.0; 3]), ..parameters(task, 20) };
    assert!(told(first(task, p.clone(), 1), |_| 2).is_none());
    let some = |at: usize| if at < 7 { 2 } else { 3 };
    let evaluated = told(first(task, p.clone(), 1), some).unwrap();
    assert_eq!(evaluated.stats().failures, 7);
    let saved = checkpoint::encode(&evaluated.next(&GO).unwrap());
    assert!(checkpoint::decode(&saved).is_ok());
    let few = Parameters { objectives: vec![Objective::Fitness, Objective::Connections], ..p };
    assert_eq!(
        Population::new(few, task.shape(), 1).unwrap_err().to_string(),
        "objective_weights: expected a list of 2 numbers, one for each objective"
    );
}

#[test]
fn a_newcomer_is_admitted_unless_a_genotype_is_as_good_in_all_objectives() {
    let task = task::named("zdt1").unwrap();
    let mut evaluated = at_generation(task, parameters(task, 20), 1, 1);
    let newcomer = Arc::clone(&first(task, parameters(task, 20), 9).genotypes()[0]);
    let mut inject = |objectives: &[f64]| {
        let score = Score::with_objectives(objectives.to_vec());
        evaluated.inject(Arc::clone(&newcomer), score, vec![])
    };
    assert_eq!(inject(&[-0.1]), Err(Refused::Objectives));
    assert_eq!(inject(&[f64::NAN, 0.0]), Err(Refused::NotFinite));
    assert_eq!(inject(&[-1.0, -100.0]), Err(Refused::NotBetter));
    assert_eq!(inject(&[0.0, 0.0]), Ok(()));
    assert_eq!(inject(&[0.0, 0.0]), Err(Refused::Known));
    assert_eq!(evaluated.front().len(), 1);
    assert_eq!(evaluated.population().champion().unwrap().genotype, newcomer);
    let next = evaluated.next(&GO).unwrap();
    assert!(next.genotypes().contains(&newcomer));
}
