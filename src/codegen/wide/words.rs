//! The words that four pixels draw: Philox4x32-10 (Salmon et al. 2011), a counter a lane of 64 bits.
//!
//! A product of two words fills its lane, so a lane needs no more than its low half; what stands in the high half is of no
//! account. The counters of even and of odd quarters are worked on apart, then turned so that a vector is a pixel.

use iced_x86::{Code, Instruction, MemoryOperand};

use super::pixels::Draws;
use super::x86::{Printer, Set};

impl Printer<'_> {
    /// Makes the words of all streams for the pixels of a turn.
    pub(super) fn words(&mut self, part: i64) {
        let Some(draws) = &self.pixels.draws else { return };
        for stream in 0..draws.streams.len() {
            self.words_of(draws, stream, part);
        }
        let add = match self.set {
            Set::Avx512 => Code::EVEX_Vpaddq_zmm_k1z_zmm_zmmm512b64,
            Set::Avx2 => Code::VEX_Vpaddq_ymm_ymm_ymmm256,
        };
        let advanced = self.registers.for_words[0];
        for counters in draws.counters {
            let counters = self.lanes(counters, part);
            self.load(advanced, counters);
            self.three_of_memory(add, advanced, advanced, self.lanes(draws.advance, part));
            self.store(counters, advanced);
        }
    }

    fn words_of(&mut self, draws: &Draws, stream: usize, part: i64) {
        let [c0, c1, c2, c3, p0, p1, even, other_even] = self.registers.for_words;
        let mut halves = [[even, other_even], [p0, p1]];
        for (half, counters) in halves.iter_mut().zip(draws.counters) {
            let start = [counters, draws.step, draws.sites[stream][0], draws.sites[stream][1]];
            for (register, row) in [c0, c1, c2, c3].into_iter().zip(start) {
                self.load(register, self.lanes(row, part));
            }
            let mut c = [c0, c1, c2, c3];
            let mut products = [p0, p1];
            for keys in &draws.keys {
                self.round(draws, &mut c, &mut products, keys, part);
            }
            self.words_of_counters(c, *half);
        }
        self.words_of_pixels(halves, [c0, c1, c2, c3], self.registers.words[stream]);
    }

    /// One round on the counter in `c`; registers change places with those of `products`.
    fn round(&mut self, draws: &Draws, c: &mut [usize; 4], products: &mut [usize; 2], keys: &[usize; 2], part: i64) {
        let multiply = match self.set {
            Set::Avx512 => Code::EVEX_Vpmuludq_zmm_k1z_zmm_zmmm512b64,
            Set::Avx2 => Code::VEX_Vpmuludq_ymm_ymm_ymmm256,
        };
        let [p0, p1] = *products;
        self.three_of_memory(multiply, p0, c[0], self.lanes(draws.multipliers[0], part));
        self.three_of_memory(multiply, p1, c[2], self.lanes(draws.multipliers[1], part));
        self.shift(c[0], p1, 32, true);
        self.shift(c[2], p0, 32, true);
        for (high, (word, key)) in [(c[0], (c[1], keys[0])), (c[2], (c[3], keys[1]))] {
            self.xor_both(high, word, self.lanes(key, part));
        }
        let free = [c[3], c[1]];
        *c = [c[0], p1, c[2], p0];
        *products = free;
    }

    /// high ^ word ^ key, in `high`.
    fn xor_both(&mut self, high: usize, word: usize, key: MemoryOperand) {
        match self.set {
            Set::Avx512 => {
                // The truth table of the exclusive or of three bits.
                const XOR: u32 = 0x96;
                let code = Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8;
                self.put(Instruction::with4(code, self.set.vector(high), self.set.vector(word), key, XOR));
            }
            Set::Avx2 => {
                self.three(Code::VEX_Vpxor_ymm_ymm_ymmm256, high, high, word);
                self.three_of_memory(Code::VEX_Vpxor_ymm_ymm_ymmm256, high, high, key);
            }
        }
    }

    /// Words in the low halves of lanes, one after another: of each 128 bits those of the first counter, and those of the
    /// second.
    fn words_of_counters(&mut self, [c0, c1, c2, c3]: [usize; 4], [first, second]: [usize; 2]) {
        let code = match self.set {
            Set::Avx512 => Code::EVEX_Vshufps_zmm_k1z_zmm_zmmm512b32_imm8,
            Set::Avx2 => Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8,
        };
        self.shuffle(code, c0, c0, c1, 0b10_00_10_00);
        self.shuffle(code, c2, c2, c3, 0b10_00_10_00);
        self.shuffle(code, first, c0, c2, 0b10_00_10_00);
        self.shuffle(code, second, c0, c2, 0b11_01_11_01);
    }

    /// Vectors whose 128 bits are quarters of pixels to vectors of one pixel; see `Set::counters` for which is where.
    fn words_of_pixels(&mut self, [even, odd]: [[usize; 2]; 2], room: [usize; 4], words: [usize; 4]) {
        match self.set {
            Set::Avx512 => {
                let code = Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8;
                for half in 0..2 {
                    self.shuffle(code, room[half], even[half], odd[half], 0b01_00_01_00);
                    self.shuffle(code, room[2 + half], even[half], odd[half], 0b11_10_11_10);
                }
                for pair in 0..2 {
                    let [low, high] = [room[2 * pair], room[2 * pair + 1]];
                    self.shuffle(code, words[2 * pair], low, high, 0b10_00_10_00);
                    self.shuffle(code, words[2 * pair + 1], low, high, 0b11_01_11_01);
                }
            }
            Set::Avx2 => {
                let code = Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8;
                for half in 0..2 {
                    self.shuffle(code, words[half], even[half], odd[half], 0x20);
                    self.shuffle(code, words[2 + half], even[half], odd[half], 0x31);
                }
            }
        }
    }

    fn shuffle(&mut self, code: Code, to: usize, a: usize, b: usize, how: u32) {
        let [to, a, b] = [to, a, b].map(|number| self.set.vector(number));
        self.put(Instruction::with4(code, to, a, b, how));
    }
}
