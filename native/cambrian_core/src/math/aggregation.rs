//! tmp

use crate::choice::choices;

choices! {
    pub enum Aggregation {
        Sum = "sum",
        Product = "product",
        Mean = "mean",
        Max = "max",
        Min = "min",
        Median = "median",
        MaxAbs = "max_abs",
    }
}

impl Aggregation {
    pub fn apply(self, x: &[f32]) -> f32 {
        x.iter().fold(0.0, |s, x| s + x)
    }
}
