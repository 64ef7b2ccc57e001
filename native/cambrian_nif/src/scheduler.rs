//! Chooses the scheduler of a call. Work of up to about 100 µs runs on the caller's scheduler, and
//! reports the timeslice that it used. Longer work would delay every other process, so it runs on a
//! dirty scheduler; the switch costs some microseconds.

use rustler::{Env, schedule};

const NORMAL_NANOSECONDS: usize = 100_000;

/// Shorter work is not reported: the one reduction of every call is enough, because a timeslice has
/// 4000 reductions, or 1 ms.
const UNREPORTED_NANOSECONDS: usize = 1_000;

/// Whether work may run on a normal scheduler.
pub fn is_short(env: Env, nanoseconds: usize) -> bool {
    if nanoseconds > UNREPORTED_NANOSECONDS {
        schedule::consume_timeslice(env, (nanoseconds / 10_000).clamp(1, 100) as i32);
    }
    nanoseconds <= NORMAL_NANOSECONDS
}

/// Two NIFs of one function. The first does short work, and returns `dirty` if the caller must call
/// the second instead. The cost is an estimate in nanoseconds.
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
