//! The application's `memory_limit`: the memory that one call may take.

use crate::atoms;
use cambrian_core::base::memory;
use rustler::{Atom, Error, NifResult};

/// In bytes.
#[rustler::nif(schedule = "DirtyIo")]
fn memory_limit() -> u64 {
    memory::limit()
}

#[rustler::nif]
fn memory_set_limit(bytes: u64) -> NifResult<Atom> {
    if bytes == 0 {
        return Err(Error::BadArg);
    }
    memory::set_limit(bytes);
    Ok(atoms::ok())
}
