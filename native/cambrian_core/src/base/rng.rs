//! Random streams: a draw depends only on its purpose, not on the thread that draws first.

use crate::base::math;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The purpose of a stream. Two purposes never share draws.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    Birth = 1,
    Breeding = 2,
    Species = 3,
    Operator = 4,
    Tuning = 5,
    Selection = 6,
    Task = 7,
    Migration = 8,
    Archive = 9,
    Probe = 10,
    Centroids = 11,
    Sample = 12,
    Projection = 13,
    Emitter = 14,
    Niches = 15,
    Strategy = 16,
}

/// ChaCha8 with the key (seed, purpose, generation, index), one word each.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    pub fn new(seed: u64, purpose: Purpose, generation: u64, index: u64) -> Stream {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, generation, index])
        {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Stream(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0 ≤ u < 1, a multiple of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0 ≤ i < n (Lemire's multiply and shift); n must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// A random element; `None` of an empty slice.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { Some(&from[self.below(from.len())]) }
    }

    /// Puts the items into random order, each as likely as any other (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Standard normal, by the quantile function: one draw per number, |z| < 6.4.
    pub fn normal(&mut self) -> f32 {
        math::normal(self.0.next_u32())
    }

    /// Replaces each value by `change` of the value and a new [`Stream::normal`].
    pub fn normals(&mut self, values: &mut [f32], change: impl Fn(f32, f32) -> f32) {
        // in passes, so that the compiler can vectorise the last two
        let (mut draws, mut steps) = ([0; 64], [0.0; 64]);
        for values in values.chunks_mut(draws.len()) {
            let count = values.len();
            draws[..count].fill_with(|| self.0.next_u32());
            math::normals(&draws[..count], &mut steps);
            values.iter_mut().zip(steps).for_each(|(value, z)| *value = change(*value, z));
        }
    }
}

/// Random bits from a stream, 32 bits per draw.
#[derive(Default)]
pub struct RandomBits {
    bits: u32,
    left: u32,
}

impl RandomBits {
    pub fn draw(&mut self, rng: &mut Stream) -> bool {
        if self.left == 0 {
            (self.bits, self.left) = (rng.0.next_u32(), 32);
        }
        let heads = self.bits & 1 == 1;
        self.bits >>= 1;
        self.left -= 1;
        heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_in_every_part_of_the_key() {
        let draw = |s, g, i| Stream::new(s, Purpose::Breeding, g, i).0.next_u64();
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        let mut seen = vec![draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)];
        seen.push(Stream::new(1, Purpose::Birth, 2, 3).0.next_u64());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }

    /// `normals` uses the widest vectors of this processor, `normal` uses none.
    #[test]
    fn many_normals_are_those_that_are_drawn_one_by_one() {
        for count in [1, 7, 8, 63, 64, 65, 1000] {
            let (mut alone, mut together) =
                (Stream::new(7, Purpose::Birth, 0, 1), vec![0.5; count]);
            Stream::new(7, Purpose::Birth, 0, 1).normals(&mut together, |value, z| value + z);
            assert!(together.iter().all(|sum| sum.to_bits() == (0.5 + alone.normal()).to_bits()));
        }
    }

    #[test]
    fn normals_have_the_moments_of_a_normal() {
        let mut rng = Stream::new(7, Purpose::Birth, 0, 0);
        let n = 200_000;
        let draws: Vec<f64> = (0..n).map(|_| f64::from(rng.normal())).collect();
        let moment = |k| draws.iter().map(|z| z.powi(k)).sum::<f64>() / f64::from(n);
        assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "variance {}", moment(2));
        assert!(moment(3).abs() < 0.04, "skew {}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.1, "kurtosis {}", moment(4));
    }
}
