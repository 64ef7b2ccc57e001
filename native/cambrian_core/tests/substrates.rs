//! Networks that follow from geometry.

use cambrian_core::network::Network;
use cambrian_core::parameters::Parameters;
use cambrian_core::population::Population;
use cambrian_core::substrate::{Plan, Substrate, cppn_parameters, grid};
use cambrian_core::math::Activation;
use cambrian_core::task::{Shape, Task, Trial};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

/// Visual discrimination (Stanley, D'Ambrosio & Gauci 2009): a field of pixels with two boxes, of which one is
/// three times as wide. The output with the highest activation is to be at the centre of the larger.
struct Boxes {
    side: usize,
    /// of the smaller
    width: usize,
}

impl Boxes {
    fn retina(side: usize) -> Arc<Substrate> {
        let field = grid(&[side as u32, side as u32]).unwrap();
        let plan = Plan { output_activation: Activation::Identity, ..Plan::new(field.clone(), field) };
        Arc::new(Substrate::new(plan).unwrap())
    }

    /// The larger box in every third place of each row and column, the smaller one at a corner away from it.
    fn trials(&self) -> Vec<([usize; 2], [usize; 2])> {
        let large = 3 * self.width;
        let steps = (self.side / self.width - 3) / 2;
        let mut trials = Vec::new();
        for i in 0..=steps {
            for j in 0..=steps {
                let at = [2 * i * self.width, 2 * j * self.width];
                let away = |x: usize| (x + large + (i + 2 * j) % 3 * self.width + self.width) % (self.side / self.width * self.width - self.width + 1);
                trials.push((at, [away(at[0]) / self.width * self.width, away(at[1])/ self.width * self.width]));
            }
        }
        trials
    }

    /// How far the highest output is from the centre of the larger box, in widths of the smaller one.
    fn distance(&self, network: &Network, (large, small): ([usize; 2], [usize; 2])) -> f64 {
        let mut field = vec![0.0; self.side * self.side];
        for ([x, y], width) in [(large, 3 * self.width), (small, self.width)] {
            for (i, j) in (0..width).flat_map(|i| (0..width).map(move |j| (i, j))) {
                field[(x + i) * self.side + y + j] = 1.0;
            }
        }
        let seen = network.activate(&field);
        let highest = (0..seen.len()).reduce(|a, b| if seen[b] > seen[a] { b } else { a }).unwrap();
        let centre = |corner: usize| corner as f64 + (3 * self.width - 1) as f64 / 2.0;
        let apart = |at: usize, corner| (at as f64 - centre(corner)) / self.width as f64;
        apart(highest / self.side, large[0]).hypot(apart(highest % self.side, large[1]))
    }

    fn mean_distance(&self, network: &Network) -> f64 {
        let trials = self.trials();
        trials.iter().map(|&trial| self.distance(network, trial)).sum::<f64>() / trials.len() as f64
    }
}

impl Task for Boxes {
    fn shape(&self) -> Shape {
        Shape { inputs: (self.side * self.side) as u32, outputs: (self.side * self.side) as u32 }
    }
    fn parameters(&self) -> Parameters {
        cppn_parameters(Parameters { population: 100, ..Parameters::default() })
    }
    fn grain(&self) -> usize {
        1
    }
    fn evaluate(&self, network: &Network) -> f64 {
        -self.mean_distance(network)
    }
    fn trial(&self, network: &Network) -> Trial {
        Trial { solved: self.mean_distance(network) < 0.5, facts: Vec::new() }
    }
}

#[test]
fn experiment() {
    let task = Boxes { side: 11, width: 1 };
    println!("{:?}", task.trials());
    for seed in 1..=8 {
        let start = std::time::Instant::now();
        let mut population = Population::new(task.parameters(), Boxes::retina(11), seed).unwrap();
        let mut line = Vec::new();
        loop {
            let evaluated = population.evaluate(&task, &GO).unwrap();
            let s = evaluated.stats();
            line.push(s.best);
            if s.best > -0.01 || s.generation >= 60 {
                let c = &evaluated.population().champion().unwrap().genotype;
                let far: Vec<_> = [(22, 2), (31, 1), (31,2)].iter().map(|&(side, width)| {
                    let t = Boxes { side, width };
                    t.mean_distance(&Network::new(&Boxes::retina(side).express(c).unwrap()))
                }).collect();
                println!("seed {seed} gen {} best {:.3} hidden {} conns {} far {far:?} in {:?} start {:.2} ", s.generation, s.best, c.hidden().len(), c.connections().len(), start.elapsed(), line[0]);
                break;
            }
            population = evaluated.next(&GO).unwrap();
        }
    }
}
