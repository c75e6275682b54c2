//! `sdc test`: what programs generate, held against what was accepted.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{Format, colour, failed, print, report};
use crate::diag::{Failure, counted};
use crate::driver::{self, Session};
use crate::snapshot::{self, Kind, Snapshot, State};

/// Hold programs against their assertions, and what they generate against snapshots: the network, the graph, the kernels.
#[derive(clap::Args)]
pub struct Args {
    /// Programs and folders of programs.
    #[arg(default_value = ".", value_name = "FILES")]
    names: Vec<PathBuf>,
    /// Take all that is generated now as right: write the snapshots, remove those that nothing generates.
    #[arg(long, conflicts_with = "review")]
    accept: bool,
    /// Ask for each change whether it is right.
    #[arg(long)]
    review: bool,
    /// Only what this stage makes; may be given several times.
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Layers by path, shapes, parameters, rules.
    Net,
    /// The graph of the forward pass.
    Graph,
    /// The fused kernels of a training step and of the test-time pass.
    Kernels,
}

/// What was found, and what was done about it.
#[derive(Default)]
struct Told {
    same: usize,
    open: usize,
    accepted: usize,
    refused_programs: usize,
}

pub fn run(args: &Args) -> ExitCode {
    match test(args) {
        Ok(told) if told.open + told.refused_programs == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(failure) => failed(&failure),
    }
}

fn test(args: &Args) -> Result<Told, Failure> {
    let kinds = kinds(&args.only);
    let mut told = Told::default();
    let mut asking = args.review;
    for input in driver::programs(&args.names)? {
        let mut session = Session::default();
        let Some(snapshots) = snapshot::compare(&mut session, &input, &kinds)? else {
            report(&session, Format::Text);
            told.refused_programs += 1;
            continue;
        };
        for snapshot in snapshots {
            if snapshot.state == State::Same {
                told.same += 1;
                continue;
            }
            let take = args.accept || {
                print(shown(&snapshot));
                asking && ask(&mut asking)
            };
            if take {
                snapshot.accept()?;
                told.accepted += 1;
            } else {
                told.open += 1;
            }
        }
    }
    print(summed_up(&told));
    Ok(told)
}

fn kinds(only: &[Stage]) -> Vec<Kind> {
    let wanted = |kind: &Kind| {
        let stage = match kind {
            Kind::Net => Stage::Net,
            Kind::Graph => Stage::Graph,
            Kind::Kernels => Stage::Kernels,
        };
        only.is_empty() || only.contains(&stage)
    };
    Kind::ALL.into_iter().filter(wanted).collect()
}

/// What the terminal shows of a change.
fn shown(snapshot: &Snapshot) -> String {
    let what = match snapshot.state {
        State::Same => return String::new(),
        State::New => "new: nothing was accepted yet",
        State::Changed(_) => "changed",
        State::Orphan(_) => "orphan: nothing generates it any more",
    };
    let diff = match snapshot.state {
        // All of it is new, or all of it goes: its length says enough.
        State::New => format!("  {}\n", counted(snapshot.text.lines().count(), "line", "lines")),
        State::Orphan(_) | State::Same => String::new(),
        State::Changed(_) => painted(&snapshot.diff()),
    };
    format!("{}: {what}\n{diff}", snapshot.path.display())
}

/// A difference in the colours that people know.
fn painted(diff: &str) -> String {
    if !colour(&std::io::stdout()) {
        return diff.to_owned();
    }
    let paint = |line: &str| match line.as_bytes().first() {
        Some(b'+') => format!("\x1b[32m{line}\x1b[0m\n"),
        Some(b'-') => format!("\x1b[31m{line}\x1b[0m\n"),
        Some(b'@') => format!("\x1b[36m{line}\x1b[0m\n"),
        Some(_) | None => format!("{line}\n"),
    };
    diff.lines().map(paint).collect()
}

/// Asks on the terminal whether a change is right; after `q`, or where nobody answers, nothing more is asked.
fn ask(asking: &mut bool) -> bool {
    loop {
        print("accept [a], keep the old one [k], stop asking [q]? ");
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if !std::io::stdin().is_terminal() {
            print("\n");
        }
        match (read, answer.trim()) {
            (Ok(1..), "a" | "accept" | "y") => return true,
            (Ok(1..), "k" | "keep" | "n") => return false,
            (Ok(1..), "q") | (Ok(0) | Err(_), _) => {
                *asking = false;
                return false;
            }
            (Ok(_), _) => {}
        }
    }
}

fn summed_up(told: &Told) -> String {
    let Told { same, open, accepted, refused_programs } = told;
    let mut parts = vec![format!("{} as accepted", counted(*same, "snapshot", "snapshots"))];
    if *accepted > 0 {
        parts.push(format!("{accepted} accepted now"));
    }
    if *open > 0 {
        parts.push(format!("{open} to look at: accept with `sdc test --accept`, one by one with `--review`"));
    }
    if *refused_programs > 0 {
        parts.push(format!("{} with errors", counted(*refused_programs, "program", "programs")));
    }
    parts.join(", ") + "\n"
}
