//! Slips in items: imports, parameters, equations of rules, statements of models, options of `train`.

use sdc::syntax::tree::{self, ItemKind, ModelStmt, RuleStmt};

use super::{Operator, Walk, misspelt};

impl Walk<'_> {
    pub(super) fn item(&mut self, item: &tree::Item) {
        match &item.kind {
            ItemKind::Use(import) => {
                self.remove(Operator::MissingStatement, item.span);
                if let tree::UseFrom::Library(parts) = &import.from {
                    parts.iter().for_each(|part| self.misspell(Operator::MisspeltName, part));
                }
                for name in &import.names {
                    self.misspell(Operator::MisspeltName, name);
                    self.double(Operator::ExtraArgument, name.span, ", ");
                }
            }
            ItemKind::Const(c) => self.expr(&c.value),
            ItemKind::Fn(f) => {
                self.misspell(Operator::MisspeltDefinition, &f.name);
                self.params(&f.params);
                if let Some(result) = &f.result {
                    self.declared(result);
                }
                self.expr(&f.body);
            }
            ItemKind::Block(block) | ItemKind::Family(block) => {
                self.misspell(Operator::MisspeltDefinition, &block.name);
                self.params(&block.params);
                self.body(&block.body);
            }
            ItemKind::Regularizer(rule) => self.rule(rule),
            ItemKind::Model(model) => {
                self.params(&model.params);
                model.body.iter().for_each(|stmt| self.model_stmt(stmt));
            }
            ItemKind::Train(train) => {
                self.misspell(Operator::MisspeltName, &train.model);
                self.double(Operator::ExtraStatement, item.span, "\n");
                self.entries(&train.entries, true);
            }
        }
    }

    fn params(&mut self, params: &[tree::Param]) {
        for param in params {
            self.at(param.span, |this| {
                this.misspell(Operator::MisspeltDefinition, &param.name);
                this.declared(&param.ty);
                this.double(Operator::ExtraArgument, param.span, ", ");
                let Some(default) = &param.default else { return };
                this.argument(&param.name.text, default);
            });
        }
    }

    fn declared(&mut self, ty: &tree::Type) {
        self.at(ty.span, |this| match &ty.kind {
            tree::TypeKind::Named(name) => {
                this.misspell(Operator::MisspeltName, name);
                let other = if name.text == "string" { "int" } else { "string" };
                this.replace(Operator::WrongDeclaredType, name.span, other);
                this.replace(Operator::WrongDeclaredType, name.span, &format!("[{}]", name.text));
            }
            tree::TypeKind::List(inner) => {
                this.replace(Operator::WrongDeclaredType, ty.span, "string");
                this.declared(inner);
            }
        });
    }

    fn rule(&mut self, rule: &tree::Regularizer) {
        self.misspell(Operator::MisspeltDefinition, &rule.name);
        self.params(&rule.params);
        if let Some(branches) = &rule.branches {
            self.replace(Operator::OutOfRange, branches.span, "3");
            self.replace(Operator::OutOfRange, branches.span, "0");
            self.expr(branches);
        }
        for stmt in &rule.body {
            match stmt {
                RuleStmt::Let(c) => self.at(c.span, |this| this.definition(c, c.span)),
                RuleStmt::Require(require) => self.at(require.span, |this| this.condition(&require.cond)),
                RuleStmt::Equation { factor, name, value } => {
                    let all = name.span.to(value.span);
                    self.at(all, |this| {
                        this.misspell(Operator::MisspeltName, name);
                        this.double(Operator::ExtraStatement, all, "\n");
                        if *factor == tree::FactorKind::Forward {
                            this.remove(Operator::MissingStatement, all);
                        }
                        this.replace(Operator::WrongType, value.span, "true");
                        this.expr(value);
                    });
                }
            }
        }
    }

    fn model_stmt(&mut self, stmt: &ModelStmt) {
        match stmt {
            ModelStmt::Input { name, dims, span } => self.at(*span, |this| {
                this.remove(Operator::MissingStatement, *span);
                this.double(Operator::ExtraStatement, *span, "\n");
                this.misspell(Operator::MisspeltName, name);
                for dim in dims {
                    this.replace(Operator::OutOfRange, dim.span, "0");
                    this.replace(Operator::OutOfRange, dim.span, "-3");
                    this.expr(dim);
                }
            }),
            ModelStmt::Net { net, span } => self.at(*span, |this| {
                this.remove(Operator::MissingStatement, *span);
                this.double(Operator::ExtraStatement, *span, "\n");
                match net {
                    tree::NetSource::Call(call) => this.call(call),
                    tree::NetSource::Body(body) => this.body(body),
                }
            }),
            ModelStmt::Place(place) => self.at(place.span, |this| {
                this.call(&place.rule);
                this.double(Operator::ExtraStatement, place.span, "\n");
                let n = this.planted.len();
                this.replace(Operator::MisspeltName, place.on.span, &misspelt(&place.on.pattern, n));
                place.filter.iter().for_each(|f| this.condition(f));
            }),
            ModelStmt::Let(c) => self.at(c.span, |this| this.definition(c, c.span)),
            ModelStmt::Require(require) => self.at(require.span, |this| this.condition(&require.cond)),
            ModelStmt::Assert(assert) => self.at(assert.span, |this| this.condition(&assert.cond)),
        }
    }

    /// The options of `train`, or of a part of it.
    fn entries(&mut self, entries: &[tree::Entry], top: bool) {
        for entry in entries {
            self.at(entry.span, |this| {
                let key = entry.key.text.as_str();
                this.misspell(Operator::MisspeltName, &entry.key);
                let required = matches!(key, "data" | "optimizer" | "epochs" | "batch" | "lr");
                let by_default = matches!(key, "loss" | "seed");
                if required || by_default {
                    let rest = &this.text[entry.span.range().end..];
                    let comma = rest.len() - rest.strip_prefix(", ").unwrap_or(rest).len();
                    let range = entry.span.range();
                    this.plant(Operator::MissingStatement, range.start..range.end + comma, "");
                }
                // The parts of a schedule and of augmentation may be repeated.
                if top || entry.value.is_some() {
                    this.double(Operator::ExtraStatement, entry.span, if top { "\n" } else { ", " });
                }
                let other = if top { "\ncolour 3" } else { ", colour: 3" };
                this.insert(Operator::ExtraStatement, entry.span.range().end, other);
                this.args(&entry.args, false, key);
                entry.value.iter().for_each(|value| this.argument(key, value));
                this.entries(&entry.body, false);
            });
        }
    }
}
