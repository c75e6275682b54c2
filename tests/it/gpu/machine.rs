//! Kernels' text run on the CPU: compiled with g++ against the stand-ins in `shim`, and launched from a plan's table.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use sdc::codegen::gpu::{Argument, Dialect, Program, Programs};
use sdc::kernel::Plan;
use tempfile::TempDir;

/// Whether there is a g++; where there is none, a line says so.
pub fn at_hand() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let found = Command::new("g++").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let found = found.is_ok_and(|status| status.success());
        if !found {
            eprintln!("skipped: no g++, which compiles kernels' text for the CPU");
        }
        found
    });
    *FOUND
}

/// The text of a network's kernels as a program of this machine, in a folder of its own.
pub struct Machine {
    folder: TempDir,
}

/// A step's numbers.
#[derive(Clone, Copy)]
pub struct Step {
    pub batch: usize,
    pub seed: u64,
    pub number: u32,
    pub rate: f32,
}

impl Machine {
    /// Compiles the text as it is.
    pub fn new(programs: &Programs, dialect: Dialect) -> Machine {
        let folder = tempfile::tempdir().expect("a folder for the program");
        let text = folder.path().join(format!("kernels.{}", dialect.extension()));
        std::fs::write(&text, programs.text()).expect("the text is written");
        let mut main = match dialect {
            Dialect::Cuda(_) => "#include \"cuda.h\"\n".to_owned(),
            Dialect::Metal => String::new(),
            Dialect::Wgsl => unreachable!("WGSL is no C"),
        };
        let _ = write!(main, "#include \"{}\"\n#undef kernel\n", text.display());
        main += "static const struct { const char *name; void (*body)(); } kernels[] = {\n";
        for kernel in &programs.kernels {
            let _ = writeln!(main, "  {{\"{0}\", [] {{ simt::enter({0}); }}}},", kernel.name);
        }
        main += "};\n#include \"main.inc\"\n";
        let source = folder.path().join("main.cpp");
        std::fs::write(&source, main).expect("the program is written");
        let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gpu/shim");
        let compiler = Command::new("g++")
            .args(["-std=c++17", "-O1", "-march=native", "-ffp-contract=off", "-w", "-U_FORTIFY_SOURCE"])
            .args(["-fsanitize=bounds", "-fno-sanitize-recover=bounds"])
            .arg("-I")
            .arg(shim)
            .arg(source)
            .arg("-o")
            .arg(folder.path().join("run"))
            .output()
            .expect("g++ starts");
        assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
        Machine { folder }
    }

    /// Runs a plan's launches over an arena (with its room for parts behind it), threads and blocks in an order: 0 forward,
    /// 1 reverse, else drawn.
    pub fn run(&self, programs: &Programs, plan: &Plan, program: &Program, step: Step, order: u32, arena: &mut [f32]) {
        let file = self.folder.path().join("arena.bin");
        let counters = programs.floats() - programs.counters..programs.floats();
        arena[counters.clone()].fill(0.0);
        let bytes: Vec<u8> = arena.iter().flat_map(|x| x.to_ne_bytes()).collect();
        std::fs::write(&file, bytes).expect("the arena is written");
        let mut child = Command::new(self.folder.path().join("run"))
            .arg(order.to_string())
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let list = launches(programs, plan, program, step);
        std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), list.as_bytes()).ok();
        let output = child.wait_with_output().expect("the program ends");
        assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        let bytes = std::fs::read(&file).expect("the arena is read");
        for (x, bytes) in arena.iter_mut().zip(bytes.chunks_exact(4)) {
            *x = f32::from_ne_bytes(bytes.try_into().expect("four bytes"));
        }
        assert!(arena[counters].iter().all(|x| x.to_bits() == 0), "a counter is not 0 again");
    }
}

/// The list of launches that `shim/main.inc` reads.
fn launches(programs: &Programs, plan: &Plan, program: &Program, step: Step) -> String {
    let Step { batch, seed, number, rate } = step;
    let runs: Vec<_> = program.launches.iter().filter(|l| l.when.holds(seed, number)).collect();
    let (low, high) = (seed as u32, seed >> 32);
    let floats = programs.floats();
    let mut out = format!("{floats} {batch} {low} {high} {number} {} {}\n", rate.to_bits(), runs.len());
    for launch in runs {
        let [x, y] = launch.groups;
        let _ = write!(out, "{} {x} {y} {} {}", launch.kernel, launch.threads, launch.arguments.len());
        for argument in &launch.arguments {
            let (kind, len, word) = match *argument {
                Argument::Buffer { id, .. } => (0, plan.buffer(id).size.len(batch) / 4, 0),
                Argument::Scratch { len } => (0, len, 0),
                Argument::Verdict => (0, 1, 0),
                Argument::Counters { len, .. } => (0, len.div_ceil(4), 0),
                Argument::Uint(x) => (1, 0, x),
                Argument::Float(x) => (2, 0, x.to_bits()),
                Argument::Param(param) => (2, 0, param.value(batch, number, rate).to_bits()),
            };
            let offset = programs.place(argument, plan).unwrap_or(0) / 4;
            let _ = write!(out, " {kind} {offset} {len} {word}");
        }
        out.push('\n');
    }
    out
}
