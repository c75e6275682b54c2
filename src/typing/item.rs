//! Constants, functions, blocks, rules and models.

use super::program::{
    Assert, Block, Const, Expr, ExprKind, Fn, Item, Model, ModelStmt, Net, Param, Place, Rule, RuleStmt,
};
use super::scope::{Found, Scope};
use super::{Checker, Type};
use crate::diag::{Problem, codes};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::tree::{self, At, Call, FactorKind, ItemKind, Name};

impl Checker<'_> {
    /// Types an item that has a name.
    pub(super) fn item(&mut self, id: ItemId) -> Item {
        let resolved = self.resolved;
        let mut scope = Scope::new(resolved.items[id.index()].module);
        match &resolved.item(id).kind {
            ItemKind::Use(_) | ItemKind::Train(_) => unreachable!("only items with a name have an id"),
            ItemKind::Const(c) => Item::Const(Const { name: c.name.clone(), value: self.declared(&scope, c) }),
            ItemKind::Fn(f) => {
                let params = self.params(&mut scope, id, &f.params);
                let body = match &f.result {
                    Some(ty) => {
                        let ty = self.written_type(ty);
                        self.expect(&scope, &f.body, ty, &format!("the result of `{}`", f.name.text))
                    }
                    None => self.expr(&scope, &f.body),
                };
                Item::Fn(Fn { name: f.name.clone(), params, body })
            }
            ItemKind::Block(b) | ItemKind::Family(b) => {
                let family = matches!(resolved.item(id).kind, ItemKind::Family(_));
                let params = self.params(&mut scope, id, &b.params);
                scope.has_in = true;
                let body = self.body(&mut scope, &b.body, true);
                let facts = self.facts_of.get(&id).cloned().unwrap_or_default();
                Item::Block(Block { name: b.name.clone(), family, params, facts, body })
            }
            ItemKind::Regularizer(r) => Item::Rule(self.rule(scope, id, r)),
            ItemKind::Model(m) => Item::Model(self.model(scope, id, m)),
        }
    }

    /// Types the defaults and defines the parameters; each default sees the parameters before it.
    fn params(&mut self, scope: &mut Scope, id: ItemId, params: &[tree::Param]) -> Vec<Param> {
        let formals = self.signatures[id.index()].clone();
        let mut typed = Vec::new();
        for (param, formal) in params.iter().zip(formals.iter()) {
            let default = param.default.as_ref().map(|d| {
                let value = self.expect(scope, d, formal.ty, &format!("`{}`", formal.name));
                self.in_bounds(value, &formal.name, formal.bounds)
            });
            let preset = default.as_ref().and_then(|d| match &d.kind {
                ExprKind::Block(call) => match **call {
                    super::program::BlockCall::Known { block, .. } => Some(block),
                    super::program::BlockCall::Value { .. } => None,
                },
                _ => None,
            });
            self.define(scope, &param.name, formal.ty, preset);
            typed.push(Param { name: param.name.clone(), ty: formal.ty, default });
        }
        typed
    }

    fn rule(&mut self, mut scope: Scope, id: ItemId, rule: &tree::Regularizer) -> Rule {
        scope.has_level = true;
        let params = self.params(&mut scope, id, &rule.params);
        scope.has_level = false;
        let branches = rule.branches.as_ref().map(|b| self.expect(&scope, b, Type::INT, "the number of branches"));
        scope.draws = true;
        let mut body = Vec::new();
        let mut forward: Option<(Span, Type)> = None;
        let mut seen: Vec<(FactorKind, Span)> = Vec::new();
        for stmt in &rule.body {
            match stmt {
                tree::RuleStmt::Let(binding) => {
                    let (slot, value) = self.binding(&mut scope, binding);
                    body.push(RuleStmt::Let { slot, value });
                }
                tree::RuleStmt::Require(require) => body.push(RuleStmt::Require(self.require(&scope, require))),
                tree::RuleStmt::Equation { factor, name, value } => {
                    if let Some((_, first)) = seen.iter().find(|(f, _)| f == factor) {
                        let first = *first;
                        self.duplicate(name, first);
                        continue;
                    }
                    seen.push((*factor, name.span));
                    let value = self.equation(&mut scope, *factor, name, value, forward);
                    if *factor == FactorKind::Forward {
                        forward = Some((name.span, value.ty));
                    }
                    let slot = self.define(&mut scope, name, value.ty, None);
                    body.push(RuleStmt::Equation { factor: *factor, slot, value });
                }
            }
        }
        if forward.is_none() {
            let message = format!("`{}` has no `forward`", rule.name.text);
            let help = "say what training's forward pass multiplies by: `forward = …`";
            self.problems.push(Problem::error(codes::BAD_EQUATION, rule.name.span, message, help));
            body.push(RuleStmt::Equation {
                factor: FactorKind::Forward,
                slot: usize::MAX,
                value: Expr::broken(rule.name.span),
            });
        }
        let list = branches.is_some() || forward.is_some_and(|(_, ty)| ty.lists > 0);
        Rule { name: rule.name.clone(), params, branches, list, body }
    }

    /// One equation: a factor or, like `forward`, a list of them.
    fn equation(
        &mut self,
        scope: &mut Scope,
        factor: FactorKind,
        name: &Name,
        value: &tree::Expr,
        forward: Option<(Span, Type)>,
    ) -> Expr {
        scope.draws = factor != FactorKind::Test;
        let expr = self.expr(scope, value);
        scope.draws = true;
        let scalar = if factor == FactorKind::Test { Type::REAL } else { Type::DRAW };
        let list = expr.ty.lists > 0;
        let what = format!("`{}`", name.text);
        let expr = self.convert(expr, if list { scalar.list() } else { scalar }, &what);
        if let Some((span, first)) = forward
            && (first.lists > 0) != list
            && !matches!(expr.kind, ExprKind::Broken)
        {
            let (one, many) = ("one factor", "a list of factors, one a branch");
            let (is, was) = if list { (many, one) } else { (one, many) };
            let message = format!("{what} gives {is}, and `forward` gives {was}");
            let problem = Problem::error(codes::BAD_EQUATION, expr.span, message, "write both alike");
            self.problems.push(problem.here(is).label(span, was));
            return Expr::broken(expr.span);
        }
        expr
    }

    fn model(&mut self, mut scope: Scope, id: ItemId, model: &tree::Model) -> Model {
        let params = self.params(&mut scope, id, &model.params);
        let mut body = Vec::new();
        let (mut input, mut net): (Option<Span>, Option<Span>) = (None, None);
        let mut of_model = false;
        for stmt in &model.body {
            match stmt {
                tree::ModelStmt::Input { name, dims, span } => {
                    self.input_kind(name);
                    self.only_one(&mut input, *span, "input");
                    if let Some(dims) = self.input(&scope, dims, *span) {
                        body.push(ModelStmt::Input { dims, span: *span });
                    }
                }
                tree::ModelStmt::Net { net: source, span } => {
                    self.only_one(&mut net, *span, "net");
                    let source = self.net(&mut scope, source);
                    of_model |= matches!(source, Net::Model { .. } | Net::Broken);
                    body.push(ModelStmt::Net { net: source, span: *span });
                }
                tree::ModelStmt::Place(place) => body.extend(self.place(&scope, place).map(ModelStmt::Place)),
                tree::ModelStmt::Let(binding) => {
                    let (slot, value) = self.binding(&mut scope, binding);
                    body.push(ModelStmt::Let { slot, value });
                }
                tree::ModelStmt::Require(require) => body.push(ModelStmt::Require(self.require(&scope, require))),
                tree::ModelStmt::Assert(assert) => {
                    scope.has_figures = true;
                    let cond = self.expect(&scope, &assert.cond, Type::BOOL, "`assert`");
                    scope.has_figures = false;
                    body.push(ModelStmt::Assert(Assert { cond, message: assert.message.clone() }));
                }
            }
        }
        let missing = match (input, net) {
            (_, None) => Some(("net", "say what the network is: `net FAMILY(…)`, or `net { … }` with layers")),
            (None, Some(_)) if !of_model => Some(("input", "say what an image is: `input image[3, 32, 32]`")),
            (_, Some(_)) => None,
        };
        if let Some((what, help)) = missing {
            let message = format!("`{}` has no `{what}`", model.name.text);
            self.problems.push(Problem::error(codes::BAD_MODEL, model.name.span, message, help));
        }
        Model { name: model.name.clone(), params, body }
    }

    fn only_one(&mut self, first: &mut Option<Span>, span: Span, what: &str) {
        if let Some(first) = *first {
            let message = format!("a model has one `{what}`, and this is the second");
            let help = "remove one, or write a second model";
            let problem = Problem::error(codes::BAD_MODEL, span, message, help);
            self.problems.push(problem.here("the second").label(first, "the first"));
        }
        *first = Some(span);
    }

    /// The word says what comes in, and names nothing.
    fn input_kind(&mut self, kind: &Name) {
        if kind.text != "image" {
            let message = format!("an input is an `image`, not `{}`", kind.text);
            let help = "write `input image[3, 32, 32]`";
            self.problems.push(Problem::error(codes::UNKNOWN_NAME, kind.span, message, help).fix(kind.span, "image"));
        }
    }

    fn input(&mut self, scope: &Scope, dims: &[tree::Expr], span: Span) -> Option<[Expr; 3]> {
        let typed: Vec<Expr> = dims
            .iter()
            .map(|d| {
                let dim = self.expect(scope, d, Type::INT, "a size");
                self.in_bounds(dim, "a size", super::tables::Bounds::SIZE)
            })
            .collect();
        let count = typed.len();
        let dims: Option<[Expr; 3]> = typed.try_into().ok();
        if dims.is_none() {
            let message = format!("an image has three sizes: channels, height, width; here are {count}");
            self.problems.push(Problem::error(codes::BAD_MODEL, span, message, "write `input image[3, 32, 32]`"));
        }
        dims
    }

    fn net(&mut self, scope: &mut Scope, net: &tree::NetSource) -> Net {
        match net {
            tree::NetSource::Body(body) => {
                let had_in = std::mem::replace(&mut scope.has_in, true);
                let body = scope.braces(|scope| self.body(scope, body, false));
                scope.has_in = had_in;
                Net::Body(body)
            }
            tree::NetSource::Call(call) => self.net_call(scope, call),
        }
    }

    fn net_call(&mut self, scope: &Scope, call: &Call) -> Net {
        let name = &call.callee;
        let Some(found) = self.find(scope, &name.text) else {
            self.unknown(scope, &name.text, name.span, true);
            return Net::Broken;
        };
        match found {
            Found::Item(id) => match &self.resolved.item(id).kind {
                ItemKind::Block(_) | ItemKind::Family(_) => {
                    let args = self.item_args(scope, id, call, false);
                    return Net::Block(super::program::BlockCall::Known { block: id, args });
                }
                ItemKind::Model(_) => {
                    let args = self.item_args(scope, id, call, false);
                    return Net::Model { model: id, args };
                }
                ItemKind::Use(_)
                | ItemKind::Train(_)
                | ItemKind::Const(_)
                | ItemKind::Fn(_)
                | ItemKind::Regularizer(_) => {}
            },
            Found::Local(slot, Type::BLOCK) => return Net::Block(self.block_value(scope, slot, call)),
            Found::Local(..) | Found::Site(_) | Found::Layer(_) | Found::Function(_) | Found::Word(_) => {}
        }
        let what = self.describe(&found);
        let message = format!("`net` takes a family, a block or a model, and `{}` is {what}", name.text);
        let help = match found {
            Found::Layer(_) => format!("put layers into braces: `net {{ {} … }}`", self.sources.text(call.span)),
            _ => "name a family, or write the layers in braces: `net { … }`".to_owned(),
        };
        let problem = Problem::error(codes::WRONG_KIND, name.span, message, help);
        self.problems.push(match found {
            Found::Layer(_) => problem.fix(call.span, format!("{{ {} }}", self.sources.text(call.span))),
            _ => problem,
        });
        Net::Broken
    }

    fn place(&mut self, scope: &Scope, place: &tree::Place) -> Option<Place> {
        let mut at_rule = scope.at_rule();
        let name = &place.rule.callee;
        let rule = match self.find(scope, &name.text) {
            Some(Found::Item(id)) if matches!(self.resolved.item(id).kind, ItemKind::Regularizer(_)) => {
                Some(self.rule_call(&at_rule, id, &place.rule))
            }
            Some(found) => {
                let what = self.describe(&found);
                let message = format!("`place` takes a regularizer, and `{}` is {what}", name.text);
                let help = "a regularizer gives what the branches are multiplied by; layers and blocks stand in `net`";
                self.problems.push(Problem::error(codes::WRONG_KIND, name.span, message, help));
                None
            }
            None => {
                self.unknown_rule(scope, name);
                None
            }
        };
        at_rule.has_output = true;
        let filter = place.filter.as_ref().map(|c| self.expect(&at_rule, c, Type::BOOL, "`where`"));
        let rule = rule?;
        if let (Some((at, at_span)), Some(super::program::Item::Rule(typed))) =
            (place.at, self.needed(rule.rule, name.span))
            && typed.list
        {
            let word = match at {
                At::Sum => "sum",
                At::Branch => "branch",
            };
            let message = format!("`{}` gives one factor a branch, so it takes no `at {word}`", name.text);
            let help = format!("remove `at {word}`: it stands on the branches by nature");
            // From the end of what stands before `at`.
            let before = &self.sources.get(at_span.source).text[..at_span.start as usize];
            let end = before.trim_end().trim_end_matches("at").trim_end().len();
            let clause = Span::new(at_span.source, end, at_span.end as usize);
            self.problems.push(Problem::error(codes::WRONG_KIND, at_span, message, help).fix(clause, ""));
            return None;
        }
        let pattern = (place.on.pattern != "residuals").then(|| place.on.pattern.clone());
        Some(Place { rule, pattern, on: place.on.span, filter, at: place.at, span: place.span })
    }

    /// As for any unknown name, but only rules are proposed.
    fn unknown_rule(&mut self, scope: &Scope, name: &Name) {
        let module = &self.resolved.modules[scope.module];
        let own = module
            .scope
            .iter()
            .filter(|(_, import)| matches!(self.resolved.item(import.item).kind, ItemKind::Regularizer(_)));
        let names: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
        match crate::diag::near(&name.text, names.iter().copied()) {
            Some(near) => {
                let message = format!("there is no regularizer `{}`", name.text);
                let problem = Problem::error(codes::UNKNOWN_NAME, name.span, message, "");
                self.problems.push(problem.meant(name.span, near));
            }
            None => self.unknown(scope, &name.text, name.span, true),
        }
    }
}
