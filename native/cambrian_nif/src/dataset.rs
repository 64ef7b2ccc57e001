//! cambrian_task: the data that a dataset is made of.
//!
//! What is wrong with them is answered as a reason, which can hold a term of the caller's.

use crate::atoms;
use crate::error::{bad_option, unknown_option};
use crate::term::settings_of;
use cambrian_core::math::LIMIT;
use cambrian_core::task::{Dataset, DatasetError, Rows, Targets, Task};
use rustler::types::ListIterator;
use rustler::{Atom, Binary, Encoder, Env, Term};
use std::sync::Arc;

type Read<'a, T> = Result<T, Term<'a>>;

/// Of `#{inputs, targets, kind, validation, seed}`, the last three of which need not be there.
pub fn read<'a>(env: Env<'a>, settings: Term<'a>) -> Read<'a, Arc<dyn Task>> {
    let [inputs, targets] = check_names(env, settings)?;
    let kinds = [atoms::regression(), atoms::classification()];
    let kind = |term: Term| term.decode().ok().filter(|kind| kinds.contains(kind));
    let kind = setting(env, settings, atoms::kind(), kinds[0], "regression or classification", kind)?;
    let share = |term: Term| number(term).filter(|share| (0.0..1.0).contains(share));
    let shares = "a number from 0 to less than 1";
    let share = setting(env, settings, atoms::validation(), 0.0, shares, share)?;
    let seeds = "an integer from 0 to 2^64 - 1";
    let seed = setting(env, settings, atoms::seed(), 0, seeds, |term| term.decode().ok())?;
    let inputs = rows(env, inputs)?;
    let targets =
        if kind == kinds[0] { Targets::Numbers(rows(env, targets)?) } else { classes(env, targets)? };
    match Dataset::new(inputs, targets, share, seed) {
        Ok(dataset) => Ok(Arc::new(dataset)),
        Err(error @ DatasetError::Validation) => {
            Err(bad_option(env, settings, atoms::validation(), error.expected()))
        }
        Err(error) => Err(bad(env, error)),
    }
}

/// The inputs and the targets.
///
/// # Errors
/// `{unknown_option, Name, Known}`, or `{missing_options, Names}`.
fn check_names<'a>(env: Env<'a>, settings: Term<'a>) -> Read<'a, [Term<'a>; 2]> {
    let needed = [atoms::inputs(), atoms::targets()];
    let known = [needed[0], needed[1], atoms::kind(), atoms::validation(), atoms::seed()];
    let is_known = |name: &Term| name.decode().is_ok_and(|name: Atom| known.contains(&name));
    if let Some((name, _)) = settings_of(env, settings)?.find(|(name, _)| !is_known(name)) {
        return Err(unknown_option(env, name, &known));
    }
    if let [Ok(inputs), Ok(targets)] = needed.map(|name| settings.map_get(name)) {
        return Ok([inputs, targets]);
    }
    let missing: Vec<Atom> = needed.into_iter().filter(|name| settings.map_get(*name).is_err()).collect();
    Err((atoms::missing_options(), missing).encode(env))
}

/// # Errors
/// `{bad_option, {Name, Value, Expected}}`
fn setting<'a, T>(
    env: Env<'a>,
    settings: Term<'a>,
    name: Atom,
    default: T,
    expected: &str,
    read: impl Fn(Term<'a>) -> Option<T>,
) -> Read<'a, T> {
    match settings.map_get(name) {
        Ok(value) => read(value).ok_or_else(|| bad_option(env, settings, name, expected)),
        Err(_) => Ok(default),
    }
}

fn number(term: Term) -> Option<f64> {
    term.decode().or_else(|_| term.decode().map(|integer: i64| integer as f64)).ok()
}

fn bad(env: Env<'_>, error: DatasetError) -> Term<'_> {
    (atoms::bad_dataset(), error.expected()).encode(env)
}

/// `{bad_dataset, Row, Expected}`
fn bad_row<'a>(env: Env<'a>, row: Term<'a>, expected: &str) -> Term<'a> {
    (atoms::bad_dataset(), row, expected).encode(env)
}

/// Of a list that is known to be a proper one, so that going through it cannot fail.
fn list<'a>(env: Env<'a>, term: Term<'a>) -> Read<'a, ListIterator<'a>> {
    let reason = |_| (atoms::bad_dataset(), "lists of rows, or {Width, Binary}").encode(env);
    term.list_length().and_then(|_| term.decode()).map_err(reason)
}

/// A list of rows, or `{Width, Binary}`.
fn rows<'a>(env: Env<'a>, term: Term<'a>) -> Read<'a, Rows> {
    const EXPECTED: &str = "a list of numbers or a binary of 32-bit floats";
    let refuse = |error| bad(env, error);
    let mut numbers = Vec::new();
    if let Ok((width, bytes)) = term.decode::<(usize, Binary)>() {
        append(bytes.to_term(env), &mut numbers).ok_or_else(|| bad_row(env, bytes.to_term(env), EXPECTED))?;
        return Rows::new(width, numbers).map_err(refuse);
    }
    let mut ends = vec![0];
    for row in list(env, term)? {
        append(row, &mut numbers).ok_or_else(|| bad_row(env, row, EXPECTED))?;
        ends.push(numbers.len());
    }
    let width = ends.get(1).copied().ok_or_else(|| refuse(DatasetError::Count))?;
    if ends.windows(2).any(|ends| ends[1] - ends[0] != width) {
        return Err(refuse(DatasetError::Width));
    }
    Rows::new(width, numbers).map_err(refuse)
}

/// The numbers of a row, which are within what a network takes; `None` of what is no row.
fn append(row: Term, numbers: &mut Vec<f32>) -> Option<()> {
    let bound = |x: f32| (x.abs() <= LIMIT).then_some(x);
    if let Ok(bytes) = row.decode::<Binary>() {
        let (words, []) = bytes.as_chunks() else { return None };
        return words.iter().try_for_each(|word| bound(f32::from_le_bytes(*word)).map(|x| numbers.push(x)));
    }
    row.list_length().ok()?;
    row.decode::<ListIterator>().ok()?.try_for_each(|x| {
        numbers.push(bound(number(x)? as f32)?);
        Some(())
    })
}

/// A list of classes, or rows with a 1 in the place of the class.
fn classes<'a>(env: Env<'a>, term: Term<'a>) -> Read<'a, Targets> {
    let refuse = |error| bad(env, error);
    let is_list_of_classes =
        list(env, term).is_ok_and(|mut list| list.next().is_some_and(|x| x.is_integer()));
    if !is_list_of_classes {
        return Targets::one_hot(&rows(env, term)?).map_err(refuse);
    }
    let class = |x: Term<'a>| x.decode().map_err(|_| bad_row(env, x, DatasetError::Class.expected()));
    Targets::classes(list(env, term)?.map(class).collect::<Read<Vec<u32>>>()?).map_err(refuse)
}
