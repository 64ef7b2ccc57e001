//! Long work on the library's threads: a NIF posts it and returns at once; the answer is a message.

use crate::governor::Governed;
use crate::{atoms, pools};
use cambrian_core::base::cancel::CancelToken;
use rustler::{
    Atom, Encoder, Env, Error, LocalPid, Monitor, NifResult, OwnedEnv, Resource, ResourceArc, Term,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A running job. [`job_stop`] cancels it, and so does the end of its owner. It ends within some
/// milliseconds, because long work asks its token every
/// [`cambrian_core::base::cancel::CHECK_INTERVAL`] units.
pub struct Job(Arc<AtomicBool>);

#[rustler::resource_impl]
impl Resource for Job {
    const IMPLEMENTS_DOWN: bool = true;

    fn down<'a>(&'a self, _: Env<'a>, _: LocalPid, _: Monitor) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[rustler::nif]
fn job_stop(job: ResourceArc<Job>) -> Atom {
    job.0.store(true, Ordering::Relaxed);
    atoms::ok()
}

/// Runs `work` on the pool and sends `{Tag, {ok, Answer}}` to the caller, or
/// `{Tag, {error, stopped | panicked}}`.
pub fn post<W, A>(env: Env, tag: Term, work: W) -> NifResult<ResourceArc<Job>>
where
    W: FnOnce(&dyn CancelToken) -> Option<A> + Send + 'static,
    A: Encoder + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let job = ResourceArc::new(Job(Arc::clone(&stop)));
    let owner = env.pid();
    if env.monitor(&job, &owner).is_none() {
        return Err(Error::BadArg);
    }
    let mut mailbox = OwnedEnv::new();
    let tag = mailbox.save(tag);
    let keep = job.clone();
    pools::run(Box::new(move || {
        let answer = catch_unwind(AssertUnwindSafe(|| work(&Governed(&stop))));
        // the owner may have ended; then nothing is sent
        let _ = mailbox.send_and_clear(&owner, |env| {
            let answer = match answer {
                Ok(Some(answer)) => (atoms::ok(), answer).encode(env),
                Ok(None) => (atoms::error(), atoms::stopped()).encode(env),
                Err(_) => (atoms::error(), atoms::panicked()).encode(env),
            };
            (tag.load(env), answer)
        });
        drop(keep);
    }))?;
    Ok(job)
}
