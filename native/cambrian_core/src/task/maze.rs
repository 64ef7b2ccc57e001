//! A robot that looks for the end of a maze (Lehman & Stanley 2011, appendix A), with the walls and
//! rules of goNEAT_NS. In the hard maze the ways that lead straight towards the goal are dead ends.
//!
//! Lengths are in units of the maze; the robot has a radius of 8. Headings are in degrees.

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::parameters::{Bounds, Parameters};
use crate::phenotype::network::Runner;

type Point = [f64; 2];

pub struct Maze {
    start: Point,
    goal: Point,
    /// The ends of each wall: x1, y1, x2, y2.
    walls: &'static [[f64; 4]],
}

pub const MEDIUM: Maze = Maze {
    start: [30.0, 22.0],
    goal: [270.0, 100.0],
    walls: &[
        [5.0, 5.0, 295.0, 5.0],
        [295.0, 5.0, 295.0, 135.0],
        [295.0, 135.0, 5.0, 135.0],
        [5.0, 135.0, 5.0, 5.0],
        [241.0, 135.0, 58.0, 65.0],
        [114.0, 5.0, 73.0, 42.0],
        [130.0, 91.0, 107.0, 46.0],
        [196.0, 5.0, 139.0, 51.0],
        [219.0, 125.0, 182.0, 63.0],
        [267.0, 5.0, 214.0, 63.0],
        [271.0, 135.0, 237.0, 88.0],
    ],
};

pub const HARD: Maze = Maze {
    start: [36.0, 184.0],
    goal: [31.0, 20.0],
    walls: &[
        [5.0, 5.0, 5.0, 200.0],
        [5.0, 200.0, 200.0, 200.0],
        [200.0, 200.0, 200.0, 5.0],
        [200.0, 5.0, 5.0, 5.0],
        [5.0, 49.0, 57.0, 53.0],
        [56.0, 54.0, 56.0, 157.0],
        [57.0, 106.0, 158.0, 162.0],
        [77.0, 200.0, 108.0, 164.0],
        [5.0, 80.0, 33.0, 121.0],
        [200.0, 146.0, 87.0, 91.0],
        [56.0, 55.0, 133.0, 30.0],
    ],
};

const STEPS: usize = 400;
const RADIUS: f64 = 8.0;
/// How far a rangefinder sees.
const RANGE: f64 = 100.0;
/// Most units, and most degrees, in a step.
const MAX_SPEED: f64 = 3.0;
const REACHED: f64 = 5.0;
/// What fitness is at the goal.
const BIAS: f64 = 300.0;

/// Rangefinders look at −90, −45, 0, 45, 90 and 180 degrees from the heading: the cosine and sine
/// of each.
const DIAGONAL: f64 = std::f64::consts::FRAC_1_SQRT_2;
const RANGEFINDERS: [Point; 6] =
    [[0.0, -1.0], [DIAGONAL, -DIAGONAL], [1.0, 0.0], [DIAGONAL, DIAGONAL], [0.0, 1.0], [-1.0, 0.0]];

const INPUTS: usize = RANGEFINDERS.len() + 4;

struct Robot {
    place: Point,
    heading: f64,
    speed: f64,
    turn: f64,
}

impl Maze {
    /// The box around the walls.
    fn bounds(&self) -> Bounds {
        let ends = |at: usize| self.walls.iter().flat_map(move |wall| [wall[at], wall[at + 2]]);
        let bounds = [0, 1].map(|at| {
            (ends(at).fold(f64::INFINITY, f64::min), ends(at).fold(f64::NEG_INFINITY, f64::max))
        });
        Bounds(bounds.to_vec())
    }

    /// Where a robot ends that the network drives from the start: at the goal, or where it is after
    /// 400 steps.
    fn drive(&self, network: &Runner) -> Result<Point, Cancelled> {
        let mut robot = Robot { place: self.start, heading: 0.0, speed: 0.0, turn: 0.0 };
        let (mut values, mut outputs) = (network.network().rest(), [0.0; 2]);
        for _ in 0..STEPS {
            if distance(robot.place, self.goal) < REACHED {
                break;
            }
            network.step(&mut values, &self.observe(&robot), &mut outputs)?;
            robot.turn = accelerated(robot.turn, outputs[0]);
            robot.speed = accelerated(robot.speed, outputs[1]);
            self.advance(&mut robot);
        }
        Ok(robot.place)
    }

    /// Moves along the heading, then turns. A move that would bring the robot into a wall is not
    /// made.
    fn advance(&self, robot: &mut Robot) {
        let [cos, sin] = direction(robot.heading);
        let place = [robot.place[0] + robot.speed * cos, robot.place[1] + robot.speed * sin];
        if self.walls.iter().all(|wall| to_wall(place, wall) >= RADIUS) {
            robot.place = place;
        }
        robot.heading = libm::fmod(robot.heading + robot.turn + 360.0, 360.0);
    }

    /// Rangefinders from 0 to 1, which is nothing in sight; then the quarter, ahead, right, behind
    /// or left of the robot, in which the goal lies.
    fn observe(&self, robot: &Robot) -> [f32; INPUTS] {
        let ahead = direction(robot.heading);
        let mut inputs = [0.0; INPUTS];
        for (input, angle) in inputs.iter_mut().zip(&RANGEFINDERS) {
            let ray = turned(ahead, *angle);
            let nearest = |seen: f64, wall| seen.min(along(robot.place, ray, wall));
            *input = (self.walls.iter().fold(RANGE, nearest) / RANGE) as f32;
        }
        let towards = [self.goal[0] - robot.place[0], self.goal[1] - robot.place[1]];
        // seen from the robot: x ahead, y at 90 degrees
        let [x, y] = turned(towards, [ahead[0], -ahead[1]]);
        let degrees = libm::atan2(y, x).to_degrees();
        let quarter = libm::fmod(degrees + 405.0, 360.0) / 90.0;
        inputs[RANGEFINDERS.len() + quarter as usize] = 1.0;
        inputs
    }
}

/// An output of a half keeps the speed.
fn accelerated(speed: f64, output: f32) -> f64 {
    (speed + f64::from(output.clamp(0.0, 1.0)) - 0.5).clamp(-MAX_SPEED, MAX_SPEED)
}

fn direction(heading: f64) -> Point {
    let (sin, cos) = libm::sincos(heading.to_radians());
    [cos, sin]
}

/// A vector turned by the angle that has this cosine and sine.
fn turned([x, y]: Point, [cos, sin]: Point) -> Point {
    [x * cos - y * sin, x * sin + y * cos]
}

fn distance([x1, y1]: Point, [x2, y2]: Point) -> f64 {
    ((x1 - x2) * (x1 - x2) + (y1 - y2) * (y1 - y2)).sqrt()
}

/// From a point to the nearest one of a wall.
fn to_wall([x, y]: Point, &[x1, y1, x2, y2]: &[f64; 4]) -> f64 {
    let (dx, dy) = (x2 - x1, y2 - y1);
    let share = ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy);
    let share = share.clamp(0.0, 1.0);
    distance([x, y], [x1 + share * dx, y1 + share * dy])
}

/// How far it is from a point to a wall in a direction; infinite where the wall is not in sight.
fn along([x, y]: Point, [cos, sin]: Point, &[x1, y1, x2, y2]: &[f64; 4]) -> f64 {
    let (dx, dy) = (x2 - x1, y2 - y1);
    let across = cos * dy - sin * dx;
    if across == 0.0 {
        return f64::INFINITY;
    }
    let far = ((x1 - x) * dy - (y1 - y) * dx) / across;
    let share = ((x1 - x) * sin - (y1 - y) * cos) / across;
    let is_in_sight = far >= 0.0 && (0.0..=1.0).contains(&share);
    if is_in_sight { far } else { f64::INFINITY }
}

impl Task for Maze {
    fn shape(&self) -> Shape {
        Shape { inputs: INPUTS as u32, outputs: 2 }
    }

    fn parameters(&self) -> Parameters {
        Parameters {
            population: 250,
            output_activation: Activation::SteepSigmoid,
            weight_step: 1.0,
            target_species: 10,
            bounds: self.bounds(),
            ..Parameters::default()
        }
    }

    fn grain(&self) -> usize {
        1
    }

    /// 300 less the distance from the goal at the end; the behaviour is the place at the end.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        let end = self.drive(network)?;
        let fitness = BIAS - distance(end, self.goal);
        Ok(Score { fitness, behaviour: end.to_vec(), ..Score::default() })
    }

    /// Whether the robot came within five units of the goal.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let left = distance(self.drive(network)?, self.goal);
        Ok(Trial::new(left < REACHED, vec![("distance", left)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robot(place: Point, heading: f64) -> Robot {
        Robot { place, heading, speed: 3.0, turn: 0.0 }
    }

    #[test]
    fn rangefinders_see_the_walls_around() {
        // in the medium maze: the wall behind is 25 away, the one at −90 degrees 17
        let seen = MEDIUM.observe(&robot([30.0, 22.0], 0.0));
        let near = [0, 1, 5].map(|at| seen[at]);
        let expected = [0.17, 0.17 * std::f32::consts::SQRT_2, 0.25];
        assert!(near.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{seen:?}");
    }

    #[test]
    fn the_radar_shows_the_quarter_of_the_goal() {
        // the goal of the hard maze lies at −90 degrees from the start, nearly
        let quarter = |heading| {
            let seen = HARD.observe(&robot(HARD.start, heading));
            seen[6..].iter().position(|&slice| slice == 1.0)
        };
        assert_eq!([0.0, 90.0, 180.0, 270.0].map(quarter), [Some(3), Some(2), Some(1), Some(0)]);
    }

    #[test]
    fn a_robot_stops_at_a_wall_and_does_not_slide_along_it() {
        let mut robot = robot(MEDIUM.start, 180.0);
        (0..100).for_each(|_| MEDIUM.advance(&mut robot));
        // 30 − 5 is 25: five moves of 3 leave 10, and one more would leave 7
        assert!(
            (robot.place[0] - 15.0).abs() < 1e-9 && robot.place[1] == 22.0,
            "{:?}",
            robot.place
        );
    }
}
