//! The values of a [`Config`] as a list, by their paths.

use super::{Argument, Call, Choice, Config, Parameter, Setting, Value};

impl Config {
    /// Every value by its path, as `--set` takes it where it can be set.
    pub fn values(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for Parameter { value, .. } in &self.model.parameters {
            all.push(Value { name: format!("model.{}", value.name), ..value.clone() });
        }
        if let Some(train) = &self.train {
            settings("train", &train.settings, &mut all);
        }
        all
    }
}

fn settings(prefix: &str, list: &[Setting], all: &mut Vec<Value>) {
    for setting in list {
        match setting {
            Setting::Value(value) => all.push(Value { name: format!("{prefix}.{}", value.name), ..value.clone() }),
            Setting::Option { key, choice } => {
                let path = format!("{prefix}.{key}");
                let Call { callee, origin, .. } = &choice.call;
                all.push(Value { name: path.clone(), text: callee.clone(), origin: *origin });
                of_choice(&path, choice, all);
            }
            Setting::Parts { key, parts, .. } => {
                for (i, part) in parts.iter().enumerate() {
                    let name = &part.call.callee;
                    let before = parts[..i].iter().filter(|p| p.call.callee == *name).count();
                    let count = if before > 0 { format!("[{before}]") } else { String::new() };
                    of_choice(&format!("{prefix}.{key}.{name}{count}"), part, all);
                }
            }
        }
    }
}

fn of_choice(path: &str, choice: &Choice, all: &mut Vec<Value>) {
    for argument in &choice.call.arguments {
        let (Argument::Written(value) | Argument::Told(value)) = argument;
        all.push(Value { name: format!("{path}.{}", value.name), ..value.clone() });
    }
    settings(path, &choice.settings, all);
}
