//! Leave to go on, which long work asks for every so much of it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

pub trait Permission: Sync {
    /// Whether to go on. It may wait before it answers.
    fn granted(&self) -> bool;
}

/// A flag that tells work to stop.
impl Permission for AtomicBool {
    fn granted(&self) -> bool {
        !self.load(Ordering::Relaxed)
    }
}

/// Leave that nobody withdraws.
pub struct Always;

impl Permission for Always {
    fn granted(&self) -> bool {
        true
    }
}

/// Leave that also ends at a time, if there is one.
pub struct Until<'a> {
    pub leave: &'a dyn Permission,
    pub time: Option<Instant>,
}

impl Permission for Until<'_> {
    fn granted(&self) -> bool {
        self.leave.granted() && self.time.is_none_or(|time| Instant::now() < time)
    }
}

/// Leave for so much time, of which what is waited for leave is none.
pub struct For<'a> {
    leave: &'a dyn Permission,
    time: Option<Duration>,
    began: Instant,
    waited: Mutex<Duration>,
}

impl<'a> For<'a> {
    pub fn new(leave: &'a dyn Permission, time: Option<Duration>) -> For<'a> {
        For { leave, time, began: Instant::now(), waited: Mutex::new(Duration::ZERO) }
    }
}

impl Permission for For<'_> {
    fn granted(&self) -> bool {
        let asked = Instant::now();
        let granted = self.leave.granted();
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        *waited += asked.elapsed();
        let worked = self.began.elapsed().saturating_sub(*waited);
        granted && self.time.is_none_or(|time| worked < time)
    }
}

/// Work that had no leave to go on. It has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stopped before it was done")]
pub struct Stopped;

/// Units of work between two questions for leave. A unit is what one connection takes, about a nanosecond.
pub const LOOK: u64 = 1 << 20;

/// Counts the work of one thread, and asks for leave every [`LOOK`] units.
pub struct Meter<'a> {
    leave: &'a dyn Permission,
    since: Cell<u64>,
}

impl<'a> Meter<'a> {
    pub fn new(leave: &'a dyn Permission) -> Meter<'a> {
        Meter { leave, since: Cell::new(0) }
    }

    pub fn leave(&self) -> &'a dyn Permission {
        self.leave
    }

    /// # Errors
    /// [`Stopped`] where leave was withdrawn since it was last asked for.
    #[inline]
    pub fn spend(&self, units: u64) -> Result<(), Stopped> {
        let since = self.since.get() + units;
        if since < LOOK {
            self.since.set(since);
            return Ok(());
        }
        self.since.set(0);
        if self.leave.granted() { Ok(()) } else { Err(Stopped) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// Counts the questions, and answers yes to so many.
    struct Counting(AtomicU64, u64);

    impl Permission for Counting {
        fn granted(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) < self.1
        }
    }

    #[test]
    fn leave_is_asked_for_by_work_however_it_is_cut() {
        for units in [1 << 10, 1 << 20, 1 << 30] {
            let leave = Counting(AtomicU64::new(0), 3);
            let meter = Meter::new(&leave);
            let done = (1..).find(|_| meter.spend(units).is_err()).unwrap();
            assert_eq!((leave.0.into_inner(), done), (4, 4 * (LOOK / units).max(1)));
        }
    }

    /// Keeps whoever asks waiting.
    struct Slow(Duration);

    impl Permission for Slow {
        fn granted(&self) -> bool {
            std::thread::sleep(self.0);
            true
        }
    }

    #[test]
    fn what_is_waited_for_leave_is_no_time_of_work() {
        let slow = Slow(Duration::from_millis(50));
        let patient = For::new(&slow, Some(Duration::from_secs(3600)));
        (0..3).for_each(|_| assert!(patient.granted()));
        let waited = *patient.waited.lock().unwrap();
        assert!(waited >= Duration::from_millis(150) && waited <= patient.began.elapsed());
        assert!(!For::new(&Always, Some(Duration::ZERO)).granted());
        assert!(For::new(&Always, None).granted());
    }

    #[test]
    fn a_time_that_is_past_ends_leave() {
        assert!(Until { leave: &Always, time: None }.granted());
        assert!(!Until { leave: &Always, time: Some(Instant::now()) }.granted());
    }
}
