//! Where a rule stands, and what its parameters are there.

use super::{Path, Rule, Shape};
use crate::source::Span;

/// A rule at its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Names the streams of its draws, with the draw's number.
    pub path: Path,
    /// The rule with this site's numbers in it.
    pub rule: Rule,
    /// The rule's call as the text has it (`shakedrop(p: linear_decay(l, L))`), so that a printed network does not
    /// change at every site when a block is appended.
    pub call: String,
    /// The values of the rule's parameters here, in their order.
    pub arguments: Vec<Argument>,
    /// The residual's `l`; none for a rule called as a layer outside residuals.
    pub l: Option<usize>,
    /// What it multiplies.
    pub shape: Shape,
    /// The placement or call in the text.
    pub span: Span,
}

/// A parameter of a rule at one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value as the call, or the parameter's default, has it: `linear_decay(l, L)`.
    pub expression: String,
    /// What is computed in the end, with this site's numbers: `1 - 12 / 54 * (1 - 0.5)`.
    pub worked: String,
    /// What that is at this site.
    pub value: String,
    /// The expression in the text.
    pub span: Span,
}
