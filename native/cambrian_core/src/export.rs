//! Networks that leave: as source text for a microcontroller, or as a model for other runtimes.
//!
//! [`c`] and [`rust`] give one file each, without dependencies, whose outputs have the bits of
//! [`Network`](crate::network::Network) for inputs within ±[`LIMIT`](crate::math::LIMIT), which are those that
//! `cambrian_network` takes. Its memory is laid out like the network's, so that a state can be handed over. [`onnx`]
//! gives a model that computes the same to some 1e-6, as a runtime adds in whatever order it likes.
//!
//! A file holds what its network needs and no more. Flash and RAM in bytes, by `size` at `-Os`, gcc 12.2:
//!
//! | network | Cortex-M4F | Cortex-M0+ | x86-64 | RAM |
//! |---|---|---|---|---|

pub mod c;
pub mod name;
pub mod onnx;
pub mod plan;
pub mod rust;

mod parts;
