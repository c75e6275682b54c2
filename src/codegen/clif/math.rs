//! `exp` and `ln` in f32, four lanes at a time; the polynomials are those of every backend ([`cephes`](super::super::cephes)).

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{self, InstBuilder, types};

use super::super::cephes::{EXP, LN, LN2_HIGH, LN2_LOW, LOG2_E};
use super::emit::Emitter;

impl Emitter<'_, '_> {
    /// e^x for x in -87 to 88, the ends outside; not a number stays so.
    pub(super) fn exp(&mut self, x: ir::Value) -> ir::Value {
        let (low, high) = (self.constant(-87.0), self.constant(88.0));
        let clamped = self.max(x, low);
        let clamped = self.min(clamped, high);
        let log2_e = self.constant(LOG2_E);
        let scaled = self.b.ins().fmul(clamped, log2_e);
        let whole = self.b.ins().nearest(scaled);
        let (ln2_high, ln2_low) = (self.constant(LN2_HIGH), self.constant(LN2_LOW));
        let product = self.b.ins().fmul(whole, ln2_high);
        let r = self.b.ins().fsub(clamped, product);
        let product = self.b.ins().fmul(whole, ln2_low);
        let r = self.b.ins().fsub(r, product);
        let p = self.polynomial(&EXP, r);
        let square = self.b.ins().fmul(r, r);
        let p = self.b.ins().fmul(p, square);
        let p = self.b.ins().fadd(p, r);
        let one = self.constant(1.0);
        let p = self.b.ins().fadd(p, one);
        let exponent = self.b.ins().fcvt_to_sint_sat(types::I32X4, whole);
        let bias = self.int_constant(127);
        let exponent = self.b.ins().iadd(exponent, bias);
        let shift = self.b.ins().iconst(types::I32, 23);
        let bits = self.b.ins().ishl(exponent, shift);
        let power = self.as_float(bits);
        let result = self.b.ins().fmul(p, power);
        let is_number = self.b.ins().fcmp(FloatCC::Equal, x, x);
        self.choose(is_number, result, x)
    }

    /// ln x for a normal positive x; not a number stays so.
    pub(super) fn ln(&mut self, x: ir::Value) -> ir::Value {
        let bits = self.as_bits(x);
        let shift = self.b.ins().iconst(types::I32, 23);
        let exponent = self.b.ins().ushr(bits, shift);
        let bias = self.int_constant(126);
        let exponent = self.b.ins().isub(exponent, bias);
        let exponent = self.b.ins().fcvt_from_sint(types::F32X4, exponent);
        let (fraction, half) = (self.int_constant(0x007f_ffff), self.int_constant(0x3f00_0000));
        let mantissa = self.b.ins().band(bits, fraction);
        let mantissa = self.b.ins().bor(mantissa, half);
        let mantissa = self.as_float(mantissa);
        // The mantissa lies in [1/2, 1); below sqrt(1/2) it is doubled.
        let (root, one) = (self.constant(std::f32::consts::FRAC_1_SQRT_2), self.constant(1.0));
        let small = self.b.ins().fcmp(FloatCC::LessThan, mantissa, root);
        let doubled = self.b.ins().fadd(mantissa, mantissa);
        let lowered = self.b.ins().fsub(exponent, one);
        let mantissa = self.choose(small, doubled, mantissa);
        let exponent = self.choose(small, lowered, exponent);
        let m = self.b.ins().fsub(mantissa, one);
        let square = self.b.ins().fmul(m, m);
        let p = self.polynomial(&LN, m);
        let p = self.b.ins().fmul(p, m);
        let p = self.b.ins().fmul(p, square);
        let (ln2_high, ln2_low, half) = (self.constant(LN2_HIGH), self.constant(LN2_LOW), self.constant(0.5));
        let low = self.b.ins().fmul(exponent, ln2_low);
        let p = self.b.ins().fadd(p, low);
        let half_square = self.b.ins().fmul(half, square);
        let p = self.b.ins().fsub(p, half_square);
        let sum = self.b.ins().fadd(m, p);
        let high = self.b.ins().fmul(exponent, ln2_high);
        let result = self.b.ins().fadd(sum, high);
        let is_number = self.b.ins().fcmp(FloatCC::Equal, x, x);
        self.choose(is_number, result, x)
    }

    /// Horner's scheme, the highest power first.
    fn polynomial(&mut self, coefficients: &[f32], x: ir::Value) -> ir::Value {
        let mut p = self.constant(coefficients[0]);
        for c in &coefficients[1..] {
            let product = self.b.ins().fmul(p, x);
            let c = self.constant(*c);
            p = self.b.ins().fadd(product, c);
        }
        p
    }
}
