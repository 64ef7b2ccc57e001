//! What every room stands on: repeatable arithmetic and random numbers, named choices, and the
//! limits of one call in time and memory.

pub mod choice;
pub mod math;
pub mod memory;
pub mod cancel;
pub mod rng;
