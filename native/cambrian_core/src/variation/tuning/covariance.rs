//! The covariance matrix C of a multivariate normal distribution, whole or only its diagonal.

use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// C, with the values for sampling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Covariance {
    /// C = B diag(d²) Bᵀ: C row by row, the columns of B row by row, and d. B and d are `age`
    /// updates old, fewer than `patience`.
    Full { c: Vec<f64>, basis: Vec<f64>, scales: Vec<f64>, age: u32, patience: u32 },
    /// The diagonal.
    Diagonal(Vec<f64>),
}

/// No variance falls below this share of the largest, so that rounding never makes C indefinite.
const FLATTEST: f64 = 1e-14;

impl Covariance {
    /// The unit matrix, decomposed at every `patience`th update.
    pub fn full(n: usize, patience: u32) -> Covariance {
        let unit: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at % (n + 1) == 0))).collect();
        Covariance::Full { c: unit.clone(), basis: unit, scales: vec![1.0; n], age: 0, patience }
    }

    /// The unit matrix.
    pub fn diagonal(n: usize) -> Covariance {
        Covariance::Diagonal(vec![1.0; n])
    }

    pub fn is_diagonal(&self) -> bool {
        matches!(self, Covariance::Diagonal(_))
    }

    /// Whether it is one of so many numbers that a search can have.
    pub fn is_sound(&self, n: usize) -> bool {
        let is_variance = |x: &f64| *x > 0.0 && x.is_finite();
        match self {
            Covariance::Full { c, basis, scales, age, patience } => {
                [c.len(), basis.len()] == [n * n; 2]
                    && scales.len() == n
                    && c.iter().chain(basis).all(|x| x.is_finite())
                    && scales.iter().all(is_variance)
                    && age < patience
            }
            Covariance::Diagonal(c) => c.len() == n && c.iter().all(is_variance),
        }
    }

    /// C^½ z. It has this distribution if z has the standard normal distribution.
    pub fn shape(&self, z: &[f64]) -> Vec<f64> {
        match self {
            Covariance::Full { basis, scales, .. } => {
                let scaled: Vec<f64> = z.iter().zip(scales).map(|(z, d)| z * d).collect();
                combine(basis, &scaled)
            }
            Covariance::Diagonal(c) => z.iter().zip(c).map(|(z, c)| z * c.sqrt()).collect(),
        }
    }

    /// C^−½ y.
    pub fn whiten(&self, y: &[f64]) -> Vec<f64> {
        match self {
            Covariance::Full { basis, scales, .. } => {
                let along = |column: &[f64]| column.iter().zip(y).map(|(b, y)| b * y).sum::<f64>();
                let columns = basis.chunks_exact(y.len());
                combine(
                    basis,
                    &columns.zip(scales).map(|(b, d)| along(b) / d).collect::<Vec<f64>>(),
                )
            }
            Covariance::Diagonal(c) => y.iter().zip(c).map(|(y, c)| y / c.sqrt()).collect(),
        }
    }

    /// Multiplies each variance c by 2 to the power of Σ `weight` (v² / c − 1), at most by e or
    /// 1/e, which is what the sum of [`Covariance::update`] is for small weights (the update of
    /// `sigma_vec` in pycma 4.5; compare Akimoto & Hansen 2020, "Diagonal acceleration for
    /// covariance matrix adaptation evolution strategies"). Then divides all by the largest, whose
    /// root it returns. Variances may shrink all the time while σ grows, and neither may leave the
    /// range of numbers.
    pub fn multiply<'a>(&mut self, terms: impl Iterator<Item = (f64, &'a [f64])>) -> f64 {
        let Covariance::Diagonal(c) = self else { return 1.0 };
        let mut powers = vec![0.0; c.len()];
        for (weight, v) in terms {
            let surplus = c.iter().zip(v).map(|(c, v)| v * v / c - 1.0);
            powers.iter_mut().zip(surplus).for_each(|(sum, surplus)| *sum += weight * surplus);
        }
        let grow = |(c, power): (&mut f64, f64)| *c *= libm::exp((LN_2 * power).clamp(-1.0, 1.0));
        c.iter_mut().zip(powers).for_each(grow);
        let largest = c.iter().copied().fold(0.0, f64::max);
        c.iter_mut().for_each(|c| *c /= largest);
        flatten(c);
        largest.sqrt()
    }

    /// C ← `keep` C + Σ `weight` v vᵀ.
    pub fn update<'a>(&mut self, keep: f64, terms: impl Iterator<Item = (f64, &'a [f64])>) {
        match self {
            Covariance::Full { c, basis, scales, age, patience } => {
                let n = scales.len();
                c.iter_mut().for_each(|c| *c *= keep);
                for (weight, v) in terms {
                    for (row, vi) in c.chunks_exact_mut(n).zip(v) {
                        row.iter_mut().zip(v).for_each(|(c, vj)| *c += weight * (vi * vj));
                    }
                }
                *age += 1;
                if *age >= *patience {
                    *age = 0;
                    let mut values = c.clone();
                    decompose(&mut values, basis, n);
                    let largest = (0..n).map(|i| values[i * n + i]).fold(0.0, f64::max);
                    let floor = (largest * FLATTEST).max(f64::MIN_POSITIVE);
                    for (i, scale) in scales.iter_mut().enumerate() {
                        *scale = values[i * n + i].max(floor).sqrt();
                    }
                }
            }
            Covariance::Diagonal(c) => {
                c.iter_mut().for_each(|c| *c *= keep);
                for (weight, v) in terms {
                    c.iter_mut().zip(v).for_each(|(c, v)| *c += weight * (v * v));
                }
                flatten(c);
            }
        }
    }
}

/// Raises the variances that are too low.
fn flatten(c: &mut [f64]) {
    let floor = (c.iter().copied().fold(0.0, f64::max) * FLATTEST).max(f64::MIN_POSITIVE);
    c.iter_mut().for_each(|c| *c = c.max(floor));
}

/// Σ share × column.
fn combine(columns: &[f64], shares: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; shares.len()];
    for (column, share) in columns.chunks_exact(shares.len()).zip(shares) {
        sum.iter_mut().zip(column).for_each(|(sum, b)| *sum += share * b);
    }
    sum
}

/// Turns the symmetric `a` into a diagonal of its eigenvalues, and `basis` into its eigenvectors,
/// one per row, in the same order: cyclic Jacobi rotations (Golub & Van Loan 2013, section 8.5). It
/// uses only + − × ÷ √, so the bits are the same on every machine.
fn decompose(a: &mut [f64], basis: &mut [f64], n: usize) {
    (0..n * n).for_each(|at| basis[at] = f64::from(u8::from(at % (n + 1) == 0)));
    // it converges quadratically: ten sweeps are enough for any n in practice
    for _ in 0..30 {
        let squares = |on: bool| -> f64 {
            (0..n * n).filter(|at| (at % (n + 1) == 0) == on).map(|at| a[at] * a[at]).sum()
        };
        if squares(false) <= 1e-30 * squares(true) {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(a, basis, n, p, q);
            }
        }
    }
}

/// Makes a[p][q] zero.
fn rotate(a: &mut [f64], basis: &mut [f64], n: usize, p: usize, q: usize) {
    let off = a[p * n + q];
    if off == 0.0 {
        return;
    }
    let slope = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let tangent = slope.signum() / (slope.abs() + (slope * slope + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    let turn = |x: &mut [f64], i: usize, j: usize| {
        (x[i], x[j]) = (cosine * x[i] - sine * x[j], sine * x[i] + cosine * x[j]);
    };
    for k in 0..n {
        turn(a, k * n + p, k * n + q);
    }
    for k in 0..n {
        turn(a, p * n + k, q * n + k);
        turn(basis, p * n + k, q * n + k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::{Purpose, Stream};

    #[test]
    fn a_decomposed_matrix_is_the_product_of_its_parts() {
        let mut rng = Stream::new(1, Purpose::Tuning, 0, 0);
        for n in [1, 2, 3, 10, 40] {
            let mut covariance = Covariance::full(n, 1);
            let vectors: Vec<Vec<f64>> =
                (0..3 * n).map(|_| (0..n).map(|_| f64::from(rng.normal())).collect()).collect();
            covariance.update(0.5, vectors.iter().map(|v| (0.1, &v[..])));
            let z: Vec<f64> = (0..n).map(|_| f64::from(rng.normal())).collect();
            let y = covariance.shape(&z);
            // C^½ (C^½)ᵀ = C: |C^−½ C^½ z| = |z|, and C x = Σ λ (b·x) b
            let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!((norm(&covariance.whiten(&y)) - norm(&z)).abs() < 1e-9 * norm(&z), "n = {n}");
            let Covariance::Full { c, basis, scales, .. } = &covariance else { unreachable!() };
            let product: Vec<f64> =
                c.chunks(n).map(|row| row.iter().zip(&z).map(|(c, z)| c * z).sum()).collect();
            let along: Vec<f64> = basis
                .chunks(n)
                .zip(scales)
                .map(|(b, d)| b.iter().zip(&z).map(|(b, z)| b * z).sum::<f64>() * d * d)
                .collect();
            for (one, other) in product.iter().zip(combine(basis, &along)) {
                assert!((one - other).abs() < 1e-9 * norm(&product), "n = {n}: {one} {other}");
            }
        }
    }
}
