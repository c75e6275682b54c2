//! A [`Config`] as a program, a value a line, with where it came from in a comment beside it.

use std::fmt::Write as _;

use super::{Argument, Call, Choice, Config, Model, Origin, Setting, Statement, Train, Use, Value};
use crate::source::Sources;
use crate::syntax;

impl Config {
    /// As a program, in the style of `sdc fmt`.
    pub fn to_text(&self, sources: &Sources) -> String {
        let mut printer = Printer { out: String::new(), depth: 0, sources };
        printer.head(self);
        printer.model(&self.model);
        if let Some(train) = &self.train {
            printer.train(&self.model.name, train);
        }
        syntax::format(&printer.out)
    }
}

struct Printer<'a> {
    out: String,
    depth: usize,
    sources: &'a Sources,
}

impl Printer<'_> {
    fn line(&mut self, text: &str, note: Option<Origin>) {
        let note = note.map_or(String::new(), |origin| format!(" // {}", origin.describe(self.sources)));
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{:1$}{text}{note}", "", 4 * self.depth);
    }

    fn inside(&mut self, print: impl FnOnce(&mut Self)) {
        self.depth += 1;
        print(self);
        self.depth -= 1;
    }

    fn head(&mut self, config: &Config) {
        let (model, version) = (&config.model.name, env!("CARGO_PKG_VERSION"));
        self.line(&format!("// {}, resolved: all that the model {model} depends on.", config.program), None);
        self.line(&format!("// sdc {version}; std {version}, hash {:016x}.", config.library), None);
        if config.must_be_named {
            self.line(&format!("// Several models and no `train`: name it, `--model {model}`."), None);
        }
        self.out.push('\n');
        for Use { from, names, hash } in &config.uses {
            let hash = hash.map_or(String::new(), |hash| format!(" // hash {hash:016x}"));
            self.line(&format!("use {from}.{{{}}}{hash}", names.join(", ")), None);
        }
        for item in &config.items {
            self.out.push('\n');
            if let Some(span) = item.from {
                self.line(&format!("// From {}.", self.sources.locate(span)), None);
            }
            self.line(&item.text, None);
        }
    }

    fn doc(&mut self, doc: &[String]) {
        self.out.push('\n');
        doc.iter().for_each(|line| self.line(format!("/// {line}").trim_end(), None));
    }

    fn model(&mut self, model: &Model) {
        self.doc(&model.doc);
        if model.parameters.is_empty() {
            self.line(&format!("model {} {{", model.name), None);
        } else {
            self.line(&format!("model {}(", model.name), None);
            self.inside(|p| {
                for parameter in &model.parameters {
                    let Value { name, text, origin } = &parameter.value;
                    p.line(&format!("{name}: {} = {text},", parameter.ty), Some(*origin));
                }
            });
            self.line(") {", None);
        }
        self.inside(|p| model.body.iter().for_each(|stmt| p.statement(stmt)));
        self.line("}", None);
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Plain(Value { text, origin, .. }) => self.line(text, Some(*origin)),
            Statement::Call { word, call, rest } => {
                let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
                self.call(&format!("{word} "), call, &rest);
            }
        }
    }

    fn call(&mut self, before: &str, call: &Call, after: &str) {
        let Call { callee, arguments, origin } = call;
        if arguments.is_empty() {
            return self.line(&format!("{before}{callee}{after}"), Some(*origin));
        }
        let written = arguments.iter().any(|a| matches!(a, Argument::Written(_)));
        if !written {
            arguments.iter().for_each(|argument| self.argument(argument));
            return self.line(&format!("{before}{callee}{after}"), Some(*origin));
        }
        self.line(&format!("{before}{callee}("), None);
        self.inside(|p| arguments.iter().for_each(|argument| p.argument(argument)));
        self.line(&format!("){after}"), Some(*origin));
    }

    fn argument(&mut self, argument: &Argument) {
        match argument {
            Argument::Written(Value { name, text, origin }) if name.is_empty() => {
                self.line(&format!("{text},"), Some(*origin));
            }
            Argument::Written(Value { name, text, origin }) => self.line(&format!("{name}: {text},"), Some(*origin)),
            Argument::Told(Value { name, text, origin }) => {
                self.line(&format!("// {name}: {text}, {}", origin.describe(self.sources)), None);
            }
        }
    }

    fn train(&mut self, model: &str, train: &Train) {
        self.doc(&train.doc);
        self.line(&format!("train {model} {{"), None);
        self.inside(|p| p.settings(&train.settings));
        self.line("}", None);
    }

    fn settings(&mut self, settings: &[Setting]) {
        for setting in settings {
            match setting {
                Setting::Value(Value { name, text, origin }) => self.line(&format!("{name}: {text}"), Some(*origin)),
                Setting::Option { key, choice } => self.choice(&format!("{key} "), choice),
                Setting::Parts { key, parts, origin } if parts.is_empty() => {
                    self.line(&format!("{key} {{ }}"), Some(*origin));
                }
                Setting::Parts { key, parts, origin } => {
                    self.line(&format!("{key} {{"), Some(*origin));
                    self.inside(|p| parts.iter().for_each(|part| p.choice("", part)));
                    self.line("}", None);
                }
            }
        }
    }

    fn choice(&mut self, before: &str, Choice { call, settings }: &Choice) {
        if settings.is_empty() {
            return self.call(before, call, "");
        }
        self.call(before, call, " {");
        self.inside(|p| p.settings(settings));
        self.line("}", None);
    }
}
