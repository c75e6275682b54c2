//! Planes that a contraction reads, brought into cache with zeros around them.

use std::ops::Range;

use super::super::jit::MapFn;
use super::Around;
use super::ahead::Ahead;
use crate::kernel::BLOCK;

/// The feature map that is read.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// A map that makes what a plane is read from, just before it is.
    pub(super) maker: Option<MapFn>,
    /// Blocks of channels that are read, the first of them, and all that an image has.
    pub(super) blocks: usize,
    pub(super) first: usize,
    pub(super) of_image: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// What its planes are read or computed from.
    pub(super) reads: Ahead,
}

/// Where its planes come from.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// Offset of a feature map in the arena.
    Stored(usize),
    /// A prologue.
    Computed(MapFn),
}

/// A plane with zeros around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Rows of zeros above, and columns to the left.
    pub(super) before: usize,
    /// Rows with the zeros.
    pub(super) height: usize,
    /// Columns with the zeros.
    pub(super) width: usize,
}

impl Frame {
    /// Floats of a plane.
    pub(super) fn len(self) -> usize {
        self.height * self.width * BLOCK
    }

    /// Floats from row to row.
    pub(super) fn row(self) -> usize {
        self.width * BLOCK
    }
}

impl Source {
    /// So many of its blocks, the `part`-th time.
    pub(super) fn part(&self, part: usize, blocks: usize) -> Self {
        let source = Source { blocks, first: self.first + part * blocks, ..self.clone() };
        let reads = self.reads.of_blocks(source.range(), self.of_image);
        Source { reads, ..source }
    }

    /// The blocks that are read.
    pub(super) fn range(&self) -> Range<usize> {
        self.first..self.first + self.blocks
    }

    /// Whether the plane fills its frame.
    fn fills(&self, frame: Frame) -> bool {
        (frame.before, frame.height, frame.width) == (0, self.height, self.width)
    }

    /// Floats of a plane as stored.
    pub(super) fn plane_len(&self) -> usize {
        self.height * self.width * BLOCK
    }

    /// A plane as it lies in the arena.
    fn stored(&self, around: &Around<'_>, offset: usize, n: usize, block: usize) -> *const f32 {
        let plane = n * self.of_image + self.first + block;
        // SAFETY: the offset comes from the plan, and the plane lies inside its buffer.
        unsafe { around.context.arena.add(offset + plane * self.plane_len()) }
    }

    /// Image n's plane of a block in its frame: where it lies in the arena if nothing need be added, else made at `room`.
    ///
    /// # Safety
    /// `room` holds a frame and is the caller's alone.
    pub(super) unsafe fn plane(
        &self,
        around: &Around<'_>,
        n: usize,
        block: usize,
        frame: Frame,
        room: *mut f32,
    ) -> *const f32 {
        self.make(around, n, block);
        let made = self.made(around, n, block, frame, room);
        if made == room.cast_const() {
            // SAFETY: as the caller promises.
            unsafe {
                self.clear(frame, room);
                self.fill(around, n, block, frame, room);
            }
        }
        made
    }

    /// All planes of image n, one after another: where they lie in the arena, else made at `room`.
    ///
    /// # Safety
    /// `room` holds a frame a block and is the caller's alone.
    pub(super) unsafe fn planes(&self, around: &Around<'_>, n: usize, frame: Frame, room: *mut f32) -> *const f32 {
        for block in 1..self.blocks {
            // SAFETY: as the caller promises.
            unsafe { self.plane(around, n, block, frame, room.add(block * frame.len())) };
        }
        // SAFETY: as the caller promises.
        unsafe { self.plane(around, n, 0, frame, room) }
    }

    /// Makes what image n's plane of a block is read from.
    fn make(&self, around: &Around<'_>, n: usize, block: usize) {
        if let Some(maker) = self.maker {
            // SAFETY: the engine has made sure that the map goes over the planes that are read, and that its task is this
            // plane's alone; a plane is read once.
            unsafe { maker(around.context, n as u64, (self.first + block) as u64, std::ptr::null_mut(), 0) };
        }
    }

    /// Where [`plane`](Source::plane) has made it.
    pub(super) fn made(&self, around: &Around<'_>, n: usize, block: usize, frame: Frame, room: *mut f32) -> *const f32 {
        match self.origin {
            Origin::Stored(offset) if self.fills(frame) => self.stored(around, offset, n, block),
            Origin::Stored(_) | Origin::Computed(_) => room,
        }
    }

    /// Makes image n's plane of a block in its frame at `room`.
    ///
    /// # Safety
    /// `room` holds a frame and is the caller's alone.
    unsafe fn fill(&self, around: &Around<'_>, n: usize, block: usize, frame: Frame, room: *mut f32) {
        let row = frame.row();
        // SAFETY: the plane lies inside its frame; a prologue reads what the plan says is ready.
        unsafe {
            let inner = room.add(frame.before * (row + BLOCK));
            match self.origin {
                Origin::Stored(offset) => {
                    let plane = self.stored(around, offset, n, block);
                    let len = self.width * BLOCK;
                    for y in 0..self.height {
                        std::ptr::copy_nonoverlapping(plane.add(y * len), inner.add(y * row), len);
                    }
                }
                Origin::Computed(prologue) => {
                    prologue(around.context, n as u64, (self.first + block) as u64, inner, (row * 4) as u64);
                }
            }
        }
    }

    /// Images of one pixel as the row of one image: `[block][image][16]`.
    ///
    /// # Safety
    /// The map has one pixel; `room` holds the row and is the caller's alone.
    pub(super) unsafe fn row(&self, around: &Around<'_>, images: Range<usize>, room: *mut f32) {
        let pixel = Frame { before: 0, height: 1, width: 1 };
        for block in 0..self.blocks {
            for (i, n) in images.clone().enumerate() {
                self.make(around, n, block);
                // SAFETY: as the caller promises.
                unsafe { self.fill(around, n, block, pixel, room.add((block * images.len() + i) * BLOCK)) };
            }
        }
    }

    /// Zeros around the plane of a frame.
    ///
    /// # Safety
    /// `room` holds a frame and is the caller's alone.
    unsafe fn clear(&self, frame: Frame, room: *mut f32) {
        let row = frame.row();
        let (left, top) = (frame.before * BLOCK, frame.before * row);
        let right = row - left - self.width * BLOCK;
        // For one pixel a call of memset costs more than the line.
        // SAFETY: all of it lies inside the frame.
        let zero = |start: usize, len: usize| unsafe {
            match len {
                BLOCK => room.add(start).cast::<[f32; BLOCK]>().write([0.0; BLOCK]),
                len => std::ptr::write_bytes(room.add(start), 0, len),
            }
        };
        zero(0, top);
        for y in frame.before..frame.before + self.height {
            zero(y * row, left);
            zero((y + 1) * row - right, right);
        }
        let bottom = (frame.before + self.height) * row;
        zero(bottom, frame.len() - bottom);
    }
}
