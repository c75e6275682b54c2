//! `E[forward]` of a rule as a formula over its parameters: `p + (1 - p) * E[alpha]` for ShakeDrop.
//!
//! Expectation is linear, and that of a product of independent draws is the product of theirs; a draw's own mean is p,
//! or the middle of its interval. Each draw is known by its place in the text, so that one `let` is one draw. Where a
//! formula needs more (a power of a draw, `min`) there is none; the numbers that a site multiplies by are derived from
//! its network's [rule](crate::net::Rule), exactly and for more forms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::source::{Sources, Span};
use crate::syntax::one_line;
use crate::syntax::tree::{BinaryOp, Call, Expr, ExprKind, FactorKind, Regularizer, RuleStmt, UnaryOp};

/// The mean of `forward`; none where this has no formula for it.
pub fn mean(rule: &Regularizer, sources: &Sources) -> Option<String> {
    let mut reader = Reader { sources, named: BTreeMap::new() };
    for stmt in &rule.body {
        match stmt {
            RuleStmt::Let(binding) => drop(reader.named.insert(&binding.name.text, &binding.value)),
            RuleStmt::Equation { factor: FactorKind::Forward, value, .. } => {
                return match &value.kind {
                    ExprKind::List(factors) => {
                        let means: Option<Vec<String>> =
                            factors.iter().map(|f| Some(reader.mean(f)?.to_string())).collect();
                        Some(format!("[{}]", means?.join(", ")))
                    }
                    _ => Some(reader.mean(value)?.to_string()),
                };
            }
            RuleStmt::Require(_) | RuleStmt::Equation { .. } => {}
        }
    }
    None
}

/// A formula without draws.
#[derive(Clone, Debug, PartialEq)]
enum Formula {
    Number(f64),
    /// A text, and whether it holds together as a factor of a product.
    Text(String, bool),
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Formula::Number(v) => write!(f, "{v}"),
            Formula::Text(text, _) => f.write_str(text),
        }
    }
}

impl Formula {
    /// As a factor of a product.
    fn factor(&self) -> String {
        match self {
            Formula::Text(text, true) => text.clone(),
            Formula::Number(v) if *v >= 0.0 => v.to_string(),
            Formula::Text(..) | Formula::Number(_) => format!("({self})"),
        }
    }

    fn add(self, other: Formula) -> Formula {
        match (self, other) {
            (Formula::Number(a), Formula::Number(b)) => Formula::Number(a + b),
            (Formula::Number(0.0), a) | (a, Formula::Number(0.0)) => a,
            (a, b) => Formula::Text(format!("{a} + {b}"), false),
        }
    }

    fn sub(self, other: Formula) -> Formula {
        match (self, other) {
            (Formula::Number(a), Formula::Number(b)) => Formula::Number(a - b),
            (a, Formula::Number(0.0)) => a,
            (a, b) => Formula::Text(format!("{a} - {}", b.factor()), false),
        }
    }

    fn mul(self, other: Formula) -> Formula {
        match (self, other) {
            (Formula::Number(a), Formula::Number(b)) => Formula::Number(a * b),
            (Formula::Number(1.0), a) | (a, Formula::Number(1.0)) => a,
            (Formula::Number(0.0), _) | (_, Formula::Number(0.0)) => Formula::Number(0.0),
            (a, b) => Formula::Text(format!("{} * {}", a.factor(), b.factor()), true),
        }
    }

    fn div(self, other: Formula) -> Formula {
        match (self, other) {
            (Formula::Number(a), Formula::Number(b)) if b != 0.0 => Formula::Number(a / b),
            (a, Formula::Number(1.0)) => a,
            (a, b) if a == b => Formula::Number(1.0),
            (a, b) => Formula::Text(format!("{} / {}", a.factor(), b.factor()), false),
        }
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    /// The `let`s so far.
    named: BTreeMap<&'a str, &'a Expr>,
}

impl<'a> Reader<'a> {
    fn mean(&self, e: &'a Expr) -> Option<Formula> {
        if self.draws(e).is_empty() {
            return Some(self.plain(e));
        }
        match &e.kind {
            ExprKind::Name(name) => self.mean(self.named.get(name.as_str())?),
            ExprKind::Unary(UnaryOp::Neg, a) => Some(Formula::Number(-1.0).mul(self.mean(a)?)),
            ExprKind::Binary(BinaryOp::Add, a, b) => Some(self.mean(a)?.add(self.mean(b)?)),
            ExprKind::Binary(BinaryOp::Sub, a, b) => Some(self.mean(a)?.sub(self.mean(b)?)),
            ExprKind::Binary(BinaryOp::Mul, a, b) if self.draws(a).is_disjoint(&self.draws(b)) => {
                Some(self.mean(a)?.mul(self.mean(b)?))
            }
            ExprKind::Binary(BinaryOp::Div, a, b) if self.draws(b).is_empty() => Some(self.mean(a)?.div(self.plain(b))),
            ExprKind::Call(call) => self.mean_of_draw(call),
            _ => None,
        }
    }

    fn mean_of_draw(&self, call: &'a Call) -> Option<Formula> {
        let source = call.args.iter().find(|arg| arg.name.as_ref().is_none_or(|n| n.text != "per"))?;
        match (call.callee.text.as_str(), &source.value.kind) {
            ("bernoulli", _) => self.mean(&source.value),
            ("uniform", ExprKind::Range(lo, hi)) => Some(self.plain(lo).add(self.plain(hi)).div(Formula::Number(2.0))),
            ("uniform", _) => Some(Formula::Text(format!("E[{}]", self.sources.text(source.value.span)), true)),
            _ => None,
        }
    }

    /// An expression without draws, `let`s written out.
    fn plain(&self, e: &'a Expr) -> Formula {
        match &e.kind {
            ExprKind::Int(v) => Formula::Number(*v as f64),
            ExprKind::Real(v) => Formula::Number(*v),
            ExprKind::Name(name) if self.named.contains_key(name.as_str()) => self.plain(self.named[name.as_str()]),
            ExprKind::Unary(UnaryOp::Neg, a) => Formula::Number(-1.0).mul(self.plain(a)),
            ExprKind::Binary(BinaryOp::Add, a, b) => self.plain(a).add(self.plain(b)),
            ExprKind::Binary(BinaryOp::Sub, a, b) => self.plain(a).sub(self.plain(b)),
            ExprKind::Binary(BinaryOp::Mul, a, b) => self.plain(a).mul(self.plain(b)),
            ExprKind::Binary(BinaryOp::Div, a, b) => self.plain(a).div(self.plain(b)),
            ExprKind::Binary(..) | ExprKind::Unary(..) | ExprKind::If(..) | ExprKind::Range(..) => {
                Formula::Text(one_line(self.sources.text(e.span)), false)
            }
            _ => Formula::Text(one_line(self.sources.text(e.span)), true),
        }
    }

    /// The places of the draws that have a part in an expression.
    fn draws(&self, e: &'a Expr) -> BTreeSet<Span> {
        match &e.kind {
            ExprKind::Int(_) | ExprKind::Real(_) | ExprKind::Bool(_) | ExprKind::Str(_) => BTreeSet::new(),
            ExprKind::Name(name) => self.named.get(name.as_str()).map_or(BTreeSet::new(), |value| self.draws(value)),
            ExprKind::List(elements) => elements.iter().flat_map(|e| self.draws(e)).collect(),
            ExprKind::Unary(_, a) | ExprKind::Field(a, _) => self.draws(a),
            ExprKind::Range(a, b) | ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => {
                self.draws(a).into_iter().chain(self.draws(b)).collect()
            }
            ExprKind::If(c, a, b) => [c, a, b].into_iter().flat_map(|e| self.draws(e)).collect(),
            ExprKind::Call(call) => {
                let own = matches!(call.callee.text.as_str(), "bernoulli" | "uniform").then_some(call.span);
                let inner = call.args.iter().flat_map(|arg| self.draws(&arg.value));
                own.into_iter().chain(inner).collect()
            }
        }
    }
}
