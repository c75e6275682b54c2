//! `sdc predict`: what a trained network says of each image.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::table::percent;
use super::trained::{Trained, Which};
use super::{failed, print};
use crate::data::{Pictures, class_names, pictures};
use crate::diag::{Failure, codes};
use crate::train::{classify, largest, share};

/// Print a trained network's choice for image files, or for the images of its data set.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run.
    run: PathBuf,
    /// JPEG or PNG files of any size; the middle of each is brought to the size that the network takes.
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Which part of the data set, where no files are named.
    #[arg(long, value_name = "PART", default_value = "test", conflicts_with = "images")]
    data: Part,
    /// Index (or file), label, predicted class and all logits as CSV.
    #[arg(long)]
    csv: bool,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What is learnt from, as it is stored.
    Train,
    /// What is held back to choose the best weights by.
    Validation,
    /// What is only looked at.
    Test,
}

pub fn run(args: &Args) -> ExitCode {
    let mut trained = match args.which.open(&args.run) {
        Ok(trained) => trained,
        Err(code) => return code,
    };
    let chosen = match args.chosen(&trained) {
        Ok(chosen) => chosen,
        Err(failure) => return failed(&failure),
    };
    // A bad file costs itself alone: the others are answered, and the exit code tells.
    let code = chosen.failures.iter().map(failed).fold(ExitCode::SUCCESS, |_, failed| failed);
    match args.ask(&mut trained, &chosen) {
        Ok(text) => print(text),
        Err(failure) => return failed(&failure),
    }
    code
}

impl Args {
    fn chosen(&self, trained: &Trained) -> Result<Pictures, Failure> {
        if !self.images.is_empty() {
            return Ok(pictures(&trained.recipe.data.set, &self.images));
        }
        let data = trained.data()?;
        let images = match self.data {
            Part::Train => data.train,
            Part::Test => data.test,
            Part::Validation => data.validation.ok_or_else(|| {
                let message = format!("{} holds no images back for validation", self.run.display());
                Failure::new(codes::CANNOT_READ, message, "ask for --data train or --data test")
            })?,
        };
        Ok(Pictures { images, files: vec![], failures: vec![] })
    }

    fn ask(&self, trained: &mut Trained, chosen: &Pictures) -> Result<String, Failure> {
        let Pictures { images, files, .. } = chosen;
        let names = class_names(&trained.recipe.data.set);
        let named = |class: usize| names.get(class).map_or(class.to_string(), |name| format!("{class} {name}"));
        let mut out = String::new();
        let mut table = csv::WriterBuilder::new().from_writer(vec![]);
        // Memory takes every row, and each has a cell for each column.
        let mut row = |cells: &[String]| table.write_record(cells).expect("rows of one length, into memory");
        if self.csv {
            let about = if self.images.is_empty() { vec!["index", "label"] } else { vec!["image"] };
            let logits = (0..images.classes).map(|class| format!("logit_{class}"));
            row(&about.into_iter().chain(["predicted"]).map(str::to_owned).chain(logits).collect::<Vec<_>>());
        }
        let mut index = 0;
        let _ = classify(&mut *trained.engine, images, trained.recipe.batch, |label, logits| {
            let predicted = largest(logits);
            // Writing to a String cannot fail.
            let _ = match (self.csv, files.get(index)) {
                (true, file) => {
                    let about = match file {
                        Some(file) => vec![file.display().to_string()],
                        None => vec![index.to_string(), label.to_string()],
                    };
                    let logits = logits.iter().map(f32::to_string);
                    row(&about.into_iter().chain([predicted.to_string()]).chain(logits).collect::<Vec<_>>());
                    Ok(())
                }
                (false, Some(file)) => {
                    let (class, share) = (named(predicted), percent(share(logits, predicted)));
                    writeln!(out, "{}: class {class}, {share}", file.display())
                }
                (false, None) => {
                    let mark = if predicted == label as usize { "" } else { "  wrong" };
                    writeln!(out, "image {index}: class {}, label {}{mark}", named(predicted), named(label as usize))
                }
            };
            index += 1;
            ControlFlow::Continue(())
        })?;
        out += &String::from_utf8_lossy(&table.into_inner().expect("memory is flushed"));
        Ok(out)
    }
}
