//! Which scheduler a call runs on. Work of up to about 100 µs runs where the caller runs, and
//! reports the timeslice that it used; more would hold up every other process, and runs on a dirty
//! scheduler, which costs some microseconds to get to.

use rustler::{Env, schedule};

const NORMAL_NANOSECONDS: usize = 100_000;

/// Up to this the reduction that every call costs is report enough: a timeslice is 4000 of them, or
/// 1 ms.
const UNREPORTED_NANOSECONDS: usize = 1_000;

/// Whether work may run on a normal scheduler.
pub fn is_short(env: Env, nanoseconds: usize) -> bool {
    if nanoseconds > UNREPORTED_NANOSECONDS {
        schedule::consume_timeslice(env, (nanoseconds / 10_000).clamp(1, 100) as i32);
    }
    nanoseconds <= NORMAL_NANOSECONDS
}

/// Two NIFs of one function: the first does short work, and answers `dirty` where the second is to
/// be called instead. The cost is an estimate in nanoseconds.
#[macro_export]
macro_rules! either_scheduler {
    ($(fn $short:ident, $dirty:ident($($arg:ident: $type:ident $(<$life:lifetime>)?),*)
        = $work:ident, costs $cost:expr;)*) => {$(
        #[rustler::nif]
        fn $short<'a>(env: Env<'a>, $($arg: $type $(<$life>)?),*) -> NifResult<Term<'a>> {
            if $crate::scheduler::is_short(env, $cost) {
                $work(env, $($arg),*)
            } else {
                Ok($crate::atoms::dirty().encode(env))
            }
        }

        #[rustler::nif(schedule = "DirtyCpu")]
        fn $dirty<'a>(env: Env<'a>, $($arg: $type $(<$life>)?),*) -> NifResult<Term<'a>> {
            $work(env, $($arg),*)
        }
    )*};
}
