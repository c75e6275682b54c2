//! Runs as a person leaves them: signals, kills, resumption, folders in use and folders that take nothing, what files
//! tell of a person, and the commands that look at runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sdc::net::recipe::{Data, DataSet};
use sdc::train::RunFolder;

const PROGRAM: &str = "use std.regularizers.{shakedrop}
block b { residual { branch { conv3x3(4); bn } } }
model M { input image[1, 8, 8]; net { conv3x3(4); b; b; global_avg_pool; linear(10) }; place shakedrop(0.5) on residuals }
train M { data digits { augment { pad_crop(1) } }; optimizer sgd { lr: 0.05, momentum: 0.9 }; epochs 6; batch 50; seed 3 }
";

/// Its epochs take many seconds; its steps a tenth of one, or more in larger batches.
#[cfg(unix)]
const SLOW: &str = "
model M { input image[1, 32, 32]; net { conv3x3(256); conv3x3(256); global_avg_pool; linear(10) } }
train M {
    data synthetic(channels: 1, height: 32, width: 32, classes: 10, images: 1200)
    optimizer sgd { lr: 0.001 }
    epochs 2
    batch 4
}
";

fn sdc(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sdc"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(args: &[&str]) -> Output {
    sdc(args).output().expect("the program starts")
}

fn well(args: &[&str]) -> String {
    let out = done(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// A folder with the program, and the unbroken run in it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Home::of(PROGRAM)
    }

    fn of(program: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("m.sd"), program).expect("the program is written");
        Home { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("text").to_owned()
    }

    fn whole(&self) -> [Vec<u8>; 3] {
        well(&["train", &self.text("m.sd"), "--threads", "1", "--out", &self.text("whole")]);
        left(&self.path("whole"))
    }

    /// A run under way, past its first checkpoint.
    fn started(&self, name: &str, args: &[&str]) -> Child {
        let mut command = sdc(&["train", &self.text("m.sd"), "--out", &self.text(name)]);
        let child = command.args(args).spawn().expect("the program starts");
        wait_for("a checkpoint", || newest(&self.path(name)));
        child
    }
}

/// After how many steps a run's newest checkpoint was written; one that is still being written counts for nothing.
fn newest(run: &Path) -> Option<u64> {
    RunFolder::existing(run).checkpoints().steps().ok()?.last().copied()
}

/// What a run leaves that must not depend on how often it was stopped.
fn left(run: &Path) -> [Vec<u8>; 3] {
    let last = format!("checkpoints/step-{}.safetensors", newest(run).expect("there is a checkpoint"));
    ["metrics.csv", &last, "checkpoints/best.safetensors"]
        .map(|file| fs::read(run.join(file)).expect("the file is there"))
}

/// What `look` finds, once it finds something.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(300), "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lives(child: &mut Child) -> bool {
    child.try_wait().expect("it can be asked").is_none()
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill starts");
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn a_signal_saves_and_stops_and_the_run_resumes_to_the_same_bits() {
    let home = Home::new();
    let wanted = home.whole();
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let child = home.started(name, &["--threads", "2", "--save-every", "0"]);
        wait_for("a step", || newest(&home.path(name)).filter(|step| *step > 0));
        signal(&child, name);
        let out = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&out.stderr));
        // Its checkpoints come before a step: the one after the last step is the signal's.
        let last = newest(&home.path(name)).expect("there is a checkpoint");
        assert!(said.contains(&format!("stopped after step {last}; go on with: sdc train --resume")), "{said}");
        let state = well(&["runs", home.folder.path().to_str().expect("text")]);
        assert!(state.lines().any(|line| line.contains(name) && line.contains("stopped")), "{state}");
        well(&["train", "--resume", &home.text(name), "--threads", "3"]);
        assert!(left(&home.path(name)) == wanted, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_saves_and_the_run_goes_on() {
    let home = Home::of(SLOW);
    let mut child = home.started("run", &["--threads", "2", "--save-every", "1000000"]);
    let mut last = 0;
    // The second checkpoint shows that the run goes on after the first.
    for _ in 0..2 {
        last = wait_for("a checkpoint", || {
            assert!(lives(&mut child), "it ended after step {last}");
            // Again and again: before the first step there is nothing to save.
            signal(&child, "-HUP");
            newest(&home.path("run")).filter(|step| *step > last)
        });
        assert!(last < 300, "the epoch is over, and saves in any case");
    }
    child.kill().expect("it is there");
    child.wait().expect("it ends");
}

/// The first one stops when the step is done, and saves it.
#[cfg(unix)]
#[test]
fn a_second_signal_stops_at_once() {
    let home = Home::of(SLOW);
    let args = ["--threads", "1", "--set", "train.batch=64", "--save-every", "0"];
    let mut child = home.started("run", &args);
    let run = home.path("run");
    // After such a checkpoint comes a step of a second, and nothing between them heeds signals.
    let last = wait_for("a step", || newest(&run).filter(|step| *step > 0));
    let status = wait_for("the end", || {
        // One after another: two that wait at once are one to the system.
        signal(&child, "-TERM");
        child.try_wait().expect("it can be asked")
    });
    assert_eq!(status.code(), Some(143));
    assert_eq!(newest(&run), Some(last), "the step under way is given up");
}

/// However often and whenever a run is killed, it goes on from its last checkpoint to the bits of an unbroken one.
#[test]
fn a_run_that_is_killed_again_and_again_resumes_to_the_same_bits() {
    let home = Home::new();
    let (program, run, whole) = (home.text("m.sd"), home.text("run"), home.text("whole"));
    let kills = if std::env::var_os("SDC_SLOW").is_some_and(|v| v == "1") { 200 } else { 12 };
    for number in 0..kills {
        let before = newest(&home.path("run"));
        let mut command = match before {
            // More epochs than it lives to see.
            None => sdc(&["train", &program, "--epochs", "1000", "--out", &run]),
            Some(_) => sdc(&["train", "--resume", &run]),
        };
        // Every other one does little but save.
        if number % 2 == 1 {
            command.args(["--save-every", "0"]);
        }
        let mut child = command.args(["--threads", "2"]).spawn().expect("the program starts");
        // Many different moments: of every fourth session from its start on, of the others after some progress.
        let moment = if number % 4 == 3 {
            number * 37 % 200
        } else {
            wait_for("a later checkpoint", || {
                assert!(lives(&mut child), "it ended before kill {number}");
                newest(&home.path("run")).filter(|step| Some(*step) > before)
            });
            number * 7 % 40
        };
        std::thread::sleep(Duration::from_millis(moment));
        assert!(lives(&mut child), "it ended before kill {number}");
        child.kill().expect("it is there");
        child.wait().expect("it ends");
    }
    // An epoch more at least, so that one is the best.
    let steps = (newest(&home.path("run")).expect("there is a checkpoint") + 30).to_string();
    well(&["train", "--resume", &run, "--threads", "3", "--steps", &steps]);
    well(&["train", &program, "--epochs", "1000", "--threads", "1", "--steps", &steps, "--out", &whole]);
    assert!(left(&home.path("run")) == left(&home.path("whole")), "{steps} steps");
}

#[test]
fn a_run_is_left_alone_while_another_process_trains_it() {
    let home = Home::new();
    let (program, run) = (home.text("m.sd"), home.text("run"));
    let mut first = home.started("run", &["--threads", "1", "--epochs", "1000"]);
    let refused = |args: &[&str], why: &str| {
        let second = done(args);
        let told = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(1), "{told}");
        assert!(told.contains(why), "{told}");
    };
    refused(&["train", "--resume", &run], &format!("SD0907: another process is training in {run}\n"));
    refused(&["train", &program, "--out", &run], &format!("SD0902: {run} is there already"));
    let then = newest(&home.path("run"));
    wait_for("a later checkpoint", || {
        assert!(lives(&mut first), "the first process ended");
        newest(&home.path("run")).filter(|step| Some(*step) > then)
    });
    first.kill().expect("it is there");
    first.wait().expect("it ends");
    let said = well(&["train", "--resume", &run, "--steps", "1"]);
    assert!(said.contains("goes on after step "), "{said}");
}

/// Refused before the first step: the place and a way out are told, and of the run no more than its introduction.
fn assert_unwritable(out: &Output, place: &str) {
    let (told, said) = (String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout));
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(told.contains("SD0902: ") && told.contains(place) && told.contains("\n  help: "), "{told}");
    assert!(said.lines().count() <= 1, "{said}");
}

#[test]
fn a_folder_that_cannot_be_made_is_told_before_the_first_step() {
    let home = Home::new();
    let file = home.text("m.sd");
    for below in ["m.sd/run", "m.sd/runs/run"] {
        let out = done(&["train", &file, "--out", &home.text(below)]);
        assert_unwritable(&out, &file);
        let told = String::from_utf8_lossy(&out.stderr);
        assert!(told.contains("a file stands where a folder is needed"), "{told}");
    }
    // Linux takes no folder there, whoever asks.
    if cfg!(target_os = "linux") {
        assert_unwritable(&done(&["train", &file, "--out", "/proc/sdc-run"]), "/proc/sdc-run");
    }
}

/// Linux's limit on the size of files stands in for a disk that is full: the call fails in the same place.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_before_the_first_step_and_costs_no_checkpoint() {
    let home = Home::new();
    let limited = |blocks: &str, args: &[&str]| {
        let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
        let mut command = Command::new("bash");
        command.args(["-c", script, blocks, env!("CARGO_BIN_EXE_sdc")]).args(args);
        command.output().expect("there is a shell")
    };
    // Blocks of 1,024 bytes: room for nothing, for less than the program, for less than a checkpoint.
    for blocks in ["0", "1", "4"] {
        let run = home.text(blocks);
        assert_unwritable(&limited(blocks, &["train", &home.text("m.sd"), "--out", &run]), &run);
        let checkpoints = fs::read_dir(home.path(blocks).join("checkpoints"));
        assert_eq!(checkpoints.map_or(0, Iterator::count), 0, "nothing is left of one");
    }
    let run = home.text("run");
    well(&["train", &home.text("m.sd"), "--epochs", "1", "--out", &run]);
    let before = left(&home.path("run"));
    let out = limited("4", &["train", "--resume", &run, "--epochs", "2"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && told.contains("SD0902: ") && told.contains(&run), "{told}");
    assert!(left(&home.path("run")) == before, "what was there is there");
    well(&["train", "--resume", &run, "--epochs", "2"]);
}

/// All files in a folder and in those within.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it can be read").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn nothing_written_names_the_user_the_host_or_a_path_that_was_not_typed() {
    let home = Home::new();
    let folder = home.folder.path();
    let commands: &[&[&str]] = &[
        &["train", "m.sd", "--epochs", "1", "--out", "run"],
        &["train", "--resume", "run", "--epochs", "2"],
        &["train", "m.sd", "--steps", "0", "--json"],
        &["eval", "run"],
        &["plot", "run", "-o", "curves.svg"],
        &["plot", "run", "-o", "curves.png"],
        &["export", "run", "--format", "onnx", "-o", "net.onnx", "--samples", "samples"],
        &["export", "run", "--format", "safetensors", "-o", "weights"],
        &["import", "weights/model.safetensors", "m.sd", "--out", "imported"],
        &["bench", "m.sd", "--steps", "1", "--warmup", "0", "--every-sample", "--json"],
        &["build", "m.sd", "--target", "wgsl", "--out", "kernels"],
        &["test", "--accept", "m.sd"],
        &["doc", "m.sd"],
        &["new", "fresh"],
    ];
    let mut written = Vec::new();
    for args in commands {
        let mut command = sdc(args);
        for name in ["USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"] {
            command.env(name, "quokka");
        }
        let out = command.env("HOME", "/home/quokka").current_dir(folder).output().expect("the program starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        written.push((args.join(" "), out.stdout));
    }
    for path in files(folder) {
        let name = path.strip_prefix(folder).expect("it lies there").display().to_string();
        written.push((name, fs::read(&path).expect("it can be read")));
    }
    let mut names = vec!["quokka".to_owned(), folder.to_str().expect("text").to_owned()];
    // A host's name of few letters may stand anywhere by chance.
    let host = fs::read_to_string("/proc/sys/kernel/hostname").map(|host| host.trim().to_owned());
    names.extend(host.ok().filter(|host| host.len() >= 5));
    for (file, bytes) in &written {
        for name in &names {
            let told = bytes.windows(name.len()).any(|part| part == name.as_bytes());
            assert!(!told && !file.contains(name), "{file} names {name}");
        }
    }
    // TensorBoard's own writer puts the host there.
    let entries = fs::read_dir(home.path("run")).expect("a folder").map(|entry| entry.expect("it can be read"));
    let names = entries.map(|entry| entry.file_name().into_string().expect("text"));
    let mut events: Vec<String> = names.filter(|name| name.starts_with("events.")).collect();
    events.sort_unstable();
    assert_eq!(events, ["events.out.tfevents.0000000001.sdc", "events.out.tfevents.0000000002.sdc"]);
}

#[test]
fn runs_are_listed_tested_and_extended() {
    let home = Home::new();
    let run = home.text("run");
    well(&["train", &home.text("m.sd"), "--epochs", "2", "--out", &run, "--quiet"]);
    let list = |state: &str| {
        let text = well(&["runs", home.folder.path().to_str().expect("text"), "--json"]);
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((list[0]["state"].as_str(), list.as_array().map(Vec::len)), (Some(state), Some(1)));
        list[0]["last"]["test_accuracy"].as_f64().expect("an accuracy")
    };
    let accuracy = list("finished");
    let scored: serde_json::Value = serde_json::from_str(&well(&["eval", &run, "--json"])).expect("JSON");
    assert_eq!(scored["accuracy"].as_f64(), Some(accuracy));
    assert!(scored["top5"].as_f64() >= Some(accuracy));
    let row_sum =
        |row: &serde_json::Value| row.as_array().expect("a row").iter().filter_map(|n| n.as_u64()).sum::<u64>();
    assert_eq!(scored["confusion"].as_array().expect("rows").iter().map(row_sum).sum::<u64>(), 299);
    let log = fs::read_to_string(home.path("run/log.txt")).expect("it is written");
    assert!(log.contains("steps ") && log.contains("waiting for data "), "{log}");
    let best = well(&["eval", &run, "--checkpoint", "best"]);
    assert!(best.starts_with("after step ") && best.lines().count() == 13, "{best}");

    let table = well(&["predict", &run, "--data", "test", "--csv"]);
    assert_eq!(
        table.lines().next(),
        Some("index,label,predicted,logit_0,logit_1,logit_2,logit_3,logit_4,logit_5,logit_6,logit_7,logit_8,logit_9")
    );
    let right = table.lines().skip(1).filter(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        cells[1] == cells[2]
    });
    assert_eq!(right.count() as f64 / 299.0, accuracy);

    let held = done(&["predict", &run, "--data", "validation"]);
    assert!(String::from_utf8_lossy(&held.stderr).contains("holds no images back"), "{held:?}");

    let said = well(&["train", "--resume", &run, "--epochs", "6", "--json"]);
    let end: serde_json::Value = serde_json::from_str(said.lines().last().expect("an end")).expect("JSON");
    assert_eq!(end["event"], "end");
    assert!(end["seconds"]["steps"].as_f64() > Some(0.0) && end["seconds"]["waiting"].is_f64(), "{end}");
    list("finished");
    assert!(left(&home.path("run"))[0] == home.whole()[0], "as if it had been planned for six epochs from the start");
}

#[test]
fn several_seeds_are_summed_up() {
    let home = Home::new();
    let program = home.text("m.sd");
    let out = sdc(&["train", &program, "--epochs", "1", "--seeds", "2"]).current_dir(home.folder.path()).output();
    let out = out.expect("the program starts");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("2 seeds: test accuracy "), "{said}");
    let seeds =
        ["M-1", "M-2"].map(|run| fs::read_to_string(home.path("runs").join(run).join("program.sd")).expect("kept"));
    assert!(seeds[0].contains("seed: 3 ") && seeds[1].contains("seed: 4 "), "{}", seeds[1]);
}

/// The weights grow past every number: the step is found, the layer named, and the checkpoint before is still there.
#[test]
fn a_run_that_diverges_names_the_layer_and_keeps_its_weights() {
    let home = Home::new();
    let run = home.text("run");
    let out = done(&["train", &home.text("m.sd"), "--set", "train.optimizer.lr=1e30", "--out", &run]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(
        said.contains("SD0905: in step ") && said.contains("first in `") && said.contains("lower the rate"),
        "{said}"
    );
    well(&["eval", &run]);
}

/// What the optimizer keeps is part of a run: moments, gradients half gathered, averages; and so is what is held back.
#[test]
fn a_run_that_gathers_and_averages_resumes_to_the_same_bits() {
    let home = Home::new();
    let recipe = "data digits { validation: 1000; augment { pad_crop(1) } }; optimizer adamw { lr: 0.01; clip: 0.5 }; \
                  accumulate 3; average 0.9; epochs 2; batch 50; seed 3";
    let (head, _) = PROGRAM.split_once("train M").expect("a recipe");
    fs::write(home.path("m.sd"), format!("{head}train M {{ {recipe} }}\n")).expect("the program is written");
    well(&["train", &home.text("m.sd"), "--threads", "1", "--out", &home.text("whole")]);
    let wanted = left(&home.path("whole"));
    let metrics = String::from_utf8(wanted[0].clone()).expect("text");
    assert!(metrics.lines().skip(1).all(|row| !row.ends_with(',')), "each epoch has a score by validation: {metrics}");
    for steps in ["0", "4", "10", "11"] {
        well(&["train", &home.text("m.sd"), "--threads", "2", "--steps", steps, "--out", &home.text(steps)]);
        let said = well(&["train", "--resume", &home.text(steps), "--threads", "3"]);
        assert!(said.contains("the best by validation"), "{said}");
        assert!(left(&home.path(steps)) == wanted, "stopped after step {steps}");
    }
    let held = well(&["predict", &home.text("whole"), "--data", "validation", "--csv"]);
    assert_eq!(held.lines().count(), 1001);
}

/// A grey or coloured PNG, each pixel `side` times as wide and high.
fn write_png(path: &Path, grey: &[u8], width: usize, side: usize, colour: bool) {
    let rows = grey.chunks_exact(width).flat_map(|row| std::iter::repeat_n(row, side));
    let pixels = rows.flat_map(|row| row.iter().flat_map(|v| std::iter::repeat_n(*v, side)));
    let bytes: Vec<u8> = pixels.flat_map(|v| std::iter::repeat_n(v, if colour { 3 } else { 1 })).collect();
    let file = fs::File::create(path).expect("a file is made");
    let mut encoder = png::Encoder::new(file, (side * width) as u32, (side * grey.len() / width) as u32);
    encoder.set_color(if colour { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&bytes));
    written.expect("the image is written");
}

/// The test images as files are what the test images are; others are brought to their size and to grey.
#[test]
fn image_files_are_classified() {
    let home = Home::new();
    let run = home.text("run");
    well(&["train", &home.text("m.sd"), "--epochs", "1", "--out", &run, "--quiet"]);
    let test = sdc::data::load(&Data::plain(DataSet::Digits), 0).expect("in the binary").test;
    let files: Vec<String> = (0..20).map(|i| home.text(&format!("digit {i}.png"))).collect();
    for (i, file) in files.iter().enumerate() {
        // White is 16 in the set and 255 in a file.
        let grey: Vec<u8> = test.pixels(i).iter().map(|v| (f32::from(*v) * 255.0 / 16.0).round() as u8).collect();
        write_png(Path::new(file), &grey, 8, 1, i % 2 == 1);
    }
    let mut args = vec!["predict", &run, "--csv"];
    args.extend(files.iter().map(String::as_str));
    let (of_files, of_set) = (well(&args), well(&["predict", &run, "--csv"]));
    assert!(of_files.starts_with("image,predicted,logit_0,"), "{of_files}");
    let logits = |row: &str, from: usize| -> Vec<f32> {
        row.split(',').skip(from).map(|cell| cell.parse().expect("a number")).collect()
    };
    assert_eq!(of_files.lines().count(), 21);
    for (i, (file, set)) in of_files.lines().zip(of_set.lines()).skip(1).enumerate() {
        assert!(file.starts_with(&files[i]), "{file}");
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
        assert!(logits(file, 1).iter().zip(&logits(set, 2)).all(close), "{file}\n{set}");
    }

    let grey: Vec<u8> = (0..400).map(|i| (i % 256) as u8).collect();
    write_png(&home.path("wide.png"), &grey, 40, 7, true);
    let said = well(&["predict", &run, &home.text("wide.png")]);
    assert!(said.contains("wide.png: class ") && said.trim_end().ends_with('%'), "{said}");
    let text = done(&["predict", &run, &home.text("m.sd")]);
    let said = String::from_utf8_lossy(&text.stderr).into_owned();
    assert!(said.contains("m.sd cannot be read: it begins as neither JPEG nor PNG"), "{said}");
    assert_eq!(text.status.code(), Some(1));
    assert_eq!(done(&["predict", &run, &files[0], "--data", "test"]).status.code(), Some(2));

    // A bad file costs itself alone.
    let mixed = done(&["predict", &run, &files[0], &home.text("m.sd"), &home.text("none.png"), &files[1], "--csv"]);
    let (table, told) = (String::from_utf8_lossy(&mixed.stdout), String::from_utf8_lossy(&mixed.stderr));
    let rows: Vec<&str> = of_files.lines().take(3).collect();
    assert_eq!(table.lines().collect::<Vec<_>>(), rows);
    assert!(told.contains("m.sd cannot be read") && told.contains("none.png"), "{told}");
    assert_eq!(mixed.status.code(), Some(1));
    let none = done(&["predict", &run, &home.text("none.png")]);
    assert_eq!((none.stdout.len(), none.status.code()), (0, Some(1)));
}

#[test]
fn curves_of_runs_are_drawn_together() {
    let home = Home::new();
    let run = |name: &str, rows: &str| {
        fs::create_dir(home.path(name)).expect("a folder");
        let head = "epoch,step,rate,train_loss,test_loss,test_accuracy,validation_accuracy";
        fs::write(home.path(name).join("metrics.csv"), format!("{head}\n{rows}")).expect("a file is written");
        home.text(name)
    };
    let first = run("plain-1", "1,10,0.1,2.1,1.9,0.4,\n2,20,0.1,1.2,1.1,0.65,\n3,30,0.1,0.9,1.2,0.6,\n");
    let second = run("shaken-2", "1,10,0.1,2.2,2,0.3,0.28\n2,20,0.1,1.7,1.3,0.5,0.51\n");
    let svg = well(&["plot", &first, &second]);
    for text in ["plain-1", "shaken-2", "65.00 % best (epoch 2), 60.00 % last (epoch 3)", "validation dotted", "epoch"]
    {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    assert!(svg.contains("<polyline") && svg.contains("#0072B2") && svg.contains("#D55E00"), "a line a run");
    assert!(!svg.contains(home.folder.path().to_str().expect("text")), "no path");

    let picture = home.path("curves.PNG");
    well(&["plot", &first, &second, "-o", picture.to_str().expect("text")]);
    let file = std::io::BufReader::new(fs::File::open(&picture).expect("it is written"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("a whole PNG");
    let painted = |colour: [u8; 3]| pixels.chunks_exact(3).filter(|pixel| **pixel == colour).count();
    assert_eq!(reader.info().width, 2160);
    assert!(painted([0, 114, 178]) > 1000 && painted([213, 94, 0]) > 500, "a line a run");

    let refused = |args: &[&str]| {
        let out = done(args);
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    assert!(refused(&["plot", &first, "-o", "curves.gif"]).contains("neither .svg nor .png"));
    assert!(refused(&["plot", &run("new-3", "")]).contains("has finished no epoch"));
    assert!(refused(&["plot", &home.text("none")]).contains("metrics.csv cannot be read"));
}
