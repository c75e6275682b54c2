//! `train` items to [recipes](Recipe), checked against the network.

use super::machine::{Frame, Machine, Run, Stop};
use super::table::{self, TableArgs};
use super::value::Value;
use crate::diag::{Problem, codes, near};
use crate::net::recipe::{Exempt, Loss, Optimizer, Schedule, UpdateRule};
use crate::net::{MAX_ELEMENTS, Network, Recipe, Role, for_each_node};
use crate::source::Span;
use crate::typing::program::{Chosen, Setting, SettingValue, Train};
use crate::typing::tables::Takes;

/// The recipe of a `train` item; `network` is that of its model, where it could be built.
pub(super) fn recipe<'a>(machine: &mut Machine<'a>, train: &'a Train, network: Option<&Network>) -> Option<Recipe> {
    let recipe = machine.recipe(train, network).ok()?;
    if let Some(network) = network {
        let fits = [
            machine.data_fits(train, &recipe, network),
            machine.padding_fits(train, &recipe),
            machine.batch_fits(train, &recipe, network),
            machine.exemptions_fit(train, &recipe, network),
        ];
        fits.into_iter().collect::<Run<Vec<()>>>().ok()?;
    }
    Some(recipe)
}

/// Where a key stands, and what it is set to.
pub(super) struct Given<'a> {
    pub(super) settings: &'a [Setting],
}

impl<'a> Given<'a> {
    pub(super) fn setting(&self, key: &str) -> Option<&'a Setting> {
        self.settings.iter().find(|s| s.key.name == key)
    }

    /// What a key with options is set to.
    pub(super) fn options(&self, key: &str) -> Run<&'a [Chosen]> {
        match self.setting(key).map(|s| &s.value) {
            None => Ok(&[]),
            Some(SettingValue::Options(options)) => Ok(options),
            Some(SettingValue::Broken) => Err(Stop),
            Some(SettingValue::Value(_)) => unreachable!("typing reads keys by their table"),
        }
    }

    /// What a key with one option is set to; a required key that is missing has been refused.
    fn option(&self, key: &str) -> Run<Option<&'a Chosen>> {
        self.options(key).map(|options| options.first())
    }
}

impl<'a> Machine<'a> {
    fn recipe(&mut self, train: &'a Train, network: Option<&Network>) -> Run<Recipe> {
        let given = Given { settings: &train.settings };
        let model = train.name.text.clone();
        let data = given.option("data").and_then(|d| self.data(&given, d.ok_or(Stop)?, network));
        let loss = given.option("loss").and_then(|l| self.loss(l));
        let optimizer = given.option("optimizer").and_then(|o| self.optimizer(&given, o.ok_or(Stop)?));
        let schedule = given.options("schedule").and_then(|s| self.schedule(s));
        let epochs = self.size(&given, "epochs");
        let batch = self.size(&given, "batch");
        let seed = self.size(&given, "seed").map(|s| s as u64);
        if let (Ok(schedule), Ok(epochs)) = (&schedule, &epochs) {
            self.late_steps(&given, schedule, *epochs);
        }
        Ok(Recipe {
            model,
            data: data?,
            loss: loss?,
            optimizer: optimizer?,
            schedule: schedule?,
            epochs: epochs?,
            batch: batch?,
            seed: seed?,
        })
    }

    /// Warns of a change of the rate that training does not reach; not where a command line shortens it.
    fn late_steps(&mut self, given: &Given<'a>, schedule: &[Schedule], epochs: usize) {
        let Ok(parts) = given.options("schedule") else { return };
        let of_text = |part: &Chosen| given.setting("epochs").is_some_and(|s| s.span.source == part.span.source);
        for (part, schedule) in parts.iter().zip(schedule) {
            if let Schedule::Steps { after, .. } = schedule
                && let Some(late) = after.iter().find(|after| **after >= epochs)
                && of_text(part)
            {
                let message = format!("the rate never changes after {late} epochs: training ends after {epochs}");
                let help = format!("give `after` epochs below {epochs}, or train longer");
                self.problems.push(Problem::warning(codes::LATE_STEP, part.span, message, help));
            }
        }
    }

    /// The value of a plain key: what is said, else what the table says.
    fn value(&mut self, given: &Given<'a>, key: &str) -> Run<Value> {
        let Some(setting) = given.setting(key) else {
            // Where the table presets nothing, the key is required and its absence has been refused.
            return Err(Stop);
        };
        match (&setting.value, &setting.key.takes) {
            (SettingValue::Value(expr), Takes::Value { param, .. }) => {
                let value = self.argument(&Frame::default(), expr, key)?;
                self.check_bounds(&value, key, param.bounds, expr.span)?;
                Ok(value)
            }
            _ => Err(Stop),
        }
    }

    pub(super) fn value_or(&mut self, given: &Given<'a>, key: &str, preset: Option<Value>) -> Run<Value> {
        match (given.setting(key), preset) {
            (None, Some(preset)) => Ok(preset),
            _ => self.value(given, key),
        }
    }

    fn size(&mut self, given: &Given<'a>, key: &str) -> Run<usize> {
        let preset = preset_of(crate::typing::tables::TRAIN_KEYS, key);
        match self.value_or(given, key, preset)? {
            Value::Int(v) => Ok(usize::try_from(v).expect("within the bounds of the table")),
            other => unreachable!("typing makes this a whole number, not {other}"),
        }
    }

    fn real(&mut self, of: &'a Chosen, key: &str) -> Run<f64> {
        let given = Given { settings: &of.settings };
        let value = self.value_or(&given, key, preset_of(of.option.keys, key))?;
        Ok(value.number().expect("typing makes this a number"))
    }

    pub(super) fn flag(&mut self, of: &'a Chosen, key: &str) -> Run<bool> {
        let given = Given { settings: &of.settings };
        Ok(matches!(self.value_or(&given, key, preset_of(of.option.keys, key))?, Value::Bool(true)))
    }

    pub(super) fn args(&mut self, of: &'a Chosen) -> Run<TableArgs> {
        self.table_args(&Frame::default(), of.option.params, &of.args, "")
    }

    fn loss(&mut self, chosen: Option<&'a Chosen>) -> Run<Loss> {
        match chosen {
            None => Ok(Loss { smoothing: 0.0 }),
            Some(chosen) => Ok(Loss { smoothing: self.args(chosen)?.real("smoothing") }),
        }
    }

    fn optimizer(&mut self, train: &Given<'a>, chosen: &'a Chosen) -> Run<Optimizer> {
        let given = Given { settings: &chosen.settings };
        let rule = match chosen.option.name {
            "sgd" => self.sgd(chosen)?,
            "adamw" => UpdateRule::AdamW {
                beta1: self.real(chosen, "beta1")?,
                beta2: self.real(chosen, "beta2")?,
                eps: self.real(chosen, "eps")?,
            },
            name => unreachable!("typing lets only options through that run, not {name}"),
        };
        let exempt = given.setting("weight_decay").map_or(&[][..], |s| &s.except);
        let exempt = exempt
            .iter()
            .map(|name| match name.text.as_str() {
                "bn" => Exempt::Norm,
                "bias" => Exempt::Bias,
                pattern => Exempt::Pattern(pattern.to_owned()),
            })
            .collect();
        let (lr, weight_decay) = (self.real(chosen, "lr")?, self.real(chosen, "weight_decay")?);
        let clip = Some(self.real(chosen, "clip")?).filter(|norm| *norm > 0.0);
        let accumulate = self.size(train, "accumulate")?.try_into().expect("within the bounds of the table");
        let preset = preset_of(crate::typing::tables::TRAIN_KEYS, "average");
        let average = self.value_or(train, "average", preset)?.number().filter(|decay| *decay > 0.0);
        Ok(Optimizer { rule, lr, weight_decay, exempt, clip, accumulate, average })
    }

    fn sgd(&mut self, chosen: &'a Chosen) -> Run<UpdateRule> {
        let given = Given { settings: &chosen.settings };
        let (momentum, nesterov) = (self.real(chosen, "momentum")?, self.flag(chosen, "nesterov")?);
        if let (true, true, Some(setting)) = (nesterov, momentum == 0.0, given.setting("nesterov")) {
            let help = "give it some: `momentum: 0.9`, or remove `nesterov`";
            let message = "Nesterov's step needs a momentum above 0";
            return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, setting.span, message, help)));
        }
        Ok(UpdateRule::Sgd { momentum, nesterov })
    }

    fn schedule(&mut self, parts: &'a [Chosen]) -> Run<Vec<Schedule>> {
        let mut schedule = Vec::new();
        for part in parts {
            let args = self.args(part)?;
            schedule.push(match part.option.name {
                "steps" => {
                    let after = args.sizes("after");
                    if !after.is_sorted_by(|a, b| a < b) {
                        let message = "the epochs at which the rate changes must rise";
                        let help = "list them in order, each once: `after: [150, 225]`";
                        return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, part.span, message, help)));
                    }
                    Schedule::Steps { after, factor: args.real("factor") }
                }
                "cosine" => Schedule::Cosine { per_step: args.text("per").as_deref() == Some("step") },
                "warmup" => Schedule::Warmup { epochs: args.needed("epochs") },
                name => unreachable!("typing lets only options through that run, not {name}"),
            });
        }
        Ok(schedule)
    }

    /// A pattern after `except` must select a parameter.
    fn exemptions_fit(&mut self, train: &'a Train, recipe: &Recipe, network: &Network) -> Run<()> {
        let parameters = network.parameters();
        let optimizer = train.settings.iter().find(|s| s.key.name == "optimizer").map(|s| &s.value);
        let Some(SettingValue::Options(options)) = optimizer else { return Ok(()) };
        let names = options.iter().flat_map(|o| &o.settings).flat_map(|s| &s.except);
        let mut fit = Ok(());
        for (exempt, name) in recipe.optimizer.exempt.iter().zip(names) {
            let selects = || parameters.iter().any(|p| p.role != Role::State && exempt.holds(&p.path, p.role));
            if matches!(exempt, Exempt::Pattern(_)) && !selects() {
                let message = format!("`{exempt}` selects no parameter");
                let paths = parameters.iter().map(|p| p.path.as_str());
                let help = match near(&name.text, paths) {
                    Some(near) => near.question(""),
                    None => format!("`sdc summary` lists the layers; the first parameter is `{}`", parameters[0].path),
                };
                fit = Err(self.stop(Problem::error(codes::SELECTS_NOTHING, name.span, message, help)));
            }
        }
        fit
    }

    /// The largest tensor of a batch must stay within the limit.
    fn batch_fits(&mut self, train: &'a Train, recipe: &Recipe, network: &Network) -> Run<()> {
        let mut largest = network.input;
        for_each_node(&network.body, &mut |node| {
            if node.output().elements() > largest.elements() {
                largest = node.output();
            }
        });
        let fits = MAX_ELEMENTS / (largest.elements() as u64).max(1);
        if recipe.batch as u64 <= fits {
            return Ok(());
        }
        let message = format!("a batch of {} makes a tensor of more than 2^31 elements", recipe.batch);
        let help = format!("the largest tensor of one image is {largest}: use a batch of at most {fits}");
        Err(self.stop(Problem::error(codes::TOO_BIG, part_span(train, "batch"), message, help)))
    }
}

/// Where a key of `train` stands, else where `train` names its model.
pub(super) fn part_span(train: &Train, key: &str) -> Span {
    let setting = train.settings.iter().find(|s| s.key.name == key);
    setting.map_or(train.name.span, |s| match &s.value {
        SettingValue::Options(options) => options.first().map_or(s.span, |o| o.span),
        SettingValue::Value(expr) => expr.span,
        SettingValue::Broken => s.span,
    })
}

/// What the table says where the text says nothing.
pub(super) fn preset_of(keys: &[crate::typing::tables::KeySpec], key: &str) -> Option<Value> {
    match keys.iter().find(|k| k.name == key).map(|k| &k.takes) {
        Some(Takes::Value { param, .. }) => table::preset(param.preset),
        Some(Takes::OneOf(_) | Takes::Several(_)) | None => None,
    }
}
