//! Long work on our own threads: a NIF posts it and returns at once, the answer comes as a message.

use crate::atoms;
use crate::governor::Governed;
use cambrian_core::permission::Permission;
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustler::{
    Atom, Encoder, Env, Error, LocalPid, Monitor, NifResult, OwnedEnv, Resource, ResourceArc, Term,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

static POOL: RwLock<Option<Arc<ThreadPool>>> = RwLock::new(None);

/// Where there are not cores enough for both, our threads wait and not the schedulers. A thread of Linux has a niceness
/// of its own; elsewhere it is the whole process's.
fn give_way(_index: usize) {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(19);
}

fn started(threads: usize) -> NifResult<Arc<ThreadPool>> {
    let named = |index| format!("cambrian_{index}");
    let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(named).start_handler(give_way);
    builder.build().map(Arc::new).map_err(|_| Error::Atom("no_threads"))
}

/// The threads that all work shares.
pub fn pool() -> NifResult<Arc<ThreadPool>> {
    if let Some(pool) = &*POOL.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(Arc::clone(pool));
    }
    pool_of(std::thread::available_parallelism().map_or(1, usize::from))
}

/// With another number of threads it is another pool; the one before ends with the work that it has.
fn pool_of(threads: usize) -> NifResult<Arc<ThreadPool>> {
    let mut current = POOL.write().unwrap_or_else(PoisonError::into_inner);
    match &*current {
        Some(pool) if pool.current_num_threads() == threads => Ok(Arc::clone(pool)),
        _ => Ok(Arc::clone(current.insert(started(threads)?))),
    }
}

/// As many schedulers as a VM can have.
const MAX_THREADS: usize = 1024;

/// How many threads work; answers how many there are.
#[rustler::nif]
fn pool_start(threads: usize) -> NifResult<usize> {
    if (1..=MAX_THREADS).contains(&threads) {
        Ok(pool_of(threads)?.current_num_threads())
    } else {
        Err(Error::BadArg)
    }
}

/// Leaves to our threads what takes long to free: the garbage collector of a process runs on a scheduler, which would
/// hold up every other process, the more so where it waits for memory that one of our threads has locked.
pub fn free<T: Send + 'static>(large: T) {
    if let Ok(pool) = pool() {
        pool.spawn(move || drop(large));
    }
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
    W: FnOnce(&dyn Permission) -> Option<A> + Send + 'static,
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
        let answer = catch_unwind(AssertUnwindSafe(|| work(&Governed(&stop))));
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
