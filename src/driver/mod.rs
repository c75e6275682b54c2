//! The pipeline on one page: which stage follows which, and what each needs.
//!
//! A [`Session`] holds what outlives every stage, the texts and the problems. Each function here takes a program one
//! stage further and returns that stage's noun; where a stage leaves errors, the next does not run.
//!
//! ```text
//! read → parse → resolve → check types → elaborate → lower → differentiate, update, sweep → fuse → compile
//!        tree    program   typed program  network     graph                                  plan   engine
//! ```
//!
//! Absence: no analysis; a stage that needs a decision makes it itself.

mod files;
mod fix;
mod library;
mod memory;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use self::files::programs;
pub use self::fix::{Change, Mended, MendedFile, fix};
pub use self::library::{is_library_file, library_file};
pub use self::memory::ready;
use crate::codegen::gpu::{self, Dialect, Programs};
use crate::config::{self, Config};
use crate::data;
use crate::device::cpu::CpuEngine;
use crate::device::{Device, Engine, Machine};
use crate::diag::{Failure, Problem, Problems, codes};
use crate::docs::Shelf;
use crate::elaborate;
pub use crate::elaborate::Built;
use crate::fuse;
use crate::graph::Graph;
use crate::kernel::Plan;
use crate::lower::{Mode, lower};
use crate::net::{Network, Recipe};
use crate::num::Precision;
use crate::passes;
pub use crate::passes::Footprint;
use crate::resolve::{self, Override};
use crate::source::{DiskLoader, LoadError, Loader, MAX_SOURCE_BYTES, SourceId, Sources, Span};
use crate::syntax::{self, tree};
use crate::typing;

/// Where a program comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input, on the command line `-`.
    Stdin,
}

impl Input {
    /// As a person names it on the command line.
    pub fn named(name: &Path) -> Self {
        if name == Path::new("-") { Input::Stdin } else { Input::File(name.to_owned()) }
    }

    /// The name under which problems show it.
    pub fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Stdin => "<stdin>".to_owned(),
        }
    }

    /// The folder in which `use "…"` looks: the file's own, or the current one.
    pub fn folder(&self) -> &Path {
        let parent = match self {
            Input::File(path) => path.parent(),
            Input::Stdin => None,
        };
        parent.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn read(&self) -> Result<String, LoadError> {
        match self {
            Input::File(path) => DiskLoader::read(path),
            Input::Stdin => {
                let mut bytes = Vec::new();
                let limit = MAX_SOURCE_BYTES as u64 + 1;
                std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(|e| LoadError::Io(e.to_string()))?;
                if bytes.len() > MAX_SOURCE_BYTES {
                    return Err(LoadError::TooLarge);
                }
                String::from_utf8(bytes).map_err(|_| LoadError::NotText)
            }
        }
    }
}

/// What outlives every stage of one compilation.
#[derive(Debug, Default)]
pub struct Session {
    /// Every text.
    pub sources: Sources,
    /// Everything that is wrong.
    pub problems: Problems,
}

/// What of a program a command works on, as the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The model; where the program leaves no doubt it need not be named.
    pub model: Option<String>,
    /// Values set by their paths, as `train.epochs=5`.
    pub sets: Vec<String>,
}

/// The graphs of a network.
#[derive(Debug)]
pub struct Graphs {
    /// A training step, where there is a recipe.
    pub train: Option<Graph>,
    /// The test-time pass.
    pub test: Graph,
}

/// The plans of a network, over one arena.
#[derive(Clone, Debug)]
pub struct Plans {
    /// A training step, where there is a recipe.
    pub train: Option<Plan>,
    /// The test-time pass.
    pub test: Plan,
}

impl fmt::Display for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(train) = &self.train {
            writeln!(f, "# A training step\n\n{train}")?;
        }
        writeln!(f, "# The test-time pass\n\n{}", self.test)
    }
}

impl Plans {
    /// Bytes that a step works in on the CPU, known before it is compiled.
    pub fn bytes(&self, threads: usize) -> u64 {
        CpuEngine::bytes(self.train.as_ref(), &self.test, threads)
    }
}

/// Reads and parses a program; `None` where it cannot be read.
pub fn parse_file(session: &mut Session, input: &Input) -> Option<tree::File> {
    let source = read(session, input)?;
    Some(syntax::parse(source, &session.sources.get(source).text, &mut session.problems))
}

/// A program in the one style beside what it was; `None` where its text cannot be read, or has mistakes of its own.
pub fn format(session: &mut Session, input: &Input) -> Option<MendedFile> {
    let source = read(session, input)?;
    let before = session.sources.get(source).text.clone();
    syntax::parse(source, &before, &mut session.problems);
    if session.problems.has_errors() {
        return None;
    }
    let path = match input {
        Input::File(path) => Some(path.clone()),
        Input::Stdin => None,
    };
    Some(MendedFile { path, name: input.name(), after: syntax::format(&before), before })
}

/// The models of a program's own file that can be built as they stand, each parameter having a default; `None` where the
/// text cannot be read.
pub fn models(session: &mut Session, input: &Input) -> Option<Vec<String>> {
    let file = parse_file(session, input)?;
    if session.problems.has_errors() {
        return None;
    }
    let whole = |item: &tree::Item| match &item.kind {
        tree::ItemKind::Model(model) if model.params.iter().all(|p| p.default.is_some()) => {
            Some(model.name.text.clone())
        }
        _ => None,
    };
    Some(file.items.iter().filter_map(whole).collect())
}

/// Finds every mistake of a program: all that its text says is checked, and each of its models is built.
pub fn check(session: &mut Session, input: &Input) {
    if let Some(source) = read(session, input) {
        check_with(session, source, &DiskLoader::new(input.folder()));
    }
}

fn check_with(session: &mut Session, source: SourceId, loader: &dyn Loader) {
    let program = resolve::load(source, &mut session.sources, loader, &mut session.problems);
    networks(session, &program);
}

/// What the models of a program build, as far as they do.
fn networks(session: &mut Session, program: &resolve::Program) -> Vec<Network> {
    let Session { sources, problems } = session;
    let typed = typing::check(program, sources, problems);
    elaborate::check(&typed, sources, problems)
}

/// What an editor shows of a program.
#[derive(Debug)]
pub struct Analysis {
    /// The texts, the program's own first, and every mistake.
    pub session: Session,
    /// Its items, the whole ones of a broken text.
    pub program: resolve::Program,
    /// What its models build, as far as they do.
    pub networks: Vec<Network>,
}

/// The same check as [`check`], of a text that need not lie on the disk.
pub fn analyse(name: &str, text: &str, loader: &dyn Loader) -> Analysis {
    let mut analysis = read_names(name, text, loader);
    analysis.networks = networks(&mut analysis.session, &analysis.program);
    analysis
}

/// What of an [`Analysis`] the texts alone say: items and what cannot be read, nothing checked and nothing built.
pub fn read_names(name: &str, text: &str, loader: &dyn Loader) -> Analysis {
    let mut session = Session::default();
    let source = session.sources.add(name, text);
    let program = resolve::load(source, &mut session.sources, loader, &mut session.problems);
    Analysis { session, program, networks: Vec::new() }
}

/// What names mean: in a program's own files where one is given, in the standard library, in the language. None where the
/// program cannot be read; its mistakes stay untold.
pub fn shelf(session: &mut Session, program: Option<&Input>) -> Option<Shelf> {
    let Some(input) = program else { return Some(Shelf::library(&mut session.sources)) };
    let source = read(session, input)?;
    let Session { sources, .. } = session;
    let program = resolve::load(source, sources, &DiskLoader::new(input.folder()), &mut Problems::default());
    Some(Shelf::with(&program, sources))
}

/// Builds the chosen model with its recipe; none where a problem refuses either.
pub fn build(session: &mut Session, input: &Input, choice: &Choice) -> Option<Built> {
    build_resolved(session, input, choice).map(|(_, built)| built)
}

/// The resolved program of a choice, which must build: all that it depends on, with where each value came from.
pub fn config(session: &mut Session, input: &Input, choice: &Choice) -> Option<Config> {
    build_with_config(session, input, choice).map(|(_, config)| config)
}

/// Both: what a run is made of, and what it keeps of where that came from.
pub fn build_with_config(session: &mut Session, input: &Input, choice: &Choice) -> Option<(Built, Config)> {
    build_resolved(session, input, choice).map(|(resolved, built)| (built, resolved.config(&session.sources)))
}

/// A program with what the command line says of it.
struct Resolved {
    program: resolve::Program,
    chosen: resolve::Chosen,
    sets: Vec<Override>,
}

impl Resolved {
    fn config(&self, sources: &Sources) -> Config {
        config::collect(&self.program, self.chosen, &self.sets, sources)
    }
}

fn build_resolved(session: &mut Session, input: &Input, choice: &Choice) -> Option<(Resolved, Built)> {
    let source = read(session, input)?;
    let Session { sources, problems } = session;
    let mut program = resolve::load(source, sources, &DiskLoader::new(input.folder()), problems);
    let sets: Vec<_> = choice.sets.iter().filter_map(|set| Override::parse(set, sources, problems)).collect();
    let chosen = program.choose(choice.model.as_deref(), problems);
    if let Some(chosen) = chosen {
        program.set(chosen, &sets, problems);
    }
    let typed = typing::check(&program, sources, problems);
    let built = elaborate::build(&typed, chosen?, sources, problems)?;
    if problems.has_errors() {
        return None;
    }
    debug_assert_eq!(built.network.verify(), Ok(()));
    Some((Resolved { program, chosen: chosen?, sets }, built))
}

/// The graph of the forward pass alone: for training where there is a recipe, else for test.
pub fn forward(network: &Network, recipe: Option<&Recipe>) -> Graph {
    lower(network, recipe.map_or(Mode::Test, |recipe| Mode::Train { loss: recipe.loss }))
}

/// The graphs of a network: for training where there is a recipe, and for test.
pub fn graphs(network: &Network, recipe: Option<&Recipe>) -> Graphs {
    graphs_within(network, recipe, Footprint::Normal)
}

/// The same with a training step of a footprint; every number that it makes is the same.
pub fn graphs_within(network: &Network, recipe: Option<&Recipe>, footprint: Footprint) -> Graphs {
    let train = recipe.map(|recipe| {
        let mut graph = forward(network, Some(recipe));
        passes::training(&mut graph, recipe, footprint);
        graph
    });
    Graphs { train, test: forward(network, None) }
}

/// The plans of a network for at most `batch` images.
pub fn plans(graphs: &Graphs, batch: usize) -> Plans {
    let persistent = fuse::persistent(graphs.train.as_ref().unwrap_or(&graphs.test));
    let plan = |graph: &Graph| fuse::plan(graph, &persistent, batch);
    Plans { train: graphs.train.as_ref().map(plan), test: plan(&graphs.test) }
}

/// The kernels of the plans, and the calls that make a step, for graphics processors, as one text.
pub fn gpu_programs(plans: &Plans, dialect: Dialect) -> Programs {
    gpu::programs(plans.train.as_ref(), &plans.test, dialect)
}

/// A language of kernels with what contractions multiply.
///
/// # Errors
/// Where it has no such products.
pub fn in_precision(dialect: Option<Dialect>, precision: Precision) -> Result<Option<Dialect>, Failure> {
    if precision == Precision::Fp32 {
        return Ok(dialect);
    }
    dialect.and_then(|dialect| dialect.with(precision)).map(Some).ok_or_else(|| {
        let message = format!("kernels that multiply in {precision} are there in CUDA C alone");
        Failure::new(codes::NO_DEVICE, message, "leave --precision away, or ask for cuda")
    })
}

/// Opens a machine; what a driver's compiler makes is kept in the user's cache.
///
/// # Errors
/// Where it is not there or its driver cannot be used.
pub fn machine(device: Device, threads: usize) -> Result<Machine, Failure> {
    Machine::open(device, threads, data::cache().as_deref())
}

/// The engine that runs the plans on a machine.
///
/// # Errors
/// Where its driver refuses.
pub fn engine(plans: Plans, machine: &Machine) -> Result<Box<dyn Engine>, Failure> {
    machine.engine(machine.ready(plans.train, plans.test))
}

/// The engine that runs the plans on the CPU.
pub fn compile(plans: Plans, threads: usize) -> CpuEngine {
    CpuEngine::new(plans.train, plans.test, threads)
}

fn read(session: &mut Session, input: &Input) -> Option<SourceId> {
    match input.read() {
        Ok(text) => Some(session.sources.add(input.name(), text)),
        Err(error) => {
            let source = session.sources.add(input.name(), "");
            session.problems.push(Problem::unreadable(Span::new(source, 0, 0), &input.name(), &error));
            None
        }
    }
}
