//! How a genotype runs: the network that is compiled of it, directly or by a substrate, the vector
//! code that computes it, and what a tick of it costs.

pub mod cost;
pub mod kernel;
pub mod normalisation;
pub mod probe;
pub mod network;
pub mod substrate;
pub mod encoding;
pub mod gradient;
