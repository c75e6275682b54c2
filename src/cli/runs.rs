//! `sdc runs`: the runs in a folder, what state they are in, and how well they do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::progress::epoch_object;
use super::table::{Align, Table, percent};
use super::{failed, kept, print};
use crate::diag::{Failure, codes};
use crate::driver::{self, Input, Session};
use crate::train::{Metrics, RunFolder};

/// List runs: state, best and last figures.
#[derive(clap::Args)]
pub struct Args {
    /// The folder that holds the runs' folders.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// One JSON list in place of a table.
    #[arg(long)]
    json: bool,
}

/// A run as its folder shows it.
struct Row {
    folder: PathBuf,
    state: &'static str,
    /// That the run is planned for, where its program says it.
    epochs: Option<usize>,
    metrics: Metrics,
}

pub fn run(args: &Args) -> ExitCode {
    let entries = match fs::read_dir(&args.folder) {
        Ok(entries) => entries,
        Err(e) => {
            let message = format!("{} cannot be read: {e}", args.folder.display());
            return failed(&Failure::new(codes::CANNOT_READ, message, "name the folder that holds the runs"));
        }
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|p| is_run(p)).collect();
    folders.sort_by_cached_key(|path| natural(path));
    let rows: Vec<Row> = folders.into_iter().map(read).collect();
    print(match args.json {
        true => format!("{:#}\n", rows.iter().map(to_json).collect::<Value>()),
        false => to_text(&rows),
    });
    ExitCode::SUCCESS
}

fn is_run(path: &Path) -> bool {
    RunFolder::existing(path).program().is_file()
}

/// The name and the number behind it, so that run 10 stands after run 9.
fn natural(path: &Path) -> (String, u64) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let split = name.rsplit_once('-').and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
    split.unwrap_or((name, 0))
}

fn read(path: PathBuf) -> Row {
    let folder = RunFolder::existing(&path);
    let metrics = folder.read_metrics().ok();
    let build = |choice| driver::build(&mut Session::default(), &Input::named(&folder.program()), &choice);
    let recipe = kept::recall(&folder).ok().and_then(|made| build(made.choice)).and_then(|built| built.recipe);
    let epochs = recipe.map(|recipe| recipe.epochs);
    let done = metrics.as_ref().and_then(|m| m.last()).map_or(0, |row| row.epoch);
    let state = match (folder.in_use(), &metrics, epochs) {
        (true, _, _) => "running",
        (false, None, _) | (false, _, None) => "damaged",
        (false, Some(_), Some(epochs)) if done >= epochs => "finished",
        (false, Some(_), Some(_)) => "stopped",
    };
    Row { folder: path, state, epochs, metrics: metrics.unwrap_or_default() }
}

fn to_text(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("state", Align::Left),
        ("epochs", Align::Right),
        ("best accuracy", Align::Right),
        ("in epoch", Align::Right),
        ("last accuracy", Align::Right),
        ("test loss", Align::Right),
        ("train loss", Align::Right),
    ]);
    for Row { folder, state, epochs, metrics } in rows {
        let epochs = epochs.map_or("?".to_owned(), |epochs| epochs.to_string());
        let mut cells = vec![folder.display().to_string(), (*state).to_owned()];
        match (metrics.best(), metrics.last()) {
            (Some(best), Some(last)) => cells.extend([
                format!("{}/{epochs}", last.epoch),
                percent(best.test_accuracy),
                best.epoch.to_string(),
                percent(last.test_accuracy),
                format!("{:.4}", last.test_loss),
                format!("{:.4}", last.train_loss),
            ]),
            _ => {
                cells.push(format!("0/{epochs}"));
                cells.extend(std::iter::repeat_n(String::new(), 5));
            }
        }
        table.row(cells);
    }
    table.to_string()
}

fn to_json(row: &Row) -> Value {
    json!({
        "run": row.folder, "state": row.state, "epochs": row.epochs,
        "best": row.metrics.best().map(epoch_object), "last": row.metrics.last().map(epoch_object),
    })
}
