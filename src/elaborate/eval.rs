//! Expressions to values, with checked arithmetic.

use super::machine::{Frame, Machine, Run, SiteInfo};
use super::value::{BlockValue, Unfit, Value, shown};
use super::{draw, number};
use crate::diag::{Problem, codes};
use crate::net::{Init, Shape};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::MAX_NESTING;
use crate::typing::Type;
use crate::typing::program::{Args, Axis, BlockCall, Expr, ExprKind, Fn, Item, Param, SiteValue};
use crate::typing::tables::{Bounds, Builtin};

/// A block with the arguments of a call, by parameter.
pub(super) struct BoundCall {
    pub block: ItemId,
    pub args: Vec<Option<Value>>,
    pub span: Span,
}

impl<'a> Machine<'a> {
    /// The value of an expression.
    pub fn eval(&mut self, frame: &Frame, e: &'a Expr) -> Run<Value> {
        self.deeper(e.span, |this| this.eval_kind(frame, e))
    }

    fn eval_kind(&mut self, frame: &Frame, e: &'a Expr) -> Run<Value> {
        match &e.kind {
            ExprKind::Broken => Err(super::machine::Stop),
            ExprKind::Int(v) => Ok(Value::Int(*v)),
            ExprKind::Real(v) => Ok(Value::Real(*v)),
            ExprKind::Bool(v) => Ok(Value::Bool(*v)),
            ExprKind::Str(v) => Ok(Value::Str(v.as_str().into())),
            ExprKind::Level(level) => Ok(Value::Level(*level)),
            ExprKind::Init(init) => Ok(Value::Init(*init)),
            ExprKind::Local(slot) => Ok(frame.slots[*slot].clone()),
            ExprKind::Const(id) => self.constant(*id, e.span),
            ExprKind::Site(value) => self.site_value(frame, *value, e.span),
            ExprKind::In(axis) => {
                let shape = frame.input.expect("typing lets `in` stand only where a shape reaches");
                Ok(Value::Int(side(shape, *axis)))
            }
            ExprKind::Block(call) => {
                let BoundCall { block, args, .. } = self.block_call(frame, call, e.span)?;
                self.block_value(block, args, e.span)
            }
            ExprKind::Fact(of, name) => self.fact(frame, of, name),
            ExprKind::List(elements) => {
                let values: Run<Vec<Value>> = elements.iter().map(|e| self.eval(frame, e)).collect();
                Ok(Value::List(values?.into()))
            }
            ExprKind::Range(lo, hi) => self.range(frame, lo, hi, e.span),
            ExprKind::Neg(x) => {
                let x = self.eval(frame, x)?;
                number::negate(x).map_err(|fault| self.stop(fault.at(e.span)))
            }
            ExprKind::Not(x) => Ok(Value::Bool(!self.truth(frame, x)?)),
            ExprKind::Binary(op, a, b) => self.binary(frame, *op, (a, b), e.span),
            ExprKind::If(choice) => {
                let holds = self.truth(frame, &choice.cond)?;
                self.eval(frame, if holds { &choice.then } else { &choice.otherwise })
            }
            ExprKind::Index(list, index) => self.index(frame, list, index),
            ExprKind::Builtin(function, args) => self.builtin(frame, *function, args, e.span),
            ExprKind::Draw(kind, source, level) => self.draw(frame, *kind, (source, level)),
            ExprKind::Call(id, args) => self.fn_call(frame, *id, args, e.span),
            ExprKind::Convert(inner) => {
                let value = self.eval(frame, inner)?;
                self.convert(frame, value, e.ty, "this value", e.span)
            }
        }
    }

    /// A condition.
    pub fn truth(&mut self, frame: &Frame, e: &'a Expr) -> Run<bool> {
        match self.eval(frame, e)? {
            Value::Bool(v) => Ok(v),
            other => unreachable!("typing makes conditions bool, not {other}"),
        }
    }

    /// A whole number.
    pub fn whole(&mut self, frame: &Frame, e: &'a Expr) -> Run<i64> {
        match self.eval(frame, e)? {
            Value::Int(v) => Ok(v),
            other => unreachable!("typing makes this int, not {other}"),
        }
    }

    /// The value that `what` takes, as one of its type.
    pub fn convert(&mut self, frame: &Frame, value: Value, ty: Type, what: &str, span: Span) -> Run<Value> {
        if let (Value::List(values), Some(element)) = (&value, ty.element().filter(|_| ty.lists > 0)) {
            let mut converted = Vec::with_capacity(values.len());
            for value in values.iter() {
                self.step(span)?;
                converted.push(self.convert(frame, value.clone(), element, what, span)?);
            }
            return Ok(Value::List(converted.into()));
        }
        let is = value.with_article();
        value.convert(ty).map_err(|unfit| match unfit {
            Unfit::Probability(p) => {
                let message =
                    format!("{what} is {}{}, and a probability lies in [0, 1]", shown(p), Self::at_site(frame));
                let help = "change the values that it is computed from";
                self.stop(Problem::error(codes::OUT_OF_RANGE, span, message, help))
            }
            Unfit::Type => {
                let message = format!("{what} takes {}, and this is {is}", ty.with_article());
                let help = format!("give {}", ty.with_article());
                self.stop(Problem::error(codes::WRONG_TYPE, span, message, help))
            }
        })
    }

    /// An argument for the parameter `name`, which problems name.
    pub fn argument(&mut self, frame: &Frame, e: &'a Expr, name: &str) -> Run<Value> {
        match &e.kind {
            ExprKind::Convert(inner) => {
                let value = self.eval(frame, inner)?;
                self.convert(frame, value, e.ty, &format!("`{name}`"), e.span)
            }
            _ => self.eval(frame, e),
        }
    }

    /// The arguments of a call that the text writes out, by parameter.
    pub fn arguments(&mut self, frame: &Frame, args: &'a Args, params: &'a [Param]) -> Run<Vec<Option<Value>>> {
        let mut values = vec![None; params.len()];
        for (index, arg) in &args.0 {
            values[*index] = Some(self.argument(frame, arg, &params[*index].name.text)?);
        }
        Ok(values)
    }

    /// Fills a new frame with arguments and defaults.
    pub fn enter(&mut self, callee: &'a Item, args: Vec<Option<Value>>, frame: &mut Frame, call: Span) -> Run<()> {
        let params = params_of(callee);
        for (slot, (param, arg)) in params.iter().zip(args).enumerate() {
            let value = match (arg, &param.default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.argument(frame, default, &param.name.text)?,
                (None, None) => {
                    let (name, callee) = (&param.name.text, callee.name());
                    let message = format!("`{}` needs `{name}`, which nothing gives", callee.text);
                    let help = format!("bind it where the block is passed: `{}({name}: …, ..)`", callee.text);
                    let problem = Problem::error(codes::MISSING_ARGUMENT, call, message, help);
                    return Err(self.stop(problem.label(param.name.span, "the parameter")));
                }
            };
            frame.set(slot, value);
        }
        Ok(())
    }

    /// A block with arguments bound. Blocks that are bound in blocks nest, and so are counted.
    fn block_value(&mut self, block: ItemId, bound: Vec<Option<Value>>, origin: Span) -> Run<Value> {
        let mut depth = 0;
        for value in bound.iter().flatten() {
            depth = depth.max(self.block_depth(value, origin)?);
        }
        if depth >= MAX_NESTING {
            let message = format!("more than {MAX_NESTING} blocks bound in one another");
            return Err(self.stop(Problem::error(codes::TOO_DEEP, origin, message, "bind fewer")));
        }
        Ok(Value::Block(BlockValue { block, bound, depth: depth + 1, origin }.into()))
    }

    fn block_depth(&mut self, value: &Value, span: Span) -> Run<usize> {
        self.step(span)?;
        match value {
            Value::Block(block) => Ok(block.depth),
            Value::List(values) => {
                let mut depth = 0;
                for value in values.iter() {
                    depth = depth.max(self.block_depth(value, span)?);
                }
                Ok(depth)
            }
            Value::Int(_)
            | Value::Real(_)
            | Value::Bool(_)
            | Value::Str(_)
            | Value::Range(..)
            | Value::Level(_)
            | Value::Init(_)
            | Value::Draw(_) => Ok(0),
        }
    }

    /// Which block a call means, with its arguments.
    pub fn block_call(&mut self, frame: &Frame, call: &'a BlockCall, span: Span) -> Run<BoundCall> {
        match call {
            BlockCall::Known { block, args } => {
                let args = self.arguments(frame, args, params_of(self.item(*block)))?;
                Ok(BoundCall { block: *block, args, span })
            }
            BlockCall::Value { value, args, span } => {
                let Value::Block(value) = self.eval(frame, value)? else { unreachable!("typing calls only blocks") };
                self.value_call(frame, &value, args, *span)
            }
        }
    }

    /// A call of a block that is a value: here its arguments meet its parameters.
    fn value_call(
        &mut self,
        frame: &Frame,
        value: &BlockValue,
        args: &'a [(Option<crate::syntax::tree::Name>, Expr)],
        span: Span,
    ) -> Run<BoundCall> {
        let callee = self.item(value.block);
        let params = params_of(callee);
        let mut bound = value.bound.clone();
        bound.resize(params.len(), None);
        let free: Vec<usize> = (0..params.len()).filter(|&i| bound[i].is_none()).collect();
        for (i, (name, arg)) in args.iter().enumerate() {
            let index = match name {
                Some(name) => params.iter().position(|p| p.name.text == name.text),
                None => free.get(i).copied(),
            };
            let place = name.as_ref().map_or(arg.span, |n| n.span);
            let Some(index) = index else {
                return Err(self.unsuited(value, callee, name.as_ref().map(|n| n.text.as_str()), place));
            };
            let param = &params[index];
            if bound[index].is_some() {
                let message = format!("`{}` of `{}` is given twice", param.name.text, callee.name().text);
                let problem = Problem::error(codes::DUPLICATE_ARGUMENT, value.origin, message, "bind it in one place");
                return Err(self.stop(problem.here("bound here").label(place, "and given by the call")));
            }
            let given = self.argument(frame, arg, &param.name.text)?;
            let what = format!("`{}` of the block `{}`", param.name.text, callee.name().text);
            bound[index] = Some(self.convert(frame, given, param.ty, &what, arg.span)?);
        }
        Ok(BoundCall { block: value.block, args: bound, span })
    }

    fn unsuited(
        &mut self,
        value: &BlockValue,
        callee: &'a Item,
        name: Option<&str>,
        place: Span,
    ) -> super::machine::Stop {
        let block = &callee.name().text;
        let (message, help) = match name {
            Some(name) => (
                format!("the block `{block}` has no parameter `{name}`, and is called with one"),
                format!("give it one: `block {block}({name}: …)`"),
            ),
            None => (
                format!("the block `{block}` is called with more arguments than it takes"),
                "give it the parameters that its callers pass".to_owned(),
            ),
        };
        let problem = Problem::error(codes::UNKNOWN_PARAMETER, value.origin, message, help);
        let problem = problem.label(place, "the call").label(callee.name().span, "the block");
        self.stop(problem)
    }

    fn constant(&mut self, id: ItemId, span: Span) -> Run<Value> {
        if let Some(value) = &self.constants[id.index()] {
            return Ok(value.clone());
        }
        let Item::Const(constant) = self.item(id) else { unreachable!("typing reads only constants") };
        let value = self.called(span, |this| this.argument(&Frame::default(), &constant.value, &constant.name.text))?;
        self.constants[id.index()] = Some(value.clone());
        Ok(value)
    }

    fn site_value(&mut self, frame: &Frame, value: SiteValue, span: Span) -> Run<Value> {
        if let SiteValue::Figure(figure) = value {
            let figures = frame.figures.expect("typing lets these stand only in assertions");
            return Ok(Value::Int(figures.get(figure)));
        }
        let site: SiteInfo = frame.site.expect("typing lets these stand only where a rule is placed");
        let number = match value {
            SiteValue::Figure(_) => unreachable!("done above"),
            SiteValue::Place => match site.l {
                Some(l) => l as i64,
                None => {
                    let message = "`l` is not known here: the rule is called outside any residual";
                    let help = "give the argument that is computed from `l` a value of its own";
                    let problem = Problem::error(codes::NO_LEVEL, span, message, help);
                    let reason = "`l` is the place of the residual that a rule stands in";
                    return Err(self.stop(problem.because(reason)));
                }
            },
            SiteValue::Count => site.count as i64,
            SiteValue::Output(axis) => side(site.output, axis),
        };
        Ok(Value::Int(number))
    }

    fn fact(&mut self, frame: &Frame, of: &'a Expr, name: &'a crate::syntax::tree::Name) -> Run<Value> {
        let Value::Block(value) = self.eval(frame, of)? else { unreachable!("typing reads facts of blocks") };
        let Item::Block(block) = self.item(value.block) else { unreachable!("a block value is a block") };
        let Some((_, fact)) = block.facts.iter().find(|(n, _)| n.text == name.text) else {
            let message = format!("the block `{}` has no fact `{}`", block.name.text, name.text);
            let help = format!("state it in the block's body: `const {} = …`", name.text);
            let problem = Problem::error(codes::UNKNOWN_NAME, value.origin, message, help);
            return Err(self.stop(problem.label(name.span, "read here").label(block.name.span, "the block")));
        };
        self.called(name.span, |this| this.eval(&Frame::default(), fact))
    }

    fn range(&mut self, frame: &Frame, lo: &'a Expr, hi: &'a Expr, span: Span) -> Run<Value> {
        let (Some(lo), Some(hi)) = (self.eval(frame, lo)?.number(), self.eval(frame, hi)?.number()) else {
            unreachable!("typing makes the ends numbers")
        };
        if lo > hi {
            let message = format!("the range {}..{} runs backwards", shown(lo), shown(hi));
            let help = format!("write the lower end first: `{}..{}`", shown(hi), shown(lo));
            return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, span, message, help)));
        }
        Ok(Value::Range(lo, hi))
    }

    fn index(&mut self, frame: &Frame, list: &'a Expr, index: &'a Expr) -> Run<Value> {
        let Value::List(values) = self.eval(frame, list)? else { unreachable!("typing indexes only lists") };
        let i = self.whole(frame, index)?;
        match usize::try_from(i).ok().and_then(|i| values.get(i)) {
            Some(value) => Ok(value.clone()),
            None => {
                let message = format!("there is no element {i} in a list of {}", values.len());
                let help = match values.len() {
                    0 => "the list is empty".to_owned(),
                    n => format!("elements are counted from 0: the last one is {}", n - 1),
                };
                let problem = Problem::error(codes::BAD_ARITHMETIC, index.span, message, help);
                Err(self.stop(problem.label(list.span, "the list")))
            }
        }
    }

    fn fn_call(&mut self, frame: &Frame, id: ItemId, args: &'a Args, span: Span) -> Run<Value> {
        self.in_function(frame, (id, args), span, |this, inner, function| match &function.body.kind {
            ExprKind::Convert(body) => {
                let value = this.eval(inner, body)?;
                let params: Vec<&str> = function.params.iter().map(|p| p.name.text.as_str()).collect();
                let what = format!("the result of `{}({})`", function.name.text, params.join(", "));
                this.convert(inner, value, function.body.ty, &what, function.body.span)
            }
            _ => this.eval(inner, &function.body),
        })
    }

    /// What `inside` makes of a function whose parameters have a call's values.
    pub fn in_function<T>(
        &mut self,
        frame: &Frame,
        (id, args): (ItemId, &'a Args),
        span: Span,
        inside: impl FnOnce(&mut Self, &Frame, &'a Fn) -> Run<T>,
    ) -> Run<T> {
        let callee = self.item(id);
        let Item::Fn(function) = callee else { unreachable!("typing calls only functions") };
        let args = self.arguments(frame, args, &function.params)?;
        self.called(span, |this| {
            let mut inner = Frame { site: frame.site, ..Frame::default() };
            this.enter(callee, args, &mut inner, span)?;
            inside(this, &inner, function)
        })
    }

    fn binary(
        &mut self,
        frame: &Frame,
        op: crate::syntax::tree::BinaryOp,
        (a, b): (&'a Expr, &'a Expr),
        span: Span,
    ) -> Run<Value> {
        use crate::syntax::tree::BinaryOp;
        match op {
            BinaryOp::And => return Ok(Value::Bool(self.truth(frame, a)? && self.truth(frame, b)?)),
            BinaryOp::Or => return Ok(Value::Bool(self.truth(frame, a)? || self.truth(frame, b)?)),
            _ => {}
        }
        let (x, y) = (self.eval(frame, a)?, self.eval(frame, b)?);
        if let (Value::Draw(_), _) | (_, Value::Draw(_)) = (&x, &y) {
            return draw::combine(op, x, y, &self.draws).map_err(|fault| {
                let mut problem = fault.at(span);
                problem.message.push_str(&Self::at_site(frame));
                self.stop(problem)
            });
        }
        number::combine(op, &x, &y).map_err(|fault| {
            let mut problem = fault.at(span);
            problem.labels[0].text = format!("{x} {} {y}{}", op.symbol(), Self::at_site(frame));
            self.stop(problem)
        })
    }

    fn builtin(&mut self, frame: &Frame, function: Builtin, args: &'a [Expr], span: Span) -> Run<Value> {
        let values: Run<Vec<Value>> = args.iter().map(|a| self.eval(frame, a)).collect();
        let values = values?;
        let drawn = values.iter().any(|v| matches!(v, Value::Draw(_)));
        let result = match function {
            Builtin::Min | Builtin::Max | Builtin::Sqrt if drawn => draw::apply(function, values, &self.draws),
            Builtin::Normal => {
                let deviation = values[0].number().expect("typing makes this a number");
                Ok(Value::Init(Init::Normal { deviation }))
            }
            Builtin::Len => match &values[0] {
                Value::List(list) => Ok(Value::Int(list.len() as i64)),
                other => unreachable!("typing measures only lists, not {other}"),
            },
            _ => number::apply(function, &values),
        };
        result.map_err(|fault| {
            let mut problem = fault.at(span);
            if !drawn {
                let shown: Vec<String> = values_shown(args, self, frame);
                problem.labels[0].text = shown.join(", ");
            }
            self.stop(problem)
        })
    }

    /// Refuses a number outside the bounds of the parameter `name`.
    pub fn check_bounds(&mut self, value: &Value, name: &str, bounds: Bounds, span: Span) -> Run<()> {
        let numbers: Vec<f64> = match value {
            Value::List(values) => values.iter().filter_map(Value::number).collect(),
            _ => value.number().into_iter().collect(),
        };
        match numbers.iter().find(|v| !bounds.hold(**v)) {
            None => Ok(()),
            Some(v) => {
                let (must, help) = bounds.refusal(*v);
                let message = format!("`{name}` is {}, and {must}", shown(*v));
                Err(self.stop(Problem::error(codes::OUT_OF_RANGE, span, message, help)))
            }
        }
    }
}

/// The values of expressions, as messages show them.
fn values_shown<'a>(args: &'a [Expr], machine: &mut Machine<'a>, frame: &Frame) -> Vec<String> {
    args.iter().filter_map(|a| machine.quietly(|m| m.eval(frame, a))).map(|v| v.to_string()).collect()
}

/// The parameters of an item.
pub(super) fn params_of(item: &Item) -> &[Param] {
    match item {
        Item::Const(_) => &[],
        Item::Fn(f) => &f.params,
        Item::Block(b) => &b.params,
        Item::Rule(r) => &r.params,
        Item::Model(m) => &m.params,
    }
}

fn side(shape: Shape, axis: Axis) -> i64 {
    let side = match axis {
        Axis::Channels => shape.channels,
        Axis::Height => shape.height,
        Axis::Width => shape.width,
    };
    side as i64
}
