//! Steps by Adam, each along the gradient of some rows.

use super::Slope;
use crate::base::cancel::Cancelled;
use crate::base::rng::Stream;
use crate::phenotype::gradient::Reverse;
use crate::variation::adam::Adam;

#[derive(Clone, Debug)]
pub struct Minibatch {
    point: Vec<f64>,
    adam: Adam,
    /// Rows of a step; 0 for all.
    batch: usize,
    /// Weights stay within plus and minus this.
    limit: f64,
}

impl Minibatch {
    pub fn new(point: Vec<f32>, rate: f32, batch: usize, limit: f32) -> Minibatch {
        let adam = Adam::new(point.len(), f64::from(rate));
        let point = point.into_iter().map(f64::from).collect();
        Minibatch { point, adam, batch, limit: f64::from(limit) }
    }

    /// Goes once over all rows, in a random order, and returns the point after that.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub(super) fn pass(
        &mut self,
        reverse: &Reverse,
        slope: Slope,
        rng: &mut Stream,
    ) -> Result<Vec<f32>, Cancelled> {
        let mut rows: Vec<usize> = (0..slope.data.rows()).collect();
        rng.shuffle(&mut rows);
        let batch = if self.batch == 0 { rows.len().max(1) } else { self.batch };
        for rows in rows.chunks(batch) {
            let (_, gradient) = slope.gradient(reverse, &self.rounded(), rows)?;
            // a gradient beyond floats leads nowhere
            if gradient.iter().all(|slope| slope.is_finite()) {
                let up: Vec<f64> = gradient.into_iter().map(|slope| -f64::from(slope)).collect();
                self.adam.ascend(&mut self.point, &up);
                let limit = self.limit;
                self.point.iter_mut().for_each(|weight| *weight = weight.clamp(-limit, limit));
            }
        }
        Ok(self.rounded())
    }

    fn rounded(&self) -> Vec<f32> {
        self.point.iter().map(|weight| *weight as f32).collect()
    }
}
