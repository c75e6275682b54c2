//! A rule at one site: its equations with this site's numbers in them.

use super::machine::{Frame, Machine, Run, Stop};
use super::value::Value;
use crate::diag::{Problem, codes, counted};
use crate::net::{Argument, Factor, Rule};
use crate::source::Span;
use crate::syntax::one_line;
use crate::syntax::tree::FactorKind;
use crate::typing::program::{self, Item, RuleCall, RuleStmt};

/// A rule at a site, with what its parameters are there.
#[derive(Clone)]
pub(super) struct Instance {
    pub rule: Rule,
    pub arguments: Vec<Argument>,
}

/// The equations of a rule, evaluated.
#[derive(Default)]
struct Equations {
    forward: Vec<Factor>,
    backward: Option<Vec<Factor>>,
    test: Option<Vec<f64>>,
    /// `forward` in the text.
    at: Option<Span>,
}

impl<'a> Machine<'a> {
    /// The rule that a call means at the site that the frame knows.
    pub fn instantiate(&mut self, frame: &Frame, call: &'a RuleCall) -> Run<Instance> {
        let callee = self.item(call.rule);
        let Item::Rule(rule) = callee else { unreachable!("typing places only rules") };
        let args = self.arguments(frame, &call.args, &rule.params)?;
        self.called(call.span, |this| {
            let mut inner = Frame { site: frame.site, ..Frame::default() };
            this.enter(callee, args, &mut inner, call.span)?;
            this.draws.clear();
            let equations = this.equations(&mut inner, rule)?;
            this.branch_count(&inner, rule, equations.forward.len())?;
            let arguments = this.rule_arguments((frame, &inner), rule, call)?;
            Ok(Instance { rule: this.finished(&inner, rule, equations)?, arguments })
        })
    }

    /// The values of a rule's parameters, each with what it was computed from: in the frame of the call where the call
    /// gives it, else in the rule's own.
    fn rule_arguments(
        &mut self,
        (outer, inner): (&Frame, &Frame),
        rule: &'a program::Rule,
        call: &'a RuleCall,
    ) -> Run<Vec<Argument>> {
        let mut arguments = Vec::with_capacity(rule.params.len());
        for (i, (param, value)) in rule.params.iter().zip(&inner.slots).enumerate() {
            let given = call.args.0.iter().find(|(index, _)| *index == i).map(|(_, value)| (outer, value));
            let Some((frame, from)) = given.or(param.default.as_ref().map(|default| (inner, default))) else {
                continue;
            };
            let (expression, value) = (one_line(self.sources.text(from.span)), value.to_string());
            let worked = if expression == value { value.clone() } else { self.worked(frame, from)? };
            arguments.push(Argument { name: param.name.text.clone(), expression, worked, value, span: from.span });
        }
        Ok(arguments)
    }

    fn equations(&mut self, frame: &mut Frame, rule: &'a program::Rule) -> Run<Equations> {
        let mut equations = Equations::default();
        for stmt in &rule.body {
            match stmt {
                RuleStmt::Let { slot, value } => {
                    self.naming = true;
                    let value = self.eval(frame, value);
                    self.naming = false;
                    frame.set(*slot, value?);
                }
                RuleStmt::Require(require) => self.require(frame, require)?,
                RuleStmt::Equation { factor, slot, value } => {
                    let span = value.span;
                    let value = self.eval(frame, value)?;
                    match factor {
                        FactorKind::Forward => {
                            equations.forward = factors(&value);
                            equations.at = Some(span);
                        }
                        FactorKind::Backward => equations.backward = Some(factors(&value)),
                        FactorKind::Test => equations.test = Some(numbers(&value)),
                    }
                    frame.set(*slot, value);
                }
            }
        }
        Ok(equations)
    }

    /// The number after `on` must be that of the factors.
    fn branch_count(&mut self, frame: &Frame, rule: &'a program::Rule, factors: usize) -> Run<()> {
        let Some(branches) = &rule.branches else { return Ok(()) };
        let said = self.whole(frame, branches)?;
        if usize::try_from(said) == Ok(factors) {
            return Ok(());
        }
        let message = format!("`{}` is for {said} branches and gives {}", rule.name.text, plural_factors(factors));
        let help = "write one factor a branch: `forward = [a, 1 - a]`";
        Err(self.stop(Problem::error(codes::BRANCH_COUNT, branches.span, message, help)))
    }

    fn finished(&mut self, frame: &Frame, rule: &'a program::Rule, equations: Equations) -> Run<Rule> {
        let Equations { forward, backward, test, at } = equations;
        let at = at.unwrap_or(rule.name.span);
        let backward = backward.unwrap_or_else(|| forward.clone());
        for (name, given) in [("backward", backward.len()), ("test", test.as_ref().map_or(forward.len(), Vec::len))] {
            if given != forward.len() {
                let message = format!("`forward` gives {} and `{name}` {given}", plural_factors(forward.len()));
                let help = "give one for each branch in both";
                return Err(self.stop(Problem::error(codes::BRANCH_COUNT, at, message, help)));
            }
        }
        let name = rule.name.text.clone();
        let mut made = Rule { name, draws: self.draws.clone(), forward, backward, test: Vec::new() };
        made.test = match test {
            Some(test) => test,
            None => {
                let means: Result<Vec<f64>, _> = (0..made.forward.len()).map(|i| made.mean_forward(i)).collect();
                means.map_err(|unknown| {
                    let message = format!("the test-time factor of `{}` has no closed form", rule.name.text);
                    let help = "say what the test-time pass multiplies by: `test = …`";
                    let problem = Problem::error(codes::NO_CLOSED_FORM, at, message, help);
                    self.stop(problem.because(format!("it is the mean of `forward`, and {}", unknown.reason)))
                })?
            }
        };
        if let Err(fault) = made.verify() {
            let message = format!("`{}` has no finite value{}: {fault}", rule.name.text, Self::at_site(frame));
            let help = "change the parameters that its equations are computed from";
            return Err(self.stop(Problem::error(codes::BAD_ARITHMETIC, at, message, help)));
        }
        Ok(made)
    }

    /// The rules called as layers below `nodes`, by path, now that L is known.
    pub fn pending_rules(&mut self) -> Run<std::collections::BTreeMap<crate::net::Path, Instance>> {
        let mut rules = std::collections::BTreeMap::new();
        let mut failed = false;
        let count = self.built.residuals;
        for (path, mut pending) in std::mem::take(&mut self.built.pending) {
            let output = pending.frame.input.expect("a statement has an input");
            pending.frame.site = Some(super::machine::SiteInfo { l: pending.l, count, output });
            let outer = std::mem::replace(&mut self.trace, pending.trace);
            match self.instantiate(&pending.frame, pending.call) {
                Ok(instance) => drop(rules.insert(path, instance)),
                Err(Stop) => failed = true,
            }
            self.trace = outer;
        }
        if failed { Err(Stop) } else { Ok(rules) }
    }
}

fn plural_factors(n: usize) -> String {
    counted(n, "factor", "factors")
}

/// One factor, or one a branch.
fn factors(value: &Value) -> Vec<Factor> {
    let one = |v: &Value| match v {
        Value::Draw(factor) => (**factor).clone(),
        other => Factor::Const(other.number().expect("typing makes this a factor")),
    };
    match value {
        Value::List(values) => values.iter().map(one).collect(),
        value => vec![one(value)],
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    let one = |v: &Value| v.number().expect("typing makes this a number");
    match value {
        Value::List(values) => values.iter().map(one).collect(),
        value => vec![one(value)],
    }
}
