//! Slips in values: calls and their arguments, numbers, names, operators.

use sdc::syntax::tree::{self, Expr, ExprKind};

use super::{Operator, Walk};

impl Walk<'_> {
    pub(super) fn call(&mut self, call: &tree::Call) {
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

    pub(super) fn args(&mut self, args: &[tree::Arg], open: bool, callee: &str) {
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
    pub(super) fn argument(&mut self, name: &str, value: &Expr) {
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

    pub(super) fn condition(&mut self, cond: &Expr) {
        self.replace(Operator::WrongType, cond.span, "3");
        self.expr(cond);
    }

    pub(super) fn expr(&mut self, expr: &Expr) {
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
}

/// Whether an argument is given by this name.
pub(super) fn named(arg: &tree::Arg, name: &str) -> bool {
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
