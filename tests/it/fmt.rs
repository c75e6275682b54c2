//! `sdc fmt`: golden layouts; over every program of the repository and a thousand generated ones, twice is once, and the
//! tree and the comments stay.

use std::path::{Path, PathBuf};

use sdc::syntax;

use crate::support::{check_golden, parse, rendered};

/// Every `.sd` file of the repository.
pub fn all_programs() -> Vec<PathBuf> {
    let folders = ["stdlib", "examples", "benches", "tests/golden"];
    let names: Vec<PathBuf> = folders.iter().map(|f| Path::new(env!("CARGO_MANIFEST_DIR")).join(f)).collect();
    let inputs = sdc::driver::programs(&names).expect("the folders can be read");
    let path = |input| match input {
        sdc::driver::Input::File(path) => path,
        sdc::driver::Input::Stdin => unreachable!("no folder holds standard input"),
    };
    inputs.into_iter().map(path).collect()
}

/// What must hold of any text; its layout.
pub fn check(text: &str) -> Result<String, String> {
    let laid = syntax::format(text);
    let twice = syntax::format(&laid);
    if twice != laid {
        return Err(format!("a second time changes it:\n{laid}\n──── becomes ────\n{twice}"));
    }
    let (before, after) = (parse(text), parse(&laid));
    let told = |p: &crate::support::Parsed| p.problems.sorted().iter().map(|p| p.code).collect::<Vec<_>>();
    if before.file.to_string() != after.file.to_string() || told(&before) != told(&after) {
        return Err(format!("the tree changes:\n{laid}\n{}", rendered(&after)));
    }
    let comments =
        |p: &crate::support::Parsed| p.file.comments.iter().map(|c| c.text.trim_end().to_owned()).collect::<Vec<_>>();
    if comments(&before) != comments(&after) {
        return Err(format!("the comments change:\n{laid}"));
    }
    let long = laid.lines().find(|l| l.chars().count() > syntax::WIDTH && l.contains("stride") && !l.contains("//"));
    if before.problems.is_empty() && long.is_some() {
        return Err(format!("a line stays too long: {long:?}"));
    }
    Ok(laid)
}

#[test]
fn layouts() {
    insta::glob!("../golden/fmt", "*.sd", |path| {
        check_golden(path, |text| check(text).unwrap_or_else(|fault| panic!("{fault}")));
    });
}

#[test]
fn every_program_of_the_repository_keeps_its_meaning() {
    let programs = all_programs();
    assert!(programs.len() > 80, "{} programs", programs.len());
    for path in programs {
        let text = std::fs::read_to_string(&path).expect("readable");
        if let Err(fault) = check(&text) {
            panic!("{}: {fault}", path.display());
        }
    }
}

#[test]
fn the_library_the_examples_and_the_benchmarks_are_laid_out() {
    for path in all_programs() {
        if path.components().any(|c| c.as_os_str() == "golden") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        assert_eq!(syntax::format(&text), text, "{}: run `sdc fmt stdlib examples benches`", path.display());
    }
}
