//! Persistent workers that claim tasks one by one.
//!
//! A slow core claims fewer tasks and the bits stay the same. Where tasks are many, a worker claims its next one before it
//! starts on one, so that a task can ask for the memory that the next one reads. Workers spin for some tens of microseconds, since the next
//! kernel mostly follows at once, and then park. The caller is worker 0 and never waits for a worker that has not
//! started on a job: a preempted one costs its share and no more.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// What a worker is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The task.
    pub(super) task: usize,
    /// The task that this worker does after it, where it knows.
    pub(super) next: Option<usize>,
    /// The worker's number.
    pub(super) worker: usize,
}

/// What a job does.
type Body<'a> = dyn Fn(Turn) + Sync + 'a;

/// Tasks a worker from which on workers claim one ahead. With fewer, one that waits for a slow core costs too much.
const ENOUGH: usize = 4;

/// How often a waiting worker looks before it parks.
const SPINS: u32 = 20_000;

const OPEN: u64 = 1 << 63;
const ACTIVE: u64 = 0xffff_ffff;

/// Workers for the kernels of a step.
pub(super) struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Open for entry (1 bit), number of the job (31 bits), workers in it (32 bits).
    state: AtomicU64,
    job: Mutex<Option<Job>>,
    next: AtomicUsize,
    parked: Mutex<usize>,
    sleepers: AtomicUsize,
    wake: Condvar,
    stop: AtomicBool,
}

#[derive(Clone, Copy)]
struct Job {
    body: *const Body<'static>,
    tasks: usize,
    /// Whether workers claim one task ahead.
    ahead: bool,
}

// SAFETY: the pointee is Sync, and lives until `run` has seen every worker leave the job.
unsafe impl Send for Job {}

impl Pool {
    /// `threads` workers, the caller counted; at least one.
    pub(super) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: Mutex::new(None),
            next: AtomicUsize::new(0),
            parked: Mutex::new(0),
            sleepers: AtomicUsize::new(0),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let handles = (1..threads.max(1))
            .map(|worker| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("sdc-{worker}"))
                    .spawn(move || shared.work(worker))
                    .expect("the system can start a thread")
            })
            .collect();
        Pool { shared, handles }
    }

    /// How many workers there are, the caller counted.
    pub(super) fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// Runs `body` once for each task in `0..tasks`, in any order, on any worker; returns when all are done.
    pub(super) fn run(&self, tasks: usize, body: &Body<'_>) {
        if self.handles.is_empty() || tasks <= 1 {
            let next = |task: usize| Some(task + 1).filter(|next| *next < tasks);
            (0..tasks).for_each(|task| body(Turn { task, next: next(task), worker: 0 }));
            return;
        }
        let shared = &*self.shared;
        // SAFETY: the lifetime is forgotten; no worker uses the pointer after this call, which waits for all that entered.
        let body_static: *const Body<'static> = unsafe { std::mem::transmute(std::ptr::from_ref(body)) };
        let ahead = tasks >= ENOUGH * self.threads();
        let job = Job { body: body_static, tasks, ahead };
        *shared.job.lock().expect("no worker panics with the lock") = Some(job);
        shared.next.store(0, Ordering::Relaxed);
        let number = ((shared.state.load(Ordering::Relaxed) >> 32) + 1) & 0x7fff_ffff;
        shared.state.store(OPEN | number << 32, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _parked = shared.parked.lock().expect("no worker panics with the lock");
            shared.wake.notify_all();
        }
        // The job is closed and empty when this guard goes, also where a task panics.
        let _close = Close(shared);
        shared.claim(body, &job, 0);
    }
}

struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!OPEN, Ordering::SeqCst);
        while self.0.state.load(Ordering::Acquire) & ACTIVE != 0 {
            std::hint::spin_loop();
        }
    }
}

impl Shared {
    fn claim(&self, body: &Body<'_>, job: &Job, worker: usize) {
        let claim = || Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|task| *task < job.tasks);
        let mut claimed = claim();
        while let Some(task) = claimed {
            let next = if job.ahead { claim() } else { None };
            body(Turn { task, next, worker });
            claimed = if job.ahead { next } else { claim() };
        }
    }

    fn work(&self, worker: usize) {
        let mut seen = 0;
        while let Some(number) = self.wait(seen) {
            seen = number;
            if !self.enter(number) {
                continue;
            }
            let _leave = Leave(self);
            let job = *self.job.lock().expect("no worker panics with the lock");
            if let Some(job) = job {
                // SAFETY: this worker has entered, so `run` waits for it before the body goes away.
                self.claim(unsafe { &*job.body }, &job, worker);
            }
        }
    }

    /// Waits for an open job other than `seen`; none when the pool stops.
    fn wait(&self, seen: u64) -> Option<u64> {
        let ready = || {
            let state = self.state.load(Ordering::Acquire);
            let number = state >> 32 & 0x7fff_ffff;
            (state & OPEN != 0 && number != seen).then_some(number)
        };
        for _ in 0..SPINS {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(number) = ready() {
                return Some(number);
            }
            std::hint::spin_loop();
        }
        let mut parked = self.parked.lock().expect("no worker panics with the lock");
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let found = loop {
            if self.stop.load(Ordering::SeqCst) {
                break None;
            }
            if let Some(number) = ready() {
                break Some(number);
            }
            parked = self.wake.wait(parked).expect("no worker panics with the lock");
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        found
    }

    /// Joins job `number`, unless it is closed by now.
    fn enter(&self, number: u64) -> bool {
        let open = |state: u64| state & OPEN != 0 && state >> 32 & 0x7fff_ffff == number;
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| open(state).then(|| state + 1)).is_ok()
    }
}

struct Leave<'a>(&'a Shared);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        {
            let _parked = self.shared.parked.lock().expect("no worker panics with the lock");
            self.shared.wake.notify_all();
        }
        for handle in self.handles.drain(..) {
            // A worker that panicked has nothing left to tell.
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Pool;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|turn| {
                    assert!(turn.worker < threads);
                    counts[turn.task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn workers_wake_after_parking() {
        let pool = Pool::new(3);
        for _ in 0..3 {
            let count = AtomicUsize::new(0);
            pool.run(64, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.load(Ordering::Relaxed), 64);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
