//! The arithmetic of a compiled network, written once for every instruction set.
//!
//! A node adds its weighted sources in the order of its connections. Vectors run across nodes or
//! across samples, never within a sum: so the bits are the same for any width of vectors. The code
//! of this module is inlined into one function per instruction set, and the compiler vectorises
//! each function.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod baseline;

use crate::base::cancel::{Cancelled, WorkMeter};
use crate::base::math::{Activation, Aggregation};
use crate::genome::dynamics::Cell;
use crate::genome::plasticity::{Learning, Plasticity};
use crate::phenotype::cost::PLAIN;

/// An instruction set of this machine for which there is a path. Only [`Isa::available`] makes
/// values of this type, so a path never runs on a processor that lacks its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// The instructions of every processor of the architecture: SSE2 on x86-64, NEON on aarch64,
    /// else scalar.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The paths for this machine, the fastest last.
    pub fn available() -> Vec<Isa> {
        #[cfg(not(target_arch = "x86_64"))]
        let wider: [Option<Set>; 0] = [];
        #[cfg(target_arch = "x86_64")]
        let wider = [
            is_x86_feature_detected!("avx2").then_some(Set::Avx2),
            is_x86_feature_detected!("avx512f").then_some(Set::Avx512),
        ];
        std::iter::once(Set::Baseline).chain(wider.into_iter().flatten()).map(Isa).collect()
    }

    fn activate(self) -> ActivateFn {
        match self.0 {
            Set::Baseline => baseline::activate,
            // SAFETY: an `Isa` exists only if the processor has it
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 | Set::Avx512 => {
                |a, sums, gains, biases| unsafe { avx2::activate(a, sums, gains, biases) }
            }
        }
    }

    pub fn fastest() -> Isa {
        static FASTEST: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
        *FASTEST.get_or_init(|| *Isa::available().last().unwrap_or(&Isa(Set::Baseline)))
    }
}

/// The program of a network. Its values are in one row: inputs, memory, units, and some padding
/// that vectors may write to. So a source is one index for all three.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    pub inputs: usize,
    /// The count of numbers that are carried from step to step.
    pub memory: usize,
    /// Consecutive units that can be computed together.
    pub runs: Vec<Run>,
    /// For each unit, one past its last link; its first link is at the next multiple of [`QUAD`]
    /// after the last link of the unit before.
    pub ends: Vec<u32>,
    /// For each unit, and for the padding.
    pub gains: Vec<f32>,
    pub biases: Vec<f32>,
    /// Between the units there are links of weight 0, which change no sum.
    pub links: Vec<Link>,
    pub specials: Vec<Special>,
    /// Memory slots that hold a unit's value of the last step: (slot, unit), both as positions in
    /// the row.
    pub remembered: Vec<(u32, u32)>,
    pub outputs: Vec<u32>,
    /// The position of the reward in the row, if a unit learns from it.
    pub reward: Option<u32>,
}

/// Units from `begin` up to `end`, whose links begin at `link`, with their common kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub begin: u32,
    pub end: u32,
    pub link: u32,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Units that sum, and apply this activation to their net input.
    Plain(Activation),
    /// One special unit, by its number among the specials.
    Special(u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub source: u32,
    pub weight: f32,
}

/// A unit that is not plain: with another aggregation, dynamics or plasticity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Special {
    pub aggregation: Aggregation,
    pub cell: Cell,
    pub learning: Learning,
    /// The position of its state in the row, and its length.
    pub state: (u32, u32),
    /// The work besides its links, in units of work.
    pub cost: u64,
}

/// How many links are added without a branch. Then sums have fewer different numbers of iterations,
/// and a processor mispredicts each change of that number.
pub const QUAD: usize = 4;

/// Units in a vector of the row; the padding is one less.
pub const VECTOR: usize = 8;

impl Program {
    /// The position of the first unit in the row.
    pub fn first(&self) -> usize {
        self.inputs + self.memory
    }

    /// The length of the row.
    pub fn row(&self) -> usize {
        self.first() + self.ends.len() + VECTOR - 1
    }

    /// Checks the program, so that it can run.
    ///
    /// # Panics
    /// If a link's source is not in the row, or the columns of the units do not agree.
    pub fn check(self) -> CheckedProgram {
        let (row, units) = (self.row(), self.ends.len());
        assert!(self.links.iter().all(|link| (link.source as usize) < row));
        assert!(
            self.ends.is_sorted()
                && self.ends.last().is_none_or(|end| quads(*end) == self.links.len())
        );
        assert!([self.gains.len(), self.biases.len()] == [units + VECTOR - 1; 2]);
        CheckedProgram(self)
    }
}

/// A program that is known to be consistent. The code that runs it relies on that.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedProgram(Program);

impl std::ops::Deref for CheckedProgram {
    type Target = Program;
    fn deref(&self) -> &Program {
        &self.0
    }
}

impl CheckedProgram {
    /// Runs one step. Before, the row has the inputs and the memory; afterwards it has the units
    /// and the next memory.
    #[inline]
    pub fn step(&self, isa: Isa, row: &mut [f32]) {
        assert_eq!(row.len(), self.row());
        let activate = isa.activate();
        self.runs.iter().for_each(|run| step(self, run, row, activate));
        self.carry(row);
    }

    fn carry(&self, row: &mut [f32]) {
        for &(slot, source) in &self.remembered {
            row[slot as usize] = row[source as usize];
        }
    }

    /// Runs many samples through one network, each from rest: rows of inputs give rows of outputs.
    ///
    /// # Errors
    /// [`Cancelled`] by the meter, which asks also within a sample.
    pub fn batch(
        &self,
        isa: Isa,
        inputs: &[f32],
        outputs: &mut [f32],
        meter: &WorkMeter,
    ) -> Result<(), Cancelled> {
        let samples = inputs.len() / self.inputs;
        assert_eq!(
            (inputs.len(), outputs.len()),
            (samples * self.inputs, samples * self.outputs.len())
        );
        match isa.0 {
            Set::Baseline => baseline::batch(self, inputs, outputs, meter),
            // SAFETY: as in `Isa::activate`
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::batch(self, inputs, outputs, meter) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::batch(self, inputs, outputs, meter) },
        }
    }
}

/// Turns sums into outputs, one vector at a time. Each instruction set has its own function.
type ActivateFn = fn(Activation, &mut [[f32; VECTOR]], &[[f32; VECTOR]], &[[f32; VECTOR]]);

#[inline(always)]
fn activate(
    activation: Activation,
    sums: &mut [[f32; VECTOR]],
    gains: &[[f32; VECTOR]],
    biases: &[[f32; VECTOR]],
) {
    for ((sum, gain), bias) in sums.iter_mut().zip(gains).zip(biases) {
        (0..VECTOR).for_each(|at| sum[at] = sum[at] * gain[at] + bias[at]);
    }
    activation.apply_to(sums);
}

/// Runs up to this length do not use vectors: a vector would wait until the sums are in memory.
const SHORT: usize = 4;

#[inline(always)]
fn step(program: &Program, run: &Run, row: &mut [f32], activate: ActivateFn) {
    let (first, begin, end) = (program.first(), run.begin as usize, run.end as usize);
    match run.kind {
        Kind::Plain(activation) => {
            add_up(
                &program.ends[begin..end],
                &program.links,
                run.link as usize,
                row,
                first + begin,
            );
            let (gains, biases) = (&program.gains[begin..], &program.biases[begin..]);
            if end - begin <= SHORT {
                for ((sum, gain), bias) in
                    row[first + begin..first + end].iter_mut().zip(gains).zip(biases)
                {
                    *sum = activation.apply(*sum * gain + bias);
                }
            } else {
                // the rest of the last vector is computed later, with the units that it belongs to
                let sums = &mut row[first + begin..][..(end - begin).next_multiple_of(VECTOR)];
                activate(
                    activation,
                    sums.as_chunks_mut().0,
                    gains.as_chunks().0,
                    biases.as_chunks().0,
                );
            }
        }
        Kind::Special(nth) => {
            let links = &program.links[run.link as usize..program.ends[begin] as usize];
            fire_in_row(program, nth, begin, links, row);
        }
    }
}

/// The first link of the next unit.
fn quads(end: u32) -> usize {
    (end as usize).next_multiple_of(QUAD)
}

/// Writes the weighted sums of consecutive units into the row from `at` on. A separate function, so
/// that it has enough registers.
#[inline(never)]
fn add_up(ends: &[u32], links: &[Link], mut start: usize, row: &mut [f32], at: usize) {
    for (unit, end) in ends.iter().enumerate() {
        let end = quads(*end);
        let sum =
            links[start..end].as_chunks::<QUAD>().0.iter().flatten().fold(0.0, |sum, link| {
                // SAFETY: [`Program::check`] has checked every source against the row, and
                // [`CheckedProgram::step`] the length of the row; a check for every link would take
                // a third of the time
                sum + unsafe { row.get_unchecked(link.source as usize) } * link.weight
            });
        row[at + unit] = sum;
        start = end;
    }
}

#[inline(never)]
fn fire_in_row(program: &Program, nth: u32, unit: usize, links: &[Link], row: &mut [f32]) {
    let special = &program.specials[nth as usize];
    let sources: Vec<f32> = links.iter().map(|link| row[link.source as usize]).collect();
    let reward = program.reward.map_or(0.0, |slot| row[slot as usize]);
    let state = &mut row[special.state.0 as usize..][..special.state.1 as usize];
    let (gain, bias) = (program.gains[unit], program.biases[unit]);
    row[program.first() + unit] = special.fire(&sources, links, gain, bias, reward, state);
}

impl Special {
    /// The output for these sources; also advances the state by one step.
    fn fire(
        &self,
        x: &[f32],
        links: &[Link],
        gain: f32,
        bias: f32,
        reward: f32,
        state: &mut [f32],
    ) -> f32 {
        let (own, learnt) = state.split_at_mut(self.cell.slots());
        let weighted: Vec<f32> = (x.iter().zip(links).enumerate())
            .map(|(nth, (x, link))| x * self.learning.weight(link.weight, nth, learnt))
            .collect();
        let y = self.cell.tick(self.aggregation.apply(&weighted) * gain + bias, own);
        if self.learning.plasticity != Plasticity::None {
            self.learning.learn(x, links.iter().map(|link| link.weight), y, reward, learnt);
        }
        y
    }
}

/// One value for each of many samples. Aligned, because a load across two cache lines costs two
/// loads.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes<const LANES: usize>([f32; LANES]);

/// The position of a value in the row of a batch. At rest all memory is zero, so one position
/// serves for all of it: a stranger's network may have millions of slots.
fn at_rest(program: &Program, place: u32) -> u32 {
    let (inputs, memory) = (program.inputs as u32, program.memory as u32);
    if place < inputs + memory { place.min(inputs) } else { place - memory + 1 }
}

/// `LANES` samples at a time.
#[inline(always)]
fn batch<const LANES: usize>(
    program: &Program,
    inputs: &[f32],
    outputs: &mut [f32],
    meter: &WorkMeter,
) -> Result<(), Cancelled> {
    let mut row = vec![Lanes([0.0; LANES]); program.inputs + 1 + program.ends.len()];
    let link = |link: &Link| Link { source: at_rest(program, link.source), ..*link };
    let links: Vec<Link> = program.links.iter().map(link).collect();
    assert!(links.iter().all(|link| (link.source as usize) < row.len()));
    let blocks = inputs
        .chunks(LANES * program.inputs)
        .zip(outputs.chunks_mut(LANES * program.outputs.len()));
    for (inputs, outputs) in blocks {
        for (lane, sample) in inputs.chunks_exact(program.inputs).enumerate() {
            sample.iter().zip(&mut row).for_each(|(x, values)| values.0[lane] = *x);
        }
        step_lanes(program, &links, &mut row, meter)?;
        for (lane, sample) in outputs.chunks_exact_mut(program.outputs.len()).enumerate() {
            sample
                .iter_mut()
                .zip(&program.outputs)
                .for_each(|(y, at)| *y = row[at_rest(program, *at) as usize].0[lane]);
        }
    }
    Ok(())
}

#[inline(always)]
fn step_lanes<const LANES: usize>(
    program: &Program,
    links: &[Link],
    row: &mut [Lanes<LANES>],
    meter: &WorkMeter,
) -> Result<(), Cancelled> {
    let first = program.inputs + 1;
    for run in &program.runs {
        let mut link = run.link as usize;
        meter.spend(work_of_lanes(program, run))?;
        for at in run.begin as usize..run.end as usize {
            let links = &links[link..program.ends[at] as usize];
            link = quads(program.ends[at]);
            let (gain, bias) = (program.gains[at], program.biases[at]);
            row[first + at].0 = match run.kind {
                Kind::Plain(activation) => {
                    let mut net = weighted_sums(links, row);
                    net.iter_mut().for_each(|net| *net = *net * gain + bias);
                    activation.apply_to(std::slice::from_mut(&mut net));
                    net
                }
                Kind::Special(nth) => {
                    fire_lanes(&program.specials[nth as usize], links, gain, bias, row)
                }
            };
        }
    }
    Ok(())
}

/// The work of one run on a full batch of at most 64 samples. A vector computes eight of them at
/// once; a special unit computes them one by one.
fn work_of_lanes(program: &Program, run: &Run) -> u64 {
    let links = u64::from(program.ends[run.end as usize - 1] - run.link);
    match run.kind {
        Kind::Plain(_) => 8 * (links + PLAIN * u64::from(run.end - run.begin)),
        Kind::Special(nth) => 64 * (links + program.specials[nth as usize].cost),
    }
}

#[inline(always)]
fn weighted_sums<const LANES: usize>(links: &[Link], row: &[Lanes<LANES>]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for link in links {
        // SAFETY: `batch` has checked every source against the row
        let values = unsafe { &row.get_unchecked(link.source as usize).0 };
        for lane in 0..LANES {
            sums[lane] += values[lane] * link.weight;
        }
    }
    sums
}

#[inline(never)]
fn fire_lanes<const LANES: usize>(
    special: &Special,
    links: &[Link],
    gain: f32,
    bias: f32,
    row: &[Lanes<LANES>],
) -> [f32; LANES] {
    std::array::from_fn(|lane| {
        let sources: Vec<f32> =
            links.iter().map(|link| row[link.source as usize].0[lane]).collect();
        let mut state = vec![0.0; special.state.1 as usize];
        special.fire(&sources, links, gain, bias, 0.0, &mut state)
    })
}
