//! What each name of a text means: one walk over the tree with the scopes of the language.
//!
//! Absence: types and values; a name that means nothing is the check's business and has no entry here.

use crate::resolve::{ItemId, Program, item_params};
use crate::source::{Sources, Span};
use crate::syntax::tree::{
    ArmStmt, ArmStmtKind, Call, Const, Entry, Expr, ExprKind, Item, ItemKind, ModelStmt, Name, NetSource, Param,
    Require, RuleStmt, Stmt, StmtKind,
};

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An item of the program.
    Item(ItemId),
    /// A parameter of an item, by its place.
    Param(ItemId, usize),
    /// A `let`, a fact or a counter, by the place of its name.
    Local(Span),
    /// Something that the language brings: a layer, a function, a word.
    Language,
    /// An option of `train`.
    Key,
}

/// A name where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Its place.
    pub span: Span,
    /// What it means.
    pub meaning: Meaning,
}

/// Every name of a module, in the order of the text.
pub fn names(program: &Program, module: usize, sources: &Sources) -> Vec<Occurrence> {
    let mut walk = Walk { program, module, sources, item: None, scope: Vec::new(), found: Vec::new() };
    for (index, item) in program.modules[module].file.items.iter().enumerate() {
        walk.item(index, item);
    }
    walk.found.sort_by_key(|o| (o.span.start, o.span.end));
    walk.found.dedup_by_key(|o| o.span);
    walk.found
}

/// Where the name is defined that a meaning stands for; none for what the language brings.
pub fn definition(program: &Program, meaning: Meaning) -> Option<Span> {
    match meaning {
        Meaning::Item(id) => Some(program.items[id.index()].name.span),
        Meaning::Param(id, index) => item_params(&program.item(id).kind).get(index).map(|p| p.name.span),
        Meaning::Local(span) => Some(span),
        Meaning::Language | Meaning::Key => None,
    }
}

struct Walk<'a> {
    program: &'a Program,
    module: usize,
    sources: &'a Sources,
    /// The item that is walked.
    item: Option<ItemId>,
    /// Parameters, `let`s and counters, innermost last.
    scope: Vec<(&'a str, Meaning)>,
    found: Vec<Occurrence>,
}

impl<'a> Walk<'a> {
    fn item(&mut self, index: usize, item: &'a Item) {
        let own = self.program.items.iter().position(|i| i.module == self.module && i.index == index);
        self.item = own.map(|n| ItemId(n as u32));
        self.scope.clear();
        match &item.kind {
            ItemKind::Use(import) => import.names.iter().for_each(|name| self.global(name)),
            ItemKind::Const(c) => {
                self.own(&c.name);
                self.expr(&c.value);
            }
            ItemKind::Fn(f) => {
                self.own(&f.name);
                self.params(&f.params);
                self.expr(&f.body);
            }
            ItemKind::Block(b) | ItemKind::Family(b) => {
                self.own(&b.name);
                self.params(&b.params);
                self.body(&b.body);
            }
            ItemKind::Regularizer(r) => {
                self.own(&r.name);
                self.params(&r.params);
                r.branches.iter().for_each(|n| self.expr(n));
                r.body.iter().for_each(|stmt| self.rule_stmt(stmt));
            }
            ItemKind::Model(m) => {
                self.own(&m.name);
                self.params(&m.params);
                m.body.iter().for_each(|stmt| self.model_stmt(stmt));
            }
            ItemKind::Train(t) => {
                self.global(&t.model);
                self.entries(&t.entries);
            }
        }
    }

    fn push(&mut self, span: Span, meaning: Meaning) {
        self.found.push(Occurrence { span, meaning });
    }

    fn own(&mut self, name: &Name) {
        if let Some(id) = self.item {
            self.push(name.span, Meaning::Item(id));
        }
    }

    fn global(&mut self, name: &Name) {
        if let Some(import) = self.program.modules[self.module].scope.get(&name.text) {
            self.push(name.span, Meaning::Item(import.item));
        }
    }

    fn params(&mut self, params: &'a [Param]) {
        for (index, param) in params.iter().enumerate() {
            param.default.iter().for_each(|value| self.expr(value));
            if let Some(id) = self.item {
                self.push(param.name.span, Meaning::Param(id, index));
                self.scope.push((&param.name.text, Meaning::Param(id, index)));
            }
        }
    }

    fn bind(&mut self, name: &'a Name) {
        self.push(name.span, Meaning::Local(name.span));
        self.scope.push((&name.text, Meaning::Local(name.span)));
    }

    fn define(&mut self, c: &'a Const) {
        self.expr(&c.value);
        self.bind(&c.name);
    }

    fn require(&mut self, require: &'a Require) {
        self.expr(&require.cond);
    }

    fn meaning(&self, name: &str) -> Meaning {
        let local = self.scope.iter().rev().find(|(n, _)| *n == name).map(|(_, meaning)| *meaning);
        let global = || self.program.modules[self.module].scope.get(name).map(|import| Meaning::Item(import.item));
        local.or_else(global).unwrap_or(Meaning::Language)
    }

    fn body(&mut self, body: &'a [Stmt]) {
        let outer = self.scope.len();
        body.iter().for_each(|stmt| self.stmt(stmt));
        self.scope.truncate(outer);
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        match &stmt.kind {
            StmtKind::Apply { call, .. } | StmtKind::Default(call) => self.call(call),
            StmtKind::Let(c) => self.define(c),
            StmtKind::Fact(c) => {
                self.expr(&c.value);
                self.push(c.name.span, Meaning::Local(c.name.span));
            }
            StmtKind::For { var, lo, hi, body } => self.counted(var, [lo, hi], |walk| walk.body(body)),
            StmtKind::If { cond, then, otherwise } => {
                self.expr(cond);
                self.body(then);
                self.body(otherwise);
            }
            StmtKind::Require(r) => self.require(r),
            StmtKind::Stage { index, body, .. } => {
                index.iter().for_each(|i| self.expr(i));
                self.body(body);
            }
            StmtKind::Residual { arms, .. } | StmtKind::Concat { arms, .. } => self.arms(arms),
            StmtKind::Scale { body, .. } => self.body(body),
        }
    }

    fn counted(&mut self, var: &'a Name, bounds: [&'a Expr; 2], inside: impl FnOnce(&mut Self)) {
        bounds.into_iter().for_each(|bound| self.expr(bound));
        let outer = self.scope.len();
        self.bind(var);
        inside(self);
        self.scope.truncate(outer);
    }

    fn arms(&mut self, arms: &'a [ArmStmt]) {
        let outer = self.scope.len();
        for arm in arms {
            match &arm.kind {
                ArmStmtKind::Arm { body, .. } => self.body(body),
                ArmStmtKind::For { var, lo, hi, body } => self.counted(var, [lo, hi], |walk| walk.arms(body)),
                ArmStmtKind::If { cond, then, otherwise } => {
                    self.expr(cond);
                    self.arms(then);
                    self.arms(otherwise);
                }
                ArmStmtKind::Let(c) => self.define(c),
            }
        }
        self.scope.truncate(outer);
    }

    fn rule_stmt(&mut self, stmt: &'a RuleStmt) {
        match stmt {
            RuleStmt::Let(c) => self.define(c),
            RuleStmt::Require(r) => self.require(r),
            RuleStmt::Equation { value, .. } => self.expr(value),
        }
    }

    fn model_stmt(&mut self, stmt: &'a ModelStmt) {
        match stmt {
            ModelStmt::Input { dims, .. } => dims.iter().for_each(|d| self.expr(d)),
            ModelStmt::Net { net: NetSource::Call(call), .. } => self.call(call),
            ModelStmt::Net { net: NetSource::Body(body), .. } => self.body(body),
            ModelStmt::Place(place) => {
                self.call(&place.rule);
                place.filter.iter().for_each(|f| self.expr(f));
            }
            ModelStmt::Let(c) => self.define(c),
            ModelStmt::Require(r) => self.require(r),
            ModelStmt::Assert(a) => self.expr(&a.cond),
        }
    }

    fn entries(&mut self, entries: &'a [Entry]) {
        for entry in entries {
            self.push(entry.key.span, Meaning::Key);
            entry.args.iter().for_each(|arg| self.expr(&arg.value));
            entry.value.iter().for_each(|value| self.expr(value));
            self.entries(&entry.body);
        }
    }

    fn call(&mut self, call: &'a Call) {
        let callee = self.meaning(&call.callee.text);
        self.push(call.callee.span, callee);
        for arg in &call.args {
            if let (Some(name), Meaning::Item(id)) = (&arg.name, callee) {
                let params = item_params(&self.program.item(id).kind);
                if let Some(index) = params.iter().position(|p| p.name.text == name.text) {
                    self.push(name.span, Meaning::Param(id, index));
                }
            }
            self.expr(&arg.value);
        }
    }

    fn expr(&mut self, e: &'a Expr) {
        match &e.kind {
            ExprKind::Int(_) | ExprKind::Real(_) | ExprKind::Bool(_) | ExprKind::Str(_) => {}
            ExprKind::Name(name) => {
                // In brackets the expression is longer than its name.
                let inside = self.sources.text(e.span).find(name.as_str()).unwrap_or(0);
                let start = e.span.start as usize + inside;
                let meaning = self.meaning(name);
                self.push(Span::new(e.span.source, start, start + name.len()), meaning);
            }
            ExprKind::List(all) => all.iter().for_each(|e| self.expr(e)),
            ExprKind::Unary(_, a) | ExprKind::Field(a, _) => self.expr(a),
            ExprKind::Range(a, b) | ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::If(a, b, c) => [a, b, c].into_iter().for_each(|e| self.expr(e)),
            ExprKind::Call(call) => self.call(call),
        }
    }
}
