//! The command line: one file a subcommand, what they share here.
//!
//! Exit codes: 0 all is well; 1 the program has errors or a run failed; 2 the command line itself is wrong. `sdc diff`
//! answers as `diff` does: 0 nothing changed, 1 something did, 2 there is nothing to compare.
//! Absence: analysis; each subcommand calls [`driver`](crate::driver) and shows what comes back.

mod at;
mod bench;
mod build;
mod check;
mod config;
mod data;
mod devices;
mod diff;
mod doc;
mod draws;
mod dump;
mod eval;
mod explain;
mod export;
mod fmt;
mod graph;
mod import;
mod kept;
mod lsp;
mod new;
mod plot;
mod predict;
mod progress;
mod runs;
mod shell;
mod signals;
mod summary;
mod table;
mod test;
mod train;
mod trained;
mod watch;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

use crate::diag::{self, Failure, Problems};
use crate::driver::{Choice, Footprint, Session};

/// What every command's exit code means.
const EXIT_CODES: &str = "Exit codes:
  0  all is well; warnings are no errors
  1  the program has errors, a name or file is not there, or a run failed
  2  the command line itself is wrong";

/// The compiler for residual networks with stochastic regularizers.
#[derive(Parser)]
#[command(
    name = "sdc",
    version,
    about,
    after_help = EXIT_CODES
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Explain(explain::Args),
    Fmt(fmt::Args),
    Graph(graph::Args),
    Config(config::Args),
    Data(data::Args),
    Summary(summary::Args),
    Diff(diff::Args),
    Draws(draws::Args),
    Lsp(lsp::Args),
    New(new::Args),
    Doc(doc::Args),
    Completions(shell::Completions),
    Man(shell::Man),
    Test(test::Args),
    Train(train::Args),
    Runs(runs::Args),
    Plot(plot::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Export(export::Args),
    Import(import::Args),
    Bench(bench::Args),
    Dump(dump::Args),
    Build(build::Args),
    Devices(devices::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Draws(args) => draws::run(&args),
        Command::Lsp(args) => lsp::run(&args),
        Command::New(args) => new::run(&args),
        Command::Doc(args) => doc::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Test(args) => test::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Devices(args) => devices::run(&args),
    }
}

/// The program that a command works on, and what of it.
#[derive(clap::Args)]
struct Chosen {
    /// The program; `-` reads standard input.
    file: PathBuf,
    #[command(flatten)]
    values: Values,
}

impl Chosen {
    fn choice(&self) -> Choice {
        self.values.choice()
    }
}

/// What of a program, and with which values.
#[derive(clap::Args)]
struct Values {
    /// The model, where the program has several.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Set a value by its path, as `train.epochs=5` or `model.depth=20`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
}

impl Values {
    fn choice(&self) -> Choice {
        Choice { model: self.model.clone(), sets: self.sets.clone() }
    }
}

/// How much memory a training step may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Memory {
    /// As much as makes it fastest.
    #[default]
    Normal,
    /// Less: feature maps are computed again where that takes little time. Every number stays the same.
    Low,
}

impl Memory {
    fn name(self) -> &'static str {
        match self {
            Memory::Normal => "normal",
            Memory::Low => "low",
        }
    }
}

impl From<Memory> for Footprint {
    fn from(memory: Memory) -> Footprint {
        match memory {
            Memory::Normal => Footprint::Normal,
            Memory::Low => Footprint::Low,
        }
    }
}

/// How problems are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, on standard error.
    #[default]
    Text,
    /// One JSON object a line and problem, on standard output; then one with the command that tells more.
    Json,
}

/// Shows every problem of a session; the exit code tells whether there are errors.
fn report(session: &Session, format: Format) -> ExitCode {
    match format {
        Format::Json => {
            let mut lines = diag::render_json(&session.problems, &session.sources);
            if let Some(more) = more(&session.problems) {
                lines += &format!("{}\n", json!({ "more": more }));
            }
            print(lines);
        }
        Format::Text => {
            let stderr = std::io::stderr();
            let mut text = diag::render(&session.problems, &session.sources, colour(&stderr), width(&stderr));
            if let Some(more) = more(&session.problems) {
                text += &format!("more on each: {more}\n");
            }
            // Nothing is left to be told where standard error itself is gone.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
    if session.problems.has_errors() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

/// Says why a run cannot go on.
fn failed(failure: &Failure) -> ExitCode {
    // Nothing is left to be told where standard error itself is gone.
    let _ = writeln!(std::io::stderr(), "{failure}\n  more: sdc explain {}", failure.code);
    ExitCode::from(1)
}

/// The command that tells more on these problems, if there are any.
fn more(problems: &Problems) -> Option<String> {
    let mut codes: Vec<&str> = problems.sorted().iter().take(diag::MAX_SHOWN).map(|p| p.code.0).collect();
    codes.sort_unstable();
    codes.dedup();
    (!codes.is_empty()).then(|| format!("sdc explain {}", codes.join(" ")))
}

/// As many threads as asked for, else one a processor.
fn threads(asked: Option<usize>) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.unwrap_or_else(processors).max(1)
}

/// Writes to standard output; a reader that has had enough, as in `sdc dump … | head`, is no failure.
fn print(text: impl AsRef<[u8]>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(text.as_ref()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        failed(&Failure::unwritten(Path::new("standard output"), &error));
        std::process::exit(1);
    }
}

/// Colours are for terminals, unless the variable `NO_COLOR` is set to anything but nothing (no-color.org).
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The width of text on a stream: the terminal's within reason, 100 elsewhere.
fn width(stream: &impl IsTerminal) -> usize {
    const ELSEWHERE: usize = 100;
    if stream.is_terminal() { columns().unwrap_or(ELSEWHERE).clamp(60, 120) } else { ELSEWHERE }
}

/// The columns of the terminal: those that the variable `COLUMNS` says, else as the terminal says.
fn columns() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.or_else(|| terminal_size::terminal_size().map(|(width, _)| width.0.into()))
}
