//! `sdc devices`: where networks can run on this machine.

use std::process::ExitCode;

use serde_json::json;

use super::table::{Align, Table};
use super::{print, threads};
use crate::device;

/// List the devices of this machine that `--device` takes, and why others are not there.
#[derive(clap::Args)]
pub struct Args {
    /// One JSON object a line in place of a table.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let found = device::found(threads(None));
    if args.json {
        let lines = found.iter().map(|found| match &found.is {
            Ok(what) => format!("{}\n", json!({ "device": found.name, "is": what })),
            Err(why) => {
                format!("{}\n", json!({ "device": found.name, "missing": why.message, "help": why.help }))
            }
        });
        print(lines.collect::<String>());
        return ExitCode::SUCCESS;
    }
    let mut table = Table::new(&[("device", Align::Left), ("", Align::Left)]);
    for found in &found {
        match &found.is {
            Ok(what) => table.row([found.name.clone(), what.clone()]),
            Err(why) => {
                table.row([found.name.clone(), format!("not here: {}", why.message)]);
                table.row([String::new(), why.help.clone()]);
            }
        }
    }
    print(table.to_string());
    ExitCode::SUCCESS
}
