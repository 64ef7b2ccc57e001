//! Kheperax: a robot on two wheels in a maze of side 1, a task for searches that look for many
//! unlike solutions (Grillotti & Cully 2023, "Kheperax: a lightweight JAX-based robot control
//! environment for benchmarking quality-diversity algorithms"). The maze, the robot and the rules
//! are those of Kheperax 0.2, its length of 250 steps that of its example of MAP-Elites.
//!
//! Two of its rules may surprise: a robot that touches a wall never moves again, and the behaviour
//! is the place where the last step begins.

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::parameters::{Bounds, Parameters};
use crate::phenotype::network::Runner;

type Point = [f64; 2];

const STEPS: usize = 250;
const START: Point = [0.15, 0.15];
const RADIUS: f64 = 0.015;
/// How far the lasers see.
const RANGE: f64 = 0.2;
/// How far a wheel goes in a step, at most.
const SPEED: f64 = 0.025;
const INPUTS: usize = 5;

/// The lasers look at −45, 0 and 45 degrees from the heading: the cosine and sine of each.
const DIAGONAL: f64 = std::f64::consts::FRAC_1_SQRT_2;
const LASERS: [Point; 3] = [[DIAGONAL, -DIAGONAL], [1.0, 0.0], [DIAGONAL, DIAGONAL]];

/// The ends of each wall: x1, y1, x2, y2. Two more of Kheperax lie on the border.
const WALLS: [[f64; 4]; 11] = [
    [0.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
    [0.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0, 0.0],
    [0.25, 0.25, 0.25, 0.75],
    [0.14, 0.45, 0.0, 0.65],
    [0.25, 0.75, 0.0, 0.8],
    [0.25, 0.75, 0.66, 0.875],
    [0.355, 0.0, 0.525, 0.185],
    [0.25, 0.5, 0.75, 0.215],
    [1.0, 0.25, 0.435, 0.55],
];

struct Wall {
    from: Point,
    /// Of length 1.
    along: Point,
    length: f64,
}

/// What a robot senses at a place.
#[derive(Clone, Copy)]
struct Senses {
    /// How far it is to the nearest wall in the direction of each laser, at most the range.
    lasers: [f64; 3],
    /// 1 where a wall touches the front, right of the heading and left of it; else −1.
    bumpers: [f64; 2],
    /// Whether a wall touches the robot on any side.
    touches: bool,
}

struct Robot {
    place: Point,
    /// Of length 1.
    heading: Point,
    senses: Senses,
    /// Those of the place where the last step began: the network sees these.
    bumpers: [f64; 2],
}

/// What became of a robot.
struct Journey {
    /// Where the last step begins.
    end: Point,
    /// The sum of the squares of what the wheels went.
    energy: f64,
}

pub struct Kheperax {
    walls: [Wall; WALLS.len()],
}

impl Wall {
    fn new([x1, y1, x2, y2]: [f64; 4]) -> Wall {
        let (x, y) = (x2 - x1, y2 - y1);
        let length = (x * x + y * y).sqrt();
        Wall { from: [x1, y1], along: [x / length, y / length], length }
    }

    /// From a robot so far beside the wall, and beyond its ends, to the nearest point of the wall.
    fn away(&self, side: f64, beyond: f64) -> Point {
        let [x, y] = self.along;
        [side * y - beyond * x, -side * x - beyond * y]
    }
}

impl Robot {
    fn inputs(&self) -> [f32; INPUTS] {
        let [a, b, c] = self.senses.lasers.map(|far| far as f32);
        let [d, e] = self.bumpers.map(|bumper| bumper as f32);
        [a, b, c, d, e]
    }

    /// Moves along the arc on which the left and the right wheel go so far: by its chord, in the
    /// direction half-way between the old heading and the new one. The wheels are a diameter apart.
    fn advance(&mut self, [left, right]: [f64; 2]) {
        let half = (right - left) / (4.0 * RADIUS);
        let (sin, cos) = libm::sincos(half);
        let chord = 0.5 * (left + right) * if half == 0.0 { 1.0 } else { sin / half };
        let middle = turned(self.heading, [cos, sin]);
        self.place = [self.place[0] + chord * middle[0], self.place[1] + chord * middle[1]];
        self.heading = turned(middle, [cos, sin]);
    }
}

impl Kheperax {
    pub fn new() -> Kheperax {
        Kheperax { walls: WALLS.map(Wall::new) }
    }

    fn robot(&self, place: Point, heading: Point) -> Robot {
        let senses = self.sense(place, heading);
        Robot { place, heading, senses, bumpers: senses.bumpers }
    }

    fn step(&self, robot: &mut Robot, wheels: [f64; 2]) {
        robot.bumpers = robot.senses.bumpers;
        if !robot.senses.touches {
            robot.advance(wheels);
            robot.senses = self.sense(robot.place, robot.heading);
        }
    }

    fn sense(&self, place: Point, heading: Point) -> Senses {
        let rays = LASERS.map(|angle| turned(heading, angle));
        let mut senses = Senses { lasers: [RANGE; 3], bumpers: [-1.0; 2], touches: false };
        for wall in &self.walls {
            let from = [place[0] - wall.from[0], place[1] - wall.from[1]];
            // how far the robot is beside the wall, and along it
            let (side, at) = (cross(wall.along, from), dot(wall.along, from));
            if side.abs() > RANGE {
                continue;
            }
            let beyond = at - at.clamp(0.0, wall.length);
            let square = side * side + beyond * beyond;
            senses.touches |= square <= RADIUS * RADIUS;
            if square < RADIUS * RADIUS {
                bump(&mut senses.bumpers, heading, wall.away(side, beyond));
            }
            for (laser, ray) in senses.lasers.iter_mut().zip(&rays) {
                // where the ray is parallel there is no hit: one is infinite or not a number
                let far = -side / cross(wall.along, *ray);
                let hit = at + far * dot(wall.along, *ray);
                if far >= 0.0 && far < *laser && hit >= 0.0 && hit <= wall.length {
                    *laser = far;
                }
            }
        }
        senses
    }

    fn drive(&self, network: &Runner) -> Result<Journey, Cancelled> {
        let (mut values, mut outputs) = (network.network().rest(), [0.0; 2]);
        let mut robot = self.robot(START, [0.0, 1.0]);
        let mut journey = Journey { end: START, energy: 0.0 };
        for _ in 0..STEPS {
            network.step(&mut values, &robot.inputs(), &mut outputs)?;
            let wheels = outputs.map(|output| SPEED * f64::from(output.clamp(-1.0, 1.0)));
            journey.end = robot.place;
            journey.energy += dot(wheels, wheels);
            self.step(&mut robot, wheels);
        }
        Ok(journey)
    }
}

/// Switches on the bumpers that are `towards` the wall.
fn bump(bumpers: &mut [f64; 2], heading: Point, towards: Point) {
    if dot(heading, towards) > 0.0 {
        let left = cross(heading, towards);
        bumpers[0] = if left <= 0.0 { 1.0 } else { bumpers[0] };
        bumpers[1] = if left >= 0.0 { 1.0 } else { bumpers[1] };
    }
}

fn dot([x1, y1]: Point, [x2, y2]: Point) -> f64 {
    x1 * x2 + y1 * y2
}

/// Positive where the second vector points to the left of the first.
fn cross([x1, y1]: Point, [x2, y2]: Point) -> f64 {
    x1 * y2 - y1 * x2
}

/// A vector turned by the angle that has this cosine and sine.
fn turned([x, y]: Point, [cos, sin]: Point) -> Point {
    [x * cos - y * sin, x * sin + y * cos]
}

impl Task for Kheperax {
    fn shape(&self) -> Shape {
        Shape { inputs: INPUTS as u32, outputs: 2 }
    }

    fn parameters(&self) -> Parameters {
        Parameters {
            output_activation: Activation::Tanh,
            bounds: Bounds(vec![(0.0, 1.0); 2]),
            ..Parameters::default()
        }
    }

    fn grain(&self) -> usize {
        2
    }

    /// Energy, negative; the behaviour is the place at the end.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let Journey { end, energy } = self.drive(network)?;
        Ok(Score { fitness: 0.0 - energy, behaviour: end.to_vec(), ..Score::default() })
    }

    /// There is no goal.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let Journey { end: [x, y], energy } = self.drive(network)?;
        Ok(Trial::new(false, vec![("x", x), ("y", y), ("energy", energy)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::math::Activation::{Relu, Tanh};
    use crate::genome::genotype::{Connection, Genotype, Node};
    use crate::genome::innovation::{BOTTOM, TOP, imported, input, output};
    use crate::genome::neuron::Neuron;
    use crate::phenotype::network::Network;

    fn numbers(text: &str) -> Vec<f64> {
        text.split(',').map(|number| number.parse().expect("a number")).collect()
    }

    fn near(found: &[f64], expected: &[f64], within: f64) {
        let far = |(x, y): (&f64, &f64)| (x - y).abs() > within;
        assert!(!found.iter().zip(expected).any(far), "{found:?} for {expected:?}");
    }

    /// Kheperax computes in f32.
    #[test]
    fn a_robot_moves_and_senses_as_that_of_kheperax() {
        let task = Kheperax::new();
        let mut robot = task.robot(START, [0.0, 1.0]);
        let (mut touched, mut compared) = (0, 0);
        for line in include_str!("../../tests/kheperax/steps.csv").lines() {
            let Some((action, seen)) = line.split_once(':') else { continue };
            let seen = numbers(seen);
            let heading = [libm::cos(seen[2]), libm::sin(seen[2])];
            if action.is_empty() {
                robot = task.robot([seen[0], seen[1]], heading);
            } else {
                let action = numbers(action);
                task.step(&mut robot, [SPEED * action[0], SPEED * action[1]]);
            }
            near(&robot.place, &seen[..2], 1e-5);
            near(&robot.heading, &heading, 1e-5);
            near(&robot.senses.lasers, &seen[3..6], 1e-4);
            assert_eq!(robot.bumpers[..], seen[6..]);
            (touched, compared) = (touched + usize::from(robot.senses.touches), compared + 1);
        }
        assert!(compared >= 400 && touched >= 40, "{compared} {touched}");
    }

    /// 5-8-2, from the numbers in the order of Flax: of each layer the weights, those from one node
    /// side by side, then the biases.
    fn network(numbers: &[f64]) -> Network {
        let hidden = |at: u32| imported(TOP / 2, u64::from(at));
        let ends = |at: usize| match at {
            0..40 => (input(at as u32 / 8), hidden(at as u32 % 8)),
            _ => (hidden((at as u32 - 48) / 2), output(at as u32 % 2)),
        };
        let weights = (0..40).chain(48..64);
        let link = |at: usize| Connection::new(ends(at).0, ends(at).1, numbers[at] as f32);
        let mut links: Vec<Connection> = weights.map(link).collect();
        links.sort_unstable_by_key(|link| link.id);
        let node = |id, layer, activation, bias: f64| Node {
            id,
            layer,
            neuron: Neuron { bias: bias as f32, ..Neuron::new(activation) },
        };
        let mut nodes: Vec<Node> = (0..5)
            .map(|at| Node { id: input(at), layer: BOTTOM, neuron: Neuron::INPUT })
            .chain((0..8).map(|at| node(hidden(at), TOP / 2, Relu, numbers[40 + at as usize])))
            .chain((0..2).map(|at| node(output(at), TOP, Tanh, numbers[64 + at as usize])))
            .collect();
        nodes.sort_unstable_by_key(|node| (node.layer, node.id));
        Network::new(&Genotype::from_genes(5, 2, nodes, links).unwrap())
    }

    #[test]
    fn a_network_drives_it_as_that_of_kheperax() {
        let task = Kheperax::new();
        let lines: Vec<Vec<f64>> = include_str!("../../tests/kheperax/networks.csv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(numbers)
            .collect();
        for three in lines.chunks(3) {
            let network = network(&three[0]);
            let Score { fitness, behaviour, .. } = task.evaluate(&network);
            near(&[fitness], &three[1][..1], 1e-4);
            near(&behaviour, &three[1][1..], 1e-3);
            near(&path(&task, &network), &three[2], 1e-3);
        }
        assert!(lines.len() >= 3 * 20);
    }

    /// The place after every tenth step.
    fn path(task: &Kheperax, network: &Network) -> Vec<f64> {
        let (mut values, mut outputs) = (network.rest(), [0.0; 2]);
        let mut robot = task.robot(START, [0.0, 1.0]);
        let step = |_| {
            network.step(&mut values, &robot.inputs(), &mut outputs);
            task.step(&mut robot, outputs.map(|output| SPEED * f64::from(output)));
            robot.place
        };
        (0..STEPS).map(step).skip(9).step_by(10).flatten().collect()
    }
}
