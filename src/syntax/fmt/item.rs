//! How each rule of the grammar is laid out: which of its parts stand apart, and where its lines may break.

use pest::iterators::Pair;
use pretty::DocAllocator;

use super::writer::{Doc, INDENT, Writer};
use crate::syntax::grammar::Rule;

impl<'a> Writer<'a> {
    /// `only_item`.
    pub fn item(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        self.node(pair.into_inner().next().expect("the grammar has an item here"))
    }

    /// Any part. Rules that are not named are rows of their parts.
    pub fn node(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        match pair.as_rule() {
            Rule::body | Rule::arms | Rule::rule_body | Rule::model_body | Rule::entries => self.braces(pair),
            Rule::use_item
            | Rule::params
            | Rule::args
            | Rule::list
            | Rule::index
            | Rule::list_type
            | Rule::group
            | Rule::input_stmt => self.commas(pair),
            Rule::definition | Rule::fn_item | Rule::param | Rule::equation => self.named(pair),
            Rule::arg => self.arg(pair),
            Rule::place_stmt => self.place_stmt(pair),
            Rule::chain => self.chain(pair),
            Rule::if_expr => self.if_expr(pair),
            Rule::value_body => self.value_body(pair),
            _ => self.row_of(pair),
        }
    }

    fn row_of(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let parts: Vec<_> = pair.clone().into_inner().collect();
        // What is matched as one word holds no parts that are written, and an `int` in a pattern neither.
        if parts.is_empty() || is_token(pair.as_rule()) { self.token(&pair) } else { self.row(&parts) }
    }

    /// Parts side by side, with blanks where the language has them.
    pub fn row(&mut self, parts: &[Pair<'_, Rule>]) -> Doc<'a> {
        let mut doc = self.arena.nil();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 && stands_apart(parts[i - 1].as_rule(), part.as_rule()) {
                doc = doc.append(self.space());
            }
            doc = doc.append(self.node(part.clone()));
        }
        doc
    }

    /// A row that ends in `= value`.
    fn named(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let is_fn = pair.as_rule() == Rule::fn_item;
        let parts: Vec<_> = pair.into_inner().collect();
        let at = parts.iter().position(|p| p.as_rule() == Rule::equals).unwrap_or(parts.len());
        let head = self.row(&parts[..at]);
        match &parts[at..] {
            [] => head,
            [equals, value] if is_fn => {
                let mark = self.space().append(self.token(equals));
                head.append(mark).append(self.on_the_next_line(value))
            }
            rest => head.append(self.equals_value(rest)),
        }
    }

    /// ` = value`
    pub fn equals_value(&mut self, parts: &[Pair<'_, Rule>]) -> Doc<'a> {
        let [equals, value] = parts else { unreachable!("the grammar has a value behind `=`") };
        self.space().append(self.token(equals)).append(self.value(value))
    }

    /// A blank and a value; a value that cannot break inside brackets at its end goes to the next line where it must.
    fn value(&mut self, value: &Pair<'_, Rule>) -> Doc<'a> {
        if ends_in_brackets(value) {
            self.space().append(self.node(value.clone()))
        } else {
            self.on_the_next_line(value)
        }
    }

    fn on_the_next_line(&mut self, value: &Pair<'_, Rule>) -> Doc<'a> {
        self.line().append(self.node(value.clone())).nest(INDENT).group()
    }

    fn arg(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let parts: Vec<_> = pair.into_inner().collect();
        match parts.as_slice() {
            [name, value] => self.node(name.clone()).append(self.value(value)),
            parts => self.row(parts),
        }
    }

    fn place_stmt(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let mut parts = pair.into_inner();
        let head: Vec<_> = parts.by_ref().take(2).collect();
        let mut doc = self.row(&head);
        let mut clauses = self.arena.nil();
        while let Some(part) = parts.next() {
            clauses = clauses.append(self.line()).append(self.node(part.clone()));
            if part.as_rule() == Rule::kw_on
                && let Some(selection) = parts.next()
            {
                clauses = clauses.append(self.space()).append(self.node(selection));
            }
        }
        doc = doc.append(clauses.nest(INDENT));
        doc.group()
    }

    /// Operands with operators between; a line breaks before an operator.
    fn chain(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let mut first = self.arena.nil();
        let mut rest = self.arena.nil();
        let mut behind_infix = false;
        for part in pair.into_inner() {
            let rule = part.as_rule();
            if rule == Rule::infix {
                let operator = self.line().append(self.node(part)).append(self.space());
                rest = rest.append(operator);
                behind_infix = true;
                continue;
            }
            let is_not = rule == Rule::prefix && part.as_str() == "not";
            let mut doc = self.node(part);
            if is_not {
                doc = doc.append(self.space());
            }
            if behind_infix {
                rest = rest.append(doc);
            } else {
                first = first.append(doc);
            }
        }
        if behind_infix { first.append(rest.nest(INDENT)).group() } else { first }
    }

    /// On one line; or a line an arm, where the author begins `else` on its own; or with each value on its own line.
    fn if_expr(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let parts: Vec<_> = pair.into_inner().collect();
        let gaps = |rule: Rule| {
            parts
                .windows(2)
                .any(|w| w[1].as_rule() == rule && self.has_line_end(self.place(&w[0]).end..self.place(&w[1]).start))
        };
        let ladder = gaps(Rule::kw_else);
        let mut doc = self.arena.nil();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                let gap = if part.as_rule() == Rule::kw_else && ladder {
                    self.gap(self.arena.hardline())
                } else {
                    self.space()
                };
                doc = doc.append(gap);
            }
            let arm = self.node(part.clone());
            doc = doc.append(if ladder { arm.group() } else { arm });
        }
        doc.group()
    }

    /// `{ value }`; where the author puts the value on its own line, it stays there.
    fn value_body(&mut self, pair: Pair<'_, Rule>) -> Doc<'a> {
        let parts: Vec<_> = pair.into_inner().collect();
        let [open, value, close] = parts.as_slice() else { unreachable!("the grammar has a value in braces here") };
        let own_line = self.has_line_end(self.place(open).end..self.place(value).start);
        let open = self.token(open);
        let inside = self.line().append(self.node(value.clone()));
        let inside = inside.append(self.comments_before(self.place(close).start)).nest(INDENT);
        let doc = open.append(inside).append(self.line()).append(self.token(close));
        if own_line { doc.append(self.arena.nil().flat_alt(self.arena.fail())) } else { doc }
    }
}

/// Whether a rule is written as it stands.
fn is_token(rule: Rule) -> bool {
    matches!(rule, Rule::name | Rule::number | Rule::int | Rule::string | Rule::key | Rule::lone_key)
}

/// Whether a blank stands between two neighbours.
fn stands_apart(before: Rule, after: Rule) -> bool {
    let tight_before = matches!(
        before,
        Rule::open_paren | Rule::open_bracket | Rule::dot | Rule::up_to | Rule::range_mark | Rule::prefix
    );
    let tight_after = matches!(
        after,
        Rule::close_paren
            | Rule::close_bracket
            | Rule::open_bracket
            | Rule::open_brace
            | Rule::comma
            | Rule::colon
            | Rule::semicolon
            | Rule::dot
            | Rule::up_to
            | Rule::range_mark
            | Rule::params
            | Rule::args
            | Rule::index
            | Rule::field
    );
    // `require c : "…"` and `assert c : "…"` alone have their colon apart.
    let apart = before == Rule::expr && after == Rule::colon;
    apart || !tight_before && !tight_after
}

/// Whether a value is one operand that ends in brackets which can hold lines of their own.
fn ends_in_brackets(value: &Pair<'_, Rule>) -> bool {
    let operand = only_part(value).and_then(|chain| only_part(&chain));
    let last = operand.and_then(|operand| operand.into_inner().last());
    last.is_some_and(|last| match last.as_rule() {
        Rule::call => last.into_inner().count() > 1,
        rule => matches!(rule, Rule::list | Rule::if_expr | Rule::group | Rule::index),
    })
}

/// The only part of a pair that has one.
fn only_part<'i>(pair: &Pair<'i, Rule>) -> Option<Pair<'i, Rule>> {
    let mut parts = pair.clone().into_inner();
    let first = parts.next();
    first.filter(|_| parts.next().is_none())
}
