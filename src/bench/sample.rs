//! Samples: steps that are timed together, kept where the process had its cores.
//!
//! A thread that is ready to run and waits for a core, or a virtual machine that waits for its host, makes a step slow
//! for a reason that is not the program's. The system counts both waits, so such samples are found by their cause and
//! not by being slow.

use super::Spread;
use crate::device::host::{Interval, Reading};

/// A sample is at least so long, since the system counts in hundredths of a second.
const SAMPLE_SECONDS: f64 = 0.05;
/// The largest share of its cores that a sample may miss.
const MISSING: f64 = 0.02;
/// A dropped sample is repeated, up to so many samples in all for one that is wanted.
const TRIES: usize = 3;

/// How samples are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    pub(super) threads: usize,
    pub(super) samples: usize,
    pub(super) warmup: usize,
    /// Whether samples count in which cores were missing.
    pub(super) every: bool,
}

/// Times of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Seconds a step.
    pub seconds: Spread,
    /// Samples that count.
    pub samples: usize,
    /// Steps of each sample.
    pub steps: usize,
    /// Samples in which cores were missing. They count where no other is left.
    pub dropped: usize,
    /// Whether the samples that count had their cores; none where the system does not tell, or every sample counts.
    pub undisturbed: Option<bool>,
}

impl Sampler {
    /// Times `step`.
    pub(super) fn time(&self, mut step: impl FnMut()) -> Timing {
        let steps = self.steps(&mut step);
        let mut all = Vec::new();
        let mut kept = 0;
        while kept < self.samples && all.len() < TRIES * self.samples {
            let start = Reading::now();
            (0..steps).for_each(|_| step());
            let sample = start.until_now();
            kept += usize::from(self.counts(&sample));
            all.push(sample);
        }
        self.judge(&all, steps)
    }

    /// Warms up; how many steps make a sample.
    fn steps(&self, step: &mut impl FnMut()) -> usize {
        let mut fastest = f64::INFINITY;
        for _ in 0..self.warmup.max(1) {
            let start = Reading::now();
            step();
            fastest = fastest.min(start.until_now().wall.as_secs_f64());
        }
        (SAMPLE_SECONDS / fastest.max(1e-6)).ceil() as usize
    }

    /// Whether a sample had its cores, as far as is known.
    pub(super) fn counts(&self, sample: &Interval) -> bool {
        self.every || sample.missing_share(self.threads).is_none_or(|share| share <= MISSING)
    }

    fn judge(&self, all: &[Interval], steps: usize) -> Timing {
        let (kept, dropped): (Vec<&Interval>, Vec<&Interval>) = all.iter().partition(|sample| self.counts(sample));
        let counted = if kept.is_empty() { &dropped } else { &kept };
        let seconds: Vec<f64> = counted.iter().map(|sample| sample.wall.as_secs_f64() / steps as f64).collect();
        Timing {
            seconds: Spread::of(&seconds),
            samples: counted.len(),
            steps,
            dropped: dropped.len(),
            undisturbed: (!self.every && all.iter().all(|s| s.missing.is_some())).then_some(!kept.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Interval, Sampler};

    const SAMPLER: Sampler = Sampler { threads: 2, samples: 3, warmup: 1, every: false };

    fn sample(wall: u64, missing: Option<u64>) -> Interval {
        Interval { wall: Duration::from_millis(wall), missing: missing.map(Duration::from_millis) }
    }

    #[test]
    fn samples_without_their_cores_are_dropped() {
        // 2 % of two cores for 100 ms are 4 ms.
        let timing = SAMPLER.judge(&[sample(100, Some(4)), sample(900, Some(40)), sample(300, Some(0))], 10);
        assert_eq!((timing.samples, timing.dropped, timing.undisturbed), (2, 1, Some(true)));
        assert!((timing.seconds.median - 0.02).abs() < 1e-12, "{timing:?}");
    }

    #[test]
    fn where_no_sample_had_its_cores_all_count_and_it_is_said() {
        let timing = SAMPLER.judge(&[sample(100, Some(90)), sample(200, Some(90))], 1);
        assert_eq!((timing.samples, timing.dropped, timing.undisturbed), (2, 2, Some(false)));
    }

    #[test]
    fn where_every_sample_counts_none_is_dropped() {
        let all = [sample(100, Some(90)), sample(200, Some(0))];
        let timing = Sampler { every: true, ..SAMPLER }.judge(&all, 1);
        assert_eq!((timing.samples, timing.dropped, timing.undisturbed), (2, 0, None));
    }

    #[test]
    fn where_nothing_is_known_nothing_is_dropped() {
        let timing = SAMPLER.judge(&[sample(100, None), sample(200, None)], 1);
        assert_eq!((timing.samples, timing.dropped, timing.undisturbed), (2, 0, None));
    }

    #[test]
    fn a_short_step_is_timed_many_times_in_a_sample() {
        let mut steps = 0;
        // On a busy machine one step of many sleeps no longer than it must.
        let timing = Sampler { warmup: 20, ..SAMPLER }.time(|| {
            steps += 1;
            std::thread::sleep(Duration::from_millis(1));
        });
        assert!(timing.steps >= 5 && timing.seconds.low >= 1e-3, "{timing:?}");
        assert!(steps > timing.samples * timing.steps);
    }
}
