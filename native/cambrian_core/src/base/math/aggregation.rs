//! How a node combines its weighted inputs into one number.

use super::LIMIT;
use crate::base::choice::choices;

choices! {
    /// How a node combines its weighted inputs into one number. The inputs come in the order of the
    /// node's connections.
    ///
    /// Without inputs the result is 0. Numbers are compared by [`f32::total_cmp`].
    ///
    /// | number | name | formula |
    /// |---|---|---|
    /// | 0 | `sum` | ((0 + x₁) + x₂) + … |
    /// | 1 | `product` | x₁ · x₂ · …, held within ±[`LIMIT`] after every factor |
    /// | 2 | `mean` | sum / number of inputs |
    /// | 3 | `max` | the largest |
    /// | 4 | `min` | the smallest |
    /// | 5 | `median` | the middle one, or the mean of the middle two |
    /// | 6 | `max_abs` | the one of largest magnitude, the earliest of equals |
    ///
    /// The result is finite if the sum of the magnitudes is. It is finite for any 2³² inputs within
    /// ±10¹⁸, the largest activation times the largest weight.
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
    pub fn apply(self, inputs: &[f32]) -> f32 {
        if inputs.is_empty() {
            return 0.0;
        }
        match self {
            Aggregation::Sum => sum(inputs),
            Aggregation::Product => product(inputs),
            Aggregation::Mean => mean(inputs),
            Aggregation::Max => max(inputs),
            Aggregation::Min => min(inputs),
            Aggregation::Median => median(&mut inputs.to_vec()),
            Aggregation::MaxAbs => max_abs(inputs),
        }
    }
}

// Each is of at least one number, and is written into exported networks as it stands here.

/// From +0, which `Iterator::sum` does not start at.
fn sum(inputs: &[f32]) -> f32 {
    inputs.iter().fold(0.0, |sum, x| sum + x)
}

fn product(inputs: &[f32]) -> f32 {
    inputs.iter().fold(1.0, |p, x| (p * x).clamp(-LIMIT, LIMIT))
}

fn mean(inputs: &[f32]) -> f32 {
    sum(inputs) / inputs.len() as f32
}

fn max(inputs: &[f32]) -> f32 {
    inputs.iter().fold(inputs[0], |best, &x| if x.total_cmp(&best).is_gt() { x } else { best })
}

fn min(inputs: &[f32]) -> f32 {
    inputs.iter().fold(inputs[0], |best, &x| if x.total_cmp(&best).is_lt() { x } else { best })
}

fn median(inputs: &mut [f32]) -> f32 {
    let middle = inputs.len() / 2;
    let even = inputs.len().is_multiple_of(2);
    let (below, &mut upper, _) = inputs.select_nth_unstable_by(middle, f32::total_cmp);
    match below.iter().copied().max_by(f32::total_cmp) {
        Some(lower) if even => 0.5 * lower + 0.5 * upper,
        _ => upper,
    }
}

fn max_abs(inputs: &[f32]) -> f32 {
    inputs.iter().fold(inputs[0], |best, &x| if x.abs() > best.abs() { x } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::choice::Choice;

    #[test]
    fn each_aggregation_follows_its_formula() {
        let expected = |inputs: &[f32], results: [f32; 7]| {
            let seen: Vec<u32> =
                Aggregation::ALL.iter().map(|a| a.apply(inputs).to_bits()).collect();
            assert_eq!(seen, results.map(f32::to_bits), "{inputs:?}");
        };
        //                               sum  product  mean   max   min  median  max_abs
        expected(&[3.0, -4.0, 0.5, 2.0], [1.5, -12.0, 0.375, 3.0, -4.0, 1.25, -4.0]);
        expected(&[2.0, 5.0, -1.0], [6.0, -10.0, 2.0, 5.0, -1.0, 2.0, 5.0]);
        expected(&[-2.0, 2.0], [0.0, -4.0, 0.0, 2.0, -2.0, 0.0, -2.0]);
        expected(&[0.0, -0.0], [0.0, -0.0, 0.0, 0.0, -0.0, 0.0, 0.0]);
        expected(&[-7.0], [-7.0; 7]);
        expected(&[], [0.0; 7]);
    }

    #[test]
    fn inputs_are_added_in_their_order() {
        assert_eq!(Aggregation::Sum.apply(&[1e8, 1.0, -1e8]), 0.0);
        assert_eq!(Aggregation::Sum.apply(&[1e8, -1e8, 1.0]), 1.0);
    }

    #[test]
    fn a_product_never_overflows() {
        assert_eq!(Aggregation::Product.apply(&[f32::MAX]), LIMIT);
        assert_eq!(Aggregation::Product.apply(&[f32::MAX, f32::MIN, f32::MIN, 0.0]), 0.0);
        assert_eq!(Aggregation::Product.apply(&[1e9, 1e9, -1e-9, 1e-3]), -1.0);
    }

    #[test]
    fn the_largest_weighted_inputs_give_finite_results() {
        let mut inputs = vec![1e18; 100_000];
        for &a in Aggregation::ALL {
            assert!(a.apply(&inputs).is_finite(), "{}", a.name());
        }
        inputs.fill(f32::MAX);
        for a in [Aggregation::Max, Aggregation::Median, Aggregation::MaxAbs] {
            assert_eq!(a.apply(&inputs), f32::MAX, "{}", a.name());
        }
    }

    #[test]
    fn a_median_is_that_of_the_sorted_inputs() {
        let mut inputs = Vec::new();
        for i in 0..200u32 {
            inputs.push((i.wrapping_mul(2_654_435_761) >> 8) as f32 - 8e6);
            let mut sorted = inputs.clone();
            sorted.sort_by(f32::total_cmp);
            let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
            assert_eq!(Aggregation::Median.apply(&inputs), 0.5 * lower + 0.5 * upper);
        }
    }
}
