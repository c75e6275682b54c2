//! An argument's equation with a site's numbers in it: `1 - 12 / 54 * (1 - 0.5)` for `linear_decay(l, L)`.
//!
//! Calls of the program's functions are followed into their bodies, choices into the side that holds. Absence: nothing is
//! computed here that the site was not built from.

use super::machine::{Frame, Machine, Run};
use super::value::Value;
use crate::source::Span;
use crate::syntax::one_line;
use crate::typing::program::{Expr, ExprKind};

impl<'a> Machine<'a> {
    /// The text of what is computed in the end, each name in it replaced by its number.
    pub fn worked(&mut self, frame: &Frame, e: &'a Expr) -> Run<String> {
        match &e.kind {
            ExprKind::Convert(inner) => self.worked(frame, inner),
            ExprKind::If(choice) => {
                let holds = self.truth(frame, &choice.cond)?;
                self.worked(frame, if holds { &choice.then } else { &choice.otherwise })
            }
            ExprKind::Call(id, args) => {
                self.in_function(frame, (*id, args), e.span, |this, inner, f| this.worked(inner, &f.body))
            }
            _ => {
                let mut named = Vec::new();
                names(e, &mut named);
                let mut text = self.sources.text(e.span).to_owned();
                for name in named.into_iter().rev() {
                    let Some(number) = self.eval(frame, name)?.number() else { continue };
                    let shown = Value::Real(number).to_string();
                    let Span { start, end, .. } = name.span;
                    let place = (start - e.span.start) as usize..(end - e.span.start) as usize;
                    text.replace_range(place, &if number < 0.0 { format!("({shown})") } else { shown });
                }
                Ok(one_line(&text))
            }
        }
    }
}

/// The names of an expression, in the order of the text.
fn names<'a>(e: &'a Expr, all: &mut Vec<&'a Expr>) {
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
        ExprKind::List(elements) | ExprKind::Builtin(_, elements) => elements.iter().for_each(|e| names(e, all)),
        ExprKind::Range(a, b) | ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) | ExprKind::Draw(_, a, b) => {
            names(a, all);
            names(b, all);
        }
        ExprKind::Neg(a) | ExprKind::Not(a) | ExprKind::Convert(a) => names(a, all),
        ExprKind::If(choice) => [&choice.cond, &choice.then, &choice.otherwise].into_iter().for_each(|e| names(e, all)),
        ExprKind::Call(_, args) => {
            // Arguments are kept in the order of the parameters.
            let mut inner = Vec::new();
            args.0.iter().for_each(|(_, arg)| names(arg, &mut inner));
            inner.sort_by_key(|e| e.span.start);
            all.extend(inner);
        }
    }
}
