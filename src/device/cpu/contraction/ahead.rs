//! Memory that is read soon, asked for while products are made: the lines come while the arithmetic units work.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Around;
use super::source::Blocks;
use crate::device::cpu::simd::expect_read;
use crate::kernel::{BLOCK, BufferId, Draw, Map, Operand, Plan, Size};

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
    /// Lines of an image that are read.
    first: usize,
    lines: usize,
    /// Whether it is read only where the contraction's gate is open, or only where it is closed.
    where_open: Option<bool>,
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
    /// What an operand is read from; `gate` is the contraction's.
    pub(super) fn of_operand(operand: &Operand, plan: &Plan, gate: Option<Draw>) -> Self {
        match operand {
            Operand::Stored(buffer) => Ahead::new([(*buffer, None)], plan),
            Operand::Computed(map) => Ahead::of_map(map, plan, gate, &[]),
        }
    }

    /// What a map reads, but for the buffers of `except`. What some other closed gate leaves unread is not asked for.
    pub(super) fn of_map(map: &Map, plan: &Plan, gate: Option<Draw>, except: &[BufferId]) -> Self {
        let always = |map: &Map| -> BTreeSet<BufferId> {
            let reads =
                map.gated_reads().into_iter().filter(|(buffer, gates)| gates.is_empty() && !except.contains(buffer));
            reads.map(|(buffer, _)| buffer).collect()
        };
        let Some(gate) = gate else { return Ahead::new(always(map).into_iter().map(|buffer| (buffer, None)), plan) };
        let [open, closed] = [1.0, 0.0].map(|value| always(&map.specialised(gate, value)));
        let where_open = |buffer: &BufferId| match (open.contains(buffer), closed.contains(buffer)) {
            (true, true) => None,
            (open, _) => Some(open),
        };
        Ahead::new(open.union(&closed).map(|buffer| (*buffer, where_open(buffer))), plan)
    }

    /// What is read for some blocks of channels alone: as large a share of each map, which is all of it where a map has
    /// the same channels.
    pub(super) fn of_blocks(&self, blocks: Blocks) -> Self {
        let part = |map: &Stored| {
            let (first, lines) = blocks.share(map.image / BLOCK);
            Stored { first, lines, ..*map }
        };
        Ahead { maps: self.maps.iter().map(part).collect() }
    }

    /// What is read where a map makes a part of it first, for some blocks of channels alone.
    pub(super) fn behind(&self, map: &Map, plan: &Plan, blocks: Blocks) -> Self {
        let made: Vec<usize> = map.writes().into_iter().map(|id| plan.buffer(id).offset).collect();
        let mut all = Ahead::of_map(map, plan, None, &[]).of_blocks(blocks);
        all.maps.extend(self.maps.iter().filter(|read| !made.contains(&read.offset)));
        all
    }

    fn new(buffers: impl IntoIterator<Item = (BufferId, Option<bool>)>, plan: &Plan) -> Self {
        let maps = buffers.into_iter().filter_map(|(id, where_open)| {
            let buffer = plan.buffer(id);
            let image = buffer.size.len(1);
            (matches!(buffer.size, Size::Feature { .. }) && image > BLOCK).then_some(Stored {
                offset: buffer.offset,
                image,
                first: 0,
                lines: image / BLOCK,
                where_open,
            })
        });
        Ahead { maps: maps.collect() }
    }

    /// Asks for a share of some images.
    #[inline(always)]
    pub(super) fn expect(&self, around: &Around<'_>, images: &Range<usize>, share: Share) {
        let is_read = |map: &&Stored| map.where_open.is_none_or(|open| open == around.gate_is_open);
        for map in self.maps.iter().filter(is_read).filter(|map| images.len() * map.lines * BLOCK <= MOST) {
            let wanted = share.of(images.len() * map.lines);
            for (number, image) in images.clone().enumerate() {
                let before = number * map.lines;
                let lines = wanted.start.max(before)..wanted.end.min(before + map.lines);
                let start = around.context.arena.wrapping_add(map.offset + image * map.image).cast_const();
                for line in lines {
                    expect_read(start.wrapping_add((map.first + line - before) * BLOCK));
                }
            }
        }
    }
}
