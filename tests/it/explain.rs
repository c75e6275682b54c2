//! Pages of codes, documentation of names, and mechanical mends: what `sdc explain` and `sdc check --fix` stand on.

use sdc::diag::{Example, codes, page};
use sdc::source::NoFiles;

use crate::program::check;

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
    let without = codes::ALL.iter().filter(|(code, _)| {
        matches!(page(code.0).expect("every code has a page").example, Example::Situation(_))
    });
    let without: Vec<&str> = without.map(|(code, _)| code.0).collect();
    let expected =
        ["SD0103", "SD0505", "SD0901", "SD0902", "SD0903", "SD0904", "SD0905", "SD0906"];
    assert_eq!(without, expected);
}
