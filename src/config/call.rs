//! Calls with all their arguments: those given, and the defaults of what is called.

use super::collect::Collector;
use super::{Argument, Call, Origin, Value};
use crate::resolve::ItemId;
use crate::syntax::tree::{self, Expr, ExprKind, Param, UnaryOp};
use crate::typing::tables;

impl Collector<'_> {
    /// A call in the model's body.
    pub fn call(&self, call: &tree::Call) -> Call {
        let params = self.callee(&call.callee.text).map_or(&[][..], |id| self.program.item(id).kind.params());
        let name_of = |(i, arg): (usize, &tree::Arg)| {
            arg.name.as_ref().map(|n| n.text.clone()).or(params.get(i).map(|p| p.name.text.clone()))
        };
        let given: Vec<Value> = call
            .args
            .iter()
            .enumerate()
            .map(|(i, arg)| self.value(name_of((i, arg)).unwrap_or_default(), &arg.value))
            .collect();
        let left_out = params.iter().filter(|p| given.iter().all(|value| value.name != p.name.text));
        let defaults: Vec<Argument> = left_out.filter_map(|p| self.default_of(p)).collect();
        let arguments = given.into_iter().map(Argument::Written).chain(defaults).collect();
        Call { callee: call.callee.text.clone(), arguments, origin: Origin::Text(call.span) }
    }

    /// The item that a name means in the model's body.
    fn callee(&self, name: &str) -> Option<ItemId> {
        let local = self.model.params.iter().any(|p| p.name.text == name);
        let import = self.program.main().scope.get(name).filter(|_| !local);
        import.map(|import| import.item)
    }

    fn default_of(&self, param: &Param) -> Option<Argument> {
        let default = param.default.as_ref()?;
        let value = Value { origin: Origin::Item(default.span), ..self.value(param.name.text.clone(), default) };
        Some(if self.means_the_same_here(default) { Argument::Written(value) } else { Argument::Told(value) })
    }

    /// Whether a default is made of literals and words of the language that the program gives no other meaning.
    fn means_the_same_here(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Int(_) | ExprKind::Real(_) | ExprKind::Bool(_) | ExprKind::Str(_) => true,
            ExprKind::Name(name) => {
                let taken = self.program.main().scope.contains_key(name);
                let local = self.model.params.iter().any(|p| p.name.text == *name);
                tables::word(name).is_some() && !taken && !local
            }
            ExprKind::Unary(UnaryOp::Neg, a) => self.means_the_same_here(a),
            ExprKind::Range(lo, hi) => self.means_the_same_here(lo) && self.means_the_same_here(hi),
            ExprKind::List(all) => all.iter().all(|one| self.means_the_same_here(one)),
            ExprKind::Unary(UnaryOp::Not, _)
            | ExprKind::Binary(..)
            | ExprKind::If(..)
            | ExprKind::Field(..)
            | ExprKind::Index(..)
            | ExprKind::Call(_) => false,
        }
    }
}
