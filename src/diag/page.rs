//! What stands behind a code: a page with what it means, and a program that shows it beside the mended one.
//!
//! A page is a file `pages/CODE.md`: paragraphs, then either a block `sd wrong` and a block `sd right`, or, where no
//! program can show the code, a block `console` with a command that meets it. Its title is that of the
//! [table](codes::ALL). Absence: how a page is shown.

use super::{Code, codes};

/// The page of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whose.
    pub code: Code,
    /// A line on it.
    pub title: &'static str,
    /// What it means, each paragraph on one line.
    pub paragraphs: Vec<String>,
    /// How it is met.
    pub example: Example,
}

/// How a code is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// By checking a program.
    Programs {
        /// A program that has this problem and no other.
        wrong: &'static str,
        /// The same, mended.
        right: &'static str,
    },
    /// By a file or a run, which no program's text shows: a command and what it says.
    Situation(&'static str),
}

/// The page of a code, which may be written in small letters; none where there is no such code.
pub fn page(code: &str) -> Option<Page> {
    let index = codes::ALL.iter().position(|(c, _)| c.0.eq_ignore_ascii_case(code))?;
    let (code, title) = codes::ALL[index];
    let (paragraphs, example) = parse(codes::PAGES[index]).expect("the tests read every page");
    Some(Page { code, title, paragraphs, example })
}

fn parse(text: &'static str) -> Option<(Vec<String>, Example)> {
    const FENCE: &str = "```";
    let (prose, blocks) = text.split_once(FENCE)?;
    let paragraphs = prose.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    let paragraphs = paragraphs.filter(|p| !p.is_empty()).collect();
    let mut parts = blocks.split(FENCE).step_by(2).map(|block| block.split_once('\n'));
    let example = match (parts.next()??, parts.next().flatten()) {
        (("sd wrong", wrong), Some(("sd right", right))) => Example::Programs { wrong, right },
        (("console", command), None) => Example::Situation(command),
        _ => return None,
    };
    Some((paragraphs, example))
}
