//! Statements of blocks, families, stages and arms.

use super::program::{ArmStmt, BlockCall, Expr, For, If, Require, RuleCall, Stmt, StmtKind};
use super::scope::{Found, Scope};
use super::tables::{self, LayerSpec, Preset};
use super::{Checker, Type};
use crate::diag::{Problem, codes, listed, near};
use crate::resolve::ItemId;
use crate::syntax::tree::{self, Call, ItemKind, Name};

impl Checker<'_> {
    /// The statements in braces of their own.
    fn inner(&mut self, scope: &mut Scope, body: &[tree::Stmt]) -> Vec<Stmt> {
        scope.braces(|scope| self.body(scope, body, false))
    }

    /// Statements; `top` where they are directly the body of a block or family.
    pub(super) fn body(&mut self, scope: &mut Scope, body: &[tree::Stmt], top: bool) -> Vec<Stmt> {
        body.iter().filter_map(|stmt| self.stmt(scope, stmt, top)).collect()
    }

    fn stmt(&mut self, scope: &mut Scope, stmt: &tree::Stmt, top: bool) -> Option<Stmt> {
        use tree::StmtKind as T;
        let kind = match &stmt.kind {
            T::Apply { call, alias } => self.apply(scope, call, alias.clone()),
            T::Let(binding) => {
                let (slot, value) = self.binding(scope, binding);
                StmtKind::Let { slot, value }
            }
            T::Fact(fact) => {
                if !top {
                    let help = "move it out of the braces, or write `let` for a value that is used here only";
                    let message = "a fact stands directly in the body of its block";
                    self.problems.push(Problem::error(codes::WRONG_KIND, fact.span, message, help));
                }
                return None;
            }
            T::For { var, lo, hi, body } => {
                StmtKind::For(self.repeat(scope, var, (lo, hi), |this, scope| this.body(scope, body, false)))
            }
            T::If { cond, then, otherwise } => {
                let cond = self.expect(scope, cond, Type::BOOL, "a condition");
                StmtKind::If(If { cond, then: self.inner(scope, then), otherwise: self.inner(scope, otherwise) })
            }
            T::Require(require) => StmtKind::Require(self.require(scope, require)),
            T::Default(call) => self.preset(scope, call),
            T::Stage { name, index, body } => {
                let index = index.as_ref().map(|i| self.expect(scope, i, Type::INT, "a stage's number"));
                StmtKind::Stage { name: name.clone(), index, body: self.inner(scope, body) }
            }
            T::Residual { arms, alias } => {
                let arms = scope.braces(|scope| self.arms(scope, arms));
                StmtKind::Residual { arms, alias: alias.clone() }
            }
            T::Concat { arms, alias } => {
                let arms = scope.braces(|scope| self.arms(scope, arms));
                StmtKind::Concat { arms, alias: alias.clone() }
            }
            T::Scale { body, alias } => StmtKind::Scale { body: self.inner(scope, body), alias: alias.clone() },
        };
        Some(Stmt { kind, span: stmt.span })
    }

    /// A `let`: its place in the frame and its value.
    pub(super) fn binding(&mut self, scope: &mut Scope, binding: &tree::Const) -> (usize, Expr) {
        let value = self.declared(scope, binding);
        (self.define(scope, &binding.name, value.ty, None), value)
    }

    /// The value of a definition, of its declared type where it has one.
    pub(super) fn declared(&mut self, scope: &Scope, binding: &tree::Const) -> Expr {
        match &binding.ty {
            Some(ty) => {
                let ty = self.written_type(ty);
                self.expect(scope, &binding.value, ty, &format!("`{}`", binding.name.text))
            }
            None => self.expr(scope, &binding.value),
        }
    }

    fn repeat<B>(
        &mut self,
        scope: &mut Scope,
        var: &Name,
        (lo, hi): (&tree::Expr, &tree::Expr),
        body: impl FnOnce(&mut Self, &mut Scope) -> B,
    ) -> For<B> {
        let lo = self.expect(scope, lo, Type::INT, "the first value of a loop");
        let hi = self.expect(scope, hi, Type::INT, "the end of a loop");
        scope.braces(|scope| {
            let slot = self.define(scope, var, Type::INT, None);
            For { slot, lo, hi, body: body(self, scope) }
        })
    }

    /// A condition with a message.
    pub(super) fn require(&mut self, scope: &Scope, require: &tree::Require) -> Require {
        let cond = self.expect(scope, &require.cond, Type::BOOL, "`require`");
        Require { cond, message: require.message.clone(), span: require.span }
    }

    /// Arms; that each may stand where it does has been seen when the text was read.
    fn arms(&mut self, scope: &mut Scope, arms: &[tree::ArmStmt]) -> Vec<ArmStmt> {
        use tree::ArmStmtKind as T;
        let mut typed = Vec::new();
        for arm in arms {
            typed.push(match &arm.kind {
                T::Arm { kind, body } => ArmStmt::Arm { kind: *kind, body: self.inner(scope, body), span: arm.span },
                T::For { var, lo, hi, body } => {
                    ArmStmt::For(self.repeat(scope, var, (lo, hi), |this, scope| this.arms(scope, body)))
                }
                T::If { cond, then, otherwise } => ArmStmt::If(If {
                    cond: self.expect(scope, cond, Type::BOOL, "a condition"),
                    then: scope.braces(|scope| self.arms(scope, then)),
                    otherwise: scope.braces(|scope| self.arms(scope, otherwise)),
                }),
                T::Let(binding) => {
                    let (slot, value) = self.binding(scope, binding);
                    ArmStmt::Let { slot, value }
                }
            });
        }
        typed
    }

    /// A layer, block or rule that is applied.
    fn apply(&mut self, scope: &Scope, call: &Call, alias: Option<Name>) -> StmtKind {
        let name = &call.callee;
        let Some(found) = self.find(scope, &name.text) else {
            self.unknown(scope, &name.text, name.span, true);
            call.args.iter().for_each(|a| drop(self.expr(scope, &a.value)));
            return StmtKind::Broken;
        };
        match found {
            Found::Layer(layer) => StmtKind::Layer { layer, args: self.layer_args(scope, layer, call, false), alias },
            Found::Item(id) if matches!(self.resolved.item(id).kind, ItemKind::Block(_)) => {
                let args = self.item_args(scope, id, call, false);
                StmtKind::Block { call: BlockCall::Known { block: id, args }, name: name.text.clone(), alias }
            }
            Found::Item(id) if matches!(self.resolved.item(id).kind, ItemKind::Regularizer(_)) => {
                StmtKind::Rule { call: self.rule_call(&scope.at_rule(), id, call), alias }
            }
            Found::Local(slot, Type::BLOCK) => {
                if let Some(dots) = call.open {
                    let message = "`..` leaves arguments for later, and this call happens now";
                    self.problems.push(Problem::error(codes::WRONG_KIND, dots, message, "give every argument here"));
                }
                StmtKind::Block { call: self.block_value(scope, slot, call), name: name.text.clone(), alias }
            }
            Found::Local(_, Type::ANY) => StmtKind::Broken,
            Found::Local(..) | Found::Site(_) | Found::Item(_) | Found::Function(_) | Found::Word(_) => {
                self.not_a_layer(&found, name);
                StmtKind::Broken
            }
        }
    }

    fn not_a_layer(&mut self, found: &Found, name: &Name) {
        let what = self.describe(found);
        let message = format!("`{}` is {what}, and a statement applies a layer, a block or a regularizer", name.text);
        let help = match found {
            Found::Item(id) if matches!(self.resolved.item(*id).kind, ItemKind::Family(_)) => {
                "a family is a whole network: `net` in a model takes it; make the shared part a `block`".to_owned()
            }
            Found::Item(id) if matches!(self.resolved.item(*id).kind, ItemKind::Model(_)) => {
                "`net` in another model takes it".to_owned()
            }
            Found::Local(..) if tables::layer(&name.text).is_some() => {
                format!("the layer `{0}` is hidden by the parameter or `let` `{0}`: rename that", name.text)
            }
            _ => "remove it, or give the value a name with `let`".to_owned(),
        };
        self.problems.push(Problem::error(codes::WRONG_KIND, name.span, message, help));
    }

    /// A call of a rule with the names that its arguments see.
    pub(super) fn rule_call(&mut self, scope: &Scope, rule: ItemId, call: &Call) -> RuleCall {
        let args = self.item_args(scope, rule, call, false);
        RuleCall { rule, args, name: call.callee.clone(), span: call.span }
    }

    fn layer_args(
        &mut self,
        scope: &Scope,
        layer: &'static LayerSpec,
        call: &Call,
        open: bool,
    ) -> super::program::Args {
        if let (Some(dots), false) = (call.open, open) {
            let help = "give the arguments here; what is left out takes its default anyway";
            let message = "`..` leaves arguments of a block for later, and this is a layer";
            let all = self.with_comma(dots);
            self.problems.push(Problem::error(codes::WRONG_KIND, dots, message, help).fix(all, ""));
        }
        self.table_args(scope, (layer.name, layer.params), call.callee.span, &call.args, open)
    }

    /// `default conv(init: …)`.
    fn preset(&mut self, scope: &Scope, call: &Call) -> StmtKind {
        let name = &call.callee;
        let Some(layer) = tables::layer(&name.text) else {
            let names: Vec<&str> = tables::LAYERS.iter().map(|l| l.name).collect();
            let problem =
                Problem::error(codes::UNKNOWN_NAME, name.span, format!("there is no layer `{}`", name.text), "");
            self.problems.push(match near(&name.text, names.iter().copied()) {
                Some(near) => problem.meant(name.span, near),
                None => Problem { help: format!("`default` is for layers: {}", listed(&names)), ..problem },
            });
            return StmtKind::Broken;
        };
        let args = self.layer_args(scope, layer, call, true);
        for (index, value) in &args.0 {
            let param = &layer.params[*index];
            if param.preset == Preset::Required {
                let message = format!("`{}` is given at each `{}`, so it has no default", param.name, layer.name);
                self.problems.push(Problem::error(codes::UNKNOWN_PARAMETER, value.span, message, "remove it here"));
            }
        }
        StmtKind::Default { layer, args }
    }
}
