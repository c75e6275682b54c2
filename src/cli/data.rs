//! `sdc data`: where data sets are looked for, and fetching them.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use super::table::{Align, Table};
use super::{failed, print};
use crate::data::fetch::{self, Fetched};
use crate::diag::{Failure, codes, listed};

/// Show where data sets are looked for, or fetch one.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    Get(Get),
}

/// Fetch a data set into the user's cache, and compare it with its published checksum.
#[derive(clap::Args)]
struct Get {
    /// `cifar10`, `cifar100` or `mnist`.
    name: String,
    /// The address of the folder that holds the archive, in place of the official one; `file:///FOLDER` takes it from
    /// this machine.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The folder for the files, in place of the user's cache.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub fn run(args: &Args) -> ExitCode {
    match &args.command {
        None => {
            print(places());
            ExitCode::SUCCESS
        }
        Some(Command::Get(get)) => match fetched(get) {
            Ok(place) => {
                print(format!("{} is in {}\n", get.name, place.display()));
                ExitCode::SUCCESS
            }
            Err(failure) => failed(&failure),
        },
    }
}

/// A row a data set that lies in files.
fn places() -> String {
    let mut table = Table::new(&[("data set", Align::Left), ("is there", Align::Left), ("looked for in", Align::Left)]);
    for set in fetch::ALL {
        let place = set.place();
        let there = if place.as_ref().is_some_and(|place| set.is_at(place)) { "yes" } else { "no" };
        let place =
            place.map_or("no cache: this user has no home folder".to_owned(), |place| place.display().to_string());
        table.row([set.name.to_owned(), there.to_owned(), place]);
    }
    format!(
        "{table}\n`sdc data get NAME` fetches one; `data NAME(path: \"…\")` in a program looks elsewhere. `digits` and \
         `synthetic` need no files; `folder(\"PATH\")` reads image files.\n"
    )
}

fn fetched(get: &Get) -> Result<PathBuf, Failure> {
    let set = Fetched::named(&get.name).ok_or_else(|| {
        let names: Vec<&str> = fetch::ALL.iter().map(|set| set.name).collect();
        let message = format!("there is no data set `{}` to fetch", get.name);
        Failure::new(codes::UNKNOWN_NAME, message, format!("those that can be fetched are {}", listed(&names)))
    })?;
    let place = get.to.clone().or_else(|| set.place()).ok_or_else(|| {
        Failure::new(
            codes::CANNOT_WRITE,
            "this user has no home folder, so there is no cache",
            "name a folder: `--to DIR`",
        )
    })?;
    let mut shown = Shown::default();
    let result = set.get(get.from.as_deref().unwrap_or(set.from), &place, &mut |name, done, all| {
        shown.at(name, done, all);
    });
    shown.finish();
    result.map(|()| place)
}

/// A bar a file on a terminal; elsewhere a line a file.
#[derive(Default)]
struct Shown {
    name: String,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn at(&mut self, name: &str, done: u64, all: Option<u64>) {
        if self.name != name {
            self.finish();
            name.clone_into(&mut self.name);
            if std::io::stderr().is_terminal() {
                let style = "{prefix}  {bar:30}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
                let style = ProgressStyle::with_template(style).expect("the template's fields are indicatif's");
                let bar = all.map_or_else(ProgressBar::no_length, ProgressBar::new);
                self.bar = Some(bar.with_style(style).with_prefix(self.name.clone()));
            } else {
                let size = all.map_or(String::new(), |all| format!(" ({all} bytes)"));
                print(format!("fetching {name}{size}\n"));
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}
