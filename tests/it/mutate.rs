//! Plants single mistakes in a text: walks its tree and its tokens, and where a person could slip, makes the slip.
//!
//! An [`Operator`] is one kind of slip, made only where it leaves a text that is wrong, or one of the same meaning: what
//! leaves a right network that is another one (a width of 17 for 16, a layer that stands twice) is no mistake that a
//! compiler can know. The same text always gives the same mutants. Absence: nothing is compiled here.

use std::ops::Range;

use sdc::diag::Problems;
use sdc::num::draw::Stream;
use sdc::source::{Sources, Span};
use sdc::syntax::{self, tree};
use tree::{ArmKind, ArmStmt, ArmStmtKind, Expr, ExprKind, ItemKind, ModelStmt, RuleStmt, Stmt, StmtKind};

/// One kind of slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// A value of another type.
    WrongType,
    /// A declared type that the uses do not fit.
    WrongDeclaredType,
    /// A name with a letter too many, too few, or two swapped.
    MisspeltName,
    /// The same for a word of the language.
    MisspeltWord,
    /// The same where a parameter, `let` or item is defined, so that its uses find nothing.
    MisspeltDefinition,
    /// A symbol of other languages: `&&`, `=`, `**`.
    ForeignSymbol,
    /// An arm whose width, stride, padding or groups no longer fit.
    WrongShape,
    /// `branch` for `shortcut`, `path` for `branch`.
    WrongArm,
    /// A number outside the range of its place.
    OutOfRange,
    /// An argument that has no default is gone.
    MissingArgument,
    /// An arm is gone.
    MissingArm,
    /// A statement that others need is gone: `let`, a fact, `forward`, `input`, `net`, `use`, an option.
    MissingStatement,
    /// A bracket is gone.
    MissingBracket,
    /// A comma, colon, operator or other mark is gone.
    MissingMark,
    /// An argument, parameter, option or name that nothing takes.
    ExtraArgument,
    /// A statement or option that stands twice, or that nothing knows.
    ExtraStatement,
    /// A token stands twice.
    ExtraToken,
    /// Two arguments of different types have changed places.
    SwappedArguments,
    /// Two neighbouring tokens have changed places.
    SwappedTokens,
}

/// A text with one mistake in it.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub operator: Operator,
    pub text: String,
    /// The item of the text (`block`, `model`, …) in which the mistake stands.
    pub item: Range<usize>,
    /// The statement, parameter or option in which it stands.
    pub place: Range<usize>,
    /// What stood there, and what stands there now.
    pub edit: String,
}

/// Every mutant of the items in the first `end` bytes of a right `text`.
pub fn mutants(text: &str, end: usize) -> Vec<Mutant> {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let source = sources.add("original.sd", text);
    let file = syntax::parse(source, text, &mut problems);
    assert!(problems.is_empty(), "the original is right");
    let mut walk = Walk { text, item: 0..0, place: 0..0, in_arm: false, planted: Vec::new() };
    for item in file.items.iter().filter(|i| i.span.range().end <= end) {
        walk.item = item.span.range();
        walk.place = item.span.range();
        walk.item(item);
        walk.tokens(item.span.range());
    }
    walk.planted
}

/// A number for the `n`-th choice of a kind, below `below`.
fn chosen(what: &str, n: usize, below: usize) -> usize {
    Stream::of_path(what).word(0, 0, n as u64) as usize % below
}

/// `name` as a hurried person writes it.
pub fn misspelt(name: &str, n: usize) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = chosen(name, n, letters.len());
    match chosen(name, n + 1, 3) {
        0 if letters.len() > 3 => drop(letters.remove(at)),
        1 if at > 0 && letters[at - 1] != letters[at] => letters.swap(at - 1, at),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

/// The walk over a tree, with where it is.
struct Walk<'a> {
    text: &'a str,
    item: Range<usize>,
    place: Range<usize>,
    /// Whether the layers here are those of a residual's or `scale`'s arm, whose shape must agree with another's.
    in_arm: bool,
    planted: Vec<Mutant>,
}

impl Walk<'_> {
    fn plant(&mut self, operator: Operator, at: Range<usize>, with: &str) {
        let moved = |r: &Range<usize>| r.start..(r.end + with.len()).saturating_sub(at.len()).max(r.start);
        self.planted.push(Mutant {
            operator,
            text: format!("{}{with}{}", &self.text[..at.start], &self.text[at.end..]),
            item: moved(&self.item),
            place: moved(&self.place),
            edit: format!("`{}` becomes `{with}`", &self.text[at.clone()]),
        });
    }

    fn replace(&mut self, operator: Operator, at: Span, with: &str) {
        self.plant(operator, at.range(), with);
    }

    fn insert(&mut self, operator: Operator, at: usize, what: &str) {
        self.plant(operator, at..at, what);
    }

    fn remove(&mut self, operator: Operator, at: Span) {
        self.plant(operator, at.range(), "");
    }

    /// What stands at `at` stands twice.
    fn double(&mut self, operator: Operator, at: Span, between: &str) {
        let twice = format!("{between}{}", &self.text[at.range()]);
        self.insert(operator, at.range().end, &twice);
    }

    /// Runs `inside` with `span` as the place of what is planted.
    fn at(&mut self, span: Span, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.place, span.range());
        inside(self);
        self.place = before;
    }

    /// Runs `inside` as part of an arm whose shape must be another's, or not.
    fn arm(&mut self, in_arm: bool, inside: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.in_arm, in_arm);
        inside(self);
        self.in_arm = before;
    }

    fn misspell(&mut self, operator: Operator, name: &tree::Name) {
        let n = self.planted.len();
        self.replace(operator, name.span, &misspelt(&name.text, n));
    }

    fn item(&mut self, item: &tree::Item) {
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

    fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.at(stmt.span, |this| this.stmt(stmt)));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Apply { call, .. } => {
                self.call(call);
                if self.in_arm {
                    self.wrong_shape(call);
                }
            }
            StmtKind::Let(c) => self.definition(c, stmt.span),
            StmtKind::Fact(c) => {
                self.remove(Operator::MissingStatement, stmt.span);
                self.misspell(Operator::MisspeltDefinition, &c.name);
                self.expr(&c.value);
            }
            StmtKind::For { var, lo, hi, body } => {
                self.misspell(Operator::MisspeltDefinition, var);
                self.expr(lo);
                self.expr(hi);
                self.body(body);
            }
            StmtKind::If { cond, then, otherwise } => {
                self.condition(cond);
                self.body(then);
                self.body(otherwise);
            }
            StmtKind::Require(require) => self.condition(&require.cond),
            StmtKind::Default(call) => self.call(call),
            StmtKind::Stage { index, body, .. } => {
                index.iter().for_each(|i| self.expr(i));
                self.double(Operator::ExtraStatement, stmt.span, "\n");
                self.body(body);
            }
            StmtKind::Residual { arms, .. } => self.arms(arms),
            StmtKind::Concat { arms, .. } => self.arms(arms),
            StmtKind::Scale { body, .. } => self.arm(true, |this| this.body(body)),
        }
        self.insert(Operator::ExtraStatement, stmt.span.range().end, "; wobble(3)");
    }

    /// A `let`: others need it, and its name.
    fn definition(&mut self, c: &tree::Const, span: Span) {
        self.remove(Operator::MissingStatement, span);
        self.misspell(Operator::MisspeltDefinition, &c.name);
        self.double(Operator::ExtraStatement, span, "; ");
        self.expr(&c.value);
    }

    fn arms(&mut self, arms: &[ArmStmt]) {
        for stmt in arms {
            self.at(stmt.span, |this| match &stmt.kind {
                ArmStmtKind::Arm { kind, body } => {
                    this.wrong_arm(*kind, stmt.span, arms.len());
                    this.arm(*kind != ArmKind::Path, |this| this.body(body));
                }
                ArmStmtKind::For { lo, hi, body, .. } => {
                    this.expr(lo);
                    this.expr(hi);
                    this.arms(body);
                }
                ArmStmtKind::If { cond, then, otherwise } => {
                    this.condition(cond);
                    this.arms(then);
                    this.arms(otherwise);
                }
                ArmStmtKind::Let(c) => this.definition(c, stmt.span),
            });
        }
    }

    fn wrong_arm(&mut self, kind: ArmKind, span: Span, count: usize) {
        let word = |kind| match kind {
            ArmKind::Branch => "branch",
            ArmKind::Shortcut => "shortcut",
            ArmKind::Path => "path",
        };
        let start = span.range().start;
        for other in [ArmKind::Branch, ArmKind::Shortcut, ArmKind::Path] {
            if other != kind {
                self.plant(Operator::WrongArm, start..start + word(kind).len(), word(other));
            }
        }
        match kind {
            ArmKind::Branch | ArmKind::Shortcut if count > 1 => self.remove(Operator::MissingArm, span),
            ArmKind::Branch | ArmKind::Shortcut | ArmKind::Path => {}
        }
        if kind == ArmKind::Shortcut {
            self.double(Operator::ExtraStatement, span, "\n");
        }
    }

    /// Numbers of a layer in an arm that make its shape another. What the width of an inner layer is, is nobody else's
    /// business, so widths are changed only in shortcuts and rows, not here.
    fn wrong_shape(&mut self, call: &tree::Call) {
        let end = call.span.range().end - 1;
        if matches!(call.callee.text.as_str(), "conv1x1" | "conv3x3") && call.args.iter().all(|a| !named(a, "pad")) {
            self.insert(Operator::WrongShape, end, ", pad: 7");
            if call.callee.text == "conv3x3" {
                self.insert(Operator::WrongShape, end, ", dilation: 3, pad: 0");
            }
            if call.args.iter().all(|a| !named(a, "groups")) {
                self.insert(Operator::WrongShape, end, ", groups: 7");
            }
            if call.args.iter().all(|a| !named(a, "stride")) {
                self.insert(Operator::WrongShape, end, ", stride: 3");
            }
        }
        for arg in call.args.iter().filter(|a| named(a, "stride")) {
            let value = self.text[arg.value.span.range()].to_owned();
            self.replace(Operator::WrongShape, arg.value.span, &format!("2 * ({value})"));
        }
        if matches!(call.callee.text.as_str(), "pad_channels" | "avg_pool") {
            self.replace(Operator::WrongShape, call.args[0].value.span, "2000");
        }
    }

    fn call(&mut self, call: &tree::Call) {
        self.misspell(Operator::MisspeltName, &call.callee);
        self.args(&call.args, call.open.is_some(), &call.callee.text);
        let end = call.span.range().end;
        if call.args.is_empty() {
            self.insert(Operator::ExtraArgument, call.callee.span.range().end, "(colour: 3)");
        } else if call.open.is_none() {
            self.insert(Operator::ExtraArgument, end - 1, ", colour: 3");
            self.insert(Operator::ExtraArgument, end - 1, &", 3".repeat(9));
        }
    }

    fn args(&mut self, args: &[tree::Arg], open: bool, callee: &str) {
        for (i, arg) in args.iter().enumerate() {
            let all = arg.name.as_ref().map_or(arg.value.span, |n| n.span.to(arg.value.span));
            let name = match &arg.name {
                Some(name) => {
                    self.misspell(Operator::MisspeltName, name);
                    self.double(Operator::ExtraArgument, all, ", ");
                    name.text.as_str()
                }
                None => first_parameter(callee, i),
            };
            if !open && arg.name.is_none() {
                let end = args.get(i + 1).map_or(all.range().end, |next| {
                    next.name.as_ref().map_or(next.value.span, |n| n.span).range().start
                });
                self.plant(Operator::MissingArgument, all.range().start..end, "");
            }
            self.argument(name, &arg.value);
        }
        for pair in args.windows(2) {
            let (a, b) = (&pair[0].value, &pair[1].value);
            if kind_of(a) != kind_of(b) && kind_of(a).is_some() && kind_of(b).is_some() {
                let [first, second] = [a, b].map(|e| self.text[e.span.range()].to_owned());
                let between = self.text[a.span.range().end..b.span.range().start].to_owned();
                let swapped = format!("{second}{between}{first}");
                self.plant(Operator::SwappedArguments, a.span.range().start..b.span.range().end, &swapped);
            }
        }
    }

    /// The value of a parameter or option of this name.
    fn argument(&mut self, name: &str, value: &Expr) {
        let wrong: &[&str] = match name {
            "p" | "P" | "keep" | "dropout" | "smoothing" => &["1.5", "-0.25"],
            "width" | "out" | "kernel" | "stride" | "groups" | "classes" | "epochs" | "batch" => &["0", "-1"],
            "pad" | "lr" | "weight_decay" | "factor" | "seed" | "momentum" => &["-1"],
            "depth" => &["21", "-3"],
            "alpha" | "beta" | "range" if matches!(value.kind, ExprKind::Range(..)) => &["1..-1"],
            _ => &[],
        };
        wrong.iter().for_each(|w| self.replace(Operator::OutOfRange, value.span, w));
        let list = format!("[{}]", &self.text[value.span.range()]);
        self.replace(Operator::WrongType, value.span, &list);
        self.expr(value);
    }

    fn condition(&mut self, cond: &Expr) {
        self.replace(Operator::WrongType, cond.span, "3");
        self.expr(cond);
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Int(_) | ExprKind::Real(_) => {
                self.replace(Operator::WrongType, expr.span, "\"three\"");
                self.replace(Operator::WrongType, expr.span, "true");
            }
            ExprKind::Bool(_) => {
                self.replace(Operator::WrongType, expr.span, "\"yes\"");
                self.replace(Operator::WrongType, expr.span, "1");
            }
            ExprKind::Str(_) => self.replace(Operator::WrongType, expr.span, "3"),
            ExprKind::Name(name) => {
                let name = tree::Name { text: name.clone(), span: expr.span };
                self.misspell(Operator::MisspeltName, &name);
                self.replace(Operator::WrongType, expr.span, "\"text\"");
            }
            ExprKind::List(values) => values.iter().for_each(|v| self.expr(v)),
            ExprKind::Range(lo, hi) => {
                let [lo_text, hi_text] = [lo, hi].map(|e| self.text[e.span.range()].to_owned());
                self.replace(Operator::OutOfRange, expr.span, &format!("{hi_text}..{lo_text}"));
                self.expr(lo);
                self.expr(hi);
            }
            ExprKind::Unary(op, inner) => {
                if *op == tree::UnaryOp::Not {
                    let bang = format!("!{}", &self.text[inner.span.range()]);
                    self.replace(Operator::ForeignSymbol, expr.span, &bang);
                }
                self.expr(inner);
            }
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b),
            ExprKind::If(cond, then, otherwise) => {
                self.condition(cond);
                self.expr(then);
                self.expr(otherwise);
            }
            ExprKind::Field(of, name) => {
                self.misspell(Operator::MisspeltName, name);
                if !matches!(&of.kind, ExprKind::Name(word) if word == "in") {
                    self.expr(of);
                }
            }
            ExprKind::Index(list, index) => {
                self.replace(Operator::OutOfRange, index.span, "9");
                self.replace(Operator::OutOfRange, index.span, "-1");
                self.expr(list);
                self.expr(index);
            }
            ExprKind::Call(call) => self.call(call),
        }
    }

    fn binary(&mut self, op: tree::BinaryOp, a: &Expr, b: &Expr) {
        use tree::BinaryOp;
        let between = a.span.range().end..b.span.range().start;
        let gap = self.text[between.clone()].to_owned();
        let mut symbol = |with: &str| {
            if let Some(at) = gap.find(op.symbol()) {
                let start = between.start + at;
                self.plant(Operator::ForeignSymbol, start..start + op.symbol().len(), with);
            }
        };
        match op {
            BinaryOp::And => symbol("&&"),
            BinaryOp::Or => symbol("||"),
            BinaryOp::Eq => symbol("="),
            BinaryOp::Ne => symbol("<>"),
            BinaryOp::Pow => symbol("**"),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => symbol("=>"),
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem => symbol("and"),
        }
        self.expr(a);
        self.expr(b);
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

fn named(arg: &tree::Arg, name: &str) -> bool {
    arg.name.as_ref().is_some_and(|n| n.text == name)
}

/// The parameter that a built-in layer's or option's first argument is.
fn first_parameter(callee: &str, index: usize) -> &'static str {
    match (callee, index) {
        ("conv1x1" | "conv3x3" | "linear" | "pad_channels", 0) => "width",
        ("conv" | "avg_pool" | "max_pool", 0) => "kernel",
        ("conv", 1) => "out",
        ("subsample", 0) => "stride",
        ("bernoulli", 0) => "p",
        ("uniform", 0) => "range",
        ("pad_crop", 0) => "pad",
        _ => "",
    }
}

/// What can be said of a value's type from its text alone.
fn kind_of(expr: &Expr) -> Option<&'static str> {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Real(_) => Some("number"),
        ExprKind::Bool(_) => Some("bool"),
        ExprKind::List(_) => Some("list"),
        ExprKind::Range(..) => Some("range"),
        ExprKind::Name(name) => match name.as_str() {
            "level" | "gate" | "batch" | "image" | "channel" | "pixel" => Some("level"),
            "alpha" | "beta" => Some("range"),
            "p" | "width" | "classes" | "growth" => Some("number"),
            "shortcut" | "projection" | "pad" => Some("block"),
            "relu_after_sum" => Some("bool"),
            _ => None,
        },
        _ => None,
    }
}

/// The words of the language.
const WORDS: &[&str] = &[
    "use",
    "const",
    "fn",
    "block",
    "family",
    "regularizer",
    "model",
    "train",
    "let",
    "for",
    "if",
    "else",
    "require",
    "default",
    "stage",
    "residual",
    "branch",
    "shortcut",
    "concat",
    "path",
    "scale",
    "input",
    "net",
    "place",
    "on",
    "where",
    "in",
    "and",
    "or",
    "not",
];

/// A stretch of text that is one token; comments and white space are none.
pub fn tokens(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        let run = |pred: &dyn Fn(char) -> bool| rest.find(|c| !pred(c)).unwrap_or(rest.len());
        let first = rest.chars().next().expect("not at the end");
        let length = match first {
            _ if rest.starts_with("//") => {
                at += run(&|c| c != '\n');
                continue;
            }
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if c.is_ascii_digit() => number(rest),
            c if c.is_alphanumeric() || c == '_' => run(&|c| c.is_alphanumeric() || c == '_'),
            _ => ["..<", "..", "->", "==", "!=", "<=", ">="]
                .iter()
                .find(|m| rest.starts_with(**m))
                .map_or(first.len_utf8(), |m| m.len()),
        };
        all.push(at..at + length);
        at += length;
    }
    all
}

/// How long the number is that `text` begins with.
fn number(text: &str) -> usize {
    let digits =
        |from: usize| from + text[from..].find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len() - from);
    let mut end = digits(0);
    if text[end..].starts_with('.') && text[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end = digits(end + 1);
    }
    match text[end..].strip_prefix('e') {
        Some(exponent) => digits(end + 1 + usize::from(exponent.starts_with('-'))),
        None => end,
    }
}

impl Walk<'_> {
    /// Slips of the hand, in the tokens of an item.
    fn tokens(&mut self, item: Range<usize>) {
        let tokens = tokens(self.text, item.clone());
        for (n, token) in tokens.iter().enumerate() {
            let word = self.text[token.clone()].to_owned();
            // A slip of the hand is looked for around it.
            let around = tokens[n.saturating_sub(2)].start..tokens[(n + 2).min(tokens.len() - 1)].end;
            self.place = around;
            let bracket = matches!(word.as_str(), "(" | ")" | "[" | "]" | "{" | "}");
            let mark = !bracket && !word.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"');
            let next = tokens.get(n + 1);
            if bracket {
                self.plant(Operator::MissingBracket, token.clone(), "");
            }
            // A minus less is another number, and as right.
            let sign = word == "-" && n > 0 && matches!(&self.text[tokens[n - 1].clone()], ":" | "=" | "(" | "[");
            if mark && !sign {
                self.plant(Operator::MissingMark, token.clone(), "");
            }
            if WORDS.contains(&word.as_str())
                && next.is_none_or(|next| !matches!(&self.text[next.clone()], ":" | "." | ")" | ","))
            {
                self.plant(Operator::MisspeltWord, token.clone(), &misspelt(&word, n));
            }
            let layer = |range: &Range<usize>| {
                let word = &self.text[range.clone()];
                matches!(word, "bn" | "relu" | "sigmoid" | "global_avg_pool" | "imagenet_stem")
            };
            if layer(token) || next.is_some_and(layer) {
                continue;
            }
            if chosen("double", n, 3) == 0 && word != "-" {
                self.insert(Operator::ExtraToken, token.end, &format!(" {word}"));
            }
            if let Some(next) = next
                && chosen("swap", n, 3) == 0
                && self.text[next.clone()] != word
            {
                let swapped = format!(" {} {word}", &self.text[next.clone()]);
                self.plant(Operator::SwappedTokens, token.start..next.end, &swapped);
            }
        }
    }
}
