//! Expressions: the flat row of the grammar becomes a tree by precedence climbing.

use pest::iterators::Pair;

use super::Builder;
use crate::diag::{Problem, codes};
use crate::source::Span;
use crate::syntax::grammar::{Parts, Rule};
use crate::syntax::tree::{Arg, BinaryOp, Call, Expr, ExprKind, UnaryOp};

/// A place in a row of operands and operators.
enum Piece {
    Prefix(UnaryOp, Span),
    Infix(BinaryOp, Span),
    Operand(Expr),
}

type Row = std::iter::Peekable<std::vec::IntoIter<Piece>>;

/// How tightly an operator binds: the least power of an operator that its right operand may hold.
///
/// `not` stands between `and` and comparison, so that `not a == b` denies the comparison; `-` stands between `*` and
/// `^`, so that `-x ^ 2` is minus the square.
fn power(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => 4,
        BinaryOp::Add | BinaryOp::Sub => 5,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => 6,
        BinaryOp::Pow => 8,
    }
}

fn prefix_power(op: UnaryOp) -> u8 {
    match op {
        UnaryOp::Not => 3,
        UnaryOp::Neg => 7,
    }
}

impl Builder<'_> {
    /// `expr`: a chain, or an interval between two.
    pub fn expr(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let mut parts = Parts::of(pair);
        let lo = self.chain(parts.part());
        match parts.next() {
            None => lo,
            Some(hi) => {
                let hi = self.chain(hi);
                let span = lo.span.to(hi.span);
                Expr { kind: ExprKind::Range(Box::new(lo), Box::new(hi)), span }
            }
        }
    }

    /// `chain`: operands and operators.
    pub fn chain(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let mut row = Vec::new();
        for part in Parts::of(pair) {
            let span = self.span(&part);
            row.push(match part.as_rule() {
                Rule::prefix => Piece::Prefix(if part.as_str() == "-" { UnaryOp::Neg } else { UnaryOp::Not }, span),
                Rule::infix => Piece::Infix(infix(part.as_str()), span),
                _ => Piece::Operand(self.operand(part)),
            });
        }
        self.climb(&mut row.into_iter().peekable(), 0)
    }

    /// Reads the row as long as its operators bind at least as tightly as `least`.
    fn climb(&mut self, row: &mut Row, least: u8) -> Expr {
        let mut left = match row.next() {
            Some(Piece::Operand(operand)) => operand,
            Some(Piece::Prefix(op, span)) => {
                let operand = self.climb(row, prefix_power(op));
                Expr { span: span.to(operand.span), kind: ExprKind::Unary(op, Box::new(operand)) }
            }
            Some(Piece::Infix(..)) | None => unreachable!("the grammar has an operand here"),
        };
        let mut compared = false;
        while let Some(&Piece::Infix(op, at)) = row.peek() {
            let power = power(op);
            if power < least {
                break;
            }
            row.next();
            let compares = power == self::power(BinaryOp::Eq);
            if compares && compared {
                self.chained_comparison(at);
            }
            compared = compares;
            // `^` goes to the right: its right operand may hold another one.
            let right = self.climb(row, if op == BinaryOp::Pow { power } else { power + 1 });
            let span = left.span.to(right.span);
            left = Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), span };
        }
        left
    }

    fn chained_comparison(&mut self, at: Span) {
        self.problems.push(
            Problem::error(
                codes::SYNTAX,
                at,
                "comparisons do not form chains",
                "write both comparisons and join them with `and`: `a < b and b < c`",
            )
            .here("second comparison"),
        );
    }

    /// `operand`: an atom with its fields and indices.
    fn operand(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let mut parts = Parts::of(pair);
        let mut base = self.atom(parts.part());
        for part in parts {
            let span = base.span.to(self.span(&part));
            let is_field = part.as_rule() == Rule::field;
            let inner = Parts::of(part).part();
            let kind = if is_field {
                ExprKind::Field(Box::new(base), self.name(inner))
            } else {
                ExprKind::Index(Box::new(base), Box::new(self.expr(inner)))
            };
            base = Expr { kind, span };
        }
        base
    }

    fn atom(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number if pair.as_str().contains(['.', 'e', 'E']) => self.real(pair.as_str(), span),
            Rule::number => self.int(pair.as_str(), span),
            Rule::string => ExprKind::Str(self.string(&pair)),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::list => ExprKind::List(Parts::of(pair).map(|p| self.expr(p)).collect()),
            Rule::group => self.expr(Parts::of(pair).part()).kind,
            Rule::if_expr => return self.if_expr(pair),
            Rule::call => {
                let has_args = Parts::of(pair.clone()).nth(1).is_some();
                let call = self.call(pair);
                if has_args { ExprKind::Call(call) } else { ExprKind::Name(call.callee.text) }
            }
            other => unreachable!("the grammar has no operand {other:?}"),
        };
        Expr { kind, span }
    }

    /// `if_expr`; `else if` nests to the right.
    fn if_expr(&mut self, pair: Pair<'_, Rule>) -> Expr {
        let whole = self.span(&pair);
        let mut parts = Parts::of(pair);
        let mut chain = Vec::new();
        while let Some(head) = parts.take_if(Rule::if_head) {
            let span = Span { end: whole.end, ..self.span(&head) };
            let cond = self.expr(Parts::of(head).part());
            chain.push((cond, self.expr(Parts::of(parts.part()).part()), span));
        }
        let last = self.expr(Parts::of(parts.part()).part());
        chain.into_iter().rev().fold(last, |otherwise, (cond, then, span)| Expr {
            kind: ExprKind::If(Box::new(cond), Box::new(then), Box::new(otherwise)),
            span,
        })
    }

    /// `call`: a name, with or without arguments.
    pub fn call(&mut self, pair: Pair<'_, Rule>) -> Call {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        let callee = self.name(parts.part());
        let (args, open) = parts.next().map(|p| self.args(p)).unwrap_or_default();
        Call { callee, args, open, span }
    }

    /// `args`: the arguments, and the place of a final `..`.
    pub fn args(&mut self, pair: Pair<'_, Rule>) -> (Vec<Arg>, Option<Span>) {
        let (mut args, mut open): (Vec<Arg>, _) = (Vec::new(), None);
        for part in Parts::of(pair) {
            if part.as_rule() == Rule::open_mark {
                open = Some(self.span(&part));
                continue;
            }
            let mut inner = Parts::of(part);
            let name = inner.take_if(Rule::arg_name).map(|p| self.name(Parts::of(p).part()));
            let value = self.expr(inner.part());
            if let (None, Some(Arg { name: Some(before), .. })) = (&name, args.last()) {
                self.unnamed_behind_named(value.span, before.span);
            }
            args.push(Arg { name, value });
        }
        (args, open)
    }

    fn unnamed_behind_named(&mut self, at: Span, before: Span) {
        self.problems.push(
            Problem::error(
                codes::SYNTAX,
                at,
                "an argument without a name stands behind one with a name",
                "put the arguments without names first, or name this one: `name: value`",
            )
            .here("without a name")
            .label(before, "with a name"),
        );
    }

    fn int(&mut self, text: &str, span: Span) -> ExprKind {
        ExprKind::Int(text.replace('_', "").parse().unwrap_or_else(|_| {
            self.bad_number(span, "this whole number is too large", "whole numbers go up to 9223372036854775807");
            0
        }))
    }

    fn real(&mut self, text: &str, span: Span) -> ExprKind {
        let value = text.replace('_', "").parse().unwrap_or(f64::INFINITY);
        if value.is_finite() {
            return ExprKind::Real(value);
        }
        self.bad_number(span, "this number is too large", "numbers go up to about 1.79e308");
        ExprKind::Real(0.0)
    }

    fn bad_number(&mut self, span: Span, message: &str, help: &str) {
        self.problems.push(Problem::error(codes::BAD_NUMBER, span, message, help).here("does not fit in 64 bits"));
    }
}

fn infix(text: &str) -> BinaryOp {
    BinaryOp::ALL.into_iter().find(|op| op.symbol() == text).expect("the grammar has the operators of the tree")
}
