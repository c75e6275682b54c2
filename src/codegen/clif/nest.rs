//! The loops of a map, and reductions.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use cranelift_frontend::Variable;

use super::super::abi::StepContext;
use super::emit::{BLOCK_BYTES, Emitter, QUARTERS};
use crate::kernel::{Axis, BLOCK, Domain, Expr, Place, ReduceOp, Store, Target, Value, blocks};

/// A reduction over the pixels of a plane: an accumulator a quarter for the row, and one for the plane.
struct PixelSum {
    value: Value,
    body: Value,
    op: ReduceOp,
    row: [Variable; QUARTERS],
    plane: [Variable; QUARTERS],
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
        if !sums.is_empty() || !pointwise.is_empty() {
            self.counted(height as i64, 1, |e, h| {
                for sum in &sums {
                    sum.row.iter().for_each(|row| e.start(*row, sum.op));
                }
                e.start_row(h, width);
                e.counted(width as i64 * BLOCK_BYTES, BLOCK_BYTES, |e, column| {
                    e.scope(|e| {
                        e.go_to(column);
                        for quarter in 0..QUARTERS {
                            pointwise.iter().for_each(|s| e.store(s.target, s.value, quarter));
                            for sum in &sums {
                                if quarter >= e.quarters(sum.value) {
                                    continue;
                                }
                                let next = e.value(sum.body, quarter);
                                e.accumulate(sum.row[quarter], next, sum.op);
                            }
                        }
                    });
                });
                for sum in &sums {
                    for quarter in 0..e.quarters(sum.value) {
                        let row = e.b.use_var(sum.row[quarter]);
                        e.accumulate(sum.plane[quarter], row, sum.op);
                    }
                }
            });
        }
        self.know_sums(&sums);
        self.store_all(|target| matches!(target, Target::Plane(_)));
    }

    /// The loop is over: the sums are what was accumulated.
    fn know_sums(&mut self, sums: &[PixelSum]) {
        for sum in sums {
            for quarter in 0..self.quarters(sum.value) {
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
                let row = [(); QUARTERS].map(|()| self.b.declare_var(types::F32X4));
                let plane = [(); QUARTERS].map(|()| self.b.declare_var(types::F32X4));
                plane.iter().for_each(|v| self.start(*v, *op));
                sums.push(PixelSum { value: Value(i as u32), body: *body, op: *op, row, plane });
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
                    for quarter in 0..e.quarters(sum.value) {
                        let next = e.value(sum.body, quarter);
                        e.accumulate(sum.plane[quarter], next, sum.op);
                    }
                }
            });
        });
        self.know_sums(&sums);
        self.store_all(|target| matches!(target, Target::Chunk(_)));
    }
}
