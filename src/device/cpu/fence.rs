//! Fences, for tests: pages that nobody may touch, against which buffers lie.
//!
//! A kernel that leaves its buffers mostly meets another buffer of the same arena, and nobody hears of it. Where buffers are
//! fenced it ends the process at once.

use std::ops::Range;

use crate::kernel::{BLOCK, Plan};

/// The side of each buffer on which a fence lies right beside it; on the other side it lies within a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before the first float.
    Before,
    /// After the last float.
    After,
}

impl Side {
    /// Both.
    pub const ALL: [Side; 2] = [Side::Before, Side::After];
}

/// Pieces of an arena laid out one after another, each on pages of its own and after a fence.
pub(super) struct Fences {
    side: Side,
    /// Floats of a page.
    page: usize,
    /// Where the next fence starts.
    at: usize,
    closed: Vec<Range<usize>>,
}

impl Fences {
    pub(super) fn new(side: Side) -> Self {
        Fences { side, page: region::page::size() / size_of::<f32>(), at: 0, closed: vec![] }
    }

    /// The offset of a further piece of so many floats.
    pub(super) fn place(&mut self, len: usize) -> usize {
        self.close();
        let (start, pages) = (self.at, len.next_multiple_of(self.page));
        self.at += pages;
        match self.side {
            Side::Before => start,
            Side::After => start + pages - len.next_multiple_of(BLOCK),
        }
    }

    /// The arena's floats and its fences, one of them at the end.
    pub(super) fn finish(mut self) -> (usize, Vec<Range<usize>>) {
        self.close();
        (self.at, self.closed)
    }

    fn close(&mut self) {
        self.closed.push(self.at..self.at + self.page);
        self.at += self.page;
    }
}

/// Lays out plans of one network anew over one arena, each buffer between fences; those of regions, which may be views of one
/// another, stay together. The fences.
pub(super) fn spread(plans: &mut [&mut Plan], side: Side) -> Vec<Range<usize>> {
    let mut fences = Fences::new(side);
    let ends = plans.iter().flat_map(|plan| {
        let kept = plan.buffers.iter().filter(|buffer| buffer.lifetime.is_in_region());
        kept.map(|buffer| buffer.offset + buffer.size.len(plan.batch))
    });
    let kept = fences.place(ends.max().unwrap_or(0));
    for plan in &mut *plans {
        for buffer in &mut plan.buffers {
            if buffer.lifetime.is_in_region() {
                buffer.offset += kept;
            } else {
                buffer.offset = fences.place(buffer.size.len(plan.batch));
            }
        }
    }
    let (arena, closed) = fences.finish();
    plans.iter_mut().for_each(|plan| plan.arena = arena);
    closed
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::arena::Arena;
    use super::*;

    /// Tells this test, run again as a process of its own, which float to read.
    const TOUCH: &str = "SDC_TEST_TOUCH";

    #[test]
    fn who_touches_a_fence_ends() {
        let len = 3 * BLOCK;
        let place = |side| {
            let mut fences = Fences::new(side);
            fences.place(7);
            (fences.place(len), fences.finish())
        };
        if let Ok(touch) = std::env::var(TOUCH) {
            let (side, float) = touch.split_once(' ').expect("a side and a float");
            let side = if side == "Before" { Side::Before } else { Side::After };
            let (start, (arena, closed)) = place(side);
            let mut arena = Arena::new(arena);
            arena.close(&closed);
            let float = start.wrapping_add_signed(float.parse().expect("a number"));
            // SAFETY: the float lies in the arena; where it is fenced the process ends, which is what is tested.
            std::hint::black_box(unsafe { arena.start().add(float).read_volatile() });
            return;
        }
        let last = len as isize - 1;
        for (side, float, lives) in [
            (Side::Before, 0, true),
            (Side::Before, last, true),
            (Side::Before, -1, false),
            (Side::After, 0, true),
            (Side::After, last, true),
            (Side::After, last + 1, false),
        ] {
            let name = std::thread::current().name().expect("a test has a name").to_owned();
            let test = std::env::current_exe().expect("the tests are a program");
            let run = Command::new(test).args(["--exact", &name]).env(TOUCH, format!("{side:?} {float}")).output();
            let run = run.expect("the tests run");
            assert_eq!(run.status.success(), lives, "{side:?} {float}: {}", String::from_utf8_lossy(&run.stderr));
        }
    }
}
