//! The program itself: exit codes, streams, colours.

use std::io::Write as _;
use std::path::Path;
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
fn every_command_keeps_the_exit_codes() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let path = folder.path().join("wrong.sd");
    std::fs::write(&path, "model M { input image[3, 8, 8]; net { cnov3x3(8) } }").expect("writable");
    let wrong = path.to_str().expect("text");
    let good = "examples/digits.sd";
    let mended = "--dry-run";
    for (args, code) in [
        (&["check", good][..], 0),
        (&["check", wrong], 1),
        (&["check", "--fix", mended, wrong], 0),
        (&["check", mended, wrong], 2),
        (&["check", "--fix", "-"], 2),
        (&["check"], 2),
        (&["summary", wrong], 1),
        (&["summary"], 2),
        (&["draws", wrong, "--step", "0"], 1),
        (&["draws", good, "--step", "x"], 2),
        (&["train", wrong], 1),
        (&["train", "no-such-file.sd"], 1),
        (&["train", "--epochs"], 2),
        (&["eval", "no-such-run"], 1),
        (&["eval"], 2),
        (&["dump", "net", wrong], 1),
        (&["explain"], 0),
        (&["explain", "SD0203", "shakedrop"], 0),
        (&["explain", "M", "--in", wrong], 0),
        (&["explain", "M"], 1),
        (&["explain", "--in", "no-such-file.sd"], 1),
        (&["explain", "--frobnicate"], 2),
        (&["help", "explain"], 0),
    ] {
        assert_eq!(sdc(args, "").status.code(), Some(code), "sdc {}", args.join(" "));
    }
    assert!(std::fs::read_to_string(&path).expect("readable").contains("cnov3x3"), "a dry run writes nothing");
}

#[test]
fn mends_are_told_and_shown_as_a_difference() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let path = folder.path().join("b.sd");
    std::fs::write(&path, "// first\nblock b(width: int) {\n    conv3x3(widht)\n}\n").expect("writable");
    let name = path.to_str().expect("text");
    let dry = sdc(&["check", "--fix", "--dry-run", name], "");
    let expected = format!(
        "--- {name}\n+++ {name}\n@@ -2,3 +2,3 @@\n block b(width: int) {{\n-    conv3x3(widht)\n+    conv3x3(width)\n \
         }}\n1 problem would be mended\n"
    );
    assert_eq!(text(&dry.stdout), expected);
    let done = sdc(&["check", "--fix", name], "");
    assert_eq!(text(&done.stdout), format!("{name}:3: `widht` -> `width` (SD0201)\n1 problem mended\n"));
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""));
    assert_eq!(sdc(&["check", name], "").status.code(), Some(0));
}

#[test]
fn explanations_propose_the_nearest_name_and_have_no_colours() {
    let out = sdc(&["explain", "sd0203"], "");
    assert!(text(&out.stdout).starts_with("SD0203: ") && !text(&out.stdout).contains('\u{1b}'));
    let lines = text(&out.stdout).lines().map(|l| l.chars().count()).max();
    assert!(lines <= Some(100), "{lines:?}");
    for (asked, meant) in [("SD0230", "`SD0203`"), ("shakedorp", "`shakedrop`"), ("std.resnt", "`std.resnet`")] {
        let out = sdc(&["explain", asked, "conv"], "");
        assert!(text(&out.stderr).contains(meant), "{asked}: {}", text(&out.stderr));
        assert!(text(&out.stdout).starts_with("conv: a layer"), "what is known is shown all the same");
    }
}

#[test]
fn problems_go_to_standard_error_without_colours() {
    let out = sdc(&["check", "-"], "const a = 1\nconst b =\n");
    assert_eq!(text(&out.stdout), "");
    let err = text(&out.stderr);
    assert!(err.contains("SD0101") && err.contains("<stdin>") && err.contains("1 error"), "{err}");
    assert!(err.ends_with("more on each: sdc explain SD0101\n"), "{err}");
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
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["more"], "sdc explain SD0101");
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

/// A program whose data is in a folder of images.
const OF_IMAGES: &str = "\
model M {
    input image[3, 8, 8]
    net { conv3x3(4); bn; relu; global_avg_pool; linear(2) }
}

train M {
    loss cross_entropy
    optimizer sgd { lr: 0.1 }
    epochs 1
    batch 4

    data folder(\"pictures\")
}
";

#[test]
fn every_mistake_is_told_before_data_is_opened() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let pictures = folder.path().join("no_pictures").display().to_string();
    let out = folder.path().join("run").display().to_string();
    let train = |program: &str, set: &str| {
        let program = program.replace("pictures", &pictures);
        let done = sdc(&["train", "-", "--steps", "0", "--out", &out, "--set", set], &program);
        assert_eq!(done.status.code(), Some(1), "{program}");
        text(&done.stderr).to_owned()
    };
    let told = train(OF_IMAGES, "train.seed=1");
    assert!(told.starts_with("SD0903") && told.contains("no_pictures"), "without a mistake: {told}");
    for (from, to, code) in [
        ("bn; relu", "bn(; relu", "SD0101"),
        ("conv3x3", "cnov3x3", "SD0201"),
        ("linear(2)", "linear(2, 2, 2, 2)", "SD0204"),
        ("conv3x3(4)", "max_pool(9)", "SD0303"),
        ("loss cross_entropy", "loss cross_entropie", "SD0501"),
        ("lr: 0.1", "lr: \"fast\"", "SD0203"),
        ("epochs 1", "epochs 0", "SD0210"),
        ("batch 4\n", "batch 400_000_000\n", "SD0306"),
    ] {
        let told = train(&OF_IMAGES.replacen(from, to, 1), "train.seed=1");
        assert!(told.contains(code), "{to}: {told}");
        assert!(!told.contains("SD0903") && !told.contains("no_pictures"), "{to}: {told}");
    }
    let told = train(OF_IMAGES, "train.sede=1");
    assert!(told.contains("SD0501") && !told.contains("SD0903") && !told.contains("no_pictures"), "{told}");
    assert!(!Path::new(&out).exists(), "no run is begun");
}

/// What a file announces is judged before memory is asked for it: where a program gets none, it ends by a signal.
#[cfg(target_os = "linux")]
#[test]
fn files_that_announce_too_much_are_refused_in_little_memory() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let at = |name: &str| folder.path().join(name);
    let image = |name: &str| std::fs::read(format!("tests/golden/images/{name}.jpg")).expect("it is there");
    let limited = |args: &[&str]| {
        // In units of 1,024 bytes: less than eight bytes for each block of the image. One heap serves all threads, since
        // each heap is a share of the address space.
        let script = "ulimit -v 500000; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_sdc")]).args(args);
        command.current_dir(folder.path()).env("MALLOC_ARENA_MAX", "1").output().expect("there is a shell")
    };
    std::fs::write(at("of_images.sd"), OF_IMAGES).expect("writable");
    for class in ["train/a", "train/b", "test/a", "test/b"] {
        let class = at("pictures").join(class);
        std::fs::create_dir_all(&class).expect("writable");
        std::fs::write(class.join("0.jpg"), image("grey")).expect("writable");
    }
    let made = limited(&["train", "of_images.sd", "--steps", "0", "--quiet", "--out", "run"]);
    assert_eq!(made.status.code(), Some(0), "the limit is enough for small files: {}", text(&made.stderr));

    // The size of a JPEG stands behind the mark of its frame, that of a PNG in its first part.
    let mut files = Vec::new();
    for name in ["baseline", "progressive"] {
        let mut jpeg = image(name);
        let frame = jpeg.windows(2).position(|two| matches!(two, [0xff, 0xc0 | 0xc2])).expect("a frame");
        jpeg[frame + 5..frame + 9].fill(0xff);
        files.push((format!("{name}.jpg"), jpeg));
    }
    let mut png = Vec::new();
    let writer = png::Encoder::new(&mut png, 1, 1).write_header();
    writer.and_then(|mut writer| writer.write_image_data(&[0])).expect("memory takes it");
    png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let mut sum = flate2::Crc::new();
    sum.update(&png[12..29]);
    png[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    files.push(("large.png".to_owned(), png));

    let refused = |args: &[&str], code: &str, name: &str| {
        let out = limited(args);
        let told = String::from_utf8_lossy(&out.stderr);
        let fits = told.starts_with(code) && told.contains(name);
        assert!(out.status.code() == Some(1) && fits, "sdc {}: {:?}: {told}", args.join(" "), out.status);
    };
    for (name, bytes) in &files {
        let path = at("pictures/train/b").join(name);
        std::fs::write(&path, bytes).expect("writable");
        let shown = path.display().to_string();
        refused(&["predict", "run", shown.as_str(), "--threads", "1"], "SD0903", name);
        refused(&["train", "of_images.sd", "--steps", "0", "--quiet", "--out", "other"], "SD0903", name);
        std::fs::remove_file(&path).expect("it was just written");
    }
    std::fs::write(at("large.safetensors"), [&(1_u64 << 60).to_le_bytes()[..], b"{}"].concat()).expect("writable");
    refused(&["import", "large.safetensors", "of_images.sd", "--out", "other"], "SD0909", "large.safetensors");
}
