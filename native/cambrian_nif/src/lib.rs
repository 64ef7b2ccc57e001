//! The boundary: decode, choose a scheduler, call `cambrian_core`, encode. No science.
//!
//! One file for each Erlang module that it serves. A name ends in `_dirty` where the Erlang module has a
//! choice of schedulers, and chooses by the work that it expects.

mod atoms;
mod envelope;
mod error;
mod genotype;
mod job;
mod list;
mod network;
mod parameters;
mod population;
mod scheduler;
mod substrate;
mod task;

rustler::init!("cambrian_nif");
