//! From what pest has matched to the tree: one function a rule of the grammar, in its order.
//!
//! Here too stand the few checks that belong to the text and that a grammar says badly: numbers that fit, escapes in
//! strings, positional arguments before named ones, which arms a `residual` takes. Absence: names mean nothing yet.

mod expr;
mod item;
mod stmt;
mod train;

use pest::iterators::Pair;

use super::grammar::{Parts, Rule, extent};
use super::tree;
use crate::diag::{Problem, Problems, codes};
use crate::source::{SourceId, Span};

/// Builds the tree of one parsed stretch of a text.
pub struct Builder<'p> {
    /// The text.
    pub source: SourceId,
    /// Where in the text the parsed stretch begins.
    pub base: usize,
    /// Takes what is wrong.
    pub problems: &'p mut Problems,
}

impl Builder<'_> {
    /// Where a pair stands in the whole text.
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let place = extent(pair);
        Span::new(self.source, self.base + place.start, self.base + place.end)
    }

    fn name(&self, pair: Pair<'_, Rule>) -> tree::Name {
        tree::Name { text: pair.as_str().to_owned(), span: self.span(&pair) }
    }

    /// `definition`: the name, type and value of a `const` or `let`; `span` is that of the whole statement.
    fn definition(&mut self, pair: Pair<'_, Rule>, span: Span) -> tree::Const {
        let mut parts = Parts::of(pair);
        let name = self.name(parts.part());
        let ty = parts.take_if(Rule::ty).map(|p| self.ty(p));
        tree::Const { name, ty, value: self.expr(parts.part()), span }
    }

    /// `let_stmt`, `fact_stmt`, `const_item`.
    fn define(&mut self, pair: Pair<'_, Rule>) -> tree::Const {
        let span = self.span(&pair);
        self.definition(Parts::of(pair).part(), span)
    }

    fn ty(&mut self, pair: Pair<'_, Rule>) -> tree::Type {
        let span = self.span(&pair);
        let inner = Parts::of(pair).part();
        let kind = if inner.as_rule() == Rule::list_type {
            tree::TypeKind::List(Box::new(self.ty(Parts::of(inner).part())))
        } else {
            tree::TypeKind::Named(self.name(inner))
        };
        tree::Type { kind, span }
    }

    fn params(&mut self, pair: Option<Pair<'_, Rule>>) -> Vec<tree::Param> {
        let mut params = Vec::new();
        for pair in pair.into_iter().flat_map(Parts::of) {
            let span = self.span(&pair);
            let mut parts = Parts::of(pair);
            let (name, ty) = (self.name(parts.part()), self.ty(parts.part()));
            params.push(tree::Param { name, ty, default: parts.next().map(|p| self.expr(p)), span });
        }
        params
    }

    fn require(&mut self, pair: Pair<'_, Rule>) -> tree::Require {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        tree::Require { cond: self.expr(parts.part()), message: self.string(&parts.part()), span }
    }

    /// A string without its quotes and with its escapes resolved.
    fn string(&mut self, pair: &Pair<'_, Rule>) -> String {
        let quoted = pair.as_str();
        let mut chars = quoted[1..quoted.len() - 1].char_indices();
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            let escaped = if c == '\\' { chars.next() } else { None };
            match escaped.map(|(_, e)| e) {
                None => text.push(c),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(e @ ('"' | '\\')) => text.push(e),
                Some(other) => {
                    let start = self.span(pair).start as usize + 1 + at;
                    let span = Span::new(self.source, start, start + 1 + other.len_utf8());
                    self.problems.push(
                        Problem::error(
                            codes::SYNTAX,
                            span,
                            format!("`\\{other}` is not an escape"),
                            "the escapes are `\\\"`, `\\\\`, `\\n` and `\\t`; a lone backslash is written `\\\\`",
                        )
                        .here("unknown escape"),
                    );
                }
            }
        }
        text
    }
}
