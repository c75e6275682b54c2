//! Options of `train`.

use pest::iterators::Pair;

use super::Builder;
use super::item::pattern;
use crate::syntax::grammar::{Parts, Rule};
use crate::syntax::tree;

impl Builder<'_> {
    /// `train_item`.
    pub fn train(&mut self, pair: Pair<'_, Rule>) -> tree::Train {
        let mut parts = Parts::of(pair);
        tree::Train { model: self.name(parts.part()), entries: self.entries(parts.part()) }
    }

    fn entries(&mut self, pair: Pair<'_, Rule>) -> Vec<tree::Entry> {
        Parts::of(pair).map(|p| self.entry(p)).collect()
    }

    fn entry(&mut self, pair: Pair<'_, Rule>) -> tree::Entry {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        let key = self.name(parts.part());
        let args = parts.take_if(Rule::args).map(|p| self.args(p).0).unwrap_or_default();
        let value = parts.take_if(Rule::expr).map(|p| self.expr(p));
        let except = parts.take_if(Rule::except).map(|p| Parts::of(p).map(|n| self.excepted(n)).collect());
        let body = parts.take_if(Rule::entries).map(|p| self.entries(p));
        tree::Entry { key, args, value, except: except.unwrap_or_default(), body: body.unwrap_or_default(), span }
    }

    /// A word or a path pattern after `except`.
    fn excepted(&self, pair: Pair<'_, Rule>) -> tree::Name {
        let span = self.span(&pair);
        tree::Name { text: pattern(pair), span }
    }
}
