//! What to say where a `require` or an `assert` does not hold: the values involved, and the nearest ones that would do.

use super::machine::{Frame, Machine};
use super::names::names;
use super::value::Value;
use crate::diag::{Problem, codes};
use crate::typing::Type;
use crate::typing::program::{Assert, Expr, ExprKind, Require};

/// How far from a whole number its neighbours are tried.
const REACH: i64 = 200;

/// The problem.
pub(super) fn failed<'a>(machine: &mut Machine<'a>, frame: &Frame, require: &'a Require) -> Problem {
    let leaves = names(&require.cond);
    let values = values(machine, frame, &leaves);
    let cond = machine.sources.text(require.cond.span).split_whitespace().collect::<Vec<_>>().join(" ");
    let help = match neighbours(machine, frame, require, &leaves) {
        Some(help) => help,
        None => format!("choose values for which `{cond}` holds"),
    };
    let message = format!("{}{}", require.message, Machine::at_site(frame));
    let problem = Problem::error(codes::REQUIRE_FAILED, require.cond.span, message, help);
    if values.is_empty() { problem } else { problem.here(values) }
}

/// The problem of an assertion about the model with this name.
pub(super) fn refuted<'a>(machine: &mut Machine<'a>, frame: &Frame, assert: &'a Assert, model: &str) -> Problem {
    let values = values(machine, frame, &names(&assert.cond));
    let message = match &assert.message {
        Some(message) => message.clone(),
        None => format!("an assertion about `{model}` does not hold"),
    };
    let help = "change the network until it is as asserted, or assert what it is now meant to be";
    let problem = Problem::error(codes::ASSERTION_FAILED, assert.cond.span, message, help);
    if values.is_empty() { problem } else { problem.here(values) }
}

/// `depth = 100, n = 16`, once each.
fn values<'a>(machine: &mut Machine<'a>, frame: &Frame, leaves: &[&'a Expr]) -> String {
    let mut values: Vec<String> = Vec::new();
    for leaf in leaves {
        let Some(value) = machine.quietly(|m| m.eval(frame, leaf)) else { continue };
        let shown = format!("{} = {value}", machine.sources.text(leaf.span));
        if !matches!(value, Value::Block(_)) && !values.contains(&shown) {
            values.push(shown);
        }
    }
    values.join(", ")
}

/// Where one whole number decides: its nearest values for which the condition holds.
fn neighbours<'a>(
    machine: &mut Machine<'a>,
    frame: &Frame,
    require: &'a Require,
    leaves: &[&'a Expr],
) -> Option<String> {
    let mut numbers = leaves.iter().filter_map(|leaf| match leaf.kind {
        ExprKind::Local(slot) if leaf.ty == Type::INT => Some((slot, machine.sources.text(leaf.span))),
        _ => None,
    });
    let (slot, name) = numbers.next()?;
    if numbers.any(|(other, _)| other != slot) {
        return None;
    }
    let Value::Int(now) = frame.slots[slot] else { return None };
    let mut holds = |candidate: i64| {
        let mut changed = frame.clone();
        changed.set(slot, Value::Int(candidate));
        machine.quietly(|m| m.truth(&changed, &require.cond)) == Some(true)
    };
    let below = (1..=REACH).map(|d| now - d).take_while(|v| *v > 0).find(|v| holds(*v));
    let above = (1..=REACH).map(|d| now + d).find(|v| holds(*v));
    match (below, above) {
        (Some(a), Some(b)) => Some(format!("the nearest `{name}` that fit are {a} and {b}")),
        (Some(a), None) | (None, Some(a)) => Some(format!("the nearest `{name}` that fits is {a}")),
        (None, None) => None,
    }
}
