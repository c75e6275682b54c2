//! Snapshots of what a program generates: beside `program.sd`, a file `program.MODEL.KIND.snap` a model and [`Kind`], in
//! insta's format, so that a change of a text is reviewed as the change of what it makes.
//!
//! The printed forms are made for it: a line depends on its own layer, so an inserted layer adds its lines and changes no
//! others. Absences: nothing is built or printed here but by [`driver`]; no terminal.

mod file;

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::diag::{self, Failure};
use crate::driver::{self, Choice, Input, Session};

/// What is kept of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The network: layers by path, shapes, parameters, rules.
    Net,
    /// The graph of the forward pass.
    Graph,
    /// The fused kernels.
    Kernels,
}

impl Kind {
    /// All of them, in the order of the pipeline.
    pub const ALL: [Kind; 3] = [Kind::Net, Kind::Graph, Kind::Kernels];

    /// As a file's name has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Net => "net",
            Kind::Graph => "graph",
            Kind::Kernels => "kernels",
        }
    }
}

/// What became of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// What is generated is what was accepted.
    Same,
    /// Nothing was accepted yet.
    New,
    /// Something else was accepted: this.
    Changed(String),
    /// Nothing generates it any more.
    Orphan(String),
}

/// A snapshot beside what is generated now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its file.
    pub path: PathBuf,
    /// The name of the program's file.
    program: String,
    /// The model.
    model: String,
    /// What of it.
    pub kind: Kind,
    /// What is generated now; nothing for an orphan.
    pub text: String,
    /// How it compares.
    pub state: State,
}

/// The snapshots of a program, with those that it has left behind; none where the program has mistakes, which the session
/// then holds.
///
/// # Errors
/// A snapshot that cannot be read.
pub fn compare(session: &mut Session, input: &Input, kinds: &[Kind]) -> Result<Option<Vec<Snapshot>>, Failure> {
    // What the text asserts of its models, and all else that may be wrong with it.
    driver::check(session, input);
    if session.problems.has_errors() {
        return Ok(None);
    }
    let Some(names) = driver::models(&mut Session::default(), input) else { return Ok(None) };
    let Input::File(program) = input else { return Ok(Some(Vec::new())) };
    let mut all = Vec::new();
    for model in names {
        let choice = Choice { model: Some(model.clone()), ..Choice::default() };
        let mut own = Session::default();
        let Some(built) = driver::build(&mut own, input, &choice) else {
            *session = own;
            return Ok(None);
        };
        for &kind in kinds {
            let path = file::path(program, &model, kind);
            let text = text(kind, &built);
            let state = match file::read(&path)? {
                None => State::New,
                Some(accepted) if accepted == text => State::Same,
                Some(accepted) => State::Changed(accepted),
            };
            all.push(Snapshot { path, program: file::name(program), model: model.clone(), kind, text, state });
        }
    }
    for (path, model, kind) in file::beside(program)? {
        if kinds.contains(&kind) && !all.iter().any(|s| s.path == path) {
            let state = State::Orphan(file::read(&path)?.unwrap_or_default());
            all.push(Snapshot { path, program: file::name(program), model, kind, text: String::new(), state });
        }
    }
    Ok(Some(all))
}

/// The printed form of a stage.
fn text(kind: Kind, built: &driver::Built) -> String {
    let recipe = built.recipe.as_ref();
    match kind {
        Kind::Net => built.network.to_string(),
        Kind::Graph => driver::forward(&built.network, recipe).to_string(),
        Kind::Kernels => {
            let graphs = driver::graphs(&built.network, recipe);
            driver::plans(&graphs, recipe.map_or(1, |r| r.batch)).to_string()
        }
    }
}

impl Snapshot {
    /// What has changed, as a unified difference; empty where nothing has.
    pub fn diff(&self) -> String {
        let (before, after) = match &self.state {
            State::Same => return String::new(),
            State::New => ("", self.text.as_str()),
            State::Changed(accepted) => (accepted.as_str(), self.text.as_str()),
            State::Orphan(accepted) => (accepted.as_str(), ""),
        };
        let name = self.path.display().to_string();
        TextDiff::from_lines(before, after).unified_diff().context_radius(2).header(&name, &name).to_string()
    }

    /// Takes what is generated as right: writes the file, or removes an orphan.
    ///
    /// # Errors
    /// A file that cannot be written or removed.
    pub fn accept(&self) -> Result<(), Failure> {
        match self.state {
            State::Same => Ok(()),
            State::New | State::Changed(_) => file::write(self),
            State::Orphan(_) => file::remove(&self.path),
        }
    }
}

/// For the macro `assert_snapshots!`: panics with all that has changed.
///
/// # Panics
/// Where a program has mistakes, or generates anything but what was accepted.
pub fn assert_same(program: &Path, kinds: &[Kind]) {
    let mut session = Session::default();
    let compared = compare(&mut session, &Input::named(program), kinds);
    let snapshots = compared.unwrap_or_else(|failure| panic!("{failure}"));
    let told = snapshots.map_or_else(
        || diag::render(&session.problems, &session.sources, false, 100),
        |all| all.iter().map(Snapshot::diff).collect(),
    );
    assert!(told.is_empty(), "{told}\naccept it: sdc test --accept {}", program.display());
}

/// Holds a program's snapshots against what it generates, in a Rust test; the path is taken from the package's folder.
/// `sdc::assert_snapshots!("nets/mine.sd")`, or with kinds: `sdc::assert_snapshots!("nets/mine.sd", [Net, Graph])`.
#[macro_export]
macro_rules! assert_snapshots {
    ($path:expr) => {
        $crate::snapshot::assert_same(
            &::std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join($path),
            &$crate::snapshot::Kind::ALL,
        )
    };
    ($path:expr, [$($kind:ident),+]) => {
        $crate::snapshot::assert_same(
            &::std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join($path),
            &[$($crate::snapshot::Kind::$kind),+],
        )
    };
}
