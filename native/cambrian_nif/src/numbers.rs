//! Lists and binaries of numbers

use crate::{atoms, error};
use cambrian_core::base::math::LIMIT;
use cambrian_core::phenotype::normalisation::Normalisation;
use rustler::types::ListIterator;
use rustler::{Atom, Binary, Env, Error, NewBinary, NifResult, Term};

/// The form of numbers: a binary gives a binary, a list gives a list.
#[derive(Clone, Copy)]
pub enum Form {
    List,
    Binary,
}

impl Form {
    pub fn show<'a>(
        self,
        env: Env<'a>,
        numbers: impl DoubleEndedIterator<Item = f32> + ExactSizeIterator,
    ) -> Term<'a> {
        match self {
            Form::List => {
                numbers.rev().fold(Term::list_new_empty(env), |list, y| list.list_prepend(y))
            }
            Form::Binary => binary(env, numbers),
        }
    }
}

pub fn binary(env: Env<'_>, numbers: impl ExactSizeIterator<Item = f32>) -> Term<'_> {
    let mut bytes = NewBinary::new(env, 4 * numbers.len());
    bytes.as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(word, y)| *word = y.to_le_bytes());
    bytes.into()
}

/// Reads as many numbers as `into` has room for, directly into it.
///
/// # Errors
/// `{error, {wrong_size, What, Expected, Got}}`, and `{error, {out_of_range, What}}` beyond ±10¹²
/// and for NaN, which keeps every output finite.
pub fn read(what: Atom, term: Term, into: &mut [f32]) -> NifResult<Form> {
    let form = match term.decode::<Binary>() {
        Ok(bytes) => {
            let words = words(&bytes)?;
            check_size(what, into.len(), words.len())?;
            into.iter_mut().zip(words).for_each(|(x, word)| *x = f32::from_le_bytes(*word));
            Form::Binary
        }
        Err(_) => {
            check_size(what, into.len(), term.list_length()?)?;
            for (x, term) in into.iter_mut().zip(term.decode::<ListIterator>()?) {
                *x = number(term)?;
            }
            Form::List
        }
    };
    // not `all`, which stops at the first false value and so cannot be vectorised
    let fine = into.iter().fold(true, |fine, x| fine & (x.abs() <= LIMIT));
    if fine { Ok(form) } else { Err(error::refuse((atoms::out_of_range(), what))) }
}

pub fn words<'a>(bytes: &'a Binary) -> NifResult<&'a [[u8; 4]]> {
    match bytes.as_chunks() {
        (words, []) => Ok(words),
        _ => Err(Error::BadArg),
    }
}

pub fn number(term: Term) -> NifResult<f32> {
    match term.decode::<f64>() {
        Ok(x) => Ok(x as f32),
        Err(_) => term.decode::<i64>().map(|i| i as f32),
    }
}

pub fn check_size(what: Atom, expected: usize, got: usize) -> NifResult<()> {
    if got == expected {
        Ok(())
    } else {
        Err(error::refuse((atoms::wrong_size(), what, expected, got)))
    }
}

/// `none`, or `{Means, Factors}` for a network with so many inputs.
pub fn normalisation(term: Term, inputs: usize) -> NifResult<Option<Normalisation>> {
    let Ok((means, factors)) = term.decode::<(Term, Term)>() else {
        let is_none = term.decode::<Atom>()? == atoms::none();
        return if is_none { Ok(None) } else { Err(Error::BadArg) };
    };
    let row = |term| {
        let mut numbers = vec![0.0; inputs];
        read(atoms::normalisation(), term, &mut numbers).map(|_| numbers)
    };
    Ok(Normalisation::new(row(means)?, row(factors)?))
}
