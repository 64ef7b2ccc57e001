//! Neuroevolution of augmenting topologies, on any number of threads with one result.
//!
//! ```
//! use cambrian_core::{network::Network, population::Population, task};
//! use std::sync::atomic::AtomicBool;
//!
//! let (task, stop) = (task::named("xor").unwrap(), AtomicBool::new(false));
//! let mut population = Population::new(task.parameters(), task.shape(), 42)?;
//! let champion = loop {
//!     let evaluated = population.evaluate(task, &stop).unwrap();
//!     let champion = evaluated.population().champion().unwrap().clone();
//!     if task.trial(&Network::new(&champion.genotype)).solved {
//!         break champion;
//!     }
//!     population = evaluated.next(&stop).unwrap();
//! };
//! assert!(champion.fitness >= 3.9);
//! # Ok::<(), cambrian_core::parameters::ParameterError>(())
//! ```
//!
//! Modules, from what a thing is to how it travels; each uses only those above it.

pub mod math;
pub mod rng;

pub mod genotype;
pub mod innovation;
pub mod parameters;

pub mod crossover;
pub mod mutation;

pub mod network;
pub mod task;

pub mod population;
pub mod selection;
pub mod speciation;

pub mod checkpoint;
pub mod codec;
pub mod envelope;
