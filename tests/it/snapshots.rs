//! `sdc test`: new, same, changed and orphaned snapshots; what a change of a width shows; the macro for Rust tests.

use std::path::Path;
use std::process::Command;

const PROGRAM: &str = "block b(width: int) {
    residual {
        branch { conv3x3(width); bn; relu; conv3x3(width); bn }
        shortcut { conv1x1(width) }
    }
}

model Small {
    input image[3, 8, 8]
    net { b(4); b(6); global_avg_pool; linear(10) }
}
";

fn sdc(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_sdc")).current_dir(folder).args(args).output().expect("it starts");
    (out.status.code(), String::from_utf8(out.stdout).expect("UTF-8") + &String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_change_is_shown_and_accepted() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    let write = |text: &str| std::fs::write(folder.join("small.sd"), text).expect("writable");
    write(PROGRAM);
    let (code, told) = sdc(folder, &["test"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("small.Small.net.snap: new"), "{told}");
    assert_eq!(sdc(folder, &["test", "--accept"]).0, Some(0));
    let (code, told) = sdc(folder, &["test", "."]);
    assert_eq!((code, told.as_str()), (Some(0), "3 snapshots as accepted\n"));

    // Another width changes its own lines alone.
    write(&PROGRAM.replace("b(6)", "b(8)"));
    let (code, told) = sdc(folder, &["test", "--only", "net", "small.sd"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!("a_wider_block", told);
    let (code, _) = sdc(folder, &["test", "--accept", "--only", "net"]);
    assert_eq!(code, Some(0));
    let (code, told) = sdc(folder, &["test"]);
    assert_eq!(code, Some(1), "the graph and the kernels wait to be accepted: {told}");
    assert!(!told.contains("net.snap") && told.contains("graph.snap") && told.contains("kernels.snap"), "{told}");

    // Another name leaves the old snapshots behind.
    write(&PROGRAM.replace("Small", "Tiny"));
    let (_, told) = sdc(folder, &["test"]);
    assert!(told.contains("small.Small.net.snap: orphan") && told.contains("small.Tiny.net.snap: new"), "{told}");
    assert_eq!(sdc(folder, &["test", "--accept"]).0, Some(0));
    assert!(!folder.join("small.Small.net.snap").exists());
    assert!(folder.join("small.Tiny.net.snap").exists());

    // Mistakes are told as everywhere.
    write("model M { input image[3, 8, 8]; net { cnov3x3(8) } }");
    let (code, told) = sdc(folder, &["test"]);
    assert!(code == Some(1) && told.contains("SD0201") && told.contains("1 program with errors"), "{told}");
}

#[test]
fn a_review_takes_what_is_right() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    std::fs::write(folder.path().join("small.sd"), PROGRAM).expect("writable");
    let review = |answers: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sdc"))
            .current_dir(folder.path())
            .args(["test", "--review"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), answers.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends").status.code()
    };
    let there = |kind: &str| folder.path().join(format!("small.Small.{kind}.snap")).exists();
    assert_eq!(review("what\na\nk\nq\n"), Some(1));
    assert!(there("net") && !there("graph") && !there("kernels"));
    assert_eq!(review("q\n"), Some(1));
    assert!(!there("graph"));
    assert_eq!(review("a\na\n"), Some(0));
    assert!(there("graph") && there("kernels"));
}

#[test]
fn a_rust_test_holds_a_program_against_its_snapshots() {
    sdc::assert_snapshots!("tests/golden/snapshots/small.sd");
}

#[test]
#[should_panic(expected = "accept it: sdc test --accept")]
fn a_rust_test_fails_where_nothing_was_accepted() {
    sdc::assert_snapshots!("examples/digits.sd", [Net]);
}
