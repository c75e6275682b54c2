//! Devices by name: what is told where one is not there, and kernels written for other programs.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/digits.sd");

fn sdc(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sdc")).current_dir(folder).args(args).output().expect("the program starts")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().expect("readable").next().is_none()
}

/// Whether this machine has a card of NVIDIA's, as `sdc devices` tells.
fn has_cuda(folder: &Path) -> bool {
    let listed = sdc(folder, &["devices", "--json"]).stdout;
    let lines = String::from_utf8(listed).expect("UTF-8");
    let objects = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    objects
        .into_iter()
        .any(|o| o["device"].as_str().is_some_and(|name| name.starts_with("cuda:")) && o["is"].is_string())
}

#[test]
fn a_machine_without_the_driver_is_told_so_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    if has_cuda(folder.path()) {
        eprintln!("skipped: there is a card of NVIDIA's");
        return;
    }
    for args in [&["train", DIGITS, "--device", "cuda"][..], &["train", DIGITS, "--device", "cuda:3"]] {
        let output = sdc(folder.path(), args);
        assert_eq!(output.status.code(), Some(1));
        let told = told(&output);
        assert!(told.starts_with("SD0910: NVIDIA's driver"), "{told}");
        assert!(told.contains("\n  help: ") && told.contains("--device cpu") && !told.contains("panicked"), "{told}");
        assert!(output.stdout.is_empty() && is_empty(folder.path()));
    }
}

#[test]
fn a_name_that_is_no_device_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["gpu", "cuda:", "cuda:x", "cuda:-1", ""] {
        let output = sdc(folder.path(), &["train", DIGITS, "--device", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(told(&output).contains("a device is cpu, cuda, cuda:N, metal or vulkan"), "{}", told(&output));
    }
}

#[test]
fn devices_are_listed_with_why_others_are_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = sdc(folder.path(), &["devices"]);
    assert_eq!(output.status.code(), Some(0));
    let listed = String::from_utf8(output.stdout).expect("UTF-8");
    for name in ["cpu ", "cuda", "vulkan", "metal"] {
        assert!(listed.contains(&format!("\n{name}")), "{listed}");
    }
    if cfg!(not(feature = "gpu")) {
        assert!(listed.contains("--features gpu"), "{listed}");
    }
}

/// Other precisions need tensor cores, and are refused before anything is written where there are none.
#[test]
fn other_precisions_are_for_tensor_cores() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |arguments: &[&str], words: &str| {
        let output = sdc(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(told(&output).starts_with("SD0910") && told(&output).contains(words), "{}", told(&output));
        assert_eq!(folder.path().read_dir().expect("it is there").count(), 0);
    };
    refused(&["train", DIGITS, "--precision", "bf16"], "--device cpu multiplies in fp32 alone, not in bf16");
    refused(&["dump", "metal", DIGITS, "--precision", "tf32"], "in CUDA C alone");
    refused(&["dump", "kernels", DIGITS, "--precision", "tf32"], "in CUDA C alone");
    refused(&["build", DIGITS, "--target", "wgsl", "--out", "x", "--precision", "tf32"], "in CUDA C alone");
    assert_eq!(sdc(folder.path(), &["train", DIGITS, "--precision", "fp16"]).status.code(), Some(2));
    for (precision, product) in [("tf32", "product_tf32(a0"), ("bf16", "product_bf16(a0")] {
        let dumped = sdc(folder.path(), &["dump", "cuda", DIGITS, "--precision", precision]).stdout;
        assert!(String::from_utf8(dumped).expect("UTF-8").contains(product));
    }
}

/// The launch table says all that a call needs: every kernel it names is in the text, every buffer in memory.
#[test]
fn kernels_are_written_with_a_table_that_fits_them() {
    let folder = tempfile::tempdir().expect("a folder");
    for (target, text) in [("cuda", "kernels.cu"), ("metal", "kernels.metal"), ("wgsl", "kernels.wgsl")] {
        let output = sdc(folder.path(), &["build", DIGITS, "--target", target, "--out", target]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let read = |name: &str| std::fs::read_to_string(folder.path().join(target).join(name)).expect("it is written");
        let (text, table) = (read(text), read("launches.json"));
        assert_eq!(text.as_bytes(), sdc(folder.path(), &["dump", target, DIGITS]).stdout, "the text that is dumped");
        let table: Value = serde_json::from_str(&table).expect("JSON");
        let floats = table["memory"]["floats"].as_u64().expect("a number");
        for pass in ["train", "test"] {
            let pass = &table["passes"][pass];
            let buffers = pass["buffers"].as_array().expect("a list");
            let ends = buffers.iter().map(|b| b["offset"].as_u64().unwrap() + b["floats"].as_u64().unwrap());
            assert!(ends.into_iter().all(|end| end <= floats));
            assert!(pass["slots"]["logits"].is_u64() && pass["slots"]["linear"].is_null());
            let calls = pass["calls"].as_array().expect("a list");
            assert!(calls.len() > 20);
            for call in calls {
                let kernel = call["kernel"].as_str().expect("a name");
                assert!(text.contains(&format!(" {kernel}(")), "{kernel}");
                assert!(call["grid"][0].as_u64().unwrap() > 0 && call["block"][0].as_u64().unwrap() <= 256);
                let arguments = call["arguments"].as_array().expect("a list");
                let known = |a: &Value| a["buffer"].as_u64().is_none_or(|id| (id as usize) < buffers.len());
                assert!(!arguments.is_empty() && arguments.iter().all(known));
            }
        }
    }
    assert_eq!(sdc(folder.path(), &["build", "no-such.sd", "--target", "cuda", "--out", "x"]).status.code(), Some(1));
    assert!(!folder.path().join("x").exists());
    std::fs::write(folder.path().join("file"), "").expect("writable");
    let output = sdc(folder.path(), &["build", DIGITS, "--target", "cuda", "--out", "file"]);
    assert!(output.status.code() == Some(1) && told(&output).starts_with("SD0902"), "{}", told(&output));
}
