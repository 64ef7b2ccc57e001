//! Who survives and breeds: a population with its species, selection, lineage and checkpoints.

pub mod selection;
pub mod speciation;
pub mod ancestry;
pub mod lineage;
pub mod archive;
pub mod breeding;
pub mod map_elites;
pub mod strategy;
pub mod novelty;
pub mod fronts;
pub mod pareto;
pub mod population;
