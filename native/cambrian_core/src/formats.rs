//! Formats for other programs: genotypes as JSON, networks of neat-python, and networks as C, Rust
//! and ONNX.

pub mod json;
pub mod neat_python;
pub mod export;
