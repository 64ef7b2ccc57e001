//! The library's threads, and the jobs that share them.

use rayon::{ThreadPool, ThreadPoolBuilder};
use rustler::{Error, NifResult};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// The threads of one job.
type Pool = Arc<ThreadPool>;

/// Each running job has its own pool, so a job that is long or stuck delays no other job. The
/// kernel shares the cores between the pools. If fewer threads are allowed than there are cores,
/// [`share`] does.
struct Pools {
    /// The threads of each pool; 0 until the number is set or first read.
    threads: usize,
    idle: Vec<Pool>,
    busy: usize,
    waiting: VecDeque<Work>,
}

type Work = Box<dyn FnOnce() + Send>;

static POOLS: Mutex<Pools> =
    Mutex::new(Pools { threads: 0, idle: Vec::new(), busy: 0, waiting: VecDeque::new() });

/// The most jobs that run at once; further jobs wait, in their order.
const MAX_POOLS: usize = 32;

/// How many jobs run, if they share fewer threads than there are cores; else 1.
static JOBS_SHARING: AtomicUsize = AtomicUsize::new(1);

/// The share of its time that a thread may work, so that the pools together work no more than one
/// pool alone would.
pub fn share() -> f32 {
    1.0 / JOBS_SHARING.load(Ordering::Relaxed) as f32
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Lowers the priority of this thread, so that the VM's schedulers come first. On Linux each thread
/// has a niceness of its own; elsewhere the whole process has one, and nothing is done.
fn lower_priority(_index: usize) {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(19);
}

fn started(threads: usize) -> NifResult<Pool> {
    let named = |index| format!("cambrian_{index}");
    let builder = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(named)
        .start_handler(lower_priority);
    builder.build().map(Arc::new).map_err(|_| Error::Atom("no_threads"))
}

fn pools() -> MutexGuard<'static, Pools> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if pools.threads == 0 {
        pools.threads = cores();
    }
    pools
}

impl Pools {
    fn resize(&mut self, threads: usize) {
        self.threads = threads;
        self.idle.retain(|pool| pool.current_num_threads() == threads);
        self.share_out();
    }

    fn take(&mut self) -> NifResult<Pool> {
        let pool = match self.idle.pop() {
            Some(pool) => pool,
            None => started(self.threads)?,
        };
        self.busy += 1;
        self.share_out();
        Ok(pool)
    }

    /// Keeps one idle pool more than there are busy pools: sleeping threads cost little, and
    /// starting threads costs much.
    fn give_back(&mut self, pool: Pool) {
        self.busy -= 1;
        self.share_out();
        if pool.current_num_threads() == self.threads && self.idle.len() <= self.busy {
            self.idle.push(pool);
        }
    }

    fn share_out(&self) {
        let jobs = if self.threads < cores() { self.busy.max(1) } else { 1 };
        JOBS_SHARING.store(jobs, Ordering::Relaxed);
    }

    /// A pool for work that can start now, with that work. If no thread can be started, the work
    /// waits for an existing pool.
    fn start_or_queue(&mut self, work: Work) -> NifResult<Option<(Pool, Work)>> {
        if self.busy < MAX_POOLS {
            match self.take() {
                Err(error) if self.busy == 0 => return Err(error),
                Err(_) => {}
                Ok(pool) => return Ok(Some((pool, work))),
            }
        }
        self.waiting.push_back(work);
        Ok(None)
    }

    /// The oldest waiting work, for a pool that has finished.
    fn next_for(&mut self, done: Pool) -> Option<(Pool, Work)> {
        let Some(work) = self.waiting.pop_front() else {
            self.give_back(done);
            return None;
        };
        let is_fit = done.current_num_threads() == self.threads;
        Some((if is_fit { done } else { started(self.threads).unwrap_or(done) }, work))
    }
}

/// Runs work on its own pool, as soon as there is one.
pub fn run(work: Work) -> NifResult<()> {
    let begun = pools().start_or_queue(work)?;
    if let Some((pool, work)) = begun {
        spawn(pool, work);
    }
    Ok(())
}

fn spawn(pool: Pool, work: Work) {
    let own = Arc::clone(&pool);
    pool.spawn(move || {
        work();
        let begun = pools().next_for(own);
        if let Some((pool, work)) = begun {
            spawn(pool, work);
        }
    });
}

/// The result of `work`, which may use all threads of a pool. The caller waits for it.
pub fn install<T: Send>(work: impl FnOnce() -> T + Send) -> NifResult<T> {
    let pool = pools().take()?;
    let answer = pool.install(work);
    pools().give_back(pool);
    Ok(answer)
}

/// The most schedulers that a VM can have.
const MAX_THREADS: usize = 1024;

/// Sets how many threads work at once; returns the number.
#[rustler::nif]
fn pool_start(threads: usize) -> NifResult<usize> {
    if !(1..=MAX_THREADS).contains(&threads) {
        return Err(Error::BadArg);
    }
    pools().resize(threads);
    Ok(threads)
}

/// Frees a large value on a thread of the library. A process's garbage collector runs on a
/// scheduler, where a long free would delay every other process.
pub fn free<T: Send + 'static>(large: T) {
    static SWEEPER: LazyLock<Option<Sender<Box<dyn Send>>>> = LazyLock::new(|| {
        let (sender, waste) = channel::<Box<dyn Send>>();
        let sweep = move || {
            lower_priority(0);
            waste.into_iter().for_each(drop);
        };
        std::thread::Builder::new().name("cambrian_free".into()).spawn(sweep).ok().map(|_| sender)
    });
    // without a thread, the caller frees the value
    if let Some(sweeper) = &*SWEEPER {
        let _ = sweeper.send(Box::new(large));
    }
}
