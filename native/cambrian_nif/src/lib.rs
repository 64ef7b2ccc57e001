//! The boundary: decodes, chooses a scheduler, calls `cambrian_core`, encodes. It contains no
//! science.
//!
//! One file for each subject; its first line names the Erlang module that it serves. A function's
//! name ends in `_dirty` if the Erlang module has a choice of schedulers, and chooses by the
//! expected work.

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
mod numbers;
mod parameters;
mod pools;
mod population;
mod scheduler;
mod signal;
mod substrate;
mod task;
mod term;
mod tuning;

/// Reports that the library is loaded. It replaces the Erlang function of that name, which reports
/// why the library is not loaded. It does nothing else, so it costs as much as any call across the
/// boundary.
#[rustler::nif]
fn loaded() -> rustler::Atom {
    atoms::ok()
}

/// Never freed, so that the VM never unloads the library: the library's threads run its code, also
/// after its module was purged.
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
