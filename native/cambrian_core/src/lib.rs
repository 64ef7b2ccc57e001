//! Neuroevolution of augmenting topologies, on any number of threads with one result.
//!
//! ```
//! use cambrian_core::{phenotype::network::Network, search::population::Population, task};
//! use std::sync::atomic::AtomicBool;
//!
//! let (task, stop) = (task::named("xor").unwrap(), AtomicBool::new(false));
//! let mut population = Population::new(task.parameters(), task.shape(), 42)?;
//! let champion = loop {
//!     let mut evaluated = population.evaluate(task, &stop).unwrap();
//!     if let Some(contender) = evaluated.contender() {
//!         let genotype = evaluated.tuned(contender).clone();
//!         if task.trial(&Network::new(&genotype)).solved {
//!             break genotype;
//!         }
//!     }
//!     population = evaluated.next(&stop).unwrap();
//! };
//! assert!(task.evaluate(&Network::new(&champion)).fitness >= 3.9);
//! # Ok::<(), cambrian_core::genome::parameters::ParameterError>(())
//! ```
//!
//! The rooms below stand in order: each uses those above it and none below it.

pub mod base; // repeatable arithmetic and random numbers, named choices, limits of time and memory
pub mod genome; // what a genotype is: its genes, how they are named, its parameters
pub mod wire; // how a genotype travels: canonical bytes, ids, differences, signed envelopes
pub mod phenotype; // how a genotype runs: networks, substrates, vector code, costs
pub mod task; // what gives fitness
pub mod variation; // how a genotype changes: mutation, crossover, tuning of weights
pub mod search; // who survives and breeds: populations, species, selection, checkpoints
pub mod formats; // how a genotype comes and leaves in formats of others: JSON, C, Rust, ONNX
