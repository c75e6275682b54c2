//! Statements of blocks, families, stages and arms.

use pest::iterators::Pair;

use super::Builder;
use crate::diag::{Problem, codes};
use crate::source::Span;
use crate::syntax::grammar::{Parts, Rule};
use crate::syntax::tree::{ArmKind, ArmStmt, ArmStmtKind, Expr, Name, Stmt, StmtKind};

impl Builder<'_> {
    /// `body`.
    pub fn body(&mut self, pair: Pair<'_, Rule>) -> Vec<Stmt> {
        let mut body = Vec::new();
        for part in Parts::of(pair) {
            body.push(self.stmt(part));
        }
        body
    }

    /// Compound statements recurse, so they are kept apart from the simple ones, whose values would widen each frame.
    fn stmt(&mut self, pair: Pair<'_, Rule>) -> Stmt {
        let pair = Parts::of(pair).part();
        match pair.as_rule() {
            Rule::if_stmt => self.ifs(pair, Self::body, |cond, then, otherwise, span| Stmt {
                kind: StmtKind::If { cond, then, otherwise },
                span,
            }),
            Rule::for_stmt | Rule::stage_stmt | Rule::scale_stmt => self.stmt_with_body(pair),
            Rule::residual_stmt | Rule::concat_stmt => self.stmt_with_arms(pair),
            _ => self.simple_stmt(pair),
        }
    }

    fn simple_stmt(&mut self, pair: Pair<'_, Rule>) -> Stmt {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::let_stmt => StmtKind::Let(self.define(pair)),
            Rule::fact_stmt => StmtKind::Fact(self.define(pair)),
            Rule::require_stmt => StmtKind::Require(self.require(pair)),
            Rule::default_stmt => StmtKind::Default(self.call(Parts::of(pair).part())),
            Rule::apply_stmt => {
                let mut parts = Parts::of(pair);
                StmtKind::Apply { call: self.call(parts.part()), alias: self.alias(parts.next()) }
            }
            other => unreachable!("the grammar has no statement {other:?}"),
        };
        Stmt { kind, span }
    }

    fn stmt_with_body(&mut self, pair: Pair<'_, Rule>) -> Stmt {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut parts = Parts::of(pair);
        let kind = match rule {
            Rule::for_stmt => {
                let (var, lo, hi) = self.for_head(parts.part());
                StmtKind::For { var, lo, hi, body: self.body(parts.part()) }
            }
            Rule::stage_stmt => {
                let name = self.name(parts.part());
                let index = parts.take_if(Rule::index).map(|p| self.expr(Parts::of(p).part()));
                StmtKind::Stage { name, index, body: self.body(parts.part()) }
            }
            _ => StmtKind::Scale { body: self.body(parts.part()), alias: self.alias(parts.next()) },
        };
        Stmt { kind, span }
    }

    fn stmt_with_arms(&mut self, pair: Pair<'_, Rule>) -> Stmt {
        let span = self.span(&pair);
        let is_residual = pair.as_rule() == Rule::residual_stmt;
        let mut parts = Parts::of(pair);
        let arms = self.arms(parts.part());
        let alias = self.alias(parts.next());
        self.check_arms(&arms, is_residual);
        let kind = if is_residual { StmtKind::Residual { arms, alias } } else { StmtKind::Concat { arms, alias } };
        Stmt { kind, span }
    }

    fn alias(&self, pair: Option<Pair<'_, Rule>>) -> Option<Name> {
        pair.map(|p| self.name(Parts::of(p).part()))
    }

    fn for_head(&mut self, pair: Pair<'_, Rule>) -> (Name, Expr, Expr) {
        let mut parts = Parts::of(pair);
        (self.name(parts.part()), self.chain(parts.part()), self.chain(parts.part()))
    }

    /// `if_head body (else if_head body)* (else body)?` for both kinds of bodies; `else if` is an `if` alone in the
    /// `otherwise` of the one before.
    fn ifs<T>(
        &mut self,
        pair: Pair<'_, Rule>,
        body: impl Fn(&mut Self, Pair<'_, Rule>) -> Vec<T>,
        make: impl Fn(Expr, Vec<T>, Vec<T>, Span) -> T,
    ) -> T {
        let whole = self.span(&pair);
        let mut parts = Parts::of(pair);
        let mut chain = Vec::new();
        while let Some(head) = parts.take_if(Rule::if_head) {
            let span = Span { end: whole.end, ..self.span(&head) };
            let cond = self.expr(Parts::of(head).part());
            chain.push((cond, body(self, parts.part()), span));
        }
        let mut otherwise = parts.next().map(|p| body(self, p)).unwrap_or_default();
        for (cond, then, span) in chain.into_iter().rev() {
            otherwise = vec![make(cond, then, otherwise, span)];
        }
        otherwise.pop().expect("the grammar has an `if` first")
    }

    fn arms(&mut self, pair: Pair<'_, Rule>) -> Vec<ArmStmt> {
        let mut arms = Vec::new();
        for part in Parts::of(pair) {
            arms.push(self.arm_stmt(part));
        }
        arms
    }

    fn arm_stmt(&mut self, pair: Pair<'_, Rule>) -> ArmStmt {
        let pair = Parts::of(pair).part();
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::let_stmt => ArmStmtKind::Let(self.define(pair)),
            Rule::arm_for => {
                let mut parts = Parts::of(pair);
                let (var, lo, hi) = self.for_head(parts.part());
                ArmStmtKind::For { var, lo, hi, body: self.arms(parts.part()) }
            }
            Rule::arm_if => {
                return self.ifs(pair, Self::arms, |cond, then, otherwise, span| ArmStmt {
                    kind: ArmStmtKind::If { cond, then, otherwise },
                    span,
                });
            }
            Rule::arm => {
                let mut parts = Parts::of(pair);
                let kind = match parts.part().as_str() {
                    "branch" => ArmKind::Branch,
                    "shortcut" => ArmKind::Shortcut,
                    "path" => ArmKind::Path,
                    other => unreachable!("the grammar has no arm {other}"),
                };
                ArmStmtKind::Arm { kind, body: self.body(parts.part()) }
            }
            other => unreachable!("the grammar has no statement {other:?} among arms"),
        };
        ArmStmt { kind, span }
    }

    /// A residual has branches and a shortcut, a concat has paths.
    fn check_arms(&mut self, arms: &[ArmStmt], is_residual: bool) {
        for arm in arms {
            match &arm.kind {
                ArmStmtKind::Arm { kind, .. } => self.check_arm(*kind, arm.span, is_residual),
                ArmStmtKind::For { body, .. } => self.check_arms(body, is_residual),
                ArmStmtKind::If { then, otherwise, .. } => {
                    self.check_arms(then, is_residual);
                    self.check_arms(otherwise, is_residual);
                }
                ArmStmtKind::Let(_) => {}
            }
        }
    }

    fn check_arm(&mut self, kind: ArmKind, arm: Span, is_residual: bool) {
        let (word, length, outer, help) = match (kind, is_residual) {
            (ArmKind::Branch | ArmKind::Shortcut, true) | (ArmKind::Path, false) => return,
            (ArmKind::Path, true) => (
                "path",
                4,
                "residual",
                "what is added is a `branch`; arms that are joined channel by channel stand in `concat`",
            ),
            (ArmKind::Branch, false) => {
                ("branch", 6, "concat", "what is joined is a `path`; arms that are added stand in `residual`")
            }
            (ArmKind::Shortcut, false) => {
                ("shortcut", 8, "concat", "to keep the input as one of the paths, write an empty `path { }`")
            }
        };
        let span = Span { end: arm.start + length, ..arm };
        let message = format!("a `{outer}` has no `{word}`");
        let problem = Problem::error(codes::SYNTAX, span, message, help).here("not an arm of it");
        self.problems.push(match kind {
            ArmKind::Path => problem.fix(span, "branch"),
            ArmKind::Branch => problem.fix(span, "path"),
            // An input that is kept among the paths is an empty one: what stands in the braces would have to go.
            ArmKind::Shortcut => problem,
        });
    }
}
