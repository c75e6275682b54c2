//! Persistent workers that claim tasks one by one.
//!
//! Each worker begins with a share of its own, the same part of every job: what it has written in one kernel lies in the
//! cache of its core when it reads it in the next. One that is done takes from the others' shares, at the end that they
//! come to last. A slow core so does fewer tasks, and the bits stay the same. A task hears which one the worker is to do
//! next, so that it can ask for the memory that that one reads. Workers spin for some tens of microseconds, since the next
//! kernel mostly follows at once, and then park. The caller is worker 0 and never waits for a worker that has not started
//! on a job: a preempted one costs its share and no more.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// What a worker is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The task.
    pub(super) task: usize,
    /// The task that this worker does after it, unless another one takes it first.
    pub(super) next: Option<usize>,
    /// The worker's number.
    pub(super) worker: usize,
    /// Whether the worker has done none of the job before.
    pub(super) first: bool,
}

/// From which end a worker goes through its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The first task first.
    Up,
    /// The last task first.
    Down,
}

impl Order {
    /// The other one.
    pub(super) fn reversed(self) -> Self {
        match self {
            Order::Up => Order::Down,
            Order::Down => Order::Up,
        }
    }
}

/// What a job does.
type Body<'a> = dyn Fn(Turn) + Sync + 'a;

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
    shares: Vec<Share>,
    parked: Mutex<usize>,
    sleepers: AtomicUsize,
    wake: Condvar,
    stop: AtomicBool,
}

#[derive(Clone, Copy)]
struct Job {
    body: *const Body<'static>,
    order: Order,
}

// SAFETY: the pointee is Sync, and lives until `run` has seen every worker leave the job.
unsafe impl Send for Job {}

impl Pool {
    /// `threads` workers, the caller counted; at least one.
    pub(super) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: Mutex::new(None),
            shares: (0..threads.max(1)).map(|_| Share::default()).collect(),
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

    /// Runs `body` once for each task in `0..tasks`, on any worker, each worker's share in an order; returns when all are
    /// done.
    pub(super) fn run(&self, tasks: usize, order: Order, body: &Body<'_>) {
        if self.handles.is_empty() || tasks <= 1 {
            let share = Share::default();
            share.set(0..tasks);
            let mut first = true;
            while let Some(task) = share.take(order) {
                body(Turn { task, next: share.first(order), worker: 0, first });
                first = false;
            }
            return;
        }
        let shared = &*self.shared;
        // SAFETY: the lifetime is forgotten; no worker uses the pointer after this call, which waits for all that entered.
        let body_static: *const Body<'static> = unsafe { std::mem::transmute(std::ptr::from_ref(body)) };
        let job = Job { body: body_static, order };
        *shared.job.lock().expect("no worker panics with the lock") = Some(job);
        let workers = self.threads();
        for (worker, share) in shared.shares.iter().enumerate() {
            share.set(worker * tasks / workers..(worker + 1) * tasks / workers);
        }
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
        let (own, others) = (&self.shares[worker], self.shares[worker..].iter().chain(&self.shares[..worker]).skip(1));
        let claim = || {
            let from_others = || others.clone().find_map(|share| share.take(job.order.reversed()));
            own.take(job.order).or_else(from_others)
        };
        let mut first = true;
        while let Some(task) = claim() {
            body(Turn { task, next: own.first(job.order), worker, first });
            first = false;
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

/// The tasks of a job that are left of a worker's: the first (32 bits) and the end (32 bits). On cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Share(AtomicU64);

impl Share {
    /// Both ends are below 2^32.
    fn set(&self, tasks: Range<usize>) {
        self.0.store((tasks.start as u64) << 32 | tasks.end as u64, Ordering::Relaxed);
    }

    /// The task at the end where `order` begins.
    fn first(&self, order: Order) -> Option<usize> {
        Share::of(self.0.load(Ordering::Relaxed), order).map(|(task, _)| task)
    }

    /// Claims it.
    fn take(&self, order: Order) -> Option<usize> {
        let rest = |left: u64| Share::of(left, order).map(|(_, rest)| rest);
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).ok()?;
        Share::of(left, order).map(|(task, _)| task)
    }

    /// The first task of what is left, and what is left without it.
    fn of(left: u64, order: Order) -> Option<(usize, u64)> {
        let (first, end) = (left >> 32, left & 0xffff_ffff);
        (first < end).then(|| match order {
            Order::Up => (first as usize, left + (1 << 32)),
            Order::Down => (end as usize - 1, left - 1),
        })
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

    use super::{Order, Pool, Share};

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for (tasks, order) in [0, 1, 2, 7, 1000].into_iter().flat_map(|n| [(n, Order::Up), (n, Order::Down)]) {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                let begun: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, order, &|turn| {
                    assert!(turn.worker < threads);
                    assert_eq!(turn.first, begun[turn.worker].fetch_add(1, Ordering::Relaxed) == 0);
                    assert!(turn.next.is_none_or(|next| next < tasks && next != turn.task));
                    counts[turn.task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_share_is_taken_from_both_ends() {
        let share = Share::default();
        share.set(3..7);
        let take = |order| share.take(order);
        assert_eq!([take(Order::Up), take(Order::Down), take(Order::Down)], [Some(3), Some(6), Some(5)]);
        assert_eq!([take(Order::Down), take(Order::Up), take(Order::Down)], [Some(4), None, None]);
    }

    #[test]
    fn a_lone_worker_goes_in_order() {
        for (order, expected) in [(Order::Up, [0, 1, 2]), (Order::Down, [2, 1, 0])] {
            let seen = std::sync::Mutex::new(vec![]);
            Pool::new(1).run(3, order, &|turn| seen.lock().expect("one worker").push((turn.task, turn.next)));
            let [a, b, c] = expected;
            assert_eq!(*seen.lock().expect("one worker"), [(a, Some(b)), (b, Some(c)), (c, None)]);
        }
    }

    #[test]
    fn workers_wake_after_parking() {
        let pool = Pool::new(3);
        for _ in 0..3 {
            let count = AtomicUsize::new(0);
            pool.run(64, Order::Up, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.load(Ordering::Relaxed), 64);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
