//! Factors as equations: `b0 + (1 - b0) * u1`, a draw being named by the letter of its distribution and its number.

use std::fmt;

use super::{Distribution, Draw, Factor, Rule};

/// A factor over its rule's draws, ready to be printed.
#[derive(Clone, Copy, Debug)]
pub struct Equation<'a> {
    factor: &'a Factor,
    draws: &'a [Draw],
}

impl Factor {
    /// The factor as the language writes it, with as few parentheses as it needs.
    pub fn equation<'a>(&'a self, draws: &'a [Draw]) -> Equation<'a> {
        Equation { factor: self, draws }
    }
}

impl Rule {
    /// The name of draw number `i` in equations: `b0`, `u1`.
    pub fn draw_name(&self, i: usize) -> String {
        draw_name(&self.draws, i)
    }
}

impl fmt::Display for Equation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.factor, self.draws, Strength::Sum, f)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distribution::Bernoulli { p } => write!(f, "bernoulli({p})"),
            Distribution::Uniform { lo, hi } => write!(f, "uniform({lo}..{hi})"),
        }
    }
}

/// How tightly a place binds what stands in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Sum,
    Product,
    Atom,
}

fn write(factor: &Factor, draws: &[Draw], place: Strength, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use Strength::{Atom, Product, Sum};
    let parenthesised = strength(factor) < place;
    f.write_str(if parenthesised { "(" } else { "" })?;
    match factor {
        Factor::Const(value) => write!(f, "{value}")?,
        Factor::Draw(i) => f.write_str(&draw_name(draws, *i))?,
        Factor::Neg(a) => {
            f.write_str("-")?;
            write(a, draws, Atom, f)?;
        }
        Factor::Sqrt(a) => call("sqrt", &[a], draws, f)?,
        Factor::Add(a, b) => infix((a, Sum), " + ", (b, Product), draws, f)?,
        Factor::Sub(a, b) => infix((a, Sum), " - ", (b, Product), draws, f)?,
        Factor::Mul(a, b) => infix((a, Product), " * ", (b, Atom), draws, f)?,
        Factor::Div(a, b) => infix((a, Product), " / ", (b, Atom), draws, f)?,
        Factor::Min(a, b) => call("min", &[a, b], draws, f)?,
        Factor::Max(a, b) => call("max", &[a, b], draws, f)?,
    }
    f.write_str(if parenthesised { ")" } else { "" })
}

/// How tightly an equation holds together by itself.
fn strength(factor: &Factor) -> Strength {
    match factor {
        Factor::Add(..) | Factor::Sub(..) => Strength::Sum,
        Factor::Const(value) if *value < 0.0 => Strength::Product,
        Factor::Neg(_) | Factor::Mul(..) | Factor::Div(..) => Strength::Product,
        Factor::Const(_) | Factor::Draw(_) | Factor::Sqrt(_) | Factor::Min(..) | Factor::Max(..) => Strength::Atom,
    }
}

fn infix(
    (a, left): (&Factor, Strength),
    sign: &str,
    (b, right): (&Factor, Strength),
    draws: &[Draw],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write(a, draws, left, f)?;
    f.write_str(sign)?;
    write(b, draws, right, f)
}

fn call(name: &str, arguments: &[&Factor], draws: &[Draw], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(")?;
    for (i, argument) in arguments.iter().enumerate() {
        f.write_str(if i > 0 { ", " } else { "" })?;
        write(argument, draws, Strength::Sum, f)?;
    }
    f.write_str(")")
}

fn draw_name(draws: &[Draw], i: usize) -> String {
    match draws[i].distribution {
        Distribution::Bernoulli { .. } => format!("b{i}"),
        Distribution::Uniform { .. } => format!("u{i}"),
    }
}
