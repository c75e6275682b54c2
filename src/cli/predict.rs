//! `sdc predict`: what a trained network says of each image.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use super::trained::Which;
use super::{failed, print};
use crate::train::{classify, largest};

/// Print a trained network's choice for each image of its data set.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run.
    run: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Which part of the data set.
    #[arg(long, value_name = "PART", default_value = "test")]
    data: Part,
    /// Index, label, predicted class and all logits as CSV.
    #[arg(long)]
    csv: bool,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What is learnt from, as it is stored.
    Train,
    /// What is only looked at.
    Test,
}

pub fn run(args: &Args) -> ExitCode {
    let mut trained = match args.which.open(&args.run) {
        Ok(trained) => trained,
        Err(code) => return code,
    };
    let images = match args.data {
        Part::Train => &trained.data.train,
        Part::Test => &trained.data.test,
    };
    let mut out = String::new();
    if args.csv {
        let logits: String = (0..images.classes).map(|class| format!(",logit_{class}")).collect();
        out = format!("index,label,predicted{logits}\n");
    }
    let mut index = 0;
    let asked = classify(&mut *trained.engine, images, trained.recipe.batch, |label, logits| {
        let predicted = largest(logits);
        // Writing to a String cannot fail.
        let _ = match args.csv {
            true => {
                let logits: String = logits.iter().map(|z| format!(",{z}")).collect();
                writeln!(out, "{index},{label},{predicted}{logits}")
            }
            false => {
                let mark = if predicted == label as usize { "" } else { "  wrong" };
                writeln!(out, "image {index}: class {predicted}, label {label}{mark}")
            }
        };
        index += 1;
        ControlFlow::Continue(())
    });
    if let Err(failure) = asked {
        return failed(&failure);
    }
    print(out);
    ExitCode::SUCCESS
}
