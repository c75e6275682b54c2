//! `sdc explain`: the page of a code, the documentation of a name, or the list of both.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{colour, failed, print, report, width};
use crate::diag::{self, Example, Failure, Page, codes};
use crate::docs::{self, Entry, Part, Shelf};
use crate::driver::{self, Input, Session};

/// Explain a code such as SD0203, or a name: of the standard library, of the language, of a program.
///
/// `sdc explain std.pyramidnet` shows a module, `sdc explain shakedrop` an item of one, `sdc explain conv` a layer,
/// `sdc explain schedule` an option of `train`. Without a name: all codes and modules.
#[derive(clap::Args)]
pub struct Args {
    /// Codes and names.
    names: Vec<String>,
    /// A program whose own items are meant before others.
    #[arg(long = "in", value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(args: &Args) -> ExitCode {
    let mut session = Session::default();
    let input = args.file.as_ref().map(|file| Input::named(file));
    let Some(shelf) = driver::shelf(&mut session, input.as_ref()) else {
        return report(&session, super::Format::Text);
    };
    let stdout = std::io::stdout();
    let mut sheet = Sheet { text: String::new(), colour: colour(&stdout), width: width(&stdout) };
    if args.names.is_empty() {
        match input {
            Some(_) => shelf.own(&session.sources).iter().for_each(|entry| sheet.entry(entry)),
            None => sheet.index(&shelf.modules(&session.sources)),
        }
    }
    let unknown: Vec<Failure> =
        args.names.iter().filter_map(|name| explain(name, &shelf, &session, &mut sheet).err()).collect();
    print(sheet.text);
    unknown.iter().fold(ExitCode::SUCCESS, |_, failure| failed(failure))
}

/// Writes what a name or code means.
fn explain(name: &str, shelf: &Shelf, session: &Session, sheet: &mut Sheet) -> Result<(), Failure> {
    if let Some(page) = diag::page(name) {
        sheet.page(&page);
        return Ok(());
    }
    let entries = shelf.find(name, &session.sources);
    entries.iter().for_each(|entry| sheet.entry(entry));
    if !entries.is_empty() {
        return Ok(());
    }
    let all: Vec<&str> = codes::ALL.iter().map(|(code, _)| code.0).collect();
    let help = match docs::proposals(name, shelf, &all) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`sdc explain` lists all codes and modules; `--in FILE` looks into a program".to_owned(),
    };
    Err(Failure::new(codes::UNKNOWN_NAME, format!("nothing is called `{name}`"), help))
}

/// A text for a terminal or a file.
struct Sheet {
    text: String,
    colour: bool,
    width: usize,
}

/// How a word is set off, as an ANSI code.
#[derive(Clone, Copy)]
enum Style {
    Head = 1,
    Wrong = 31,
    Right = 32,
    Name = 36,
}

/// Columns before what belongs to a line above it.
const INDENT: usize = 4;

impl Sheet {
    fn line(&mut self, text: &str) {
        self.text += text;
        self.text.push('\n');
    }

    fn styled(&self, text: &str, style: Style) -> String {
        if self.colour { format!("\u{1b}[{}m{text}\u{1b}[0m", style as u8) } else { text.to_owned() }
    }

    /// Parts what follows from what was written before.
    fn apart(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn paragraph(&mut self, text: &str, indent: usize) {
        for line in wrapped(text, self.width.saturating_sub(indent)) {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    fn code_block(&mut self, text: &str) {
        for line in text.trim_end().lines() {
            self.line(format!("{:INDENT$}{line}", "").trim_end());
        }
    }

    fn page(&mut self, page: &Page) {
        self.apart();
        let code = self.styled(page.code.0, Style::Head);
        self.line(&format!("{code}: {}", page.title));
        for paragraph in &page.paragraphs {
            self.text.push('\n');
            self.paragraph(paragraph, 0);
        }
        let blocks = match page.example {
            Example::Programs { wrong, right } => vec![("Wrong", Style::Wrong, wrong), ("Right", Style::Right, right)],
            Example::Situation(command) => vec![("No program's text shows it; it is met so", Style::Head, command)],
        };
        for (title, style, text) in blocks {
            let title = self.styled(title, style);
            self.line(&format!("\n{title}:\n"));
            self.code_block(text);
        }
    }

    fn index(&mut self, modules: &Entry) {
        let title = self.styled("Codes", Style::Head);
        self.line(&title);
        let codes: Vec<Part> = codes::ALL
            .iter()
            .map(|(code, title)| Part { signature: code.0.to_owned(), doc: (*title).to_owned() })
            .collect();
        self.columns(&codes);
        self.apart();
        let title = self.styled("The standard library", Style::Head);
        self.line(&title);
        self.columns(&modules.parts);
        self.text.push('\n');
        self.paragraph(
            "sdc explain NAME tells more on each, and on layers (conv), functions (round), options of a training \
             (schedule) and words (residual).",
            0,
        );
    }

    fn entry(&mut self, entry: &Entry) {
        self.apart();
        let name = self.styled(&entry.name, Style::Head);
        let place = entry.place.as_ref().map_or(String::new(), |place| format!(", {place}"));
        match entry.name.is_empty() {
            true => self.line(&format!("{}{place}", entry.kind)),
            false => self.line(&format!("{name}: {}{place}", entry.kind)),
        }
        if !entry.signature.is_empty() && (entry.signature != entry.name || entry.place.is_some()) {
            self.text.push('\n');
            self.signature(&entry.signature);
        }
        for paragraph in &entry.paragraphs {
            self.text.push('\n');
            self.paragraph(paragraph, 0);
        }
        if entry.params.iter().any(|p| !p.doc.is_empty()) {
            self.text.push('\n');
            let part = |p: &docs::Param| {
                let preset = p.preset.as_ref().map_or(String::new(), |preset| format!(" = {preset}"));
                Part { signature: format!("{}: {}{preset}", p.name, p.ty), doc: p.doc.clone() }
            };
            let params: Vec<Part> = entry.params.iter().map(part).collect();
            self.columns(&params);
        }
        if !entry.equations.is_empty() {
            self.text.push('\n');
            entry.equations.iter().for_each(|line| self.code_block(line));
        }
        if !entry.parts.is_empty() {
            self.text.push('\n');
            self.columns(&entry.parts);
        }
    }

    /// A signature on one line, or with a parameter a line where that is too long.
    fn signature(&mut self, signature: &str) {
        if signature.chars().count() + INDENT <= self.width {
            return self.code_block(signature);
        }
        let mut lines = String::new();
        let mut depth = 0;
        for c in signature.chars() {
            let inner = |depth: usize| depth == 1;
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            match c {
                '(' if inner(depth) => lines += "(\n    ",
                ')' if depth == 0 => lines += ",\n)",
                ',' if inner(depth) => lines += ",\n   ",
                c => lines.push(c),
            }
        }
        self.code_block(&lines);
    }

    /// Signatures with their documentation: beside them where they are short, else below.
    fn columns(&mut self, parts: &[Part]) {
        const WIDEST: usize = 34;
        let longest = parts.iter().map(|p| p.signature.chars().count()).max().unwrap_or(0);
        for part in parts {
            let name = self.styled(&part.signature, Style::Name);
            if longest > WIDEST {
                match part.signature.chars().count() + INDENT <= self.width {
                    true => self.line(&format!("{:INDENT$}{name}", "")),
                    false => self.signature(&part.signature),
                }
                self.paragraph(&part.doc, 2 * INDENT);
                continue;
            }
            let indent = INDENT + longest + 2;
            let blank = longest - part.signature.chars().count();
            let mut lines = wrapped(&part.doc, self.width.saturating_sub(indent)).into_iter();
            let first = lines.next().unwrap_or_default();
            let line = format!("{:INDENT$}{name}{:blank$}  {first}", "", "");
            self.line(line.trim_end());
            lines.for_each(|line| self.line(&format!("{:indent$}{line}", "")));
        }
    }
}

/// A text in lines of at most `width` characters; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
