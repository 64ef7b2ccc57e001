//! Neuroevolution of augmenting topologies, on any number of threads with one result.
//!
//! ```
//! use cambrian_core::{network::Network, population::Population, task};
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
//! # Ok::<(), cambrian_core::parameters::ParameterError>(())
//! ```
//!
//! Modules, from what a thing is to how it travels; each uses only those above it.

pub mod choice;
pub mod math;
pub mod memory;
pub mod rng;

pub mod dynamics;
pub mod plasticity;

pub mod neuron;
pub mod parameters;

pub mod innovation;
mod topology;

pub mod genotype;

pub mod crossover;
pub mod mutation;

pub mod codec;
mod compression;
pub mod delta;
pub mod json;
pub mod neat_python;

pub mod cost;
pub mod kernel;
pub mod network;

pub mod export;

pub mod task;

pub mod encoding;
pub mod substrate;

pub mod tuning;

pub mod speciation;

pub mod selection;

pub mod ancestry;
pub mod lineage;
pub mod permission;

pub mod population;

mod newcomers;
pub mod purge;
mod reproduction;

pub mod migration;

pub mod checkpoint;
pub mod identity;

pub mod envelope;
