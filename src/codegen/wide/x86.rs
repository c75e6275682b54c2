//! The printer: pixels to x86-64 machine code.
//!
//! A routine is called as (addresses, lanes): the addresses of [`Pixels::planes`] and, where one is the tile, by how many
//! bytes its rows are longer than the plane's; sixteen floats of each of [`Pixels::shared`], behind them of each sum.

use iced_x86::{Code, Encoder, Instruction, MemoryOperand, Register};

use super::pixels::{Operand, Pixels, Plane, Step};
use super::registers::Registers;
use crate::kernel::{BLOCK, Binary};

/// Bytes of a pixel.
const PIXEL: i64 = BLOCK as i64 * 4;
/// Where the routine finds its two arguments.
const ADDRESSES: Register = Register::RDI;
const LANES: Register = Register::RSI;
/// The current pixel's place in a plane, in bytes.
const PLACE: Register = Register::RAX;
/// Where the row ends.
const ROW_END: Register = Register::RDX;
/// Rows that are left.
const ROWS: Register = Register::RCX;
/// Hold addresses of planes; the first four need not be kept for the caller.
const PLANES: [Register; 10] = [
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
const FREE: usize = 4;
/// By how many pixels memory is asked for ahead of its use.
const AHEAD: i64 = 16;
/// The mask of a comparison.
const MASK: Register = Register::K1;
/// `a > b`, false where they do not compare, as `vcmpps` counts comparisons.
const GREATER: u32 = 0x1e;

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Sixteen lanes, 32 registers.
    Avx512,
    /// Eight lanes, 16 registers.
    Avx2,
}

impl Set {
    fn registers(self) -> usize {
        match self {
            Set::Avx512 => 32,
            Set::Avx2 => 16,
        }
    }

    /// Vectors of a block of channels.
    fn parts(self) -> i64 {
        match self {
            Set::Avx512 => 1,
            Set::Avx2 => 2,
        }
    }

    /// By how much the counters of [`Shared::Counters`](super::Shared) differ from that of the plane's first words: lanes
    /// of 64 bits. A pixel's counters lie `a_pixel` behind those of the one before it.
    ///
    /// AVX-512: quarters 0 and 2 (or 1 and 3) of one pixel, then of the next. AVX2: quarter 0 (or 1) of four pixels, then
    /// quarter 2 (or 3): a half of a block after the other.
    pub fn counters(self, a_pixel: u64, odd: bool) -> [u64; 8] {
        std::array::from_fn(|lane| {
            let lane = lane as u64;
            let (pixel, second) = match self {
                Set::Avx512 => (lane / 2, lane % 2),
                Set::Avx2 => (lane % 4, lane / 4),
            };
            pixel * a_pixel + 2 * second + u64::from(odd)
        })
    }

    pub(super) fn vector(self, number: usize) -> Register {
        match self {
            Set::Avx512 => Register::ZMM0 + number as u32,
            Set::Avx2 => Register::YMM0 + number as u32,
        }
    }
}

/// The routine of a loop over pixels; none where the set has too few registers.
pub fn code(pixels: &Pixels, set: Set) -> Option<Vec<u8>> {
    let registers = Registers::of(pixels, set.registers())?;
    if pixels.planes.len() > PLANES.len() {
        return None;
    }
    let mut printer = Printer { pixels, set, registers, encoder: Encoder::new(64), at: 0 };
    printer.routine();
    Some(printer.encoder.take_buffer())
}

pub(super) struct Printer<'a> {
    pub(super) pixels: &'a Pixels,
    pub(super) set: Set,
    pub(super) registers: Registers,
    encoder: Encoder,
    /// Bytes so far.
    at: u64,
}

impl Printer<'_> {
    fn routine(&mut self) {
        let used = self.pixels.planes.len();
        let kept = &PLANES[FREE.min(used)..used];
        kept.iter().for_each(|register| self.put(Instruction::with1(Code::Push_r64, *register)));
        for (i, register) in PLANES[..used].iter().enumerate() {
            let address = memory(ADDRESSES, i as i64 * 8);
            self.put(Instruction::with2(Code::Mov_r64_rm64, *register, address));
        }
        if self.set.parts() == 1 {
            self.bring_shared(0);
        }
        self.put(Instruction::with2(Code::Xor_r32_rm32, Register::EAX, Register::EAX));
        self.put(Instruction::with2(Code::Mov_r32_imm32, Register::ECX, self.pixels.height as u32));
        let row = self.at;
        self.row();
        if let Some(tile) = self.pixels.planes.iter().position(|plane| *plane == Plane::Tile) {
            let longer = memory(ADDRESSES, used as i64 * 8);
            self.put(Instruction::with2(Code::Add_r64_rm64, PLANES[tile], longer));
        }
        self.put(Instruction::with2(Code::Sub_rm64_imm8, ROWS, 1));
        self.put(Instruction::with_branch(Code::Jne_rel32_64, row));
        self.put(Ok(Instruction::with(Code::VEX_Vzeroupper)));
        kept.iter().rev().for_each(|register| self.put(Instruction::with1(Code::Pop_r64, *register)));
        self.put(Ok(Instruction::with(Code::Retnq)));
    }

    fn row(&mut self) {
        let bytes = self.pixels.width as i64 * PIXEL;
        for part in 0..self.set.parts() {
            if part > 0 {
                self.put(Instruction::with2(Code::Sub_rm64_imm32, PLACE, bytes as i32));
            }
            if self.set.parts() > 1 {
                self.bring_shared(part);
            }
            for register in self.registers.sums.concat() {
                self.clear(register);
            }
            self.put(Instruction::with2(Code::Lea_r64_m, ROW_END, memory(PLACE, bytes)));
            let column = self.at;
            self.words(part);
            let turn = self.pixels.turn();
            for pixel in 0..turn {
                self.pixel(part, pixel);
            }
            self.put(Instruction::with2(Code::Add_rm64_imm32, PLACE, (turn as i64 * PIXEL) as i32));
            self.put(Instruction::with2(Code::Cmp_r64_rm64, PLACE, ROW_END));
            self.put(Instruction::with_branch(Code::Jb_rel32_64, column));
            self.join_sums(part);
        }
    }

    /// The row's sums to the plane's.
    fn join_sums(&mut self, part: i64) {
        for sum in 0..self.pixels.sums.len() {
            let row = self.registers.sums[sum].clone();
            for other in &row[1..] {
                self.arithmetic(Binary::Add, row[0], row[0], *other);
            }
            let place = self.lanes(self.pixels.shared.len() + sum, part);
            let so_far = self.registers.scratch[0];
            self.load(so_far, place);
            self.arithmetic(Binary::Add, so_far, so_far, row[0]);
            self.store(place, so_far);
        }
    }

    fn pixel(&mut self, part: i64, pixel: usize) {
        let pixels = self.pixels;
        if part == 0 {
            self.expect(pixel);
        }
        for (i, step) in pixels.steps.iter().enumerate() {
            self.step(step, self.registers.steps[i], (part, pixel));
        }
        for (plane, operand) in &pixels.stores {
            let from = self.operand(*operand, 0, (part, pixel));
            self.store(point(*plane, part, pixel), from);
        }
        for (sum, operand) in pixels.sums.iter().enumerate() {
            let so_far = self.registers.sums[sum][pixel % pixels.sums_a_row()];
            let next = self.operand(*operand, 0, (part, pixel));
            self.arithmetic(Binary::Add, so_far, so_far, next);
        }
    }

    /// Asks for the lines of a pixel further on: the processor's own guesses end with each page.
    fn expect(&mut self, pixel: usize) {
        let pixels = self.pixels;
        for i in (0..pixels.planes.len()).filter(|i| pixels.planes[*i] != Plane::Tile) {
            let behind = (AHEAD + pixel as i64) * PIXEL;
            let line = MemoryOperand::with_base_index_scale_displ_size(PLANES[i], PLACE, 1, behind, 1);
            let is_written = pixels.stores.iter().any(|(written, _)| *written == i);
            let code = if is_written { Code::Prefetchw_m8 } else { Code::Prefetcht0_m8 };
            self.put(Instruction::with1(code, line));
        }
    }

    fn step(&mut self, step: &Step, to: usize, at: (i64, usize)) {
        match *step {
            Step::Load(plane) => self.load(to, point(plane, at.0, at.1)),
            Step::Root(a) => {
                let a = self.operand(a, 0, at);
                let code = match self.set {
                    Set::Avx512 => Code::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er,
                    Set::Avx2 => Code::VEX_Vsqrtps_ymm_ymmm256,
                };
                self.two(code, to, a);
            }
            Step::Top(words) => {
                let words = self.operand(words, 0, at);
                self.shift(to, words, 8, false);
                let code = match self.set {
                    Set::Avx512 => Code::EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er,
                    Set::Avx2 => Code::VEX_Vcvtdq2ps_ymm_ymmm256,
                };
                self.two(code, to, to);
            }
            Step::Below(words, threshold, one) => {
                let (words, threshold) = (self.operand(words, 0, at), self.operand(threshold, 1, at));
                self.below(to, words, threshold, one, at);
            }
            Step::Binary(op, a, b) => {
                let (a, b) = (self.operand(a, 0, at), self.operand(b, 1, at));
                self.arithmetic(op, to, a, b);
            }
            Step::Negate(a, sign) => {
                let (a, sign) = (self.operand(a, 0, at), self.operand(sign, 1, at));
                let code = match self.set {
                    Set::Avx512 => Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32,
                    Set::Avx2 => Code::VEX_Vxorps_ymm_ymm_ymmm256,
                };
                self.three(code, to, a, sign);
            }
            Step::And(a, b) => {
                let (a, b) = (self.operand(a, 0, at), self.operand(b, 1, at));
                self.and(to, a, b);
            }
            Step::Select { cond, zero, then, otherwise } => {
                let (cond, zero) = (self.operand(cond, 0, at), self.operand(zero, 1, at));
                self.select(to, (cond, zero), (then, otherwise), at);
            }
        }
    }

    /// `one` where a word lies below the threshold, else 0.
    fn below(&mut self, to: usize, words: usize, threshold: usize, one: Operand, at: (i64, usize)) {
        match self.set {
            Set::Avx512 => {
                const LESS: u32 = 1;
                let compare = Code::EVEX_Vpcmpud_kr_k1_zmm_zmmm512b32_imm8;
                let [words, threshold] = [words, threshold].map(|number| self.set.vector(number));
                self.put(Instruction::with4(compare, MASK, words, threshold, LESS));
                let one = self.operand(one, 0, at);
                self.keep_masked(to, one);
            }
            Set::Avx2 => {
                // The larger of the two is the word itself where it is not below.
                let not = self.registers.scratch[2];
                self.three(Code::VEX_Vpmaxud_ymm_ymm_ymmm256, not, words, threshold);
                self.three(Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256, not, not, words);
                let one = self.operand(one, 0, at);
                self.three(Code::VEX_Vpandn_ymm_ymm_ymmm256, to, not, one);
            }
        }
    }

    /// Lanes where the mask is set; zeros elsewhere.
    fn keep_masked(&mut self, to: usize, from: usize) {
        let [to, from] = [to, from].map(|number| self.set.vector(number));
        let kept = Instruction::with2(Code::EVEX_Vmovaps_zmm_k1z_zmmm512, to, from);
        self.put(kept.map(|mut kept| {
            kept.set_op_mask(MASK);
            kept.set_zeroing_masking(true);
            kept
        }));
    }

    fn select(
        &mut self,
        to: usize,
        (cond, zero): (usize, usize),
        (then, otherwise): (Operand, Option<Operand>),
        at: (i64, usize),
    ) {
        let [cond, zero] = [cond, zero].map(|number| self.set.vector(number));
        match self.set {
            Set::Avx512 => {
                let compare = Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae;
                self.put(Instruction::with4(compare, MASK, cond, zero, GREATER));
                let then = self.operand(then, 0, at);
                match otherwise {
                    Some(otherwise) => {
                        let otherwise = self.operand(otherwise, 1, at);
                        let [to, otherwise, then] = [to, otherwise, then].map(|number| self.set.vector(number));
                        let blend = Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
                        let choice = Instruction::with3(blend, to, otherwise, then);
                        self.put(choice.map(|mut choice| {
                            choice.set_op_mask(MASK);
                            choice
                        }));
                    }
                    None => self.keep_masked(to, then),
                }
            }
            Set::Avx2 => {
                let mask = self.registers.scratch[0];
                let compare = Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8;
                self.put(Instruction::with4(compare, self.set.vector(mask), cond, zero, GREATER));
                let then = self.operand(then, 1, at);
                match otherwise {
                    Some(otherwise) => {
                        let otherwise = self.operand(otherwise, 2, at);
                        let [to, otherwise, then, mask] =
                            [to, otherwise, then, mask].map(|number| self.set.vector(number));
                        let blend = Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm;
                        self.put(Instruction::with4(blend, to, otherwise, then, mask));
                    }
                    None => self.and(to, then, mask),
                }
            }
        }
    }

    /// The register of an operand, which comes into a scratch register where it is in none.
    fn operand(&mut self, operand: Operand, scratch: usize, (part, pixel): (i64, usize)) -> usize {
        match operand {
            Operand::Words(stream) => self.registers.words[stream][pixel],
            Operand::Step(i) => self.registers.steps[i],
            Operand::Shared(i) => self.registers.shared[i].unwrap_or_else(|| {
                let scratch = self.registers.scratch[scratch];
                self.load(scratch, self.lanes(i, part));
                scratch
            }),
        }
    }

    fn bring_shared(&mut self, part: i64) {
        for i in 0..self.pixels.for_steps {
            if let Some(register) = self.registers.shared[i] {
                self.load(register, self.lanes(i, part));
            }
        }
    }

    /// The lanes of a shared vector or, behind them, of a sum.
    pub(super) fn lanes(&self, i: usize, part: i64) -> MemoryOperand {
        memory(LANES, i as i64 * PIXEL + part * (PIXEL / self.set.parts()))
    }

    fn arithmetic(&mut self, op: Binary, to: usize, a: usize, b: usize) {
        use Binary::{Add, Div, Max, Min, Mul, Sub};
        // `vminps` and `vmaxps` give their second operand where the two do not compare, or are zeros: as `Binary` has it.
        let code = match (self.set, op) {
            (Set::Avx512, Add) => Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
            (Set::Avx512, Sub) => Code::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er,
            (Set::Avx512, Mul) => Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er,
            (Set::Avx512, Div) => Code::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er,
            (Set::Avx512, Min) => Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae,
            (Set::Avx512, Max) => Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae,
            (Set::Avx2, Add) => Code::VEX_Vaddps_ymm_ymm_ymmm256,
            (Set::Avx2, Sub) => Code::VEX_Vsubps_ymm_ymm_ymmm256,
            (Set::Avx2, Mul) => Code::VEX_Vmulps_ymm_ymm_ymmm256,
            (Set::Avx2, Div) => Code::VEX_Vdivps_ymm_ymm_ymmm256,
            (Set::Avx2, Min) => Code::VEX_Vminps_ymm_ymm_ymmm256,
            (Set::Avx2, Max) => Code::VEX_Vmaxps_ymm_ymm_ymmm256,
        };
        self.three(code, to, a, b);
    }

    fn and(&mut self, to: usize, a: usize, b: usize) {
        let code = match self.set {
            Set::Avx512 => Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32,
            Set::Avx2 => Code::VEX_Vandps_ymm_ymm_ymmm256,
        };
        self.three(code, to, a, b);
    }

    fn clear(&mut self, register: usize) {
        let code = match self.set {
            Set::Avx512 => Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32,
            Set::Avx2 => Code::VEX_Vxorps_ymm_ymm_ymmm256,
        };
        self.three(code, register, register, register);
    }

    pub(super) fn load(&mut self, to: usize, from: MemoryOperand) {
        let code = match self.set {
            Set::Avx512 => Code::EVEX_Vmovups_zmm_k1z_zmmm512,
            Set::Avx2 => Code::VEX_Vmovups_ymm_ymmm256,
        };
        self.put(Instruction::with2(code, self.set.vector(to), from));
    }

    pub(super) fn store(&mut self, to: MemoryOperand, from: usize) {
        let code = match self.set {
            Set::Avx512 => Code::EVEX_Vmovups_zmmm512_k1z_zmm,
            Set::Avx2 => Code::VEX_Vmovups_ymmm256_ymm,
        };
        self.put(Instruction::with2(code, to, self.set.vector(from)));
    }

    /// Zeros come in from the other end; `wide` lanes have 64 bits, others 32.
    pub(super) fn shift(&mut self, to: usize, from: usize, right: u32, wide: bool) {
        let code = match (self.set, wide) {
            (Set::Avx512, false) => Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8,
            (Set::Avx512, true) => Code::EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8,
            (Set::Avx2, false) => Code::VEX_Vpsrld_ymm_ymm_imm8,
            (Set::Avx2, true) => Code::VEX_Vpsrlq_ymm_ymm_imm8,
        };
        self.put(Instruction::with3(code, self.set.vector(to), self.set.vector(from), right));
    }

    fn two(&mut self, code: Code, to: usize, from: usize) {
        self.put(Instruction::with2(code, self.set.vector(to), self.set.vector(from)));
    }

    /// As [`three`](Self::three), the second operand a row of lanes.
    pub(super) fn three_of_memory(&mut self, code: Code, to: usize, a: usize, b: MemoryOperand) {
        self.put(Instruction::with3(code, self.set.vector(to), self.set.vector(a), b));
    }

    pub(super) fn three(&mut self, code: Code, to: usize, a: usize, b: usize) {
        let [to, a, b] = [to, a, b].map(|number| self.set.vector(number));
        self.put(Instruction::with3(code, to, a, b));
    }

    pub(super) fn put(&mut self, instruction: Result<Instruction, iced_x86::IcedError>) {
        let instruction = instruction.expect("operands that the instruction takes");
        let len = self.encoder.encode(&instruction, self.at).expect("an instruction of 64-bit code");
        self.at += len as u64;
    }
}

/// The current pixel of a plane, or one of the same turn after it.
fn point(plane: usize, part: i64, pixel: usize) -> MemoryOperand {
    // With two parts a part is 32 bytes; with one there is only the first.
    let behind = pixel as i64 * PIXEL + part * (PIXEL / 2);
    MemoryOperand::with_base_index_scale_displ_size(PLANES[plane], PLACE, 1, behind, 1)
}

fn memory(base: Register, behind: i64) -> MemoryOperand {
    MemoryOperand::with_base_displ_size(base, behind, 1)
}
