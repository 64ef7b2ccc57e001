//! Lists from a caller.

use rustler::{Decoder, NifResult, Term};

/// A proper list: rustler's own decoder of a `Vec` panics on an improper one.
pub struct List<T>(pub Vec<T>);

impl<'a, T: Decoder<'a>> Decoder<'a> for List<T> {
    fn decode(term: Term<'a>) -> NifResult<List<T>> {
        term.list_length()?;
        term.decode().map(List)
    }
}
