//! Functions that give the same bits on every machine.
//!
//! This module never calls the platform's libm, whose last bits change between versions, and never
//! contracts operations to a fused multiply-add. The functions for networks have no branches and no
//! calls, so the compiler turns a loop over them into vector code of any width. IEEE arithmetic
//! gives each lane of a vector the bits of the scalar code.

pub mod activation;
pub mod aggregation;
pub mod derivative;
pub mod elementary;
pub mod normal;

pub use activation::Activation;
pub use aggregation::Aggregation;
pub use elementary::sigmoid;
pub use normal::{normal, normals};

/// xʸ for x ≥ 2⁻¹²⁶ and −87.6 ≤ y ln x ≤ 88, within 5e-7 of itself and 3e-7 · |y| · max(1, |ln x|)
/// more. Below it falls to 0, above it stays at e⁸⁸. Faster than the exact power, without branches.
#[inline(always)]
pub fn power(x: f32, y: f32) -> f32 {
    elementary::exp(y * elementary::ln(x.max(f32::MIN_POSITIVE)))
}

/// Unbounded activations stop here, so that no sum of finitely many of them is infinite.
pub const LIMIT: f32 = 1e12;

/// Weights, biases and gains lie within ± this, so that no sum in a network overflows.
pub const MAX_WEIGHT: f32 = 1.0e6;

#[cfg(test)]
mod tests {
    use super::power;

    #[test]
    fn a_power_is_as_near_as_documented() {
        for x in (1..4000).map(|at| at as f32 * 0.0037) {
            for y in [-16.0, -2.5, -1.0 / 21.0, 0.0, 1.0 / 16.0, 1.0, 21.0] {
                let exact = f64::from(x).powf(f64::from(y));
                let near = f64::from(power(x, y));
                let most = 5e-7 + 3e-7 * f64::from(y).abs() * f64::from(x.ln()).abs().max(1.0);
                if exact > 1e-37 && exact < 1e37 {
                    assert!((near / exact - 1.0).abs() < most, "{x}^{y} = {near}, not {exact}");
                }
            }
        }
        assert_eq!([power(0.0, 21.0), power(1e30, -16.0), power(1.0, 7.0)], [0.0, 0.0, 1.0]);
    }
}
