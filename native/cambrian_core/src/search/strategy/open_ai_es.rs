//! The evolution strategy of Salimans, Ho, Chen, Sidor & Sutskever 2017, "Evolution strategies as a
//! scalable alternative to reinforcement learning", arXiv:1703.03864: a mean follows the gradient
//! of the ranks of the points around it. Points come in pairs, mean + σε and mean − σε. The noise
//! ε is drawn again when the fitness is known, so that only fitness has to travel.
//!
//! The paper's code also pulls the mean towards 0 (weight decay); this one does not.

use super::{Draws, Strategy};
use crate::genome::parameters::Parameters;
use crate::variation::adam::Adam;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenAiEs {
    size: usize,
    sigma: f64,
    mean: Vec<f64>,
    adam: Adam,
}

impl OpenAiEs {
    pub fn new(start: &[f32], p: &Parameters) -> OpenAiEs {
        OpenAiEs {
            size: p.population as usize,
            sigma: f64::from(p.strategy_step),
            mean: start.iter().copied().map(f64::from).collect(),
            adam: Adam::new(start.len(), f64::from(p.strategy_rate)),
        }
    }

    /// ε of a pair.
    fn noise(&self, pair: usize, draws: Draws) -> Vec<f32> {
        let mut noise = vec![0.0; self.mean.len()];
        draws.of(pair).normals(&mut noise, |_, z| z);
        noise
    }
}

impl Strategy for OpenAiEs {
    fn size(&self) -> usize {
        self.size
    }

    /// Of an odd number of points the last is the mean.
    fn point(&self, place: usize, draws: Draws) -> Vec<f32> {
        if place.is_multiple_of(2) && place + 1 == self.size {
            return self.mean.iter().map(|x| *x as f32).collect();
        }
        let step = if place.is_multiple_of(2) { self.sigma } else { -self.sigma };
        let noise = self.noise(place / 2, draws);
        self.mean.iter().zip(noise).map(|(x, e)| (x + step * f64::from(e)) as f32).collect()
    }

    fn tell(&mut self, _: &[Vec<f32>], fitness: &[f64], draws: Draws) {
        let ranks = centred_ranks(fitness);
        let mut gradient = vec![0.0; self.mean.len()];
        for (pair, ranks) in ranks.chunks_exact(2).enumerate() {
            let worth = (ranks[0] - ranks[1]) / (fitness.len() as f64 * self.sigma);
            if worth != 0.0 {
                let noise = self.noise(pair, draws);
                gradient.iter_mut().zip(noise).for_each(|(sum, e)| *sum += worth * f64::from(e));
            }
        }
        self.adam.ascend(&mut self.mean, &gradient);
    }

    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool {
        let Adam { rate, first, second, .. } = &self.adam;
        let mut all = self.mean.iter().chain(first).chain(second);
        self.size == p.population as usize
            && [self.mean.len(), first.len(), second.len()] == [numbers; 3]
            && all.all(|x| x.is_finite())
            && second.iter().all(|x| *x >= 0.0)
            && (self.sigma, *rate) == (f64::from(p.strategy_step), f64::from(p.strategy_rate))
    }
}

/// From −½ for the worst to ½ for the best; equals share the mean of their ranks.
fn centred_ranks(fitness: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..fitness.len()).collect();
    order.sort_by(|&a, &b| fitness[a].total_cmp(&fitness[b]));
    let last = (fitness.len() - 1) as f64;
    let mut ranks = vec![0.0; fitness.len()];
    let mut below = 0;
    for equals in order.chunk_by(|&a, &b| fitness[a] == fitness[b]) {
        let mean = below as f64 + (equals.len() - 1) as f64 / 2.0;
        equals.iter().for_each(|at| ranks[*at] = mean / last - 0.5);
        below += equals.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_centred_and_equals_share_theirs() {
        assert_eq!(centred_ranks(&[3.0, 1.0, 2.0]), [0.5, -0.5, 0.0]);
        assert_eq!(centred_ranks(&[1.0, 1.0, f64::NEG_INFINITY]), [0.25, 0.25, -0.5]);
        assert_eq!(centred_ranks(&[7.0; 4]), [0.0; 4]);
    }
}
