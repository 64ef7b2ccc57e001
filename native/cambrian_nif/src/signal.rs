//! cambrian_cli_signal: Ctrl-C, which OTP reports to no process

use crate::atoms;
use rustler::{Atom, NifResult};

/// Turns SIGINT into SIGUSR2, which OTP reports to a process; `false` restores SIGINT.
#[rustler::nif]
fn signal_forward_interrupt(forward: bool) -> NifResult<Atom> {
    imp::forward(forward);
    Ok(atoms::ok())
}

#[cfg(unix)]
mod imp {
    use std::sync::Mutex;

    /// The handler of SIGINT before.
    static BEFORE: Mutex<Option<libc::sighandler_t>> = Mutex::new(None);

    /// `kill` and `getpid` are among the few functions that a handler may call.
    extern "C" fn pass_on(_signal: libc::c_int) {
        unsafe { libc::kill(libc::getpid(), libc::SIGUSR2) };
    }

    pub fn forward(forward: bool) {
        let mut before = BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (forward, *before) {
            (true, None) => {
                let handler = pass_on as extern "C" fn(libc::c_int) as libc::sighandler_t;
                *before = Some(unsafe { libc::signal(libc::SIGINT, handler) });
            }
            (false, Some(handler)) => {
                unsafe { libc::signal(libc::SIGINT, handler) };
                *before = None;
            }
            _ => {}
        }
    }
}

#[cfg(not(unix))]
mod imp {
    pub fn forward(_forward: bool) {}
}
