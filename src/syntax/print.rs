//! The tree as text, for `sdc dump ast`: one item, statement or option a line, indented, without places.
//!
//! Expressions stand on their line with every operator in parentheses, so that precedence can be seen.

use std::fmt::{self, Write as _};

use super::tree::*;

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer { out: f, depth: 0 };
        self.items.iter().try_for_each(|item| printer.item(item))
    }
}

struct Printer<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    depth: usize,
}

impl Printer<'_, '_> {
    fn line(&mut self, text: impl fmt::Display) -> fmt::Result {
        writeln!(self.out, "{:1$}{text}", "", 2 * self.depth)
    }

    fn inside<T>(&mut self, all: &[T], mut print: impl FnMut(&mut Self, &T) -> fmt::Result) -> fmt::Result {
        self.depth += 1;
        all.iter().try_for_each(|one| print(self, one))?;
        self.depth -= 1;
        Ok(())
    }

    fn item(&mut self, item: &Item) -> fmt::Result {
        match &item.kind {
            ItemKind::Use(u) => {
                let from = match &u.from {
                    UseFrom::Library(path) => path.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join("."),
                    UseFrom::File { path, .. } => format!("{path:?}"),
                };
                let names = u.names.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(", ");
                self.line(format_args!("use {from} {names}"))?;
                self.docs(item)
            }
            ItemKind::Const(c) => {
                self.definition("const", c)?;
                self.docs(item)
            }
            ItemKind::Fn(function) => {
                let result = function.result.as_ref().map_or(String::new(), |ty| format!(" -> {ty}"));
                self.line(format_args!("fn {}{result}", function.name.text))?;
                self.docs(item)?;
                self.inside(&function.params, Self::param)?;
                self.inside(&[()], |p, ()| p.line(format_args!("= {}", function.body)))
            }
            ItemKind::Block(b) => self.block("block", b, item),
            ItemKind::Family(b) => self.block("family", b, item),
            ItemKind::Regularizer(r) => {
                let on = r.branches.as_ref().map_or(String::new(), |n| format!(" on {n} branches"));
                self.line(format_args!("regularizer {}{on}", r.name.text))?;
                self.docs(item)?;
                self.inside(&r.params, Self::param)?;
                self.inside(&r.body, Self::rule_stmt)
            }
            ItemKind::Model(m) => {
                self.line(format_args!("model {}", m.name.text))?;
                self.docs(item)?;
                self.inside(&m.params, Self::param)?;
                self.inside(&m.body, Self::model_stmt)
            }
            ItemKind::Train(t) => {
                self.line(format_args!("train {}", t.model.text))?;
                self.docs(item)?;
                self.inside(&t.entries, Self::entry)
            }
        }
    }

    fn docs(&mut self, item: &Item) -> fmt::Result {
        self.inside(&item.doc, |p, line| p.line(format_args!("doc {line:?}")))
    }

    fn block(&mut self, word: &str, block: &Block, item: &Item) -> fmt::Result {
        self.line(format_args!("{word} {}", block.name.text))?;
        self.docs(item)?;
        self.inside(&block.params, Self::param)?;
        self.inside(&block.body, Self::stmt)
    }

    fn param(&mut self, param: &Param) -> fmt::Result {
        let default = param.default.as_ref().map_or(String::new(), |value| format!(" = {value}"));
        self.line(format_args!("param {}: {}{default}", param.name.text, param.ty))
    }

    fn definition(&mut self, word: &str, c: &Const) -> fmt::Result {
        let ty = c.ty.as_ref().map_or(String::new(), |ty| format!(": {ty}"));
        self.line(format_args!("{word} {}{ty} = {}", c.name.text, c.value))
    }

    fn require(&mut self, r: &Require) -> fmt::Result {
        self.line(format_args!("require {} : {:?}", r.cond, r.message))
    }

    fn stmt(&mut self, stmt: &Stmt) -> fmt::Result {
        match &stmt.kind {
            StmtKind::Apply { call, alias } => self.line(format_args!("apply {call}{}", As(alias))),
            StmtKind::Let(c) => self.definition("let", c),
            StmtKind::Fact(c) => self.definition("fact", c),
            StmtKind::For { var, lo, hi, body } => {
                self.line(format_args!("for {} in {lo}..<{hi}", var.text))?;
                self.inside(body, Self::stmt)
            }
            StmtKind::If { cond, then, otherwise } => self.branches(cond, then, otherwise, Self::stmt),
            StmtKind::Require(r) => self.require(r),
            StmtKind::Default(call) => self.line(format_args!("default {call}")),
            StmtKind::Stage { name, index, body } => {
                let index = index.as_ref().map_or(String::new(), |i| format!("[{i}]"));
                self.line(format_args!("stage {}{index}", name.text))?;
                self.inside(body, Self::stmt)
            }
            StmtKind::Residual { arms, alias } => {
                self.line(format_args!("residual{}", As(alias)))?;
                self.inside(arms, Self::arm_stmt)
            }
            StmtKind::Concat { arms, alias } => {
                self.line(format_args!("concat{}", As(alias)))?;
                self.inside(arms, Self::arm_stmt)
            }
            StmtKind::Scale { body, alias } => {
                self.line(format_args!("scale{}", As(alias)))?;
                self.inside(body, Self::stmt)
            }
        }
    }

    fn arm_stmt(&mut self, stmt: &ArmStmt) -> fmt::Result {
        match &stmt.kind {
            ArmStmtKind::Arm { kind, body } => {
                self.line(match kind {
                    ArmKind::Branch => "branch",
                    ArmKind::Shortcut => "shortcut",
                    ArmKind::Path => "path",
                })?;
                self.inside(body, Self::stmt)
            }
            ArmStmtKind::For { var, lo, hi, body } => {
                self.line(format_args!("for {} in {lo}..<{hi}", var.text))?;
                self.inside(body, Self::arm_stmt)
            }
            ArmStmtKind::If { cond, then, otherwise } => self.branches(cond, then, otherwise, Self::arm_stmt),
            ArmStmtKind::Let(c) => self.definition("let", c),
        }
    }

    fn branches<T>(
        &mut self,
        cond: &Expr,
        then: &[T],
        otherwise: &[T],
        mut print: impl FnMut(&mut Self, &T) -> fmt::Result,
    ) -> fmt::Result {
        self.line(format_args!("if {cond}"))?;
        self.inside(then, &mut print)?;
        if otherwise.is_empty() {
            return Ok(());
        }
        self.line("else")?;
        self.inside(otherwise, print)
    }

    fn rule_stmt(&mut self, stmt: &RuleStmt) -> fmt::Result {
        match stmt {
            RuleStmt::Let(c) => self.definition("let", c),
            RuleStmt::Require(r) => self.require(r),
            RuleStmt::Equation { factor, name: _, value } => {
                let factor = match factor {
                    FactorKind::Forward => "forward",
                    FactorKind::Backward => "backward",
                    FactorKind::Test => "test",
                };
                self.line(format_args!("{factor} = {value}"))
            }
        }
    }

    fn model_stmt(&mut self, stmt: &ModelStmt) -> fmt::Result {
        match stmt {
            ModelStmt::Input { name, dims, span: _ } => {
                self.line(format_args!("input {}[{}]", name.text, Commas(dims)))
            }
            ModelStmt::Net { net: NetSource::Call(call), span: _ } => self.line(format_args!("net {call}")),
            ModelStmt::Net { net: NetSource::Body(body), span: _ } => {
                self.line("net")?;
                self.inside(body, Self::stmt)
            }
            ModelStmt::Place(place) => {
                let filter = place.filter.as_ref().map_or(String::new(), |c| format!(" where {c}"));
                let at = match place.at {
                    None => "",
                    Some((At::Sum, _)) => " at sum",
                    Some((At::Branch, _)) => " at branch",
                };
                self.line(format_args!("place {} on {}{filter}{at}", place.rule, place.on.pattern))
            }
            ModelStmt::Let(c) => self.definition("let", c),
            ModelStmt::Require(r) => self.require(r),
            ModelStmt::Assert(a) => {
                let message = a.message.as_ref().map_or(String::new(), |m| format!(" : {m:?}"));
                self.line(format_args!("assert {}{message}", a.cond))
            }
        }
    }

    fn entry(&mut self, entry: &Entry) -> fmt::Result {
        let mut line = format!("option {}", entry.key.text);
        if !entry.args.is_empty() {
            write!(line, "({})", Commas(&entry.args))?;
        }
        if let Some(value) = &entry.value {
            write!(line, " = {value}")?;
        }
        if !entry.except.is_empty() {
            let names = entry.except.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join(", ");
            write!(line, " except {names}")?;
        }
        self.line(line)?;
        self.inside(&entry.body, Self::entry)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TypeKind::Named(name) => f.write_str(&name.text),
            TypeKind::List(element) => write!(f, "[{element}]"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Int(n) => write!(f, "{n}"),
            ExprKind::Real(x) => write!(f, "{x:?}"),
            ExprKind::Bool(b) => write!(f, "{b}"),
            ExprKind::Str(s) => write!(f, "{s:?}"),
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::List(items) => write!(f, "[{}]", Commas(items)),
            ExprKind::Range(lo, hi) => write!(f, "({lo}..{hi})"),
            ExprKind::Unary(UnaryOp::Neg, x) => write!(f, "(-{x})"),
            ExprKind::Unary(UnaryOp::Not, x) => write!(f, "(not {x})"),
            ExprKind::Binary(op, a, b) => write!(f, "({a} {} {b})", op.symbol()),
            ExprKind::If(cond, then, otherwise) => write!(f, "(if {cond} {{ {then} }} else {{ {otherwise} }})"),
            ExprKind::Field(base, name) => write!(f, "{base}.{}", name.text),
            ExprKind::Index(base, index) => write!(f, "{base}[{index}]"),
            ExprKind::Call(call) if call.args.is_empty() && call.open.is_none() => write!(f, "{call}()"),
            ExprKind::Call(call) => write!(f, "{call}"),
        }
    }
}

/// A call without arguments is its name, as statements write it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.args.as_slice(), self.open) {
            ([], None) => f.write_str(&self.callee.text),
            ([], Some(_)) => write!(f, "{}(..)", self.callee.text),
            (args, None) => write!(f, "{}({})", self.callee.text, Commas(args)),
            (args, Some(_)) => write!(f, "{}({}, ..)", self.callee.text, Commas(args)),
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{}: ", name.text)?;
        }
        write!(f, "{}", self.value)
    }
}

/// ` as NAME`, or nothing.
struct As<'a>(&'a Option<Name>);

impl fmt::Display for As<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, " as {}", name.text))
    }
}

/// Several things with commas between them.
struct Commas<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Commas<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, one) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            one.fmt(f)?;
        }
        Ok(())
    }
}
