//! Functions that give the same bits on every machine.
//!
//! Nothing here touches the platform's libm, whose last bits change between versions, and
//! nothing is contracted to a fused multiply-add. What a network computes is besides free of
//! branches and calls, so a loop over it becomes vector code of whatever width its caller is
//! compiled for; IEEE arithmetic gives a lane of it the bits of the scalar.

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
