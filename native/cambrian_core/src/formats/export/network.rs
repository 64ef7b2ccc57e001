// The parts of an exported network that Cambrian itself does another way. parts.rs puts those that
// a file needs into it, with those of base/math, genome/dynamics.rs and genome/plasticity.rs. They
// need `core` alone and have no unsafe code.

/// The square root of a number from 1 on, rounded as IEEE 754 has it: a bit at a time, one more
/// than is kept.
fn sqrt(x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    let (exponent, fraction) = (x.to_bits() >> 23, x.to_bits() & 0x007F_FFFF | 0x0080_0000);
    let odd = !exponent & 1;
    let square = u64::from(fraction) << (25 + odd);
    let mut root = 0_u32;
    for bit in (0..=24).rev() {
        let next = root | 1 << bit;
        if u64::from(next) * u64::from(next) <= square {
            root = next;
        }
    }
    f32::from_bits(((exponent - 127 - odd) / 2 + 126) * 0x0080_0000 + (root + 1) / 2)
}

/// A node: activation(gain · aggregate(weight · source, …) + bias).
struct Unit {
    activation: fn(f32) -> f32,
    gain: f32,
    bias: f32,
    links: Index,
}

/// What a node has that does more: an aggregation other than the sum, dynamics, plasticity.
struct Special {
    unit: Index,
    /// Where in the row the state of its dynamics begins, and how long that is; what it has learnt
    /// follows.
    state: Index,
    length: Index,
    aggregate: fn(&mut [f32]) -> f32,
    tick: fn(&Special, fn(f32) -> f32, f32, &mut [f32]) -> f32,
    learn: Option<fn(&Special, &Links, f32, &mut [f32])>,
    /// In ticks; `leak` is 1 − e^(−1/time_constant).
    time_constant: f32,
    leak: f32,
    rate: f32,
    decay: f32,
}

/// The connections into a node.
struct Links {
    sources: &'static [Index],
    weights: &'static [f32],
}

/// Where in the row what its weights have learnt begins.
fn learnt_from(special: &Special) -> usize {
    special.state as usize + special.length as usize
}

/// Gives each weight what it has learnt from one tick, of its source, the weight, and its place.
fn teach(
    special: &Special,
    links: &Links,
    row: &mut [f32],
    change: impl Fn(f32, f32, &mut [f32], usize) -> f32,
) {
    for (nth, (source, gene)) in links.sources.iter().zip(links.weights).enumerate() {
        let learnt = learnt_from(special) + nth;
        let w = gene + row[learnt];
        let change = change(row[*source as usize], w, row, learnt + links.weights.len());
        row[learnt] = taught(*gene, w, change);
    }
}

fn learn_hebbian(special: &Special, links: &Links, y: f32, row: &mut [f32]) {
    teach(special, links, row, |x, w, _, _| hebbian(special.rate, special.decay, x, y, w));
}

fn learn_oja(special: &Special, links: &Links, y: f32, row: &mut [f32]) {
    teach(special, links, row, |x, w, _, _| oja(special.rate, x, y, w));
}

fn learn_bcm(special: &Special, links: &Links, y: f32, row: &mut [f32]) {
    let at = learnt_from(special) + links.weights.len();
    teach(special, links, row, |x, _, row, _| bcm(special.rate, x, y, row[at]));
    row[at] = threshold(special.decay, y, row[at]);
}

fn learn_reward(special: &Special, links: &Links, y: f32, row: &mut [f32]) {
    teach(special, links, row, |x, _, row, at| {
        row[at] = trace(special.decay, x, y, row[at]);
        special.rate * row[REWARD] * row[at]
    });
}

/// The output of a node that sums and activates.
fn plain(unit: &Unit, links: &Links, row: &[f32]) -> f32 {
    let sources = links.sources.iter().map(|source| row[*source as usize]);
    let net = sources.zip(links.weights).fold(0.0, |net, (x, weight)| net + x * weight);
    (unit.activation)(net * unit.gain + unit.bias)
}

/// The output of a node that does more; its state goes on by a tick.
fn fire(unit: &Unit, special: &Special, links: &Links, row: &mut [f32]) -> f32 {
    let mut terms = [0.0; MOST_TERMS];
    let terms = &mut terms[..links.weights.len()];
    for (nth, term) in terms.iter_mut().enumerate() {
        let gene = links.weights[nth];
        let weight = match special.learn {
            Some(_) => gene + row[learnt_from(special) + nth],
            None => gene,
        };
        *term = row[links.sources[nth] as usize] * weight;
    }
    let net = if terms.is_empty() { 0.0 } else { (special.aggregate)(terms) };
    let state = &mut row[special.state as usize..][..special.length as usize];
    let y = (special.tick)(special, unit.activation, net * unit.gain + unit.bias, state);
    if let Some(learn) = special.learn {
        learn(special, links, y, row);
    }
    y
}
