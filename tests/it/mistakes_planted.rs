//! Single mistakes, planted by [`mutate`](crate::mutate) in the standard library and in the examples: each is refused
//! before any data is opened, in the right place and with a way out, or changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sdc::diag::codes::UNKNOWN_MODULE;
use sdc::diag::{Problem, Severity};
use sdc::source::NoFiles;
use sdc::stdlib;

use crate::mutate::{Mutant, Operator, mutants};
use crate::program::{Outcome, build_with, check};

/// A text, and models that use everything it defines.
struct Subject {
    name: String,
    text: String,
    /// How much of it is the text itself.
    own: usize,
    models: Vec<String>,
    /// What its models build: networks and recipes, printed.
    builds: Vec<String>,
}

const CIFAR: &str = "image[3, 32, 32]";
const IMAGENET: &str = "image[3, 224, 224]";

/// Ways through each module that together use all of it.
const USES: &[(&str, &str, &[&str])] = &[
    (
        "preresnet",
        CIFAR,
        &[
            "preresnet_cifar(14, 10)",
            "preresnet_cifar(20, 10, block: bottleneck)",
            "preresnet_cifar(8, 10, block: basic(keep: 0.5, end_bn: true, ..))",
        ],
    ),
    ("preresnet", IMAGENET, &["preresnet_imagenet(18)", "preresnet_imagenet(50)"]),
    ("pyramidnet", CIFAR, &["pyramidnet(14, 48, 10)", "pyramidnet(20, 48, 10, block: pyramid_bottleneck)"]),
    ("pyramidnet", IMAGENET, &["pyramidnet_imagenet(18, 100, block: pyramid_basic)", "pyramidnet_imagenet(50, 100)"]),
    (
        "resnet",
        CIFAR,
        &[
            "resnet_cifar(14, 10)",
            "resnet_cifar(8, 10, shortcut: projection, relu_after_sum: false)",
            "resnet_cifar(20, 10, block: bottleneck, shortcut: projection)",
        ],
    ),
    (
        "resnet",
        IMAGENET,
        &[
            "resnet_imagenet(18)",
            "resnet_imagenet(50, groups: 32, width_per_group: 4)",
            "resnet_imagenet(50, stride_on_3x3: false, relu_after_sum: false)",
            "resnet_imagenet(34, block: bottleneck(branches: 2, ..))",
        ],
    ),
    ("resnext", CIFAR, &["resnext_cifar(20, 8, 16, 10)", "resnext_cifar(20, 2, 64, 10, branches: 2)"]),
    ("shake", CIFAR, &["shake_resnet(14, 16, 10)", "shake_resnet(8, 16, 10, branches: 3)"]),
    ("wrn", CIFAR, &["wrn(16, 2, 10)", "wrn(10, 2, 10, dropout: 0.3, end_bn: true)"]),
];

/// Every rule and decay, each placed once.
const PLACES: &[&str] = &[
    "random_drop(p: linear_decay(l, L))",
    "drop_path(p: linear_decay_from_first(l, L))",
    "shakedrop",
    "shakedrop(p: linear_decay_open(l, L), alpha: 0..1, level: pixel)",
    "single_shake",
    "shake_shake",
    "shake_even",
    "shake_keep",
    "even_even",
    "random_drop(p: uniform_decay())",
];

impl Subject {
    fn new(name: &str, own: &str, models: Vec<String>) -> Self {
        let text = format!("{own}\n{}\n", models.join("\n"));
        let names = text.lines().filter_map(|line| line.strip_prefix("model "));
        let models: Vec<String> =
            names.map(|l| l.split([' ', '(']).next().expect("a model has a name").into()).collect();
        let mut subject = Subject { name: name.to_owned(), text, own: own.len(), models, builds: Vec::new() };
        subject.builds = subject.built(&subject.text);
        subject
    }

    fn built(&self, text: &str) -> Vec<String> {
        let print = |outcome: Outcome| match outcome.built {
            Some(built) => {
                let rules: Vec<_> = built.network.sites().into_iter().map(|site| format!("{:?}", site.rule)).collect();
                format!("{}\n{rules:?}\n{:?}", built.network, built.recipe)
            }
            None => outcome.rendered(),
        };
        self.models.iter().map(|m| print(build_with(text, &NoFiles, Some(m), &[]))).collect()
    }
}

/// Each module of the standard library with models that use it, and each example.
fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (module, text) in stdlib::MODULES {
        let nets = USES
            .iter()
            .filter(|(of, ..)| of == module)
            .flat_map(|(_, image, nets)| nets.iter().map(move |n| (image, n)));
        let mut models: Vec<String> =
            nets.enumerate().map(|(i, (image, net))| format!("model M{i} {{ input {image}; net {net} }}")).collect();
        if *module == "regularizers" {
            let arms = |n: usize| "branch { conv3x3(8); bn } ".repeat(n);
            for (i, rule) in PLACES.iter().enumerate() {
                let branches = if rule.starts_with("shake_") || *rule == "even_even" { 2 } else { 1 };
                let residual = format!("residual {{ {}}}; ", arms(branches)).repeat(2);
                models.push(format!(
                    "model M{i} {{ input image[8, 8, 8]; net {{ {residual}}}; place {rule} on residuals }}"
                ));
            }
            models.push("model D { input image[8, 8, 8]; net { dropout(p: 0.5) } }".to_owned());
        }
        all.push(Subject::new(&format!("std.{module}"), text, models));
    }
    let mut examples: Vec<_> =
        std::fs::read_dir("examples").expect("it is there").flatten().map(|e| e.path()).collect();
    examples.retain(|path| path.extension().is_some_and(|e| e == "sd"));
    examples.sort();
    for path in examples {
        let text = std::fs::read_to_string(&path).expect("an example can be read");
        all.push(Subject::new(&path.display().to_string(), &text, Vec::new()));
    }
    all
}

/// What became of a mutant.
enum Verdict {
    /// Refused. Whether the first error stands in the mutated item, and whether in the very statement.
    Refused { inside: bool, close: bool },
    /// Every model is what it was.
    Harmless,
    /// A right program of another meaning.
    Differs,
}

fn errors(outcome: &Outcome) -> Vec<&Problem> {
    outcome.problems.sorted().into_iter().filter(|p| p.severity == Severity::Error).collect()
}

/// The codes of the errors that are there after a mend and were not before, but for what others have hidden: of an item
/// nothing is known behind its first slip, and of a module that is not found nothing at all, so where texts could not be
/// read, only such errors count; a later stage says little of what an earlier one refuses; and the arguments of what is not
/// known are looked at when it is, so that there may be one more of the mended kind.
fn brought(before: &Outcome, mended: &Problem, after: &Outcome) -> Vec<&'static str> {
    let codes = |outcome: &Outcome| errors(outcome).into_iter().map(|p| p.code.0).collect::<Vec<_>>();
    let is_unread = |code: &&str| code.starts_with("SD01") || *code == UNKNOWN_MODULE.0;
    let (known, mut brought) = (codes(before), codes(after));
    if known.iter().any(is_unread) {
        brought.retain(is_unread);
    } else {
        brought.retain(|code| code[..4] <= mended.code.0[..4] && *code != mended.code.0);
    }
    for code in known {
        if let Some(same) = brought.iter().position(|other| *other == code) {
            brought.remove(same);
        }
    }
    brought
}

/// Judges a mutant; what is wrong with how it was refused goes into `wrong`.
fn judge(subject: &Subject, mutant: &Mutant, tally: &mut Tally) -> Verdict {
    let outcome = check(&mutant.text, &NoFiles);
    for problem in outcome.problems.sorted() {
        if problem.help.is_empty() || problem.message.is_empty() {
            tally.wrong.push(format!("no help or message: {problem:?}"));
        }
        let Some(fix) = &problem.fix else { continue };
        tally.fixes += 1;
        let mut mended = mutant.text.clone();
        mended.replace_range(fix.span.range(), &fix.text);
        let same = |o: &Outcome| {
            o.problems.sorted().iter().filter(|p| (p.code, &p.message) == (problem.code, &problem.message)).count()
        };
        let after = check(&mended, &NoFiles);
        let brought = brought(&outcome, problem, &after);
        let what = format!("{}: {}: {:?} for `{}`", subject.name, mutant.edit, fix.text, problem.message);
        if same(&after) >= same(&outcome) {
            tally.wrong.push(format!("{what} does not mend it"));
        } else if !brought.is_empty() {
            tally.wrong.push(format!("{what} brings {brought:?}"));
        }
    }
    let errors = errors(&outcome);
    if errors.is_empty() {
        let same = subject.built(&mutant.text) == subject.builds;
        return if same { Verdict::Harmless } else { Verdict::Differs };
    }
    let within = |range: &std::ops::Range<usize>| {
        errors.iter().any(|p| {
            let at = p.span().range();
            outcome.sources.get(p.span().source).name == "program.sd" && range.start <= at.start && at.end <= range.end
        })
    };
    let verdict = Verdict::Refused { inside: within(&mutant.item), close: within(&mutant.place) };
    if let Verdict::Refused { inside: false, .. } = verdict {
        tally.outside.push(format!("{}: {:?}: {}\n{}", subject.name, mutant.operator, mutant.edit, outcome.rendered()));
    }
    verdict
}

/// Columns of a [`Tally`].
const REFUSED: usize = 0;
const INSIDE: usize = 1;
const CLOSE: usize = 2;
const HARMLESS: usize = 3;

/// Counts over many mutants.
#[derive(Default)]
struct Tally {
    by_operator: BTreeMap<Operator, [usize; 4]>,
    fixes: usize,
    /// What breaks a promise.
    wrong: Vec<String>,
    /// Mutants that are refused elsewhere.
    outside: Vec<String>,
    /// Mutants that pass.
    differs: Vec<String>,
}

impl Tally {
    fn take(&mut self, subject: &Subject, mutant: &Mutant) {
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(subject, mutant, self)));
        let Ok(verdict) = judged else {
            self.wrong.push(format!("panic: {}: {:?}: {}", subject.name, mutant.operator, mutant.edit));
            return;
        };
        let counts = self.by_operator.entry(mutant.operator).or_default();
        match verdict {
            Verdict::Refused { inside, close } => {
                counts[REFUSED] += 1;
                counts[INSIDE] += usize::from(inside);
                counts[CLOSE] += usize::from(close);
            }
            Verdict::Harmless => counts[HARMLESS] += 1,
            Verdict::Differs => {
                self.differs.push(format!("{}: {:?}: {}", subject.name, mutant.operator, mutant.edit));
            }
        }
    }

    fn sum(&self, column: usize) -> usize {
        self.by_operator.values().map(|c| c[column]).sum()
    }

    /// A table with a line an operator.
    fn report(&self) -> String {
        let mut text = String::from("operator            refused  in item  close  harmless\n");
        for (operator, [refused, inside, close, harmless]) in &self.by_operator {
            let name = format!("{operator:?}");
            let _ = writeln!(text, "{name:<20}{refused:>7}{inside:>9}{close:>7}{harmless:>10}");
        }
        let [refused, inside, close, harmless] = [REFUSED, INSIDE, CLOSE, HARMLESS].map(|c| self.sum(c));
        let _ = writeln!(text, "{:<20}{refused:>7}{inside:>9}{close:>7}{harmless:>10}", "all");
        let _ = writeln!(
            text,
            "fixes: {}, wrong: {}, other programs: {}",
            self.fixes,
            self.wrong.len(),
            self.differs.len()
        );
        text
    }
}

/// One mutant in so many is judged where the tests are to be quick.
const SAMPLED: usize = 4;

#[test]
fn every_planted_mistake_is_found() {
    let slow = std::env::var_os("SDC_SLOW").is_some();
    let mut tally = Tally::default();
    for subject in subjects() {
        let all = mutants(&subject.text, subject.own);
        all.iter().step_by(if slow { 1 } else { SAMPLED }).for_each(|mutant| tally.take(&subject, mutant));
    }
    println!("{}", tally.report());
    let all = tally.sum(REFUSED) + tally.sum(HARMLESS);
    assert!(all >= 2_000, "{all} mutants are too few");
    assert_eq!(tally.wrong, [""; 0], "{}", tally.report());
    assert_eq!(tally.differs, [""; 0], "{}", tally.report());
    let inside = tally.sum(INSIDE) as f64 / tally.sum(REFUSED) as f64;
    assert!(inside >= 0.95, "{inside} stand in the mutated item; elsewhere:\n{}", tally.outside.join("\n"));
}
