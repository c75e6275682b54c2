//! Pages of codes, documentation of names, and mechanical mends: what `sdc explain` and `sdc check --fix` stand on.

use std::path::{Path, PathBuf};

use sdc::diag::{Example, Problem, Problems, codes, page};
use sdc::docs::{Shelf, proposals};
use sdc::driver::{self, Input};
use sdc::source::{DiskLoader, NoFiles, Sources};
use tempfile::TempDir;

use crate::program::{Outcome, check};

#[test]
fn every_wrong_program_of_a_page_shows_its_code_and_no_other() {
    let mut shown = 0;
    for (code, _) in codes::ALL {
        let page = page(code.0).expect("every code has a page");
        assert!(!page.paragraphs.is_empty(), "{code} is not explained");
        let Example::Programs { wrong, right } = page.example else { continue };
        shown += 1;
        let mut found = check(wrong, &NoFiles).codes();
        found.dedup();
        assert_eq!(found, [code.0], "the wrong program of {code}:\n{}", check(wrong, &NoFiles).rendered());
        let mended = check(right, &NoFiles);
        assert!(mended.problems.is_empty(), "the right program of {code}:\n{}", mended.rendered());
    }
    assert!(shown > 30, "{shown} pages have programs");
}

#[test]
fn only_files_sizes_and_runs_have_no_program() {
    let without = codes::ALL
        .iter()
        .filter(|(code, _)| matches!(page(code.0).expect("every code has a page").example, Example::Situation(_)));
    let without: Vec<&str> = without.map(|(code, _)| code.0).collect();
    let expected = [
        "SD0103", "SD0504", "SD0505", "SD0901", "SD0902", "SD0903", "SD0904", "SD0905", "SD0906", "SD0907", "SD0908",
        "SD0909", "SD0910", "SD0911",
    ];
    assert_eq!(without, expected);
}

/// The golden programs with mistakes, by path.
fn golden(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = Path::new("tests/golden").join(folder).read_dir().expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "sd"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_fix_of_a_golden_mistake_removes_its_problem() {
    let files = DiskLoader::new("tests/golden/mistakes/beside");
    let (mut fixes, mut failed) = (0, Vec::new());
    for (path, text) in golden("mistakes").into_iter().chain(golden("syntax")) {
        let outcome = check(&text, &files);
        let count = |outcome: &Outcome, of: &Problem| {
            outcome.problems.sorted().iter().filter(|p| p.code == of.code && p.message == of.message).count()
        };
        for problem in outcome.problems.sorted() {
            let Some(fix) = problem.fix.clone().filter(|fix| fix.span.source.0 == 0) else { continue };
            fixes += 1;
            let mut mended = text.clone();
            mended.replace_range(fix.span.range(), &fix.text);
            let after = check(&mended, &files);
            if count(&after, problem) >= count(&outcome, problem) {
                failed.push(format!("{}: {problem:?}\n{mended}", path.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(fixes > 40, "{fixes} fixes");
}

/// A program in a folder of its own, with a file beside it.
fn program(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder can be made");
    let path = folder.path().join("program.sd");
    std::fs::write(&path, text).expect("writable");
    (folder, path)
}

const MISSPELT: &str = "\
use \"parts.sd\".{stem}

model M {
    input image[3, 32, 32]
    net { stem; residual { branch { conv3x3(16); bn } }; global_avg_pool; linear(10) }
    place shakedrop on residuals
}

train M {
    data cifar10
    optimiser sgd { lr: 0.1, momentun: 0.9 }
    epochs 3.0
    batch 64
}
";

#[test]
fn fixes_are_applied_to_all_files_of_the_program() {
    let (folder, path) = program(MISSPELT);
    let parts = folder.path().join("parts.sd");
    std::fs::write(&parts, "block stem { conv3x3(16, strid: 1); batch_nrm; bn }\n").expect("writable");
    let mended = driver::fix(&Input::File(path.clone()));
    let left: Vec<&str> = mended.session.problems.sorted().iter().map(|p| p.code.0).collect();
    assert_eq!(left, ["SD0201"], "`batch_nrm` has no neighbour");
    assert_eq!(mended.files.len(), 2);
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), MISSPELT, "nothing is written before it is asked");
    mended.files.iter().for_each(|file| file.write().expect("writable"));
    let text = std::fs::read_to_string(&path).expect("readable");
    let expected = MISSPELT.replace("optimiser", "optimizer").replace("momentun", "momentum").replace("3.0", "3");
    assert_eq!(text, format!("use std.regularizers.{{shakedrop}}\n{expected}"));
    assert!(std::fs::read_to_string(&parts).expect("readable").contains("stride: 1"));
    let own = mended.changes.iter().filter(|c| c.file.ends_with("program.sd"));
    let lines: Vec<(usize, &str)> = own.map(|c| (c.line, c.after.trim())).collect();
    let expected = [(1, "use std.regularizers.{shakedrop}"), (12, "optimizer"), (12, "momentum"), (13, "3")];
    assert_eq!(lines, expected);
}

#[cfg(unix)]
#[test]
fn a_mended_file_keeps_its_permissions_and_its_link() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (folder, path) = program("block b(width: int) { conv3x3(widht) }\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("permitted");
    let link = folder.path().join("link.sd");
    symlink(&path, &link).expect("a link can be made");
    let mended = driver::fix(&Input::File(link.clone()));
    mended.files.iter().for_each(|file| file.write().expect("writable"));
    assert!(std::fs::read_to_string(&path).expect("readable").contains("conv3x3(width)"));
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);
    assert!(link.symlink_metadata().expect("there").is_symlink());
    let names = folder.path().read_dir().expect("readable").count();
    assert_eq!(names, 2, "no temporary file is left");
}

#[test]
fn a_fix_that_does_not_help_is_not_kept() {
    // The projection that fits the first of two calls has the wrong stride for the second.
    let text = "block b(s: int) {\n    residual { branch { conv3x3(6); max_pool(s) } }\n}\n\nmodel M {\n    \
                input image[3, 8, 8]\n    net { b(1); b(2) }\n}\n";
    let (_folder, path) = program(text);
    let outcome = check(text, &NoFiles);
    let fix = outcome.problems.sorted()[0].fix.clone().expect("a projection is proposed");
    assert_eq!(fix.text, " shortcut { conv1x1(6); bn }");
    let mended = driver::fix(&Input::File(path));
    assert!(mended.files.is_empty() && mended.changes.is_empty(), "{:?}", mended.files);
    assert!(mended.session.problems.has_errors());
}

#[test]
fn a_projection_is_proposed_in_the_words_of_the_branch() {
    let text = std::fs::read_to_string("tests/golden/mistakes/mends.sd").expect("readable");
    let outcome = check(&text, &NoFiles);
    let sorted = outcome.problems.sorted();
    let problem = sorted.iter().find(|p| p.code == codes::SHAPES_DISAGREE).expect("it is among them");
    let fix = problem.fix.as_ref().expect("a shortcut can be added");
    let shortcut = "shortcut { if stride > 1 or in.channels != width { conv1x1(width, stride: stride); bn } }";
    assert_eq!(fix.text.trim(), shortcut);
}

#[test]
fn a_projection_in_words_that_hold_for_one_call_is_no_fix() {
    // The stride stands in the second layer for the first call, and in the first for the other.
    let text = "\
block down(width: int, stride: int, late: bool) {
    residual {
        branch {
            conv1x1(width, stride: if late { 1 } else { stride })
            conv3x3(width, stride: if late { stride } else { 1 })
            bn
        }
    }
}

model M {
    input image[3, 8, 8]
    net { down(16, stride: 2, late: true); down(32, stride: 2, late: false); global_avg_pool; linear(10) }
}
";
    let outcome = check(text, &NoFiles);
    let sorted = outcome.problems.sorted();
    let problem = sorted.iter().find(|p| p.code == codes::SHAPES_DISAGREE).expect("the arms disagree");
    assert_eq!(problem.fix, None, "{}", problem.help);
}

#[test]
fn a_block_that_the_library_calls_is_mended_for_all_its_calls() {
    let text = "\
use std.pyramidnet.{pyramidnet}

block mine(width: int, stride: int = 1) {
    residual { branch { conv3x3(width, stride: stride); bn } }
    const layers = 2
}

model M {
    input image[3, 32, 32]
    net pyramidnet(depth: 20, alpha: 48, classes: 10, block: mine)
}
";
    let (_folder, path) = program(text);
    let mended = driver::fix(&Input::File(path));
    assert!(mended.session.problems.is_empty(), "{:?}", mended.session.problems);
    assert_eq!(mended.changes.len(), 1);
    assert_eq!(mended.changes[0].line, 4);
}

#[test]
fn words_inside_statements_and_types_are_documented() {
    let mut sources = Sources::default();
    let shelf = Shelf::library(&mut sources);
    for name in ["l", "L", "residuals", "where", "at", "per", "as", "in", "prob", "range", "scale"] {
        let entries = shelf.find(name, &sources);
        assert!(entries.iter().any(|e| !e.paragraphs.is_empty()), "`{name}` is not explained");
    }
    let decay = &shelf.find("linear_decay", &sources)[0];
    assert_eq!(decay.equations, ["linear_decay(l, L, P) = 1 - l / L * (1 - P)"]);
}

#[test]
fn means_of_the_published_rules() {
    let mut sources = Sources::default();
    let shelf = Shelf::library(&mut sources);
    // Written by hand, from the papers.
    let means = [
        ("random_drop", "p"),
        ("drop_path", "1"),
        ("shakedrop", "p + (1 - p) * E[alpha]"),
        ("single_shake", "E[alpha]"),
        ("shake_shake", "[0.5, 0.5]"),
        ("shake_even", "[0.5, 0.5]"),
        ("shake_keep", "[0.5, 0.5]"),
        ("even_even", "[0.5, 0.5]"),
        ("dropout", "1"),
    ];
    for (rule, mean) in means {
        let entries = shelf.find(&format!("std.regularizers.{rule}"), &sources);
        let [entry] = &entries[..] else { panic!("{rule} is not one thing: {entries:?}") };
        assert_eq!(entry.equations.last(), Some(&format!("E[forward] = {mean}")), "{rule}");
    }
}

#[test]
fn a_mean_without_a_formula_is_not_made_up() {
    let text = "regularizer r(p: prob) {\n let b = bernoulli(p)\n forward = b * b + max(uniform(0..1), p)\n}\n\
                regularizer s {\n forward = uniform(0..1)\n test = 0.3\n}\n";
    let mut sources = Sources::default();
    let source = sources.add("program.sd", text);
    let program = sdc::resolve::load(source, &mut sources, &NoFiles, &mut Problems::default());
    let shelf = Shelf::with(&program, &mut sources);
    for rule in ["r", "s"] {
        let entry = &shelf.find(rule, &sources)[0];
        assert!(entry.equations.iter().all(|line| !line.starts_with("E[")), "{entry:?}");
    }
}

#[test]
fn everything_with_a_name_is_documented() {
    let mut sources = Sources::default();
    let shelf = Shelf::library(&mut sources);
    for module in &shelf.modules(&sources).parts {
        assert!(!module.doc.is_empty(), "{} says nothing of itself", module.signature);
        for item in &shelf.find(&module.signature, &sources)[0].parts {
            assert!(!item.doc.is_empty(), "{}: {} is not documented", module.signature, item.signature);
        }
    }
    for name in [
        "conv",
        "round",
        "pixel",
        "he_normal_in",
        "schedule",
        "sgd",
        "lr",
        "pad_crop",
        "smoothing",
        "residual",
        "basic",
    ] {
        let entries = shelf.find(name, &sources);
        // A parameter is shown with what it belongs to.
        assert_eq!(entries.is_empty(), name == "smoothing", "{name}");
        assert!(entries.iter().all(|e| !e.paragraphs.is_empty() && !e.signature.is_empty()), "{entries:?}");
    }
    assert_eq!(shelf.find("basic", &sources).len(), 2, "two modules have one");
    assert_eq!(proposals("shakdrop", &shelf, &[]).as_deref(), Some("shakedrop"));
    assert_eq!(proposals("SD0230", &shelf, &["SD0203"]).as_deref(), Some("SD0203"));
}

#[test]
fn a_long_line_is_shown_around_its_labels() {
    let line = format!("const a = [{}wrong, {}2]\n", "1, ".repeat(200_000), "1, ".repeat(100_000));
    let text = format!("// ä\r\n{line}const b = other");
    let outcome = check(&text, &NoFiles);
    let rendered = outcome.rendered();
    assert!(rendered.len() < 4000, "{} bytes", rendered.len());
    assert!(rendered.contains("wrong") && rendered.contains(" … ") && rendered.contains("other"), "{rendered}");
    let column = "const a = [".len() + 3 * 200_000 + 1;
    assert!(rendered.contains(&format!("[program.sd:2:{column}]")), "{rendered}");
}
