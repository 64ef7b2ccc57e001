//! Adam: steps along a gradient with momentum and a step size for each number (Kingma & Ba 2015,
//! "Adam: a method for stochastic optimization", algorithm 1).

use serde::{Deserialize, Serialize};

const DECAY: (f64, f64) = (0.9, 0.999);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Adam {
    pub(crate) rate: f64,
    /// The moments of the gradient.
    pub(crate) first: Vec<f64>,
    pub(crate) second: Vec<f64>,
    iteration: u32,
}

impl Adam {
    pub fn new(numbers: usize, rate: f64) -> Adam {
        let still = vec![0.0; numbers];
        Adam { rate, first: still.clone(), second: still, iteration: 0 }
    }

    /// One step up the gradient.
    pub fn ascend(&mut self, point: &mut [f64], gradient: &[f64]) {
        self.iteration = self.iteration.saturating_add(1);
        let settled = |decay| 1.0 - libm::pow(decay, f64::from(self.iteration));
        let (first, second) = (settled(DECAY.0), settled(DECAY.1));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((x, g), (m, v)) in point.iter_mut().zip(gradient).zip(moments) {
            *m = DECAY.0 * *m + (1.0 - DECAY.0) * g;
            *v = DECAY.1 * *v + (1.0 - DECAY.1) * (g * g);
            *x += self.rate * (*m / first) / ((*v / second).sqrt() + 1e-8);
        }
    }
}
