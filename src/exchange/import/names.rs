//! Which name of a foreign file is which of ours: a text of lines `THEIRS = OURS`.
//!
//! A line names layers, and the names of their tensors are [translated](translated); or it names tensors. `{g}` on the
//! left stands for a whole number, `{g}`, `{g+1}` or `{g-1}` on the right for what it was. `THEIRS = _` leaves something
//! out, `_ = OURS`, a pattern of paths, lets something start as drawn. `#` begins a comment. The first line that fits
//! counts; what no line names has the name that we give it.

use std::collections::BTreeMap;

/// What is written for nothing.
const NOTHING: &str = "_";

/// The lines of a map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// As it stands in the text.
    pub text: String,
    /// Where, from 1.
    pub number: usize,
    pub meaning: Meaning,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Take { theirs: Vec<Piece>, ours: Vec<Piece> },
    LeaveOut { theirs: Vec<Piece> },
    Draw { pattern: String },
}

/// A part of a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Number { name: String, plus: i64 },
}

impl Names {
    /// Reads a map.
    ///
    /// # Errors
    /// What is wrong with which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                let meaning = meaning(line).map_err(|what| format!("line {}, `{line}`, {what}", i + 1))?;
                lines.push(Line { text: line.to_owned(), number: i + 1, meaning });
            }
        }
        Ok(Names { lines })
    }
}

fn meaning(line: &str) -> Result<Meaning, String> {
    let (theirs, ours) = line.split_once('=').ok_or("has no `=` between their name and ours")?;
    let (theirs, ours) = (theirs.trim(), ours.trim());
    match (theirs, ours) {
        ("", _) | (_, "") => Err("names something on one side alone; nothing is written `_`".to_owned()),
        (NOTHING, NOTHING) => Err("names nothing on both sides".to_owned()),
        (NOTHING, pattern) => Ok(Meaning::Draw { pattern: pattern.to_owned() }),
        (theirs, NOTHING) => Ok(Meaning::LeaveOut { theirs: pieces(theirs)? }),
        (theirs, ours) => {
            let (theirs, ours) = (pieces(theirs)?, pieces(ours)?);
            let known = numbers(&theirs);
            match numbers(&ours).into_iter().find(|name| !known.contains(name)) {
                Some(name) => Err(format!("has {{{name}}} on the right alone")),
                None if theirs.iter().any(|p| matches!(p, Piece::Number { plus, .. } if *plus != 0)) => {
                    Err("counts on the left; write the sum on the right".to_owned())
                }
                None => Ok(Meaning::Take { theirs, ours }),
            }
        }
    }
}

fn numbers(pieces: &[Piece]) -> Vec<&str> {
    let named = |piece| match piece {
        &Piece::Text(_) => None,
        Piece::Number { name, .. } => Some(name.as_str()),
    };
    pieces.iter().filter_map(named).collect()
}

fn pieces(mut text: &str) -> Result<Vec<Piece>, String> {
    let mut all = Vec::new();
    while let Some((before, rest)) = text.split_once('{') {
        if !before.is_empty() {
            all.push(Piece::Text(before.to_owned()));
        }
        let (inside, after) = rest.split_once('}').ok_or("has a `{` without its `}`")?;
        let sign = inside.find(['+', '-']).unwrap_or(inside.len());
        let (name, plus) = inside.split_at(sign);
        let plus = if plus.is_empty() { Some(0) } else { plus.parse().ok().filter(|n: &i64| n.abs() < 1_000_000) };
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
        let (true, Some(plus)) = (named, plus) else {
            return Err(format!("has {{{inside}}}, which is no {{name}}, {{name+1}} or {{name-1}}"));
        };
        all.push(Piece::Number { name: name.to_owned(), plus });
        text = after;
    }
    if !text.is_empty() {
        all.push(Piece::Text(text.to_owned()));
    }
    Ok(all)
}

/// The numbers of a name that has this form.
pub(super) fn read<'p>(pieces: &'p [Piece], mut name: &str) -> Option<BTreeMap<&'p str, i64>> {
    let mut found = BTreeMap::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => name = name.strip_prefix(text.as_str())?,
            Piece::Number { name: number, .. } => {
                let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
                let value = name[..end].parse().ok()?;
                // A number that is named twice is the same one.
                if *found.entry(number.as_str()).or_insert(value) != value {
                    return None;
                }
                name = &name[end..];
            }
        }
    }
    name.is_empty().then_some(found)
}

/// The name that these numbers make.
pub(super) fn written(pieces: &[Piece], numbers: &BTreeMap<&str, i64>) -> String {
    let write = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Number { name, plus } => numbers[name.as_str()].saturating_add(*plus).to_string(),
    };
    pieces.iter().map(write).collect()
}

/// What a layer's tensor may be called here: PyTorch's names, TensorFlow's, or our own.
pub(super) fn translated(theirs: &str) -> &[&str] {
    match theirs {
        "weight" => &["weight", "scale"],
        "bias" => &["bias", "shift"],
        "gamma" => &["scale"],
        "beta" => &["shift"],
        "running_mean" | "moving_mean" => &["mean"],
        "running_var" | "moving_variance" => &["variance"],
        _ => &[],
    }
}

/// What PyTorch counts beside a normalisation's statistics; nothing here depends on it.
pub(super) const COUNTER: &str = "num_batches_tracked";
