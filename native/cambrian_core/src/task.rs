//! What gives fitness: the tasks that run inside Rust.

mod acrobot;
mod arm;
mod dataset;
mod double_pole;
mod dtlz2;
mod kheperax;
mod linear_projection;
mod maze;
mod mountain_car;
mod multiplexer;
mod parity;
mod sequence_recall;
mod settings;
mod single_pole;
mod starts;
mod t_maze;
mod vector;
mod xor;
mod zdt;

pub use dataset::{Dataset, DatasetError, Held, Label, Learning, Loss, Rows, Targets, Weights};
pub use dataset::{fingerprint, order};
pub use settings::{Settings, TaskError};

use crate::base::cancel::Cancelled;
use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::Parameters;
use crate::phenotype::gradient::Differentiable;
use crate::phenotype::network::{Network, Runner};
use std::sync::{Arc, LazyLock};

/// The result of the task's own test of a champion.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    pub solved: bool,
    /// What was measured, by name, for people to read.
    pub facts: Vec<(&'static str, f64)>,
    /// Fitness on held-out data, if the task holds some back.
    pub validation: Option<f64>,
}

impl Trial {
    /// For a task without held-out data.
    pub fn new(solved: bool, facts: Vec<(&'static str, f64)>) -> Trial {
        Trial { solved, facts, validation: None }
    }
}

/// The result of an evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Finite; more is better.
    pub fitness: f64,
    /// Results in each of the task's cases, for selection that looks at them one by one; may be
    /// empty.
    pub cases: Vec<f64>,
    /// What the network did, such as where it ended, for searches that compare behaviours: as many
    /// numbers for every network. Empty if the task tells nothing of it.
    pub behaviour: Vec<f64>,
    /// Goals that a search may pursue side by side; in each, more is better. Empty if the task has
    /// fitness alone.
    pub objectives: Vec<f64>,
    /// The work of the network in the evaluation, in units of [`crate::phenotype::cost`]; 0 where
    /// nobody has measured it.
    pub work: u64,
}

impl From<f64> for Score {
    fn from(fitness: f64) -> Score {
        Score { fitness, ..Score::default() }
    }
}

impl Score {
    pub fn with_cases(fitness: f64, cases: Vec<f64>) -> Score {
        Score { fitness, cases, ..Score::default() }
    }

    /// Fitness is the sum of the objectives.
    pub fn with_objectives(objectives: Vec<f64>) -> Score {
        Score { fitness: objectives.iter().sum(), objectives, ..Score::default() }
    }

    /// Whether every number is finite.
    pub fn is_sound(&self) -> bool {
        let lists = [&self.cases, &self.behaviour, &self.objectives];
        self.fitness.is_finite() && lists.into_iter().flatten().all(|number| number.is_finite())
    }
}

/// The outcome of one evaluation. Only a score has a fitness; a failure gets no stand-in.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Scored(Score),
    /// The evaluation crashed, took too long or too much memory, or gave no finite number.
    Failed,
    /// A limit of the run came first.
    Skipped,
}

impl Outcome {
    pub fn score(&self) -> Option<&Score> {
        match self {
            Outcome::Scored(score) => Some(score),
            _ => None,
        }
    }

    pub fn fitness(&self) -> Option<f64> {
        self.score().map(|score| score.fitness)
    }
}

/// A score with a number that is not finite is a failure.
impl From<Score> for Outcome {
    fn from(score: Score) -> Outcome {
        if score.is_sound() { Outcome::Scored(score) } else { Outcome::Failed }
    }
}

pub trait Task: Send + Sync {
    fn shape(&self) -> Shape;

    /// Parameters that suit the task.
    fn parameters(&self) -> Parameters;

    /// A warning in words, if the task is harder than it need be.
    fn warning(&self) -> Option<String> {
        None
    }

    /// How many objectives it gives; 0 if it has fitness alone.
    fn objectives(&self) -> usize {
        0
    }

    /// The rows whose mean loss falls as fitness grows, for tuning by gradients; `None` where
    /// fitness has no gradient.
    fn differentiable(&self) -> Option<&dyn Differentiable> {
        None
    }

    /// How many evaluations are worth another thread: some 100 µs of them.
    fn grain(&self) -> usize;

    /// The score of a network: always the same for the same network.
    ///
    /// # Errors
    /// [`Cancelled`] by the runner; a part of an evaluation has no score.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled>;

    /// The score of a genotype that the task can read without a network: the same as
    /// [`Task::evaluate_on`] gives, with the work of that network.
    fn evaluate_vector(&self, _genotype: &Genotype) -> Option<Score> {
        None
    }

    /// Whether a network solves the task; not counted as an evaluation.
    ///
    /// # Errors
    /// [`Cancelled`] by the runner.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled>;

    /// [`Task::evaluate_on`], which nobody stops.
    fn evaluate(&self, network: &Network) -> Score {
        network.run_to_end(|runner| self.evaluate_on(runner))
    }

    /// [`Task::trial_on`], which nobody stops.
    fn trial(&self, network: &Network) -> Trial {
        network.run_to_end(|runner| self.trial_on(runner))
    }
}

/// Makes a task of its settings.
pub type Constructor = fn(&mut Settings) -> Result<Arc<dyn Task>, TaskError>;

/// Every task that needs no data, by its name.
pub const TASKS: &[(&str, Constructor)] = &[
    ("xor", |_| Ok(Arc::new(xor::Xor))),
    ("double_pole", |_| Ok(Arc::new(double_pole::DoublePole { velocities: true }))),
    ("double_pole_novel", |_| Ok(Arc::new(double_pole::DoublePole { velocities: false }))),
    ("multiplexer_11", |_| Ok(Arc::new(multiplexer::Multiplexer11))),
    ("parity", |settings| Ok(Arc::new(parity::Parity::new(settings)?))),
    ("single_pole", |_| Ok(Arc::new(single_pole::SinglePole { velocities: true }))),
    ("single_pole_novel", |_| Ok(Arc::new(single_pole::SinglePole { velocities: false }))),
    ("mountain_car", |_| Ok(Arc::new(mountain_car::MountainCar))),
    ("acrobot", |_| Ok(Arc::new(acrobot::Acrobot))),
    ("t_maze", |_| Ok(Arc::new(t_maze::TMaze))),
    ("sequence_recall", |settings| Ok(Arc::new(sequence_recall::SequenceRecall::new(settings)?))),
    ("maze_medium", |_| Ok(Arc::new(maze::MEDIUM))),
    ("maze_hard", |_| Ok(Arc::new(maze::HARD))),
    ("linear_projection", |settings| {
        Ok(Arc::new(linear_projection::LinearProjection::new(settings)?))
    }),
    ("arm", |settings| Ok(Arc::new(arm::Arm::new(settings)?))),
    ("zdt1", |settings| Ok(Arc::new(zdt::Zdt::new(zdt::Problem::One, settings)?))),
    ("zdt2", |settings| Ok(Arc::new(zdt::Zdt::new(zdt::Problem::Two, settings)?))),
    ("zdt3", |settings| Ok(Arc::new(zdt::Zdt::new(zdt::Problem::Three, settings)?))),
    ("zdt4", |settings| Ok(Arc::new(zdt::Zdt::new(zdt::Problem::Four, settings)?))),
    ("zdt6", |settings| Ok(Arc::new(zdt::Zdt::new(zdt::Problem::Six, settings)?))),
    ("dtlz2", |settings| Ok(Arc::new(dtlz2::Dtlz2::new(settings)?))),
    ("kheperax", |_| Ok(Arc::new(kheperax::Kheperax::new()))),
];

/// The task of a name, with settings of its own.
///
/// # Errors
/// An unknown name, a setting that the task does not have, or a value out of range.
pub fn new(name: &str, mut settings: Settings) -> Result<Arc<dyn Task>, TaskError> {
    let (_, constructor) =
        TASKS.iter().find(|task| task.0 == name).ok_or(TaskError::UnknownTask)?;
    let task = constructor(&mut settings)?;
    settings.finish()?;
    Ok(task)
}

/// The task of a name, with its settings as they come.
pub fn named(name: &str) -> Option<&'static dyn Task> {
    static PLAIN: LazyLock<Vec<(&str, Arc<dyn Task>)>> = LazyLock::new(|| {
        let plain =
            |(name, _): &(&'static str, _)| Some((*name, new(name, Settings::default()).ok()?));
        TASKS.iter().filter_map(plain).collect()
    });
    PLAIN.iter().find(|task| task.0 == name).map(|task| &*task.1)
}

/// The first of the highest outputs, where each stands for an action.
fn argmax(outputs: &[f32]) -> usize {
    (1..outputs.len()).fold(0, |best, at| if outputs[at] > outputs[best] { at } else { best })
}
