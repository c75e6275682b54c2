//! A program with the command line's values in it to a [`Config`].

use super::{Config, Model, Origin, Parameter, Statement, Train, Value, needs};
use crate::num::stable_hash;
use crate::resolve::{Chosen, Override, Program};
use crate::source::{SourceId, Sources, Span};
use crate::stdlib;
use crate::syntax::one_line;
use crate::syntax::tree::{self, Expr, ItemKind, ModelStmt, NetSource};

/// What of a program is read.
pub(super) struct Collector<'a> {
    pub program: &'a Program,
    pub sources: &'a Sources,
    /// The chosen model.
    pub model: &'a tree::Model,
    /// The texts of the command line.
    pub set: Vec<SourceId>,
}

/// The resolved program of a choice, `sets` being written into the tree.
pub fn collect(program: &Program, chosen: Chosen, sets: &[Override], sources: &Sources) -> Config {
    let item = program.item(chosen.model);
    let ItemKind::Model(model) = &item.kind else { unreachable!("only models are chosen") };
    let set = sets.iter().map(|set| set.span.source).collect();
    let collector = Collector { program, sources, model, set };
    let train = chosen.train.map(|n| program.trains()[n]).map(|(i, train)| (&program.main().file.items[i], train));
    let model_item = (item.span, Some(chosen.model));
    let train_item = train.map(|(item, _)| (item.span, None));
    let set_texts = sets.iter().map(|set| (set.value.span, None));
    let needs = needs::needs(program, sources, [model_item].into_iter().chain(train_item).chain(set_texts));
    Config {
        program: sources.get(program.main().source).name.clone(),
        library: library_hash(),
        uses: needs.uses,
        must_be_named: train.is_none() && needs.models > 0,
        items: needs.items,
        model: collector.model(&item.doc),
        train: train.map(|(item, train)| Train { doc: item.doc.clone(), settings: collector.train(&train.entries) }),
    }
}

/// One hash for every text of the standard library.
fn library_hash() -> u64 {
    let all: String = stdlib::MODULES.iter().map(|(name, text)| format!("{name}\0{text}\0")).collect();
    stable_hash(&all)
}

impl Collector<'_> {
    /// What an expression says, and where.
    pub fn value(&self, name: impl Into<String>, expr: &Expr) -> Value {
        Value { name: name.into(), text: self.one_line(expr.span), origin: self.origin(expr.span) }
    }

    /// Where a text of the user's stands.
    pub fn origin(&self, span: Span) -> Origin {
        if self.set.contains(&span.source) { Origin::CommandLine(span) } else { Origin::Text(span) }
    }

    pub fn one_line(&self, span: Span) -> String {
        one_line(self.sources.text(span))
    }

    fn model(&self, doc: &[String]) -> Model {
        let parameter = |param: &tree::Param| {
            let default = param.default.as_ref()?;
            let value = self.value(param.name.text.clone(), default);
            Some(Parameter { ty: self.one_line(param.ty.span), value })
        };
        Model {
            doc: doc.to_vec(),
            name: self.model.name.text.clone(),
            parameters: self.model.params.iter().filter_map(parameter).collect(),
            body: self.model.body.iter().filter_map(|stmt| self.statement(stmt)).collect(),
        }
    }

    /// A statement of the model; an assertion is one about the text as it was written, and stays there.
    fn statement(&self, stmt: &ModelStmt) -> Option<Statement> {
        let plain =
            |span: Span, text: String| Statement::Plain(Value { name: String::new(), text, origin: self.origin(span) });
        Some(match stmt {
            ModelStmt::Assert(_) => return None,
            ModelStmt::Input { span, .. } => plain(*span, self.one_line(*span)),
            ModelStmt::Let(definition) => plain(definition.span, self.one_line(definition.span)),
            ModelStmt::Require(require) => plain(require.span, self.one_line(require.span)),
            ModelStmt::Net { net: NetSource::Body(_), span } => plain(*span, self.sources.text(*span).to_owned()),
            ModelStmt::Net { net: NetSource::Call(call), .. } => {
                Statement::Call { word: "net", call: self.call(call), rest: String::new() }
            }
            ModelStmt::Place(place) => {
                let rest = Span { start: place.rule.span.end, ..place.span };
                Statement::Call { word: "place", call: self.call(&place.rule), rest: self.one_line(rest) }
            }
        })
    }
}
