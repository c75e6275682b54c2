//! How a run shows itself: a bar on a terminal, a line an epoch on standard output everywhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use crate::data::Splits;
use crate::net::{Network, Recipe};
use crate::train::{EpochMetrics, Observer, RunFolder, StepReport};

/// Lines for people; figures for programs stand in `metrics.csv`.
pub struct Lines {
    bar: Option<ProgressBar>,
    images: u64,
    batch: u64,
    epochs: usize,
    started: std::time::Instant,
}

impl Lines {
    /// Says what is about to be trained.
    pub fn start(network: &Network, recipe: &Recipe, data: &Splits, folder: &RunFolder) -> Self {
        let counts = network.counts();
        print(format!(
            "{}: {} parameters, {} sites of rules; {} training and {} test images of {}; into {}\n",
            network.name,
            counts.parameters,
            network.sites().len(),
            data.train.len(),
            data.test.len(),
            recipe.data.set.name(),
            folder.path().display(),
        ));
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "epoch {prefix}  {bar:30}  {pos}/{len} steps  {msg}  {eta} left";
            let style = ProgressStyle::with_template(style).expect("the template's fields are indicatif's");
            ProgressBar::new(0).with_style(style)
        });
        let images = data.train.len() as u64;
        Lines { bar, images, batch: recipe.batch as u64, epochs: recipe.epochs, started: std::time::Instant::now() }
    }

    /// Says where the result lies.
    pub fn finish(self, folder: &RunFolder, well: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if well {
            let seconds = self.started.elapsed().as_secs_f64();
            print(format!("trained in {seconds:.1} s; weights and metrics are in {}\n", folder.path().display()));
        }
    }
}

impl Observer for Lines {
    fn step(&mut self, report: &StepReport) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(report.steps);
        bar.set_position(report.step);
        bar.set_prefix(format!("{}/{}", report.epoch, self.epochs));
        let seen = report.step * self.batch.min(self.images);
        let speed = seen as f64 / self.started.elapsed().as_secs_f64();
        bar.set_message(format!("loss {:.4}  {speed:.0} images/s", report.loss));
    }

    fn epoch(&mut self, m: &EpochMetrics) {
        let line = format!(
            "epoch {:>3}/{}  rate {:<8}  train loss {:.4}  test loss {:.4}  test accuracy {:.2} %",
            m.epoch,
            self.epochs,
            format!("{:.6}", m.rate).trim_end_matches('0').trim_end_matches('.'),
            m.train_loss,
            m.test_loss,
            100.0 * m.test_accuracy,
        );
        match &self.bar {
            Some(bar) => bar.suspend(|| print(format!("{line}\n"))),
            None => print(format!("{line}\n")),
        }
    }
}
