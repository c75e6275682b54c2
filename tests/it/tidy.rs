//! Rules about the source text itself: layers, headers, codes, `unsafe`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sdc::diag::codes;

/// What each module of `src` may import of the others, lowest first. Nouns import the ground; a verb the nouns on both
/// its sides; only `driver` strings verbs together, and `passes` holds the list of the graph's. Kernels and what compiles
/// them take words from the network (levels of draws, windows), `device` the paths that name its states.
const LAYERS: &[(&str, &[&str])] = &[
    // ground
    ("source", &[]),
    ("diag", &["source"]),
    ("num", &[]),
    ("disk", &[]),
    // text
    ("syntax", &["source", "diag"]),
    // network
    ("net", &["source", "diag", "num"]),
    // meaning
    ("stdlib", &[]),
    ("resolve", &["source", "diag", "syntax", "stdlib"]),
    ("typing", &["source", "diag", "num", "syntax", "stdlib", "resolve", "net"]),
    ("elaborate", &["source", "diag", "num", "syntax", "stdlib", "resolve", "typing", "net"]),
    ("docs", &["source", "diag", "syntax", "stdlib", "resolve", "typing"]),
    ("config", &["source", "num", "syntax", "stdlib", "resolve", "typing"]),
    // graph
    ("graph", &["source", "diag", "num", "net"]),
    ("lower", &["source", "diag", "num", "net", "graph"]),
    ("grad", &["source", "diag", "num", "net", "graph"]),
    ("passes", &["source", "diag", "num", "net", "graph", "grad"]),
    // kernels
    ("kernel", &["num", "net"]),
    ("fuse", &["source", "diag", "num", "net", "graph", "kernel"]),
    ("codegen", &["num", "net", "kernel"]),
    // machine
    ("device", &["diag", "num", "disk", "net", "kernel", "codegen"]),
    // training
    ("data", &["source", "diag", "num", "net"]),
    ("train", &["source", "diag", "num", "disk", "net", "data", "device"]),
    ("exchange", &["diag", "net", "graph", "data", "device", "train"]),
    // rim
    ("driver", BELOW_DRIVER),
    ("diagram", &["diag", "net"]),
    ("plot", &["train"]),
    ("lsp", &["source", "diag", "syntax", "stdlib", "resolve", "typing", "docs", "net", "driver"]),
    ("snapshot", &["diag", "disk", "driver"]),
    ("bench", &["diag", "num", "net", "kernel", "data", "device", "train", "driver"]),
    ("cli", BELOW_CLI),
    ("main", &["cli"]),
];

const BELOW_DRIVER: &[&str] = &[
    "source",
    "diag",
    "num",
    "disk",
    "syntax",
    "net",
    "stdlib",
    "resolve",
    "typing",
    "elaborate",
    "docs",
    "config",
    "graph",
    "lower",
    "grad",
    "passes",
    "kernel",
    "fuse",
    "codegen",
    "device",
    "data",
    "train",
];

/// The command line shows nouns and starts the driver; it calls no stage itself.
const BELOW_CLI: &[&str] = &[
    "source", "diag", "num", "disk", "syntax", "docs", "net", "config", "graph", "kernel", "codegen", "device", "data",
    "train", "exchange", "driver", "diagram", "plot", "lsp", "snapshot", "bench",
];

/// Codes that no stage reports yet.
const UNUSED_CODES: &[&str] = &["NOT_YET"];

/// Every Rust file of `src`, by its path from there, with its text.
fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in folder.read_dir().expect("the folder is readable") {
            let path = entry.expect("the entry is readable").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("the file is readable");
        (path.strip_prefix(&root).expect("it stands in src").to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// The module of `src` that a file belongs to.
fn module(path: &Path) -> &str {
    let first = path.iter().next().and_then(|p| p.to_str()).expect("a path of text");
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// The modules that a text names behind `crate::` or, in `main.rs`, `sdc::`; `use crate::{a, b}` names several.
fn imports(text: &str, root: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| code(line).to_owned() + "\n").collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + root.len()..];
        let word = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
        match rest.strip_prefix('{') {
            None => found.extend([word(rest)]),
            Some(list) => {
                let (mut depth, mut start) = (0, true);
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_alphabetic() => {
                            found.insert(word(&list[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn modules_import_only_what_lies_below() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| *path != Path::new("lib.rs")) {
        let module = module(path);
        let Some(allowed) = layers.get(module) else {
            wrong.push(format!("`{module}` is in no layer"));
            continue;
        };
        let root = if module == "main" { "sdc::" } else { "crate::" };
        for import in imports(text, root) {
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("src/{} imports `{import}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn layers_form_an_order() {
    for (i, (module, below)) in LAYERS.iter().enumerate() {
        for name in *below {
            assert!(
                LAYERS[..i].iter().any(|(lower, _)| lower == name),
                "`{module}` may import `{name}`, which is not below it"
            );
        }
    }
}

#[test]
fn imports_are_read_from_all_forms() {
    let text = "use crate::{diag::{self, codes}, source::Span, num};\nlet x = crate::net::f(); // crate::not_this\nother_crate::x";
    assert_eq!(imports(text, "crate::").into_iter().collect::<Vec<_>>(), ["diag", "net", "num", "source"]);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let bare: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(bare.is_empty(), "no `//!` header: {bare:?}");
}

#[test]
fn only_the_syntax_sees_pest() {
    let seen = sources()
        .into_iter()
        .filter(|(path, text)| module(path) != "syntax" && text.lines().any(|l| code(l).contains("pest::")));
    assert_eq!(seen.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn main_is_thin() {
    assert!(sources()[Path::new("main.rs")].lines().count() < 30);
}

#[test]
fn unsafe_stands_in_device_and_says_why() {
    for (path, text) in sources() {
        let lines: Vec<_> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let is_unsafe = code(line).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            if !is_unsafe {
                continue;
            }
            assert_eq!(module(&path), "device", "`unsafe` in src/{}:{}", path.display(), i + 1);
            // The comment stands directly above, attributes and further comment lines between.
            let above = lines[..i].iter().rev().take_while(|l| matches!(l.trim_start().get(..2), Some("//" | "#[")));
            let said =
                line.contains("SAFETY:") || above.into_iter().any(|l| l.contains("SAFETY:") || l.contains("# Safety"));
            assert!(said, "no SAFETY comment at src/{}:{}", path.display(), i + 1);
        }
    }
}

#[test]
fn codes_are_unique_and_in_order() {
    let all: Vec<_> = codes::ALL.iter().map(|(code, _)| code.0).collect();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(all, sorted);
}

#[test]
fn every_code_is_reported_somewhere() {
    let sources = sources();
    let table = &sources[Path::new("diag/codes.rs")];
    let names = table.lines().filter_map(|l| l.trim().split_once(" = \"SD")).map(|(name, _)| name);
    let rest: Vec<_> =
        sources.iter().filter(|(path, _)| *path != Path::new("diag/codes.rs")).map(|(_, text)| text).collect();
    let used = |name: &str| {
        let path = format!("codes::{name}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        rest.iter().any(|text| text.match_indices(&path).any(|(at, _)| ends(&text[at + path.len()..])))
    };
    let mut counted = 0;
    for name in names {
        counted += 1;
        match (used(name), UNUSED_CODES.contains(&name)) {
            (true, false) | (false, true) => {}
            (false, false) => panic!("nothing reports {name}"),
            (true, true) => panic!("{name} is reported now: strike it from UNUSED_CODES"),
        }
    }
    assert_eq!(counted, codes::ALL.len());
    let stale: Vec<_> = UNUSED_CODES.iter().filter(|name| !table.contains(&format!("    {name} = \"SD"))).collect();
    assert!(stale.is_empty(), "no such codes: {stale:?}");
}
