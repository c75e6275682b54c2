//! Broken programs: `tests/golden/mistakes/*.sd`, each with `//~ CODE` marks, written by hand, on the lines where its
//! problems must stand, and a snapshot of what a person is told.

use std::sync::Mutex;

use sdc::source::DiskLoader;

use crate::program::check;

const FOLDER: &str = "tests/golden/mistakes";

/// The marks of a text: line and code, sorted.
fn marks(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate();
    let mut all: Vec<(usize, String)> = lines
        .filter_map(|(i, line)| line.split_once("//~").map(|(_, codes)| (i + 1, codes)))
        .flat_map(|(line, codes)| codes.split_whitespace().map(move |code| (line, code.to_owned())))
        .collect();
    all.sort();
    all
}

#[test]
fn every_mistake_is_found_where_it_is() {
    let wrong = Mutex::new(Vec::new());
    insta::glob!("../golden/mistakes", "*.sd", |path: &Path| {
        let text = std::fs::read_to_string(path).expect("the glob found it");
        let outcome = check(&text, &DiskLoader::new(format!("{FOLDER}/beside")));
        let mut found: Vec<(usize, String)> = outcome
            .problems
            .sorted()
            .iter()
            .filter(|p| outcome.sources.get(p.span().source).name == "program.sd")
            .map(|p| (outcome.sources.line_column(p.span()).0, p.code.to_string()))
            .collect();
        found.sort();
        let rendered = outcome.rendered();
        if found != marks(&text) {
            let name = path.display();
            wrong.lock().expect("no test panics").push(format!("{name}: found {found:?}, marked {:?}", marks(&text)));
        }
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../golden/mistakes/snapshots", omit_expression => true }, {
            insta::assert_snapshot!(rendered);
        });
    });
    let wrong = wrong.into_inner().expect("no test panics");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
