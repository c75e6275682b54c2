//! Programs that mostly fit the language's types, so that they run: layers in any order, with any numbers. What builds
//! keeps its invariants all the way to the plan of its kernels.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use sdc::driver;
use sdc::source::NoFiles;

use super::{Choices, judge_all, rounds, said_well};
use crate::mutate::tokens;
use crate::program::{build_with, check};

/// How deep braces of a generated text nest.
const DEPTH: usize = 4;

pub struct Writer {
    choices: Choices,
    text: String,
    depth: usize,
    stages: usize,
}

impl Writer {
    pub fn new(choices: Choices) -> Self {
        Writer { choices, text: String::new(), depth: 0, stages: 0 }
    }

    fn number(&mut self) -> String {
        match self.choices.below(40) {
            0 => (*self.choices.one(&["0", "-1", "1_000_000", "9223372036854775807", "40_000"])).to_owned(),
            1 => "in.channels".to_owned(),
            2 => "2 * in.channels".to_owned(),
            3 => "div(in.channels, 2)".to_owned(),
            4 => "k".to_owned(),
            5 => "k ^ 9".to_owned(),
            6 => "len([1, k, 3])".to_owned(),
            7 => "(if k > 3 { 4 } else { 2 })".to_owned(),
            8 => "k % 2 + 1".to_owned(),
            n => [1, 2, 3, 4, 8, 12, 16][n % 7].to_string(),
        }
    }

    fn real(&mut self) -> String {
        (*self.choices.one(&["0", "0.1", "0.5", "1", "1 / k", "1e-3", "1.5", "-0.5", "1e300 * 1e300", "1 / (k - 3)"]))
            .to_owned()
    }

    fn level(&mut self) -> &'static str {
        self.choices.one(&["batch", "image", "channel", "pixel"])
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}{line}", "    ".repeat(self.depth + 1));
    }

    /// Braces with statements in them.
    fn braces(&mut self, open: &str) {
        self.braces_with(open, "");
    }

    /// The same, with `ending` as the last line where it has a text.
    fn braces_with(&mut self, open: &str, ending: &str) {
        self.line(&format!("{open} {{"));
        self.depth += 1;
        for _ in 0..self.choices.below(4) {
            self.statement();
        }
        if !ending.is_empty() {
            self.line(ending);
        }
        self.depth -= 1;
        self.line("}");
    }

    fn statement(&mut self) {
        let (a, b) = (self.number(), self.number());
        if self.depth < DEPTH && self.choices.once_in(3) {
            return self.nested(&a);
        }
        let real = self.real();
        let layer = match self.choices.below(22) {
            0 => format!("conv(3, {a}, stride: {b})"),
            1 => format!("conv(2, {a}, pad: 1, dilation: {b})"),
            2 => format!("conv3x3({a}, groups: {b}, bias: true)"),
            3 | 4 => format!("conv1x1({a})"),
            5 | 6 => format!("conv3x3({a})"),
            7 | 8 => "bn".to_owned(),
            9 => "relu".to_owned(),
            10 => format!("leaky_relu({real})"),
            11 => (*self.choices.one(&["silu", "sigmoid", "flatten", "global_avg_pool"])).to_owned(),
            12 => format!("avg_pool({a}, stride: {b})"),
            13 => format!("max_pool(3, stride: {a}, pad: 1)"),
            14 => format!("pad_channels(in.channels + {a})"),
            15 => format!("subsample({a})"),
            16 => format!("shift({a}, -1)"),
            17 => format!("dropout(p: {real}, level: {})", self.level()),
            18 => format!("default bn(eps: {real})"),
            19 => format!("b(width: {a}, stride: {b})"),
            20 => "b(width: in.channels)".to_owned(),
            _ => format!("require {a} < {b} + 20 : \"so it is\""),
        };
        self.line(&layer);
    }

    fn nested(&mut self, n: &str) {
        match self.choices.below(7) {
            0 => self.braces(&format!("for i in 0..<{n}")),
            1 => self.braces(&format!("if {n} > 2")),
            2 => {
                self.stages += 1;
                let open = format!("stage s[{}]", self.stages);
                self.braces(&open);
            }
            3 => self.braces("scale"),
            4 => self.arms("concat", &["path", "path"]),
            5 => self.arms("residual", &["branch"]),
            _ => self.arms("residual", &["branch", "branch", "shortcut"]),
        }
    }

    fn arms(&mut self, open: &str, arms: &[&str]) {
        self.line(&format!("{open} {{"));
        self.depth += 1;
        for arm in arms {
            match self.choices.below(3) {
                0 => self.line(&format!("{arm} {{ conv3x3(in.channels); bn }}")),
                1 => self.line(&format!("{arm} {{ conv1x1(in.channels) }}")),
                _ => self.braces(arm),
            }
        }
        self.depth -= 1;
        self.line("}");
    }

    fn factor(&mut self, depth: usize) -> String {
        if depth == 0 || self.choices.once_in(3) {
            return match self.choices.below(5) {
                0 => "a".to_owned(),
                1 => "u".to_owned(),
                2 => format!("uniform(0..1, per: {})", self.level()),
                _ => self.real(),
            };
        }
        let (a, b) = (self.factor(depth - 1), self.factor(depth - 1));
        match self.choices.below(8) {
            0 | 1 => format!("({a} + {b})"),
            2 => format!("({a} - {b})"),
            3 | 4 => format!("({a} * {b})"),
            5 => format!("({a} / {b})"),
            6 => format!("min({a}, {b})"),
            _ => format!("sqrt({a})"),
        }
    }

    /// A program, and the choices that are left.
    fn program(self) -> (String, Choices) {
        self.ended("")
    }

    /// The same of a network with classes.
    pub fn classifier(self) -> (String, Choices) {
        self.ended("global_avg_pool; linear(4)")
    }

    fn ended(mut self, ending: &str) -> (String, Choices) {
        let _ = writeln!(self.text, "use std.regularizers.{{dropout, shakedrop, linear_decay}}\n\nconst k = 3\n");
        let (p, level, other) = (self.real(), self.level(), self.level());
        let (forward, backward) = (self.factor(3), self.factor(3));
        let _ = writeln!(
            self.text,
            "regularizer r {{\n    let a = bernoulli({p}, per: {level})\n    let u = uniform(-1..1, per: {other})\n    \
             forward = {forward}\n    backward = {backward}\n}}\n"
        );
        self.braces("block b(width: int, stride: int = 1)");
        let (h, w) = (self.number(), self.choices.one(&["7", "8", "32"]));
        let _ = writeln!(self.text, "model M {{\n    input image[3, {}, {w}]", h.replace("in.channels", "5"));
        self.braces_with("net", ending);
        for _ in 0..self.choices.below(3) {
            let place = match self.choices.below(4) {
                0 => "place shakedrop(p: linear_decay(l, L), level: pixel) on residuals".to_owned(),
                1 => "place r on **.branch[0].*".to_owned(),
                2 => format!("place r on residuals where l > {}", self.choices.below(3)),
                _ => "place r on residuals at branch".to_owned(),
            };
            self.line(&place);
        }
        self.line("assert parameters >= 0 or layers < 10 * residuals : \"so it is\"");
        self.text.push_str("}\n");
        (self.text, self.choices)
    }
}

/// Builds a program and lowers what it builds; whether it is one that builds.
fn builds(text: &str) -> Result<bool, String> {
    let checked = check(text, &NoFiles);
    said_well(&checked)?;
    if checked.problems.has_errors() {
        return Ok(false);
    }
    let outcome = build_with(text, &NoFiles, Some("M"), &[]);
    let network = outcome.built.ok_or("what checks is not built")?.network;
    network.verify()?;
    std::hint::black_box((network.to_string(), network.counts()));
    let graphs = driver::graphs(&network, None);
    graphs.test.verify()?;
    driver::plans(&graphs, 2).test.verify()?;
    Ok(true)
}

#[test]
fn any_layers_in_any_order_are_built_or_refused() {
    let mut choices = Some(Choices::of("fuzz.elaborate"));
    let next = move || {
        let (text, left) = Writer::new(choices.take().expect("put back below")).program();
        choices = Some(left);
        text
    };
    let (count, built) = (rounds(400), AtomicUsize::new(0));
    judge_all(count, next, |text| {
        built.fetch_add(builds(text)?.into(), Ordering::Relaxed);
        Ok(())
    });
    let built = built.into_inner();
    println!("{built} of {count} build");
    assert!(built * 10 > count && built * 10 < 9 * count, "{built} of {count} build");
}

/// What may stand between two tokens.
const GAPS: &[&str] =
    &[" ", "\n", "\n\n\n", "\t", " // behind\n", "\n// alone\n", "\n\n/// two\n/// lines\n", ";", ","];

/// The text with other gaps between some of its tokens.
fn scattered(text: &str, choices: &mut Choices) -> String {
    let mut out = String::new();
    let mut end = 0;
    for token in tokens(text, 0..text.len()) {
        let gap = &text[end..token.start];
        out.push_str(if choices.once_in(12) { choices.one(GAPS) } else { gap });
        out.push_str(&text[token.clone()]);
        end = token.end;
    }
    out
}

#[test]
fn layout_keeps_what_a_thousand_programs_say() {
    let mut choices = Some(Choices::of("fuzz.fmt"));
    let next = move || {
        let (text, mut left) = Writer::new(choices.take().expect("put back below")).program();
        let text = if left.once_in(4) { text } else { scattered(&text, &mut left) };
        choices = Some(left);
        text
    };
    judge_all(rounds(1_000), next, |text| crate::fmt::check(text).map(drop));
}

/// Values of any kind for what the command line sets.
#[test]
fn any_value_may_be_set() {
    let text = include_str!("../../../examples/digits.sd");
    let paths = [
        "model.depth",
        "model.alpha",
        "model.level",
        "train.epochs",
        "train.batch",
        "train.seed",
        "train.optimizer.lr",
        "train.optimizer.momentum",
        "train.optimizer",
        "train.loss.smoothing",
        "train.loss",
        "train.data",
        "train.schedule",
        "train.schedule.steps.factor",
        "train.data.augment.pad_crop",
        "train",
        "model",
        "",
        "trian.lr",
    ];
    let mut choices = Choices::of("fuzz.set");
    let next = move || {
        let mut writer = Writer::new(Choices::of(""));
        std::mem::swap(&mut writer.choices, &mut choices);
        let value = match writer.choices.below(5) {
            0 => writer.number(),
            1 => writer.real(),
            2 => writer.factor(2),
            3 => format!("[{}, {}]", writer.number(), writer.real()),
            _ => writer
                .choices
                .one(&["-1..1", "\"text\"", "true", "digits", "steps(after: [0.5])", "", "(", "sgd", "x.y"])
                .to_owned(),
        };
        let path = writer.choices.one(&paths);
        std::mem::swap(&mut writer.choices, &mut choices);
        format!("{path}={value}")
    };
    judge_all(rounds(100), next, move |set| {
        let outcome = build_with(text, &NoFiles, None, &[set]);
        said_well(&outcome)?;
        let fine = outcome.built.is_some() || outcome.problems.has_errors();
        fine.then_some(()).ok_or_else(|| "not built and nothing said".to_owned())
    });
}
