//! The launch table: all that another program needs to run a text, as JSON.

use serde_json::{Value, json};

use super::{Argument, Dialect, Launch, Program, Programs};
use crate::kernel::{Distribution, Draw, Param, Plan, Slot, When};

/// The launch table of a network's programs.
///
/// `memory.floats` floats, all zero at first, hold everything (behind `memory.counters` words that every call leaves zero); offsets count floats, buffers lie at theirs. `passes` holds
/// what runs in a training step and in the test-time pass: buffers, the slots by which the outside knows some of them
/// (parameters as stored in blocks of sixteen channels), and calls in order. A call names its kernel, its grid and block,
/// the steps in which it is made (`when`: always, or with draws that must be all 1, `open`, or one of them 0, `closed`),
/// and its arguments in order. In CUDA a kernel takes the address of the step's numbers and then its arguments, buffers as
/// addresses; in Metal and WGSL it takes three buffers: memory, the arguments as words of 32 bits (buffers as offsets in
/// vectors of four floats), and the step's numbers.
pub fn table(train: Option<&Plan>, test: &Plan, programs: &Programs, dialect: Dialect) -> Value {
    let mut passes = serde_json::Map::new();
    if let (Some(plan), Some(program)) = (train, &programs.train) {
        passes.insert("train".to_owned(), pass(plan, program, programs));
    }
    passes.insert("test".to_owned(), pass(test, &programs.test, programs));
    json!({
        "format": 1,
        "text": format!("kernels.{}", dialect.extension()),
        "batch": test.batch,
        "step": ["batch: u32", "seed_low: u32", "seed_high: u32", "number: u32", "rate: f32"],
        "memory": {
            "floats": programs.floats(),
            "scratch": programs.arena,
            "verdict": programs.verdict(),
            "counters": programs.verdict() + 4,
        },
        "passes": passes,
    })
}

fn pass(plan: &Plan, program: &Program, programs: &Programs) -> Value {
    let buffers = plan.buffers.iter().map(|buffer| {
        let (floats, per_image) = (buffer.size.len(plan.batch), buffer.size.per_image());
        json!({ "name": buffer.name, "offset": buffer.offset, "floats": floats, "per_image": per_image })
    });
    let slots = plan.slots.iter().map(|(slot, id)| (name(slot), json!(id.0)));
    let calls = program.launches.iter().map(|launch| call(launch, programs));
    json!({
        "buffers": buffers.collect::<Vec<_>>(),
        "slots": slots.collect::<serde_json::Map<_, _>>(),
        "first_update": program.update,
        "calls": calls.collect::<Vec<_>>(),
    })
}

fn call(launch: &Launch, programs: &Programs) -> Value {
    let [x, y] = launch.groups;
    json!({
        "name": launch.name,
        "kernel": programs.kernels[launch.kernel].name,
        "grid": [x, y, 1],
        "block": [launch.threads, 1, 1],
        "when": when(&launch.when),
        "arguments": launch.arguments.iter().map(argument).collect::<Vec<_>>(),
    })
}

fn argument(argument: &Argument) -> Value {
    match argument {
        Argument::Buffer { id, written } => json!({ "buffer": id.0, "written": written }),
        Argument::Scratch { len } => json!({ "scratch": 4 * len }),
        Argument::Verdict => json!("verdict"),
        Argument::Counters { first, len } => json!({ "counters": first, "count": len }),
        Argument::Uint(x) => json!({ "u32": x }),
        Argument::Float(x) => json!({ "f32": x }),
        Argument::Param(param) => match param {
            Param::Rate => json!("rate"),
            Param::Batch => json!("batch"),
            Param::Begins(every) => json!({ "begins": every.0 }),
            Param::Ends(every) => json!({ "ends": every.0 }),
            Param::Correction { beta, every } => json!({ "correction": beta, "every": every.0 }),
            Param::Averaging { decay, every } => json!({ "averaging": decay, "every": every.0 }),
        },
    }
}

fn when(when: &When) -> Value {
    let draw = |draw: &Draw| {
        let threshold = match draw.distribution {
            Distribution::Bernoulli { threshold } => threshold,
            Distribution::Uniform { .. } => unreachable!("a gate is a Bernoulli draw"),
        };
        json!({ "stream": format!("{:016x}", draw.stream.0), "threshold": threshold })
    };
    let all = |draws: &[Draw]| draws.iter().map(draw).collect::<Vec<_>>();
    match when {
        When::Always => json!("always"),
        When::Open(draws) => json!({ "open": all(draws) }),
        When::Closed(draws) => json!({ "closed": all(draws) }),
    }
}

fn name(slot: &Slot) -> String {
    match slot {
        Slot::Image => "image".to_owned(),
        Slot::Target => "target".to_owned(),
        Slot::Loss => "loss".to_owned(),
        Slot::Logits => "logits".to_owned(),
        Slot::Parameter(path) => path.to_string(),
        Slot::Memory(memory, path) => format!("{}/{path}", memory.name()),
        Slot::Gradient(path) => format!("gradient/{path}"),
    }
}
