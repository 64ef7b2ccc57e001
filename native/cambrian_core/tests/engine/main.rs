//! The tests of the core from outside, in one program: each program more takes seconds to compile
//! and to link.

#[path = "../common/mod.rs"]
mod common;

mod archive;
mod codec;
mod envelopes;
mod evolution;
mod genotypes;
mod gradients;
mod json;
mod map_elites;
mod networks;
mod novelty;
mod pareto;
mod population;
mod purge;
mod stopping;
mod strategies;
mod substrates;
mod tuning;
