//! The boundary: decode, choose a scheduler, call `cambrian_core`, encode. No science.
//!
//! One file for each subject; its first line names the Erlang module that it serves. A name ends in
//! `_dirty` where the Erlang module has a choice of schedulers, and chooses by the work that it
//! expects.

mod archive;
mod atoms;
mod data_dir;
mod dataset;
mod envelope;
mod error;
mod genotype;
mod governor;
mod identity;
mod job;
mod kind;
mod memory;
mod network;
mod parameters;
mod pools;
mod population;
mod scheduler;
mod signal;
mod substrate;
mod task;
mod term;
mod tuning;

/// Says that the library is loaded, in place of the Erlang function of that name, which says why it
/// is not. It does nothing else, so it costs what a call across the boundary costs.
#[rustler::nif]
fn loaded() -> rustler::Atom {
    atoms::ok()
}

/// Never freed, so that the VM never unloads the library: our threads run its code, also after its
/// module was purged.
struct Library;

#[rustler::resource_impl]
impl rustler::Resource for Library {
    const IMPLEMENTS_DESTRUCTOR: bool = true;
}

fn load(_: rustler::Env, _: rustler::Term) -> bool {
    std::mem::forget(rustler::ResourceArc::new(Library));
    true
}

rustler::init!("cambrian_nif", load = load);
