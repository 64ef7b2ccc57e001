//! The box of behaviours that an archive divides.

use super::{Setting, Value};
use serde::{Deserialize, Serialize};

/// The lowest and the highest number of each dimension.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds(pub Vec<(f64, f64)>);

impl Bounds {
    /// The most cells into which a box is divided.
    pub const MAX_CELLS: u32 = 1_000_000;

    /// Bounds of finite numbers, the lower one first.
    pub fn checked(pairs: Vec<(f64, f64)>) -> Option<Bounds> {
        // one zero, so that equal bounds have equal bytes
        let pairs: Vec<(f64, f64)> =
            pairs.into_iter().map(|(low, high)| (low + 0.0, high + 0.0)).collect();
        let is_sound = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite() && low < high;
        pairs.iter().all(is_sound).then_some(Bounds(pairs))
    }
}

impl Setting for Bounds {
    type Bound = ();
    fn expected((): ()) -> String {
        "a list of pairs of a lower and a higher number".into()
    }
    fn read(value: &Value, (): ()) -> Option<Bounds> {
        match value {
            Value::Pairs(pairs) => Bounds::checked(pairs.clone()),
            Value::Names(names) if names.is_empty() => Some(Bounds::default()),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Pairs(self.0.clone())
    }
}
