//! Exports networks as source text for a microcontroller, or as a model for other runtimes.
//!
//! [`c`] and [`rust`] each make one file without dependencies. For inputs within
//! ±[`LIMIT`](crate::base::math::LIMIT), the range of `cambrian_network`, its outputs have the same
//! bits as [`Network`](crate::phenotype::network::Network). Its memory has the layout of the
//! network's memory, so a state can be copied. [`onnx`] makes a model that computes the same to
//! some 1e-6, because a runtime adds in its own order.
//!
//! A file contains only the parts that its network needs. The table shows bytes of text and data as
//! `size` counts them, at `-Os` of gcc 12.2 and `opt-level=s` of rustc 1.95, and the size of the
//! model. The networks are champions of seed 1, and one genotype mutated at default rates:
//!
//! | network | C, Cortex-M4F | C, Cortex-M0+ | C, x86-64 | Rust, Cortex-M4F | RAM | ONNX |
//! |---|---|---|---|---|---|---|
//! | `double_pole_novel`: 1 node, 5 connections | 312 | 340 | 458 | 495 | 24 | 874 |
//! | `sequence_recall`: a CfC node, 4 connections | 556 | 576 | 877 | | 24 | 1157 |
//! | `t_maze`: 5 nodes, 2 of which learn, 10 connections | 1006 | 1050 | 1417 | 2053 | 100 | 2834 |
//! | mutated: 195 nodes, 1000 connections | 8460 | 8540 | 10336 | 9015 | 812 | 43545 |
//!
//! For a processor without floating point, such as the Cortex-M0+, the compiler adds its own
//! routines: 3.5 kB.

pub mod c;
pub mod name;
pub mod onnx;
pub mod plan;
pub mod rust;

mod parts;
