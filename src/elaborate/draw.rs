//! Random numbers: from expressions to [factors](Factor).

use super::machine::{Frame, Machine, Run};
use super::number::Fault;
use super::value::{Value, shown};
use crate::diag::codes;
use crate::net::rule::Distribution;
use crate::net::{Draw, Factor};
use crate::syntax::tree::BinaryOp;
use crate::typing::program::Expr;
use crate::typing::tables::{Builtin, DrawKind};

/// The most operations of a factor.
const MAX_OPERATIONS: usize = 256;

impl<'a> Machine<'a> {
    /// Makes a draw of the rule that is being instantiated.
    pub fn draw(&mut self, frame: &Frame, kind: DrawKind, (source, level): (&'a Expr, &'a Expr)) -> Run<Value> {
        let distribution = match (kind, self.argument(frame, source, "p")?) {
            (DrawKind::Bernoulli, Value::Real(p)) => Distribution::Bernoulli { p },
            (DrawKind::Uniform, Value::Range(lo, hi)) => Distribution::Uniform { lo, hi },
            (_, other) => unreachable!("typing draws from probabilities and ranges, not {other}"),
        };
        let Value::Level(level) = self.eval(frame, level)? else { unreachable!("typing makes this a level") };
        self.draws.push(Draw { level, distribution, named: self.naming });
        Ok(Value::Draw(Factor::Draw(self.draws.len() - 1).into()))
    }
}

/// `-a`
pub(super) fn negate(a: &Factor) -> Value {
    Value::Draw(Factor::Neg(a.clone().into()).into())
}

/// `a OP b`, where one of them is random.
pub(super) fn combine(op: BinaryOp, a: Value, b: Value, draws: &[Draw]) -> Result<Value, Fault> {
    if op == BinaryOp::Pow {
        let Value::Int(n) = b else { unreachable!("typing raises draws to whole powers") };
        return power(&factor(a), n);
    }
    let (a, b) = (factor(a), factor(b));
    if op == BinaryOp::Div {
        let (lo, hi) = b.range(draws);
        if lo <= 0.0 && hi >= 0.0 {
            let message = match lo == hi {
                true => "division by zero".to_owned(),
                false => format!("the divisor may be 0: it lies in [{}, {}]", shown(lo), shown(hi)),
            };
            let help = "divide by what cannot be 0; `require p > 0` where it is a parameter";
            let code = if lo == hi { codes::BAD_ARITHMETIC } else { codes::BAD_EQUATION };
            return Err(Fault::new(code, message, help));
        }
    }
    let (a, b) = (Box::new(a), Box::new(b));
    sized(match op {
        BinaryOp::Add => Factor::Add(a, b),
        BinaryOp::Sub => Factor::Sub(a, b),
        BinaryOp::Mul => Factor::Mul(a, b),
        BinaryOp::Div => Factor::Div(a, b),
        BinaryOp::Pow
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Eq
        | BinaryOp::Ne
        | BinaryOp::Lt
        | BinaryOp::Le
        | BinaryOp::Gt
        | BinaryOp::Ge
        | BinaryOp::Rem => unreachable!("typing refuses these on draws"),
    })
}

/// `min`, `max` or `sqrt`, where something random is among the arguments.
pub(super) fn apply(function: Builtin, values: Vec<Value>, draws: &[Draw]) -> Result<Value, Fault> {
    let mut factors = values.into_iter().map(factor);
    let first = factors.next().expect("typing calls these with arguments");
    let joined = |join: fn(Box<Factor>, Box<Factor>) -> Factor, first: Factor| {
        factors.fold(first, |a, b| join(a.into(), b.into()))
    };
    match function {
        Builtin::Min => sized(joined(Factor::Min, first)),
        Builtin::Max => sized(joined(Factor::Max, first)),
        Builtin::Sqrt => {
            let (lo, hi) = first.range(draws);
            if lo < 0.0 {
                let message = format!("the root of what may be negative: it lies in [{}, {}]", shown(lo), shown(hi));
                return Err(Fault::new(codes::BAD_EQUATION, message, "take the root of what is never below 0"));
            }
            sized(Factor::Sqrt(first.into()))
        }
        Builtin::Floor
        | Builtin::Ceil
        | Builtin::Round
        | Builtin::Div
        | Builtin::Len
        | Builtin::Normal
        | Builtin::Draw(_) => unreachable!("typing refuses these on draws"),
    }
}

/// A whole power is a product, so that every draw in it stays one draw.
fn power(a: &Factor, n: i64) -> Result<Value, Fault> {
    if n < 0 {
        return Err(Fault::new(codes::BAD_EQUATION, "a draw to a negative power", "divide by it: `1 / x`"));
    }
    let mut product = Factor::Const(1.0);
    for i in 0..n {
        product = if i == 0 { a.clone() } else { Factor::Mul(product.into(), a.clone().into()) };
        sized(product.clone())?;
    }
    sized(product)
}

fn factor(value: Value) -> Factor {
    match value {
        Value::Draw(factor) => (*factor).clone(),
        other => Factor::Const(other.number().expect("typing computes draws with numbers")),
    }
}

fn sized(factor: Factor) -> Result<Value, Fault> {
    if operations(&factor) > MAX_OPERATIONS {
        let message = format!("a factor of more than {MAX_OPERATIONS} operations");
        return Err(Fault::new(codes::BAD_EQUATION, message, "simplify the equation: every site computes it"));
    }
    Ok(Value::Draw(factor.into()))
}

fn operations(factor: &Factor) -> usize {
    match factor {
        Factor::Const(_) | Factor::Draw(_) => 1,
        Factor::Neg(a) | Factor::Sqrt(a) => 1 + operations(a),
        Factor::Add(a, b)
        | Factor::Sub(a, b)
        | Factor::Mul(a, b)
        | Factor::Div(a, b)
        | Factor::Min(a, b)
        | Factor::Max(a, b) => 1 + operations(a) + operations(b),
    }
}
