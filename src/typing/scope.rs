//! Which names an expression sees, and what they mean.

use std::collections::BTreeMap;

use super::program::{Axis, Figure, SiteValue};
use super::tables::{self, FunctionSpec, LayerSpec, Word};
use super::{Checker, Type};
use crate::diag::{MAX_SHOWN, Near, Problem, codes, listed, near};
use crate::resolve::ItemId;
use crate::source::Span;
use crate::syntax::tree::{ItemKind, Name, Use, UseFrom};

/// The names inside an item, with what else is known there.
pub(super) struct Scope {
    /// The module that the item stands in.
    pub module: usize,
    /// Parameters, `let`s and counters; the index is the place in the frame.
    locals: Vec<Local>,
    /// The places of each name, innermost last.
    places: BTreeMap<String, Vec<usize>>,
    /// Where the innermost braces begin among them.
    start: usize,
    /// Whether a shape reaches this place (`in.channels`).
    pub has_in: bool,
    /// Whether `l` and `L` are known.
    pub has_level: bool,
    /// Whether a residual's output is known (`where channels >= 128`).
    pub has_output: bool,
    /// Whether the network is built and its figures known (`assert parameters == 1_727_962`).
    pub has_figures: bool,
    /// Whether draws may be made.
    pub draws: bool,
    /// Whether this is a block's fact.
    pub fact: bool,
}

/// A parameter, `let` or counter.
#[derive(Clone)]
struct Local {
    name: Name,
    ty: Type,
    /// Of a `block` parameter: the block that is its default.
    preset: Option<ItemId>,
}

/// What a name means.
pub(super) enum Found {
    /// A parameter, `let` or counter, with its place in the frame.
    Local(usize, Type),
    /// What only a rule's place or an assertion knows.
    Site(SiteValue),
    /// An item of the program.
    Item(ItemId),
    /// A layer.
    Layer(&'static LayerSpec),
    /// A function of the language.
    Function(&'static FunctionSpec),
    /// A level or an initialiser.
    Word(Word),
}

impl Scope {
    /// Top-level names only.
    pub fn new(module: usize) -> Scope {
        let (locals, places, start) = (Vec::new(), BTreeMap::new(), 0);
        Scope {
            module,
            locals,
            places,
            start,
            has_in: false,
            has_level: false,
            has_output: false,
            has_figures: false,
            draws: false,
            fact: false,
        }
    }

    /// The same names, at a place where a rule stands: `l` and `L` are known besides.
    pub fn at_rule(&self) -> Scope {
        Scope { locals: self.locals.clone(), places: self.places.clone(), has_level: true, ..*self }
    }

    /// Runs `inside` in braces of its own: what it defines is gone afterwards.
    pub fn braces<T>(&mut self, inside: impl FnOnce(&mut Scope) -> T) -> T {
        let (start, len) = (self.start, self.locals.len());
        self.start = len;
        let result = inside(self);
        for local in self.locals.drain(len..) {
            if let Some(places) = self.places.get_mut(&local.name.text) {
                places.pop();
            }
        }
        self.start = start;
        result
    }

    /// The block that is the default of the parameter in this slot.
    pub fn preset(&self, slot: usize) -> Option<ItemId> {
        self.locals[slot].preset
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.places.get(name).and_then(|places| places.last().copied())
    }
}

impl Checker<'_> {
    /// Defines a local; its place in the frame.
    pub(super) fn define(&mut self, scope: &mut Scope, name: &Name, ty: Type, preset: Option<ItemId>) -> usize {
        if let Some(first) = scope.local(&name.text).filter(|slot| *slot >= scope.start) {
            let first = scope.locals[first].name.span;
            self.duplicate(name, first);
        }
        scope.places.entry(name.text.clone()).or_default().push(scope.locals.len());
        scope.locals.push(Local { name: name.clone(), ty, preset });
        scope.locals.len() - 1
    }

    /// What a name means here.
    pub(super) fn find(&self, scope: &Scope, name: &str) -> Option<Found> {
        if let Some(slot) = scope.local(name) {
            return Some(Found::Local(slot, scope.locals[slot].ty));
        }
        if scope.has_output
            && let Some(axis) = Axis::named(name)
        {
            return Some(Found::Site(SiteValue::Output(axis)));
        }
        if scope.has_figures
            && let Some(figure) = Figure::named(name)
        {
            return Some(Found::Site(SiteValue::Figure(figure)));
        }
        match name {
            "l" if scope.has_level => return Some(Found::Site(SiteValue::Place)),
            "L" if scope.has_level => return Some(Found::Site(SiteValue::Count)),
            _ => {}
        }
        let import = self.resolved.modules[scope.module].scope.get(name).map(|i| Found::Item(i.item));
        import
            .or_else(|| tables::layer(name).map(Found::Layer))
            .or_else(|| tables::function(name).map(Found::Function))
            .or_else(|| tables::word(name).map(Found::Word))
    }

    /// Says that nothing is called `name`, with the nearest name that would do.
    pub(super) fn unknown(&mut self, scope: &Scope, name: &str, span: Span, callable: bool) {
        if self.resolved.modules[scope.module].unreadable.contains(name) {
            return;
        }
        if (name == "l" || name == "L") && !callable {
            let help = "use it in the arguments of `place`, in `where`, or in the default of a regularizer's parameter";
            let problem = Problem::error(codes::NO_LEVEL, span, format!("`{name}` is not known here"), help);
            let reason = "`l` is the place of a residual among all residuals of the model, and `L` their number: both are \
                          known only where a rule is placed";
            return self.problems.push(problem.because(reason));
        }
        let problem = Problem::error(codes::UNKNOWN_NAME, span, format!("nothing is called `{name}`"), "");
        // Where nobody reads on, no neighbours are looked for.
        if self.problems.len() > MAX_SHOWN {
            return self.problems.push(Problem { help: "define it, or correct its name".into(), ..problem });
        }
        let module = &self.resolved.modules[scope.module];
        let given = self.sources.get(span.source).text[span.end as usize..].starts_with('(');
        let fits = |keyword: &str| match keyword {
            "const" => !callable,
            "fn" => !callable && given,
            "block" => true,
            _ => callable,
        };
        let homes = if module.library { Vec::new() } else { crate::stdlib::homes_of(name, fits) };
        if let [home] = homes[..] {
            let help = format!("the standard library has one: write `use std.{home}.{{{name}}}` at the top");
            let (place, text) = self.import_of(scope.module, home, name);
            return self.problems.push(Problem { help, ..problem }.fix(place, text));
        }
        if !homes.is_empty() {
            let lines: Vec<String> = homes.iter().map(|home| format!("use std.{home}.{{{name}}}")).collect();
            let help = format!("the standard library has several: write one of {} at the top", listed(&lines));
            return self.problems.push(Problem { help, ..problem });
        }
        let candidates = self.candidates(scope, callable, given);
        let candidates = candidates.iter().map(String::as_str);
        let foreign = tables::foreign(name, candidates.clone());
        let meant = foreign.map(Near::sure);
        let help = match meant.or_else(|| near(name, candidates)) {
            // What another library gives its layer is not what this one takes.
            Some(near)
                if callable
                    && given
                    && let (Some(_), Some(layer)) = (foreign, tables::layer(near.name)) =>
            {
                format!("{} it is `{}`", near.question(""), tables::signature(layer.name, layer.params))
            }
            Some(near) => {
                // A whole model within a net is seldom what is meant, and in its own net never.
                let is_model = matches!(self.find(scope, near.name), Some(Found::Item(id))
                    if matches!(self.resolved.item(id).kind, ItemKind::Model(_)));
                let near = Near { is_sure: near.is_sure && !is_model, ..near };
                return self.problems.push(problem.meant(span, near));
            }
            None if callable && let Some(help) = crate::syntax::foreign_word(name) => help.to_owned(),
            None if scope.fact => {
                "a fact is known before its block is called, so it uses no parameter: only top-level names".to_owned()
            }
            None if callable => {
                let layers: Vec<&str> = tables::LAYERS.iter().map(|l| l.name).collect();
                format!("define a block of that name, or take one of the layers {}", listed(&layers))
            }
            None if scope.has_figures => {
                let figures: Vec<&str> = Figure::ALL.iter().map(|(name, ..)| *name).collect();
                format!("what a network comes to is {}", listed(&figures))
            }
            None if scope.has_level => {
                "define it with `let` or `const`; `l` is the residual's place, and `L` their number".to_owned()
            }
            None => "define it with `let` or `const`, or as a parameter".to_owned(),
        };
        self.problems.push(Problem { help, ..problem });
    }

    /// The edit that imports `name` into a module: into the braces of a `use` that is there, or as a line of its own.
    fn import_of(&self, module: usize, home: &str, name: &str) -> (Span, String) {
        let file = &self.resolved.modules[module].file;
        let last = file.items.iter().find_map(|item| match &item.kind {
            ItemKind::Use(Use { from: UseFrom::Library(parts), names }) => {
                let path: Vec<&str> = parts.iter().map(|p| p.text.as_str()).collect();
                names.last().filter(|_| path == ["std", home])
            }
            _ => None,
        });
        match last {
            Some(last) => (Span { start: last.span.end, ..last.span }, format!(", {name}")),
            None => (Span::new(file.source, 0, 0), format!("use std.{home}.{{{name}}}\n")),
        }
    }

    /// The names that could have been meant.
    fn candidates(&self, scope: &Scope, callable: bool, given: bool) -> Vec<String> {
        let mut names: Vec<String> =
            scope.locals.iter().filter(|l| !callable || l.ty == Type::BLOCK).map(|l| l.name.text.clone()).collect();
        for (name, import) in &self.resolved.modules[scope.module].scope {
            let fits = match &self.resolved.item(import.item).kind {
                ItemKind::Use(_) | ItemKind::Train(_) => false,
                ItemKind::Const(_) => !callable,
                ItemKind::Fn(_) => !callable && given,
                ItemKind::Block(_) => true,
                ItemKind::Family(_) | ItemKind::Regularizer(_) | ItemKind::Model(_) => callable,
            };
            if fits {
                names.push(name.clone());
            }
        }
        if callable {
            names.extend(tables::LAYERS.iter().map(|l| l.name.to_owned()));
        } else {
            if given {
                names.extend(tables::FUNCTIONS.iter().map(|f| f.name.to_owned()));
            }
            names.extend(tables::words().iter().map(|(name, _, _)| (*name).to_owned()));
            names.extend(["true", "false"].map(str::to_owned));
            if scope.has_output {
                names.extend(Axis::ALL.iter().map(|(name, _)| (*name).to_owned()));
            }
            if scope.has_figures {
                names.extend(Figure::ALL.iter().map(|(name, ..)| (*name).to_owned()));
            }
        }
        names
    }

    /// What kind of thing a name means, for sentences.
    pub(super) fn describe(&self, found: &Found) -> String {
        match found {
            Found::Local(_, ty) => ty.with_article(),
            Found::Site(_) => "a whole number".into(),
            Found::Item(id) => match &self.resolved.item(*id).kind {
                ItemKind::Use(_) => "an import".into(),
                ItemKind::Train(_) => "a training".into(),
                ItemKind::Const(_) => "a constant".into(),
                ItemKind::Fn(_) => "a function".into(),
                ItemKind::Block(_) => "a block".into(),
                ItemKind::Family(_) => "a family".into(),
                ItemKind::Regularizer(_) => "a regularizer".into(),
                ItemKind::Model(_) => "a model".into(),
            },
            Found::Layer(_) => "a layer".into(),
            Found::Function(_) => "a function".into(),
            Found::Word(Word::Level(_)) => "a level".into(),
            Found::Word(Word::Init(_)) => "an initialiser".into(),
        }
    }
}
