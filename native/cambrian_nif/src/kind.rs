//! The type of a reference of the VM.

use crate::archive::ArchiveArc;
use crate::atoms;
use crate::genotype::GenotypeArc;
use crate::network::NetworkArc;
use crate::substrate::SubstrateArc;
use rustler::{Atom, Term};

/// The type of a value that the library made, as a word; `undefined` for any other term.
#[rustler::nif]
fn kind_of(term: Term) -> Atom {
    if term.decode::<GenotypeArc>().is_ok() {
        atoms::genotype()
    } else if term.decode::<NetworkArc>().is_ok() {
        atoms::network()
    } else if term.decode::<SubstrateArc>().is_ok() {
        atoms::substrate()
    } else if term.decode::<ArchiveArc>().is_ok() {
        atoms::archive()
    } else {
        atoms::undefined()
    }
}
