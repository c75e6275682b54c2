//! `sdc bench`: what its JSON holds, and that it fits together.

use std::process::{Command, Output};

use serde_json::Value;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/digits.sd");

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sdc")).arg("bench").args(args).output().expect("the program starts")
}

fn json(args: &[&str]) -> Value {
    let out = bench(args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{err}");
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&out.stdout)))
}

fn number(json: &Value, pointer: &str) -> f64 {
    let number =
        json.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number {pointer} in {json}"));
    assert!(number.is_finite() && number >= 0.0, "{pointer} is {number}");
    number
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()), "{a} and {b}");
}

#[test]
fn a_measurement_fits_together() {
    let found =
        json(&[DIGITS, "--steps", "2", "--warmup", "1", "--threads", "2", "--batch", "16", "--layers", "--json"]);
    for key in ["images_per_second", "step_seconds", "forward_images_per_second", "forward_seconds", "compile_seconds"]
    {
        assert!(number(&found, &format!("/{key}")) > 0.0, "{key}");
    }
    assert_eq!((number(&found, "/batch"), number(&found, "/threads")), (16.0, 2.0));
    close(number(&found, "/images_per_second") * number(&found, "/step_seconds"), 16.0);
    close(number(&found, "/forward_images_per_second") * number(&found, "/forward_seconds"), 16.0);
    for pass in ["step", "forward"] {
        let [low, median, high] =
            ["low_quartile", "median", "high_quartile"].map(|q| number(&found, &format!("/{pass}/seconds/{q}")));
        assert!(low <= median && median <= high, "{pass}");
        assert!(number(&found, &format!("/{pass}/samples")) >= 1.0, "{pass}");
        assert!(number(&found, &format!("/{pass}/dropped")) <= 6.0, "{pass}");
    }
    assert!(number(&found, "/planned_memory_bytes") > 4.0 * number(&found, "/parameters"));
    assert!(number(&found, "/peak_memory_bytes") > 0.0);
    assert!(found["instruction_set"].is_string() && found["version"] == env!("CARGO_PKG_VERSION"));
    shares_of_a_step(&found["layers"], 16.0);
}

/// A network that is small enough for a test, and large enough that memory is what its maps take.
#[test]
#[cfg(target_os = "linux")]
fn what_is_planned_is_what_a_step_takes() {
    planned_is_measured(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/networks/pyramidnet110-a48.sd"), "48");
}

/// Weights of up to 15 MB each, which an allocator keeps for later once they are written to the engine.
#[test]
#[cfg(target_os = "linux")]
fn what_first_weights_took_is_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let wide = folder.path().join("wide.sd");
    let text = "use std.wrn.{wrn}\nmodel Wide { input image[3, 32, 32] net wrn(depth: 16, width: 10, classes: 10) }\n";
    std::fs::write(&wide, text).expect("the program is written");
    planned_is_measured(wide.to_str().expect("a path in UTF-8"), "4");
}

#[cfg(target_os = "linux")]
fn planned_is_measured(program: &str, batch: &str) {
    for memory in ["normal", "low"] {
        let options =
            ["--steps", "1", "--warmup", "0", "--batch", batch, "--every-sample", "--memory", memory, "--json"];
        let found = json(&[&[program], &options[..]].concat());
        let [planned, measured] = ["/planned_memory_bytes", "/peak_memory_bytes"].map(|name| number(&found, name));
        assert!((measured / planned - 1.0).abs() < 0.05, "{memory}: {planned} planned, {measured} measured");
    }
}

fn shares_of_a_step(layers: &Value, batch: f64) {
    let rows = |kind: &str| layers[kind].as_array().unwrap_or_else(|| panic!("no {kind} in {layers}")).clone();
    let sum = |rows: &[Value], key: &str| rows.iter().map(|row| number(row, &format!("/{key}"))).sum::<f64>();
    let (kernels, parts) = (rows("kernels"), rows("parts"));
    for rows in [&kernels, &parts] {
        assert!((sum(rows, "share") - 1.0).abs() < 1e-6);
    }
    for key in ["seconds", "flops", "bytes_read", "bytes_written"] {
        close(sum(&kernels, key), sum(&parts, key));
    }
    let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["stem", "group[0]", "group[1]", "group[2]", "head", "loss", "update[0]"]);
    // By hand: the stem's nine taps of one channel on 16 x 8 x 8, two operations a multiply-add; it reads its image and
    // weight, nine taps of one channel for sixteen outputs, and writes its result.
    let stem = &kernels[0];
    assert_eq!((stem["name"].as_str(), stem["kind"].as_str()), (Some("stem.conv[0]"), Some("forward")));
    close(number(stem, "/flops"), 2.0 * batch * 16.0 * 64.0 * 9.0);
    close(number(stem, "/bytes_read"), 4.0 * (batch * 16.0 * 64.0 + 9.0 * 16.0));
    assert!(number(stem, "/bytes_written") >= 4.0 * batch * 16.0 * 64.0);
}

/// A kernel that no step runs does nothing; the others do what they do without a rule.
#[test]
fn kernels_behind_closed_gates_count_for_what_they_ran() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("net.sd");
    let measured = |rule: &str| {
        let text = format!(
            "use std.resnet.{{basic}}\nuse std.regularizers.{{random_drop}}\nmodel M {{\n    input image[3, 8, 8]\n    \
             net {{ conv3x3(16); bn; relu; basic(16); global_avg_pool; linear(4) }}\n    {rule}\n}}\n"
        );
        std::fs::write(&file, text).expect("the file is written");
        let file = file.to_str().expect("a path of text");
        let found = json(&[file, "--steps", "2", "--warmup", "0", "--batch", "2", "--layers", "--json"]);
        let kernels = found["layers"]["kernels"].as_array().expect("kernels").clone();
        let of = |kernel: &Value| (number(kernel, "/runs"), number(kernel, "/flops"));
        let name = |kernel: &Value| format!("{} {}", kernel["name"], kernel["kind"]);
        kernels.iter().map(|k| (name(k), of(k))).collect::<std::collections::BTreeMap<_, _>>()
    };
    let (closed, plain) = (measured("place random_drop(p: 0) on residuals"), measured(""));
    let contractions: Vec<_> = plain.iter().filter(|(_, (_, flops))| *flops > 0.0).collect();
    let passes: usize = contractions.iter().map(|(name, _)| if name.contains("to both") { 2 } else { 1 }).sum();
    assert_eq!(passes, 11, "4 layers forward and back, but for the first layer's input");
    for (name, wanted) in contractions {
        let wanted = if name.contains("branch") { (0.0, 0.0) } else { *wanted };
        assert_eq!((closed[name], plain[name].0), (wanted, 1.0), "{name}");
    }
}

#[test]
fn a_program_needs_no_recipe_to_be_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("net.sd");
    let measured = |body: &str| {
        std::fs::write(&file, format!("model M {{\n    input image[3, 8, 8]\n    net {{ {body} }}\n}}\n"))
            .expect("the file is written");
        json(&[file.to_str().expect("a path of text"), "--steps", "1", "--warmup", "0", "--batch", "2", "--json"])
    };
    let classes = measured("conv3x3(4); relu; global_avg_pool; linear(3)");
    assert!(number(&classes, "/images_per_second") > 0.0);
    let image = measured("conv3x3(4); relu");
    assert!(image["images_per_second"].is_null() && image["step"].is_null(), "{image}");
    assert!(number(&image, "/forward_images_per_second") > 0.0);
}

#[test]
fn tables_are_for_people() {
    let out = bench(&[DIGITS, "--steps", "1", "--batch", "4", "--layers", "--fold", "2"]);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    for word in
        ["training step", "forward pass", "compile", "planned", "group[1].pyramid_basic[2]", "to weight", "total"]
    {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }
}

#[test]
fn wrong_use_is_refused() {
    let refused = |args: &[&str], code: i32, word: &str| {
        let out = bench(args);
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(code) && err.contains(word), "{args:?}: {err}");
    };
    refused(&[DIGITS, "--batch", "0"], 2, "--batch");
    refused(&[DIGITS, "--fold", "2"], 2, "--layers");
    refused(&[DIGITS, "--batch", "4000000000"], 1, "use `--batch");
    refused(&[DIGITS, "--model", "Other"], 1, "Other");
}
