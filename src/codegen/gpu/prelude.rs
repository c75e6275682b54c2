//! What stands before the kernels: the dialect's own text, then functions that all dialects share.
//!
//! Names end in `_s` where operands are numbers and in `_v` where they are vectors of four.

use super::dialect::Dialect;
use super::writer::{Type, Writer, function, number};
use crate::codegen::cephes::{EXP, LN, LN2_HIGH, LN2_LOW, LOG2_E};
use crate::num::philox::{MULTIPLIERS, WEYL};

/// The text before the kernels.
pub(super) fn prelude(dialect: Dialect) -> String {
    let mut text = format!("{}{}\n", dialect.table().own, dialect.tensor());
    text += &choices(dialect);
    text += &exp(dialect);
    text += &ln(dialect);
    for name in ["root", "exp", "ln"] {
        text += &lanes(dialect, name);
    }
    text += &products(dialect);
    text += &philox(dialect);
    text += &draws(dialect);
    text
}

fn returns(w: &mut Writer<'_>, value: &str) {
    w.line(&format!("return {value};"));
}

/// A function of numbers, lane by lane. `root_s` is the dialect's `root`.
fn lanes(dialect: Dialect, name: &str) -> String {
    let scalar = if name == "root" { "root".to_owned() } else { format!("{name}_s") };
    function(dialect, Type::F4, &format!("{name}_v"), &[("f4", "a")], |w| {
        let [x, y, z, v] = ["x", "y", "z", "w"].map(|lane| format!("{scalar}(a.{lane})"));
        returns(w, &format!("pack({x}, {y}, {z}, {v})"));
    })
}

/// Minimum and maximum (the second where they do not compare), the choice by a sign, and the lanes of real channels.
fn choices(dialect: Dialect) -> String {
    let of_lanes = |name: &str, operands: &[&str]| {
        let lane = |lane: &str| {
            let operands: Vec<String> = operands.iter().map(|o| format!("{o}.{lane}")).collect();
            format!("{name}_s({})", operands.join(", "))
        };
        let [x, y, z, w] = ["x", "y", "z", "w"].map(lane);
        format!("pack({x}, {y}, {z}, {w})")
    };
    let mut text = String::new();
    for (name, order) in [("smaller", "a < b"), ("larger", "b < a")] {
        let two = |ty| [(ty, "a"), (ty, "b")];
        text += &function(dialect, Type::F32, &format!("{name}_s"), &two("f32"), |w| {
            let value = w.choose(order, "a", "b");
            returns(w, &value);
        });
        let value = of_lanes(name, &["a", "b"]);
        text += &function(dialect, Type::F4, &format!("{name}_v"), &two("f4"), |w| returns(w, &value));
    }
    let three = |ty| [(ty, "sign"), (ty, "a"), (ty, "b")];
    text += &function(dialect, Type::F32, "pick_s", &three("f32"), |w| {
        let value = w.choose("sign > 0.0f", "a", "b");
        returns(w, &value);
    });
    let value = of_lanes("pick", &["sign", "a", "b"]);
    text += &function(dialect, Type::F4, "pick_v", &three("f4"), |w| returns(w, &value));
    let inside = [("f4", "a"), ("f32", "b"), ("u32", "first"), ("u32", "channels")];
    text + &function(dialect, Type::F4, "in_channels", &inside, |w| {
        let lane = |(i, lane)| w.choose(&format!("first + {i}u < channels"), &format!("a.{lane}"), "b");
        let [x, y, z, v] = [(0, "x"), (1, "y"), (2, "z"), (3, "w")].map(lane);
        returns(w, &format!("pack({x}, {y}, {z}, {v})"));
    })
}

/// Horner's scheme, the highest power first.
fn polynomial(w: &mut Writer<'_>, coefficients: &[f32], x: &str) {
    w.variable(Type::F32, "p", &number(coefficients[0]));
    for c in &coefficients[1..] {
        w.assign("p", &format!("p * {x} + {}", signed(*c)));
    }
}

/// A number that may be negative, behind an operator.
fn signed(x: f32) -> String {
    if x < 0.0 { format!("({})", number(x)) } else { number(x) }
}

/// e^x for x in -87 to 88, the ends outside; not a number stays so.
fn exp(dialect: Dialect) -> String {
    function(dialect, Type::F32, "exp_s", &[("f32", "x")], |w| {
        w.constant(Type::F32, "c", "smaller_s(larger_s(x, -87.0f), 88.0f)");
        w.constant(Type::F32, "k", &format!("nearest(c * {})", number(LOG2_E)));
        let value = format!("(c - k * {}) - k * {}", number(LN2_HIGH), signed(LN2_LOW));
        w.constant(Type::F32, "r", &value);
        polynomial(w, &EXP, "r");
        w.assign("p", "(p * (r * r) + r) + 1.0f");
        w.constant(Type::F32, "power", "float_of((whole(k) + 127u) << 23u)");
        let value = w.choose("x == x", "p * power", "x");
        returns(w, &value);
    })
}

/// ln x for a normal positive x; not a number stays so.
fn ln(dialect: Dialect) -> String {
    function(dialect, Type::F32, "ln_s", &[("f32", "x")], |w| {
        w.index("bits", "bits_of(x)");
        w.variable(Type::F32, "e", "real_signed((bits >> 23u) - 126u)");
        w.variable(Type::F32, "m", "float_of((bits & 0x007fffffu) | 0x3f000000u)");
        // The mantissa lies in [1/2, 1); below sqrt(1/2) it is doubled.
        w.when(&format!("m < {}", number(std::f32::consts::FRAC_1_SQRT_2)), |w| {
            w.assign("m", "m + m");
            w.assign("e", "e - 1.0f");
        });
        w.assign("m", "m - 1.0f");
        w.constant(Type::F32, "square", "m * m");
        polynomial(w, &LN, "m");
        w.assign("p", "(p * m) * square");
        w.assign("p", &format!("p + e * {}", signed(LN2_LOW)));
        w.assign("p", "p - 0.5f * square");
        w.constant(Type::F32, "sum", &format!("(m + p) + e * {}", number(LN2_HIGH)));
        let value = w.choose("x == x", "sum", "x");
        returns(w, &value);
    })
}

/// The inner steps of contractions, in fused multiply-adds.
fn products(dialect: Dialect) -> String {
    let step = [("f32", "x"), ("f4", "w"), ("f4", "sum")];
    let axpy = function(dialect, Type::F4, "axpy", &step, |w| {
        let [a, b, c, d] = ["x", "y", "z", "w"].map(|lane| format!("fused(x, w.{lane}, sum.{lane})"));
        returns(w, &format!("pack({a}, {b}, {c}, {d})"));
    });
    let dot = function(dialect, Type::F32, "dot_add", &[("f4", "a"), ("f4", "b"), ("f32", "sum")], |w| {
        returns(w, "fused(a.w, b.w, fused(a.z, b.z, fused(a.y, b.y, fused(a.x, b.x, sum))))");
    });
    axpy + &dot
}

/// Philox4x32-10, as `num::philox4x32`.
fn philox(dialect: Dialect) -> String {
    let parameters = [("Step", "now"), ("u32", "counter"), ("u32", "low"), ("u32", "high")];
    function(dialect, Type::U4, "philox", &parameters, |w| {
        let start = ["counter", "now.number", "low", "high", "now.seed_low", "now.seed_high"];
        for (name, value) in ["c0", "c1", "c2", "c3", "k0", "k1"].iter().zip(start) {
            w.variable(Type::U32, name, value);
        }
        w.count(["round", "0u", "10u", "1u"], |w| {
            for (i, from) in [(0, "c0"), (1, "c2")] {
                let by = MULTIPLIERS[i];
                w.index(&format!("h{i}"), &format!("high_product({by}u, {from})"));
                w.index(&format!("l{i}"), &format!("{by}u * {from}"));
            }
            for (name, value) in [("c0", "(h1 ^ c1) ^ k0"), ("c1", "l1"), ("c2", "(h0 ^ c3) ^ k1"), ("c3", "l0")] {
                w.assign(name, value);
            }
            w.assign("k0", &format!("k0 + {}u", WEYL[0]));
            w.assign("k1", &format!("k1 + {}u", WEYL[1]));
        });
        returns(w, "pack_u(c0, c1, c2, c3)");
    })
}

/// How words become numbers (`num::draw`).
fn draws(dialect: Dialect) -> String {
    let one = [("Step", "now"), ("u32", "index"), ("u32", "low"), ("u32", "high")];
    let mut text = function(dialect, Type::U32, "word_at", &one, |w| {
        returns(w, "word(philox(now, index >> 2u, low, high), index & 3u)");
    });
    let below = |ty| [(ty, "word"), ("u32", "threshold")];
    text += &function(dialect, Type::F32, "bernoulli_s", &below("u32"), |w| {
        let value = w.choose("word < threshold", "1.0f", "0.0f");
        returns(w, &value);
    });
    let within = |ty| [(ty, "word"), ("f32", "lo"), ("f32", "width")];
    text += &function(dialect, Type::F32, "uniform_s", &within("u32"), |w| {
        let unit = number(1.0 / 16_777_216.0);
        returns(w, &format!("lo + width * (real(word >> 8u) * {unit})"));
    });
    for (name, parameters, rest) in
        [("bernoulli", &below("u4")[..], "threshold"), ("uniform", &within("u4")[..], "lo, width")]
    {
        text += &function(dialect, Type::F4, &format!("{name}_v"), parameters, |w| {
            let [x, y, z, v] = ["x", "y", "z", "w"].map(|lane| format!("{name}_s(word.{lane}, {rest})"));
            returns(w, &format!("pack({x}, {y}, {z}, {v})"));
        });
    }
    text
}
