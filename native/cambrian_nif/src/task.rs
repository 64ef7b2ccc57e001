//! cambrian_task: the tasks that run inside Rust

use crate::job::{self, Job};
use crate::network::NetworkArc;
use crate::term::List;
use crate::{atoms, error, parameters};
use cambrian_core::parameters::Parameters;
use cambrian_core::task::{self, Shape, TASKS, Task, Trial};
use rustler::{Atom, Encoder, Env, NifResult, ResourceArc, Term};

pub fn named(name: Term) -> NifResult<&'static dyn Task> {
    let unknown = (atoms::unknown_task(), name.decode::<Atom>()?);
    task::named(&atoms::text(name)?).ok_or_else(|| error::refuse(unknown))
}

/// Those that suit the task; the defaults for `undefined`.
pub fn parameters(task: Term) -> NifResult<Parameters> {
    if task.decode::<Atom>()? == atoms::undefined() {
        Ok(Parameters::default())
    } else {
        Ok(named(task)?.parameters())
    }
}

/// The parameters that suit a task, or the defaults, changed by a map; checks them on the way.
#[rustler::nif]
fn task_parameters<'a>(env: Env<'a>, task: Term<'a>, changes: Term<'a>) -> NifResult<(Atom, Term<'a>)> {
    let parameters = parameters::read(changes, parameters(task)?)?;
    Ok((atoms::ok(), parameters::values(env, &parameters)?))
}

#[rustler::nif]
fn task_names(env: Env) -> NifResult<Vec<Atom>> {
    TASKS.iter().map(|task| Atom::from_str(env, task.0)).collect()
}

#[rustler::nif]
fn task_info<'a>(env: Env<'a>, name: Term<'a>) -> NifResult<(Atom, Term<'a>)> {
    let task = named(name)?;
    let shape = task.shape();
    let info = Term::map_from_pairs(
        env,
        &[
            (atoms::inputs(), shape.inputs.encode(env)),
            (atoms::outputs(), shape.outputs.encode(env)),
            (atoms::parameters(), parameters::values(env, &task.parameters())?),
        ],
    )?;
    Ok((atoms::ok(), info))
}

/// # Errors
/// `{error, {wrong_size, inputs | outputs, Expected, Got}}` for what has another shape than the task.
pub fn check_shape(task: &dyn Task, got: Shape) -> NifResult<()> {
    let expected = task.shape();
    let sizes =
        [(atoms::inputs(), expected.inputs, got.inputs), (atoms::outputs(), expected.outputs, got.outputs)];
    match sizes.into_iter().find(|(_, expected, got)| expected != got) {
        Some((what, expected, got)) => Err(error::refuse((atoms::wrong_size(), what, expected, got))),
        None => Ok(()),
    }
}

fn shape(network: &NetworkArc) -> Shape {
    Shape { inputs: network.0.inputs() as u32, outputs: network.0.outputs() as u32 }
}

/// `{Tag, {ok, [Fitness]}}`
#[rustler::nif]
fn task_evaluate<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    name: Term<'a>,
    networks: List<NetworkArc>,
) -> NifResult<ResourceArc<Job>> {
    let task = named(name)?;
    networks.0.iter().try_for_each(|network| check_shape(task, shape(network)))?;
    job::post(env, tag, move |leave| {
        let one = |network: &NetworkArc| {
            leave.granted().then(|| task.evaluate(&network.0).fitness)
        };
        networks.0.iter().map(one).collect::<Option<Vec<f64>>>()
    })
}

struct TrialTerm(Trial);

impl Encoder for TrialTerm {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let facts: Vec<_> = (self.0.facts.iter())
            .filter_map(|(name, value)| Some((Atom::from_str(env, name).ok()?, *value)))
            .collect();
        let pairs = [(atoms::solved(), self.0.solved.encode(env)), (atoms::facts(), facts.encode(env))];
        Term::map_from_pairs(env, &pairs).unwrap_or_else(|_| atoms::error().encode(env))
    }
}

/// `{Tag, {ok, #{solved, facts}}}`
#[rustler::nif]
fn task_trial<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    name: Term<'a>,
    network: NetworkArc,
) -> NifResult<ResourceArc<Job>> {
    let task = named(name)?;
    check_shape(task, shape(&network))?;
    job::post(env, tag, move |_| Some(TrialTerm(task.trial(&network.0))))
}
