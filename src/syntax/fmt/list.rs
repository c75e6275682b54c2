//! What stands in brackets: values with commas between, and bodies of statements, arms, equations and options.

use pest::iterators::Pair;
use pretty::DocAllocator;

use super::WIDTH;
use super::writer::{Doc, INDENT, Writer};
use crate::syntax::grammar::Rule;

/// One of a body.
struct Element<'i> {
    pair: Pair<'i, Rule>,
    /// The marks behind it.
    marks: Vec<Pair<'i, Rule>>,
    /// Whether it begins a line.
    begins_line: bool,
    /// Blanks behind its first word that align it with its neighbours, where each has a line of its own.
    pad: usize,
}

impl<'a> Writer<'a> {
    /// `( a, b )` with any brackets and without blanks inside: on one line where it fits and its last element has no
    /// comma, else an element a line.
    pub fn commas(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        // One value in brackets is no list.
        let is_list = !matches!(pair.as_rule(), Rule::group | Rule::index | Rule::list_type);
        let parts: Vec<_> = pair.into_inner().collect();
        let open =
            parts.iter().position(|p| matches!(p.as_rule(), Rule::open_brace | Rule::open_bracket | Rule::open_paren));
        let (head, list) = parts.split_at(open.expect("the grammar has a bracket here"));
        let mut doc = self.row(head);
        let [open, inner @ .., close] = list else { unreachable!("the grammar has two brackets here") };
        doc = doc.append(self.token(open));
        let empty = inner.is_empty() && self.comment_start_before(self.place(close).start).is_none();
        let mut inside = if empty { self.arena.nil() } else { self.line_() };
        let mut spread = false;
        for (i, part) in inner.iter().enumerate() {
            let last = inner[i + 1..].iter().all(|p| p.as_rule() == Rule::comma);
            if part.as_rule() == Rule::comma {
                self.pass_over(part);
                spread |= last;
                continue;
            }
            inside = inside.append(self.node(part.clone()));
            if !last {
                inside = inside.append(self.arena.text(",")).append(self.comma_passed(inner, i)).append(self.line());
            } else if is_list && part.as_rule() != Rule::open_mark {
                inside = inside.append(self.arena.text(",").flat_alt(self.arena.nil()));
                inside = inside.append(self.comma_passed(inner, i));
            }
        }
        inside = inside.append(self.comments_before(self.place(close).start));
        if spread {
            inside = inside.append(self.arena.nil().flat_alt(self.arena.fail()));
        }
        let end = if empty { self.arena.nil() } else { self.line_() };
        let body = inside.nest(INDENT).append(end).append(self.token(close));
        doc.append(body.group())
    }

    /// Marks the comma behind element `i` as written.
    fn comma_passed(&mut self, parts: &[Pair<'_, Rule>], i: usize) -> Doc<'a> {
        if let Some(comma) = parts.get(i + 1).filter(|p| p.as_rule() == Rule::comma) {
            self.pass_over(comma);
        }
        self.arena.nil()
    }

    /// `{ … }`: on one line where the author has it so and it fits.
    pub fn braces(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let mut parts: Vec<_> = pair.into_inner().collect();
        let close = parts.pop().expect("the grammar has two braces here");
        let open = parts.remove(0);
        let (start, end) = (self.place(&open).end, self.place(&close).start);
        let mut elements = self.elements(parts, start);
        let one_line = elements.iter().all(|e| !e.begins_line) && !self.last_line_ends(&elements, start, end);
        self.align(&mut elements);
        let open = self.token(&open);
        self.depth += 1;
        let mut inside = self.arena.nil();
        let mut row = self.arena.nil();
        let mut in_row = 0;
        for (i, element) in elements.iter().enumerate() {
            let at = self.place(&element.pair).start;
            if !one_line && (i == 0 || element.begins_line) {
                inside = inside.append(finished(row, in_row)).append(self.new_line(i == 0, at));
                (row, in_row) = (self.arena.nil(), 0);
            } else if i > 0 {
                let mark = separator(&elements[i - 1], element);
                row = row.append(self.gap_between(mark));
            } else {
                row = row.append(self.line());
            }
            row = row.append(self.padded(element));
            element.marks.iter().for_each(|mark| self.pass_over(mark));
            in_row += 1;
        }
        // A body on one line is a group with its braces.
        inside = inside.append(if one_line { row } else { finished(row, in_row) });
        let (comments, end_line) = self.end_of_body(elements.is_empty(), one_line, end);
        let inside = inside.append(comments);
        self.depth -= 1;
        let whole = open.append(inside.nest(INDENT)).append(end_line).append(self.token(&close));
        if one_line { whole.group() } else { whole }
    }

    /// The comments before a closing brace, and what stands before the brace itself.
    fn end_of_body(&mut self, empty: bool, one_line: bool, close: usize) -> (Doc<'a>, Doc<'a>) {
        let mut comments = self.arena.nil();
        let mut bare = empty;
        while let Some(next) = self.comment_start_before(close) {
            comments = comments.append(self.line_of_comment(bare, next));
            bare = false;
        }
        let end = if bare {
            self.space()
        } else if one_line {
            self.line()
        } else {
            self.gap(self.arena.hardline())
        };
        (comments, end)
    }

    fn elements<'i>(&self, parts: Vec<Pair<'i, Rule>>, start: usize) -> Vec<Element<'i>> {
        let mut elements: Vec<Element<'i>> = Vec::new();
        let mut before = start;
        for pair in parts {
            let place = self.place(&pair);
            if matches!(pair.as_rule(), Rule::semicolon | Rule::comma) {
                if let Some(last) = elements.last_mut() {
                    last.marks.push(pair);
                }
                continue;
            }
            let begins_line = self.has_line_end(before..place.start);
            before = place.end;
            elements.push(Element { pair, marks: Vec::new(), begins_line, pad: 0 });
        }
        elements
    }

    fn last_line_ends(&self, elements: &[Element<'_>], start: usize, end: usize) -> bool {
        let last = elements.last().map_or(start, |e| self.place(&e.pair).end);
        self.has_line_end(last..end)
    }

    /// Neighbouring arms that fit on their lines, and neighbouring equations, have their braces and `=` in one column.
    fn align(&self, elements: &mut [Element<'_>]) {
        let mut from = 0;
        while from < elements.len() {
            let mut to = from + 1;
            while to < elements.len() && self.are_neighbours(&elements[to - 1], &elements[to]) {
                to += 1;
            }
            let words: Vec<usize> = elements[from..to].iter().filter_map(|e| first_word(&e.pair)).collect();
            let widest = words.iter().copied().max().unwrap_or(0);
            let fits = |e: &Element<'_>| {
                e.pair.as_rule() != Rule::arm_stmt
                    || self.flat_width(&e.pair).is_some_and(|w| {
                        (self.depth + 1) * INDENT as usize + w + widest - first_word(&e.pair).unwrap_or(widest) <= WIDTH
                    })
            };
            if words.len() == to - from && to - from > 1 && elements[from..to].iter().all(fits) {
                for (element, word) in elements[from..to].iter_mut().zip(words) {
                    element.pad = widest - word;
                }
            }
            from = to;
        }
    }

    fn are_neighbours(&self, a: &Element<'_>, b: &Element<'_>) -> bool {
        let between = self.place(&a.pair).end..self.place(&b.pair).start;
        let kinds = [a, b].map(|e| (e.pair.as_rule(), first_word(&e.pair).is_some()));
        kinds[0] == kinds[1]
            && kinds[0].1
            && a.begins_line
            && b.begins_line
            && !self.has_empty_line(between.clone())
            && !self.text[between].contains("//")
    }

    /// The width of a part on one line; none where it takes several.
    fn flat_width(&self, pair: &Pair<'_, Rule>) -> Option<usize> {
        if self.has_line_end(self.place(pair)) {
            return None;
        }
        let text = self.clone().node(pair.clone()).pretty(usize::MAX).to_string();
        (!text.contains('\n')).then(|| text.chars().count())
    }

    fn padded(&mut self, element: &Element<'_>) -> Doc<'a> {
        if element.pad == 0 {
            return self.node(element.pair.clone());
        }
        let inner = element.pair.clone().into_inner().next().expect("a statement has a part");
        let mut parts = inner.into_inner();
        let word = parts.next().expect("the grammar has a word here");
        let doc = self.token(&word).append(self.arena.text(" ".repeat(element.pad)));
        let rest: Vec<_> = parts.collect();
        let rest = match rest.first().map(Pair::as_rule) {
            Some(Rule::equals) => self.equals_value(&rest),
            Some(_) | None => self.space().append(self.row(&rest)),
        };
        doc.append(rest)
    }

    fn gap_between(&mut self, mark: &'static str) -> Doc<'a> {
        let flat = self.arena.text(if mark.is_empty() { " ".to_owned() } else { format!("{mark} ") });
        self.gap(self.arena.hardline().flat_alt(flat))
    }
}

/// Several of a body on one line; where they do not fit, each has its own.
fn finished(row: Doc<'_>, count: usize) -> Doc<'_> {
    if count > 1 { row.group() } else { row }
}

/// What stands between two on one line: arms stand side by side, options keep their comma.
fn separator(before: &Element<'_>, after: &Element<'_>) -> &'static str {
    let comma = before.marks.first().is_some_and(|m| m.as_rule() == Rule::comma);
    match (before.pair.as_rule(), after.pair.as_rule()) {
        (Rule::arm_stmt, Rule::arm_stmt) if before.marks.is_empty() => "",
        _ if comma => ",",
        _ => ";",
    }
}

/// The length of the word that an arm or an equation begins with.
fn first_word(pair: &Pair<'_, Rule>) -> Option<usize> {
    let inner = pair.clone().into_inner().next()?;
    let aligned = matches!(inner.as_rule(), Rule::arm | Rule::equation);
    aligned.then(|| inner.into_inner().next().map(|word| word.as_str().len())).flatten()
}
