//! A source text as a report shows it: lines of reasonable length whole, of longer ones a window around each end of a
//! label, so that a text of one endless line fills no screen.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// The longest line that is shown whole, in bytes.
const WHOLE: usize = 400;
/// How much of a longer line is shown on either side of a label's end, and of one without labels at its beginning.
const AROUND: usize = 60;
/// What stands for a part that is left out.
const CUT: &str = " … ";

/// A text with its long lines cut.
#[derive(Debug)]
pub struct Window {
    name: String,
    text: String,
    /// Where the first label begins in the cut text, and in which column of the whole one.
    primary: (usize, usize),
}

impl Window {
    /// Cuts the long lines of `text` around `spans`, start and length each, which then mean places in the window; the
    /// first of them is what the report is about.
    pub fn new(name: &str, text: &str, spans: &mut [(usize, usize)]) -> Window {
        let ends: Vec<usize> = spans.iter().flat_map(|(start, len)| [*start, start + len]).collect();
        let column = spans.first().map_or(0, |(start, _)| {
            let before = &text[..*start];
            before[before.rfind('\n').map_or(0, |i| i + 1)..].chars().count()
        });
        let mut cut = Cut { text: String::new(), moved: vec![0; ends.len()] };
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            cut.line(line, at, &ends);
            at += line.len();
        }
        for (moved, _) in cut.moved.iter_mut().zip(&ends).filter(|(_, end)| **end == text.len()) {
            *moved = cut.text.len();
        }
        for (span, moved) in spans.iter_mut().zip(cut.moved.chunks(2)) {
            *span = (moved[0], moved[1].saturating_sub(moved[0]));
        }
        let primary = (spans.first().map_or(0, |(start, _)| *start), column);
        Window { name: name.to_owned(), text: cut.text, primary }
    }
}

/// The cut text so far, with the new place of each end of a label.
struct Cut {
    text: String,
    moved: Vec<usize>,
}

impl Cut {
    /// Adds a line that begins at `start` of the whole text.
    fn line(&mut self, line: &str, start: usize, ends: &[usize]) {
        let bare = line.trim_end_matches(['\n', '\r']);
        let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
        if bare.len() <= WHOLE {
            kept.push(0..bare.len());
        } else {
            let inside = |end: &&usize| (start..=start + bare.len()).contains(end);
            let mut points: Vec<usize> = ends.iter().filter(inside).map(|end| end - start).collect();
            points.sort_unstable();
            for point in points {
                let from = bare.floor_char_boundary(point.saturating_sub(AROUND));
                let to = bare.ceil_char_boundary((point + AROUND).min(bare.len()));
                match kept.last_mut() {
                    Some(last) if from <= last.end => last.end = to,
                    Some(_) | None => kept.push(from..to),
                }
            }
            if kept.is_empty() {
                kept.push(0..bare.floor_char_boundary(2 * AROUND));
            }
        }
        let mut done = 0;
        for part in kept {
            self.text += if part.start > done { CUT } else { "" };
            let at = self.text.len();
            for (moved, end) in self.moved.iter_mut().zip(ends) {
                if (start + part.start..=start + part.end).contains(end) {
                    *moved = at + (end - start - part.start);
                }
            }
            self.text += &bare[part.clone()];
            done = part.end;
        }
        self.text += if done < bare.len() { CUT } else { "" };
        // A label may end inside the line's end.
        let tail = start + bare.len();
        for (moved, end) in self.moved.iter_mut().zip(ends) {
            if *end > tail && *end < start + line.len() {
                *moved = self.text.len() + (end - tail);
            }
        }
        self.text += &line[bare.len()..];
    }
}

impl SourceCode for Window {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        let (start, column) = self.primary;
        let column = if span.offset() == start && before == 0 { column } else { inner.column() };
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            column,
            inner.line_count(),
        );
        Ok(Box::new(contents))
    }
}
