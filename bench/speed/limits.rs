//! What a loop written by hand for this one network does on this machine: the most that a library
//! can hope for.
//!
//! The same arithmetic as Cambrian's: f32, a product and then a sum, no fused multiply-add, tanh
//! within 4e-7.

use crate::measure::Contestant;
use crate::model::Net;
use ed25519_dalek::{Signer, SigningKey};
use std::hint::black_box;

pub trait Squash {
    const NAME: &str;
    fn of(x: f32) -> f32;
}

/// The rational of `cambrian_core::base::math::tanh`, clamped with comparisons that compile to one
/// instruction each.
pub struct Tanh;

impl Squash for Tanh {
    const NAME: &str = "tanh";

    #[inline(always)]
    fn of(x: f32) -> f32 {
        let x = if x < 9.01 { x } else { 9.01 };
        let x = if x > -9.01 { x } else { -9.01 };
        let u = x * x;
        let p = 1.333_771_1e-8 * u + 2.059_696_8e-5;
        let p = (p * u + 3.494_856_2e-3) * u + 1.338_041_1e-1;
        let q = 7.769_657_5e-7 * u + 3.284_435e-4;
        let q = (q * u + 2.587_420_1e-2) * u + 4.671_372_5e-1;
        let y = x * (p * u + 1.0) / (q * u + 1.0);
        let y = if y < 1.0 { y } else { 1.0 };
        if y > -1.0 { y } else { -1.0 }
    }
}

/// The cheapest there is, to show what tanh costs.
pub struct Relu;

impl Squash for Relu {
    const NAME: &str = "relu";

    #[inline(always)]
    fn of(x: f32) -> f32 {
        if x > 0.0 { x } else { 0.0 }
    }
}

/// Nodes renumbered level by level, so that the nodes of one level are neighbours and their tanh is
/// one vector loop.
struct Loop {
    inputs: usize,
    /// one past the last link of each node that is computed
    ends: Vec<u32>,
    links: Vec<(u32, f32)>,
    /// one past the last node of each level
    levels: Vec<u32>,
    outputs: Vec<u32>,
    values: Vec<f32>,
}

impl Loop {
    fn new(net: &Net) -> Loop {
        let mut level = vec![0; net.nodes()];
        let mut incoming = vec![Vec::new(); net.nodes()];
        for l in &net.links {
            incoming[l.to].push(l);
        }
        for (to, own) in incoming.iter().enumerate() {
            level[to] = own.iter().map(|l| level[l.from] + 1).max().unwrap_or(0);
        }
        let mut order: Vec<usize> = (0..net.nodes()).collect();
        order.sort_by_key(|&at| (level[at], at));
        let mut place = vec![0; net.nodes()];
        order.iter().enumerate().for_each(|(to, &at)| place[at] = to as u32);
        let (mut ends, mut links, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for (to, &at) in order.iter().enumerate().skip(net.inputs) {
            links.extend(incoming[at].iter().map(|l| (place[l.from], l.weight)));
            ends.push(links.len() as u32);
            if order.get(to + 1).is_none_or(|&next| level[next] > level[at]) {
                levels.push(to as u32 + 1);
            }
        }
        let outputs = (net.inputs + net.hidden..net.nodes()).map(|at| place[at]).collect();
        Loop { inputs: net.inputs, ends, links, levels, outputs, values: vec![0.0; net.nodes()] }
    }

    fn activate<S: Squash>(&mut self, input: &[f32], outputs: &mut [f32]) {
        self.values[..self.inputs].copy_from_slice(input);
        let (mut node, mut link) = (self.inputs, 0);
        for &level in &self.levels {
            let (first, level) = (node, level as usize);
            while node < level {
                // in range: made so by `new`
                unsafe {
                    let end = *self.ends.get_unchecked(node - self.inputs) as usize;
                    let mut sum = 0.0;
                    while link < end {
                        let (source, weight) = *self.links.get_unchecked(link);
                        sum += self.values.get_unchecked(source as usize) * weight;
                        link += 1;
                    }
                    *self.values.get_unchecked_mut(node) = sum;
                }
                node += 1;
            }
            self.values[first..level].iter_mut().for_each(|x| *x = S::of(*x));
        }
        outputs
            .iter_mut()
            .zip(&self.outputs)
            .for_each(|(out, &at)| *out = self.values[at as usize]);
    }
}

pub fn outputs(net: &Net, input: &[f32]) -> Vec<f32> {
    let mut outputs = vec![0.0; net.outputs];
    Loop::new(net).activate::<Tanh>(input, &mut outputs);
    outputs
}

pub fn single<'a, S: Squash>(nets: &[Net], rows: &'a [f32]) -> Contestant<'a> {
    let mut loops: Vec<Loop> = nets.iter().map(Loop::new).collect();
    let (width, work) = (nets[0].inputs, nets.iter().map(|net| net.links.len()).sum());
    let mut outputs = vec![0.0; nets[0].outputs];
    let mut row = rows.chunks_exact(width).cycle();
    Contestant::new(&format!("limit: loop, {}", S::NAME), work, move || {
        for network in &mut loops {
            network.activate::<S>(black_box(row.next().expect("a cycle")), &mut outputs);
            black_box(&outputs);
        }
    })
}

/// Many rows at once, `LANES` of them side by side in the values of a node, in registers while a
/// node is summed.
struct Batch<const LANES: usize> {
    net: Loop,
    values: Vec<Row<LANES>>,
}

/// Starts where a cache line does: a vector across two costs two loads.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Row<const LANES: usize>([f32; LANES]);

impl<const LANES: usize> Batch<LANES> {
    fn new(net: &Net) -> Batch<LANES> {
        Batch { net: Loop::new(net), values: vec![Row([0.0; LANES]); net.nodes()] }
    }

    #[inline(always)]
    fn activate<S: Squash>(&mut self, rows: &[f32], outputs: &mut [f32]) {
        let Loop { inputs, ends, links, outputs: places, .. } = &self.net;
        let blocks = rows.chunks(LANES * inputs).zip(outputs.chunks_mut(LANES * places.len()));
        for (rows, outputs) in blocks {
            for (lane, row) in rows.chunks_exact(*inputs).enumerate() {
                row.iter().zip(&mut self.values).for_each(|(x, value)| value.0[lane] = *x);
            }
            let mut link = 0;
            for (node, &end) in (*inputs..).zip(ends) {
                let mut sum = [0.0f32; LANES];
                while link < end as usize {
                    // in range: made so by `Loop::new`
                    let (source, weight) = unsafe { *links.get_unchecked(link) };
                    let source = unsafe { self.values.get_unchecked(source as usize) };
                    (0..LANES).for_each(|lane| sum[lane] += source.0[lane] * weight);
                    link += 1;
                }
                self.values[node] = Row(sum.map(S::of));
            }
            for (lane, row) in outputs.chunks_exact_mut(places.len()).enumerate() {
                row.iter_mut()
                    .zip(places)
                    .for_each(|(out, &at)| *out = self.values[at as usize].0[lane]);
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2<S: Squash>(&mut self, rows: &[f32], outputs: &mut [f32]) {
        self.activate::<S>(rows, outputs);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn avx512<S: Squash>(&mut self, rows: &[f32], outputs: &mut [f32]) {
        self.activate::<S>(rows, outputs);
    }
}

/// All rows through one network, on each instruction set that this processor has.
#[cfg(target_arch = "x86_64")]
pub fn batch<'a, S: Squash>(net: &Net, rows: &'a [f32]) -> Vec<Contestant<'a>> {
    let mut found = Vec::new();
    if is_x86_feature_detected!("avx2") {
        // the processor was asked
        let run = |batch: &mut Batch<64>, rows: &_, outputs: &mut _| unsafe {
            batch.avx2::<S>(rows, outputs)
        };
        found.push(contestant::<64, S>("AVX2", net, rows, run));
    }
    if is_x86_feature_detected!("avx512f") {
        let run = |batch: &mut Batch<64>, rows: &_, outputs: &mut _| unsafe {
            batch.avx512::<S>(rows, outputs)
        };
        found.push(contestant::<64, S>("AVX-512", net, rows, run));
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
pub fn batch<'a, S: Squash>(net: &Net, rows: &'a [f32]) -> Vec<Contestant<'a>> {
    vec![contestant::<16, S>(std::env::consts::ARCH, net, rows, Batch::activate::<S>)]
}

fn contestant<'a, const LANES: usize, S: Squash>(
    name: &str,
    net: &Net,
    rows: &'a [f32],
    run: impl Fn(&mut Batch<LANES>, &[f32], &mut [f32]) + 'a,
) -> Contestant<'a> {
    let (mut batch, count) = (Batch::new(net), rows.len() / net.inputs);
    let mut outputs = vec![0.0; count * net.outputs];
    Contestant::new(&format!("limit: {name}, {}", S::NAME), net.links.len() * count, move || {
        run(&mut batch, black_box(rows), &mut outputs);
        black_box(&outputs);
    })
}

const KEY: [u8; 32] = [7; 32];

/// An Ed25519 signature over 32 bytes, and nothing else.
pub fn sign() -> Contestant<'static> {
    let key = SigningKey::from_bytes(&KEY);
    Contestant::new("limit, a signature alone", 1, move || {
        black_box(key.sign(black_box(&KEY)));
    })
}

/// Its strict verification, by a key that is ready.
pub fn verify() -> Contestant<'static> {
    let key = SigningKey::from_bytes(&KEY);
    let (signature, key) = (key.sign(&KEY), key.verifying_key());
    Contestant::new("limit, a signature alone", 1, move || {
        key.verify_strict(black_box(&KEY), &signature).expect("genuine");
    })
}
