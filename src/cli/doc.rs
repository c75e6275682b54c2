//! `sdc doc`: the documentation of programs and of the standard library as pages for a browser.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Format, failed, print, report};
use crate::diag::{Failure, counted};
use crate::docs::{Entry, html};
use crate::driver::{self, Input, Session};

/// Write the documentation of programs, and of the standard library, as HTML.
#[derive(clap::Args)]
pub struct Args {
    /// Programs and folders of programs; the standard library comes with them.
    #[arg(value_name = "FILES")]
    names: Vec<PathBuf>,
    /// The folder; it is made where it is not there.
    #[arg(long, short, default_value = "doc", value_name = "FOLDER")]
    output: PathBuf,
}

pub fn run(args: &Args) -> ExitCode {
    match write(args) {
        Ok(code) => code,
        Err(failure) => failed(&failure),
    }
}

fn write(args: &Args) -> Result<ExitCode, Failure> {
    let mut modules = Vec::new();
    for input in driver::programs(&args.names)? {
        let mut session = Session::default();
        let Some(module) = own(&mut session, &input) else { return Ok(report(&session, Format::Text)) };
        modules.push(module);
    }
    let mut session = Session::default();
    let shelf = driver::shelf(&mut session, None).expect("the library can always be read");
    for (module, items) in shelf.books(&session.sources) {
        modules.push((format!("{}.html", module.name), module, items));
    }
    let cannot = |e: std::io::Error| Failure::unwritten(&args.output, &e);
    std::fs::create_dir_all(&args.output).map_err(cannot)?;
    for (file, module, items) in &modules {
        std::fs::write(args.output.join(file), html::page(module, items)).map_err(cannot)?;
    }
    let index = args.output.join("index.html");
    std::fs::write(&index, html::index("Documentation", &modules)).map_err(cannot)?;
    print(format!("{}: {}\n", index.display(), counted(modules.len(), "module", "modules")));
    Ok(ExitCode::SUCCESS)
}

/// A program's own file, by the name of its page.
fn own(session: &mut Session, input: &Input) -> Option<(String, Entry, Vec<Entry>)> {
    let shelf = driver::shelf(session, Some(input))?;
    let (mut module, items) = shelf.books(&session.sources).into_iter().next()?;
    module.name = input.name();
    let plain = |c: char| match c {
        '/' | '\\' => '.',
        c if c.is_alphanumeric() || "._-".contains(c) => c,
        _ => '_',
    };
    let file: String = module.name.chars().map(plain).collect();
    Some((format!("{}.html", file.trim_start_matches('.')), module, items))
}
