//! Simulated binary crossover (Deb & Agrawal 1995, with the bounds of Deb's program of NSGA-II): a
//! weight becomes one of two numbers at the same distance from the mean of the parents' weights.

use crate::base::math;
use crate::genome::parameters::Parameters;

/// How many weights are drawn at once.
const MANY: usize = 32;
/// How many a vector of AVX2 has.
const VECTOR: usize = 8;
/// Half the smallest step of a random unit. 0 stands for all units below it.
const SMALLEST: f32 = 1.0 / 33_554_432.0;

/// Weights to be drawn, in columns, so that the compiler makes vector code of their arithmetic.
pub(super) struct Draws {
    count: usize,
    at: [usize; MANY],
    mine: [f32; MANY],
    theirs: [f32; MANY],
    unit: [f32; MANY],
    side: [f32; MANY],
    drawn: [f32; MANY],
}

impl Draws {
    pub fn new() -> Draws {
        let zeros = [0.0; MANY];
        Draws {
            count: 0,
            at: [0; MANY],
            mine: zeros,
            theirs: zeros,
            unit: zeros,
            side: zeros,
            drawn: zeros,
        }
    }

    /// Draws the weight at a place, on the lower or the higher side of the mean. `unit` is uniform
    /// in 0 ≤ u < 1.
    pub fn add(
        &mut self,
        weights: &mut [f32],
        (at, theirs): (usize, f32),
        unit: f32,
        lower: bool,
        p: &Parameters,
    ) {
        let nth = self.count;
        (self.at[nth], self.mine[nth], self.theirs[nth]) = (at, weights[at], theirs);
        (self.unit[nth], self.side[nth]) = (unit, if lower { -1.0 } else { 1.0 });
        self.count += 1;
        if self.count == MANY {
            self.finish(weights, p);
        }
    }

    /// Writes the weights that are left.
    pub fn finish(&mut self, weights: &mut [f32], p: &Parameters) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the instructions
            unsafe { self.draw_avx2(p) };
        } else {
            self.draw(p);
        }
        #[cfg(not(target_arch = "x86_64"))]
        self.draw(p);
        for (at, weight) in self.at.iter().zip(self.drawn).take(self.count) {
            weights[*at] = weight;
        }
        self.count = 0;
    }

    #[inline(always)]
    fn draw(&mut self, p: &Parameters) {
        for nth in 0..self.count.next_multiple_of(VECTOR).min(MANY) {
            let (mine, theirs) = (self.mine[nth], self.theirs[nth]);
            self.drawn[nth] = child(mine, theirs, self.unit[nth], self.side[nth], p);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn draw_avx2(&mut self, p: &Parameters) {
        self.draw(p);
    }
}

#[inline(always)]
fn child(mine: f32, theirs: f32, unit: f32, side: f32, p: &Parameters) -> f32 {
    let (low, high) = (mine.min(theirs), mine.max(theirs));
    let range = high - low;
    let power = p.simulated_binary_index + 1.0;
    let room = p.weight_limit - side * if side < 0.0 { low } else { high };
    let apart = range.max(1.0e-14);
    let alpha = 2.0 - math::power(1.0 + 2.0 * room.max(0.0) / apart, -power);
    let share = unit.max(SMALLEST) * alpha;
    let base = if share <= 1.0 { share } else { 1.0 / (2.0 - share).max(SMALLEST) };
    let spread = math::power(base, 1.0 / power) * range;
    // `clamp` could panic, which is a branch
    let child = (0.5 * (low + high + side * spread)).max(-p.weight_limit).min(p.weight_limit);
    if range < 1.0e-14 { mine } else { child }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deb & Agrawal: with the index n and far from the bounds, the spread is below b ≤ 1 with
    /// probability b^(n + 1) / 2.
    #[test]
    fn the_spread_is_that_of_the_paper_and_children_stay_in_bounds() {
        let p = Parameters { weight_limit: 1000.0, ..Parameters::default() };
        let units = || (0..1000).map(|n| (n as f32 + 0.5) / 1000.0);
        let of = |unit, side| f64::from(child(3.0, 1.0, unit, side, &p));
        for unit in units() {
            assert!((of(unit, -1.0) + of(unit, 1.0) - 4.0).abs() < 1e-4, "around the middle");
        }
        for b in [0.9f64, 0.95, 1.0] {
            let share = units().filter(|unit| of(*unit, 1.0) - 2.0 < b).count();
            assert!((share as f64 / 1000.0 - 0.5 * b.powi(16)).abs() < 0.005, "{b}: {share}");
        }
        let near = Parameters { weight_limit: 3.0, ..p };
        assert!(units().all(|unit| child(1.0, 3.0, unit, 1.0, &near) <= 3.0));
    }

    #[test]
    fn many_weights_are_each_drawn_as_one_is() {
        let p = Parameters::default();
        let mut weights: Vec<f32> = (0..100).map(|at| (at as f32).sin()).collect();
        let before = weights.clone();
        let gene = |at: usize| (at, before[at] * 1.5 - 0.1);
        let mut draws = Draws::new();
        for at in (0..100).step_by(2) {
            draws.add(&mut weights, gene(at), at as f32 / 100.0, at % 4 == 0, &p);
        }
        draws.finish(&mut weights, &p);
        for (at, weight) in weights.iter().enumerate() {
            let side = if at % 4 == 0 { -1.0 } else { 1.0 };
            let alone = child(before[at], gene(at).1, at as f32 / 100.0, side, &p);
            assert_eq!(*weight, if at % 2 == 0 { alone } else { before[at] });
        }
    }
}
