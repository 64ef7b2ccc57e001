//! The time that this process worked: other load of the machine does not count.

use rustix::time::{ClockId, clock_gettime};

/// Seconds of CPU time of all threads of this process.
pub fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
