//! L-BFGS: steps by the gradient of all rows and the curvature of the last steps (Nocedal & Wright
//! 2006, algorithms 7.4 and 7.5), each as long as Armijo's condition allows (algorithm 3.1).

use super::Slope;
use crate::base::cancel::Cancelled;
use crate::phenotype::gradient::Reverse;
use std::collections::VecDeque;

/// Steps that are remembered.
const MEMORY: usize = 10;
const ARMIJO: f64 = 1e-4;
/// A step is halved so often before the search gives up.
const HALVINGS: usize = 20;

#[derive(Clone, Debug)]
pub struct Lbfgs {
    point: Vec<f32>,
    /// Loss and gradient at the point; none before the first step.
    known: Option<(f64, Vec<f64>)>,
    /// The last steps and how the gradient changed with each.
    past: VecDeque<(Vec<f64>, Vec<f64>)>,
    limit: f32,
}

impl Lbfgs {
    /// Weights stay within ± `limit`.
    pub fn new(point: Vec<f32>, limit: f32) -> Lbfgs {
        Lbfgs { point, known: None, past: VecDeque::new(), limit }
    }

    /// The point after one more step; `None` if no step lowers the loss.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub(super) fn step(
        &mut self,
        reverse: &Reverse,
        slope_of: Slope,
    ) -> Result<Option<Vec<f32>>, Cancelled> {
        let rows: Vec<usize> = (0..slope_of.data.rows()).collect();
        let measure = |point: &[f32]| {
            let (loss, gradient) = slope_of.gradient(reverse, point, &rows)?;
            Ok((loss, gradient.into_iter().map(f64::from).collect::<Vec<f64>>()))
        };
        let (loss, gradient) = match self.known.take() {
            Some(known) => known,
            None => measure(&self.point)?,
        };
        let mut direction = self.direction(&gradient);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 || !slope.is_finite() {
            self.past.clear();
            direction = gradient.iter().map(|slope| -slope).collect();
            slope = dot(&direction, &gradient);
        }
        // the first step has no scale yet
        let longest = dot(&direction, &direction).sqrt();
        let mut length =
            if self.past.is_empty() { (1.0 / longest.max(1e-300)).min(1.0) } else { 1.0 };
        for _ in 0..HALVINGS {
            let moved = self.moved(&direction, length);
            let (next_loss, next_gradient) = measure(&moved)?;
            if next_loss <= loss + ARMIJO * length * slope && next_loss < loss {
                self.remember(&moved, &gradient, &next_gradient);
                self.point = moved;
                self.known = Some((next_loss, next_gradient));
                return Ok(Some(self.point.clone()));
            }
            length *= 0.5;
        }
        Ok(None)
    }

    fn moved(&self, direction: &[f64], length: f64) -> Vec<f32> {
        let step = |(weight, step): (&f32, &f64)| {
            ((f64::from(*weight) + length * step) as f32).clamp(-self.limit, self.limit)
        };
        self.point.iter().zip(direction).map(step).collect()
    }

    /// Only steps along which the gradient grows tell of the curvature.
    fn remember(&mut self, moved: &[f32], before: &[f64], after: &[f64]) {
        let step: Vec<f64> = (moved.iter().zip(&self.point))
            .map(|(now, before)| f64::from(*now) - f64::from(*before))
            .collect();
        let change: Vec<f64> = after.iter().zip(before).map(|(now, before)| now - before).collect();
        if dot(&step, &change) > 1e-12 * dot(&change, &change) {
            self.past.push_back((step, change));
            if self.past.len() > MEMORY {
                self.past.pop_front();
            }
        }
    }

    /// The two loops of algorithm 7.4.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.to_vec();
        let mut shares = Vec::with_capacity(self.past.len());
        for (step, change) in self.past.iter().rev() {
            let share = dot(step, &q) / dot(step, change);
            q.iter_mut().zip(change).for_each(|(q, change)| *q -= share * change);
            shares.push(share);
        }
        if let Some((step, change)) = self.past.back() {
            let scale = dot(step, change) / dot(change, change);
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for ((step, change), share) in self.past.iter().zip(shares.into_iter().rev()) {
            let other = dot(change, &q) / dot(step, change);
            q.iter_mut().zip(step).for_each(|(q, step)| *q += (share - other) * step);
        }
        q.iter_mut().for_each(|q| *q = -*q);
        q
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}
