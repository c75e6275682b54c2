//! `place RULE on SELECTION`: rules onto residuals.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{Frame, MAX_STEPS, Machine, Run, SiteInfo, Stop};
use super::rule::Instance;
use crate::diag::{MAX_SHOWN, Problem, codes, counted, listed, near};
use crate::net::{Arm, LayerOp, Node, Path, Residual, Rule, Shape, Site, residuals};
use crate::source::Span;
use crate::syntax::tree::At;
use crate::typing::program::{Item, Model, ModelStmt, Place};

/// The most patterns that a message proposes.
const MAX_PROPOSED: usize = 4;

/// The most patterns among which a misspelt one's neighbour is looked for.
const MAX_COMPARED: usize = 256;

/// A rule with the residual that it goes to.
pub(super) struct Chosen {
    pub l: usize,
    pub instance: Instance,
}

/// The rules of a residual.
#[derive(Clone, Default)]
struct Rules {
    at_sum: Option<Site>,
    on_branches: Option<Site>,
    on_each: Vec<Option<Site>>,
}

impl<'a> Machine<'a> {
    /// Puts the rules of all placements onto the residuals; one that is refused does not hide mistakes in the others.
    pub fn placements(&mut self, frame: &mut Frame, model: &'a Model, nodes: &mut [Node]) -> Run<()> {
        frame.input = None;
        let mut rules = vec![Rules::default(); residuals(nodes).len()];
        // What the model after `net` has placed.
        for_each_residual(nodes, &mut |residual| rules[residual.l - 1].swap(residual));
        let residuals = residuals(nodes);
        let mut result = Ok(());
        for stmt in &model.body {
            if let ModelStmt::Place(place) = stmt
                && self.place(frame, &residuals, place, &mut rules).is_err()
            {
                result = Err(Stop);
            }
            if self.steps > MAX_STEPS {
                break;
            }
        }
        for_each_residual(nodes, &mut |residual| rules[residual.l - 1].swap(residual));
        result
    }

    /// Adds a placement's rule to those of the residuals that it selects.
    fn place(&mut self, frame: &Frame, residuals: &[&Residual], place: &'a Place, rules: &mut [Rules]) -> Run<()> {
        let mut chosen = Vec::new();
        let mut frame = frame.clone();
        for residual in residuals {
            self.step(place.span)?;
            if place.pattern.as_ref().is_some_and(|p| !residual.path.matches(p)) {
                continue;
            }
            frame.site = Some(SiteInfo { l: Some(residual.l), count: residuals.len(), output: residual.output });
            if let Some(filter) = &place.filter
                && !self.truth(&frame, filter)?
            {
                continue;
            }
            self.must_be_free(place, residual, &rules[residual.l - 1])?;
            let instance = self.instantiate(&frame, &place.rule)?;
            self.must_suit(place, residual, &instance.rule)?;
            chosen.push(Chosen { l: residual.l, instance });
        }
        if chosen.is_empty() {
            let read_on = self.problems.len() <= MAX_SHOWN;
            let problem = selects_nothing(place, residuals, self.sources.text(place.on), read_on);
            return Err(self.stop(problem));
        }
        self.advise(place, residuals, &chosen);
        let call = self.call_text(&place.rule);
        let list = self.is_list(place);
        let sites = Sites { call, span: place.span, list, at: place.at.map_or(At::Sum, |(at, _)| at) };
        for Chosen { l, instance } in chosen {
            sites.add(residuals[l - 1], instance, &mut rules[l - 1]);
        }
        Ok(())
    }

    fn is_list(&self, place: &Place) -> bool {
        matches!(self.item(place.rule.rule), Item::Rule(rule) if rule.list)
    }

    /// Refuses a second rule on one site.
    fn must_be_free(&mut self, place: &'a Place, residual: &Residual, rules: &Rules) -> Run<()> {
        let on_each = || rules.on_each.iter().flatten().next();
        let one = residual.branches.len() == 1;
        let taken = match (self.is_list(place), place.at) {
            (true, _) => rules.on_branches.as_ref().or_else(on_each),
            (false, Some((At::Branch, _))) if !one => rules.on_branches.as_ref().or_else(on_each),
            (false, _) => rules.at_sum.as_ref(),
        };
        let Some(first) = taken else { return Ok(()) };
        let message = format!("a rule stands already on `{}`", residual.path);
        let help = "narrow one of the two with a path or `where`, or write one rule that multiplies both factors";
        let problem = Problem::error(codes::PLACED_TWICE, place.span, message, help);
        let first = first.span;
        Err(self.stop(problem.here("the second").label(first, "the first")))
    }

    /// Refuses a list of factors on another number of branches.
    fn must_suit(&mut self, place: &'a Place, residual: &Residual, rule: &Rule) -> Run<()> {
        let (factors, branches) = (rule.forward.len(), residual.branches.len());
        if !self.is_list(place) || factors == branches {
            return Ok(());
        }
        let (gives, has) = (counted(factors, "factor", "factors"), counted(branches, "branch", "branches"));
        let message = format!("`{}` gives {gives}, and the residual `{}` has {has}", rule.name, residual.path);
        let help = match branches {
            1 => "take a family with `branches: 2`, or a rule with one factor such as `single_shake`".to_owned(),
            _ => format!("write a rule with {branches} factors, or narrow the placement with a path or `where`"),
        };
        let problem = Problem::error(codes::BRANCH_COUNT, place.rule.span, message, help);
        Err(self.stop(problem.label(residual.span, format!("{has} here"))))
    }
}

/// What is put onto residuals, and where.
struct Sites {
    call: String,
    span: Span,
    list: bool,
    at: At,
}

impl Rules {
    /// Takes a residual's rules out, or puts them back.
    fn swap(&mut self, residual: &mut Residual) {
        std::mem::swap(&mut self.at_sum, &mut residual.at_sum);
        std::mem::swap(&mut self.on_branches, &mut residual.on_branches);
        self.on_each.resize(residual.branches.len(), None);
        for (site, branch) in self.on_each.iter_mut().zip(&mut residual.branches) {
            std::mem::swap(site, &mut branch.site);
        }
    }
}

impl Sites {
    fn add(&self, residual: &Residual, instance: Instance, rules: &mut Rules) {
        let (l, shape) = (residual.l, residual.output);
        if self.list {
            rules.on_branches = Some(self.site(residual.path.child("branch"), instance, l, shape));
        } else if self.at == At::Sum || residual.branches.len() == 1 {
            rules.at_sum = Some(self.site(residual.path.clone(), instance, l, shape));
        } else {
            let branches = residual.branches.iter();
            let site = |branch: &Arm| self.site(branch.path.clone(), instance.clone(), l, shape);
            rules.on_each = branches.map(|branch| Some(site(branch))).collect();
        }
    }

    fn site(&self, path: Path, Instance { rule, arguments }: Instance, l: usize, shape: Shape) -> Site {
        Site { path, rule, call: self.call.clone(), arguments, l: Some(l), shape, span: self.span }
    }
}

/// Calls `visit` on every residual.
fn for_each_residual(nodes: &mut [Node], visit: &mut dyn FnMut(&mut Residual)) {
    for node in nodes {
        match node {
            Node::Layer(_) => {}
            Node::Group(g) => for_each_residual(&mut g.body, visit),
            Node::Residual(r) => {
                visit(r);
                let arms = r.branches.iter_mut().chain([&mut r.shortcut]);
                arms.for_each(|arm| for_each_residual(&mut arm.body, visit));
            }
            Node::Concat(c) => c.arms.iter_mut().for_each(|arm| for_each_residual(&mut arm.body, visit)),
            Node::Gate(g) => for_each_residual(&mut g.arm.body, visit),
        }
    }
}

/// Gives the rules called as layers their numbers.
pub(super) fn fill(nodes: &mut [Node], rules: &mut BTreeMap<Path, Instance>) {
    for node in nodes {
        match node {
            Node::Layer(layer) => {
                if let LayerOp::Rule(site) = &mut layer.op
                    && let Some(instance) = rules.remove(&site.path)
                {
                    site.rule = instance.rule;
                    site.arguments = instance.arguments;
                }
            }
            Node::Group(g) => fill(&mut g.body, rules),
            Node::Residual(r) => {
                let arms = r.branches.iter_mut().chain([&mut r.shortcut]);
                arms.for_each(|arm| fill(&mut arm.body, rules));
            }
            Node::Concat(c) => c.arms.iter_mut().for_each(|arm| fill(&mut arm.body, rules)),
            Node::Gate(g) => fill(&mut g.arm.body, rules),
        }
    }
}

/// What to say where a placement selects no residual; where nobody reads on, without neighbours.
fn selects_nothing(place: &Place, residuals: &[&Residual], pattern: &str, read_on: bool) -> Problem {
    if residuals.is_empty() {
        let help = "write a `residual { … }` in the network, or call the rule as a layer";
        return Problem::error(
            codes::SELECTS_NOTHING,
            place.on,
            "the network has no residual to place a rule on",
            help,
        );
    }
    let matched: Vec<&&Residual> =
        residuals.iter().filter(|r| place.pattern.as_ref().is_none_or(|p| r.path.matches(p))).collect();
    if let (Some(filter), false) = (&place.filter, matched.is_empty()) {
        let mut outputs: Vec<String> = matched.iter().map(|r| r.output.to_string()).collect();
        outputs.dedup();
        let message = "no residual that is selected fulfils the condition";
        let help = format!(
            "there are {}, with outputs {}",
            counted(matched.len(), "residual", "residuals"),
            outputs.join(", ")
        );
        return Problem::error(codes::SELECTS_NOTHING, filter.span, message, help);
    }
    let message = format!("`{pattern}` selects no residual");
    let problem = Problem::error(codes::SELECTS_NOTHING, place.on, message, "take `residuals`, or a path that exists");
    if !read_on {
        return problem;
    }
    let patterns = patterns(residuals);
    let known = patterns.iter().take(MAX_COMPARED).map(String::as_str).chain(["residuals"]);
    match near(pattern, known) {
        Some(near) => problem.meant(place.on, near),
        None => {
            let some: Vec<&String> = patterns.iter().take(MAX_PROPOSED).collect();
            let help = format!("patterns that select some: `residuals`, {}", listed(&some));
            Problem { help, ..problem }
        }
    }
}

/// Patterns that select residuals, the widest first: `group[0].*`, then whole paths.
fn patterns(residuals: &[&Residual]) -> Vec<String> {
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    let mut add = |pattern: String| {
        if seen.insert(pattern.clone()) {
            all.push(pattern);
        }
    };
    for residual in residuals {
        let path = residual.path.as_str();
        for (dot, _) in path.match_indices('.') {
            add(format!("{}.*", &path[..dot]));
        }
    }
    for residual in residuals {
        add(residual.path.as_str().to_owned());
    }
    all
}
