//! How exactly the operands of a product are kept.

use std::fmt;
use std::str::FromStr;

/// What contractions multiply. Sums, weights, statistics and everything else are numbers of 32 bits in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Numbers of 32 bits.
    #[default]
    Fp32,
    /// Their first 19: a number's range with 10 bits behind the point, on tensor cores.
    Tf32,
    /// Their first 16: a number's range with 7 bits behind the point, on tensor cores.
    Bf16,
}

impl Precision {
    /// The nearest number of this precision, as tensor cores take it: of two as near, TF32 has the one further from zero
    /// (PTX `cvt.rna`), BF16 the one with an even last bit (`cvt.rn`). What is not finite stays as it is.
    pub fn round(self, x: f32) -> f32 {
        let bits = x.to_bits();
        let nearest = match self {
            Precision::Tf32 => bits.wrapping_add(0x1000) & !0x1fff,
            Precision::Bf16 => bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & !0xffff,
            Precision::Fp32 => bits,
        };
        if x.is_finite() { f32::from_bits(nearest) } else { x }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "fp32" => Ok(Precision::Fp32),
            "tf32" => Ok(Precision::Tf32),
            "bf16" => Ok(Precision::Bf16),
            _ => Err("a precision is fp32, tf32 or bf16".to_owned()),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Fp32 => "fp32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Precision;

    #[test]
    fn rounds_to_the_nearest() {
        let ulp = |bits: u32| 1.0 / (1u32 << bits) as f32;
        let tf32 = |x: f32| Precision::Tf32.round(x);
        assert_eq!(
            [tf32(1.0 + ulp(11)), tf32(1.0 + ulp(12)), tf32(-1.0 - ulp(11))],
            [1.0 + ulp(10), 1.0, -1.0 - ulp(10)]
        );
        let bf16 = |x: f32| Precision::Bf16.round(x);
        assert_eq!([bf16(1.0 + ulp(8)), bf16(1.0 + 3.0 * ulp(8)), bf16(1.0 + ulp(9))], [1.0, 1.0 + ulp(6), 1.0]);
        assert_eq!(bf16(f32::MAX), f32::INFINITY);
        assert!(tf32(f32::NAN).is_nan() && bf16(f32::INFINITY) == f32::INFINITY);
        assert_eq!(Precision::Fp32.round(0.1), 0.1);
    }
}
