//! `sdc export`: a trained network for other tools.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;

use super::trained::{Trained, Which};
use super::{failed, kept, print};
use crate::data::{Batch, Pass, Splits};
use crate::diag::{Failure, counted, grouped};
use crate::disk::{SystemDisk, replace};
use crate::driver;
use crate::exchange::card::{CARD, Card, WEIGHTS};
use crate::exchange::onnx::{self, Export, Sample};
use crate::exchange::weights;
use crate::source::SourceId;
use crate::train::{RunFolder, assess};

/// Write a trained network for other tools: ONNX, or safetensors with a model card.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of a run.
    run: PathBuf,
    #[command(flatten)]
    which: Which,
    /// What is written: one file of ONNX, or a folder with weights, program and card.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// The file of ONNX, or the folder of safetensors, which must be new.
    #[arg(short, long, value_name = "PATH")]
    out: PathBuf,
    /// With ONNX: also write the test images that it is checked with, and their logits, into this new folder, as ONNX's
    /// test data sets have them.
    #[arg(long, value_name = "DIR")]
    samples: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The test-time network from pixel values to logits, operator set 17, checked before it is written.
    Onnx,
    /// Weights under their paths, the program, and a model card with the figures.
    Safetensors,
}

/// How many test images an exported network is checked with.
const CHECKED: usize = 16;

pub fn run(args: &Args) -> ExitCode {
    let mut trained = match args.which.open(&args.run) {
        Ok(trained) => trained,
        Err(code) => return code,
    };
    let written = match args.format {
        Format::Onnx => to_onnx(args, &mut trained),
        Format::Safetensors => to_safetensors(&args.out, &mut trained),
    };
    match written {
        Ok(told) => {
            print(told);
            ExitCode::SUCCESS
        }
        Err(failure) => failed(&failure),
    }
}

/// Nothing is written before the check has passed.
fn to_onnx(args: &Args, trained: &mut Trained) -> Result<String, Failure> {
    let data = trained.data()?;
    let Trained { network, sources, .. } = &*trained;
    let graph = driver::forward(network, None);
    let program = &sources.get(SourceId(0)).text;
    let scale = &data.test.scale;
    let export = Export { graph: &graph, engine: &*trained.engine, scale, name: &network.name, program };
    let model = onnx::model(&export)?;
    let sample = sample(trained, &data)?;
    let off = onnx::check(&model, &sample)?;
    write(&args.out, &model)?;
    if let Some(folder) = &args.samples {
        new_folder(folder)?;
        for (name, bytes) in onnx::samples(&sample) {
            write(&folder.join(name), &bytes)?;
        }
    }
    let (path, bytes) = (args.out.display(), grouped(model.len() as u64));
    let images = counted(sample.dims[0], "test image", "test images");
    Ok(format!("{path}: {bytes} bytes; the logits of {images} agree to {off:.1e}\n"))
}

/// The first test images as they are stored, with their logits.
fn sample(trained: &mut Trained, data: &Splits) -> Result<Sample, Failure> {
    let batch = trained.recipe.batch;
    let images = data.test.first(CHECKED);
    let shape = images.shape;
    let dims = [images.len(), shape.channels, shape.height, shape.width];
    let (mut logits, mut pixels, mut filled) = (Vec::new(), Vec::new(), Batch::default());
    let pass = Pass::plain(&images, batch);
    for number in 0..pass.batches() {
        pass.fill(number, &mut filled)?;
        logits.extend(trained.engine.logits(&filled.images));
    }
    let raw = images.raw();
    let pass = Pass::plain(&raw, batch);
    for number in 0..pass.batches() {
        pass.fill(number, &mut filled)?;
        pixels.extend_from_slice(&filled.images);
    }
    Ok(Sample { dims, pixels, logits })
}

fn to_safetensors(folder: &Path, trained: &mut Trained) -> Result<String, Failure> {
    let data = trained.data()?;
    let assessment = assess(&mut *trained.engine, &data.test, trained.recipe.batch)?;
    let Trained { network, recipe, sources, engine, step, .. } = trained;
    let program = &sources.get(SourceId(0)).text;
    let card = Card { network, recipe, step: *step, assessment: &assessment, program };
    new_folder(folder)?;
    write(&folder.join(WEIGHTS), &weights(network, &**engine, program))?;
    write(&folder.join(CARD), card.text().as_bytes())?;
    write(&folder.join(RunFolder::PROGRAM), program.as_bytes())?;
    kept::copy_used(folder, sources)?;
    Ok(format!("{0}: {WEIGHTS}, {CARD}, {1}\n", folder.display(), RunFolder::PROGRAM))
}

fn new_folder(path: &Path) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::create_dir(path));
    made.map_err(|e| Failure::unwritten(path, &e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace(&SystemDisk, path, |file| file.write_all(bytes)).map_err(|e: io::Error| Failure::unwritten(path, &e))
}
