//! cambrian_task: the tasks that run inside Rust

use crate::job::{self, Job};
use crate::network::NetworkArc;
use crate::term::{List, settings_of};
use crate::{atoms, dataset, error, parameters};
use cambrian_core::genome::genotype::Shape;
use cambrian_core::genome::parameters::{Parameters, Value};
use cambrian_core::phenotype::cost::metered;
use cambrian_core::task::{self, Outcome, Score, TASKS, Task, TaskError, Trial};
use rustler::{Atom, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use std::sync::Arc;

pub struct TaskResource(pub Arc<dyn Task>);

#[rustler::resource_impl]
impl Resource for TaskResource {}

pub type TaskArc = ResourceArc<TaskResource>;

/// `{ok, Task}`; for a `dataset`, the settings are the data.
#[rustler::nif(schedule = "DirtyCpu")]
fn task_new<'a>(env: Env<'a>, name: Term<'a>, settings: Term<'a>) -> NifResult<Term<'a>> {
    let made = match name.decode::<Atom>()? {
        name if name == atoms::dataset() => dataset::read(env, settings),
        _ => named(env, name, settings),
    };
    Ok(match made {
        Ok(task) => (atoms::ok(), ResourceArc::new(TaskResource(task))).encode(env),
        Err(reason) => (atoms::error(), reason).encode(env),
    })
}

/// A task of the table; otherwise the reason why there is none.
fn named<'a>(env: Env<'a>, name: Term<'a>, settings: Term<'a>) -> Result<Arc<dyn Task>, Term<'a>> {
    let unknown = || (atoms::unknown_task(), name).encode(env);
    let text = name.atom_to_string().map_err(|_| unknown())?;
    // a name that is no built-in task may be a module, whose argument can be any term
    task::named(&text).ok_or_else(unknown)?;
    // the task reports a key that cannot be a setting, like any other unknown key
    let name_of = |key: Term| key.atom_to_string().unwrap_or_else(|_| format!("{key:?}"));
    // a term that is no kind of value is an invalid value of the setting
    let read = |value: Term| parameters::value(value).unwrap_or(Value::Names(Vec::new()));
    let pairs: Vec<(Term, Term)> = settings_of(env, settings)?.collect();
    let values: Vec<(String, Value)> =
        pairs.iter().map(|(key, value)| (name_of(*key), read(*value))).collect();
    let atom = |name: &str| Atom::from_str(env, name).unwrap_or(atoms::undefined());
    task::new(&text, values.into()).map_err(|error| match error {
        TaskError::UnknownTask => unknown(),
        TaskError::UnknownSetting { name, known } => {
            let key = pairs.iter().find(|(key, _)| name_of(*key) == name).map(|(key, _)| *key);
            error::unknown_option(env, key, &known.into_iter().map(atom).collect::<Vec<_>>())
        }
        TaskError::Invalid { name, expected } => {
            error::bad_option(env, settings, atom(name), &expected)
        }
    })
}

/// The parameters for the task; the defaults for `undefined`.
pub fn parameters(task: Term) -> NifResult<Parameters> {
    match task.decode::<TaskArc>() {
        Ok(task) => Ok(task.0.parameters()),
        Err(_) if task.decode().is_ok_and(|name: Atom| name == atoms::undefined()) => {
            Ok(Parameters::default())
        }
        Err(_) => Err(Error::BadArg),
    }
}

/// The parameters for a task, or the defaults, changed and checked by a map.
#[rustler::nif]
fn task_parameters<'a>(
    env: Env<'a>,
    task: Term<'a>,
    changes: Term<'a>,
) -> NifResult<(Atom, Term<'a>)> {
    let parameters = parameters::read(changes, parameters(task)?)?;
    Ok((atoms::ok(), parameters::values(env, &parameters)?))
}

#[rustler::nif]
fn task_names(env: Env) -> NifResult<Vec<Atom>> {
    TASKS.iter().map(|task| Atom::from_str(env, task.0)).collect()
}

/// A warning if the task is harder than it needs to be, or `undefined`.
#[rustler::nif(schedule = "DirtyCpu")]
fn task_warning<'a>(env: Env<'a>, task: TaskArc) -> Term<'a> {
    task.0.warning().map_or(atoms::undefined().encode(env), |warning| warning.encode(env))
}

/// `#{inputs, outputs}`
#[rustler::nif]
fn task_info(env: Env<'_>, task: TaskArc) -> NifResult<Term<'_>> {
    let Shape { inputs, outputs } = task.0.shape();
    Term::map_from_pairs(
        env,
        &[(atoms::inputs(), inputs.encode(env)), (atoms::outputs(), outputs.encode(env))],
    )
}

/// # Errors
/// `{error, {wrong_size, inputs | outputs, Expected, Got}}` for another shape than the task's.
pub fn check_shape(task: &dyn Task, got: Shape) -> NifResult<()> {
    let expected = task.shape();
    let sizes = [
        (atoms::inputs(), expected.inputs, got.inputs),
        (atoms::outputs(), expected.outputs, got.outputs),
    ];
    match sizes.into_iter().find(|(_, expected, got)| expected != got) {
        Some((what, expected, got)) => {
            Err(error::refuse((atoms::wrong_size(), what, expected, got)))
        }
        None => Ok(()),
    }
}

fn shape(network: &NetworkArc) -> Shape {
    Shape { inputs: network.0.inputs() as u32, outputs: network.0.outputs() as u32 }
}

/// `Fitness | {Fitness | none, Cases, Behaviour, Objectives, Work}`; without a fitness it is the
/// sum of the objectives.
pub fn score(term: Term) -> NifResult<Score> {
    if let Ok(fitness) = term.decode::<f64>() {
        return Ok(Score::from(fitness));
    }
    let (fitness, List(cases), List(behaviour), List(objectives), work): (Term, _, _, _, _) =
        term.decode()?;
    let known = match fitness.decode::<Atom>() {
        Ok(word) if word == atoms::none() => Score::with_objectives(objectives),
        _ => Score { fitness: fitness.decode()?, objectives, ..Score::default() },
    };
    Ok(Score { cases, behaviour, work, ..known })
}

/// The outcome of a newcomer: its score, `failed`, or `late`.
pub enum Measured {
    Outcome(Outcome),
    Late,
}

impl Encoder for Measured {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Measured::Outcome(Outcome::Scored(score)) => {
                let Score { fitness, cases, behaviour, objectives, work } = score;
                (fitness, cases, behaviour, objectives, work).encode(env)
            }
            Measured::Outcome(_) => atoms::failed().encode(env),
            Measured::Late => atoms::late().encode(env),
        }
    }
}

/// `{Tag, {ok, {Fitness, Cases, Behaviour, Objectives, Work}}}`
#[rustler::nif]
fn task_score<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    task: TaskArc,
    network: NetworkArc,
) -> NifResult<ResourceArc<Job>> {
    check_shape(&*task.0, shape(&network))?;
    job::post(env, tag, move |token| {
        let (score, work) = metered(|| task.0.evaluate_on(&network.0.runner(token)));
        let score = score.ok()?;
        Some((score.fitness, score.cases, score.behaviour, score.objectives, work))
    })
}

pub struct TrialTerm(pub Trial);

impl Encoder for TrialTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let facts: Vec<_> = (self.0.facts.iter())
            .filter_map(|(name, value)| Some((Atom::from_str(env, name).ok()?, *value)))
            .collect();
        let mut pairs =
            vec![(atoms::solved(), self.0.solved.encode(env)), (atoms::facts(), facts.encode(env))];
        pairs.extend(self.0.validation.map(|measure| (atoms::validation(), measure.encode(env))));
        Term::map_from_pairs(env, &pairs).unwrap_or_else(|_| atoms::error().encode(env))
    }
}

/// `{Tag, {ok, #{solved, facts}}}`, with `validation` where there is one.
#[rustler::nif]
fn task_trial<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    task: TaskArc,
    network: NetworkArc,
) -> NifResult<ResourceArc<Job>> {
    check_shape(&*task.0, shape(&network))?;
    job::post(env, tag, move |token| task.0.trial_on(&network.0.runner(token)).ok().map(TrialTerm))
}
