//! A compiled network's arithmetic, once, for every instruction set.
//!
//! A node adds its weighted sources in the order of its connections, and vectors run across nodes
//! or across samples, never inside a sum: so however wide the vectors are, the bits are the same.
//! The code here is inlined into one function an instruction set, which the compiler vectorises as
//! it can.

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

/// An instruction set of this machine that there is a path for. Only [`Isa::available`] makes them,
/// so that none is ever run where the processor has it not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// What every processor of the architecture has: SSE2 on x86-64, NEON on aarch64, else scalar.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The paths that can run here, the fastest last.
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
            // SAFETY: an `Isa` is only made where the processor has it
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

/// What a network computes. Its values stand in one row: inputs, memory, units, and some padding
/// that vectors may write to. So a source is one index, whichever of the three it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    pub inputs: usize,
    /// Numbers that are carried from tick to tick.
    pub memory: usize,
    /// Consecutive units that can be computed side by side.
    pub runs: Vec<Run>,
    /// Of each unit, one past its last link; its first is the next multiple of [`QUAD`] after the
    /// unit before it.
    pub ends: Vec<u32>,
    /// Of each unit, and of the padding.
    pub gains: Vec<f32>,
    pub biases: Vec<f32>,
    /// Between the units with links of weight 0, which change no sum.
    pub links: Vec<Link>,
    pub specials: Vec<Special>,
    /// Memory slots that hold last tick's value of a unit: (slot, unit), both as places in the row.
    pub remembered: Vec<(u32, u32)>,
    pub outputs: Vec<u32>,
    /// Where in the row the reward is, if a unit learns from it.
    pub reward: Option<u32>,
}

/// Units from `begin` up to `end`, whose links begin at `link`, and what they have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub begin: u32,
    pub end: u32,
    pub link: u32,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Units that sum, and apply this to their net input.
    Plain(Activation),
    /// One unit, of this number among the specials.
    Special(u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub source: u32,
    pub weight: f32,
}

/// A unit with an aggregation, dynamics or plasticity other than the plainest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Special {
    pub aggregation: Aggregation,
    pub cell: Cell,
    pub learning: Learning,
    /// Where its state is in the row, and how long.
    pub state: (u32, u32),
    /// What it takes beside its links, in units of work.
    pub cost: u64,
}

/// Links that are added without a branch. Sums then have fewer different numbers of iterations, and
/// a processor mispredicts each change of that number.
pub const QUAD: usize = 4;

/// Units in a vector of the row; the padding is one less.
pub const VECTOR: usize = 8;

impl Program {
    /// Where the first unit stands in the row.
    pub fn first(&self) -> usize {
        self.inputs + self.memory
    }

    /// How long the row is.
    pub fn row(&self) -> usize {
        self.first() + self.ends.len() + VECTOR - 1
    }

    /// The program, ready to run.
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

/// A program that is known to be consistent, which what runs it relies on.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedProgram(Program);

impl std::ops::Deref for CheckedProgram {
    type Target = Program;
    fn deref(&self) -> &Program {
        &self.0
    }
}

impl CheckedProgram {
    /// One tick. The inputs and the memory are in the row; afterwards the units and the next memory
    /// are.
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

    /// Many samples through one network from rest: rows of inputs in, rows of outputs out.
    ///
    /// # Errors
    /// [`Cancelled`] by the meter, which is asked within a sample as well.
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

/// Turns sums into outputs, a vector at a time. Each instruction set has its own.
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

/// Runs up to this length are not worth a vector: it would wait until the sums are in memory.
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
                // what stands beyond the run in its last vector is computed later
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

/// Where the next unit's links begin.
fn quads(end: u32) -> usize {
    (end as usize).next_multiple_of(QUAD)
}

/// The weighted sums of consecutive units into the row from `at` on. A function of its own, for its
/// registers.
#[inline(never)]
fn add_up(ends: &[u32], links: &[Link], mut start: usize, row: &mut [f32], at: usize) {
    for (unit, end) in ends.iter().enumerate() {
        let end = quads(*end);
        let sum =
            links[start..end].as_chunks::<QUAD>().0.iter().flatten().fold(0.0, |sum, link| {
                // SAFETY: [`Program::check`] has seen every source in the row, and
                // [`CheckedProgram::step`] the row's length; a check for every link would take a
                // third of the time
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
    /// The output for these sources; the state goes on by a tick.
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

/// One value in each of many samples. Aligned, as a load across two cache lines costs two.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes<const LANES: usize>([f32; LANES]);

/// Where a value stands in the row of a batch. From rest all memory is nought, and one place serves
/// for all of it: a stranger's network may have millions of slots.
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

/// The work of one run on a full batch of samples, at most 64. A vector computes eight of them at
/// once; a special unit computes one by one.
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
        // SAFETY: `batch` has seen every source in the row
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
