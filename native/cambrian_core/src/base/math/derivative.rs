//! Derivatives of activations and aggregations, for gradients.
//!
//! At a kink the derivative is that of one side, 0 where a side has it. Where a value is held at
//! its limit it is 0. `step` and `sign` are flat: they have no derivative that would lead anywhere.

use super::elementary::{cos, exp, sigmoid, sin, sqrt, tanh};
use super::{Activation, Aggregation, LIMIT};
use crate::base::choice::Choice;

impl Activation {
    /// Whether its derivative is 0 wherever it has one.
    pub fn is_flat(self) -> bool {
        matches!(self, Activation::Step | Activation::Sign)
    }

    /// The derivative at `x`.
    pub fn slope(self, x: f32) -> f32 {
        use Activation::*;
        let within = |low: f32, high: f32, slope: f32| {
            if x > low && x < high { slope } else { 0.0 }
        };
        let of_sigmoid = |x: f32| sigmoid(x) * (1.0 - sigmoid(x));
        let positive = |slope: f32, or: f32| if x > 0.0 { within(0.0, LIMIT, slope) } else { or };
        match self {
            Step | Sign => 0.0,
            Identity => within(-LIMIT, LIMIT, 1.0),
            Tanh => 1.0 - tanh(x) * tanh(x),
            Sigmoid => of_sigmoid(x),
            SteepSigmoid => 4.924_273 * of_sigmoid(4.924_273 * x),
            Relu => within(0.0, LIMIT, 1.0),
            Sin => within(-1e5, 1e5, cos(x)),
            Cos => within(-1e5, 1e5, -sin(x)),
            Gaussian => -2.0 * x * exp(-x * x),
            LeakyRelu => positive(1.0, 0.01),
            Elu => positive(1.0, exp(x)),
            Selu => 1.050_701 * positive(1.0, 1.673_263_2 * exp(x)),
            Gelu => gelu_slope(x),
            Swish => sigmoid(x) + x.clamp(-LIMIT, LIMIT) * of_sigmoid(x),
            Softplus => sigmoid(x),
            Abs => within(0.0, LIMIT, 1.0) - within(-LIMIT, 0.0, 1.0),
            Square => within(-1e6, 1e6, 2.0 * x),
            Clamp => within(-1.0, 1.0, 1.0),
            InverseMultiquadric => {
                let y = 1.0 / sqrt(1.0 + x * x);
                -x * y * y * y
            }
            Log => within(1e-7, f32::MAX, 1.0 / x),
            Exp => within(f32::NEG_INFINITY, 27.6, exp(x)),
        }
    }

    /// The names of all that are flat.
    pub fn flat_names() -> String {
        let flat = Activation::ALL.iter().filter(|activation| activation.is_flat());
        flat.map(|activation| activation.name()).collect::<Vec<_>>().join(" and ")
    }
}

fn gelu_slope(x: f32) -> f32 {
    let x = x.clamp(-1e3, 1e3);
    let t = tanh(0.797_884_6 * (x + 0.044_715 * (x * x) * x));
    let inner = 0.797_884_6 * (1.0 + 3.0 * 0.044_715 * (x * x));
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
}

impl Aggregation {
    /// Writes the derivative by each input. Of `max`, `min`, `max_abs` and `median` it is that of
    /// the input which was chosen.
    pub fn slopes(self, inputs: &[f32], slopes: &mut [f32]) {
        slopes.fill(0.0);
        let y = self.apply(inputs);
        let chosen = |y: f32| inputs.iter().position(|x| *x == y);
        match self {
            _ if inputs.is_empty() => {}
            Aggregation::Sum => slopes.fill(1.0),
            Aggregation::Mean => slopes.fill(1.0 / inputs.len() as f32),
            Aggregation::Product => {
                for (at, slope) in slopes.iter_mut().enumerate() {
                    let others = inputs.iter().enumerate().filter(|(other, _)| *other != at);
                    *slope = others.fold(1.0, |p, (_, x)| (p * x).clamp(-LIMIT, LIMIT));
                }
            }
            Aggregation::Max | Aggregation::Min | Aggregation::MaxAbs => {
                chosen(y).into_iter().for_each(|at| slopes[at] = 1.0);
            }
            Aggregation::Median => {
                let mut order: Vec<usize> = (0..inputs.len()).collect();
                order.sort_by(|a, b| inputs[*a].total_cmp(&inputs[*b]).then(a.cmp(b)));
                let middle = [order[(order.len() - 1) / 2], order[order.len() / 2]];
                middle.iter().for_each(|at| slopes[*at] += 0.5);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By central differences of the functions themselves, whose own errors are about 1e-7.
    fn difference(f: impl Fn(f32) -> f32, x: f32) -> f32 {
        let step = 0.01;
        ((f64::from(f(x + step)) - f64::from(f(x - step))) / (2.0 * f64::from(step))) as f32
    }

    #[test]
    fn each_activation_has_the_slope_of_its_differences() {
        for &activation in Activation::ALL {
            for x in (-300..=300).map(|at| at as f32 * 0.0137 + 0.0007) {
                let kink = [-1.0, 0.0, 1.0].iter().any(|kink: &f32| (x - kink).abs() < 0.011);
                if kink && activation != Activation::Tanh {
                    continue;
                }
                let (seen, slope) = (difference(|x| activation.apply(x), x), activation.slope(x));
                let curve = if activation == Activation::Log { 1.0 / (x * x) } else { 1.0 };
                let most = 2e-3 * slope.abs().max(1.0) * curve.max(1.0);
                assert!((seen - slope).abs() < most, "{activation:?} {x}: {slope} for {seen}");
            }
        }
    }

    #[test]
    fn slopes_are_finite_and_flat_ones_are_zero() {
        for &activation in Activation::ALL {
            for x in [0.0, -0.0, 1.0, -1.0, 1e-30, 88.0, -88.0, 1e5, 1e12, -1e12, 1e18, -1e18] {
                let slope = activation.slope(x);
                assert!(slope.is_finite(), "{activation:?} {x}: {slope}");
                assert!(!activation.is_flat() || slope == 0.0);
            }
        }
        assert_eq!(Activation::flat_names(), "step and sign");
    }

    #[test]
    fn each_aggregation_has_the_slopes_of_its_differences() {
        let inputs = [0.7, -1.9, 0.31, 1.3, -0.11];
        for &aggregation in Aggregation::ALL {
            for length in 1..=inputs.len() {
                let mut slopes = vec![9.0; length];
                aggregation.slopes(&inputs[..length], &mut slopes);
                for at in 0..length {
                    let moved = |x: f32| {
                        let mut moved = inputs[..length].to_vec();
                        moved[at] = x;
                        aggregation.apply(&moved)
                    };
                    let seen = difference(moved, inputs[at]);
                    assert!((seen - slopes[at]).abs() < 1e-3, "{aggregation:?} {length} {at}");
                }
            }
        }
    }
}
