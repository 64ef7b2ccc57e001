//! cambrian_network

use crate::genotype::GenotypeArc;
use crate::list::List;
use crate::{atoms, either_scheduler, error};
use cambrian_core::math::LIMIT;
use cambrian_core::network::{Network, Values};
use rustler::{Atom, Binary, Encoder, Env, Error, NewBinary, NifResult, Resource, ResourceArc, Term};

pub struct NetworkResource(pub Network);

#[rustler::resource_impl]
impl Resource for NetworkResource {}

pub type NetworkArc = ResourceArc<NetworkResource>;

pub fn wrap(network: Network) -> NetworkArc {
    ResourceArc::new(NetworkResource(network))
}

/// Numbers as they came: what goes in as a binary comes out as one.
enum Numbers {
    List(Vec<f32>),
    Binary(Vec<f32>),
}

impl Numbers {
    /// # Errors
    /// `{error, {out_of_range, inputs | memory}}` beyond ±10¹² and for NaN, which keeps every output finite.
    fn read(what: Atom, term: Term) -> NifResult<Numbers> {
        if let Ok(binary) = term.decode::<Binary>() {
            let (words, rest) = binary.as_chunks();
            if !rest.is_empty() {
                return Err(Error::BadArg);
            }
            let numbers: Vec<f32> = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
            return in_range(what, &numbers).map(|()| Numbers::Binary(numbers));
        }
        let number = |term: Term| match term.decode::<f64>() {
            Ok(x) => Ok(x as f32),
            Err(_) => term.decode::<i64>().map(|i| i as f32),
        };
        let List(terms) = term.decode()?;
        let numbers: Vec<f32> = terms.into_iter().map(number).collect::<NifResult<_>>()?;
        in_range(what, &numbers).map(|()| Numbers::List(numbers))
    }

    fn as_slice(&self) -> &[f32] {
        match self {
            Numbers::List(numbers) | Numbers::Binary(numbers) => numbers,
        }
    }

    fn answer<'a>(&self, env: Env<'a>, outputs: &[f32]) -> Term<'a> {
        match self {
            Numbers::List(_) => outputs.encode(env),
            Numbers::Binary(_) => binary(env, outputs),
        }
    }
}

fn in_range(what: Atom, numbers: &[f32]) -> NifResult<()> {
    let fine = numbers.iter().all(|x| x.abs() <= LIMIT);
    if fine { Ok(()) } else { Err(error::refuse((atoms::out_of_range(), what))) }
}

fn binary<'a>(env: Env<'a>, numbers: &[f32]) -> Term<'a> {
    let mut bytes = NewBinary::new(env, 4 * numbers.len());
    for (chunk, x) in bytes.as_mut_slice().chunks_exact_mut(4).zip(numbers) {
        chunk.copy_from_slice(&x.to_le_bytes());
    }
    Binary::from(bytes).to_term(env)
}

fn wrong_size(what: Atom, expected: usize, got: usize) -> Error {
    error::refuse((atoms::wrong_size(), what, expected, got))
}

fn tick(network: &Network, values: &mut Values, inputs: &[f32]) -> NifResult<Vec<f32>> {
    if inputs.len() != network.inputs() {
        return Err(wrong_size(atoms::inputs(), network.inputs(), inputs.len()));
    }
    let mut outputs = vec![0.0; network.outputs()];
    network.step(values, inputs, &mut outputs);
    Ok(outputs)
}

either_scheduler! {
    fn network_compile, network_compile_dirty(genotype: GenotypeArc) = compile,
        costs compile_cost(&genotype);
    fn network_activate, network_activate_dirty(network: NetworkArc, inputs: Term<'a>) = activate, costs tick_cost(&network);
    fn network_step, network_step_dirty(network: NetworkArc, state: Term<'a>, inputs: Term<'a>) = step,
        costs tick_cost(&network);
}

/// In nanoseconds.
pub fn compile_cost(genotype: &GenotypeArc) -> usize {
    50 * (genotype.0.nodes().len() + genotype.0.connections().len())
}

/// In nanoseconds: a connection takes about one, a number that crosses the boundary about ten.
fn tick_cost(network: &NetworkArc) -> usize {
    let network = &network.0;
    network.connections() + 10 * (network.inputs() + network.outputs() + network.memory())
}

fn compile<'a>(env: Env<'a>, genotype: GenotypeArc) -> NifResult<Term<'a>> {
    Ok(wrap(Network::new(&genotype.0)).encode(env))
}

#[rustler::nif]
fn network_info(env: Env<'_>, network: NetworkArc) -> NifResult<Term<'_>> {
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

fn activate<'a>(env: Env<'a>, network: NetworkArc, inputs: Term<'a>) -> NifResult<Term<'a>> {
    let numbers = Numbers::read(atoms::inputs(), inputs)?;
    let outputs = tick(&network.0, &mut network.0.rest(), numbers.as_slice())?;
    Ok(numbers.answer(env, &outputs))
}

#[rustler::nif]
fn network_initial_state(env: Env<'_>, network: NetworkArc) -> Term<'_> {
    binary(env, network.0.recall(&network.0.rest()))
}

fn step<'a>(env: Env<'a>, network: NetworkArc, state: Term<'a>, inputs: Term<'a>) -> NifResult<Term<'a>> {
    let (network, memory) = (&network.0, Numbers::read(atoms::memory(), state)?);
    let numbers = Numbers::read(atoms::inputs(), inputs)?;
    let memory = memory.as_slice();
    let mut values = network
        .remember(memory)
        .ok_or_else(|| wrong_size(atoms::memory(), network.memory(), memory.len()))?;
    let outputs = tick(network, &mut values, numbers.as_slice())?;
    Ok((numbers.answer(env, &outputs), binary(env, network.recall(&values))).encode(env))
}

/// Many inputs through one network, each from rest: a list of inputs, or one binary of them all.
#[rustler::nif(schedule = "DirtyCpu")]
fn network_activate_batch<'a>(env: Env<'a>, network: NetworkArc, batch: Term<'a>) -> NifResult<Term<'a>> {
    let network = &network.0;
    if !batch.is_binary() {
        let List(rows) = batch.decode()?;
        let answer = |row: Term<'a>| {
            let numbers = Numbers::read(atoms::inputs(), row)?;
            let outputs = tick(network, &mut network.rest(), numbers.as_slice())?;
            Ok(numbers.answer(env, &outputs))
        };
        return rows.into_iter().map(answer).collect::<NifResult<Vec<_>>>().map(|r| r.encode(env));
    }
    let numbers = Numbers::read(atoms::inputs(), batch)?;
    if numbers.as_slice().len() % network.inputs() != 0 {
        return Err(wrong_size(atoms::inputs(), network.inputs(), numbers.as_slice().len()));
    }
    let mut outputs = Vec::new();
    for row in numbers.as_slice().chunks_exact(network.inputs()) {
        outputs.extend(tick(network, &mut network.rest(), row)?);
    }
    Ok(numbers.answer(env, &outputs))
}

/// One input through each of many networks.
#[rustler::nif(schedule = "DirtyCpu")]
fn network_activate_many<'a>(
    env: Env<'a>,
    networks: List<NetworkArc>,
    inputs: List<Term<'a>>,
) -> NifResult<Vec<Term<'a>>> {
    let (List(networks), List(inputs)) = (networks, inputs);
    if networks.len() != inputs.len() {
        return Err(wrong_size(atoms::inputs(), networks.len(), inputs.len()));
    }
    let answer = |(network, row): (&NetworkArc, Term<'a>)| {
        let numbers = Numbers::read(atoms::inputs(), row)?;
        let outputs = tick(&network.0, &mut network.0.rest(), numbers.as_slice())?;
        Ok(numbers.answer(env, &outputs))
    };
    networks.iter().zip(inputs).map(answer).collect()
}
