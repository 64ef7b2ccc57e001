//! Functions that give the same bits on every machine.
//!
//! Nothing here touches the platform's libm, whose last bits change between versions, and
//! nothing is contracted to a fused multiply-add.

mod aggregation;

pub use aggregation::Aggregation;

use crate::choice::{Choice, choices};

choices! {
    /// What a node does to the sum of its inputs.
    ///
    /// | name | formula | range |
    /// |---|---|---|
    /// | `identity` | x | ±[`LIMIT`] |
    /// | `tanh` | (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) | −1 … 1 |
    /// | `sigmoid` | 1 / (1 + e⁻ˣ) | 0 … 1 |
    /// | `steep_sigmoid` | 1 / (1 + e⁻⁴·⁹²⁴²⁷³ˣ), Stanley & Miikkulainen 2002 | 0 … 1 |
    /// | `relu` | max(0, x) | 0 … [`LIMIT`] |
    /// | `sin` | sin x | −1 … 1 |
    /// | `gaussian` | e^(−x²) | 0 … 1 |
    /// | `step` | 1 if x > 0, else 0 | 0, 1 |
    pub enum Activation {
        Identity = "identity",
        Tanh = "tanh",
        Sigmoid = "sigmoid",
        SteepSigmoid = "steep_sigmoid",
        Relu = "relu",
        Sin = "sin",
        Gaussian = "gaussian",
        Step = "step",
    }
}

/// Unbounded activations stop here, so that no sum of finitely many of them is infinite.
pub const LIMIT: f32 = 1e12;

impl Activation {
    /// Finite for every finite x.
    #[inline]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Activation::Identity => x.clamp(-LIMIT, LIMIT),
            Activation::Tanh => tanh(x),
            Activation::Sigmoid => sigmoid(x),
            Activation::SteepSigmoid => sigmoid(4.924_273 * x),
            Activation::Relu => x.clamp(0.0, LIMIT),
            Activation::Sin => libm::sinf(x),
            Activation::Gaussian => libm::expf(-x * x),
            Activation::Step => f32::from(u8::from(x > 0.0)),
        }
    }

    #[inline(always)]
    pub fn apply_to(self, values: &mut [f32]) {
        match self {
            Activation::Tanh => values.iter_mut().for_each(|x| *x = tanh(*x)),
            _ => values.iter_mut().for_each(|x| *x = self.apply(*x)),
        }
    }
}

/// Hyperbolic tangent as an odd rational of degree 9/8, within 4e-7 of the true value.
///
/// The coefficients are a minimax fit of tanh(x)/x on |x| ≤ 9.01 (relative error 2e-8 before
/// rounding); beyond it tanh is 1 to f32 precision.
#[inline]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-9.01, 9.01);
    let u = x * x;
    let p = 1.333_771_1e-8_f32;
    let p = p * u + 2.059_696_8e-5;
    let p = p * u + 3.494_856_2e-3;
    let p = p * u + 1.338_041_1e-1;
    let p = p * u + 1.0;
    let q = 7.769_657_5e-7_f32;
    let q = q * u + 3.284_435e-4;
    let q = q * u + 2.587_420_1e-2;
    let q = q * u + 4.671_372_5e-1;
    let q = q * u + 1.0;
    (x * p / q).clamp(-1.0, 1.0)
}

/// Logistic function, within 3e-7: 1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2.
#[inline]
pub fn sigmoid(x: f32) -> f32 {
    0.5 * tanh(0.5 * x) + 0.5
}

pub fn normal(u: u32) -> f32 {
    normal_quantile((f64::from(u) + 0.5) * (1.0 / 4_294_967_296.0)) as f32
}

/// Quantile of the standard normal distribution, for 0 < p < 1, to about 7 digits.
///
/// Wichura 1988, algorithm AS 241, PPND7.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        let a = ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let b = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return q * a / b;
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let tail = if r <= 5.0 {
        let r = r - 1.6;
        let c = ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
        c / ((0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0)
    } else {
        let r = r - 5.0;
        let e = ((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386_0) * r + 6.657_905_115_0;
        e / ((0.012_258_202_635 * r + 0.241_978_942_25) * r + 1.0)
    };
    if q < 0.0 { -tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_and_sigmoid_keep_their_error_bounds_over_every_scale() {
        // every 97th finite f32, so every exponent and both signs
        for bits in (0..=u32::MAX).step_by(97) {
            let x = f32::from_bits(bits);
            if x.is_finite() {
                let t = f64::from(x).tanh();
                assert!((f64::from(tanh(x)) - t).abs() < 4e-7, "tanh {x}");
                let s = 1.0 / (1.0 + (-f64::from(x)).exp());
                assert!((f64::from(sigmoid(x)) - s).abs() < 3e-7, "sigmoid {x}");
            }
        }
    }

    #[test]
    fn every_activation_is_finite_on_finite_input() {
        for &activation in Activation::ALL {
            for x in [0.0, -0.0, 1e-40, 1.0, -1.0, 1e4, f32::MAX, f32::MIN] {
                assert!(activation.apply(x).is_finite(), "{} {x}", activation.name());
            }
            assert_eq!(Activation::named(activation.name()), Some(activation));
            assert_eq!(Activation::ALL[activation as usize], activation);
        }
    }

    #[test]
    fn normal_quantile_agrees_with_published_values() {
        // Wichura 1988, table of test values; and Z tables
        for (p, z) in [
            (0.25, -0.674_489_750_196),
            (0.001, -3.090_232_306_168),
            (1e-20, -9.262_340_089_799),
            (0.975, 1.959_963_984_540),
            (0.5, 0.0),
        ] {
            assert!((normal_quantile(p) - z).abs() <= 2e-6 * f64::max(1.0, z.abs()), "{p}");
        }
    }

    /// Bits seen on x86-64; any other machine must give the same.
    #[test]
    fn bits_do_not_depend_on_the_machine() {
        let sum = |f: &dyn Fn(f32) -> f32| {
            (-4000..4000)
                .fold(0u32, |h, i| h.rotate_left(5) ^ f(i as f32 * 0.003).to_bits().wrapping_mul(0x9E37_79B1))
        };
        let seen: Vec<u32> = Activation::ALL.iter().map(|a| sum(&|x| a.apply(x))).collect();
        assert_eq!(seen, GOLDEN);
    }

    const GOLDEN: [u32; 8] = [
        3_664_858_265,
        1_360_232_752,
        1_852_436_058,
        4_211_488_955,
        2_277_979_581,
        636_301_358,
        1_474_446_179,
        54_263_808,
    ];
}
