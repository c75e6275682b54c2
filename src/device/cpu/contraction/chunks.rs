//! The gradient to a weight in chunks of the batch: each has a sum of its own, and these are added in the order of the
//! chunks, so that what is added to what does not depend on who does it.

use std::ops::Range;

use super::Around;

/// The most chunks: they bound how many threads can share a batch.
const MOST: usize = 16;
/// Floats of all sums of a weight, beyond which there are fewer.
const FLOATS: usize = 16 << 20;

/// The chunks of a batch, and where their sums lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// How many: by the shape alone.
    pub(super) count: usize,
    /// Floats of a sum.
    len: usize,
    /// The gradient's offset in the arena, where it has the layout of a sum: it is the first chunk's.
    result: Option<usize>,
}

impl Chunks {
    /// Chunks of so many parts of a batch, with sums of `len` floats.
    pub(super) fn new(parts: usize, len: usize, result: Option<usize>) -> Self {
        Chunks { count: (FLOATS / len).clamp(2, MOST).min(parts), len, result }
    }

    /// Floats of the sums that are not the gradient itself.
    pub(super) fn shared(&self) -> usize {
        (self.count - usize::from(self.result.is_some())) * self.len
    }

    /// A chunk's part of `parts`.
    pub(super) fn parts(&self, chunk: usize, parts: usize) -> Range<usize> {
        chunk * parts / self.count..(chunk + 1) * parts / self.count
    }

    /// Where a chunk's sum lies; `sums` is where those lie that are not the gradient.
    ///
    /// # Safety
    /// `sums` holds what [`shared`](Self::shared) counts; the chunk is one of them.
    pub(super) unsafe fn sum(&self, around: &Around<'_>, sums: *mut f32, chunk: usize) -> *mut f32 {
        // SAFETY: the offset comes from the plan; the rest as the caller promises.
        unsafe {
            match self.result {
                Some(result) if chunk == 0 => around.context.arena.add(result),
                _ => sums.add((chunk - usize::from(self.result.is_some())) * self.len),
            }
        }
    }

    /// Adds these floats of the other chunks' sums to those of the first one's.
    ///
    /// # Safety
    /// The sums are finished, and these floats of them the caller's alone; else as for [`sum`](Self::sum).
    pub(super) unsafe fn add_up(&self, around: &Around<'_>, sums: *mut f32, floats: Range<usize>) {
        // SAFETY: as the caller promises.
        let of_chunk = |chunk: usize| unsafe {
            std::slice::from_raw_parts_mut(self.sum(around, sums, chunk).add(floats.start), floats.len())
        };
        let total = of_chunk(0);
        for chunk in 1..self.count {
            total.iter_mut().zip(of_chunk(chunk)).for_each(|(t, x)| *t += *x);
        }
    }
}
