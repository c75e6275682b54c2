//! From names and trees to a [typed program](program): what every name means, what type every value has, which argument
//! goes to which parameter. Items that nothing calls are checked as well.
//!
//! The order of the text does not matter among items: a constant, a function without a declared result and a rule are
//! typed when another item first needs their type. Absences: nothing is computed here, no shape is known.

mod call;
mod expr;
mod item;
pub mod program;
mod scope;
mod set;
mod stmt;
pub mod tables;
mod train;
mod types;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use program::Program;
pub use types::{Base, Type};

use self::program::{Expr, ExprKind, Item};
use self::scope::Scope;
use crate::diag::{Problem, Problems, codes, listed};
use crate::resolve::{self, ItemId};
use crate::source::{Sources, Span};
use crate::syntax::MAX_NESTING;
use crate::syntax::tree::{self, ItemKind, Name};

/// The most items that may wait for one another's types.
const MAX_WAITING: usize = 64;
/// The deepest nesting of expressions, those included that wait for one another's types: twice that of a text.
const MAX_DEPTH: usize = 2 * MAX_NESTING;
/// The most parameters of an item.
const MAX_PARAMETERS: usize = 128;
/// The most lists inside one another.
const MAX_LISTS: u8 = 8;

/// Types every item of a program. What is refused becomes `Broken`; the problems say why.
pub fn check(resolved: &resolve::Program, sources: &Sources, problems: &mut Problems) -> Program {
    let mut checker = Checker {
        resolved,
        sources,
        problems,
        signatures: Vec::new(),
        done: vec![None; resolved.items.len()],
        waiting: Vec::new(),
        depth: 0,
        facts: BTreeMap::new(),
        facts_of: BTreeMap::new(),
    };
    checker.signatures = resolved.items.iter().enumerate().map(|(i, _)| checker.signature(ItemId(i as u32))).collect();
    let all = || (0..resolved.items.len()).map(|i| ItemId(i as u32));
    all().for_each(|id| checker.collect_facts(id));
    all().for_each(|id| checker.demand(id));
    let trains = checker.trains();
    let in_main = |id: &ItemId| resolved.items[id.index()].module == 0;
    Program {
        models: all().filter(in_main).filter(|id| matches!(resolved.item(*id).kind, ItemKind::Model(_))).collect(),
        items: checker.done.into_iter().map(|item| item.expect("every item was demanded")).collect(),
        trains,
        main: resolved.main().source,
        library: resolved.modules.iter().filter(|m| m.library).map(|m| m.source).collect(),
    }
}

/// The state of checking.
struct Checker<'a> {
    resolved: &'a resolve::Program,
    sources: &'a Sources,
    problems: &'a mut Problems,
    /// The parameters of each item.
    signatures: Vec<Rc<[Formal]>>,
    /// The items that are typed.
    done: Vec<Option<Item>>,
    /// The items that are being typed, outermost first.
    waiting: Vec<ItemId>,
    /// How deep the expressions are whose types wait for that of the one being typed.
    depth: usize,
    /// The facts that blocks carry, with their type and the place of one of them.
    facts: BTreeMap<String, (Type, Span)>,
    /// Each block's facts.
    facts_of: BTreeMap<ItemId, Vec<(Name, Expr)>>,
}

/// A parameter as its callers see it.
#[derive(Clone, Debug)]
struct Formal {
    name: String,
    ty: Type,
    /// The words it takes in place of a value.
    words: &'static [&'static str],
    /// Between which numbers it must lie.
    bounds: tables::Bounds,
    /// Whether it may be left out.
    optional: bool,
}

impl Checker<'_> {
    /// Types an item, if it is not typed yet.
    fn demand(&mut self, id: ItemId) {
        if self.done[id.index()].is_none() && !self.waiting.contains(&id) {
            self.waiting.push(id);
            let item = self.item(id);
            self.waiting.pop();
            self.done[id.index()] = Some(item);
        }
    }

    /// The typed item behind a name at `span`; none, with a problem, where it needs itself.
    fn needed(&mut self, id: ItemId, span: Span) -> Option<&Item> {
        if self.waiting.contains(&id) {
            let first = self.waiting.iter().position(|w| *w == id).expect("just found");
            let circle: Vec<String> =
                self.waiting[first..].iter().chain([&id]).map(|i| self.name_of(*i).text.clone()).collect();
            let name = &circle[0];
            let problem = Problem::error(
                codes::USE_CYCLE,
                span,
                format!("`{name}` needs itself"),
                "write one of them without the other; a function that calls itself needs its result's type declared",
            );
            self.problems.push(problem.because(format!("the circle is {}", circle.join(" -> "))));
            return None;
        }
        if self.waiting.len() >= MAX_WAITING {
            let message = format!("more than {MAX_WAITING} definitions wait for one another");
            self.problems.push(Problem::error(codes::TOO_DEEP, span, message, "define what others need before them"));
            return None;
        }
        self.demand(id);
        self.done[id.index()].as_ref()
    }

    fn name_of(&self, id: ItemId) -> &Name {
        &self.resolved.items[id.index()].name
    }

    /// The parameters of an item, from the types that are written.
    fn signature(&mut self, id: ItemId) -> Rc<[Formal]> {
        let params = resolve::item_params(&self.resolved.item(id).kind);
        if let Some(first) = params.get(MAX_PARAMETERS) {
            let message = format!("`{}` has more than {MAX_PARAMETERS} parameters", self.name_of(id).text);
            let help = "split it into several, or pass lists";
            self.problems.push(Problem::error(codes::TOO_LARGE, first.span, message, help));
        }
        params
            .iter()
            .take(MAX_PARAMETERS)
            .map(|p| {
                let ty = self.written_type(&p.ty);
                let bounds = if ty == Type::PROB { PROBABILITY } else { tables::Bounds::NONE };
                Formal { name: p.name.text.clone(), ty, words: &[], bounds, optional: p.default.is_some() }
            })
            .collect()
    }

    /// What a written type means.
    fn written_type(&mut self, ty: &tree::Type) -> Type {
        match &ty.kind {
            tree::TypeKind::List(element) => {
                let element = self.written_type(element);
                self.list_of(element, ty.span)
            }
            tree::TypeKind::Named(name) => {
                if let Some((_, ty)) = Type::NAMED.iter().find(|(n, _)| *n == name.text) {
                    return *ty;
                }
                let names: Vec<&str> = Type::NAMED.iter().map(|(n, _)| *n).collect();
                let message = format!("there is no type `{}`", name.text);
                let problem = Problem::error(codes::UNKNOWN_NAME, name.span, message, "");
                self.problems.push(match tables::meant(&name.text, names.iter().copied()) {
                    Some(near) => problem.meant(name.span, near),
                    None => Problem { help: format!("the types are {}", listed(&names)), ..problem },
                });
                Type::ANY
            }
        }
    }

    /// The type of a list of such elements, within reason.
    fn list_of(&mut self, element: Type, span: Span) -> Type {
        if element.lists < MAX_LISTS {
            return element.list();
        }
        let message = format!("more than {MAX_LISTS} lists inside one another");
        self.problems.push(Problem::error(codes::TOO_DEEP, span, message, "use flatter lists"));
        Type::ANY
    }

    /// Types the facts of a block, which see top-level names only.
    fn collect_facts(&mut self, id: ItemId) {
        let resolved = self.resolved;
        let (ItemKind::Block(block) | ItemKind::Family(block)) = &resolved.item(id).kind else { return };
        let mut scope = Scope::new(resolved.items[id.index()].module);
        scope.fact = true;
        for stmt in &block.body {
            let tree::StmtKind::Fact(fact) = &stmt.kind else { continue };
            let value = self.declared(&scope, fact);
            let own = self.facts_of.entry(id).or_default();
            if let Some((first, _)) = own.iter().find(|(name, _)| name.text == fact.name.text) {
                let first = first.span;
                self.duplicate(&fact.name, first);
                continue;
            }
            let known = self.facts.entry(fact.name.text.clone()).or_insert((value.ty, fact.name.span));
            if known.0 == Type::ANY {
                // A mistake says nothing about the type.
                *known = (value.ty, fact.name.span);
            }
            let (ty, first) = *known;
            let agrees = value.ty.fits(ty) && ty.fits(value.ty);
            let found = value.ty;
            // Whoever reads it through a parameter counts on the first one's type.
            own.push((fact.name.clone(), if agrees { value } else { Expr::broken(value.span) }));
            if !agrees {
                let message = format!("the fact `{}` is {} in one block and {} in another", fact.name.text, ty, found);
                let help = "give it one type: whoever takes a block reads the fact of any of them";
                self.problems.push(
                    Problem::error(codes::WRONG_TYPE, fact.name.span, message, help)
                        .here(found.to_string())
                        .label(first, ty.to_string()),
                );
            }
        }
    }

    /// An element of a list with the comma that parts it from the others, as it has to go where the element goes.
    fn with_comma(&self, span: Span) -> Span {
        let text = &self.sources.get(span.source).text;
        let (before, behind) = (&text[..span.start as usize], &text[span.end as usize..]);
        if let Some(rest) = before.trim_end().strip_suffix(',') {
            return Span::new(span.source, rest.len(), span.end as usize);
        }
        match behind.trim_start().strip_prefix(',') {
            Some(rest) => Span::new(span.source, span.start as usize, text.len() - rest.trim_start().len()),
            None => span,
        }
    }

    fn duplicate(&mut self, name: &Name, first: Span) {
        let message = format!("`{}` is defined twice", name.text);
        self.problems.push(
            Problem::error(codes::DUPLICATE_NAME, name.span, message, "rename one of the two")
                .here("the second")
                .label(first, "the first"),
        );
    }
}

/// What a `prob` takes.
const PROBABILITY: tables::Bounds = tables::Bounds { lo: 0.0, hi: 1.0, above: false, below: false };

impl Expr {
    /// What was refused.
    fn broken(span: Span) -> Expr {
        Expr { kind: ExprKind::Broken, ty: Type::ANY, span }
    }

    fn new(kind: ExprKind, ty: Type, span: Span) -> Expr {
        Expr { kind, ty, span }
    }

    /// The number that a literal, perhaps with a minus, writes.
    fn literal(&self) -> Option<f64> {
        match &self.kind {
            ExprKind::Int(v) => Some(*v as f64),
            ExprKind::Real(v) => Some(*v),
            ExprKind::Neg(x) => x.literal().map(|v| -v),
            ExprKind::Convert(x) => x.literal(),
            _ => None,
        }
    }
}
