//! `sdc bench`: what a program's network costs on this machine, on drawn images.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::summary::size;
use super::table::{Align, Table};
use super::{Chosen, Format, Memory, failed, print, report, threads};
use crate::bench::{self, Layers, Measured, Options, Timing};
use crate::device::{Device, host};
use crate::diag::grouped;
use crate::driver::{Input, Session};
use crate::kernel::Work;
use crate::num::Precision;

/// Measure a network on drawn images: training step, forward pass, compile time, memory.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Images a step [default: the program's, else 128].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Where it runs: cpu, cuda, cuda:N, vulkan or metal.
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: Device,
    /// How much memory a training step may take.
    #[arg(long, value_enum, default_value_t)]
    memory: Memory,
    /// What contractions multiply: fp32, or on CUDA's tensor cores tf32 or bf16.
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
    /// Threads [default: one a processor].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// How many samples count; a sample is a step, or several short ones.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Steps before the first sample.
    #[arg(long, value_name = "N", default_value_t = 2)]
    warmup: u32,
    /// Count every sample, also those in which other processes took cores.
    #[arg(long)]
    every_sample: bool,
    /// Time each kernel of a training step as well.
    #[arg(long)]
    layers: bool,
    /// Fold kernels by so many parts of their layer's path.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "layers", value_parser = clap::value_parser!(u32).range(1..))]
    fold: u32,
    /// One JSON object in place of tables.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let options = Options {
        batch: args.batch.map(|batch| batch as usize),
        threads: threads(args.threads),
        device: args.device,
        footprint: args.memory.into(),
        precision: args.precision,
        samples: args.steps as usize,
        warmup: args.warmup as usize,
        every_sample: args.every_sample,
        layers: args.layers,
    };
    match bench::measure(&mut session, &Input::named(&args.chosen.file), &args.chosen.choice(), &options) {
        Ok(Some(measured)) => print(match args.json {
            true => format!("{:#}\n", to_json(&measured, args.fold as usize)),
            false => to_text(&measured, args.fold as usize),
        }),
        // The problems below say why.
        Ok(None) => {}
        Err(failure) => return failed(&failure),
    }
    report(&session, Format::Text)
}

fn to_text(measured: &Measured, fold: usize) -> String {
    let Measured { model, parameters, batch, threads, .. } = measured;
    let isa = host::instruction_set();
    let mut out = format!("{model}: {} parameters, batch {batch}, {threads} threads, {isa}\n\n", grouped(*parameters));
    let mut table = Table::new(&[
        ("", Align::Left),
        ("median", Align::Right),
        ("25 %", Align::Right),
        ("75 %", Align::Right),
        ("images/s", Align::Right),
        ("samples", Align::Right),
        ("dropped", Align::Right),
    ]);
    let passes = [("training step", measured.train.as_ref()), ("forward pass", Some(&measured.forward))];
    for (name, timing) in passes.into_iter().filter_map(|(name, timing)| Some((name, timing?))) {
        let Timing { seconds, samples, dropped, .. } = timing;
        let rate = format!("{:.1}", seconds.rate(*batch as f64).median);
        let [median, low, high] = [seconds.median, seconds.low, seconds.high].map(time);
        table.row([name.to_owned(), median, low, high, rate, samples.to_string(), dropped.to_string()]);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{table}");
    for (_, timing) in passes {
        if timing.is_some_and(|timing| timing.undisturbed == Some(false)) {
            let _ =
                writeln!(out, "No sample had its cores to itself: other processes ran, and the times are too long.\n");
            break;
        }
    }
    let measured_memory = measured.peak_memory.map_or(String::new(), |bytes| format!(", {} measured", size(bytes)));
    let _ = writeln!(out, "compile        {}", time(measured.compile_seconds));
    let _ = writeln!(out, "peak memory    {} planned{measured_memory}", size(measured.planned_memory));
    if let Some(layers) = &measured.layers {
        let _ = write!(out, "\n{}\n{}", kernel_table(layers), part_table(layers, fold));
    }
    out
}

const WORK_COLUMNS: [(&str, Align); 4] =
    [("time", Align::Right), ("share", Align::Right), ("GFLOP/s", Align::Right), ("GB/s", Align::Right)];

fn work_cells(seconds: f64, work: Work, total: f64) -> [String; 4] {
    let flops = if work.flops == 0 { String::new() } else { format!("{:.1}", giga(work.flops, seconds)) };
    [
        time(seconds),
        format!("{:.1} %", 100.0 * share(seconds, total)),
        flops,
        format!("{:.1}", giga(work.bytes(), seconds)),
    ]
}

/// A row a kernel, in the plan's order; the share of the steps in which it runs stands where that is not all.
fn kernel_table(layers: &Layers) -> Table {
    let columns = [("kernel", Align::Left), ("", Align::Left), ("runs", Align::Right)].into_iter().chain(WORK_COLUMNS);
    let mut table = Table::new(&columns.collect::<Vec<_>>());
    let total = layers.total().seconds;
    for kernel in &layers.kernels {
        let runs = if kernel.runs < 1.0 { format!("{:.0} %", 100.0 * kernel.runs) } else { String::new() };
        let name = [kernel.name.clone(), kernel.kind.to_owned(), runs];
        table.row(name.into_iter().chain(work_cells(kernel.seconds, kernel.work, total)));
    }
    table
}

/// A row a part of the network, and their total.
fn part_table(layers: &Layers, fold: usize) -> Table {
    let columns = [("part", Align::Left), ("kernels", Align::Right)].into_iter().chain(WORK_COLUMNS);
    let mut table = Table::new(&columns.collect::<Vec<_>>());
    let total = layers.total();
    for part in layers.parts(fold).iter().chain([&total]) {
        let name = [part.path.clone(), part.kernels.to_string()];
        table.row(name.into_iter().chain(work_cells(part.seconds, part.work, total.seconds)));
    }
    table
}

fn to_json(measured: &Measured, fold: usize) -> Value {
    let images = measured.batch as f64;
    let train = measured.train.as_ref();
    let layers = measured.layers.as_ref();
    json!({
        "model": measured.model,
        "version": env!("CARGO_PKG_VERSION"),
        "instruction_set": host::instruction_set(),
        "threads": measured.threads,
        "batch": measured.batch,
        "parameters": measured.parameters,
        "images_per_second": train.map(|t| t.seconds.rate(images).median),
        "step_seconds": train.map(|t| t.seconds.median),
        "step": train.map(timing_json),
        "forward_images_per_second": measured.forward.seconds.rate(images).median,
        "forward_seconds": measured.forward.seconds.median,
        "forward": timing_json(&measured.forward),
        "compile_seconds": measured.compile_seconds,
        "planned_memory_bytes": measured.planned_memory,
        "peak_memory_bytes": measured.peak_memory.unwrap_or(measured.planned_memory),
        "peak_memory_measured": measured.peak_memory.is_some(),
        "layers": layers.map(|layers| layers_json(layers, fold)),
    })
}

fn timing_json(timing: &Timing) -> Value {
    json!({
        "seconds": { "low_quartile": timing.seconds.low, "median": timing.seconds.median, "high_quartile": timing.seconds.high },
        "samples": timing.samples,
        "steps_per_sample": timing.steps,
        "dropped": timing.dropped,
        "undisturbed": timing.undisturbed,
    })
}

fn layers_json(layers: &Layers, fold: usize) -> Value {
    let total = layers.total();
    let work = |name: &str, kind: Value, runs: Option<f64>, seconds: f64, work: Work| {
        json!({
            "name": name,
            "kind": kind,
            "runs": runs,
            "seconds": seconds,
            "share": share(seconds, total.seconds),
            "flops": work.flops,
            "bytes_read": work.read,
            "bytes_written": work.written,
            "gflops": giga(work.flops, seconds),
            "gigabytes_per_second": giga(work.bytes(), seconds),
        })
    };
    let kernels: Vec<_> = layers
        .kernels
        .iter()
        .map(|kernel| work(&kernel.name, json!(kernel.kind), Some(kernel.runs), kernel.seconds, kernel.work))
        .collect();
    let parts: Vec<_> =
        layers.parts(fold).iter().map(|part| work(&part.path, json!("part"), None, part.seconds, part.work)).collect();
    json!({ "step_seconds": layers.seconds, "kernels": kernels, "parts": parts })
}

/// 10^9 of something a second.
fn giga(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds / 1e9 } else { 0.0 }
}

fn share(seconds: f64, total: f64) -> f64 {
    if total > 0.0 { seconds / total } else { 0.0 }
}

/// Seconds in the unit that a person reads.
fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.3} s"),
        s if s >= 1e-3 => format!("{:.3} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}
