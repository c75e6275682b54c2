//! `sdc check`: everything that can be wrong, before anything runs; with `--fix`, what can be mended by itself.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use similar::TextDiff;

use super::{Format, failed, print, report};
use crate::diag::{Failure, codes, counted};
use crate::driver::{self, Change, Input, Mended, Session};

/// Find every mistake in a program without running it.
#[derive(clap::Args)]
pub struct Args {
    /// The program; `-` reads standard input.
    file: PathBuf,
    /// How problems are shown.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write every mechanical mend into the program's own files, and show what is left.
    #[arg(long)]
    fix: bool,
    /// With --fix: show the mends as a difference and write nothing.
    #[arg(long, requires = "fix")]
    dry_run: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let input = Input::named(&args.file);
    if args.fix {
        return fix(args, &input);
    }
    let mut session = Session::default();
    driver::check(&mut session, &input);
    report(&session, args.format)
}

fn fix(args: &Args, input: &Input) -> ExitCode {
    if *input == Input::Stdin && !args.dry_run {
        let help = "name a file, or add `--dry-run` to see the mends";
        let failure = Failure::new(codes::CANNOT_WRITE, "standard input cannot be mended in place", help);
        failed(&failure);
        return ExitCode::from(2);
    }
    let Mended { session, changes, files } = driver::fix(input);
    let mut told = String::new();
    if args.dry_run {
        for file in &files {
            let diff = TextDiff::from_lines(&file.before, &file.after);
            let mut shown = diff.unified_diff();
            told += &shown.context_radius(1).header(&file.name, &file.name).to_string();
        }
    } else {
        for file in &files {
            if let Err(failure) = file.write() {
                return failed(&failure);
            }
        }
        changes.iter().for_each(|change| told += &format!("{}\n", line(change)));
    }
    if !changes.is_empty() {
        let would = if args.dry_run { "would be " } else { "" };
        told += &format!("{} {would}mended\n", counted(changes.len(), "problem", "problems"));
    }
    // With `--format json`, standard output is for JSON alone.
    match args.format {
        Format::Text => print(told),
        // Nothing is left to be told where standard error itself is gone.
        Format::Json => drop(std::io::stderr().write_all(told.as_bytes())),
    }
    report(&session, args.format)
}

/// `program.sd:4: widht -> width (SD0201)`
fn line(change: &Change) -> String {
    // A comma that comes or goes with an argument is not worth a word.
    let bare = |text: &str| text.trim_matches([',', ' ', '\n']).to_owned();
    let what = match (bare(&change.before).as_str(), bare(&change.after).as_str()) {
        ("", after) => format!("added `{after}`"),
        (before, "") => format!("removed `{before}`"),
        (before, after) => format!("`{before}` -> `{after}`"),
    };
    format!("{}:{}: {what} ({})", change.file, change.line, change.code)
}
