//! What holds for every strategy.

use super::*;
use crate::base::choice::Choice;
use crate::genome::parameters::Strategy as Name;

fn sphere(x: &[f32]) -> f64 {
    -x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>()
}

fn ellipsoid(x: &[f32]) -> f64 {
    let last = (x.len() - 1) as f64;
    let term = |(at, x): (usize, &f32)| libm::pow(1e6, at as f64 / last) * f64::from(x * x);
    -x.iter().enumerate().map(term).sum::<f64>()
}

/// The points of a generation, and the strategy that was told of them.
fn step(method: &mut Method, f: fn(&[f32]) -> f64, draws: Draws) -> Vec<Vec<f32>> {
    let points: Vec<Vec<f32>> = (0..method.size()).map(|at| method.point(at, draws)).collect();
    let fitness: Vec<f64> = points.iter().map(|x| f(x)).collect();
    method.tell(&points, &fitness, draws);
    points
}

/// Evaluations until the error is 1e-6, the median of nine runs in ten dimensions around points
/// that are normal with a standard deviation of 3.
fn evaluations(f: fn(&[f32]) -> f64, p: &Parameters) -> usize {
    let run = |seed: u64| {
        let mut start = vec![0.0; 10];
        Stream::new(seed, Purpose::Task, 0, 0).normals(&mut start, |_, z| 3.0 * z);
        let mut method = Method::new(&start, p, Draws { seed, generation: 0 }).unwrap();
        let mut before = 0;
        for generation in 0.. {
            let points = step(&mut method, f, Draws { seed, generation });
            if let Some(at) = points.iter().position(|x| f(x) > -1e-6) {
                return before + at + 1;
            }
            before += points.len();
            assert!(before < 100_000, "{:?} does not find the minimum", p.strategy);
        }
        unreachable!("it is found, or not")
    };
    let mut all: Vec<usize> = (0..9).map(run).collect();
    all.sort_unstable();
    all[4]
}

fn parameters(strategy: Name, population: u32) -> Parameters {
    let search = Search::EvolutionStrategy;
    Parameters { search, strategy, population, strategy_step: 2.0, ..Parameters::default() }
}

/// Medians of 51 runs of pycma 4.5 and SciPy 1.17, as `bin/bench strategies` prints them.
#[test]
fn minima_are_found_in_as_many_evaluations_as_by_other_libraries() {
    let within = |strategy, population, f, expected: usize| {
        let found = evaluations(f, &parameters(strategy, population));
        let bounds = expected * 4 / 5..expected * 5 / 4;
        assert!(bounds.contains(&found), "{strategy:?}: {found} and not about {expected}");
    };
    within(Name::CmaEs, 10, sphere, 1_120);
    within(Name::CmaEs, 10, ellipsoid, 3_591);
    within(Name::SepCmaEs, 10, sphere, 972);
    within(Name::SepCmaEs, 10, ellipsoid, 1_934);
    within(Name::DifferentialEvolution, 100, sphere, 18_446);
    within(Name::DifferentialEvolution, 100, ellipsoid, 27_184);
    within(Name::ParticleSwarm, 50, sphere, 12_862);
    within(Name::ParticleSwarm, 50, ellipsoid, 18_775);
    let p = Parameters { strategy_budget: 100_000, ..parameters(Name::LShade, 180) };
    let found = evaluations(sphere, &p);
    assert!((17_000..25_000).contains(&found), "{found} and not about 20,945");
}

/// Its steps have a constant size, so it comes near and no nearer.
#[test]
fn a_strategy_of_constant_width_climbs() {
    let p = parameters(Name::OpenAiEs, 40);
    let p = Parameters { strategy_step: 0.1, strategy_rate: 0.02, ..p };
    let first = Draws { seed: 1, generation: 0 };
    let mut method = Method::new(&[2.0; 20], &p, first).unwrap();
    for generation in 0..1000 {
        step(&mut method, sphere, Draws { seed: 1, generation });
    }
    let near = method.point(0, Draws { seed: 1, generation: 1000 });
    assert!(sphere(&near) > -1.0, "{}", sphere(&near));
}

fn saved(method: &Method) -> Vec<u8> {
    rmp_serde::encode::to_vec_named(method).unwrap()
}

#[test]
fn a_state_that_was_saved_goes_on_to_the_same_points() {
    for &strategy in Name::ALL {
        let p = Parameters { strategy_budget: 300, ..parameters(strategy, 13) };
        let mut method = Method::new(&[1.0; 5], &p, Draws { seed: 3, generation: 0 }).unwrap();
        for generation in 0..40 {
            let draws = Draws { seed: 3, generation };
            let restored: Method = rmp_serde::from_slice(&saved(&method)).unwrap();
            assert!(restored.is_sound(5, &p), "{strategy:?} in generation {generation}");
            assert!(!restored.is_sound(6, &p) && !restored.is_sound(5, &parameters(strategy, 14)));
            let places = (0..method.size()).rev();
            let others: Vec<Vec<f32>> = places.map(|at| restored.point(at, draws)).collect();
            method = restored;
            let points = step(&mut method, ellipsoid, draws);
            assert!(points.iter().eq(others.iter().rev()), "in any order");
        }
    }
}

/// Where evaluations fail, or all points are alike, numbers stay numbers.
#[test]
fn failures_and_plateaus_do_no_harm() {
    let half = |x: &[f32]| if x[0] > 1.0 { f64::NEG_INFINITY } else { sphere(x) };
    let rising = |x: &[f32]| f64::from(x[0]);
    let functions: [fn(&[f32]) -> f64; 4] = [half, rising, |_| 7.0, |_| f64::NEG_INFINITY];
    for &strategy in Name::ALL {
        for (f, size) in functions.into_iter().flat_map(|f| [(f, 4), (f, 31)]) {
            let p = Parameters { strategy_budget: 500, ..parameters(strategy, size) };
            let mut method = Method::new(&[1.0; 3], &p, Draws { seed: 1, generation: 0 }).unwrap();
            for generation in 0..200 {
                let draws = Draws { seed: 1, generation };
                let mut points: Vec<Vec<f32>> =
                    (0..method.size()).map(|at| method.point(at, draws)).collect();
                // as a population limits weights
                points.iter_mut().flatten().for_each(|x| *x = p.clamp(*x));
                let fitness: Vec<f64> = points.iter().map(|x| f(x)).collect();
                method.tell(&points, &fitness, draws);
                assert!(method.is_sound(3, &p), "{strategy:?} in generation {generation}");
            }
        }
    }
}

#[test]
fn a_search_that_cannot_begin_says_why() {
    let refused = |numbers, p: Parameters| check(numbers, &p).unwrap_err().to_string();
    assert_eq!(check(500, &parameters(Name::CmaEs, 2)), Ok(()));
    assert_eq!(
        refused(501, parameters(Name::CmaEs, 20)),
        "strategy: expected sep_cma_es or another one, as cma_es has at most 500 weights and \
         biases, and these networks have 501"
    );
    assert_eq!(check(100_000, &parameters(Name::SepCmaEs, 2)), Ok(()));
    assert_eq!(
        refused(7, parameters(Name::LShade, 3)),
        "population: expected 4 or more with this strategy"
    );
    let tuned = Parameters { tuning: Tuner::CmaEs, ..parameters(Name::CmaEs, 20) };
    assert!(refused(7, tuned).starts_with("tuning: expected none"));
    assert!(refused(0, parameters(Name::CmaEs, 20)).starts_with("search: expected"));
}
