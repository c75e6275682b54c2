//! Planes that a contraction reads, brought into cache with zeros around them.

use std::ops::Range;

use super::super::jit::MapFn;
use super::Around;
use super::ahead::Ahead;
use crate::kernel::{BLOCK, blocks};

/// The feature map that is read.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// A map that makes what a plane is read from, just before it is.
    pub(super) maker: Option<MapFn>,
    /// Those that are read.
    pub(super) blocks: Blocks,
    pub(super) height: usize,
    pub(super) width: usize,
    /// What its planes are read or computed from.
    pub(super) reads: Ahead,
}

/// Some of an image's blocks of channels: all of them, or those of a group.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub(super) count: usize,
    /// The first of them.
    first: usize,
    /// All that an image has.
    of_image: usize,
}

impl Blocks {
    /// All blocks of so many channels.
    pub(super) fn of(channels: usize) -> Self {
        let count = blocks(channels);
        Blocks { count, first: 0, of_image: count }
    }

    /// The run of `count` blocks of which `before` runs are before it.
    pub(super) fn run(self, before: usize, count: usize) -> Self {
        Blocks { count, first: self.first + before * count, ..self }
    }

    /// The number in the image of one of them.
    pub(super) fn in_image(self, block: usize) -> usize {
        self.first + block
    }

    /// The plane of one of them, where all planes of image n follow those of the images before.
    pub(super) fn plane(self, n: usize, block: usize) -> usize {
        n * self.of_image + self.in_image(block)
    }

    /// How many of an image's `lines` are before them, and how many are theirs.
    pub(super) fn share(self, lines: usize) -> (usize, usize) {
        (lines * self.first / self.of_image, lines * self.count / self.of_image)
    }
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
    /// What a group of channels reads of it: a run of so many blocks.
    pub(super) fn group(&self, group: usize, count: usize) -> Self {
        let blocks = self.blocks.run(group, count);
        Source { blocks, reads: self.reads.of_blocks(blocks), ..self.clone() }
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
        // SAFETY: the offset comes from the plan, and the plane lies inside its buffer.
        unsafe { around.context.arena.add(offset + self.blocks.plane(n, block) * self.plane_len()) }
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
        for block in 1..self.blocks.count {
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
            unsafe { maker(around.context, n as u64, self.blocks.in_image(block) as u64, std::ptr::null_mut(), 0) };
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
                    let block = self.blocks.in_image(block) as u64;
                    prologue(around.context, n as u64, block, inner, (row * 4) as u64);
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
        for block in 0..self.blocks.count {
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
