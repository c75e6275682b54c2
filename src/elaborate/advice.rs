//! Warnings that know the papers: placements that run, and against which the authors of the rule advise.
//!
//! - A factor that changes a branch's size or sign needs a branch that ends in `bn` (Yamada et al. 2019, section 4).
//! - The probability to keep falls from the first residual to the last, p_l = 1 - l/L (1 - P) with l from 1 (Huang et al.
//!   2016, section 3 and equation 4): one that rises is mostly the probability to drop, one that begins at 1 mostly
//!   counts l from 0, and one that is 0 takes the branch out of the network.
//!
//! Absence: nothing is refused here.

use super::machine::Machine;
use super::place::Chosen;
use super::value::shown;
use crate::diag::{Problem, codes, counted};
use crate::net::rule::Distribution;
use crate::net::{Arm, Draw, Factor, LayerOp, Node, Residual, Rule};
use crate::typing::program::{Expr, ExprKind, Item, Place};

impl<'a> Machine<'a> {
    /// Warns where a paper advises against a placement; `chosen` are its rules by rising `l`.
    pub(super) fn advise(&mut self, place: &'a Place, residuals: &[&Residual], chosen: &[Chosen]) {
        if chosen.iter().all(|c| never_drawn(&c.instance.rule)) {
            let message = format!("`{}` multiplies by 1 everywhere", place.rule.name.text);
            let help = "lower its probability, or remove the placement";
            self.problems.push(Problem::warning(codes::NEVER_DRAWN, place.span, message, help));
            return;
        }
        let of_decay =
            rising(place, chosen).or_else(|| never_kept(place, chosen)).or_else(|| self.first_kept(place, chosen));
        let of_branch = without_bn(place, residuals, chosen);
        of_decay.into_iter().chain(of_branch).for_each(|warning| self.problems.push(warning));
    }

    /// A formula of the program's own by which the first residual is always kept and a later one is not.
    fn first_kept(&self, place: &'a Place, chosen: &[Chosen]) -> Option<Problem> {
        let kept = |keep: &[f64]| chosen[0].l == 1 && keep[0] == 1.0 && keep.last().is_some_and(|p| *p < 1.0);
        gates(chosen).into_iter().find(|keep| kept(keep))?;
        let Item::Rule(rule) = self.item(place.rule.rule) else { return None };
        let given = &place.rule.args.0;
        let left = rule.params.iter().enumerate().filter(|(i, _)| given.iter().all(|(index, _)| index != i));
        let values = given.iter().map(|(_, value)| value).chain(left.filter_map(|(_, param)| param.default.as_ref()));
        if values.into_iter().any(|value| self.has_published_name(value, MAX_CALLS)) {
            return None;
        }
        let message = format!("`{}` always keeps the first residual", place.rule.name.text);
        let help = "count l from 1, as `linear_decay(l, L)` does, or say by its name that the first is always kept: \
                    `linear_decay_open(l, L)` or `linear_decay_from_first(l, L)`";
        let reason = "l counts from 1 and p_1 = 1 - (1 - P) / L (Huang et al. 2016, equation 4); a formula with p_1 = 1 \
                      mostly comes from code that counts from 0";
        Some(Problem::warning(codes::FIRST_KEPT, place.rule.span, message, help).because(reason))
    }

    /// Whether a value comes from a function of the standard library, so that its form is meant.
    fn has_published_name(&self, value: &Expr, calls: usize) -> bool {
        match &value.kind {
            ExprKind::Convert(inner) | ExprKind::Neg(inner) => self.has_published_name(inner, calls),
            ExprKind::Binary(_, a, b) => self.has_published_name(a, calls) || self.has_published_name(b, calls),
            ExprKind::Builtin(_, args) => args.iter().any(|arg| self.has_published_name(arg, calls)),
            ExprKind::If(choice) => {
                self.has_published_name(&choice.then, calls) || self.has_published_name(&choice.otherwise, calls)
            }
            ExprKind::Call(id, _) => match self.item(*id) {
                item if self.program.library.contains(&item.name().span.source) => true,
                Item::Fn(f) if calls > 0 => self.has_published_name(&f.body, calls - 1),
                _ => false,
            },
            _ => false,
        }
    }
}

/// How many functions of the program are looked through for one of the standard library.
const MAX_CALLS: usize = 8;

/// For each Bernoulli draw of a placement's rule: the probability, residual by residual, of the outcome that keeps.
fn gates(chosen: &[Chosen]) -> Vec<Vec<f64>> {
    let first = &chosen[0].instance.rule;
    let keep = |i: usize| -> Option<Vec<f64>> {
        let opens = opens(first, i)?;
        let of = |c: &Chosen| match c.instance.rule.draws.get(i)?.distribution {
            Distribution::Bernoulli { p } => Some(if opens { p } else { 1.0 - p }),
            Distribution::Uniform { .. } => None,
        };
        chosen.iter().map(of).collect()
    };
    (0..first.draws.len()).filter_map(keep).collect()
}

/// Whether a Bernoulli draw keeps the branch where it is 1 (true) or where it is 0; none where it does neither.
fn opens(rule: &Rule, draw: usize) -> Option<bool> {
    let mean = |p: f64| {
        let mut rule = rule.clone();
        rule.draws[draw].distribution = Distribution::Bernoulli { p };
        rule.mean_forward(0).ok()
    };
    if !matches!(rule.draws[draw].distribution, Distribution::Bernoulli { .. }) {
        return None;
    }
    let (open, closed) = (mean(1.0)?, mean(0.0)?);
    (open != closed).then_some(open > closed)
}

/// A probability to keep that rises with depth.
fn rising(place: &Place, chosen: &[Chosen]) -> Option<Problem> {
    let rises = |keep: &Vec<f64>| keep.is_sorted() && keep.first() < keep.last();
    let keep = gates(chosen).into_iter().find(rises)?;
    let (first, last) = (chosen.first()?, chosen.last()?);
    let message = format!(
        "`{}` keeps the later residuals more often than the earlier ones: {} at l = {}, {} at l = {}",
        place.rule.name.text,
        shown(*keep.first()?),
        first.l,
        shown(*keep.last()?),
        last.l
    );
    let help = "p is the probability to keep; where it is meant to drop, write `1 - …`, or `linear_decay(l, L)` for the \
                published line";
    let reason = "the probability to keep falls with depth, because later residuals build on the features of the early \
                  ones (Huang et al. 2016, section 3)";
    Some(Problem::warning(codes::RISING_DECAY, place.rule.span, message, help).because(reason))
}

/// A residual with a branch whose factor is 0 whatever is drawn.
fn never_kept(place: &Place, chosen: &[Chosen]) -> Option<Problem> {
    let dead = |c: &&Chosen| c.instance.rule.forward.iter().any(|f| f.range(&c.instance.rule.draws) == (0.0, 0.0));
    let first = chosen.iter().find(dead)?;
    let message = format!("`{}` is always 0 at l = {}: the branch there never counts", place.rule.name.text, first.l);
    let help =
        "end the decay above 0, as `linear_decay(l, L)` does with P = 0.5, or leave the residual out with `where`";
    let reason = "a branch that is never kept learns nothing; the published line ends at P = 0.5 \
                  (Huang et al. 2016, section 4)";
    Some(Problem::warning(codes::NEVER_KEPT, place.rule.span, message, help).because(reason))
}

/// Branches that a factor shakes and that do not end in `bn`.
fn without_bn(place: &Place, residuals: &[&Residual], chosen: &[Chosen]) -> Option<Problem> {
    let shaken = chosen.iter().filter(|c| perturbs(&c.instance.rule));
    let bare: Vec<&Arm> = shaken.flat_map(|c| residuals[c.l - 1].branches.iter().filter(|b| !ends_in_bn(b))).collect();
    let first = bare.first()?;
    let message =
        format!("`{}` shakes {} not ending in `bn`", place.rule.name.text, counted(bare.len(), "branch", "branches"));
    let help = "end the branch in `bn` (`end_bn: true` of `wrn`), and apply no `relu` after it";
    let reason = "a factor that changes the size or sign of a branch needs a normalised branch: otherwise training can \
                  diverge (Yamada et al. 2019, section 4)";
    let problem = Problem::warning(codes::NO_END_BN, place.span, message, help);
    Some(problem.because(reason).label(first.span, "such a branch"))
}

/// Whether the last of an arm that computes anything is a batch normalisation; gates, pooling and rules are looked
/// through.
fn ends_in_bn(arm: &Arm) -> bool {
    body_ends_in_bn(&arm.body) == Some(true)
}

/// None where everything in it is looked through.
fn body_ends_in_bn(body: &[Node]) -> Option<bool> {
    body.iter().rev().find_map(|node| match node {
        Node::Layer(layer) => match &layer.op {
            LayerOp::BatchNorm { .. } => Some(true),
            LayerOp::AvgPool(_)
            | LayerOp::MaxPool(_)
            | LayerOp::GlobalAvgPool
            | LayerOp::PadChannels { .. }
            | LayerOp::Subsample { .. }
            | LayerOp::Shift { .. }
            | LayerOp::Flatten
            | LayerOp::Rule(_) => None,
            LayerOp::Conv(_) | LayerOp::Linear { .. } | LayerOp::Activation(_) => Some(false),
        },
        Node::Group(group) => body_ends_in_bn(&group.body),
        Node::Gate(_) => None,
        Node::Residual(_) => Some(false),
        Node::Concat(concat) => Some(concat.arms.iter().all(ends_in_bn)),
    })
}

/// Whether a rule is 1 whatever is drawn.
fn never_drawn(rule: &Rule) -> bool {
    rule.forward.iter().chain(&rule.backward).all(|f| f.range(&rule.draws) == (1.0, 1.0))
}

/// The most Bernoulli draws whose outcomes are tried one by one.
const MAX_GATES: usize = 10;

/// Whether a rule perturbs the size or sign of what it multiplies: more than dropping it, or scaling it by one number.
fn perturbs(rule: &Rule) -> bool {
    rule.forward.iter().chain(&rule.backward).any(|factor| {
        let mut used = Vec::new();
        collect_draws(factor, &mut used);
        let varies = |i: &usize| rule.draws[*i].distribution.range().0 < rule.draws[*i].distribution.range().1;
        let (gates, uniform): (Vec<usize>, Vec<usize>) = used
            .into_iter()
            .filter(varies)
            .partition(|&i| matches!(rule.draws[i].distribution, Distribution::Bernoulli { .. }));
        !uniform.is_empty() || gates.len() > MAX_GATES || has_two_sizes(factor, &rule.draws, &gates)
    })
}

/// Whether a factor of gates alone takes two values that are not 0, or one below it.
fn has_two_sizes(factor: &Factor, draws: &[Draw], gates: &[usize]) -> bool {
    let mut size = None;
    for outcome in 0..1usize << gates.len() {
        let mut values: Vec<f64> = draws.iter().map(|d| d.distribution.range().0).collect();
        for (bit, gate) in gates.iter().enumerate() {
            values[*gate] = f64::from(outcome >> bit & 1 == 1);
        }
        let value: f64 = factor.evaluate(&values);
        if value < 0.0 || (value > 0.0 && size.is_some_and(|s| s != value)) {
            return true;
        }
        if value > 0.0 {
            size = Some(value);
        }
    }
    false
}

fn collect_draws(factor: &Factor, used: &mut Vec<usize>) {
    match factor {
        Factor::Const(_) => {}
        Factor::Draw(i) if used.contains(i) => {}
        Factor::Draw(i) => used.push(*i),
        Factor::Neg(a) | Factor::Sqrt(a) => collect_draws(a, used),
        Factor::Add(a, b)
        | Factor::Sub(a, b)
        | Factor::Mul(a, b)
        | Factor::Div(a, b)
        | Factor::Min(a, b)
        | Factor::Max(a, b) => {
            collect_draws(a, used);
            collect_draws(b, used);
        }
    }
}
