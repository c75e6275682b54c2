//! A plan as text: a kernel a paragraph, expressions as a person writes them, buffers by name. An inserted layer adds
//! its own paragraphs and changes no other (offsets and sizes of the arena are left out).

use std::fmt::{self, Write as _};

use super::{
    Binary, Body, BufferId, Contraction, Distribution, Domain, Draw, Expr, Gather, Map, Operand, Param, Pass, Place,
    Plan, ReduceOp, Target, Unary, Value, When,
};
use crate::net::recipe::Every;
use crate::num::draw::bernoulli_probability;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kernel in &self.kernels {
            match &kernel.body {
                Body::Map(map) => {
                    writeln!(f, "map {} over {}", map.name, domain(map.domain))?;
                    when(f, &kernel.when)?;
                    body(f, self, map, "  ")?;
                }
                Body::Contraction(k) => contraction(f, self, k, &kernel.when)?,
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn when(f: &mut fmt::Formatter<'_>, when: &When) -> fmt::Result {
    let list = |gates: &[Draw], with: &str| gates.iter().map(drawn).collect::<Vec<_>>().join(with);
    match when {
        When::Always => Ok(()),
        When::Open(gates) => writeln!(f, "  runs where {} is 1", list(gates, " and ")),
        When::Closed(gates) => writeln!(f, "  runs where {} is 0", list(gates, " or ")),
    }
}

fn contraction(f: &mut fmt::Formatter<'_>, plan: &Plan, k: &Contraction, runs: &When) -> fmt::Result {
    let s = &k.sizes;
    let (pass, operands, weight, result) = match &k.pass {
        Pass::Forward { x, weight, y } => ("forward", vec![("x", x)], Some(*weight), *y),
        Pass::ToInput { dy, weight, dx } => ("to input", vec![("dy", dy)], Some(*weight), *dx),
        Pass::ToWeight { x, dy, dweight } => ("to weight", vec![("x", x), ("dy", dy)], None, *dweight),
    };
    write!(f, "contraction {} {pass} {} x {} x {} to ", k.name, s.inputs, s.height, s.width)?;
    write!(f, "{} x {} x {}, kernel {} stride {}", s.outputs, s.out_height, s.out_width, s.kernel, s.stride)?;
    writeln!(f, " pad {} dilation {} groups {}", s.pad, s.dilation, s.groups)?;
    when(f, runs)?;
    for (name, operand) in operands {
        match operand {
            Operand::Stored(id) => writeln!(f, "  {name} = {}", buffer(plan, *id))?,
            Operand::Computed(map) => {
                writeln!(f, "  {name} computed plane by plane:")?;
                body(f, plan, map, "    ")?;
            }
        }
    }
    if let Some(weight) = weight {
        writeln!(f, "  weight = {}", buffer(plan, weight))?;
    }
    writeln!(f, "  into {}", buffer(plan, result))?;
    if let Some(map) = &k.epilogue {
        writeln!(f, "  then on each plane:")?;
        body(f, plan, map, "    ")?;
    }
    Ok(())
}

fn domain(domain: Domain) -> String {
    match domain {
        Domain::Feature { channels, height, width } => format!("N x {channels} x {height} x {width}"),
        Domain::Channel { channels } => format!("{channels} channels"),
        Domain::Image { channels } => format!("N rows of {channels}"),
        Domain::Flat { len } => format!("{len} elements"),
    }
}

fn buffer(plan: &Plan, id: BufferId) -> &str {
    &plan.buffer(id).name
}

/// The stores of a map. A value that is used more than once, or is long, gets a line of its own.
fn body(f: &mut fmt::Formatter<'_>, plan: &Plan, map: &Map, indent: &str) -> fmt::Result {
    let mut uses = vec![0usize; map.exprs.len()];
    map.exprs.iter().flat_map(Expr::operands).for_each(|v| uses[v.index()] += 1);
    let mut printer = Printer { plan, map, text: Vec::with_capacity(map.exprs.len()), named: 0 };
    for (i, expr) in map.exprs.iter().enumerate() {
        let text = printer.expr(expr);
        let leaf = expr.operands().next().is_none();
        let reduce = matches!(expr, Expr::Reduce { .. });
        let line = !leaf && (uses[i] > 1 || text.0.len() > 100 || reduce);
        if line {
            let name = format!("t{}", printer.named);
            printer.named += 1;
            writeln!(f, "{indent}{name} = {}", text.0)?;
            printer.text.push((name, true));
        } else {
            printer.text.push(text);
        }
    }
    for store in &map.stores {
        let target = match store.target {
            Target::Point(id) => format!("{}[n, c, h, w]", buffer(plan, id)),
            Target::Plane(id) => format!("{}[n, c]", buffer(plan, id)),
            Target::Image(id) => format!("{}[n]", buffer(plan, id)),
            Target::Channel(id) => format!("{}[c]", buffer(plan, id)),
            Target::Flat(id) => format!("{}[i]", buffer(plan, id)),
            Target::Chunk(id) => format!("{}[task]", buffer(plan, id)),
            Target::Tile => "tile[h, w]".to_owned(),
        };
        let unless = store.unless.map_or(String::new(), |draw| format!(" unless {} is 1", drawn(&draw)));
        writeln!(f, "{indent}{target} = {}{unless}", printer.text[store.value.index()].0)?;
    }
    Ok(())
}

/// A number of the step.
fn number(param: Param) -> String {
    match param {
        Param::Rate => "rate".to_owned(),
        Param::Batch => "N".to_owned(),
        Param::Begins(Every(every)) => format!("begins({every})"),
        Param::Ends(Every(every)) => format!("ends({every})"),
        Param::Correction { beta, every: Every(every) } => format!("correction({beta}, {every})"),
        Param::Averaging { decay, every: Every(every) } => format!("averaging({decay}, {every})"),
    }
}

struct Printer<'a> {
    plan: &'a Plan,
    map: &'a Map,
    /// Each value's text, and whether it binds tightest.
    text: Vec<(String, bool)>,
    named: usize,
}

impl Printer<'_> {
    fn expr(&self, expr: &Expr) -> (String, bool) {
        let operand = |v: Value| {
            let (text, tight) = &self.text[v.index()];
            if *tight { text.clone() } else { format!("({text})") }
        };
        let plain = |v: Value| self.text[v.index()].0.clone();
        match expr {
            Expr::Const(x) => (format!("{x:?}"), *x >= 0.0),
            Expr::Param(param) => (number(*param), true),
            Expr::Load { buffer: id, at } => {
                let name = buffer(self.plan, *id);
                let place = match at {
                    Place::Point => "[n, c, h, w]".to_owned(),
                    Place::Plane => "[n, c]".to_owned(),
                    Place::Channel => "[c]".to_owned(),
                    Place::Flat => "[i]".to_owned(),
                    Place::Reshaped { .. } => "[n, the same element]".to_owned(),
                    Place::Moved { by: 0, .. } => "[n, c or 0, h, w]".to_owned(),
                    Place::Moved { by, .. } if *by > 0 => format!("[n, c - {by} or 0, h, w]"),
                    Place::Moved { by, .. } => format!("[n, c + {} or 0, h, w]", -by),
                };
                (format!("{name}{place}"), true)
            }
            Expr::Gather { buffer: id, gather, .. } => (self.gather(buffer(self.plan, *id), gather), true),
            Expr::Draw(draw) => (drawn(draw), true),
            Expr::Unary(Unary::Neg, a) => (format!("-{}", operand(*a)), false),
            Expr::Unary(Unary::Sqrt, a) => (format!("sqrt({})", plain(*a)), true),
            Expr::Unary(Unary::Exp, a) => (format!("exp({})", plain(*a)), true),
            Expr::Unary(Unary::Ln, a) => (format!("ln({})", plain(*a)), true),
            Expr::Binary(op, a, b) => match op {
                Binary::Add => (format!("{} + {}", operand(*a), operand(*b)), false),
                Binary::Sub => (format!("{} - {}", operand(*a), operand(*b)), false),
                Binary::Mul => (format!("{} * {}", operand(*a), operand(*b)), false),
                Binary::Div => (format!("{} / {}", operand(*a), operand(*b)), false),
                Binary::Min => (format!("min({}, {})", plain(*a), plain(*b)), true),
                Binary::Max => (format!("max({}, {})", plain(*a), plain(*b)), true),
            },
            Expr::Select { cond, then, otherwise } => {
                let zero = matches!(self.map.expr(*otherwise), Expr::Const(0.0));
                let otherwise = if zero { "0".to_owned() } else { plain(*otherwise) };
                (format!("if {} > 0 {{ {} }} else {{ {otherwise} }}", plain(*cond), plain(*then)), false)
            }
            Expr::Mask(a) => (format!("masked({})", plain(*a)), true),
            Expr::Reduce { over, op, body } => {
                let op = match op {
                    ReduceOp::Sum => "sum",
                    ReduceOp::Max => "max",
                    ReduceOp::First => "first",
                };
                let axis = match over {
                    super::Axis::Batch => "n",
                    super::Axis::Channels => "c",
                    super::Axis::Pixels => "h, w",
                };
                (format!("{op} over {axis} of {}", operand(*body)), false)
            }
        }
    }

    fn gather(&self, name: &str, gather: &Gather) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = match gather {
            Gather::Shift { down, right } => write!(out, "{name}[n, c, h - {down} or 0, w - {right} or 0]"),
            Gather::Subsample { stride } => write!(out, "{name}[n, c, {stride} h, {stride} w]"),
            Gather::Spread { stride } => write!(out, "{name}[n, c, h / {stride} or 0, w / {stride} or 0]"),
            Gather::WindowSum(w) => {
                write!(out, "window_sum({name}, kernel {} stride {} pad {})", w.kernel, w.stride, w.pad)
            }
            Gather::WindowMax(w) => {
                write!(out, "window_max({name}, kernel {} stride {} pad {})", w.kernel, w.stride, w.pad)
            }
            Gather::WindowSumBack(w) => {
                write!(out, "window_sum_back({name}, kernel {} stride {} pad {})", w.kernel, w.stride, w.pad)
            }
            Gather::WindowMaxBack { window: w, x } => {
                let x = buffer(self.plan, *x);
                write!(out, "window_max_back({name}, {x}, kernel {} stride {} pad {})", w.kernel, w.stride, w.pad)
            }
        };
        out
    }
}

/// A draw with its stream's hash: the site's path stands in the map's name and in the network.
fn drawn(draw: &Draw) -> String {
    let (stream, level) = (draw.stream.0, draw.level);
    match draw.distribution {
        Distribution::Bernoulli { threshold } => {
            format!("bernoulli({:?}, per {level}, stream {stream:016x})", bernoulli_probability(threshold))
        }
        Distribution::Uniform { lo, width } => {
            format!("uniform({lo:?} + {width:?} u, per {level}, stream {stream:016x})")
        }
    }
}
