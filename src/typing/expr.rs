//! Expressions.

use super::program::{Axis, BlockCall, Expr, ExprKind, If, Item};
use super::scope::{Found, Scope};
use super::tables::{self, Word};
use super::{Base, Checker, MAX_DEPTH, Type};
use crate::diag::{Problem, codes, listed, near};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::tree::{self, BinaryOp, ItemKind, Name, UnaryOp};

/// Why a draw can stand in so few places.
pub(super) const FEW_OPERATIONS: &str = "a factor is made of draws and numbers with + - * / min max sqrt and whole powers, \
                                         so that it can be computed on every device and its mean be known exactly";

impl Checker<'_> {
    /// The typed expression, of whatever type.
    pub(super) fn expr(&mut self, scope: &Scope, e: &tree::Expr) -> Expr {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of expressions wait for one another's types");
            let help = "declare the types of constants and of functions' results, or define what others need first";
            self.problems.push(Problem::error(codes::TOO_DEEP, e.span, message, help));
            return Expr::broken(e.span);
        }
        self.depth += 1;
        let typed = self.expr_kind(scope, e);
        self.depth -= 1;
        typed
    }

    fn expr_kind(&mut self, scope: &Scope, e: &tree::Expr) -> Expr {
        use tree::ExprKind as T;
        let make = |kind, ty| Expr::new(kind, ty, e.span);
        match &e.kind {
            T::Int(v) => make(ExprKind::Int(*v), Type::INT),
            T::Real(v) => make(ExprKind::Real(*v), Type::REAL),
            T::Bool(v) => make(ExprKind::Bool(*v), Type::BOOL),
            T::Str(v) => make(ExprKind::Str(v.clone()), Type::STR),
            T::Name(name) => self.name(scope, name, e.span),
            T::List(elements) => self.list(scope, elements, e.span),
            T::Range(lo, hi) => {
                let lo = self.expect(scope, lo, Type::REAL, "the lower end of a range");
                let hi = self.expect(scope, hi, Type::REAL, "the upper end of a range");
                make(ExprKind::Range(lo.into(), hi.into()), Type::RANGE)
            }
            T::Unary(UnaryOp::Not, x) => {
                let x = self.expect(scope, x, Type::BOOL, "`not`");
                make(ExprKind::Not(x.into()), Type::BOOL)
            }
            T::Unary(UnaryOp::Neg, x) => self.negation(scope, x, e.span),
            T::Binary(op, a, b) => self.binary(scope, *op, (a, b), e.span),
            T::If(cond, a, b) => self.choice(scope, (cond, a, b), e.span),
            T::Field(of, field) => self.field(scope, of, field, e.span),
            T::Index(list, index) => {
                let list = self.expr(scope, list);
                let index = self.expect(scope, index, Type::INT, "an index");
                let Some(ty) = list.ty.element() else {
                    return self.wrong_type(&list, "a list", "only a list has elements");
                };
                make(ExprKind::Index(list.into(), index.into()), ty)
            }
            T::Call(call) => self.call(scope, call),
        }
    }

    /// The typed expression, where `what` takes a value of type `wanted`.
    pub(super) fn expect(&mut self, scope: &Scope, e: &tree::Expr, wanted: Type, what: &str) -> Expr {
        if let (tree::ExprKind::Name(name), Type::LEVEL | Type::INIT) = (&e.kind, wanted)
            && self.find(scope, name).is_none()
        {
            return self.unknown_word(name, e.span, wanted, what);
        }
        let expr = self.expr(scope, e);
        self.convert(expr, wanted, what)
    }

    /// Says which words a level or an initialiser can be.
    fn unknown_word(&mut self, name: &str, span: Span, wanted: Type, what: &str) -> Expr {
        let words = tables::words().iter().filter(|(_, word, _)| match word {
            Word::Level(_) => wanted == Type::LEVEL,
            Word::Init(_) => wanted == Type::INIT,
        });
        let words: Vec<&str> = words.map(|(name, _, _)| *name).collect();
        let problem = Problem::error(codes::UNKNOWN_NAME, span, format!("{what} cannot be `{name}`"), "");
        self.problems.push(match near(name, words.iter().copied()) {
            Some(near) => problem.meant(span, near),
            None => Problem { help: format!("it is one of {}", listed(&words)), ..problem },
        });
        Expr::broken(span)
    }

    /// `expr` as a value of type `wanted`, widened where that is allowed.
    pub(super) fn convert(&mut self, expr: Expr, wanted: Type, what: &str) -> Expr {
        if expr.ty == wanted || wanted == Type::ANY || matches!(expr.kind, ExprKind::Broken) {
            return expr;
        }
        if expr.ty.fits(wanted) {
            let span = expr.span;
            return Expr::new(ExprKind::Convert(expr.into()), wanted, span);
        }
        if expr.ty.is_drawn() && !wanted.is_drawn() {
            return self.drawn(&expr, what);
        }
        let message = format!("{what} takes {}, and this is {}", wanted.with_article(), expr.ty.with_article());
        let problem = Problem::error(codes::WRONG_TYPE, expr.span, message, "").here(expr.ty.to_string());
        self.problems.push(self.mend_type(problem, &expr, wanted));
        Expr::broken(expr.span)
    }

    /// The way out where a value has another type than its place takes.
    fn mend_type(&self, problem: Problem, expr: &Expr, wanted: Type) -> Problem {
        let text = self.sources.text(expr.span);
        if wanted == Type::INT && expr.ty.is_number() {
            if let ExprKind::Real(v) = expr.kind
                && v.fract() == 0.0
                && v.abs() < 1e15
            {
                let whole = format!("{v:.0}");
                return Problem { help: format!("write `{whole}`"), ..problem }.fix(expr.span, whole);
            }
            if let ExprKind::Binary(BinaryOp::Div, a, b) = &expr.kind {
                let whole = |e: &Expr| matches!(&e.kind, ExprKind::Convert(inner) if inner.ty == Type::INT);
                if whole(a) && whole(b) {
                    let fixed = format!("div({}, {})", self.sources.text(a.span), self.sources.text(b.span));
                    let help = format!("`/` gives a real; the whole quotient is `{fixed}`");
                    return Problem { help, ..problem }.fix(expr.span, fixed);
                }
            }
            return Problem {
                help: format!("round it: `round({text})`, `floor({text})` or `ceil({text})`"),
                ..problem
            };
        }
        if wanted.is_number() && expr.ty == Type::STR {
            let inside = text.trim_matches('"');
            let fits = if wanted == Type::INT { inside.parse::<i64>().is_ok() } else { inside.parse::<f64>().is_ok() };
            if fits {
                return Problem { help: "write a number, without quotes".into(), ..problem }.fix(expr.span, inside);
            }
        }
        if let ExprKind::Str(word) = &expr.kind
            && (wanted == Type::BLOCK || matches!(wanted, Type::LEVEL | Type::INIT) && tables::word(word).is_some())
        {
            return Problem { help: format!("write `{word}`, without quotes"), ..problem }.fix(expr.span, word);
        }
        if let (Type::RANGE, ExprKind::List(ends)) = (wanted, &expr.kind)
            && let [lo, hi] = &ends[..]
        {
            let range = format!("{}..{}", self.sources.text(lo.span), self.sources.text(hi.span));
            return Problem { help: format!("write `{range}`"), ..problem }.fix(expr.span, range);
        }
        if let (Type::BOOL, ExprKind::Int(v @ (0 | 1))) = (wanted, &expr.kind) {
            let word = if *v == 1 { "true" } else { "false" };
            return Problem { help: format!("write `{word}`"), ..problem }.fix(expr.span, word);
        }
        if wanted == Type::BOOL && expr.ty.is_number() {
            return Problem { help: format!("compare it, as in `{text} > 0`"), ..problem };
        }
        if wanted.element() == Some(expr.ty) {
            return Problem { help: format!("put it into brackets: `[{text}]`"), ..problem }
                .fix(expr.span, format!("[{text}]"));
        }
        if wanted == Type::RANGE && expr.ty.is_number() {
            return Problem {
                help: format!("a range has two ends: `{text}..{text}` is the one value, `0..{text}` an interval"),
                ..problem
            };
        }
        Problem { help: format!("give {}", wanted.with_article()), ..problem }
    }

    fn wrong_type(&mut self, expr: &Expr, wanted: &str, help: &str) -> Expr {
        if expr.ty.is_drawn() {
            return self.drawn(expr, "this");
        }
        let message = format!("this is {} where {wanted} is needed", expr.ty.with_article());
        self.problems.push(Problem::error(codes::WRONG_TYPE, expr.span, message, help).here(expr.ty.to_string()));
        Expr::broken(expr.span)
    }

    /// Refuses a draw where only a plain value can stand.
    pub(super) fn drawn(&mut self, expr: &Expr, what: &str) -> Expr {
        let message = format!("{what} takes a value that is known beforehand, and this is random");
        let help = "use a parameter of the rule here, or write the equation without it";
        self.problems.push(Problem::error(codes::BAD_EQUATION, expr.span, message, help).because(FEW_OPERATIONS));
        Expr::broken(expr.span)
    }

    fn name(&mut self, scope: &Scope, name: &str, span: Span) -> Expr {
        let Some(found) = self.find(scope, name) else {
            self.unknown(scope, name, span, false);
            return Expr::broken(span);
        };
        match found {
            Found::Local(slot, ty) => Expr::new(ExprKind::Local(slot), ty, span),
            Found::Site(value) => Expr::new(ExprKind::Site(value), Type::INT, span),
            Found::Word(Word::Level(level)) => Expr::new(ExprKind::Level(level), Type::LEVEL, span),
            Found::Word(Word::Init(init)) => Expr::new(ExprKind::Init(init), Type::INIT, span),
            Found::Item(id) => self.item_value(scope, id, span),
            Found::Layer(_) | Found::Function(_) => {
                let message = format!("`{name}` is {}, not a value", self.describe(&found));
                let help = match found {
                    Found::Layer(_) => format!("blocks are values, layers are not: wrap it, `block b {{ {name} … }}`"),
                    _ => format!("call it: `{name}(…)`"),
                };
                self.problems.push(Problem::error(codes::WRONG_KIND, span, message, help));
                Expr::broken(span)
            }
        }
    }

    fn item_value(&mut self, scope: &Scope, id: ItemId, span: Span) -> Expr {
        match &self.resolved.item(id).kind {
            ItemKind::Const(_) => match self.needed(id, span) {
                Some(Item::Const(c)) => {
                    let ty = c.value.ty;
                    Expr::new(ExprKind::Const(id), ty, span)
                }
                _ => Expr::broken(span),
            },
            ItemKind::Block(_) => {
                let call = BlockCall::Known { block: id, args: super::program::Args::default() };
                Expr::new(ExprKind::Block(call.into()), Type::BLOCK, span)
            }
            ItemKind::Fn(f) if f.params.is_empty() => {
                let callee = Name { text: f.name.text.clone(), span };
                self.fn_call(scope, id, &tree::Call { callee, args: vec![], open: None, span })
            }
            _ => {
                let what = self.describe(&Found::Item(id));
                let name = self.name_of(id).text.clone();
                let help = match what.as_str() {
                    "a function" => format!("call it: `{name}(…)`"),
                    "a regularizer" => format!("`place {name}(…) on residuals` in a model, or call it as a layer"),
                    _ => format!("only a block can be passed as a value; {what} stands after `net`"),
                };
                self.problems.push(Problem::error(
                    codes::WRONG_KIND,
                    span,
                    format!("`{name}` is {what}, not a value"),
                    help,
                ));
                Expr::broken(span)
            }
        }
    }

    fn list(&mut self, scope: &Scope, elements: &[tree::Expr], span: Span) -> Expr {
        let elements: Vec<Expr> = elements.iter().map(|e| self.expr(scope, e)).collect();
        let mut ty = Type::ANY;
        for element in &elements {
            let Some(joined) = ty.join(element.ty) else {
                let help = format!("the elements before it are of type `{ty}`: a list holds one type");
                self.wrong_type(element, &ty.with_article(), &help);
                return Expr::broken(span);
            };
            ty = joined;
        }
        let elements = elements.into_iter().map(|e| self.convert(e, ty, "an element")).collect();
        match self.list_of(ty, span) {
            Type::ANY => Expr::broken(span),
            list => Expr::new(ExprKind::List(elements), list, span),
        }
    }

    fn negation(&mut self, scope: &Scope, x: &tree::Expr, span: Span) -> Expr {
        let x = self.number(scope, x, "`-`");
        let ty = if x.ty == Type::PROB { Type::REAL } else { x.ty };
        Expr::new(ExprKind::Neg(x.into()), ty, span)
    }

    /// A number or a random number.
    fn number(&mut self, scope: &Scope, e: &tree::Expr, what: &str) -> Expr {
        let expr = self.expr(scope, e);
        if expr.ty.is_number() || expr.ty == Type::DRAW {
            return expr;
        }
        self.wrong_type(&expr, "a number", &format!("{what} takes numbers"))
    }

    fn binary(&mut self, scope: &Scope, op: BinaryOp, (a, b): (&tree::Expr, &tree::Expr), span: Span) -> Expr {
        let what = format!("`{}`", op.symbol());
        let make = |a: Expr, b: Expr, ty| Expr::new(ExprKind::Binary(op, a.into(), b.into()), ty, span);
        match op {
            BinaryOp::Or | BinaryOp::And => {
                let a = self.expect(scope, a, Type::BOOL, &what);
                let b = self.expect(scope, b, Type::BOOL, &what);
                make(a, b, Type::BOOL)
            }
            BinaryOp::Eq | BinaryOp::Ne => self.equality(scope, op, (a, b), span),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                let (mut a, mut b) = (self.number(scope, a, &what), self.number(scope, b, &what));
                for side in [&mut a, &mut b] {
                    if side.ty.is_drawn() {
                        *side = self.drawn(side, "a comparison");
                    }
                }
                make(a, b, Type::BOOL)
            }
            BinaryOp::Rem => {
                let a = self.expect(scope, a, Type::INT, &what);
                let b = self.expect(scope, b, Type::INT, &what);
                make(a, b, Type::INT)
            }
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow => {
                let (a, mut b) = (self.number(scope, a, &what), self.number(scope, b, &what));
                if op == BinaryOp::Pow && a.ty.is_drawn() {
                    b = self.convert(b, Type::INT, "the power of a draw");
                } else if op == BinaryOp::Pow && b.ty.is_drawn() {
                    b = self.drawn(&b, "a power");
                }
                let ty = match (a.ty, b.ty) {
                    (Type::DRAW, _) | (_, Type::DRAW) => Type::DRAW,
                    (Type::ANY, _) | (_, Type::ANY) => Type::ANY,
                    (Type::INT, Type::INT) if op != BinaryOp::Div => Type::INT,
                    _ => Type::REAL,
                };
                if ty == Type::REAL {
                    let (a, b) = (self.convert(a, Type::REAL, &what), self.convert(b, Type::REAL, &what));
                    return make(a, b, ty);
                }
                make(a, b, ty)
            }
        }
    }

    fn equality(&mut self, scope: &Scope, op: BinaryOp, (a, b): (&tree::Expr, &tree::Expr), span: Span) -> Expr {
        let (mut a, mut b) = (self.expr(scope, a), self.expr(scope, b));
        for side in [&mut a, &mut b] {
            if side.ty.is_drawn() {
                *side = self.drawn(side, "a comparison");
            }
        }
        for side in [&mut a, &mut b] {
            if side.ty.lists > 0 {
                *side = self.wrong_type(side, "a single value", "compare the elements: `a[0] == b[0]`");
            }
        }
        if a.ty.join(b.ty).is_none() {
            let help = format!("the left side is of type `{}`", a.ty);
            b = self.wrong_type(&b, &a.ty.with_article(), &help);
        }
        Expr::new(ExprKind::Binary(op, a.into(), b.into()), Type::BOOL, span)
    }

    fn choice(&mut self, scope: &Scope, (cond, a, b): (&tree::Expr, &tree::Expr, &tree::Expr), span: Span) -> Expr {
        let cond = self.expect(scope, cond, Type::BOOL, "a condition");
        let (then, otherwise) = (self.expr(scope, a), self.expr(scope, b));
        let Some(ty) = then.ty.join(otherwise.ty) else {
            let help = format!("the other result is of type `{}`: both need one type", then.ty);
            return self.wrong_type(&otherwise, &then.ty.with_article(), &help);
        };
        let then = self.convert(then, ty, "a result");
        let otherwise = self.convert(otherwise, ty, "a result");
        Expr::new(ExprKind::If(If { cond, then, otherwise }.into()), ty, span)
    }

    fn field(&mut self, scope: &Scope, of: &tree::Expr, field: &Name, span: Span) -> Expr {
        if matches!(&of.kind, tree::ExprKind::Name(name) if name == "in") {
            return self.shape_field(scope, field, span);
        }
        let of = self.expr(scope, of);
        if of.ty.base == Base::Any {
            return Expr::broken(span);
        }
        if of.ty != Type::BLOCK {
            return self.wrong_type(&of, "a block", "only blocks have facts, and `in` has channels, height and width");
        }
        if let ExprKind::Block(call) = &of.kind
            && let BlockCall::Known { block, .. } = **call
        {
            let own = self.facts_of.get(&block).map_or(&[][..], Vec::as_slice);
            if let Some((_, fact)) = own.iter().find(|(name, _)| name.text == field.text) {
                let ty = fact.ty;
                return Expr::new(ExprKind::Fact(of.into(), field.clone()), ty, span);
            }
            let names: Vec<String> = own.iter().map(|(name, _)| name.text.clone()).collect();
            let message = format!("`{}` has no fact `{}`", self.name_of(block).text, field.text);
            return self.unknown_fact(message, &names, field);
        }
        if let Some((ty, _)) = self.facts.get(&field.text) {
            return Expr::new(ExprKind::Fact(of.into(), field.clone()), *ty, span);
        }
        let names: Vec<String> = self.facts.keys().cloned().collect();
        self.unknown_fact(format!("no block has a fact `{}`", field.text), &names, field)
    }

    fn unknown_fact(&mut self, message: String, names: &[String], field: &Name) -> Expr {
        let problem = Problem::error(codes::UNKNOWN_NAME, field.span, message, "");
        self.problems.push(match near(&field.text, names.iter().map(String::as_str)) {
            Some(near) => problem.meant(field.span, near),
            None => {
                let known = if names.is_empty() { String::new() } else { format!("; known facts: {}", listed(names)) };
                Problem {
                    help: format!("a block states it in its body: `const {} = …`{known}", field.text), ..problem
                }
            }
        });
        Expr::broken(field.span)
    }

    fn shape_field(&mut self, scope: &Scope, field: &Name, span: Span) -> Expr {
        let Some(axis) = Axis::named(&field.text) else {
            let names: Vec<String> = Axis::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
            let problem = Problem::error(codes::UNKNOWN_NAME, field.span, format!("`in` has no `{}`", field.text), "");
            self.problems.push(match near(&field.text, names.iter().map(String::as_str)) {
                Some(near) => Problem { help: near.question("in."), ..problem.meant(field.span, near) },
                None => Problem { help: format!("it has {}", listed(&names)), ..problem },
            });
            return Expr::broken(span);
        };
        if !scope.has_in {
            let help = "use it in the body of a block or family; elsewhere pass the number as a parameter";
            let problem = Problem::error(codes::WRONG_KIND, span, "no shape reaches this place", help);
            self.problems.push(problem.because("`in` is the shape that reaches a statement of a block or family"));
            return Expr::broken(span);
        }
        Expr::new(ExprKind::In(axis), Type::INT, span)
    }
}
