//! cambrian_governor: how much of a thread's time is work, and how much is rest

use crate::{atoms, error, pools};
use cambrian_core::base::cancel::CancelToken;
use cpu_time::ThreadTime;
use rustler::{Atom, NifResult};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The bits of an `f32`: 1 is work without rest, 0 is rest without work.
static DUTY: AtomicU32 = AtomicU32::new(1.0_f32.to_bits());

/// A thread that rests checks this often whether it is cancelled.
const PAUSE: Duration = Duration::from_millis(10);

/// A thread works so long, or until its genotype is done, before it yields its core.
const YIELD_INTERVAL: Duration = Duration::from_micros(500);

fn duty() -> f32 {
    f32::from_bits(DUTY.load(Ordering::Relaxed))
}

/// `{error, {out_of_range, duty}}` outside of 0 to 1.
#[rustler::nif]
fn governor_set_duty(duty: f64) -> NifResult<Atom> {
    if !(0.0..=1.0).contains(&duty) {
        return Err(error::refuse((atoms::out_of_range(), atoms::duty())));
    }
    DUTY.store((duty as f32).to_bits(), Ordering::Relaxed);
    Ok(atoms::ok())
}

#[rustler::nif]
fn governor_duty() -> f32 {
    duty()
}

thread_local! {
    /// The start of the counted work of this thread, and the rest that it owes.
    static WORKED: Cell<Option<ThreadTime>> = const { Cell::new(None) };
    /// The present job of this thread, and the time of its last yield.
    static LAST_YIELD: Cell<Option<(usize, Instant)>> = const { Cell::new(None) };
    static OWED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long this thread must rest for its work since the last call.
fn owed(duty: f32) -> Duration {
    let rest = match WORKED.replace(Some(ThreadTime::now())) {
        Some(since) => since.elapsed().mul_f32((1.0 - duty) / duty),
        None => Duration::ZERO,
    };
    OWED.get() + rest
}

/// Yields the core, so that a scheduler of the VM does not wait until the kernel takes the core
/// away, which can take tens of milliseconds. Yielding is a system call, so it is rare, and never
/// in short jobs, between which a thread sleeps anyway.
fn yield_core(job: &AtomicBool) {
    let (now, job) = (Instant::now(), std::ptr::from_ref(job).addr());
    match LAST_YIELD.get() {
        Some((same, since)) if same == job && now - since < YIELD_INTERVAL => return,
        Some((same, _)) if same == job => std::thread::yield_now(),
        _ => {}
    }
    LAST_YIELD.set(Some((job, now)));
}

/// A token that cancels with the flag, and pauses the work as the governor requires.
pub struct Governed<'a>(pub &'a AtomicBool);

impl CancelToken for Governed<'_> {
    /// Waits while the duty is 0, and until the thread has rested for the work it did.
    fn should_continue(&self) -> bool {
        loop {
            if !self.0.should_continue() {
                return false;
            }
            yield_core(self.0);
            let duty = duty() * pools::share();
            if duty >= 1.0 {
                WORKED.set(None);
                OWED.set(Duration::ZERO);
                return true;
            }
            let owed = if duty > 0.0 { owed(duty) } else { PAUSE };
            if owed < PAUSE {
                OWED.set(owed);
                return true;
            }
            sleep(PAUSE);
            OWED.set(owed - PAUSE);
        }
    }
}
