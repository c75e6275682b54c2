//! The small commands around programs: `sdc fmt` on files, `sdc new`, `sdc doc`, completions and the manual.

use std::path::Path;
use std::process::Command;

fn sdc(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_sdc")).current_dir(folder).args(args).output().expect("it starts");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).expect("readable")
}

#[test]
fn programs_are_laid_out_in_place() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    std::fs::create_dir(folder.join("inner")).expect("writable");
    std::fs::write(folder.join("inner/a.sd"), "const   a=1").expect("writable");
    std::fs::write(folder.join("b.sd"), "const b =").expect("writable");
    let (code, told) = sdc(folder, &["fmt", "--check", "inner"]);
    assert!(code == Some(1) && told.contains("+const a = 1"), "{told}");
    assert_eq!(read(folder.join("inner/a.sd")), "const   a=1", "--check writes nothing");
    // A file that cannot be read is told and left alone; the others are laid out all the same.
    let (code, told) = sdc(folder, &["fmt", "."]);
    assert!(code == Some(1) && told.contains("SD0101"), "{told}");
    assert_eq!(read(folder.join("inner/a.sd")), "const a = 1\n");
    assert_eq!(read(folder.join("b.sd")), "const b =");
    assert_eq!(sdc(folder, &["fmt", "--check", "inner"]).0, Some(0));
    assert_eq!(sdc(folder, &["fmt", "nothing-here"]).0, Some(1));
    // What a run keeps belongs to its checkpoints: laid out, it would not be resumed.
    std::fs::create_dir_all(folder.join("inner/runs/A-1/checkpoints")).expect("writable");
    std::fs::write(folder.join("inner/runs/A-1/program.sd"), "const   a=1").expect("writable");
    assert_eq!(sdc(folder, &["fmt", "inner"]), (Some(0), String::new()));
    assert_eq!(read(folder.join("inner/runs/A-1/program.sd")), "const   a=1");
    assert_eq!(sdc(folder, &["fmt"]).0, Some(2));
}

#[test]
fn a_new_project_checks_and_is_laid_out() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    let (code, told) = sdc(folder, &["new", "my-network"]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = sdc(folder, &["check", "my-network/my-network.sd"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    let (code, told) = sdc(folder, &["fmt", "--check", "my-network"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(read(folder.join("my-network/my-network.sd")).contains("train MyNetwork {"));
    assert_eq!(sdc(folder, &["new", "my-network"]).0, Some(1), "what is there is left alone");
    assert_eq!(sdc(folder, &["new", "9"]).0, Some(1));
}

#[test]
fn documentation_completions_and_manual() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    std::fs::write(folder.join("mine.sd"), "/// Half of `x` <b>.\nfn half(x: real) -> real = x / 2\n")
        .expect("writable");
    let (code, told) = sdc(folder, &["doc", "mine.sd", "-o", "pages"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(read(folder.join("pages/index.html")).contains("std.regularizers"));
    let own = read(folder.join("pages/mine.sd.html"));
    assert!(own.contains("Half of <code>x</code> &lt;b&gt;."), "{own}");
    assert!(read(folder.join("pages/std.regularizers.html")).contains("E[forward] = p"));
    for shell in ["bash", "zsh", "fish"] {
        let (code, text) = sdc(folder, &["completions", shell]);
        assert!(code == Some(0) && text.contains("summary"), "{shell}");
    }
    assert_eq!(sdc(folder, &["man", "man"]).0, Some(0));
    assert!(read(folder.join("man/sdc.1")).contains(".TH"));
    assert!(folder.join("man/sdc-fmt.1").exists());
}

#[test]
fn assertions_hold_a_program_to_what_it_says() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    let program = |width: usize| {
        let text = format!(
            "model M(width: int = {width}) {{\n    input image[3, 8, 8]\n    net {{ conv3x3(width); bn; global_avg_pool; \
             linear(10) }}\n    assert parameters == 166 and residuals == 0 : \"as the letter says\"\n}}\n"
        );
        std::fs::write(folder.join("m.sd"), text).expect("writable");
    };
    program(4);
    let (code, told) = sdc(folder, &["test", "--accept", "m.sd"]);
    assert!(code == Some(0) && told.contains("3 accepted now"), "{told}");
    assert_eq!(sdc(folder, &["test", "m.sd"]).0, Some(0));
    // Wider, it is refused before anything of it is taken as right, and told in what.
    program(5);
    let (code, told) = sdc(folder, &["test", "--accept", "m.sd"]);
    assert!(code == Some(1) && told.contains("SD0308") && told.contains("as the letter says"), "{told}");
    assert!(told.contains("parameters = 205, residuals = 0"), "{told}");
    assert!(told.contains("1 program with errors"), "{told}");
    assert_eq!(sdc(folder, &["check", "m.sd"]).0, Some(1));
    program(4);
    // What is set beside the text is no broken promise of the text, and the resolved program asserts nothing.
    assert_eq!(sdc(folder, &["summary", "m.sd", "--set", "model.width=5"]).0, Some(0));
    let (code, resolved) = sdc(folder, &["config", "m.sd", "--set", "model.width=5"]);
    assert!(code == Some(0) && !resolved.contains("assert"), "{resolved}");
}

#[test]
fn what_cannot_be_written_is_told_in_one_way() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let folder = folder.path();
    std::fs::write(folder.join("file"), "").expect("writable");
    std::fs::write(folder.join("m.sd"), "model M { input image[3, 8, 8]; net { conv3x3(4) } }\n").expect("writable");
    for args in [
        &["build", "m.sd", "--target", "wgsl", "--out", "file/place"][..],
        &["doc", "m.sd", "-o", "file/place"],
        &["graph", "m.sd", "-o", "file/place"],
        &["man", "file/place"],
        &["new", "file/place"],
    ] {
        let (code, told) = sdc(folder, args);
        assert_eq!(code, Some(1), "{args:?}: {told}");
        assert!(told.contains("SD0902: file/place cannot be written: Not a directory"), "{args:?}: {told}");
        assert!(told.contains("help: a file stands where a folder is needed: name another place"), "{args:?}: {told}");
        assert!(told.contains("more: sdc explain SD0902"), "{args:?}: {told}");
    }
    let (_, told) = sdc(folder, &["graph", "m.sd", "-o", "nowhere/m.svg"]);
    assert!(told.contains("help: make the folder first, or name another place"), "{told}");
    assert!(sdc(folder, &["new", "mine"]).0 == Some(0) && folder.join("mine/mine.sd").exists());
    let (_, told) = sdc(folder, &["new", "mine"]);
    assert!(told.contains("nothing that is there is written over"), "{told}");
}
