//! The names in an expression: parameters, constants, facts, and what is known of the place.

use crate::typing::program::{Expr, ExprKind};

/// The names of an expression, in the order of the text.
pub(super) fn names(e: &Expr) -> Vec<&Expr> {
    let mut all = Vec::new();
    collect(e, &mut all);
    all
}

fn collect<'a>(e: &'a Expr, all: &mut Vec<&'a Expr>) {
    match &e.kind {
        ExprKind::Local(_) | ExprKind::Const(_) | ExprKind::Site(_) | ExprKind::In(_) | ExprKind::Fact(..) => {
            all.push(e)
        }
        ExprKind::Broken
        | ExprKind::Int(_)
        | ExprKind::Real(_)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Level(_)
        | ExprKind::Init(_)
        | ExprKind::Block(_) => {}
        ExprKind::List(elements) | ExprKind::Builtin(_, elements) => elements.iter().for_each(|e| collect(e, all)),
        ExprKind::Range(a, b) | ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) | ExprKind::Draw(_, a, b) => {
            collect(a, all);
            collect(b, all);
        }
        ExprKind::Neg(a) | ExprKind::Not(a) | ExprKind::Convert(a) => collect(a, all),
        ExprKind::If(choice) => {
            [&choice.cond, &choice.then, &choice.otherwise].into_iter().for_each(|e| collect(e, all))
        }
        ExprKind::Call(_, args) => {
            // Arguments are kept in the order of the parameters.
            let mut inner = Vec::new();
            args.0.iter().for_each(|(_, arg)| collect(arg, &mut inner));
            inner.sort_by_key(|e| e.span.start);
            all.extend(inner);
        }
    }
}
