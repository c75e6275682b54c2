//! `sdc diff`: what changed from one program's network to another's.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Format, print, report};
use crate::diag::grouped;
use crate::driver::{self, Built, Choice, Input, Session};
use crate::net::{Diff, Entry, Row, Weights};

/// Show what changed between two programs: layers, shapes, counts, rules, weights, recipe.
///
/// Exit codes: 0 nothing changed; 1 something did; 2 a program has errors.
#[derive(clap::Args)]
pub struct Args {
    /// The program before.
    before: PathBuf,
    /// The program after; `-` reads standard input.
    after: PathBuf,
    /// The model of both, where a program has several.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Set a value of both by its path, as `train.epochs=5` or `model.depth=20`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// One JSON object in place of text.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let (Some(before), Some(after)) = (built(args, &args.before), built(args, &args.after)) else {
        return ExitCode::from(2);
    };
    let diff = Diff::between((&before.network, before.recipe.as_ref()), (&after.network, after.recipe.as_ref()));
    print(match args.json {
        true => format!("{:#}\n", to_json(&diff)),
        false => to_text(&diff),
    });
    ExitCode::from(u8::from(!diff.is_empty()))
}

fn built(args: &Args, file: &std::path::Path) -> Option<Built> {
    let mut session = Session::default();
    let choice = Choice { model: args.model.clone(), sets: args.sets.clone() };
    let built = driver::build(&mut session, &Input::named(file), &choice);
    report(&session, Format::Text);
    built
}

fn to_text(diff: &Diff) -> String {
    if diff.is_empty() {
        return "nothing changed\n".to_owned();
    }
    let mut out = String::new();
    rows("network", &diff.totals, &mut out);
    entries("layers", &diff.layers, &mut out);
    entries("rules", &diff.sites, &mut out);
    rows("training", &diff.recipe, &mut out);
    let Weights { kept, numbers, reshaped, gone, new } = diff.weights;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "weights\n  {kept} keep their name and shape ({} trained numbers), {reshaped} their name alone, {gone} are gone, \
         {new} are new",
        grouped(numbers)
    );
    out
}

fn rows(title: &str, rows: &[Row], out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let shown = |value: &Option<String>| match value {
        Some(value) => value.parse().map_or(value.clone(), grouped),
        None => "nothing".to_owned(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{title}");
    for row in rows {
        let _ = writeln!(out, "  {:width$}  {} -> {}", row.name, shown(&row.before), shown(&row.after));
    }
    out.push('\n');
}

fn entries(title: &str, entries: &[Entry], out: &mut String) {
    if entries.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{title}");
    for Entry { path, count, before, after, p } in entries {
        let times = if *count > 1 { format!("  ({count} times)") } else { String::new() };
        match (before, after) {
            (Some(before), Some(after)) if before == after => {
                let _ = writeln!(out, "  ~ {path}{times}\n      {after}");
            }
            (Some(before), Some(after)) => {
                let _ = writeln!(out, "  ~ {path}{times}\n      - {before}\n      + {after}");
            }
            (Some(text), None) => drop(writeln!(out, "  - {path}{times}\n      {text}")),
            (None, text) => drop(writeln!(out, "  + {path}{times}\n      {}", text.as_deref().unwrap_or_default())),
        }
        match p {
            Some([first, last]) if first == last => drop(writeln!(out, "      p {:.6} -> {:.6}", first.0, first.1)),
            Some([first, last]) => {
                let [a, b, c, d] = [first.0, last.0, first.1, last.1];
                let _ = writeln!(out, "      p {a:.6} … {b:.6} -> {c:.6} … {d:.6}");
            }
            None => {}
        }
    }
    out.push('\n');
}

fn to_json(diff: &Diff) -> Value {
    let row = |row: &Row| json!({ "name": row.name, "before": row.before, "after": row.after });
    let entry = |entry: &Entry| {
        let Entry { path, count, before, after, p } = entry;
        let p = p.map(|[first, last]| json!({ "before": [first.0, last.0], "after": [first.1, last.1] }));
        json!({ "path": path, "count": count, "before": before, "after": after, "p": p })
    };
    let Weights { kept, numbers, reshaped, gone, new } = diff.weights;
    json!({
        "equal": diff.is_empty(),
        "network": diff.totals.iter().map(row).collect::<Vec<_>>(),
        "layers": diff.layers.iter().map(entry).collect::<Vec<_>>(),
        "rules": diff.sites.iter().map(entry).collect::<Vec<_>>(),
        "training": diff.recipe.iter().map(row).collect::<Vec<_>>(),
        "weights": { "kept": kept, "kept_numbers": numbers, "reshaped": reshaped, "gone": gone, "new": new },
    })
}
