//! What each objective of a Pareto search weighs.

use super::{Setting, Value};
use serde::{Deserialize, Serialize};

/// One for each objective, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights(pub Vec<f64>);

/// So that no sum of them overflows.
const HEAVIEST: f64 = 1.0e9;

impl Setting for Weights {
    type Bound = ();
    fn expected((): ()) -> String {
        format!("a list of numbers from 0 to {HEAVIEST}, not all of them 0")
    }
    fn read(value: &Value, (): ()) -> Option<Weights> {
        match value {
            Value::Numbers(numbers) => {
                let is_weight = |x: &f64| (0.0..=HEAVIEST).contains(x);
                let is_known = numbers.is_empty() || numbers.iter().any(|x| *x > 0.0);
                let is_sound = is_known && numbers.iter().all(is_weight);
                is_sound.then(|| Weights(numbers.clone()))
            }
            Value::Names(names) if names.is_empty() => Some(Weights::default()),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Numbers(self.0.clone())
    }
}
