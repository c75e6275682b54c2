//! What the operating system and the processor tell of this process: how long its threads waited for a core, how much
//! memory it took, which vector instructions there are.
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
    /// How long threads of this process were ready to run and had no core.
    waited: Option<Duration>,
    /// How long the machine, where it is a virtual one, had no core of its host.
    stolen: Option<Duration>,
}

/// What was counted between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// By the clock.
    pub wall: Duration,
    /// How long cores were missing, summed over threads.
    pub missing: Option<Duration>,
}

impl Reading {
    /// Of this moment.
    pub fn now() -> Reading {
        Reading { at: Instant::now(), waited: waited(), stolen: stolen() }
    }

    /// From then until this moment. The clock stops before anything is read.
    pub fn until_now(&self) -> Interval {
        let wall = self.at.elapsed();
        let since = |then: Option<Duration>, now: Option<Duration>| Some(now?.saturating_sub(then?));
        let waited = since(self.waited, waited());
        let stolen = since(self.stolen, stolen()).unwrap_or_default();
        Interval { wall, missing: waited.map(|waited| waited + stolen) }
    }
}

impl Interval {
    /// The share of `threads` cores that was missing.
    pub fn missing_share(&self, threads: usize) -> Option<f64> {
        let cores = self.wall.as_secs_f64() * threads as f64;
        self.missing.map(|missing| if cores > 0.0 { missing.as_secs_f64() / cores } else { 0.0 })
    }
}

/// Second number of each thread's `schedstat`: nanoseconds in a queue for a core.
fn waited() -> Option<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        sum += text.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}

/// Eighth number of the first line of `/proc/stat`.
fn stolen() -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: u32 = text.lines().next()?.split_whitespace().nth(8)?.parse().ok()?;
    Some(TICK * ticks)
}

/// The most memory that this process ever had, in bytes.
pub fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

/// The memory that this process has, in bytes.
pub fn memory() -> Option<u64> {
    status("VmRSS:")
}

fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
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
