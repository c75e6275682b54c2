//! An argument's equation with a site's numbers in it: `1 - 12 / 54 * (1 - 0.5)` for `linear_decay(l, L)`.
//!
//! Calls of the program's functions are followed into their bodies, choices into the side that holds. Absence: nothing is
//! computed here that the site was not built from.

use super::machine::{Frame, Machine, Run};
use super::names::names;
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
                let mut text = self.sources.text(e.span).to_owned();
                for name in names(e).into_iter().rev() {
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
