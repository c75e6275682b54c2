//! Items: imports, constants, functions, blocks, rules and models.

use pest::iterators::Pair;

use super::Builder;
use crate::syntax::grammar::{Parts, Rule};
use crate::syntax::tree::{self, ItemKind};

impl Builder<'_> {
    /// `only_item`; `doc` is what the `///` lines before it say.
    pub fn item(&mut self, pair: Pair<'_, Rule>, doc: Vec<String>) -> tree::Item {
        let item = Parts::of(pair).part();
        let span = self.span(&item);
        let pair = Parts::of(item).part();
        let kind = match pair.as_rule() {
            Rule::use_item => ItemKind::Use(self.import(pair)),
            Rule::const_item => ItemKind::Const(self.define(pair)),
            Rule::fn_item => ItemKind::Fn(self.function(pair)),
            Rule::block_item => ItemKind::Block(self.block(pair)),
            Rule::family_item => ItemKind::Family(self.block(pair)),
            Rule::regularizer_item => ItemKind::Regularizer(self.regularizer(pair)),
            Rule::model_item => ItemKind::Model(self.model(pair)),
            Rule::train_item => ItemKind::Train(self.train(pair)),
            other => unreachable!("the grammar has no item {other:?}"),
        };
        tree::Item { doc, kind, span }
    }

    fn import(&mut self, pair: Pair<'_, Rule>) -> tree::Use {
        let mut parts = Parts::of(pair);
        let from = parts.part();
        let from = if from.as_rule() == Rule::string {
            tree::UseFrom::File { path: self.string(&from), span: self.span(&from) }
        } else {
            tree::UseFrom::Library(Parts::of(from).map(|p| self.name(p)).collect())
        };
        tree::Use { from, names: parts.map(|p| self.name(p)).collect() }
    }

    fn function(&mut self, pair: Pair<'_, Rule>) -> tree::Fn {
        let mut parts = Parts::of(pair);
        let name = self.name(parts.part());
        let params = self.params(parts.take_if(Rule::params));
        let result = parts.take_if(Rule::ty).map(|p| self.ty(p));
        tree::Fn { name, params, result, body: self.expr(parts.part()) }
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> tree::Block {
        let mut parts = Parts::of(pair);
        let name = self.name(parts.part());
        let params = self.params(parts.take_if(Rule::params));
        tree::Block { name, params, body: self.body(parts.part()) }
    }

    fn regularizer(&mut self, pair: Pair<'_, Rule>) -> tree::Regularizer {
        let mut parts = Parts::of(pair);
        let name = self.name(parts.part());
        let params = self.params(parts.take_if(Rule::params));
        let branches = parts.take_if(Rule::on_branches).map(|p| self.expr(Parts::of(p).part()));
        let body = Parts::of(parts.part()).map(|p| self.rule_stmt(p)).collect();
        tree::Regularizer { name, params, branches, body }
    }

    fn rule_stmt(&mut self, pair: Pair<'_, Rule>) -> tree::RuleStmt {
        let pair = Parts::of(pair).part();
        match pair.as_rule() {
            Rule::let_stmt => tree::RuleStmt::Let(self.define(pair)),
            Rule::require_stmt => tree::RuleStmt::Require(self.require(pair)),
            Rule::equation => {
                let mut parts = Parts::of(pair);
                let name = self.name(parts.part());
                let factor = match name.text.as_str() {
                    "forward" => tree::FactorKind::Forward,
                    "backward" => tree::FactorKind::Backward,
                    "test" => tree::FactorKind::Test,
                    other => unreachable!("the grammar has no factor {other}"),
                };
                tree::RuleStmt::Equation { factor, name, value: self.expr(parts.part()) }
            }
            other => unreachable!("the grammar has no rule statement {other:?}"),
        }
    }

    fn model(&mut self, pair: Pair<'_, Rule>) -> tree::Model {
        let mut parts = Parts::of(pair);
        let name = self.name(parts.part());
        let params = self.params(parts.take_if(Rule::params));
        let body = Parts::of(parts.part()).map(|p| self.model_stmt(p)).collect();
        tree::Model { name, params, body }
    }

    fn model_stmt(&mut self, pair: Pair<'_, Rule>) -> tree::ModelStmt {
        let pair = Parts::of(pair).part();
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::input_stmt => {
                let mut parts = Parts::of(pair);
                let name = self.name(parts.part());
                tree::ModelStmt::Input { name, dims: parts.map(|p| self.expr(p)).collect(), span }
            }
            Rule::net_stmt => {
                let net = Parts::of(pair).part();
                let net = if net.as_rule() == Rule::body {
                    tree::NetSource::Body(self.body(net))
                } else {
                    tree::NetSource::Call(self.call(net))
                };
                tree::ModelStmt::Net { net, span }
            }
            Rule::place_stmt => tree::ModelStmt::Place(self.place(pair)),
            Rule::let_stmt => tree::ModelStmt::Let(self.define(pair)),
            Rule::require_stmt => tree::ModelStmt::Require(self.require(pair)),
            Rule::assert_stmt => tree::ModelStmt::Assert(self.assertion(pair)),
            other => unreachable!("the grammar has no model statement {other:?}"),
        }
    }

    fn assertion(&mut self, pair: Pair<'_, Rule>) -> tree::Assert {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        tree::Assert { cond: self.expr(parts.part()), message: parts.next().map(|p| self.string(&p)), span }
    }

    fn place(&mut self, pair: Pair<'_, Rule>) -> tree::Place {
        let span = self.span(&pair);
        let mut parts = Parts::of(pair);
        let rule = self.call(parts.part());
        let selection = parts.part();
        let on = tree::Selection { span: self.span(&selection), pattern: pattern(selection) };
        let filter = parts.take_if(Rule::where_clause).map(|p| self.expr(Parts::of(p).part()));
        let at = parts.take_if(Rule::at_clause).map(|p| {
            let site = Parts::of(p).part();
            let at = if site.as_str() == "sum" { tree::At::Sum } else { tree::At::Branch };
            (at, self.span(&site))
        });
        tree::Place { rule, on, filter, at, span }
    }
}

/// A path pattern without white space and comments.
pub(super) fn pattern(selection: Pair<'_, Rule>) -> String {
    let segment = |pair: Pair<'_, Rule>| {
        let mut parts = Parts::of(pair);
        let first = parts.part();
        match parts.next() {
            Some(index) => format!("{}[{}]", first.as_str(), index.as_str()),
            None => first.as_str().to_owned(),
        }
    };
    Parts::of(selection).map(segment).collect::<Vec<_>>().join(".")
}
