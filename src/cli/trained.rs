//! A run's network with trained weights, for the commands that use one.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::{Format, failed, kept, report, threads};
use crate::data::{self, Splits};
use crate::device::{Device, Engine};
use crate::diag::Failure;
use crate::driver::{self, Built, Input, Session};
use crate::net::{Network, Recipe};
use crate::source::Sources;
use crate::train::{Checkpoint, Found, RunFolder};

/// A network that is ready to be asked.
pub struct Trained {
    pub network: Network,
    pub recipe: Recipe,
    /// The text of its program, and the files that this uses.
    pub sources: Sources,
    pub engine: Box<dyn Engine>,
    /// Steps that its weights were trained for.
    pub step: u64,
}

impl Trained {
    /// The images of its program.
    pub fn data(&self) -> Result<Splits, Failure> {
        data::load(&self.recipe.data, self.recipe.seed)
    }
}

/// Which of a run's checkpoints.
#[derive(clap::Args)]
pub struct Which {
    /// The checkpoint: `newest`, `best`, or a file.
    #[arg(long, value_name = "WHICH", default_value = "newest")]
    checkpoint: String,
    /// Where the network runs: cpu, cuda, cuda:N, vulkan or metal; `sdc devices` lists them.
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Device,
    /// Threads [default: one a processor].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl Which {
    /// Builds the run's network, and gives it the weights; what is wrong is told.
    pub fn open(&self, run: &Path) -> Result<Trained, ExitCode> {
        let folder = RunFolder::existing(run);
        let kept::Made { choice, .. } = kept::recall(&folder).map_err(|failure| failed(&failure))?;
        let mut session = Session::default();
        let built = driver::build(&mut session, &Input::named(&folder.program()), &choice);
        let Some(Built { network, recipe: Some(recipe) }) = built else {
            return Err(report(&session, Format::Text));
        };
        let checkpoint = self.read(&folder, &network).map_err(|failure| failed(&failure))?;
        let plans = driver::plans(&driver::graphs(&network, None), recipe.batch);
        let machine = driver::machine(self.device, threads(self.threads));
        let engine = machine.and_then(|machine| driver::engine(plans, &machine));
        let mut engine = engine.map_err(|failure| failed(&failure))?;
        checkpoint.restore_weights(&mut *engine);
        Ok(Trained { network, recipe, sources: session.sources, engine, step: checkpoint.record.progress.step })
    }

    fn read(&self, folder: &RunFolder, network: &Network) -> Result<Checkpoint, Failure> {
        match self.checkpoint.as_str() {
            "newest" => {
                let Found { checkpoint, path, passed_over } = folder.checkpoints().newest(network)?;
                for failure in passed_over {
                    // Nothing is left to be told where standard error itself is gone.
                    let _ = writeln!(std::io::stderr(), "warning: {failure}\n  {} is used", path.display());
                }
                Ok(checkpoint)
            }
            "best" => Checkpoint::read(&folder.checkpoints().best(), network),
            file => Checkpoint::read(Path::new(file), network),
        }
    }
}
