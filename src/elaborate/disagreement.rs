//! Arms that cannot be summed: each with its shape at its own line, and the shortcut that would fit.
//!
//! Where the branch's width and stride are written as values of the program (`width`, `stride`), so is the shortcut, and
//! it stands away where nothing changes: what is proposed fits every call of a block, not this one alone.

use super::machine::{Frame, Machine};
use super::value::Value;
use crate::diag::{Problem, codes};
use crate::net::{Arm, Shape};
use crate::source::{Sources, Span};
use crate::syntax::tree::ArmKind;
use crate::typing::program::{ArmStmt, Expr, ExprKind, StmtKind};

/// The word that a residual begins with.
const RESIDUAL: &str = "residual";

/// The arms of a residual.
pub(super) struct Summed<'b> {
    pub branches: &'b [Arm],
    /// What the branches are added to; where the text has none, its place is the residual's.
    pub shortcut: &'b Arm,
    pub input: Shape,
    /// The whole residual.
    pub span: Span,
}

/// How a branch writes its width and its stride, where it does.
#[derive(Default)]
struct Words<'a> {
    width: Option<&'a Expr>,
    stride: Option<&'a Expr>,
    /// Whether they may not hold for another call of the same block: one is a number, or several layers stride and which
    /// of them does may differ.
    of_one_call: bool,
}

impl Summed<'_> {
    fn has_shortcut(&self) -> bool {
        self.shortcut.span != self.span
    }
}

impl<'a> Machine<'a> {
    /// Says that arms cannot be summed.
    pub fn disagreement(&mut self, frame: &Frame, arms: &'a [ArmStmt], summed: &Summed<'_>) -> Problem {
        let Summed { branches, shortcut, input, span } = summed;
        // Where a branch agrees with the shortcut, the branches that do not are the odd ones.
        let agreed = branches.iter().map(|b| b.output).find(|o| *o == shortcut.output).unwrap_or(branches[0].output);
        let odd = branches.iter().find(|b| b.output != agreed);
        let message = "the arms of this residual are summed, and their shapes differ";
        let place = odd.unwrap_or(&branches[0]).span;
        let mut problem = Problem::error(codes::SHAPES_DISAGREE, place, message, "");
        problem = match odd {
            Some(_) => Problem { help: "give every branch the same width and the same strides".into(), ..problem },
            None => self.propose(problem, frame, arms, summed),
        };
        let mut said = Vec::new();
        for arm in *branches {
            let words = format!("this branch gives {}", arm.output);
            if said.contains(&(arm.span, arm.output)) {
                continue;
            }
            let first = arm.span == place && said.iter().all(|(span, _)| *span != place);
            said.push((arm.span, arm.output));
            problem = if first { problem.here(words) } else { problem.label(arm.span, words) };
        }
        match summed.has_shortcut() {
            true => problem.label(shortcut.span, format!("the shortcut gives {}", shortcut.output)),
            false => {
                let word = Span { end: span.start + RESIDUAL.len() as u32, ..*span };
                problem.label(word, format!("no shortcut: the input passes as {input}"))
            }
        }
    }

    /// Adds the shortcut that would fit.
    fn propose(&mut self, problem: Problem, frame: &Frame, arms: &'a [ArmStmt], summed: &Summed<'_>) -> Problem {
        let (input, branch) = (summed.input, summed.branches[0].output);
        let stride = |from: usize, to: usize| (1..=from).find(|s| from.div_ceil(*s) == to);
        let strides = (stride(input.height, branch.height), stride(input.width, branch.width));
        let down = match strides {
            (Some(down), Some(right)) if down == right => down,
            (Some(_), Some(_)) => {
                let help =
                    format!("the branch makes {branch} of {input}: no one stride does that, look at its strides");
                return Problem { help, ..problem };
            }
            (None, _) | (_, None) => {
                let help = format!("the branch makes {branch} of {input}: look at its strides and borders");
                return Problem { help, ..problem };
            }
        };
        let in_its_place = if summed.has_shortcut() { " in its place" } else { "" };
        if branch == input {
            let help = format!("a shortcut that fits{in_its_place}: none at all, the identity");
            return Problem { help, ..problem };
        }
        let words = self.words(frame, arms, branch.channels, down);
        let projection = self.projection(&words, branch.channels, down);
        let padded = padding(input, branch, down).map_or(String::new(), |p| format!(" or `{p}`"));
        let help = format!("a shortcut that fits{in_its_place}: `{projection}`{padded}");
        let problem = Problem { help, ..problem };
        if summed.has_shortcut() || words.of_one_call && !self.trace.is_empty() {
            return problem;
        }
        match insertion(self.sources, summed.span, &projection) {
            Some((place, text)) => problem.fix(place, text),
            None => problem,
        }
    }

    /// `shortcut { conv1x1(…); bn }`, in the words of the branch.
    fn projection(&self, &Words { width, stride, .. }: &Words<'_>, channels: usize, down: usize) -> String {
        let named = |e: &Option<&Expr>| e.is_some_and(|e| !matches!(e.kind, ExprKind::Int(_)));
        let mut changes = Vec::new();
        if named(&stride) {
            changes.push(format!("{} > 1", self.text_of(stride, down)));
        }
        if named(&width) && (down == 1 || named(&stride)) {
            changes.push(format!("in.channels != {}", self.text_of(width, channels)));
        }
        let step = if down > 1 || named(&stride) {
            format!(", stride: {}", self.text_of(stride, down))
        } else {
            String::new()
        };
        let layers = format!("conv1x1({}{step}); bn", self.text_of(width, channels));
        match changes[..] {
            [] => format!("shortcut {{ {layers} }}"),
            _ => format!("shortcut {{ if {} {{ {layers} }} }}", changes.join(" or ")),
        }
    }

    fn text_of(&self, e: Option<&Expr>, value: usize) -> String {
        e.map_or(value.to_string(), |e| self.sources.text(e.span).to_owned())
    }

    /// How the first branch writes its width and its stride, where it does so in one place outside of `let`s and loops.
    fn words(&mut self, frame: &Frame, arms: &'a [ArmStmt], channels: usize, down: usize) -> Words<'a> {
        let body = arms.iter().find_map(|arm| match arm {
            ArmStmt::Arm { kind: ArmKind::Branch, body, .. } => Some(body),
            ArmStmt::Arm { .. } | ArmStmt::For(_) | ArmStmt::If(_) | ArmStmt::Let { .. } => None,
        });
        let body = body.map_or(&[][..], Vec::as_slice);
        if body.iter().any(|stmt| matches!(stmt.kind, StmtKind::Let { .. })) {
            return Words { of_one_call: true, ..Words::default() };
        }
        let mut words = Words::default();
        let mut strides = 0;
        for stmt in body {
            let StmtKind::Layer { layer, args, .. } = &stmt.kind else { continue };
            for (index, arg) in &args.0 {
                let found = match layer.params[*index].name {
                    "out" => (channels, &mut words.width),
                    "stride" => {
                        strides += 1;
                        (down, &mut words.stride)
                    }
                    _ => continue,
                };
                let value = self.quietly(|m| m.eval(frame, arg));
                if matches!(value, Some(Value::Int(v)) if usize::try_from(v) == Ok(found.0)) {
                    *found.1 = Some(arg);
                }
            }
        }
        words.of_one_call = words.width.is_none() || strides > 1 || down > 1 && words.stride.is_none();
        words
    }
}

/// The shortcut without weights, where one fits: averaged, zero channels appended.
fn padding(input: Shape, branch: Shape, down: usize) -> Option<String> {
    let even = down == 1 || (input.height.is_multiple_of(down) && input.width.is_multiple_of(down));
    if branch.channels < input.channels || !even {
        return None;
    }
    let size = (down > 1).then(|| format!("avg_pool({down})"));
    let wide = (branch.channels > input.channels).then(|| format!("pad_channels({})", branch.channels));
    let parts: Vec<String> = size.into_iter().chain(wide).collect();
    Some(format!("shortcut {{ {} }}", parts.join("; ")))
}

/// Where in a residual a further arm goes, and how it is written there: on its own line if the closing brace has one.
fn insertion(sources: &Sources, residual: Span, arm: &str) -> Option<(Span, String)> {
    let text = sources.text(residual);
    let brace = text.rfind('}')?;
    let last = text[..brace].trim_end();
    let at = residual.start as usize + last.len();
    let place = Span::new(residual.source, at, at);
    let Some((_, indent)) = text[last.len()..brace].rsplit_once('\n') else { return Some((place, format!(" {arm}"))) };
    Some((place, format!("\n{indent}    {arm}")))
}
