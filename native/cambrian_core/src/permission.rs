//! Leave to go on, which long work asks for before each genotype.

use std::sync::atomic::{AtomicBool, Ordering};

pub trait Permission: Sync {
    /// Whether to go on. It may wait before it answers.
    fn granted(&self) -> bool;
}

/// A flag that tells work to stop.
impl Permission for AtomicBool {
    fn granted(&self) -> bool {
        !self.load(Ordering::Relaxed)
    }
}
