//! The model card beside exported weights: what the network is, how well it does, how to use it, and its program.

use std::fmt::Write as _;

use crate::diag::grouped;
use crate::net::{Network, Recipe};
use crate::train::Assessment;

/// The file of the weights.
pub const WEIGHTS: &str = "model.safetensors";
/// The file of the card.
pub const CARD: &str = "README.md";

/// What a card tells.
pub struct Card<'a> {
    /// The network.
    pub network: &'a Network,
    /// How it was trained.
    pub recipe: &'a Recipe,
    /// Steps that were done.
    pub step: u64,
    /// How well it does on the test images.
    pub assessment: &'a Assessment,
    /// The text of the resolved program.
    pub program: &'a str,
}

impl Card<'_> {
    /// The card, with the front matter that model hubs read.
    pub fn text(&self) -> String {
        let Card { network, recipe, step, assessment, program } = self;
        let (counts, data) = (network.counts(), recipe.data.set.name());
        let mut out = String::from("---\nlibrary_name: sdc\npipeline_tag: image-classification\nmetrics: [accuracy]\n");
        if ["cifar10", "cifar100", "mnist"].contains(&data) {
            out += &format!("datasets: [{data}]\n");
        }
        out += &format!("---\n\n# {}\n\n", network.name);
        let test: u64 = assessment.confusion.iter().flatten().sum();
        let mut rows = vec![
            ("parameters", grouped(counts.parameters)),
            ("multiply-adds an image", grouped(counts.multiply_adds)),
            ("input", format!("{} (C x H x W)", network.input)),
            ("classes", network.output.channels.to_string()),
            ("data", data.to_owned()),
            ("trained for", format!("{step} steps of {} images, {} epochs planned", recipe.batch, recipe.epochs)),
            ("seed", recipe.seed.to_string()),
        ];
        rows.extend([
            ("test images", test.to_string()),
            ("accuracy", format!("{:.2} %", 100.0 * assessment.accuracy())),
            ("top-5", format!("{:.2} %", 100.0 * assessment.top_five())),
            ("loss", format!("{:.4}", assessment.loss())),
        ]);
        out += "| what | value |\n| --- | --- |\n";
        for (what, value) in rows {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "| {what} | {value} |");
        }
        let rules = network.sites().len();
        if rules > 0 {
            let _ = writeln!(
                out,
                "\nAt test time each of the {rules} sites of stochastic rules multiplies by its expected factor; the figures are \
                 taken so."
            );
        }
        let _ = write!(
            out,
            "\n`{WEIGHTS}` holds weights and running statistics (`scale`, `shift`, `mean`, `variance` of each `bn`) under \
             their paths in the network, in single precision.\n\n```sh\nsdc import {WEIGHTS} program.sd --out runs/{0}\n\
             sdc eval runs/{0}\n```\n\n## Program\n\n```sd\n{1}\n```\n",
            network.name,
            program.trim_end()
        );
        out
    }
}
