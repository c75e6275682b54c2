//! `sdc config`: the resolved program, with where each value came from.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Chosen, Format, print, report};
use crate::driver::{self, Input, Session};

/// Print a program with nothing left unsaid: every value, and where it came from.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// The values by their paths as one JSON list, in place of a program.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let config = driver::config(&mut session, &Input::named(&args.chosen.file), &args.chosen.choice());
    if let Some(config) = config {
        let sources = &session.sources;
        print(match args.json {
            false => config.to_text(sources),
            true => {
                let value = |v: &crate::config::Value| json!({ "path": v.name, "value": v.text, "origin": v.origin.describe(sources) });
                format!("{:#}\n", config.values().iter().map(value).collect::<Value>())
            }
        });
    }
    report(&session, Format::Text)
}
