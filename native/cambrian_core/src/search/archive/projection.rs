//! Projects long vectors to a few numbers that preserve distances approximately.

use crate::base::rng::{Purpose, RandomBits, Stream};

/// Multiplies by a matrix of random signs, divided by the root of the dimensions (Achlioptas 2003,
/// "Database-friendly random projections"). The signs follow from the two lengths, so the matrix is
/// the same everywhere.
///
/// The squared distance of two projections is on average the squared distance of the vectors, with
/// a relative standard deviation of at most √(2 / dimensions): two of three pairs keep their
/// squared distance to within 25 % in 32 dimensions, and to within 100 % in 2 (the lemma of Johnson
/// and Lindenstrauss).
pub fn project(vector: &[f64], dimensions: usize) -> Vec<f64> {
    let row = |row: usize| {
        let mut rng =
            Stream::new(vector.len() as u64, Purpose::Projection, dimensions as u64, row as u64);
        let mut signs = RandomBits::default();
        let signed = |x: &f64| if signs.draw(&mut rng) { *x } else { -*x };
        let sum: f64 = vector.iter().map(signed).sum();
        (sum / (dimensions as f64).sqrt()).clamp(f64::MIN, f64::MAX)
    };
    (0..dimensions).map(row).collect()
}

/// The standard deviation of a projection of so many numbers, each −1 or 1 at random: about two
/// projections of three lie within plus and minus this.
pub fn spread(length: usize, dimensions: usize) -> f64 {
    (length as f64 / dimensions as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squared(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    /// The mean is kept, and the deviation is at most the documented one.
    #[test]
    fn squared_distances_are_kept_within_the_documented_deviation() {
        for dimensions in [2, 8, 32] {
            let vectors: Vec<Vec<f64>> = (0..60)
                .map(|at| {
                    let mut rng = Stream::new(at, Purpose::Probe, 1, 0);
                    (0..500).map(|_| f64::from(rng.normal())).collect()
                })
                .collect();
            let projected: Vec<Vec<f64>> =
                vectors.iter().map(|one| project(one, dimensions)).collect();
            let mut ratios = Vec::new();
            for a in 0..60 {
                for b in 0..a {
                    ratios.push(
                        squared(&projected[a], &projected[b]) / squared(&vectors[a], &vectors[b]),
                    );
                }
            }
            let count = ratios.len() as f64;
            let mean = ratios.iter().sum::<f64>() / count;
            let deviation =
                (ratios.iter().map(|r| (r - 1.0) * (r - 1.0)).sum::<f64>() / count).sqrt();
            let said = (2.0 / dimensions as f64).sqrt();
            assert!((mean - 1.0).abs() < 0.6 * said, "{dimensions}: {mean}");
            assert!(deviation < 1.2 * said, "{dimensions}: {deviation} {said}");
        }
    }

    #[test]
    fn the_largest_numbers_have_a_finite_projection() {
        assert!(project(&[f64::MAX; 100], 2).iter().all(|x| x.is_finite()));
    }
}
