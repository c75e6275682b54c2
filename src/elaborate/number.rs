//! Checked arithmetic on numbers.

use super::value::Value;
use crate::diag::{Code, Problem, codes};
use crate::num::float;
use crate::source::Span;
use crate::syntax::tree::BinaryOp;
use crate::typing::tables::Builtin;

/// Why an operation has no result.
pub(super) struct Fault {
    code: Code,
    message: String,
    help: String,
}

impl Fault {
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Fault { code, message: message.into(), help: help.into() }
    }

    /// Arithmetic without a result.
    pub fn arithmetic(message: impl Into<String>, help: impl Into<String>) -> Self {
        Fault::new(codes::BAD_ARITHMETIC, message, help)
    }

    pub fn at(self, span: Span) -> Problem {
        Problem::error(self.code, span, self.message, self.help)
    }
}

/// Whole numbers that do not fit.
fn overflow() -> Fault {
    Fault::arithmetic("the result does not fit a whole number of 64 bits", "use smaller numbers, or reals: `1.0 * a`")
}

pub(super) fn negate(x: Value) -> Result<Value, Fault> {
    match x {
        Value::Int(v) => v.checked_neg().map(Value::Int).ok_or_else(overflow),
        Value::Real(v) => Ok(Value::Real(-v)),
        Value::Draw(factor) => Ok(super::draw::negate(&factor)),
        other => unreachable!("typing negates numbers, not {other}"),
    }
}

/// `a OP b` for everything but `and`, `or` and draws.
pub(super) fn combine(op: BinaryOp, a: &Value, b: &Value) -> Result<Value, Fault> {
    match op {
        BinaryOp::Eq => return Ok(Value::Bool(a.equals(b))),
        BinaryOp::Ne => return Ok(Value::Bool(!a.equals(b))),
        BinaryOp::Or | BinaryOp::And => unreachable!("these do not always evaluate both sides"),
        BinaryOp::Lt
        | BinaryOp::Le
        | BinaryOp::Gt
        | BinaryOp::Ge
        | BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul
        | BinaryOp::Div
        | BinaryOp::Rem
        | BinaryOp::Pow => {}
    }
    if let (Value::Int(x), Value::Int(y)) = (a, b)
        && op != BinaryOp::Div
    {
        return whole(op, *x, *y);
    }
    let (Some(x), Some(y)) = (a.number(), b.number()) else { unreachable!("typing computes with numbers") };
    let result = match op {
        BinaryOp::Lt => return Ok(Value::Bool(x < y)),
        BinaryOp::Le => return Ok(Value::Bool(x <= y)),
        BinaryOp::Gt => return Ok(Value::Bool(x > y)),
        BinaryOp::Ge => return Ok(Value::Bool(x >= y)),
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div if y == 0.0 => return Err(division_by_zero()),
        BinaryOp::Div => x / y,
        BinaryOp::Pow => float::pow(x, y),
        BinaryOp::Rem | BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Or | BinaryOp::And => {
            unreachable!("`%` is for whole numbers; the others are done")
        }
    };
    finite(result)
}

fn whole(op: BinaryOp, x: i64, y: i64) -> Result<Value, Fault> {
    let result = match op {
        BinaryOp::Lt => return Ok(Value::Bool(x < y)),
        BinaryOp::Le => return Ok(Value::Bool(x <= y)),
        BinaryOp::Gt => return Ok(Value::Bool(x > y)),
        BinaryOp::Ge => return Ok(Value::Bool(x >= y)),
        BinaryOp::Add => x.checked_add(y),
        BinaryOp::Sub => x.checked_sub(y),
        BinaryOp::Mul => x.checked_mul(y),
        BinaryOp::Rem if y == 0 => return Err(division_by_zero()),
        BinaryOp::Rem => x.checked_rem_euclid(y),
        BinaryOp::Pow if y < 0 => {
            let help = format!("write the base as a real: `{x}.0 ^ {y}`");
            return Err(Fault::arithmetic("a whole number to a negative power is no whole number", help));
        }
        BinaryOp::Pow => power(x, y),
        BinaryOp::Div | BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Or | BinaryOp::And => {
            unreachable!("`/` gives reals; the others are done")
        }
    };
    result.map(Value::Int).ok_or_else(overflow)
}

fn power(x: i64, y: i64) -> Option<i64> {
    match (x, u32::try_from(y)) {
        (0 | 1, _) if y > 0 => Some(x),
        (-1, _) => Some(if y % 2 == 0 { 1 } else { -1 }),
        (_, Ok(y)) => x.checked_pow(y),
        (_, Err(_)) => None,
    }
}

fn division_by_zero() -> Fault {
    Fault::arithmetic("division by zero", "`require` that the divisor is not 0, or change the values that give it")
}

fn finite(v: f64) -> Result<Value, Fault> {
    if v.is_finite() {
        return Ok(Value::Real(v));
    }
    Err(Fault::arithmetic("the result is not a finite number", "use smaller numbers, and no root of negative ones"))
}

/// The largest of the whole numbers that a real holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A function of numbers.
pub(super) fn apply(function: Builtin, values: &[Value]) -> Result<Value, Fault> {
    let number = |i: usize| values[i].number().expect("typing calls it with numbers");
    let rounded = |v: f64| match v.abs() <= EXACT {
        true => Ok(Value::Int(v as i64)),
        false => Err(overflow()),
    };
    match function {
        Builtin::Floor => rounded(number(0).floor()),
        Builtin::Ceil => rounded(number(0).ceil()),
        Builtin::Round => rounded(float::round_half_up(number(0))),
        Builtin::Sqrt if number(0) < 0.0 => {
            let help = "`require` that it is not negative, or take `max(x, 0)`";
            Err(Fault::arithmetic("the square root of a negative number", help))
        }
        Builtin::Sqrt => Ok(Value::Real(number(0).sqrt())),
        Builtin::Min | Builtin::Max => {
            let better = |i: usize, best: usize| match function {
                Builtin::Min => number(i) < number(best),
                _ => number(i) > number(best),
            };
            let best = (0..values.len()).fold(0, |best, i| if better(i, best) { i } else { best });
            Ok(values[best].clone())
        }
        Builtin::Div => match (&values[0], &values[1]) {
            (_, Value::Int(0)) => Err(division_by_zero()),
            (Value::Int(a), Value::Int(b)) => {
                let quotient = a.checked_div(*b).ok_or_else(overflow)?;
                let down = a % b != 0 && (a % b < 0) != (*b < 0);
                Ok(Value::Int(quotient - i64::from(down)))
            }
            _ => unreachable!("typing divides whole numbers"),
        },
        Builtin::Len | Builtin::Normal | Builtin::Draw(_) => unreachable!("these are no functions of numbers"),
    }
}
