//! From a text to what it builds, for every test that starts from a program.

use sdc::diag::{self, Problems};
use sdc::elaborate::{self, Built};
use sdc::net::{Network, Role};
use sdc::resolve::{self, Override};
use sdc::source::{LoadError, Loader, NoFiles, Sources};
use sdc::typing;

/// What became of a program.
pub struct Outcome {
    pub built: Option<Built>,
    pub problems: Problems,
    pub sources: Sources,
}

impl Outcome {
    /// The problems as a person reads them.
    pub fn rendered(&self) -> String {
        diag::render(&self.problems, &self.sources, false, 100)
    }

    /// The codes of the problems, in the order in which they are shown.
    pub fn codes(&self) -> Vec<&'static str> {
        self.problems.sorted().iter().map(|p| p.code.0).collect()
    }

    /// The network of a program that must build without a word.
    pub fn network(self) -> Network {
        assert!(self.problems.is_empty(), "{}", self.rendered());
        self.built.expect("no problems, so it is built").network
    }
}

/// Files beside a program, held in memory.
pub struct Files(pub &'static [(&'static str, &'static str)]);

impl Loader for Files {
    fn load(&self, path: &str) -> Result<String, LoadError> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or(LoadError::Missing)
    }
}

/// Builds a program that uses no files.
pub fn build(text: &str) -> Outcome {
    build_with(text, &NoFiles, None, &[])
}

/// Builds a program with files beside it, a model's name and `--set` options.
pub fn build_with(text: &str, files: &dyn Loader, model: Option<&str>, sets: &[&str]) -> Outcome {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let main = sources.add("program.sd", text);
    let mut program = resolve::load(main, &mut sources, files, &mut problems);
    let sets: Vec<Override> = sets.iter().filter_map(|s| Override::parse(s, &mut sources, &mut problems)).collect();
    let chosen = program.choose(model, &mut problems);
    if let Some(chosen) = chosen {
        program.set(chosen, &sets, &mut problems);
    }
    let typed = typing::check(&program, &sources, &mut problems);
    let built = chosen.and_then(|chosen| elaborate::build(&typed, chosen, &sources, &mut problems));
    Outcome { built, problems, sources }
}

/// Builds everything that a program says, as `sdc check` does.
pub fn check(text: &str, files: &dyn Loader) -> Outcome {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let main = sources.add("program.sd", text);
    let program = resolve::load(main, &mut sources, files, &mut problems);
    let typed = typing::check(&program, &sources, &mut problems);
    elaborate::check(&typed, &sources, &mut problems);
    Outcome { built: None, problems, sources }
}

/// Trained numbers of a network.
pub fn parameters(network: &Network) -> u64 {
    let trained = network.parameters().into_iter().filter(|p| p.role != Role::State);
    trained.map(|p| p.dims.iter().product::<usize>() as u64).sum()
}
