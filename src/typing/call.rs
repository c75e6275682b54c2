//! Calls: which argument goes to which parameter.

use std::collections::BTreeMap;

use super::program::{Args, BlockCall, Expr, ExprKind, Item};
use super::scope::{Found, Scope};
use super::tables::{self, Builtin, DrawKind, FunctionSpec, ParamSpec, Preset};
use super::{Checker, Formal, Type};
use crate::diag::{Problem, codes, counted, near};
use crate::net::Level;
use crate::resolve::{ItemId, item_signature};
use crate::source::Span;
use crate::syntax::tree::{self, Arg, Call, ItemKind};

/// What is called, as messages show it.
pub(super) struct Callee<'a> {
    pub name: &'a str,
    pub formals: &'a [Formal],
    /// How it is called.
    pub signature: Signature,
    /// The name at the call.
    pub span: Span,
    /// Where it is defined, if in the program.
    pub defined: Option<Span>,
}

/// How something is called; written out where a problem shows it.
pub(super) enum Signature {
    /// As the text of an item says.
    Item(ItemId),
    /// As the table of functions says.
    Function(&'static str),
    /// As a table says: its name and its parameters.
    Table(&'static str, &'static [ParamSpec]),
}

impl Checker<'_> {
    /// `name(a: int, …)`
    fn shown(&self, signature: &Signature) -> String {
        match signature {
            Signature::Item(id) => item_signature(&self.resolved.item(*id).kind, self.sources),
            Signature::Function(text) => (*text).to_owned(),
            Signature::Table(name, params) => tables::signature(name, params),
        }
    }

    /// A call as an expression.
    pub(super) fn call(&mut self, scope: &Scope, call: &Call) -> Expr {
        let name = &call.callee;
        let Some(found) = self.find(scope, &name.text) else {
            self.unknown(scope, &name.text, name.span, false);
            return Expr::broken(call.span);
        };
        match found {
            Found::Function(function) => self.builtin(scope, function, call),
            Found::Item(id) if matches!(self.resolved.item(id).kind, ItemKind::Fn(_)) => self.fn_call(scope, id, call),
            Found::Item(id) if matches!(self.resolved.item(id).kind, ItemKind::Block(_)) => {
                // What the call lacks would be a second word about the same mistake.
                if call.open.is_none() {
                    self.must_be_open(call);
                    return Expr::broken(call.span);
                }
                let args = self.item_args(scope, id, call, true);
                Expr::new(ExprKind::Block(BlockCall::Known { block: id, args }.into()), Type::BLOCK, call.span)
            }
            Found::Local(slot, Type::BLOCK) => {
                self.must_be_open(call);
                let block = self.block_value(scope, slot, call);
                Expr::new(ExprKind::Block(block.into()), Type::BLOCK, call.span)
            }
            Found::Local(_, Type::ANY) => Expr::broken(call.span),
            _ => {
                let what = self.describe(&found);
                let message = format!("`{}` is {what}, and gives no value when called", name.text);
                let help = match found {
                    Found::Layer(_) => "a layer is a statement of a block: write it on its own",
                    Found::Item(_) => "call it as a statement of a block, or after `net`",
                    Found::Local(..) | Found::Site(_) | Found::Function(_) | Found::Word(_) => {
                        "remove the parentheses to read it"
                    }
                };
                let problem = Problem::error(codes::WRONG_KIND, name.span, message, help);
                let value = call.args.is_empty() && !matches!(found, Found::Layer(_) | Found::Item(_));
                self.problems.push(if value { problem.fix(call.span, name.text.clone()) } else { problem });
                Expr::broken(call.span)
            }
        }
    }

    fn must_be_open(&mut self, call: &Call) {
        if call.open.is_some() {
            return;
        }
        let text = self.sources.text(call.span);
        let open = match text.strip_suffix(')') {
            Some(inner) if call.args.is_empty() => format!("{inner}..)"),
            Some(inner) => format!("{}, ..)", inner.trim_end().trim_end_matches(',').trim_end()),
            None => format!("{text}(..)"),
        };
        let message = format!("`{}` is called where a value is needed", call.callee.text);
        let help = format!("to pass the block with these arguments bound, end them with `..`: `{open}`");
        self.problems.push(Problem::error(codes::WRONG_KIND, call.span, message, help).fix(call.span, open));
    }

    pub(super) fn fn_call(&mut self, scope: &Scope, id: ItemId, call: &Call) -> Expr {
        let args = self.item_args(scope, id, call, false);
        let declared = match &self.resolved.item(id).kind {
            ItemKind::Fn(f) => f.result.clone(),
            _ => None,
        };
        let result = match declared {
            Some(ty) => self.written_type(&ty),
            None => match self.needed(id, call.span) {
                Some(Item::Fn(f)) => f.body.ty,
                _ => return Expr::broken(call.span),
            },
        };
        Expr::new(ExprKind::Call(id, args), result, call.span)
    }

    /// The arguments of a call of an item.
    pub(super) fn item_args(&mut self, scope: &Scope, id: ItemId, call: &Call, open: bool) -> Args {
        let formals = self.signatures[id.index()].clone();
        let name = self.name_of(id).clone();
        let callee = Callee {
            name: &name.text,
            formals: &formals,
            signature: Signature::Item(id),
            span: call.callee.span,
            defined: Some(name.span),
        };
        if let (Some(dots), false) = (call.open, open) {
            let help = "give every argument here";
            let message = "`..` leaves arguments for later, and this call happens now";
            self.problems.push(Problem::error(codes::WRONG_KIND, dots, message, help));
        }
        self.bind(scope, &callee, &call.args, call.open.is_some())
    }

    /// A block that is a value, with arguments. Where the parameter has a default, the call must suit it.
    pub(super) fn block_value(&mut self, scope: &Scope, slot: usize, call: &Call) -> BlockCall {
        if let Some(preset) = scope.preset(slot) {
            self.item_args(scope, preset, call, true);
        }
        let value = Expr::new(ExprKind::Local(slot), Type::BLOCK, call.callee.span);
        let args = call.args.iter().map(|a| (a.name.clone(), self.expr(scope, &a.value))).collect();
        BlockCall::Value { value: value.into(), args, span: call.span }
    }

    /// Gives each argument to its parameter.
    pub(super) fn bind(&mut self, scope: &Scope, callee: &Callee<'_>, args: &[Arg], open: bool) -> Args {
        let mut bound: BTreeMap<usize, (Span, Expr)> = BTreeMap::new();
        let mut astray = false;
        for (i, arg) in args.iter().enumerate() {
            let index = match &arg.name {
                Some(name) => callee.formals.iter().position(|f| f.name == name.text),
                None => Some(i).filter(|i| *i < callee.formals.len()),
            };
            let Some(index) = index else {
                astray = true;
                self.no_such_parameter(callee, arg);
                self.expr_of_word(scope, &arg.value);
                continue;
            };
            let place = arg.name.as_ref().map_or(arg.value.span, |n| n.span);
            if let Some((first, value)) = bound.get(&index) {
                let message = format!("`{}` is given twice", callee.formals[index].name);
                let problem = Problem::error(codes::DUPLICATE_ARGUMENT, place, message, "remove one of the two");
                let problem = problem.here("the second").label(*first, "the first");
                // Of two that say the same it does not matter which one goes.
                let same = self.sources.text(value.span) == self.sources.text(arg.value.span);
                let all = self.with_comma(Span { start: place.start, ..arg.value.span });
                self.problems.push(if same { problem.fix(all, "") } else { problem });
                continue;
            }
            let value = self.argument(scope, &callee.formals[index], &arg.value);
            bound.insert(index, (place, value));
        }
        if !open {
            self.fill(callee, &mut bound, astray);
        }
        Args(bound.into_iter().map(|(index, (_, value))| (index, value)).collect())
    }

    /// Says which parameters lack a value, and marks the call.
    fn fill(&mut self, callee: &Callee<'_>, bound: &mut BTreeMap<usize, (Span, Expr)>, astray: bool) {
        let lacks = |(i, formal): &(usize, &Formal)| !formal.optional && !bound.contains_key(i);
        let missing: Vec<(usize, &Formal)> = callee.formals.iter().enumerate().filter(lacks).collect();
        let Some((first, _)) = missing.first() else { return };
        let names: Vec<&str> = missing.iter().map(|(_, formal)| formal.name.as_str()).collect();
        bound.insert(*first, (callee.span, Expr::broken(callee.span)));
        // A misspelt name is one mistake, not a second one about what it left without a value.
        if astray {
            return;
        }
        let message = format!("`{}` needs {}", callee.name, crate::diag::listed(&names));
        let help = format!("it is `{}`", self.shown(&callee.signature));
        let problem = Problem::error(codes::MISSING_ARGUMENT, callee.span, message, help);
        self.problems.push(defined_at(problem, callee));
    }

    fn no_such_parameter(&mut self, callee: &Callee<'_>, arg: &Arg) {
        let is = format!("it is `{}`", self.shown(&callee.signature));
        let Some(name) = &arg.name else {
            let takes = match callee.formals.len() {
                0 => "no arguments".to_owned(),
                n => counted(n, "argument", "arguments"),
            };
            let message = format!("`{}` takes {takes}", callee.name);
            let problem = Problem::error(codes::UNKNOWN_PARAMETER, arg.value.span, message, is).here("one too many");
            return self.problems.push(defined_at(problem, callee));
        };
        let message = format!("`{}` has no parameter `{}`", callee.name, name.text);
        let problem = Problem::error(codes::UNKNOWN_PARAMETER, name.span, message, "");
        let problem = match tables::meant(&name.text, callee.formals.iter().map(|f| f.name.as_str())) {
            Some(near) => Problem { help: format!("{} {is}", near.question("")), ..problem.meant(name.span, near) },
            None => Problem { help: is, ..problem },
        };
        self.problems.push(defined_at(problem, callee));
    }

    /// Types a value that goes nowhere, for the mistakes in it; a bare word may belong to the lost parameter.
    fn expr_of_word(&mut self, scope: &Scope, value: &tree::Expr) {
        if !matches!(value.kind, tree::ExprKind::Name(_)) {
            self.expr(scope, value);
        }
    }

    fn argument(&mut self, scope: &Scope, formal: &Formal, value: &tree::Expr) -> Expr {
        if !formal.words.is_empty() {
            return self.word_argument(formal, value);
        }
        let expr = self.expect(scope, value, formal.ty, &format!("`{}`", formal.name));
        self.in_bounds(expr, &formal.name, formal.bounds)
    }

    /// Refuses a literal that lies outside the bounds; other values are checked when they are known.
    pub(super) fn in_bounds(&mut self, expr: Expr, name: &str, bounds: tables::Bounds) -> Expr {
        let refused = expr.literal().filter(|v| !bounds.hold(*v));
        let Some(value) = refused else { return expr };
        let (must, help) = bounds.refusal(value);
        let message = format!("`{name}` is {value}, and {must}");
        self.problems.push(Problem::error(codes::OUT_OF_RANGE, expr.span, message, help));
        Expr::broken(expr.span)
    }

    fn word_argument(&mut self, formal: &Formal, value: &tree::Expr) -> Expr {
        if let tree::ExprKind::Name(word) = &value.kind
            && formal.words.contains(&word.as_str())
        {
            return Expr::new(ExprKind::Str(word.clone()), Type::STR, value.span);
        }
        let written = self.sources.text(value.span).to_owned();
        let takes = formal.words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" or ");
        let message = format!("`{}` takes {takes}", formal.name);
        let problem = Problem::error(codes::WRONG_TYPE, value.span, message, format!("write {takes}"));
        self.problems.push(match near(written.trim_matches('"'), formal.words.iter().copied()) {
            Some(near) => problem.meant(value.span, near),
            None => problem,
        });
        Expr::broken(value.span)
    }

    /// A function of the language.
    fn builtin(&mut self, scope: &Scope, function: &'static FunctionSpec, call: &Call) -> Expr {
        let (wanted, result) = match function.function {
            Builtin::Min | Builtin::Max => return self.extreme(scope, function, call),
            Builtin::Draw(kind) => return self.draw(scope, kind, function, call),
            Builtin::Floor | Builtin::Ceil | Builtin::Round => (&[Type::REAL][..], Type::INT),
            Builtin::Sqrt => (&[Type::REAL][..], Type::REAL),
            Builtin::Div => (&[Type::INT, Type::INT][..], Type::INT),
            Builtin::Len => (&[Type::ANY.list()][..], Type::INT),
            Builtin::Normal => (&[Type::REAL][..], Type::INIT),
        };
        let mut args = self.fixed_args(scope, function, wanted.len(), call);
        let drawn = function.function == Builtin::Sqrt && args[0].ty == Type::DRAW;
        if !drawn {
            let what = format!("`{}`", function.name);
            args = args.into_iter().zip(wanted).map(|(arg, ty)| self.convert(arg, *ty, &what)).collect();
        }
        if function.function == Builtin::Normal {
            args = args.into_iter().map(|a| self.in_bounds(a, "deviation", tables::Bounds::NOT_NEGATIVE)).collect();
        }
        Expr::new(ExprKind::Builtin(function.function, args), if drawn { Type::DRAW } else { result }, call.span)
    }

    /// So many arguments of a function of the language, of whatever types.
    fn fixed_args(&mut self, scope: &Scope, function: &'static FunctionSpec, count: usize, call: &Call) -> Vec<Expr> {
        let names = function.signature.split(['(', ',', ')']).skip(1).map(|p| p.split(':').next().unwrap_or(p).trim());
        let formals: Vec<Formal> =
            names.take(count).map(|n| formal(n, Type::ANY, tables::Bounds::NONE, false)).collect();
        let formals = &formals[..];
        let callee = Callee {
            name: function.name,
            formals,
            signature: Signature::Function(function.signature),
            span: call.callee.span,
            defined: None,
        };
        let args = self.bind(scope, &callee, &call.args, false);
        let mut given = args.0.into_iter().peekable();
        let mut next = |i| given.next_if(|(index, _)| *index == i).map(|(_, value)| value);
        (0..count).map(|i| next(i).unwrap_or_else(|| Expr::broken(call.span))).collect()
    }

    /// `min` and `max`, of one or more numbers.
    fn extreme(&mut self, scope: &Scope, function: &'static FunctionSpec, call: &Call) -> Expr {
        let what = format!("`{}`", function.name);
        if let Some(name) = call.args.iter().find_map(|a| a.name.as_ref()) {
            let message = format!("{what} takes its numbers without names");
            self.problems.push(Problem::error(codes::UNKNOWN_PARAMETER, name.span, message, function.signature));
            return Expr::broken(call.span);
        }
        if call.args.is_empty() {
            let message = format!("{what} needs a number");
            self.problems.push(Problem::error(codes::MISSING_ARGUMENT, call.span, message, function.signature));
            return Expr::broken(call.span);
        }
        let args: Vec<Expr> = call.args.iter().map(|a| self.expr(scope, &a.value)).collect();
        let ty = args.iter().fold(Type::ANY, |ty, a| ty.join(a.ty).unwrap_or(Type::REAL));
        let ty = if ty.is_number() || ty == Type::DRAW { ty } else { Type::REAL };
        let args = args.into_iter().map(|a| self.convert(a, ty, &what)).collect();
        Expr::new(ExprKind::Builtin(function.function, args), ty, call.span)
    }

    fn draw(&mut self, scope: &Scope, kind: DrawKind, function: &'static FunctionSpec, call: &Call) -> Expr {
        if !scope.draws {
            let message = format!("`{}` draws a random number, which only a regularizer can do", function.name);
            let help = "write a `regularizer` with it, and place that or call it as a layer";
            self.problems.push(Problem::error(codes::WRONG_KIND, call.span, message, help));
            return Expr::broken(call.span);
        }
        let source = match kind {
            DrawKind::Bernoulli => formal("p", Type::PROB, super::PROBABILITY, false),
            DrawKind::Uniform => formal("range", Type::RANGE, tables::Bounds::NONE, false),
        };
        let formals = [source, formal("per", Type::LEVEL, tables::Bounds::NONE, true)];
        let callee = Callee {
            name: function.name,
            formals: &formals,
            signature: Signature::Function(function.signature),
            span: call.callee.span,
            defined: None,
        };
        let (mut source, mut level) = (None, None);
        for (index, value) in self.bind(scope, &callee, &call.args, false).0 {
            if index == 0 { source = Some(value) } else { level = Some(value) }
        }
        let level = level.unwrap_or_else(|| Expr::new(ExprKind::Level(Level::Image), Type::LEVEL, call.span));
        let source = source.unwrap_or_else(|| Expr::broken(call.span));
        Expr::new(ExprKind::Draw(kind, source.into(), level.into()), Type::DRAW, call.span)
    }

    /// The arguments of a layer or an option, from its table row.
    pub(super) fn table_args(
        &mut self,
        scope: &Scope,
        (name, params): (&'static str, &'static [ParamSpec]),
        span: Span,
        args: &[Arg],
        open: bool,
    ) -> Args {
        let formals: Vec<Formal> = params
            .iter()
            .map(|p| Formal {
                name: p.name.into(),
                ty: p.ty,
                words: p.words,
                bounds: p.bounds,
                optional: !matches!(p.preset, Preset::Required),
            })
            .collect();
        let signature = Signature::Table(name, params);
        self.bind(scope, &Callee { name, formals: &formals, signature, span, defined: None }, args, open)
    }
}

fn formal(name: &str, ty: Type, bounds: tables::Bounds, optional: bool) -> Formal {
    Formal { name: name.into(), ty, words: &[], bounds, optional }
}

fn defined_at(problem: Problem, callee: &Callee<'_>) -> Problem {
    match callee.defined {
        Some(span) => problem.label(span, "defined here"),
        None => problem,
    }
}
