//! How long work is cancelled: after every so many units of work it asks a token whether to
//! continue.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A token that long work asks whether to continue.
pub trait CancelToken: Sync {
    /// `false` once the work is cancelled. A token may pause the work: it waits before it answers.
    fn should_continue(&self) -> bool;
}

/// A flag that cancels the work once it is set.
impl CancelToken for AtomicBool {
    fn should_continue(&self) -> bool {
        !self.load(Ordering::Relaxed)
    }
}

/// A token that never cancels.
pub struct NeverCancelled;

impl CancelToken for NeverCancelled {
    fn should_continue(&self) -> bool {
        true
    }
}

/// A token that also cancels at a time, if there is one.
pub struct Deadline<'a> {
    pub token: &'a dyn CancelToken,
    pub time: Option<Instant>,
}

impl CancelToken for Deadline<'_> {
    fn should_continue(&self) -> bool {
        self.token.should_continue() && self.time.is_none_or(|time| Instant::now() < time)
    }
}

/// A token that also cancels after so much working time. Pauses of the inner token do not count.
pub struct TimeBudget<'a> {
    token: &'a dyn CancelToken,
    time: Option<Duration>,
    began: Instant,
    waited: Mutex<Duration>,
}

impl<'a> TimeBudget<'a> {
    pub fn new(token: &'a dyn CancelToken, time: Option<Duration>) -> TimeBudget<'a> {
        TimeBudget { token, time, began: Instant::now(), waited: Mutex::new(Duration::ZERO) }
    }
}

impl CancelToken for TimeBudget<'_> {
    fn should_continue(&self) -> bool {
        let asked = Instant::now();
        let continues = self.token.should_continue();
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        *waited += asked.elapsed();
        let worked = self.began.elapsed().saturating_sub(*waited);
        continues && self.time.is_none_or(|time| worked < time)
    }
}

/// The work was cancelled and has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stopped before it was done")]
pub struct Cancelled;

/// Units of work between two questions to the token. A unit is the time of one connection, about a
/// nanosecond.
pub const CHECK_INTERVAL: u64 = 1 << 20;

/// Counts the work of one thread, and asks the token every [`CHECK_INTERVAL`] units.
pub struct WorkMeter<'a> {
    token: &'a dyn CancelToken,
    since: Cell<u64>,
}

impl<'a> WorkMeter<'a> {
    pub fn new(token: &'a dyn CancelToken) -> WorkMeter<'a> {
        WorkMeter { token, since: Cell::new(0) }
    }

    pub fn token(&self) -> &'a dyn CancelToken {
        self.token
    }

    /// Adds finished work.
    ///
    /// # Errors
    /// [`Cancelled`] if the token says so; the token is asked only at the end of an interval.
    #[inline]
    pub fn spend(&self, units: u64) -> Result<(), Cancelled> {
        let since = self.since.get() + units;
        if since < CHECK_INTERVAL {
            self.since.set(since);
            return Ok(());
        }
        self.since.set(0);
        if self.token.should_continue() { Ok(()) } else { Err(Cancelled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// Counts the questions, and cancels after so many.
    struct Counting(AtomicU64, u64);

    impl CancelToken for Counting {
        fn should_continue(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) < self.1
        }
    }

    #[test]
    fn the_token_is_asked_after_equal_work_however_it_is_divided() {
        for units in [1 << 10, 1 << 20, 1 << 30] {
            let token = Counting(AtomicU64::new(0), 3);
            let meter = WorkMeter::new(&token);
            let done = (1..).find(|_| meter.spend(units).is_err()).unwrap();
            assert_eq!((token.0.into_inner(), done), (4, 4 * (CHECK_INTERVAL / units).max(1)));
        }
    }

    /// Pauses at each question.
    struct Slow(Duration);

    impl CancelToken for Slow {
        fn should_continue(&self) -> bool {
            std::thread::sleep(self.0);
            true
        }
    }

    #[test]
    fn a_pause_does_not_count_as_working_time() {
        let slow = Slow(Duration::from_millis(50));
        let patient = TimeBudget::new(&slow, Some(Duration::from_secs(3600)));
        (0..3).for_each(|_| assert!(patient.should_continue()));
        let waited = *patient.waited.lock().unwrap();
        assert!(waited >= Duration::from_millis(150) && waited <= patient.began.elapsed());
        assert!(!TimeBudget::new(&NeverCancelled, Some(Duration::ZERO)).should_continue());
        assert!(TimeBudget::new(&NeverCancelled, None).should_continue());
    }

    #[test]
    fn a_deadline_that_has_passed_cancels() {
        assert!(Deadline { token: &NeverCancelled, time: None }.should_continue());
        assert!(!Deadline { token: &NeverCancelled, time: Some(Instant::now()) }.should_continue());
    }
}
