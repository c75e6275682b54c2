//! What the operating system and the processor tell of this process: how long its threads missed a core, how much memory
//! it took, which vector instructions there are.
//!
//! On Linux from `/proc`; elsewhere nothing is known, which is said with `None`. Absence: no judgement of the numbers.

use std::fs;
use std::time::{Duration, Instant};

/// What `/proc/stat` counts in: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Everything that is counted, up to a moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    at: Instant,
    own: Option<Own>,
    machine: Option<Machine>,
}

/// This process.
#[derive(Clone, Copy, Debug)]
struct Own {
    /// How long its threads ran.
    ran: Duration,
    /// How long they were ready to run and had no core.
    waited: Duration,
}

/// The whole machine.
#[derive(Clone, Copy, Debug)]
struct Machine {
    /// How long its cores worked for any process.
    busy: Duration,
    /// How long a virtual machine had no core of its host.
    stolen: Duration,
}

/// What was counted between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// By the clock.
    pub wall: Duration,
    /// How long threads had no core because others had it, summed over threads.
    pub missing: Option<Duration>,
}

impl Reading {
    /// Of this moment.
    pub fn now() -> Reading {
        let (own, machine) = (Own::now(), Machine::now());
        Reading { at: Instant::now(), own, machine }
    }

    /// From then until this moment. The clock stops before anything is read.
    pub fn until_now(&self) -> Interval {
        let wall = self.at.elapsed();
        Interval { wall, missing: self.missing() }
    }

    fn missing(&self) -> Option<Duration> {
        let (own, machine) = (Own::now()?, Machine::now()?);
        let (old_own, old_machine) = (self.own?, self.machine?);
        let ran = own.ran.saturating_sub(old_own.ran);
        let waited = own.waited.saturating_sub(old_own.waited);
        // Threads of one process that wait for one another's cores are its own doing.
        let others = machine.busy.saturating_sub(old_machine.busy).saturating_sub(ran);
        Some(waited.min(others) + machine.stolen.saturating_sub(old_machine.stolen))
    }
}

impl Interval {
    /// The share of `threads` cores that was missing.
    pub fn missing_share(&self, threads: usize) -> Option<f64> {
        let cores = self.wall.as_secs_f64() * threads as f64;
        self.missing.map(|missing| if cores > 0.0 { missing.as_secs_f64() / cores } else { 0.0 })
    }
}

impl Own {
    /// The first two numbers of each thread's `schedstat`, in nanoseconds.
    fn now() -> Option<Own> {
        let (mut ran, mut waited) = (0, 0);
        for thread in fs::read_dir("/proc/self/task").ok()? {
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
            let mut numbers = text.split_whitespace().map(str::parse::<u64>);
            ran += numbers.next()?.ok()?;
            waited += numbers.next()?.ok()?;
        }
        Some(Own { ran: Duration::from_nanos(ran), waited: Duration::from_nanos(waited) })
    }
}

impl Machine {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn now() -> Option<Machine> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u32> = text.lines().next()?.split_whitespace().skip(1).map_while(|n| n.parse().ok()).collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else { return None };
        Some(Machine { busy: TICK * (user + nice + system + irq + softirq), stolen: TICK * steal })
    }
}

/// The most memory that this process ever had, in bytes.
pub fn peak_memory() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// The memory that this process has, in bytes.
pub fn memory() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// Gives the system back what was freed and what the allocator keeps for later, where the allocator is known to keep much.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, from any thread.
    #[allow(unsafe_code)]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The memory that this process can still take, in bytes: what the system has, and what a control group leaves of it.
pub fn available_memory() -> Option<u64> {
    let free = field("/proc/meminfo", "MemAvailable:")?;
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let left = |limit: &str, used: &str| Some(number(limit)?.saturating_sub(number(used)?));
    let second = left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
    let first = left("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
    Some([second, first].into_iter().flatten().fold(free, u64::min))
}

/// A line of one of the system's tables, which counts in kilobytes, in bytes.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

/// The widest vector instructions of this processor.
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        return "neon";
    }
    "portable"
}
