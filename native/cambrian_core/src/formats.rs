//! In which forms of others a genotype comes and leaves: JSON, neat-python's JSON, and networks as
//! C, Rust and ONNX.

pub mod json;
pub mod neat_python;
pub mod export;
