//! `sdc eval`: how well a trained network does on the test images.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::table::{Align, Table, percent};
use super::trained::Which;
use super::{failed, print};
use crate::train::{Assessment, assess};

/// Test a trained network, with the derived factors in place of its rules.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run.
    run: PathBuf,
    #[command(flatten)]
    which: Which,
    /// One JSON object in place of text.
    #[arg(long)]
    json: bool,
}

/// The most classes of which a matrix is shown as text.
const MATRIX: usize = 20;

pub fn run(args: &Args) -> ExitCode {
    let mut trained = match args.which.open(&args.run) {
        Ok(trained) => trained,
        Err(code) => return code,
    };
    let batch = trained.recipe.batch;
    let assessed = trained.data().and_then(|data| assess(&mut *trained.engine, &data.test, batch));
    let assessment = match assessed {
        Ok(assessment) => assessment,
        Err(failure) => return failed(&failure),
    };
    print(match args.json {
        true => format!("{}\n", to_json(&assessment, trained.step)),
        false => to_text(&assessment, trained.step),
    });
    ExitCode::SUCCESS
}

fn to_json(assessment: &Assessment, step: u64) -> Value {
    json!({
        "step": step,
        "accuracy": assessment.accuracy(),
        "top5": assessment.top_five(),
        "loss": assessment.loss(),
        "confusion": assessment.confusion,
    })
}

fn to_text(assessment: &Assessment, step: u64) -> String {
    let mut out = format!(
        "after step {step}: accuracy {}, top-5 {}, loss {:.4}\n\n",
        percent(assessment.accuracy()),
        percent(assessment.top_five()),
        assessment.loss()
    );
    let matrix = assessment.confusion.len() <= MATRIX;
    let mut columns = vec![("class", Align::Right), ("images", Align::Right), ("right", Align::Right)];
    let numbers: Vec<String> = (0..assessment.confusion.len()).map(|class| class.to_string()).collect();
    if matrix {
        columns.push((" taken for", Align::Left));
        columns.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    }
    let mut table = Table::new(&columns);
    for (class, row) in assessment.confusion.iter().enumerate() {
        let images: u64 = row.iter().sum();
        let right = if images > 0 { percent(row[class] as f64 / images as f64) } else { String::new() };
        let mut cells = vec![class.to_string(), images.to_string(), right];
        if matrix {
            cells.push(String::new());
            cells.extend(row.iter().map(|n| if *n > 0 { n.to_string() } else { "·".to_owned() }));
        }
        table.row(cells);
    }
    out += &table.to_string();
    out
}
