//! What a kernel does by its shapes alone: multiply-adds, and bytes that come from memory and go there.
//!
//! Absences: no time; in how many steps a kernel behind gates runs is not known here, so the numbers are those of a
//! step in which it does.

use std::iter::Sum;
use std::ops::Add;

use super::{Body, BufferId, Kernel, Plan};

/// How much a kernel does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations of contractions: two a multiply-add of the direct sum, whichever way it is computed.
    /// What maps compute counts nothing, since memory bounds it.
    pub flops: u64,
    /// Bytes of all buffers that are read, each once; what an epilogue reads of its own contraction's result is still
    /// in cache and counts nothing.
    pub read: u64,
    /// Bytes of all buffers that are written, each once.
    pub written: u64,
}

impl Work {
    /// Bytes that are moved.
    pub fn bytes(self) -> u64 {
        self.read + self.written
    }

    /// The mean over steps of which only a share does it.
    pub fn share(self, share: f64) -> Work {
        let part = |all: u64| (share * all as f64).round() as u64;
        Work { flops: part(self.flops), read: part(self.read), written: part(self.written) }
    }
}

impl Add for Work {
    type Output = Work;

    fn add(self, other: Work) -> Work {
        Work { flops: self.flops + other.flops, read: self.read + other.read, written: self.written + other.written }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Work>>(all: I) -> Work {
        all.fold(Work::default(), Work::add)
    }
}

impl Kernel {
    /// What it does for `batch` images: the mean over the draws that decide in its maps what is read and written.
    pub fn work(&self, plan: &Plan, batch: usize) -> Work {
        match self.gate().and_then(|gate| Some((gate, gate.probability()?))) {
            Some((gate, p)) => {
                let [open, closed] = [1.0, 0.0].map(|value| self.clone().specialised(gate, value).work(plan, batch));
                open.share(p) + closed.share(1.0 - p)
            }
            None => self.sure_work(plan, batch),
        }
    }

    /// What it does where no draw decides.
    fn sure_work(&self, plan: &Plan, batch: usize) -> Work {
        let bytes = |mut buffers: Vec<BufferId>| -> u64 {
            buffers.sort();
            buffers.dedup();
            buffers.into_iter().map(|id| 4 * plan.buffer(id).size.len(batch) as u64).sum()
        };
        let (flops, own) = match &self.body {
            Body::Map(_) => (0, None),
            Body::Contraction(k) => (2 * k.sizes.multiply_adds() * batch as u64, k.writes().first().copied()),
        };
        let read = self.reads().into_iter().filter(|id| Some(*id) != own).collect();
        Work { flops, read: bytes(read), written: bytes(self.writes()) }
    }

    /// The path of the layer that it computes, or whose gradient: its name without the phase before a slash and the
    /// part behind one.
    pub fn layer(&self) -> &str {
        let name = self.name();
        let name = name.strip_prefix("d/").or(name.strip_prefix("step/")).unwrap_or(name);
        name.split(['/', '\'']).next().unwrap_or(name)
    }
}
