//! The hidden layers of a first genotype.

use super::{Setting, Value};
use serde::{Deserialize, Serialize};

/// How many nodes each has, from the inputs to the outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layers(pub Vec<u32>);

const MOST: usize = 16;
const WIDEST: u32 = 10_000;

impl Setting for Layers {
    type Bound = ();
    fn expected((): ()) -> String {
        format!("a list of at most {MOST} integers from 1 to {WIDEST}")
    }
    fn read(value: &Value, (): ()) -> Option<Layers> {
        let size = |number: &f64| {
            let is_size = number.fract() == 0.0 && (1.0..=f64::from(WIDEST)).contains(number);
            is_size.then_some(*number as u32)
        };
        match value {
            Value::Numbers(numbers) if numbers.len() <= MOST => {
                numbers.iter().map(size).collect::<Option<_>>().map(Layers)
            }
            Value::Names(names) if names.is_empty() => Some(Layers::default()),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Numbers(self.0.iter().copied().map(f64::from).collect())
    }
}
