//! Functions that give the same bits on every machine.
//!
//! This module never calls the platform's libm, whose last bits change between versions, and never
//! contracts operations to a fused multiply-add. The functions for networks have no branches and no
//! calls, so the compiler turns a loop over them into vector code of any width. IEEE arithmetic
//! gives each lane of a vector the bits of the scalar code.

pub mod activation;
pub mod aggregation;
pub mod elementary;
pub mod normal;

pub use activation::Activation;
pub use aggregation::Aggregation;
pub use elementary::sigmoid;
pub use normal::normal;

/// Unbounded activations stop here, so that no sum of finitely many of them is infinite.
pub const LIMIT: f32 = 1e12;

/// Weights, biases and gains lie within ± this, so that no sum in a network overflows.
pub const MAX_WEIGHT: f32 = 1.0e6;
