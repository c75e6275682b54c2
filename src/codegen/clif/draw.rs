//! Draws of format 1 (`num::draw`): Philox4x32-10, one call for four lanes.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, Endianness, InstBuilder, MemFlagsData, types};

use super::super::abi::StepContext;
use super::emit::{Emitter, QUARTERS};
use crate::kernel::{Distribution, Domain, Draw, padded};
use crate::net::Level;
use crate::num::draw::Stream;
use crate::num::philox::{MULTIPLIERS, ROUNDS, WEYL};

/// How a vector's lanes lie in its bytes where it is taken for a vector of other lanes: the first at the lowest.
fn lanes_in_order() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}

impl Emitter<'_, '_> {
    /// A quarter of a draw at the current point.
    pub(super) fn draw(&mut self, draw: &Draw, quarter: usize) -> ir::Value {
        let words = self.words(draw, quarter);
        match draw.distribution {
            Distribution::Bernoulli { threshold } => {
                let threshold = self.int_constant(threshold as u32);
                let mask = self.b.ins().icmp(IntCC::UnsignedLessThan, words, threshold);
                let one = self.constant(1.0);
                let one = self.as_bits(one);
                let bits = self.b.ins().band(mask, one);
                self.as_float(bits)
            }
            Distribution::Uniform { lo, width } => {
                let eight = self.b.ins().iconst(types::I32, 8);
                let top = self.b.ins().ushr(words, eight);
                let top = self.b.ins().fcvt_from_sint(types::F32X4, top);
                let unit = self.constant(1.0 / 16_777_216.0);
                let unit = self.b.ins().fmul(top, unit);
                let (lo, width) = (self.constant(lo), self.constant(width));
                let scaled = self.b.ins().fmul(width, unit);
                self.b.ins().fadd(lo, scaled)
            }
        }
    }

    /// Whether a Bernoulli draw that is one number a task is 1.
    pub(super) fn gate_is_open(&mut self, draw: &Draw) -> ir::Value {
        let value = self.draw(draw, 0);
        let bits = self.as_bits(value);
        self.b.ins().extractlane(bits, 0)
    }

    fn words(&mut self, draw: &Draw, quarter: usize) -> ir::Value {
        let stream = draw.stream;
        match draw.level {
            Level::Batch => {
                let zero = self.b.ins().iconst(types::I64, 0);
                self.one_word(stream, zero)
            }
            Level::Image => self.one_word(stream, self.n),
            Level::Channel | Level::Pixel => {
                if let Some((.., words)) = self.drawn.iter().find(|(s, level, _)| (*s, *level) == (stream, draw.level))
                {
                    return words[quarter];
                }
                let mut place = self.n;
                if draw.level == Level::Pixel {
                    let (height, width) = self.plane_size();
                    let image = self.times(self.n, height * width);
                    let row = self.times(self.h, width);
                    let pixel = self.b.ins().iadd(row, self.w);
                    place = self.b.ins().iadd(image, pixel);
                }
                let counter = self.counter(place);
                let words = self.block_of_words(stream, counter);
                self.drawn.push((stream, draw.level, words));
                words[quarter]
            }
        }
    }

    /// The height and width of a plane.
    fn plane_size(&self) -> (i64, i64) {
        match self.map.domain {
            Domain::Feature { height, width, .. } => (height as i64, width as i64),
            Domain::Channel { .. } | Domain::Image { .. } | Domain::Flat { .. } => (1, 1),
        }
    }

    /// Counters from one pixel's words to the next one's: four channels have one.
    pub(super) fn counters_a_pixel(&self) -> i64 {
        padded(self.map.domain.channels()) as i64 / 4
    }

    /// The first counter of the current block at a place: a pixel's number among those of the batch.
    fn counter(&mut self, place: ir::Value) -> ir::Value {
        let before = self.times(place, self.counters_a_pixel());
        let block = self.b.ins().ishl_imm_s(self.block, 2);
        self.b.ins().iadd(before, block)
    }

    /// The counter of the first words that the current plane draws pixel by pixel.
    pub(super) fn first_counter(&mut self) -> ir::Value {
        let (height, width) = self.plane_size();
        let place = self.times(self.n, height * width);
        self.counter(place)
    }

    /// The words of four counters from `counter`, which are those of a block's quarters: four calls side by side, a lane a
    /// counter, then turned so that a vector holds the words of one.
    fn block_of_words(&mut self, stream: Stream, counter: ir::Value) -> [ir::Value; QUARTERS] {
        let first = self.b.ins().ireduce(types::I32, counter);
        let first = self.b.ins().splat(types::I32X4, first);
        let quarters = self.lanes([0, 1, 2, 3]);
        let mut c = [
            self.b.ins().iadd(first, quarters),
            self.spread(std::mem::offset_of!(StepContext, step)),
            self.int_constant(stream.0 as u32),
            self.int_constant((stream.0 >> 32) as u32),
        ];
        let mut key = [
            self.spread(std::mem::offset_of!(StepContext, seed_low)),
            self.spread(std::mem::offset_of!(StepContext, seed_high)),
        ];
        let multipliers = MULTIPLIERS.map(|multiplier| self.int_constant(multiplier));
        let weyl = WEYL.map(|weyl| self.int_constant(weyl));
        for round in 0..ROUNDS {
            if round > 0 {
                key = [0, 1].map(|i| self.b.ins().iadd(key[i], weyl[i]));
            }
            let [(high0, low0), (high1, low1)] = [(c[0], multipliers[0]), (c[2], multipliers[1])].map(|(x, by)| {
                let [x, by] = [x, by].map(|words| [self.b.ins().uwiden_low(words), self.b.ins().uwiden_high(words)]);
                let products = [0, 1].map(|half| self.b.ins().imul(x[half], by[half]));
                let [a, b] = products.map(|wide| self.b.ins().bitcast(types::I32X4, lanes_in_order(), wide));
                (self.woven(a, b, [1, 3, 5, 7]), self.woven(a, b, [0, 2, 4, 6]))
            });
            let first = self.b.ins().bxor(high1, c[1]);
            let first = self.b.ins().bxor(first, key[0]);
            let third = self.b.ins().bxor(high0, c[3]);
            let third = self.b.ins().bxor(third, key[1]);
            c = [first, low1, third, low0];
        }
        let [low, high] = [[0, 4, 1, 5], [2, 6, 3, 7]]
            .map(|lanes| [(c[0], c[1]), (c[2], c[3])].map(|(a, b)| self.woven(a, b, lanes)));
        [(low, [0, 1, 4, 5]), (low, [2, 3, 6, 7]), (high, [0, 1, 4, 5]), (high, [2, 3, 6, 7])]
            .map(|([a, b], lanes)| self.woven(a, b, lanes))
    }

    /// A field of the step's context in all lanes.
    pub(super) fn spread(&mut self, offset: usize) -> ir::Value {
        let field = self.field(types::I32, offset);
        self.b.ins().splat(types::I32X4, field)
    }

    /// Four lanes of two vectors: 0 to 3 are those of the first, 4 to 7 those of the second.
    fn woven(&mut self, a: ir::Value, b: ir::Value, lanes: [u8; 4]) -> ir::Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| (0..4).map(move |byte| lane * 4 + byte)).collect();
        let mask = self.b.func.dfg.immediates.push(bytes.into());
        let [a, b] = [a, b].map(|x| self.b.ins().bitcast(types::I8X16, lanes_in_order(), x));
        let woven = self.b.ins().shuffle(a, b, mask);
        self.b.ins().bitcast(types::I32X4, lanes_in_order(), woven)
    }

    /// The word of one index, in all lanes.
    fn one_word(&mut self, stream: Stream, index: ir::Value) -> ir::Value {
        let counter = self.b.ins().ushr_imm_s(index, 2);
        let words = self.philox(stream, counter);
        let lane = self.b.ins().band_imm_s(index, 3);
        let mut word = words[0];
        for (i, other) in words.iter().enumerate().skip(1) {
            let here = self.b.ins().icmp_imm_s(IntCC::Equal, lane, i as i64);
            word = self.b.ins().select(here, *other, word);
        }
        self.b.ins().splat(types::I32X4, word)
    }

    /// Philox4x32-10, as `num::philox4x32`.
    fn philox(&mut self, stream: Stream, counter: ir::Value) -> [ir::Value; 4] {
        let word = |e: &mut Self, x: u32| e.b.ins().iconst(types::I32, i64::from(x));
        let mut c = [
            self.b.ins().ireduce(types::I32, counter),
            self.field(types::I32, std::mem::offset_of!(StepContext, step)),
            word(self, stream.0 as u32),
            word(self, (stream.0 >> 32) as u32),
        ];
        let mut key = [
            self.field(types::I32, std::mem::offset_of!(StepContext, seed_low)),
            self.field(types::I32, std::mem::offset_of!(StepContext, seed_high)),
        ];
        for round in 0..ROUNDS {
            if round > 0 {
                // Cranelift takes 32 bits for a number with a sign.
                key = [0, 1].map(|i| self.b.ins().iadd_imm_s(key[i], i64::from(WEYL[i] as i32)));
            }
            let [(high0, low0), (high1, low1)] = [(c[0], MULTIPLIERS[0]), (c[2], MULTIPLIERS[1])].map(|(x, by)| {
                let wide = self.b.ins().uextend(types::I64, x);
                let product = self.times(wide, i64::from(by));
                let high = self.b.ins().ushr_imm_s(product, 32);
                (self.b.ins().ireduce(types::I32, high), self.b.ins().ireduce(types::I32, product))
            });
            let first = self.b.ins().bxor(high1, c[1]);
            let first = self.b.ins().bxor(first, key[0]);
            let third = self.b.ins().bxor(high0, c[3]);
            let third = self.b.ins().bxor(third, key[1]);
            c = [first, low1, third, low0];
        }
        c
    }
}
