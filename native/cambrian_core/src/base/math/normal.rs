//! The normal distribution.

use super::elementary::ln;

/// Standard normal from 32 uniform bits: |z| < 6.34, and the top bit is the sign.
///
/// The other 31 bits count from the far end of the tail: z is the quantile of (bits + ½) / 2³²,
/// within 5e-7 times the larger of 1 and |z|. With p = (bits + ½) / 2³² and x = 1 − 2p, z = √2
/// erf⁻¹(x). erf⁻¹(x)/x is smooth in ln(1 − x²) (Giles 2010), so one rational function serves
/// centre and tails; its coefficients are a minimax fit made for this file.
#[inline(always)]
pub fn normal(bits: u32) -> f32 {
    // the sign bit is 0, so a signed conversion is correct, and only that one exists as a vector
    // instruction
    let count = (bits & 0x7FFF_FFFF) as i32 as f32;
    let both_tails = (count + 0.5) * (1.0 / 2_147_483_648.0);
    let x = 1.0 - both_tails;
    let l = ln(both_tails * (2.0 - both_tails));
    let p = 29.292_587_f32;
    let p = p * l - 1_028.239_3;
    let p = p * l + 12_065.463;
    let p = p * l - 90_840.234;
    let p = p * l + 455_329.16;
    let p = p * l - 1_252_654.8;
    let q = l - 171.796;
    let q = q * l + 2_364.466_3;
    let q = q * l - 32_825.66;
    let q = q * l + 101_645.21;
    let q = q * l - 999_473.25;
    let z = x * p / q;
    f32::from_bits(z.to_bits() ^ (bits & 0x8000_0000))
}

/// [`normal`] of each, with as wide vectors as the processor has; the bits are the same with all.
pub fn normals(bits: &[u32], out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions
        return unsafe { normals_avx2(bits, out) };
    }
    normals_plain(bits, out);
}

#[inline(always)]
fn normals_plain(bits: &[u32], out: &mut [f32]) {
    out.iter_mut().zip(bits).for_each(|(z, bits)| *z = normal(*bits));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn normals_avx2(bits: &[u32], out: &mut [f32]) {
    normals_plain(bits, out);
}

/// Quantile of the standard normal distribution, for 0 < p < 1, to about 7 digits.
///
/// Wichura 1988, algorithm AS 241, PPND7.
#[cfg(test)]
fn normal_quantile(p: f64) -> f64 {
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
        let c =
            ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390_0) * r + 1.423_437_277_7;
        c / ((0.120_211_329_75 * r + 0.737_001_642_50) * r + 1.0)
    } else {
        let r = r - 5.0;
        let e = ((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386_0) * r
            + 6.657_905_115_0;
        e / ((0.012_258_202_635 * r + 0.241_978_942_25) * r + 1.0)
    };
    if q < 0.0 { -tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `step`th draw with the sign bit off.
    fn tails(step: usize) -> impl Iterator<Item = u32> {
        (0..1 << 31).step_by(step).chain(0..100_000).chain([(1 << 31) - 1])
    }

    #[test]
    fn a_normal_is_the_quantile_of_its_bits() {
        for bits in tails(1_009) {
            let z = -normal_quantile((f64::from(bits) + 0.5) / 4_294_967_296.0);
            let seen = normal(bits);
            assert!((f64::from(seen) - z).abs() <= 5e-7 * z.max(1.0), "{bits}: {seen} for {z}");
            assert_eq!((-seen).to_bits(), normal(bits | 1 << 31).to_bits(), "{bits}");
        }
        assert!(normal(0) < 6.34 && normal(0) > 6.33);
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        // draws at equal distances, so that nothing is random: 1, 1·3, 1·3·5, 1·3·5·7
        let draws: Vec<f64> =
            (0..1 << 31).step_by(1_024).map(|bits| normal(bits + 512).into()).collect();
        for (power, moment) in [(2, 1.0), (4, 3.0), (6, 15.0), (8, 105.0)] {
            let seen = draws.iter().map(|z| z.powi(power)).sum::<f64>() / draws.len() as f64;
            assert!((seen / moment - 1.0).abs() < 1e-3, "moment {power}: {seen}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn vectors_of_normals_have_the_bits_of_single_ones() {
        #[target_feature(enable = "avx2")]
        fn fill(draws: &[u32], normals: &mut [u32]) {
            for (z, &bits) in normals.iter_mut().zip(draws) {
                *z = normal(bits).to_bits();
            }
        }
        let draws: Vec<u32> = tails(10_007).collect();
        let single: Vec<u32> = draws.iter().map(|&bits| normal(bits).to_bits()).collect();
        let mut seen = single.clone();
        if is_x86_feature_detected!("avx2") {
            seen.fill(0);
            // SAFETY: the machine has the instructions
            unsafe { fill(&draws, &mut seen) };
        }
        assert_eq!(seen, single);
    }

    /// Recorded on x86-64; any other machine must give the same.
    #[test]
    fn bits_do_not_depend_on_the_machine() {
        let hash = tails(65_537).fold(0u32, |h, bits| {
            h.rotate_left(5) ^ normal(bits).to_bits().wrapping_mul(0x9E37_79B1)
        });
        assert_eq!(hash, 2_249_878_738);
    }

    #[test]
    fn normal_quantile_agrees_with_published_values() {
        // Wichura 1988, table of test values, and Z tables
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
}
