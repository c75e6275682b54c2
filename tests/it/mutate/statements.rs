//! Slips in statements of blocks: definitions that are gone, arms of another kind, layers of another shape.

use sdc::source::Span;
use sdc::syntax::tree::{self, ArmKind, ArmStmt, ArmStmtKind, Stmt, StmtKind};

use super::values::named;
use super::{Operator, Walk};

impl Walk<'_> {
    pub(super) fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.at(stmt.span, |this| this.stmt(stmt)));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Apply { call, .. } => {
                self.call(call);
                if self.in_arm {
                    self.wrong_shape(call);
                }
            }
            StmtKind::Let(c) => self.definition(c, stmt.span),
            StmtKind::Fact(c) => {
                self.remove(Operator::MissingStatement, stmt.span);
                self.misspell(Operator::MisspeltDefinition, &c.name);
                self.expr(&c.value);
            }
            StmtKind::For { var, lo, hi, body } => {
                self.misspell(Operator::MisspeltDefinition, var);
                self.expr(lo);
                self.expr(hi);
                self.body(body);
            }
            StmtKind::If { cond, then, otherwise } => {
                self.condition(cond);
                self.body(then);
                self.body(otherwise);
            }
            StmtKind::Require(require) => self.condition(&require.cond),
            StmtKind::Default(call) => self.call(call),
            StmtKind::Stage { index, body, .. } => {
                index.iter().for_each(|i| self.expr(i));
                self.double(Operator::ExtraStatement, stmt.span, "\n");
                self.body(body);
            }
            StmtKind::Residual { arms, .. } => self.arms(arms),
            StmtKind::Concat { arms, .. } => self.arms(arms),
            StmtKind::Scale { body, .. } => self.arm(true, |this| this.body(body)),
        }
        self.insert(Operator::ExtraStatement, stmt.span.range().end, "; wobble(3)");
    }

    /// A `let`: others need it, and its name.
    pub(super) fn definition(&mut self, c: &tree::Const, span: Span) {
        self.remove(Operator::MissingStatement, span);
        self.misspell(Operator::MisspeltDefinition, &c.name);
        self.double(Operator::ExtraStatement, span, "; ");
        self.expr(&c.value);
    }

    fn arms(&mut self, arms: &[ArmStmt]) {
        for stmt in arms {
            self.at(stmt.span, |this| match &stmt.kind {
                ArmStmtKind::Arm { kind, body } => {
                    this.wrong_arm(*kind, stmt.span, arms.len());
                    this.arm(*kind != ArmKind::Path, |this| this.body(body));
                }
                ArmStmtKind::For { lo, hi, body, .. } => {
                    this.expr(lo);
                    this.expr(hi);
                    this.arms(body);
                }
                ArmStmtKind::If { cond, then, otherwise } => {
                    this.condition(cond);
                    this.arms(then);
                    this.arms(otherwise);
                }
                ArmStmtKind::Let(c) => this.definition(c, stmt.span),
            });
        }
    }

    fn wrong_arm(&mut self, kind: ArmKind, span: Span, count: usize) {
        let word = |kind| match kind {
            ArmKind::Branch => "branch",
            ArmKind::Shortcut => "shortcut",
            ArmKind::Path => "path",
        };
        let start = span.range().start;
        for other in [ArmKind::Branch, ArmKind::Shortcut, ArmKind::Path] {
            if other != kind {
                self.plant(Operator::WrongArm, start..start + word(kind).len(), word(other));
            }
        }
        match kind {
            ArmKind::Branch | ArmKind::Shortcut if count > 1 => self.remove(Operator::MissingArm, span),
            ArmKind::Branch | ArmKind::Shortcut | ArmKind::Path => {}
        }
        if kind == ArmKind::Shortcut {
            self.double(Operator::ExtraStatement, span, "\n");
        }
    }

    /// Numbers of a layer in an arm that make its shape another. What the width of an inner layer is, is nobody else's
    /// business, so widths are changed only in shortcuts and rows, not here.
    fn wrong_shape(&mut self, call: &tree::Call) {
        let end = call.span.range().end - 1;
        if matches!(call.callee.text.as_str(), "conv1x1" | "conv3x3") && call.args.iter().all(|a| !named(a, "pad")) {
            self.insert(Operator::WrongShape, end, ", pad: 7");
            if call.callee.text == "conv3x3" {
                self.insert(Operator::WrongShape, end, ", dilation: 3, pad: 0");
            }
            if call.args.iter().all(|a| !named(a, "groups")) {
                self.insert(Operator::WrongShape, end, ", groups: 7");
            }
            if call.args.iter().all(|a| !named(a, "stride")) {
                self.insert(Operator::WrongShape, end, ", stride: 3");
            }
        }
        for arg in call.args.iter().filter(|a| named(a, "stride")) {
            let value = self.text[arg.value.span.range()].to_owned();
            self.replace(Operator::WrongShape, arg.value.span, &format!("2 * ({value})"));
        }
        if matches!(call.callee.text.as_str(), "pad_channels" | "avg_pool") {
            self.replace(Operator::WrongShape, call.args[0].value.span, "2000");
        }
    }
}
