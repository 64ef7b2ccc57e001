//! exp, ln, sin, cos, tanh, the logistic function and the square root in f32.
//!
//! The coefficients are minimax fits made for this file, by linear programming over Chebyshev
//! points. Tests hold the error bounds, over every exponent and both signs. The items of this file,
//! each with its comment, are also written into exported networks, one item per paragraph: see
//! [`crate::formats::export`].

use core::f32::consts::{FRAC_1_PI, LN_2, LOG2_E};

/// 1.5 · 2²³: adding it rounds to an integer, which then stands in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has 16 bits, so that its product with an exponent is exact.
const LN_2_PARTS: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];

/// π in three parts; 8 bits in each of the first two, so that their product with a number of
/// half turns below 2¹⁵ is exact.
const PI_PARTS: [f32; 3] = [3.140_625, 9.651_184e-4, 2.535_181_7e-6];

/// Beyond this [`sin`] and [`cos`] stand still: a last bit of x is then 0.008 of a radian.
pub const FARTHEST: f32 = 1e5;

/// eˣ within 3e-7 of itself for |x| ≤ 87.3; 0 below −87.7, and above 88 it is e⁸⁸ = 1.65e38.
///
/// eˣ = 2ⁿeʳ with |r| ≤ ln 2 / 2.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-88.0, 88.0);
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_PARTS[0]) - n * LN_2_PARTS[1];
    let p = 8.312_521e-3_f32;
    let p = p * r + 4.189_015_6e-2;
    let p = p * r + 1.666_711_4e-1;
    let p = p * r + 4.999_923e-1;
    // n = −127 has the exponent bits of 0
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    ((p * (r * r) + r) + 1.0) * scale
}

/// ln x for a normal x > 0, within 2e-7 times the larger of 1 and its magnitude.
///
/// x = 2ⁿ(1 + f) with √½ ≤ 1 + f < √2.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let n = (bits as i32 >> 23) as f32;
    let f = f32::from_bits((bits & 0x007F_FFFF) + SQRT_HALF) - 1.0;
    let p = 8.700_427e-2_f32;
    let p = p * f - 1.426_748_2e-1;
    let p = p * f + 1.491_476_9e-1;
    let p = p * f - 1.657_758_5e-1;
    let p = p * f + 1.996_306_3e-1;
    let p = p * f - 2.500_133_8e-1;
    let p = p * f + 3.333_391e-1;
    let p = p * f - 0.5;
    (p * (f * f) + f) + n * LN_2
}

/// sin x within 2e-7, for |x| ≤ [`FARTHEST`]; beyond, the sine of ±[`FARTHEST`].
#[inline(always)]
pub fn sin(x: f32) -> f32 {
    sin_ahead(x, 0.0)
}

/// cos x within 2e-7, for |x| ≤ [`FARTHEST`]; beyond, the cosine of [`FARTHEST`].
#[inline(always)]
pub fn cos(x: f32) -> f32 {
    sin_ahead(x, 0.5)
}

/// sin(x + `ahead` · π): x = (n − ahead) · π + r, of which (−1)ⁿ sin r is left.
#[inline(always)]
fn sin_ahead(x: f32, ahead: f32) -> f32 {
    let x = x.clamp(-FARTHEST, FARTHEST);
    let shifted = (x * FRAC_1_PI + ahead) + ROUND;
    let turns = (shifted - ROUND) - ahead;
    let r = ((x - turns * PI_PARTS[0]) - turns * PI_PARTS[1]) - turns * PI_PARTS[2];
    let u = r * r;
    let p = 2.597_304_5e-6_f32;
    let p = p * u - 1.980_537e-4;
    let p = p * u + 8.333e-3;
    let p = p * u - 1.666_665_7e-1;
    let sine = p * (u * r) + r;
    f32::from_bits(sine.to_bits() ^ (shifted.to_bits() << 31))
}

/// Hyperbolic tangent, within 6e-7 of itself and 4e-7 in all: tanh x ≈ x near 0, ±1 from ±8.3 on.
///
/// By tanh x = 2t / (1 + t²) with t = tanh(x/2), here p/q, an odd rational of degree 5/4 that
/// reaches 1 at 8.3. With p² + q² written as 2pq + (q − p)² no rounding passes 1, and where tanh
/// rises from float to float the result does not fall by more than its last bit.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let size = if x.abs() > 8.3 { 8.3 } else { x.abs() };
    let u = size * size;
    let p = size * ((u + 486.713_17) * u + 17_991.607);
    let q = (33.166_63 * u + 3_971.992) * u + 35_983.215;
    let (twice, gap) = (2.0 * (p * q), q - p);
    (twice / (twice + gap * gap)).copysign(x)
}

/// Logistic function, within 3e-7: 1 / (1 + e⁻ˣ) = (1 + tanh(x/2)) / 2.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    0.5 * tanh(0.5 * x) + 0.5
}

/// √x, rounded as IEEE 754 has it.
#[inline(always)]
pub fn sqrt(x: f32) -> f32 {
    x.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_keeps_its_error_its_sign_and_its_order_over_every_scale() {
        let mut before = 0.0;
        // every 97th finite f32 ≥ 0, so every exponent
        for bits in (0..f32::INFINITY.to_bits()).step_by(97) {
            let x = f32::from_bits(bits);
            let (y, t) = (tanh(x), f64::from(x).tanh());
            let least = f64::from(f32::from_bits(1));
            assert!((f64::from(y) - t).abs() <= 6e-7 * t + least, "tanh {x:e} = {y:e}");
            assert_eq!(tanh(-x).to_bits(), (-y).to_bits(), "tanh −{x:e}");
            assert!(y >= before - 1.2e-7, "tanh falls at {x:e}");
            before = y.max(before);
        }
        assert_eq!(before, 1.0);
    }

    #[test]
    fn exp_keeps_its_relative_error() {
        for i in -873_000..=880_000 {
            let x = i as f32 * 1e-4;
            let t = f64::from(x).exp();
            assert!((f64::from(exp(x)) - t).abs() <= 3e-7 * t, "exp {x}");
        }
        assert_eq!([exp(-88.0), exp(f32::MIN), exp(0.0)], [0.0, 0.0, 1.0]);
    }

    #[test]
    fn ln_keeps_its_error_for_every_normal_number() {
        for bits in (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).step_by(997) {
            let x = f32::from_bits(bits);
            let t = f64::from(x).ln();
            assert!((f64::from(ln(x)) - t).abs() <= 2e-7 * t.abs().max(1.0), "ln {x:e}");
        }
    }
}
