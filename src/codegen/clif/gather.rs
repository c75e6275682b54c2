//! Reads of other points of a plane, tap by tap, rows first.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::emit::{BLOCK_BYTES, Emitter, QUARTER_BYTES};
use crate::kernel::{BufferId, Domain, Gather, Value};
use crate::net::Window;

/// One point to read: its place in the plane in bytes, and whether it exists (none: always).
#[derive(Clone, Copy)]
pub(super) struct Tap {
    place: ir::Value,
    exists: Option<ir::Value>,
}

/// A row or column to read: where, and whether it exists.
type Line = (ir::Value, Option<ir::Value>);

impl Emitter<'_, '_> {
    /// A quarter of what a gather gives at the current point. `source` is the height and width of the buffer.
    pub(super) fn gather(
        &mut self,
        value: Value,
        buffer: BufferId,
        source: (usize, usize),
        gather: &Gather,
        quarter: usize,
    ) -> ir::Value {
        let plane = self.plane(buffer);
        let zero = self.constant(0.0);
        let taps = self.taps_of(value, source, gather);
        match gather {
            Gather::Shift { .. } | Gather::Subsample { .. } | Gather::Spread { .. } => {
                self.read(plane, taps[0], zero, quarter)
            }
            Gather::WindowSum(_) | Gather::WindowSumBack(_) => {
                let mut sum = self.read(plane, taps[0], zero, quarter);
                for tap in &taps[1..] {
                    let next = self.read(plane, *tap, zero, quarter);
                    sum = self.b.ins().fadd(sum, next);
                }
                sum
            }
            Gather::WindowMax(_) => {
                let lowest = self.constant(f32::MIN);
                let mut max = self.read(plane, taps[0], lowest, quarter);
                for tap in &taps[1..] {
                    let next = self.read(plane, *tap, lowest, quarter);
                    max = self.max(max, next);
                }
                max
            }
            Gather::WindowMaxBack { window, x } => self.max_back(plane, *window, *x, &taps, quarter),
        }
    }

    /// The taps at the current pixel: the same for all four quarters.
    fn taps_of(&mut self, value: Value, source: (usize, usize), gather: &Gather) -> Vec<Tap> {
        if let Some((_, taps)) = self.taps.iter().find(|(v, _)| *v == value.index()) {
            return taps.clone();
        }
        let (rows, columns) = match *gather {
            Gather::Shift { down, right } => {
                let row = self.b.ins().iadd_imm_s(self.h, -(down as i64));
                let column = self.b.ins().iadd_imm_s(self.w, -(right as i64));
                (vec![self.bounded(row, source.0)], vec![self.bounded(column, source.1)])
            }
            Gather::Subsample { stride } => {
                let [row, column] = [self.h, self.w].map(|x| self.times(x, stride as i64));
                (vec![(row, None)], vec![(column, None)])
            }
            Gather::Spread { stride } => {
                let window = Window { kernel: 1, stride, pad: 0 };
                (self.windows_of(self.h, source.0, window), self.windows_of(self.w, source.1, window))
            }
            Gather::WindowSum(window) | Gather::WindowMax(window) => {
                (self.window(self.h, source.0, window), self.window(self.w, source.1, window))
            }
            Gather::WindowSumBack(window) | Gather::WindowMaxBack { window, .. } => {
                (self.windows_of(self.h, source.0, window), self.windows_of(self.w, source.1, window))
            }
        };
        let taps: Vec<Tap> = rows
            .iter()
            .flat_map(|r| columns.iter().map(move |c| (*r, *c)))
            .map(|(r, c)| self.tap(r, c, source.1))
            .collect();
        self.taps.push((value.index(), taps.clone()));
        taps
    }

    fn tap(&mut self, (row, row_exists): Line, (column, column_exists): Line, width: usize) -> Tap {
        let start = self.times(row, width as i64);
        let pixel = self.b.ins().iadd(start, column);
        let place = self.times(pixel, BLOCK_BYTES);
        let exists = match (row_exists, column_exists) {
            (Some(a), Some(b)) => Some(self.b.ins().band(a, b)),
            (a, b) => a.or(b),
        };
        let Some(exists) = exists else { return Tap { place, exists } };
        let zero = self.b.ins().iconst(types::I64, 0);
        Tap { place: self.b.ins().select(exists, place, zero), exists: Some(exists) }
    }

    fn read(&mut self, plane: ir::Value, tap: Tap, missing: ir::Value, quarter: usize) -> ir::Value {
        let address = self.b.ins().iadd(plane, tap.place);
        let lane = quarter as i32 * QUARTER_BYTES;
        let found = self.b.ins().load(types::F32X4, MemFlagsData::trusted(), address, lane);
        match tap.exists {
            Some(exists) => self.b.ins().select(exists, found, missing),
            None => found,
        }
    }

    /// A line that exists where it lies in 0..side.
    fn bounded(&mut self, line: ir::Value, side: usize) -> Line {
        (line, Some(self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, line, side as i64)))
    }

    /// The lines of the window at `line`: line s + i - p.
    fn window(&mut self, line: ir::Value, side: usize, window: Window) -> Vec<Line> {
        let start = self.times(line, window.stride as i64);
        let lines = (0..window.kernel).map(|i| {
            let at = self.b.ins().iadd_imm_s(start, i as i64 - window.pad as i64);
            if window.pad == 0 { (at, None) } else { self.bounded(at, side) }
        });
        lines.collect()
    }

    /// The windows, of `count` along this side, that hold `line`: those with o s + i - p = line.
    fn windows_of(&mut self, line: ir::Value, count: usize, window: Window) -> Vec<Line> {
        let mut lines = Vec::with_capacity(window.kernel);
        for i in 0..window.kernel {
            let at = self.b.ins().iadd_imm_s(line, window.pad as i64 - i as i64);
            if window.stride == 1 {
                lines.push(self.bounded(at, count));
                continue;
            }
            // A negative line is huge as an unsigned number, and so is its quotient.
            let (o, rest) = self.divided(at, window.stride as i64);
            let divides = self.b.ins().icmp_imm_u(IntCC::Equal, rest, 0);
            let (o, inside) = self.bounded(o, count);
            let exists = inside.map(|inside| self.b.ins().band(inside, divides));
            lines.push((o, exists));
        }
        lines
    }

    /// The sum of dy over the windows of which this pixel of x is the first largest element.
    fn max_back(&mut self, dy: ir::Value, window: Window, x: BufferId, taps: &[Tap], quarter: usize) -> ir::Value {
        let Domain::Feature { height, width, .. } = self.map.domain else {
            unreachable!("a gather stands in a map over features")
        };
        let plane = self.plane(x);
        let zero = self.constant(0.0);
        let lowest = self.constant(f32::MIN);
        let here_place = self.b.ins().iadd(plane, self.off);
        let lane = quarter as i32 * QUARTER_BYTES;
        let here = self.b.ins().load(types::F32X4, MemFlagsData::trusted(), here_place, lane);
        let mut sum = zero;
        for (number, tap) in taps.iter().enumerate() {
            let own = (number / window.kernel, number % window.kernel);
            let mut wins = self.int_constant(!0);
            for i in 0..window.kernel {
                for j in 0..window.kernel {
                    if (i, j) == own {
                        continue;
                    }
                    // The window's tap (i, j) lies this far from the pixel, which is its tap `own`.
                    let row = self.b.ins().iadd_imm_s(self.h, i as i64 - own.0 as i64);
                    let column = self.b.ins().iadd_imm_s(self.w, j as i64 - own.1 as i64);
                    let (row, column) = (self.bounded(row, height), self.bounded(column, width));
                    let other = self.tap(row, column, width);
                    let other = self.read(plane, other, lowest, quarter);
                    let condition = if (i, j) < own { FloatCC::GreaterThan } else { FloatCC::GreaterThanOrEqual };
                    let beats = self.b.ins().fcmp(condition, here, other);
                    wins = self.b.ins().band(wins, beats);
                }
            }
            let gradient = self.read(dy, *tap, zero, quarter);
            let given = self.choose(wins, gradient, zero);
            sum = self.b.ins().fadd(sum, given);
        }
        sum
    }
}
