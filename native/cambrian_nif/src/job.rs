//! Long work on our own threads: a NIF posts it and returns at once, the answer comes as a message.

use crate::atoms;
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustler::{
    Atom, Encoder, Env, Error, LocalPid, Monitor, NifResult, OwnedEnv, Resource, ResourceArc, Term,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static POOL: OnceLock<ThreadPool> = OnceLock::new();

/// The threads that all work shares. The first to ask decides how many there are.
fn pool_of(threads: usize) -> NifResult<&'static ThreadPool> {
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let named = |index| format!("cambrian_{index}");
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(named).build();
    let pool = pool.map_err(|_| Error::Atom("no_threads"))?;
    Ok(POOL.get_or_init(|| pool))
}

pub fn pool() -> NifResult<&'static ThreadPool> {
    pool_of(std::thread::available_parallelism().map_or(1, usize::from))
}

/// Starts the threads; answers how many there are.
#[rustler::nif]
fn pool_start(threads: usize) -> NifResult<usize> {
    if threads == 0 { Err(Error::BadArg) } else { Ok(pool_of(threads)?.current_num_threads()) }
}

/// Work under way. It stops at the next genotype when it is told to, and when its owner dies.
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

/// Runs `work` on the pool and sends `{Tag, {ok, Answer}}` to the caller, or `{Tag, {error, stopped | panicked}}`.
pub fn post<W, A>(env: Env, tag: Term, work: W) -> NifResult<ResourceArc<Job>>
where
    W: FnOnce(&AtomicBool) -> Option<A> + Send + 'static,
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
    let (pool, keep) = (pool()?, job.clone());
    pool.spawn(move || {
        let answer = catch_unwind(AssertUnwindSafe(|| work(&stop)));
        // the owner may be gone: then nobody wants the answer
        let _ = mailbox.send_and_clear(&owner, |env| {
            let answer = match answer {
                Ok(Some(answer)) => (atoms::ok(), answer).encode(env),
                Ok(None) => (atoms::error(), atoms::stopped()).encode(env),
                Err(_) => (atoms::error(), atoms::panicked()).encode(env),
            };
            (tag.load(env), answer)
        });
        drop(keep);
    });
    Ok(job)
}
