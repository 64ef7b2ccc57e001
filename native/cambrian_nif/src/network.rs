//! cambrian_network

use crate::genotype::GenotypeArc;
use crate::job::{self, Job};
use crate::numbers::{self, Form, binary, check_size, number, read, words};
use crate::scheduler::is_short;
use crate::term::List;
use crate::{atoms, either_scheduler, error};
use cambrian_core::base::math::LIMIT;
use cambrian_core::base::memory;
use cambrian_core::phenotype::network::{Network, Values};
use rustler::{Binary, Encoder, Env, NifResult, Resource, ResourceArc, Term};
use std::cell::RefCell;

pub struct NetworkResource(pub Network);

#[rustler::resource_impl]
impl Resource for NetworkResource {}

pub type NetworkArc = ResourceArc<NetworkResource>;
type NetworkRef<'a> = &'a NetworkResource;
type Networks<'a> = List<NetworkRef<'a>>;
type Terms<'a> = List<Term<'a>>;

pub fn wrap(network: Network) -> NetworkArc {
    ResourceArc::new(NetworkResource(network))
}

thread_local! {
    /// One per scheduler, so that an activation allocates memory only for its answer.
    static VALUES: RefCell<Values> = RefCell::default();
}

fn from_rest<T>(network: &Network, work: impl FnOnce(&mut Values) -> T) -> T {
    VALUES.with_borrow_mut(|values| {
        network.reset(values);
        work(values)
    })
}

fn tick<'a>(
    env: Env<'a>,
    network: &Network,
    values: &mut Values,
    inputs: Term<'a>,
) -> NifResult<Term<'a>> {
    let form = read(atoms::inputs(), inputs, network.inputs_of(values))?;
    network.tick(values);
    Ok(form.show(env, network.outputs_of(values)))
}

fn show_memory<'a>(env: Env<'a>, network: &Network, values: &mut Values) -> Term<'a> {
    binary(env, network.memory_of(values).iter().copied())
}

either_scheduler! {
    fn network_compile, network_compile_dirty(genotype: GenotypeArc) = compile,
        costs compile_cost(&genotype);
    fn network_activate, network_activate_dirty(
        network: NetworkRef<'a>, inputs: Term<'a>) = activate,
        costs tick_cost(&network.0);
    fn network_step, network_step_dirty(
        network: NetworkRef<'a>, state: Term<'a>, inputs: Term<'a>) = step,
        costs tick_cost(&network.0);
    fn network_reward, network_reward_dirty(
        network: NetworkRef<'a>, state: Term<'a>, reward: Term<'a>) = tell,
        costs 10 * network.0.memory();
    fn network_activate_many, network_activate_many_dirty(
        networks: Networks<'a>, inputs: Terms<'a>) = activate_many,
        costs networks.0.iter().map(|network| tick_cost(&network.0)).sum();
    fn network_step_many, network_step_many_dirty(
        networks: Networks<'a>, states: Terms<'a>, inputs: Terms<'a>)
        = step_many,
        costs networks.0.iter().map(|network| tick_cost(&network.0)).sum();
}

/// In nanoseconds.
pub fn compile_cost(genotype: &GenotypeArc) -> usize {
    50 * (genotype.0.nodes().len() + genotype.0.connections().len())
}

/// In nanoseconds: about one per connection, and about ten per number that crosses the boundary.
fn tick_cost(network: &Network) -> usize {
    network.connections() + 10 * (network.inputs() + network.outputs() + network.memory())
}

/// About how many samples a batch has; an invalid batch counts as none, because refusing it costs
/// nothing.
fn rows(network: &Network, batch: Term) -> usize {
    match batch.decode::<Binary>() {
        Ok(bytes) => bytes.len() / 4 / network.inputs(),
        Err(_) => batch.list_length().unwrap_or(0),
    }
}

/// `none` gives the network without a normalisation.
#[rustler::nif(schedule = "DirtyCpu")]
fn network_normalise(network: NetworkRef, normalisation: Term) -> NifResult<NetworkArc> {
    let network = network.0.clone();
    let normalisation = numbers::normalisation(normalisation, network.inputs())?;
    Ok(wrap(network.normalised(normalisation)))
}

fn compile<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(wrap(Network::new(&genotype.0)).encode(env))
}

#[rustler::nif]
fn network_info<'a>(env: Env<'a>, network: NetworkRef<'a>) -> NifResult<Term<'a>> {
    let network = &network.0;
    Term::map_from_pairs(
        env,
        &[
            (atoms::inputs(), network.inputs()),
            (atoms::outputs(), network.outputs()),
            (atoms::connections(), network.connections()),
            (atoms::memory(), network.memory()),
        ],
    )
}

fn activate<'a>(env: Env<'a>, network: NetworkRef, inputs: Term<'a>) -> NifResult<Term<'a>> {
    from_rest(&network.0, |values| tick(env, &network.0, values, inputs))
}

#[rustler::nif]
fn network_initial_state<'a>(env: Env<'a>, network: NetworkRef<'a>) -> Term<'a> {
    from_rest(&network.0, |values| show_memory(env, &network.0, values))
}

/// `{Outputs, State}`
fn step<'a>(
    env: Env<'a>,
    network: NetworkRef,
    state: Term<'a>,
    inputs: Term<'a>,
) -> NifResult<Term<'a>> {
    let network = &network.0;
    from_rest(network, |values| {
        read(atoms::memory(), state, network.memory_of(values))?;
        let outputs = tick(env, network, values, inputs)?;
        Ok((outputs, show_memory(env, network, values)).encode(env))
    })
}

/// The state with a new reward.
fn tell<'a>(
    env: Env<'a>,
    network: NetworkRef,
    state: Term<'a>,
    reward: Term<'a>,
) -> NifResult<Term<'a>> {
    let (network, reward) = (&network.0, number(reward)?);
    if reward.abs() > LIMIT {
        return Err(error::refuse((atoms::out_of_range(), atoms::reward())));
    }
    from_rest(network, |values| {
        read(atoms::memory(), state, network.memory_of(values))?;
        network.reward(values, reward);
        Ok(show_memory(env, network, values))
    })
}

/// Many inputs through one network, each from rest: a list of inputs, or one binary with all
/// inputs. Returns `dirty` if that takes long.
#[rustler::nif]
fn network_activate_batch<'a>(
    env: Env<'a>,
    network: NetworkRef<'a>,
    batch: Term<'a>,
) -> NifResult<Term<'a>> {
    let network = &network.0;
    if !is_short(env, rows(network, batch).saturating_mul(tick_cost(network))) {
        return Ok(atoms::dirty().encode(env));
    }
    let Batch { numbers, forms } = Batch::read(network, batch)?;
    Ok(Answers { outputs: network.activate_batch(&numbers), width: network.outputs(), forms }
        .encode(env))
}

/// `{Tag, {ok, Outputs}}`, the long form of [`network_activate_batch`].
#[rustler::nif(schedule = "DirtyCpu")]
fn network_activate_batch_job<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    network: NetworkArc,
    batch: Term<'a>,
) -> NifResult<ResourceArc<Job>> {
    let Batch { numbers, forms } = Batch::read(&network.0, batch)?;
    job::post(env, tag, move |token| {
        let outputs = network.0.runner(token).activate_batch(&numbers).ok()?;
        Some(Answers { outputs, width: network.0.outputs(), forms })
    })
}

/// The numbers of all rows, and the form of each row; no forms if the rows came in one binary.
struct Batch {
    numbers: Vec<f32>,
    forms: Option<Vec<Form>>,
}

impl Batch {
    /// # Errors
    /// The errors of [`read`], and `{error, {not_enough_memory, Wanted, Allowed}}`, which also
    /// counts the outputs.
    fn read(network: &Network, batch: Term) -> NifResult<Batch> {
        check_answer_memory(
            rows(network, batch),
            network.inputs() + network.outputs(),
            batch.is_list(),
        )?;
        let mut numbers = Vec::new();
        if let Ok(bytes) = batch.decode::<Binary>() {
            let length = words(&bytes)?.len();
            if length % network.inputs() != 0 {
                check_size(atoms::inputs(), network.inputs(), length)?;
            }
            numbers.resize(length, 0.0);
            read(atoms::inputs(), batch, &mut numbers)?;
            return Ok(Batch { numbers, forms: None });
        }
        let List(rows) = batch.decode::<Terms>()?;
        let mut forms = Vec::new();
        for row in rows {
            // allocates one row at a time, because a row may have a wrong length
            let length = numbers.len();
            numbers.resize(length + network.inputs(), 0.0);
            forms.push(read(atoms::inputs(), row, &mut numbers[length..])?);
        }
        Ok(Batch { numbers, forms: Some(forms) })
    }
}

/// Checks the memory for so many rows of numbers, in the library and as terms: in a list a number
/// takes four words.
fn check_answer_memory(rows: usize, width: usize, as_lists: bool) -> NifResult<()> {
    let each = if as_lists { size_of::<f32>() + 32 } else { 2 * size_of::<f32>() };
    memory::check(memory::product(&[rows, width, each])).map_err(error::memory)
}

/// The outputs of a batch, in the form of its inputs.
struct Answers {
    outputs: Vec<f32>,
    width: usize,
    forms: Option<Vec<Form>>,
}

impl Encoder for Answers {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let Some(forms) = &self.forms else { return binary(env, self.outputs.iter().copied()) };
        let rows = forms.iter().zip(self.outputs.chunks_exact(self.width));
        rows.map(|(form, row)| form.show(env, row.iter().copied()))
            .collect::<Vec<Term>>()
            .encode(env)
    }
}

/// One input through each of many networks.
fn activate_many<'a>(
    env: Env<'a>,
    List(networks): Networks<'a>,
    List(inputs): Terms<'a>,
) -> NifResult<Term<'a>> {
    check_size(atoms::inputs(), networks.len(), inputs.len())?;
    check_answer_memory(1, networks.iter().map(|network| network.0.outputs()).sum(), true)?;
    let answers =
        networks.into_iter().zip(inputs).map(|(network, row)| activate(env, network, row));
    Ok(answers.collect::<NifResult<Vec<Term>>>()?.encode(env))
}

/// One step of each of many networks, each from its own state.
fn step_many<'a>(
    env: Env<'a>,
    List(networks): Networks<'a>,
    List(states): Terms<'a>,
    List(inputs): Terms<'a>,
) -> NifResult<Term<'a>> {
    check_size(atoms::memory(), networks.len(), states.len())?;
    check_size(atoms::inputs(), networks.len(), inputs.len())?;
    check_answer_memory(
        1,
        networks.iter().map(|network| network.0.outputs() + network.0.memory()).sum(),
        true,
    )?;
    let steps = networks.into_iter().zip(states).zip(inputs);
    let answers = steps.map(|((network, state), row)| step(env, network, state, row));
    Ok(answers.collect::<NifResult<Vec<Term>>>()?.encode(env))
}
