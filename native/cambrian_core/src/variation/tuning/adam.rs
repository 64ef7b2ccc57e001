//! Adam: steps by the gradient of some rows at a time (Kingma & Ba 2015, algorithm 1).

use crate::base::cancel::CancelToken;
use crate::base::rng::Stream;
use crate::phenotype::gradient::{Differentiable, Reverse};

const FIRST_DECAY: f32 = 0.9;
const SECOND_DECAY: f32 = 0.999;
const EPSILON: f32 = 1e-8;

#[derive(Clone, Debug)]
pub struct Adam {
    point: Vec<f32>,
    /// The moments of the gradient.
    first: Vec<f32>,
    second: Vec<f32>,
    /// The decays to the power of the steps so far.
    first_power: f32,
    second_power: f32,
    limit: f32,
}

impl Adam {
    /// Weights stay within ± `limit`.
    pub fn new(point: Vec<f32>, limit: f32) -> Adam {
        let zeros = vec![0.0; point.len()];
        Adam {
            point,
            first: zeros.clone(),
            second: zeros,
            first_power: 1.0,
            second_power: 1.0,
            limit,
        }
    }

    /// Goes once over all rows, in a random order, and returns the point after that.
    pub fn pass(
        &mut self,
        reverse: &Reverse,
        data: &dyn Differentiable,
        (rate, batch): (f32, usize),
        rng: &mut Stream,
        token: &dyn CancelToken,
    ) -> Vec<f32> {
        let mut rows: Vec<usize> = (0..data.rows()).collect();
        rng.shuffle(&mut rows);
        for rows in rows.chunks(if batch == 0 { rows.len().max(1) } else { batch }) {
            if !token.should_continue() {
                break;
            }
            let (_, gradient) = reverse.gradient(&self.point, data, rows);
            self.step(&gradient, rate);
        }
        self.point.clone()
    }

    fn step(&mut self, gradient: &[f32], rate: f32) {
        self.first_power *= FIRST_DECAY;
        self.second_power *= SECOND_DECAY;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((weight, (first, second)), slope) in self.point.iter_mut().zip(moments).zip(gradient) {
            *first = FIRST_DECAY * *first + (1.0 - FIRST_DECAY) * slope;
            *second = SECOND_DECAY * *second + (1.0 - SECOND_DECAY) * slope * slope;
            let mean = *first / (1.0 - self.first_power);
            let scale = (*second / (1.0 - self.second_power)).sqrt() + EPSILON;
            let next = *weight - rate * mean / scale;
            if next.is_finite() {
                *weight = next.clamp(-self.limit, self.limit);
            }
        }
    }
}
