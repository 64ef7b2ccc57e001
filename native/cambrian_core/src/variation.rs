//! How a genotype changes: mutation and crossover of its genes, and the tuning of its weights.

pub mod adam;
pub mod crossover;
pub mod iso_line;
pub mod mutation;
pub mod tuning;
