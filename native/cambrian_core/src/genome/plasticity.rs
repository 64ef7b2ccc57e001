//! Weights that learn while a network runs.

use crate::base::choice::choices;
use crate::base::math::{LIMIT, MAX_WEIGHT};

choices! {
    /// How the weights w of a node's inputs x change while the network runs. y is the node's
    /// output, η the learning rate and λ the decay. The genotype keeps its weights; the learnt part
    /// of a weight belongs to the network's memory.
    pub enum Plasticity {
        None = "none",
        /// w ← w + η x y − η λ w (Hebb 1949, with decay)
        Hebbian = "hebbian",
        /// w ← w + η y (x − y w) (Oja 1982)
        Oja = "oja",
        /// w ← w + η x y (y − θ), θ ← θ + (1 − λ)(y² − θ) (Bienenstock, Cooper & Munro 1982; the
        /// threshold as in Intrator & Cooper 1992)
        Bcm = "bcm",
        /// e ← λ e + x y, w ← w + η r e: a Hebbian trace that the reward r turns into learning
        /// (Izhikevich 2007, without spikes)
        Reward = "reward",
    }
}

/// A neuron's rule with its rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learning {
    pub plasticity: Plasticity,
    /// η
    pub rate: f32,
    /// λ
    pub decay: f32,
}

impl Learning {
    /// How many numbers its state is, for so many weights: first what each weight has learnt, then
    /// what the rule itself remembers.
    pub fn slots(&self, weights: usize) -> usize {
        match self.plasticity {
            Plasticity::None => 0,
            Plasticity::Hebbian | Plasticity::Oja => weights,
            Plasticity::Bcm => weights + 1,
            Plasticity::Reward => 2 * weights,
        }
    }

    /// The present value of a weight.
    pub fn weight(&self, gene: f32, nth: usize, state: &[f32]) -> f32 {
        if self.plasticity == Plasticity::None { gene } else { gene + state[nth] }
    }

    /// Learns from one tick: sources `x`, weight genes in the same order, output `y`, reward.
    pub fn learn(
        &self,
        x: &[f32],
        genes: impl Iterator<Item = f32>,
        y: f32,
        reward: f32,
        state: &mut [f32],
    ) {
        let Learning { plasticity, rate, decay } = *self;
        let slots = state.len();
        let (learnt, own) = state.split_at_mut(x.len().min(slots));
        for (nth, (gene, learnt)) in genes.zip(learnt).enumerate() {
            let (x, w) = (x[nth], gene + *learnt);
            let change = match plasticity {
                Plasticity::None => return,
                Plasticity::Hebbian => hebbian(rate, decay, x, y, w),
                Plasticity::Oja => oja(rate, x, y, w),
                Plasticity::Bcm => bcm(rate, x, y, own[0]),
                Plasticity::Reward => {
                    own[nth] = trace(decay, x, y, own[nth]);
                    rate * reward * own[nth]
                }
            };
            *learnt = taught(gene, w, change);
        }
        if plasticity == Plasticity::Bcm {
            own[0] = threshold(decay, y, own[0]);
        }
    }
}

// These are written into exported networks as they stand here.

fn hebbian(rate: f32, decay: f32, x: f32, y: f32, w: f32) -> f32 {
    rate * (x * y - decay * w)
}

fn oja(rate: f32, x: f32, y: f32, w: f32) -> f32 {
    rate * y * (x - y * w)
}

fn bcm(rate: f32, x: f32, y: f32, threshold: f32) -> f32 {
    rate * x * y * (y - threshold)
}

/// The next threshold of [`bcm`].
fn threshold(decay: f32, y: f32, threshold: f32) -> f32 {
    bounded(threshold + (1.0 - decay) * (y * y - threshold), LIMIT)
}

/// The next trace of what reward strengthens.
fn trace(decay: f32, x: f32, y: f32, trace: f32) -> f32 {
    bounded(decay * trace + x * y, LIMIT)
}

/// What a weight that changes has learnt in all: its difference from its gene.
fn taught(gene: f32, w: f32, change: f32) -> f32 {
    bounded(w + change, MAX_WEIGHT) - gene
}

/// Within ± `limit`, also where large numbers have cancelled to NaN.
fn bounded(x: f32, limit: f32) -> f32 {
    if x.is_nan() { 0.0 } else { x.clamp(-limit, limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learning(plasticity: Plasticity, rate: f32, decay: f32) -> Learning {
        Learning { plasticity, rate, decay }
    }

    /// Trains a linear neuron on a stream of inputs and returns its weights.
    fn train(
        rule: Learning,
        mut w: Vec<f32>,
        inputs: impl Iterator<Item = (Vec<f32>, f32)>,
    ) -> Vec<f32> {
        let genes = w.clone();
        let mut state = vec![0.0; rule.slots(w.len())];
        for (x, reward) in inputs {
            let y = x.iter().zip(&w).map(|(x, w)| x * w).sum();
            rule.learn(&x, genes.iter().copied(), y, reward, &mut state);
            w = genes
                .iter()
                .enumerate()
                .map(|(nth, gene)| rule.weight(*gene, nth, &state))
                .collect();
        }
        w
    }

    /// Points spread along (0.8, 0.6).
    fn cloud() -> impl Iterator<Item = (Vec<f32>, f32)> {
        (0..20_000).map(|i| {
            let (long, short) =
                ((i * 7 % 41) as f32 / 20.0 - 1.0, (i * 11 % 29) as f32 / 140.0 - 0.1);
            (vec![0.8 * long - 0.6 * short, 0.6 * long + 0.8 * short], 0.0)
        })
    }

    #[test]
    fn ojas_rule_finds_the_first_principal_component_with_length_one() {
        let w = train(learning(Plasticity::Oja, 0.02, 0.0), vec![0.5, -0.1], cloud());
        let (along, length) = ((0.8 * w[0] + 0.6 * w[1]).abs(), w[0].hypot(w[1]));
        assert!((length - 1.0).abs() < 0.05 && along > 0.99, "{w:?}");
    }

    #[test]
    fn hebbs_rule_grows_without_end_and_its_decay_bounds_it() {
        let ones = || (0..200).map(|_| (vec![1.0], 0.0));
        assert!(train(learning(Plasticity::Hebbian, 0.05, 0.0), vec![0.1], ones())[0] > 1e3);
        // at decay 1 the growth of w by η x y = η w is undone
        assert!(
            (train(learning(Plasticity::Hebbian, 0.05, 1.0), vec![0.1], ones())[0] - 0.1).abs()
                < 1e-5
        );
    }

    #[test]
    fn bcm_becomes_selective_for_one_of_two_patterns() {
        let patterns =
            (0..40_000).map(|i| (if i % 2 == 0 { vec![1.0, 0.0] } else { vec![0.0, 1.0] }, 0.0));
        let w = train(learning(Plasticity::Bcm, 0.01, 0.9), vec![0.6, 0.5], patterns);
        assert!(w[0] > 1.0 && w[1].abs() < 0.1, "{w:?}");
    }

    #[test]
    fn reward_strengthens_the_connections_that_were_active_before_it() {
        let rewarded = |reward: f32| {
            let events =
                (0..50).map(move |i| (vec![1.0, 0.0], if i % 5 == 4 { reward } else { 0.0 }));
            train(learning(Plasticity::Reward, 0.05, 0.8), vec![0.5, 0.5], events)
        };
        let (up, none, down) = (rewarded(1.0), rewarded(0.0), rewarded(-1.0));
        assert!(up[0] > 0.6 && down[0] < 0.4, "{up:?} {down:?}");
        assert_eq!(none, [0.5, 0.5]);
        assert_eq!((up[1], down[1]), (0.5, 0.5), "a source that was silent learns nothing");
    }

    #[test]
    fn no_weight_becomes_infinite() {
        for plasticity in
            [Plasticity::Hebbian, Plasticity::Oja, Plasticity::Bcm, Plasticity::Reward]
        {
            let rule = learning(plasticity, 1.0, 0.5);
            let mut state = vec![0.0; rule.slots(2)];
            for y in [1e12, -1e12, 1e12, 1e12] {
                rule.learn(&[1e12, -1e12], [1e6, -1e6].into_iter(), y, 1e12, &mut state);
                assert!(state.iter().all(|x| x.is_finite()), "{plasticity:?} {state:?}");
            }
        }
    }
}
