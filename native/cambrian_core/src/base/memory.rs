//! The limit of memory for one call. Each call checks it before it allocates, because a failed
//! allocation ends the whole VM.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// An error: the work would take more memory than is allowed or available. Both numbers are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it would take {wanted} bytes, of which {allowed} are allowed")]
pub struct TooLarge {
    pub wanted: u64,
    pub allowed: u64,
}

/// 0 until it is set or first read.
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// The limit for one call, in bytes. The default is half of the memory that the machine, the
/// control group and the limit of the process leave.
pub fn limit() -> u64 {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {
            set_limit(found() / 2);
            limit()
        }
        limit => limit,
    }
}

/// Sets the limit to `bytes`, at least 1.
pub fn set_limit(bytes: u64) {
    LIMIT.store(bytes.max(1), Ordering::Relaxed);
}

/// The lowest limit that bounds this process.
fn found() -> u64 {
    let read = |path| fs::read_to_string(path).ok();
    let number = |text: &str| text.split_whitespace().find_map(|word| word.parse::<u64>().ok());
    let line =
        |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).and_then(number);
    let machine =
        read("/proc/meminfo").and_then(|text| line(&text, "MemTotal:")).map(|kib| kib * 1024);
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let groups = groups.into_iter().filter_map(|path| number(&read(path)?));
    // the first number is the soft limit of the address space
    let process = read("/proc/self/limits").and_then(|text| line(&text, "Max address space"));
    machine.into_iter().chain(groups).chain(process).min().unwrap_or(isize::MAX as u64)
}

/// Smaller amounts are not checked.
const SMALL: u64 = 1 << 20;

/// Checks that so many bytes are allowed and available: reserves them for a moment. If the
/// reservation fails, `allowed` is at most one byte less than `wanted`.
///
/// # Errors
/// [`TooLarge`].
pub fn check(wanted: u64) -> Result<(), TooLarge> {
    if wanted <= SMALL {
        return Ok(());
    }
    let allowed = limit();
    let refused = Err(TooLarge { wanted, allowed: allowed.min(wanted - 1) });
    match usize::try_from(wanted) {
        Ok(bytes) if wanted <= allowed => Vec::<u8>::new().try_reserve_exact(bytes).or(refused),
        _ => refused,
    }
}

/// The product of sizes, or the largest number if the product overflows.
pub fn product(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1, |bytes: u64, size| bytes.saturating_mul(*size as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bytes_than_the_limit_are_refused_with_their_number() {
        assert!(limit() > SMALL, "{}", limit());
        assert_eq!(check(1), Ok(()));
        assert_eq!(check(16 << 20), Ok(()));
        for wanted in [limit() + 1, u64::MAX, product(&[usize::MAX, 10])] {
            assert_eq!(check(wanted), Err(TooLarge { wanted, allowed: limit() }));
        }
        assert_eq!(product(&[1_000_000, 10_000, 100]), 1_000_000_000_000);
    }
}
