//! What gives fitness: the tasks that run inside Rust.

mod double_pole;
mod multiplexer;
mod xor;

use crate::network::Network;
use crate::parameters::Parameters;

/// How many numbers a network takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub inputs: u32,
    pub outputs: u32,
}

/// What became of a champion that was tried by the task's own criterion of success.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub solved: bool,
    /// What was measured, by name, for people to read.
    pub facts: Vec<(&'static str, f64)>,
}

/// What an evaluation finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Finite; more is better.
    pub fitness: f64,
    /// Results in each of the task's cases, for selection that looks at them one by one; may be empty.
    pub cases: Vec<f64>,
}

impl From<f64> for Score {
    fn from(fitness: f64) -> Score {
        Score { fitness, cases: Vec::new() }
    }
}

impl Score {
    /// Whether every number is finite.
    pub fn is_sound(&self) -> bool {
        self.fitness.is_finite() && self.cases.iter().all(|case| case.is_finite())
    }
}

pub trait Task: Send + Sync {
    fn shape(&self) -> Shape;

    /// Parameters that suit the task.
    fn parameters(&self) -> Parameters;

    /// How many evaluations are worth another thread: some 100 µs of them.
    fn grain(&self) -> usize;

    /// The same for the same network.
    fn evaluate(&self, network: &Network) -> Score;

    /// Whether a network solves the task; not counted as an evaluation.
    fn trial(&self, network: &Network) -> Trial;
}

/// Every task, by its name.
pub const TASKS: &[(&str, &dyn Task)] = &[
    ("xor", &xor::Xor),
    ("double_pole", &double_pole::DoublePole { velocities: true }),
    ("double_pole_novel", &double_pole::DoublePole { velocities: false }),
    ("multiplexer_11", &multiplexer::Multiplexer11),
];

pub fn named(name: &str) -> Option<&'static dyn Task> {
    TASKS.iter().find(|task| task.0 == name).map(|task| task.1)
}
