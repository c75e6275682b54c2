//! Memory that is read soon, asked for while products are made: the lines come while the arithmetic units work.

use std::ops::Range;

use super::Around;
use crate::device::cpu::simd::expect_read;
use crate::kernel::{BLOCK, BufferId, Map, Operand, Plan, Size};

/// Feature maps of the batch that a prologue or an epilogue reads.
#[derive(Clone, Default)]
pub(super) struct Ahead {
    maps: Vec<Stored>,
}

/// A feature map in the arena.
#[derive(Clone, Copy)]
struct Stored {
    offset: usize,
    /// Floats of an image.
    image: usize,
}

/// Floats of what is asked for of a feature map, at most: more than that pushes what is at work out of the second-level
/// cache.
const MOST: usize = 32 * 1024;

/// A part of what is read: `part` of `parts` of equal size.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) part: usize,
    pub(super) parts: usize,
}

impl Share {
    /// Which of `len` lines.
    pub(super) fn of(self, len: usize) -> Range<usize> {
        len * self.part / self.parts..len * (self.part + 1) / self.parts
    }
}

impl Ahead {
    pub(super) fn of_operand(operand: &Operand, plan: &Plan) -> Self {
        match operand {
            Operand::Stored(buffer) => Ahead::new([*buffer], plan),
            Operand::Computed(map) => Ahead::of_map(map, plan, &[]),
        }
    }

    /// What a map reads in every step, but for the buffers of `except`. What a closed gate leaves unread is not asked for.
    pub(super) fn of_map(map: &Map, plan: &Plan, except: &[BufferId]) -> Self {
        let always = map.gated_reads().into_iter().filter(|(_, gates)| gates.is_empty()).map(|(buffer, _)| buffer);
        Ahead::new(always.filter(|buffer| !except.contains(buffer)), plan)
    }

    fn new(buffers: impl IntoIterator<Item = BufferId>, plan: &Plan) -> Self {
        let maps = buffers.into_iter().filter_map(|id| {
            let buffer = plan.buffer(id);
            let image = buffer.size.len(1);
            (matches!(buffer.size, Size::Feature { .. }) && image > BLOCK)
                .then_some(Stored { offset: buffer.offset, image })
        });
        Ahead { maps: maps.collect() }
    }

    /// Asks for a share of some images.
    #[inline(always)]
    pub(super) fn expect(&self, around: &Around<'_>, images: &Range<usize>, share: Share) {
        for map in self.maps.iter().filter(|map| images.len() * map.image <= MOST) {
            let start = around.context.arena.wrapping_add(map.offset + images.start * map.image).cast_const();
            for line in share.of(images.len() * map.image / BLOCK) {
                expect_read(start.wrapping_add(line * BLOCK));
            }
        }
    }
}
