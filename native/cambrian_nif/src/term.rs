//! Decodes terms of a caller, and encodes terms for a caller.

use crate::atoms;
use rustler::{
    Atom, Binary, Decoder, Encoder, Env, Error, MapIterator, NewBinary, NifResult, Term,
};

/// Decodes a proper list: rustler's own decoder of a `Vec` panics on an improper list.
pub struct List<T>(pub Vec<T>);

impl<'a, T: Decoder<'a>> Decoder<'a> for List<T> {
    fn decode(term: Term<'a>) -> NifResult<List<T>> {
        term.list_length()?;
        term.decode().map(List)
    }
}

pub fn bytes32(bytes: Binary) -> NifResult<[u8; 32]> {
    bytes.as_slice().try_into().map_err(|_| Error::BadArg)
}

/// The value of a map under a key.
pub fn field<'a, T: Decoder<'a>>(map: Term<'a>, key: Atom) -> NifResult<T> {
    map.map_get(key)?.decode()
}

/// The settings in a map; otherwise an error.
pub fn settings_of<'a>(env: Env<'a>, settings: Term<'a>) -> Result<MapIterator<'a>, Term<'a>> {
    let reason = || (atoms::bad_option(), (atoms::settings(), settings, "a map")).encode(env);
    MapIterator::new(settings).ok_or_else(reason)
}

pub fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    Binary::from(NewBinary::from_slice(env, bytes)).to_term(env)
}

/// A number, or `infinity`.
pub fn limit(term: Term) -> NifResult<Option<u64>> {
    match term.decode::<Atom>() {
        Ok(atom) if atom == atoms::infinity() => Ok(None),
        _ => term.decode().map(Some),
    }
}

/// At most so many places of a list of so many, evenly apart, the first and the last among them.
pub fn evenly(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let chosen = count.min(most);
    (0..chosen).map(move |at| if chosen < 2 { at } else { at * (count - 1) / (chosen - 1) })
}
