//! What a node does to the sum of its inputs.

use super::LIMIT;
use super::elementary::{cos, exp, ln, sigmoid, sin, sqrt, tanh};
use crate::base::choice::Choice;
use serde::{Deserialize, Serialize};

/// The one table of activations: number on the wire, variant, name, formula, lowest and highest
/// value, error bound, and the code.
macro_rules! activations {
    ($($number:literal $variant:ident $name:literal, $formula:literal,
       $low:expr, $high:expr, $error:literal: |$x:ident| $code:expr;)*) => {
        /// What a node does to the sum of its inputs.
        ///
        /// The result is the formula's, held within the range, for every x but NaN. It is off by
        /// at most the error times the larger of 1 and its own magnitude.
        ///
        /// | number | name | formula | range | error |
        /// |---|---|---|---|---|
        $(#[doc = concat!("| ", $number, " | `", $name, "` | ", $formula, " | ", stringify!($low),
                          " … ", stringify!($high), " | ", $error, " |")])*
        ///
        /// Sources: Stanley & Miikkulainen 2002 (`steep_sigmoid`), Maas et al. 2013 (`leaky_relu`),
        /// Clevert et al. 2016 (`elu`), Klambauer et al. 2017 (`selu`), Hendrycks & Gimpel 2016
        /// (`gelu`, by its tanh form), Ramachandran et al. 2017 (`swish`), Dugas et al. 2001
        /// (`softplus`); `log` has the lower bound of neat-python.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Activation {
            $(#[serde(rename = $name)] $variant = $number,)*
        }

        impl Choice for Activation {
            const ALL: &'static [Activation] = &[$(Activation::$variant),*];

            fn name(self) -> &'static str {
                match self {
                    $(Activation::$variant => $name,)*
                }
            }

            fn number(self) -> u8 {
                self as u8
            }
        }

        impl Activation {
            /// The lowest and the highest value.
            #[cfg(test)]
            fn range(self) -> (f32, f32) {
                match self {
                    $(Activation::$variant => ($low, $high),)*
                }
            }

            #[cfg(test)]
            fn error(self) -> f32 {
                match self {
                    $(Activation::$variant => $error,)*
                }
            }

            /// The code itself, of `x`, for exported networks.
            pub(crate) fn code(self) -> &'static str {
                match self {
                    $(Activation::$variant => stringify!($code),)*
                }
            }

            #[inline]
            pub fn apply(self, x: f32) -> f32 {
                match self {
                    $(Activation::$variant => {
                        let $x = x;
                        $code
                    })*
                }
            }

            /// [`apply`](Activation::apply) to each value of each vector in place, to the same
            /// bits.
            ///
            /// It becomes part of its caller and is vector code there, in the registers of the
            /// caller's `#[target_feature]`.
            #[inline(always)]
            pub fn apply_to<const N: usize>(self, vectors: &mut [[f32; N]]) {
                match self {
                    $(Activation::$variant => {
                        for vector in vectors {
                            for value in vector {
                                let $x = *value;
                                *value = $code;
                            }
                        }
                    })*
                }
            }
        }
    };
}

activations! {
    0 Identity "identity", "x", -LIMIT, LIMIT, 0.0: |x| x.clamp(-LIMIT, LIMIT);
    1 Tanh "tanh", "(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)", -1.0, 1.0, 4e-7: |x| tanh(x);
    2 Sigmoid "sigmoid", "1 / (1 + e⁻ˣ)", 0.0, 1.0, 3e-7: |x| sigmoid(x);
    3 SteepSigmoid "steep_sigmoid", "1 / (1 + e⁻⁴·⁹²⁴²⁷³ˣ)", 0.0, 1.0, 3e-7:
        |x| sigmoid(4.924_273 * x);
    4 Relu "relu", "max(0, x)", 0.0, LIMIT, 0.0: |x| x.clamp(0.0, LIMIT);
    5 Sin "sin", "sin max(−10⁵, min(x, 10⁵))", -1.0, 1.0, 2e-7: |x| sin(x);
    6 Gaussian "gaussian", "e^(−x²)", 0.0, 1.0, 2e-7: |x| exp(-x * x);
    7 Step "step", "1 if x > 0, else 0", 0.0, 1.0, 0.0: |x| if x > 0.0 { 1.0 } else { 0.0 };
    8 LeakyRelu "leaky_relu", "x if x > 0, else 0.01 x", -0.01 * LIMIT, LIMIT, 1e-7:
        |x| x.clamp(0.0, LIMIT) + 0.01 * x.clamp(-LIMIT, 0.0);
    9 Elu "elu", "x if x > 0, else eˣ − 1", -1.0, LIMIT, 2e-7: |x| elu(x);
    10 Selu "selu", "1.0507009873 · (x if x > 0, else 1.6732632423 (eˣ − 1))",
        -1.758_099_4, LIMIT, 4e-7:
        |x| (1.050_701 * if x > 0.0 { x } else { 1.673_263_2 * elu(x) }).clamp(-1.758_099_4, LIMIT);
    11 Gelu "gelu", "x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2", -0.170_041, LIMIT, 1e-6:
        |x| gelu(x);
    12 Swish "swish", "x / (1 + e⁻ˣ)", -0.278_464_6, LIMIT, 3e-7: |x| swish(x);
    13 Softplus "softplus", "ln(1 + eˣ)", 0.0, LIMIT, 3e-7:
        |x| x.clamp(0.0, LIMIT) + ln(1.0 + exp(-x.abs()));
    14 Cos "cos", "cos max(−10⁵, min(x, 10⁵))", -1.0, 1.0, 2e-7: |x| cos(x);
    15 Abs "abs", r"\|x\|", 0.0, LIMIT, 0.0: |x| x.abs().clamp(0.0, LIMIT);
    16 Square "square", "x²", 0.0, LIMIT, 1e-7: |x| (x * x).clamp(0.0, LIMIT);
    17 Sign "sign", "−1 if x < 0, 1 if x > 0, else 0", -1.0, 1.0, 0.0: |x| sign(x);
    18 Clamp "clamp", "max(−1, min(x, 1))", -1.0, 1.0, 0.0: |x| x.clamp(-1.0, 1.0);
    19 InverseMultiquadric "inverse_multiquadric", "1 / √(1 + x²)", 0.0, 1.0, 2e-7:
        |x| 1.0 / sqrt(1.0 + x * x);
    20 Log "log", "ln max(x, 10⁻⁷)", -16.118_096, 88.722_84, 2e-7: |x| ln(x.clamp(1e-7, f32::MAX));
    21 Exp "exp", "eˣ", 0.0, LIMIT, 3e-7: |x| exp(x).clamp(0.0, LIMIT);
}

#[inline(always)]
fn elu(x: f32) -> f32 {
    if x > 0.0 { x.clamp(0.0, LIMIT) } else { exp(x) - 1.0 }
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    let x = x.clamp(-LIMIT, LIMIT);
    (0.5 * x) * (1.0 + tanh(0.797_884_6 * (x + 0.044_715 * (x * x) * x)))
}

#[inline(always)]
fn swish(x: f32) -> f32 {
    let x = x.clamp(-LIMIT, LIMIT);
    x / (1.0 + exp(-x))
}

#[inline(always)]
fn sign(x: f32) -> f32 {
    let size = if x == 0.0 { 0.0 } else { 1.0_f32 };
    size.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula in f64, by the platform's libm.
    fn truth(activation: Activation, x: f64) -> f64 {
        use Activation::*;
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        let within = |x: f64, most: f64| x.clamp(-most, most);
        match activation {
            Identity => x,
            Tanh => x.tanh(),
            Sigmoid => logistic(x),
            SteepSigmoid => logistic(4.924_273 * x),
            Relu => x.max(0.0),
            Sin => within(x, 1e5).sin(),
            Gaussian => (-x * x).exp(),
            Step => f64::from(u8::from(x > 0.0)),
            LeakyRelu => x.max(0.01 * x),
            Elu => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
            Selu => {
                1.050_700_987_355_480_5
                    * if x > 0.0 { x } else { 1.673_263_242_354_377_2 * x.exp_m1() }
            }
            Gelu => {
                0.5 * x
                    * (1.0
                        + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
            }
            Swish => x * logistic(x),
            Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Cos => within(x, 1e5).cos(),
            Abs => x.abs(),
            Square => x * x,
            Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Clamp => within(x, 1.0),
            InverseMultiquadric => 1.0 / (1.0 + x * x).sqrt(),
            Log => x.max(1e-7).ln(),
            Exp => x.exp(),
        }
    }

    /// Every `step`th finite f32: every exponent, both signs.
    fn floats(step: usize) -> impl Iterator<Item = f32> {
        (0..=u32::MAX).step_by(step).map(f32::from_bits).filter(|x| x.is_finite())
    }

    #[test]
    fn every_activation_keeps_its_range_and_its_error() {
        for &a in Activation::ALL {
            let (low, high) = a.range();
            for x in floats(4_099).chain([0.0, -0.0, f32::MAX, f32::MIN]) {
                let (y, t) = (a.apply(x), truth(a, x.into()).clamp(low.into(), high.into()));
                let error = (f64::from(y) - t).abs() / f64::max(1.0, t.abs());
                assert!(error <= a.error().into(), "{} {x:e}: {y} for {t}, {error:e}", a.name());
                assert!((low..=high).contains(&y), "{} {x:e}: {y}", a.name());
            }
            for x in [f32::INFINITY, f32::NEG_INFINITY] {
                assert!((low..=high).contains(&a.apply(x)), "{} {x}", a.name());
            }
        }
    }

    #[test]
    fn every_activation_is_found_by_its_name_and_number() {
        for &a in Activation::ALL {
            assert_eq!(Activation::named(a.name()), Some(a));
            assert_eq!(Activation::numbered(a.number()), Some(a));
        }
        assert_eq!(Activation::named("arctan"), None);
    }

    /// The bits depend neither on the place in the slice nor on the instructions.
    #[test]
    fn a_slice_gets_the_bits_of_single_calls_from_every_instruction_set() {
        type Path = unsafe fn(Activation, &mut [[f32; 16]]);
        let mut paths: Vec<(&str, Path)> = vec![("baseline", |a, values| a.apply_to(values))];
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2(a: Activation, values: &mut [[f32; 16]]) {
                a.apply_to(values)
            }
            #[target_feature(enable = "avx512f")]
            fn avx512f(a: Activation, values: &mut [[f32; 16]]) {
                a.apply_to(values)
            }
            if is_x86_feature_detected!("avx2") {
                paths.push(("avx2", avx2));
            }
            if is_x86_feature_detected!("avx512f") {
                paths.push(("avx512f", avx512f));
            }
        }
        let mut values: Vec<f32> =
            floats(30_011).chain((-8_000..8_000).map(|i| i as f32 * 0.003)).collect();
        values.truncate(values.len() / 16 * 16);
        for &a in Activation::ALL {
            let single: Vec<u32> = values.iter().map(|&x| a.apply(x).to_bits()).collect();
            for (name, path) in &paths {
                let mut slice = values.clone();
                // SAFETY: a path is here only if the machine has its instructions
                unsafe { path(a, slice.as_chunks_mut().0) };
                assert!(
                    slice.iter().map(|y| y.to_bits()).eq(single.iter().copied()),
                    "{} {name}",
                    a.name()
                );
            }
        }
    }

    /// Recorded on x86-64; any other machine must give the same.
    #[test]
    fn bits_do_not_depend_on_the_machine() {
        let sum = |a: Activation| {
            (-4000..4000).fold(0u32, |h, i| {
                h.rotate_left(5) ^ a.apply(i as f32 * 0.003).to_bits().wrapping_mul(0x9E37_79B1)
            })
        };
        let seen: Vec<u32> = Activation::ALL.iter().map(|a| sum(*a)).collect();
        assert_eq!(seen, GOLDEN);
    }

    const GOLDEN: &[u32] = &[
        3_664_858_265,
        2_357_449_589,
        3_336_890_841,
        2_279_759_644,
        2_277_979_581,
        3_237_580_650,
        565_985_664,
        54_263_808,
        912_691_939,
        3_103_714_937,
        1_713_968_569,
        3_562_280_938,
        3_775_194_796,
        1_507_818_749,
        1_218_195_656,
        630_109_030,
        1_104_452_084,
        4_240_703_487,
        1_302_756_531,
        1_123_407_177,
        2_930_951_652,
        1_671_810_738,
    ];
}
