//! The one style of a text, for `sdc fmt` and for an editor.
//!
//! What the author decides: which statements share a line (`bn; relu`), whether a body stands on one line, single empty
//! lines, comments, and a comma before the closing bracket, which keeps a list one element a line. All other white space
//! follows from the tree: four blanks a level, [`WIDTH`] columns, neighbouring `branch`, `shortcut` and equations aligned.
//! Only white space, `;` and last commas change, so that the tree, the comments and their order stay.
//!
//! A file's parts: [`writer`] turns tokens and comments into a document of the crate `pretty`, [`list`] lays out what
//! stands in brackets, [`item`] has a row a rule of the grammar. Absence: meaning; a program full of unknown names is
//! laid out as well as any.

mod item;
mod list;
mod writer;

use pretty::{Arena, DocAllocator as _};

use self::writer::Writer;
use super::explain::{Place, Wanted};
use super::{items, limits, matched, scan};
use crate::diag::Problems;
use crate::source::{SourceId, Sources};

/// The most columns of a line that can be broken.
pub const WIDTH: usize = 120;

/// Layouts until one is its own layout; two are enough, but where a line that was too long makes new neighbours.
const ROUNDS: usize = 4;

/// The text in the one style. An item that cannot be read stays as it is; so does a text that is too large, and one whose
/// brackets do not match so that where its items begin hangs on their columns.
pub fn format(text: &str) -> String {
    if super::too_large(SourceId(0), text).is_some() {
        return text.to_owned();
    }
    let mut laid = once(text);
    for _ in 1..ROUNDS {
        let again = once(&laid);
        if again == laid {
            break;
        }
        laid = again;
    }
    if tree(&laid) == tree(text) { laid } else { text.to_owned() }
}

/// What layout must keep.
fn tree(text: &str) -> (String, Vec<String>, usize) {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let file = super::parse(sources.add("", ""), text, &mut problems);
    let comments = file.comments.iter().map(|c| c.text.trim_end().to_owned()).collect();
    (file.to_string(), comments, problems.len())
}

fn once(text: &str) -> String {
    let scan::Scan { tokens, comments } = scan::scan(text);
    let arena = Arena::new();
    let mut writer = Writer::new(&arena, text, &comments);
    let mut whole = arena.nil();
    let mut first = true;
    for chunk in items::split(text, &tokens) {
        let place = Place { source: SourceId(0), text, tokens: &tokens, chunk: chunk.tokens.clone() };
        let [from, to] = [tokens[chunk.tokens.start].start, tokens[chunk.tokens.end - 1].end];
        whole = whole.append(writer.new_line(first, from));
        first = false;
        writer.begin(place.base());
        let deep = limits::first_too_deep(text, place.chunk_tokens()).is_some();
        let item = if deep {
            None
        } else {
            let kept = writer.clone();
            matched(&place, chunk.fault, Wanted::Item, |pair| writer.item(pair)).map_err(|_| writer = kept).ok()
        };
        whole = whole.append(item.unwrap_or_else(|| writer.verbatim(from, to)));
    }
    whole = whole.append(writer.last_comments(first));
    let laid = whole.pretty(WIDTH).to_string();
    let mut out = String::with_capacity(laid.len());
    for line in laid.trim_start_matches('\n').lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
