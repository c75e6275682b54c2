//! Values of expressions as vectors of four lanes.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use cranelift_frontend::FunctionBuilder;

use super::super::abi::StepContext;
use super::Body;
use crate::codegen::wide::{Routine, Set};
use crate::kernel::{
    Axes, Axis, BLOCK, Binary, Buffer, BufferId, Domain, Expr, Map, Param, Place, Size, Target, Unary, Value, blocks,
};
use crate::net::Level;
use crate::num::draw::Stream;

/// Bytes of a block of channels.
pub(super) const BLOCK_BYTES: i64 = BLOCK as i64 * 4;
/// Bytes of a quarter.
pub(super) const QUARTER_BYTES: i32 = 16;
/// Vectors of a block.
pub(super) const QUARTERS: usize = 4;

/// Emits one map into a function. The current point is (n, block, h, w); `off` is the pixel's place in a plane, in bytes.
pub(super) struct Emitter<'a, 'f> {
    pub(super) b: &'a mut FunctionBuilder<'f>,
    pub(super) map: &'a Map,
    pub(super) axes: Vec<Axes>,
    buffers: &'a [Buffer],
    params: &'a [Param],
    pub(super) context: ir::Value,
    /// The processor's vectors where they are wider, and what they make of this function so far.
    pub(super) set: Option<Set>,
    pub(super) routines: &'a mut Vec<Routine>,
    /// The tile's row of the current point.
    pub(super) tile: ir::Value,
    pub(super) tile_row: ir::Value,
    pub(super) n: ir::Value,
    pub(super) block: ir::Value,
    pub(super) h: ir::Value,
    pub(super) w: ir::Value,
    pub(super) off: ir::Value,
    /// The pixel's place in its row, in bytes.
    column: ir::Value,
    arena: ir::Value,
    /// Values known in each open scope, the innermost last: by expression and quarter.
    scopes: Vec<Vec<[Option<ir::Value>; QUARTERS]>>,
    /// Addresses of planes, for as long as n and block stay.
    planes: Vec<(BufferId, ir::Value)>,
    /// Offsets of a gather's taps at the current pixel.
    pub(super) taps: Vec<(usize, Vec<super::gather::Tap>)>,
    /// Words drawn at the current pixel for the quarters of the block.
    pub(super) drawn: Vec<(Stream, Level, [ir::Value; QUARTERS])>,
}

impl<'a, 'f> Emitter<'a, 'f> {
    pub(super) fn new(b: &'a mut FunctionBuilder<'f>, map: &'a Map, body: &'a mut Body<'_>) -> Self {
        let Body { places, wide, entry, ref mut routines } = *body;
        let [context, n, block, tile, tile_row] =
            b.block_params(entry).try_into().expect("the signature has five parameters");
        let flags = MemFlagsData::trusted().with_readonly();
        let arena = b.ins().load(types::I64, flags, context, std::mem::offset_of!(StepContext, arena) as i32);
        let zero = b.ins().iconst(types::I64, 0);
        Emitter {
            axes: map.axes(),
            scopes: vec![vec![[None; QUARTERS]; map.exprs.len()]],
            b,
            map,
            buffers: places.buffers,
            params: places.params,
            context,
            set: wide,
            routines,
            tile,
            tile_row,
            n,
            block,
            h: zero,
            w: zero,
            off: zero,
            column: zero,
            arena,
            planes: vec![],
            taps: vec![],
            drawn: vec![],
        }
    }

    /// A field of the step's context.
    pub(super) fn field(&mut self, ty: ir::Type, offset: usize) -> ir::Value {
        self.b.ins().load(ty, MemFlagsData::trusted().with_readonly(), self.context, offset as i32)
    }

    /// How many quarters of a block hold values of their own: all, or one that stands for all.
    pub(super) fn quarters(&self, value: Value) -> usize {
        if self.axes[value.index()].has(Axis::Channels) { QUARTERS } else { 1 }
    }

    /// The values of the innermost scope are forgotten when `inside` is done; n, block and the pixel may move in it.
    pub(super) fn scope<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let (n, block, h, w, off) = (self.n, self.block, self.h, self.w, self.off);
        let (tile, column) = (self.tile, self.column);
        let (planes, taps) = (self.planes.clone(), std::mem::take(&mut self.taps));
        let drawn = std::mem::take(&mut self.drawn);
        self.scopes.push(vec![[None; QUARTERS]; self.map.exprs.len()]);
        let result = inside(self);
        self.scopes.pop();
        (self.n, self.block, self.h, self.w, self.off) = (n, block, h, w, off);
        (self.tile, self.column) = (tile, column);
        (self.planes, self.taps, self.drawn) = (planes, taps, drawn);
        result
    }

    /// n or block have moved: no plane's address is known any more.
    pub(super) fn forget_planes(&mut self) {
        self.planes.clear();
    }

    /// A value's quarter at the current point.
    pub(super) fn value(&mut self, value: Value, quarter: usize) -> ir::Value {
        let quarter = quarter.min(self.quarters(value) - 1);
        if let Some(known) = self.scopes.iter().rev().find_map(|scope| scope[value.index()][quarter]) {
            return known;
        }
        let result = self.compute(value, quarter);
        self.set(value, quarter, result);
        result
    }

    /// Makes a value known in the innermost scope.
    pub(super) fn set(&mut self, value: Value, quarter: usize, result: ir::Value) {
        let scope = self.scopes.last_mut().expect("the outermost scope stays open");
        scope[value.index()][quarter] = Some(result);
    }

    fn compute(&mut self, value: Value, quarter: usize) -> ir::Value {
        let map = self.map;
        match map.expr(value) {
            Expr::Const(x) => self.constant(*x),
            Expr::Param(param) => {
                let numbers = self.field(types::I64, std::mem::offset_of!(StepContext, numbers));
                let place = self.params.iter().position(|p| p == param).expect("every number of a map has a place");
                let scalar =
                    self.b.ins().load(types::F32, MemFlagsData::trusted().with_readonly(), numbers, 4 * place as i32);
                self.b.ins().splat(types::F32X4, scalar)
            }
            Expr::Load { buffer, at } => self.load(*buffer, *at, quarter),
            Expr::Gather { buffer, height, width, gather } => {
                self.gather(value, *buffer, (*height, *width), gather, quarter)
            }
            Expr::Draw(draw) => self.draw(draw, quarter),
            Expr::Unary(op, a) => {
                let a = self.value(*a, quarter);
                match op {
                    Unary::Neg => self.b.ins().fneg(a),
                    Unary::Sqrt => self.b.ins().sqrt(a),
                    Unary::Exp => self.exp(a),
                    Unary::Ln => self.ln(a),
                }
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.value(*a, quarter), self.value(*b, quarter));
                match op {
                    Binary::Add => self.b.ins().fadd(a, b),
                    Binary::Sub => self.b.ins().fsub(a, b),
                    Binary::Mul => self.b.ins().fmul(a, b),
                    Binary::Div => self.b.ins().fdiv(a, b),
                    Binary::Min => self.min(a, b),
                    Binary::Max => self.max(a, b),
                }
            }
            Expr::Select { cond, then, otherwise } => {
                let or_zero = self.is_zero(*otherwise);
                let (cond, then) = (self.value(map.sign_of(*cond), quarter), self.value(*then, quarter));
                let otherwise = self.value(*otherwise, quarter);
                let zero = self.constant(0.0);
                let mask = self.b.ins().fcmp(FloatCC::GreaterThan, cond, zero);
                if or_zero {
                    let mask = self.as_float(mask);
                    return self.b.ins().band(then, mask);
                }
                self.choose(mask, then, otherwise)
            }
            Expr::Mask(a) => {
                let a = self.value(*a, quarter);
                let zero = self.constant(0.0);
                self.in_channels(a, zero, quarter)
            }
            Expr::Reduce { over, op, body } => self.reduce(*over, *op, *body, quarter),
        }
    }

    fn is_zero(&self, value: Value) -> bool {
        matches!(self.map.expr(value), Expr::Const(x) if *x == 0.0)
    }

    /// x k
    pub(super) fn times(&mut self, x: ir::Value, k: i64) -> ir::Value {
        if k > 0 && k.count_ones() == 1 {
            return self.b.ins().ishl_imm_s(x, i64::from(k.trailing_zeros()));
        }
        self.b.ins().imul_imm_s(x, k)
    }

    /// The quotient and the remainder of x by k, both without a sign.
    pub(super) fn divided(&mut self, x: ir::Value, k: i64) -> (ir::Value, ir::Value) {
        if k > 0 && k.count_ones() == 1 {
            let quotient = self.b.ins().ushr_imm_s(x, i64::from(k.trailing_zeros()));
            return (quotient, self.b.ins().band_imm_s(x, k - 1));
        }
        (self.b.ins().udiv_imm_u(x, k), self.b.ins().urem_imm_u(x, k))
    }

    /// Goes to the first pixel of row h of the plane, which is `width` wide.
    pub(super) fn start_row(&mut self, h: ir::Value, width: usize) {
        self.h = h;
        self.off = self.times(h, width as i64 * BLOCK_BYTES);
        let row = self.b.ins().imul(h, self.tile_row);
        self.tile = self.b.ins().iadd(self.tile, row);
    }

    /// Goes to a pixel of the row, `column` bytes from its start.
    pub(super) fn go_to(&mut self, column: ir::Value) {
        self.column = column;
        self.w = self.b.ins().ushr_imm_s(column, i64::from(BLOCK_BYTES.trailing_zeros()));
        self.off = self.b.ins().iadd(self.off, column);
    }

    /// All lanes hold x.
    pub(super) fn constant(&mut self, x: f32) -> ir::Value {
        let bytes: Vec<u8> = std::iter::repeat_n(x.to_le_bytes(), 4).flatten().collect();
        let constant = self.b.func.dfg.constants.insert(bytes.into());
        self.b.ins().vconst(types::F32X4, constant)
    }

    /// All lanes hold x.
    pub(super) fn int_constant(&mut self, x: u32) -> ir::Value {
        self.lanes([x; 4])
    }

    /// Four lanes.
    pub(super) fn lanes(&mut self, lanes: [u32; 4]) -> ir::Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        let constant = self.b.func.dfg.constants.insert(bytes.into());
        self.b.ins().vconst(types::I32X4, constant)
    }

    pub(super) fn as_float(&mut self, bits: ir::Value) -> ir::Value {
        self.b.ins().bitcast(types::F32X4, MemFlagsData::new(), bits)
    }

    pub(super) fn as_bits(&mut self, float: ir::Value) -> ir::Value {
        self.b.ins().bitcast(types::I32X4, MemFlagsData::new(), float)
    }

    /// Lane by lane `then` where the mask is set.
    pub(super) fn choose(&mut self, mask: ir::Value, then: ir::Value, otherwise: ir::Value) -> ir::Value {
        let mask = self.as_float(mask);
        self.b.ins().bitselect(mask, then, otherwise)
    }

    pub(super) fn min(&mut self, a: ir::Value, b: ir::Value) -> ir::Value {
        let mask = self.b.ins().fcmp(FloatCC::LessThan, a, b);
        self.choose(mask, a, b)
    }

    pub(super) fn max(&mut self, a: ir::Value, b: ir::Value) -> ir::Value {
        let mask = self.b.ins().fcmp(FloatCC::LessThan, b, a);
        self.choose(mask, a, b)
    }

    /// `a` in the lanes of real channels, `padding` in those that pad the last block.
    pub(super) fn in_channels(&mut self, a: ir::Value, padding: ir::Value, quarter: usize) -> ir::Value {
        let channels = self.map.domain.channels();
        let real = channels - (blocks(channels) - 1) * BLOCK;
        if real == BLOCK {
            return a;
        }
        let lanes: Vec<u8> = (0..4).flat_map(|l| if quarter * 4 + l < real { [0xff; 4] } else { [0; 4] }).collect();
        let constant = self.b.func.dfg.constants.insert(lanes.into());
        let mask = self.b.ins().vconst(types::I32X4, constant);
        let last_block = self.choose(mask, a, padding);
        let is_last = self.b.ins().icmp_imm_s(IntCC::Equal, self.block, blocks(channels) as i64 - 1);
        self.b.ins().select(is_last, last_block, a)
    }

    fn load(&mut self, buffer: BufferId, at: Place, quarter: usize) -> ir::Value {
        let lane = quarter as i32 * QUARTER_BYTES;
        let address = match at {
            Place::Point => {
                let plane = self.plane(buffer);
                self.b.ins().iadd(plane, self.off)
            }
            Place::Plane => self.plane(buffer),
            Place::Channel => self.channel(buffer),
            Place::Flat => self.flat(buffer),
            Place::Moved { channels, by: 0 } if blocks(channels) == blocks(self.map.domain.channels()) => {
                return self.load(buffer, Place::Point, quarter);
            }
            Place::Moved { channels, by } => return self.moved(buffer, channels, by, quarter),
            Place::Reshaped { pixels } => return self.reshaped(buffer, pixels, quarter),
        };
        self.b.ins().load(types::F32X4, MemFlagsData::trusted(), address, lane)
    }

    /// Keeps a quarter of a value.
    pub(super) fn store(&mut self, target: Target, value: Value, quarter: usize) {
        let result = self.value(value, quarter);
        let address = match target {
            Target::Point(buffer) => {
                let plane = self.plane(buffer);
                self.b.ins().iadd(plane, self.off)
            }
            Target::Plane(buffer) => self.plane(buffer),
            // A task is an image, or a chunk.
            Target::Image(buffer) | Target::Chunk(buffer) => {
                let task = self.times(self.n, BLOCK_BYTES);
                self.at(buffer, task)
            }
            Target::Channel(buffer) => self.channel(buffer),
            Target::Flat(buffer) => self.flat(buffer),
            Target::Tile => self.b.ins().iadd(self.tile, self.column),
        };
        self.b.ins().store(MemFlagsData::trusted(), result, address, quarter as i32 * QUARTER_BYTES);
    }

    /// A place `bytes` behind a buffer's first float.
    pub(super) fn at(&mut self, buffer: BufferId, bytes: ir::Value) -> ir::Value {
        let start = self.b.ins().iadd_imm_s(self.arena, self.buffers[buffer.0 as usize].offset as i64 * 4);
        self.b.ins().iadd(start, bytes)
    }

    fn channel(&mut self, buffer: BufferId) -> ir::Value {
        let block = self.times(self.block, BLOCK_BYTES);
        self.at(buffer, block)
    }

    fn flat(&mut self, buffer: BufferId) -> ir::Value {
        self.at(buffer, self.off)
    }

    /// Blocks and bytes of a plane of a feature map.
    pub(super) fn feature(&self, buffer: BufferId) -> (usize, i64) {
        match self.buffers[buffer.0 as usize].size {
            Size::Feature { channels, height, width } => (blocks(channels), (height * width) as i64 * BLOCK_BYTES),
            Size::Channels(_) | Size::Weight(_) | Size::Flat(_) => unreachable!("only feature maps have planes"),
        }
    }

    /// The first pixel of the current plane of a feature map.
    pub(super) fn plane(&mut self, buffer: BufferId) -> ir::Value {
        if let Some((_, address)) = self.planes.iter().find(|(b, _)| *b == buffer) {
            return *address;
        }
        let (blocks, bytes) = self.feature(buffer);
        let image = self.times(self.n, blocks as i64);
        let number = self.b.ins().iadd(image, self.block);
        let place = self.times(number, bytes);
        let address = self.at(buffer, place);
        self.planes.push((buffer, address));
        address
    }

    /// A feature map's channels, moved: whole blocks where `by` is a multiple of 16, else lane by lane.
    fn moved(&mut self, buffer: BufferId, channels: usize, by: isize, quarter: usize) -> ir::Value {
        let (blocks, bytes) = self.feature(buffer);
        let image = self.times(self.n, blocks as i64 * bytes);
        let image = self.at(buffer, image);
        let image = self.b.ins().iadd(image, self.off);
        if by % BLOCK as isize == 0 {
            let (block, inside) = self.block_before(blocks, by / BLOCK as isize);
            let first = self.b.ins().iconst(types::I64, 0);
            let block = self.b.ins().select(inside, block, first);
            let place = self.times(block, bytes);
            let address = self.b.ins().iadd(image, place);
            let lane = quarter as i32 * QUARTER_BYTES;
            let found = self.b.ins().load(types::F32X4, MemFlagsData::trusted(), address, lane);
            let zero = self.constant(0.0);
            return self.b.ins().select(inside, found, zero);
        }
        let mut result = self.constant(0.0);
        let first = self.times(self.block, BLOCK as i64);
        for lane in 0..4 {
            let channel = self.b.ins().iadd_imm_s(first, (quarter * 4 + lane) as i64 - by as i64);
            let inside = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, channel, channels as i64);
            let start = self.b.ins().iconst(types::I64, 0);
            let channel = self.b.ins().select(inside, channel, start);
            let block = self.b.ins().ushr_imm_s(channel, 4);
            let plane = self.times(block, bytes);
            let within = self.b.ins().band_imm_s(channel, 15);
            let within = self.b.ins().ishl_imm_s(within, 2);
            let address = self.b.ins().iadd(image, plane);
            let address = self.b.ins().iadd(address, within);
            let found = self.b.ins().load(types::F32, MemFlagsData::trusted(), address, 0);
            let zero = self.b.ins().f32const(0.0);
            let found = self.b.ins().select(inside, found, zero);
            result = self.b.ins().insertlane(result, found, lane as u8);
        }
        result
    }

    /// The same elements in another shape, lane by lane. The lanes that pad the last block hold anything.
    fn reshaped(&mut self, buffer: BufferId, pixels: usize, quarter: usize) -> ir::Value {
        let Domain::Feature { channels, height, width } = self.map.domain else {
            unreachable!("features are reshaped in a map over features")
        };
        let (blocks, bytes) = self.feature(buffer);
        let image = self.times(self.n, blocks as i64 * bytes);
        let image = self.at(buffer, image);
        let pixel = self.b.ins().ushr_imm_s(self.off, 6);
        let first = self.times(self.block, BLOCK as i64);
        let mut result = self.constant(0.0);
        for lane in 0..4 {
            let channel = self.b.ins().iadd_imm_s(first, (quarter * 4 + lane) as i64);
            let inside = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, channel, channels as i64);
            let start = self.b.ins().iconst(types::I64, 0);
            let channel = self.b.ins().select(inside, channel, start);
            let before = self.times(channel, (height * width) as i64);
            let element = self.b.ins().iadd(before, pixel);
            let (source, rest) = self.divided(element, pixels as i64);
            let block = self.b.ins().ushr_imm_s(source, 4);
            let plane = self.times(block, bytes);
            let row = self.times(rest, BLOCK_BYTES);
            let within = self.b.ins().band_imm_s(source, 15);
            let within = self.times(within, 4);
            let address = [plane, row, within].into_iter().fold(image, |sum, part| self.b.ins().iadd(sum, part));
            let found = self.b.ins().load(types::F32, MemFlagsData::trusted(), address, 0);
            result = self.b.ins().insertlane(result, found, lane as u8);
        }
        result
    }
}
