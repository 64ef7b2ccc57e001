//! What a genotype is: node genes and connection genes, how they are named, and the parameters
//! that say which of them may evolve and how.

pub mod dynamics;
pub mod plasticity;
pub mod neuron;
pub mod parameters;
pub mod innovation;
pub(crate) mod topology;
pub mod genotype;
