//! The program itself: exit codes, streams, colours.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn sdc(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sdc"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the program reads its input");
    child.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn exit_codes() {
    assert_eq!(sdc(&["dump", "ast", "-"], "const a = 1").status.code(), Some(0));
    assert_eq!(sdc(&["dump", "ast", "-"], "const a =").status.code(), Some(1));
    assert_eq!(sdc(&["check", "does-not-exist.sd"], "").status.code(), Some(1));
    assert_eq!(sdc(&["dump", "nothing", "-"], "").status.code(), Some(2));
    assert_eq!(sdc(&["frobnicate"], "").status.code(), Some(2));
    assert_eq!(sdc(&["--help"], "").status.code(), Some(0));
}

#[test]
fn problems_go_to_standard_error_without_colours() {
    let out = sdc(&["check", "-"], "const a = 1\nconst b =\n");
    assert_eq!(text(&out.stdout), "");
    let err = text(&out.stderr);
    assert!(err.contains("SD0101") && err.contains("<stdin>") && err.contains("1 error"), "{err}");
    assert!(!err.contains('\u{1b}'), "escape codes although standard error is no terminal: {err}");
}

#[test]
fn a_missing_file_is_told_by_name() {
    let out = sdc(&["check", "does-not-exist.sd"], "");
    let err = text(&out.stderr);
    assert!(err.contains("SD0901") && err.contains("`does-not-exist.sd` does not exist"), "{err}");
}

#[test]
fn json_is_one_object_a_line() {
    let out = sdc(&["check", "-", "--format", "json"], "const b = 1 2\nfn g( = 3\n");
    assert_eq!(out.status.code(), Some(1));
    let lines: Vec<serde_json::Value> =
        text(&out.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["code"], "SD0101");
    assert_eq!(lines[0]["labels"][0]["at"]["line"], 1);
    assert_eq!(lines[0]["labels"][0]["at"]["column"], 13);
    assert_eq!(lines[1]["labels"][0]["at"]["line"], 2);
}

#[test]
fn a_broken_item_leaves_the_others_in_the_tree() {
    let out = sdc(&["dump", "ast", "-"], "const a = 1\nblock b { residual {\nconst c = 2\nfn d = 3\n");
    assert_eq!(text(&out.stdout), "const a = 1\nfn d\n  = 3\n");
}
