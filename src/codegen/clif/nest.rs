//! The loops of a map, and reductions.

use cranelift_codegen::ir::condcodes::IntCC;
use std::ops::Range;

use cranelift_codegen::ir::{self, InstBuilder, StackSlot, StackSlotData, StackSlotKind, types};
use cranelift_frontend::Variable;

use super::super::abi::StepContext;
use super::emit::{BLOCK_BYTES, Emitter, QUARTER_BYTES, QUARTERS};
use crate::kernel::{Axis, BLOCK, Domain, Expr, Place, ReduceOp, Store, Target, Value, blocks};
use crate::net::Level;

/// The most pixels of a row that are summed apart.
const SIDE_BY_SIDE: usize = 2;

/// A reduction over the pixels of a plane: accumulators a quarter for the row, and one for the plane.
pub(super) struct PixelSum {
    value: Value,
    /// Quarters that differ.
    quarters: usize,
    pub(super) body: Value,
    pub(super) op: ReduceOp,
    row: [[Variable; QUARTERS]; SIDE_BY_SIDE],
    pub(super) plane: [Variable; QUARTERS],
}

impl Emitter<'_, '_> {
    /// The whole map, for one task.
    pub(super) fn nest(&mut self) {
        match self.map.domain {
            Domain::Feature { height, width, .. } => self.feature_nest(height, width),
            Domain::Channel { .. } => self.store_all(|_| true),
            Domain::Image { channels } => {
                self.hoist(Axis::Channels);
                self.store_all(|target| matches!(target, Target::Image(_)));
                let end = self.b.ins().iconst(types::I64, blocks(channels) as i64);
                self.looped(end, |e, block| {
                    e.scope(|e| {
                        e.block = block;
                        e.forget_planes();
                        e.store_all(|target| matches!(target, Target::Plane(_)));
                    });
                });
            }
            Domain::Flat { len } => self.flat_nest(len),
        }
    }

    /// A loop over 0..end.
    fn looped(&mut self, end: ir::Value, inside: impl FnOnce(&mut Self, ir::Value)) {
        let zero = self.b.ins().iconst(types::I64, 0);
        self.looped_from(zero, end, inside);
    }

    fn looped_from(&mut self, start: ir::Value, end: ir::Value, inside: impl FnOnce(&mut Self, ir::Value)) {
        let counter = self.b.declare_var(types::I64);
        self.b.def_var(counter, start);
        let (header, body, exit) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().jump(header, &[]);
        self.b.switch_to_block(header);
        let at = self.b.use_var(counter);
        let more = self.b.ins().icmp(IntCC::UnsignedLessThan, at, end);
        self.b.ins().brif(more, body, &[], exit, &[]);
        self.b.switch_to_block(body);
        inside(self, at);
        let next = self.b.ins().iadd_imm_s(at, 1);
        self.b.def_var(counter, next);
        self.b.ins().jump(header, &[]);
        self.b.switch_to_block(exit);
    }

    /// A loop over 0, step, … below `end`, of at least one turn. What `inside` moves the point to is forgotten after it.
    fn counted(&mut self, end: i64, step: i64, inside: impl FnOnce(&mut Self, ir::Value)) {
        let zero = self.b.ins().iconst(types::I64, 0);
        let counter = self.b.declare_var(types::I64);
        self.b.def_var(counter, zero);
        let (body, exit) = (self.b.create_block(), self.b.create_block());
        self.b.ins().jump(body, &[]);
        self.b.switch_to_block(body);
        let at = self.b.use_var(counter);
        self.scope(|e| inside(e, at));
        let next = self.b.ins().iadd_imm_s(at, step);
        self.b.def_var(counter, next);
        let more = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, next, end);
        self.b.ins().brif(more, body, &[], exit, &[]);
        self.b.switch_to_block(exit);
    }

    fn store_all(&mut self, wanted: impl Fn(Target) -> bool) {
        let map = self.map;
        for store in map.stores.iter().filter(|s| wanted(s.target)) {
            (0..QUARTERS).for_each(|quarter| self.store(store.target, store.value, quarter));
        }
    }

    /// Computes what does not vary along the axis of the loop that follows, apart from constants, which are cheap
    /// anywhere, and from what needs a reduction that is still to come.
    fn hoist(&mut self, axis: Axis) {
        let map = self.map;
        let one_pass = matches!(map.domain, Domain::Feature { .. } | Domain::Flat { .. });
        let mut waits = vec![false; map.exprs.len()];
        for (i, expr) in map.exprs.iter().enumerate() {
            let summed = matches!(expr, Expr::Reduce { over: Axis::Pixels, op: ReduceOp::Sum | ReduceOp::Max, .. });
            waits[i] = (one_pass && summed) || expr.operands().any(|v| waits[v.index()]);
            let value = Value(i as u32);
            if waits[i] || self.axes[i].has(axis) || matches!(expr, Expr::Const(_)) {
                continue;
            }
            for quarter in 0..self.quarters(value) {
                self.value(value, quarter);
            }
        }
    }

    fn feature_nest(&mut self, height: usize, width: usize) {
        let map = self.map;
        // Addresses and values that stay for the whole plane.
        let of_planes = |e: &&Expr| match e {
            Expr::Load { at, .. } => matches!(at, Place::Point | Place::Plane),
            _ => true,
        };
        map.exprs.iter().filter(of_planes).flat_map(Expr::reads).for_each(|id| {
            self.plane(id);
        });
        for store in &map.stores {
            if let Target::Point(id) | Target::Plane(id) = store.target {
                self.plane(id);
            }
        }
        self.hoist(Axis::Pixels);
        let sums = self.pixel_sums();
        let pointwise: Vec<Store> =
            map.stores.iter().filter(|s| matches!(s.target, Target::Point(_) | Target::Tile)).copied().collect();
        let passes = !sums.is_empty() || !pointwise.is_empty();
        if passes && !self.by_routine(&pointwise, &sums) {
            self.rows(&pointwise, &sums, (height, width));
        }
        self.know_sums(&sums);
        self.store_all(|target| matches!(target, Target::Plane(_)));
    }

    /// All rows of a plane.
    fn rows(&mut self, pointwise: &[Store], sums: &[PixelSum], (height, width): (usize, usize)) {
        // A gather finds its taps once for all quarters, and draws of a pixel are made for all together. Without them a
        // row is taken a quarter at a time: its constants and sums fit the registers, which those of all do not.
        let shares = |e: &Expr| match e {
            Expr::Gather { .. } => true,
            Expr::Draw(draw) => draw.level == Level::Pixel,
            _ => false,
        };
        let together = self.map.exprs.iter().any(shares);
        // By the width alone, so that a sum has the same bits whatever else its map does.
        let apart = if width.is_multiple_of(2) { 2 } else { 1 };
        let kept = if together { vec![] } else { self.keep(pointwise, sums) };
        self.counted(height as i64, 1, |e, h| {
            e.start_row(h, width);
            if together {
                e.row(pointwise, sums, 0..QUARTERS, width, (1, apart));
            } else {
                for quarter in 0..QUARTERS {
                    e.scope(|e| {
                        e.recall(&kept, quarter);
                        e.row(pointwise, sums, quarter..quarter + 1, width, (apart, apart));
                    });
                }
            }
            for sum in sums {
                for quarter in 0..sum.quarters {
                    let row = e.b.use_var(sum.row[0][quarter]);
                    e.accumulate(sum.plane[quarter], row, sum.op);
                }
            }
        });
    }

    /// A row of some quarters, `side_by_side` pixels a turn. Of `apart` pixels each has sums of its own, since a sum waits
    /// for the one before it; where a turn is a single pixel, they change places after each.
    fn row(
        &mut self,
        pointwise: &[Store],
        sums: &[PixelSum],
        quarters: Range<usize>,
        width: usize,
        (side_by_side, apart): (usize, usize),
    ) {
        let of = |sum: &PixelSum| quarters.start.min(sum.quarters)..quarters.end.min(sum.quarters);
        for sum in sums {
            sum.row[..apart].iter().for_each(|row| row[of(sum)].iter().for_each(|lane| self.start(*lane, sum.op)));
        }
        self.counted(width as i64 * BLOCK_BYTES, side_by_side as i64 * BLOCK_BYTES, |e, first| {
            for pixel in 0..side_by_side {
                e.scope(|e| {
                    let column =
                        if pixel == 0 { first } else { e.b.ins().iadd_imm_s(first, pixel as i64 * BLOCK_BYTES) };
                    e.go_to(column);
                    for quarter in quarters.clone() {
                        pointwise.iter().for_each(|s| e.store(s.target, s.value, quarter));
                        for sum in sums.iter().filter(|sum| of(sum).contains(&quarter)) {
                            e.add(sum.row[pixel][quarter], sum.body, sum.op, quarter);
                            if side_by_side < apart {
                                e.swap(sum.row[0][quarter], sum.row[1][quarter]);
                            }
                        }
                    }
                });
            }
        });
        for sum in sums {
            for (pixel, quarter) in (1..apart).flat_map(|pixel| of(sum).map(move |quarter| (pixel, quarter))) {
                let other = self.b.use_var(sum.row[pixel][quarter]);
                self.accumulate(sum.row[0][quarter], other, sum.op);
            }
        }
    }

    /// Puts what the pixels of a plane share into memory, quarter by quarter.
    fn keep(&mut self, pointwise: &[Store], sums: &[PixelSum]) -> Vec<(Value, StackSlot)> {
        let map = self.map;
        let mut needed = vec![false; map.exprs.len()];
        pointwise.iter().for_each(|s| needed[s.value.index()] = true);
        sums.iter().for_each(|s| needed[s.body.index()] = true);
        for i in (0..map.exprs.len()).rev().filter(|i| self.axes[*i].has(Axis::Pixels)) {
            if needed[i] {
                map.exprs[i].operands().for_each(|v| needed[v.index()] = true);
            }
        }
        let shared = (0..map.exprs.len()).filter(|i| needed[*i] && !self.axes[*i].has(Axis::Pixels));
        let shared: Vec<_> = shared.map(|i| Value(i as u32)).collect();
        let mut kept = Vec::new();
        for value in shared {
            let bytes = QUARTERS as u32 * QUARTER_BYTES as u32;
            let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4));
            for quarter in 0..self.quarters(value) {
                let known = self.value(value, quarter);
                self.b.ins().stack_store(types::I64, known, slot, quarter as i32 * QUARTER_BYTES);
            }
            kept.push((value, slot));
        }
        kept
    }

    /// Brings a quarter of what `keep` has put away into registers.
    fn recall(&mut self, kept: &[(Value, StackSlot)], quarter: usize) {
        for (value, slot) in kept {
            let quarter = quarter.min(self.quarters(*value) - 1);
            let known = self.b.ins().stack_load(types::I64, types::F32X4, *slot, quarter as i32 * QUARTER_BYTES);
            self.set(*value, quarter, known);
        }
    }

    /// The loop is over: the sums are what was accumulated.
    fn know_sums(&mut self, sums: &[PixelSum]) {
        for sum in sums {
            for quarter in 0..sum.quarters {
                let total = self.b.use_var(sum.plane[quarter]);
                self.set(sum.value, quarter, total);
            }
        }
    }

    fn pixel_sums(&mut self) -> Vec<PixelSum> {
        let map = self.map;
        let mut sums = Vec::new();
        for (i, expr) in map.exprs.iter().enumerate() {
            if let Expr::Reduce { over: Axis::Pixels, op: op @ (ReduceOp::Sum | ReduceOp::Max), body } = expr {
                let mut lanes = || [(); QUARTERS].map(|()| self.b.declare_var(types::F32X4));
                let (row, plane) = ([(); SIDE_BY_SIDE].map(|()| lanes()), lanes());
                plane.iter().for_each(|v| self.start(*v, *op));
                let value = Value(i as u32);
                let quarters = self.quarters(value);
                sums.push(PixelSum { value, quarters, body: *body, op: *op, row, plane });
            }
        }
        sums
    }

    fn start(&mut self, accumulator: Variable, op: ReduceOp) {
        let start = self.neutral(op);
        self.b.def_var(accumulator, start);
    }

    fn neutral(&mut self, op: ReduceOp) -> ir::Value {
        self.constant(match op {
            ReduceOp::Sum => 0.0,
            ReduceOp::Max => f32::MIN,
            ReduceOp::First => unreachable!("the first is not accumulated"),
        })
    }

    fn accumulate(&mut self, accumulator: Variable, next: ir::Value, op: ReduceOp) {
        let so_far = self.b.use_var(accumulator);
        let joined = self.joined(op, so_far, next);
        self.b.def_var(accumulator, joined);
    }

    fn swap(&mut self, a: Variable, b: Variable) {
        let [of_a, of_b] = [a, b].map(|variable| self.b.use_var(variable));
        self.b.def_var(a, of_b);
        self.b.def_var(b, of_a);
    }

    /// Accumulates a quarter of a value.
    fn add(&mut self, accumulator: Variable, body: Value, op: ReduceOp, quarter: usize) {
        let next = self.value(body, quarter);
        self.accumulate(accumulator, next, op);
    }

    fn joined(&mut self, op: ReduceOp, a: ir::Value, b: ir::Value) -> ir::Value {
        match op {
            ReduceOp::Sum => self.b.ins().fadd(a, b),
            ReduceOp::Max => self.max(a, b),
            ReduceOp::First => unreachable!("the first is not accumulated"),
        }
    }

    /// A reduction with a loop of its own: over the batch, or over the channels of an image. What the loop does not
    /// change is already known (`hoist`), or is computed here first.
    pub(super) fn reduce(&mut self, over: Axis, op: ReduceOp, body: Value, quarter: usize) -> ir::Value {
        self.prepare(body, over, quarter);
        match over {
            Axis::Batch => {
                let accumulator = self.b.declare_var(types::F32X4);
                self.start(accumulator, op);
                let end = self.field(types::I64, std::mem::offset_of!(StepContext, batch));
                self.looped(end, |e, n| {
                    e.scope(|e| {
                        e.n = n;
                        e.forget_planes();
                        let next = e.value(body, quarter);
                        e.accumulate(accumulator, next, op);
                    });
                });
                self.b.use_var(accumulator)
            }
            Axis::Channels => {
                let lanes = [(); QUARTERS].map(|()| self.b.declare_var(types::F32X4));
                lanes.iter().for_each(|v| self.start(*v, op));
                let end = self.b.ins().iconst(types::I64, blocks(self.map.domain.channels()) as i64);
                self.looped(end, |e, block| {
                    e.scope(|e| {
                        e.block = block;
                        e.forget_planes();
                        for (quarter, lane) in lanes.iter().enumerate() {
                            let next = e.value(body, quarter);
                            let nothing = e.neutral(op);
                            let next = e.in_channels(next, nothing, quarter);
                            e.accumulate(*lane, next, op);
                        }
                    });
                });
                let mut joined = self.b.use_var(lanes[0]);
                for lane in &lanes[1..] {
                    let next = self.b.use_var(*lane);
                    joined = self.joined(op, joined, next);
                }
                // The four lanes in order, each spread so that vector operations join them.
                let mut total: Option<ir::Value> = None;
                for lane in 0..4u8 {
                    let scalar = self.b.ins().extractlane(joined, lane);
                    let spread = self.b.ins().splat(types::F32X4, scalar);
                    total = Some(match total {
                        Some(so_far) => self.joined(op, so_far, spread),
                        None => spread,
                    });
                }
                total.expect("there are four lanes")
            }
            // Sums and maxima over pixels are computed by the nest, the first pixel here.
            Axis::Pixels => self.scope(|e| {
                let zero = e.b.ins().iconst(types::I64, 0);
                (e.h, e.w, e.off) = (zero, zero, zero);
                e.value(body, quarter)
            }),
        }
    }

    /// Computes the parts of `value` that do not vary along `axis`, before a loop over it.
    fn prepare(&mut self, value: Value, axis: Axis, quarter: usize) {
        let map = self.map;
        if matches!(map.expr(value), Expr::Const(_)) {
            return;
        }
        if !self.axes[value.index()].has(axis) {
            let quarters = if axis == Axis::Channels { 0..QUARTERS } else { quarter..quarter + 1 };
            quarters.for_each(|q| {
                self.value(value, q);
            });
            return;
        }
        map.expr(value).operands().for_each(|v| self.prepare(v, axis, quarter));
    }

    /// A chunk of a flat array, sixteen elements at a time.
    fn flat_nest(&mut self, len: usize) {
        let per_chunk = (Domain::CHUNK / BLOCK) as i64;
        self.hoist(Axis::Pixels);
        let sums = self.pixel_sums();
        let start = self.times(self.n, per_chunk);
        let full = self.b.ins().iadd_imm_s(start, per_chunk);
        let all = self.b.ins().iconst(types::I64, (len / BLOCK) as i64);
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThan, full, all);
        let end = self.b.ins().select(fits, full, all);
        self.looped_from(start, end, |e, at| {
            e.scope(|e| {
                e.off = e.times(at, BLOCK_BYTES);
                e.store_all(|target| matches!(target, Target::Flat(_)));
                for sum in &sums {
                    for quarter in 0..sum.quarters {
                        e.add(sum.plane[quarter], sum.body, sum.op, quarter);
                    }
                }
            });
        });
        self.know_sums(&sums);
        self.store_all(|target| matches!(target, Target::Chunk(_)));
    }
}
