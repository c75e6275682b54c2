//! Arguments of layers and of options of `train`, as their tables describe them.

use super::machine::{Frame, Machine, Run};
use super::value::Value;
use crate::typing::program::Args;
use crate::typing::tables::{ParamSpec, Preset};

/// The values of the parameters of a row of a table; none where one stays away or is worked out from others.
pub(super) struct TableArgs {
    params: &'static [ParamSpec],
    values: Vec<Option<Value>>,
}

impl TableArgs {
    pub fn get(&self, name: &str) -> Option<&Value> {
        let i = self.params.iter().position(|p| p.name == name)?;
        self.values[i].as_ref()
    }

    pub fn size(&self, name: &str) -> Option<usize> {
        self.get(name).map(size)
    }

    pub fn needed(&self, name: &str) -> usize {
        self.size(name).expect("the table requires it or presets it")
    }

    pub fn signed(&self, name: &str) -> isize {
        match self.get(name) {
            Some(Value::Int(v)) => isize::try_from(*v).unwrap_or(isize::MAX),
            _ => unreachable!("the table requires it"),
        }
    }

    pub fn real(&self, name: &str) -> f64 {
        self.get(name).and_then(Value::number).expect("the table requires it or presets it")
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    pub fn text(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Some(Value::Str(text)) => Some(text.to_string()),
            _ => None,
        }
    }

    pub fn sizes(&self, name: &str) -> Vec<usize> {
        match self.get(name) {
            Some(Value::List(values)) => values.iter().map(size).collect(),
            _ => Vec::new(),
        }
    }
}

/// A size that its bounds have let through.
fn size(value: &Value) -> usize {
    match value {
        Value::Int(v) => usize::try_from(*v).expect("within the bounds of the table"),
        other => unreachable!("typing makes this a whole number, not {other}"),
    }
}

/// What the table says where the text says nothing.
pub(super) fn preset(preset: Preset) -> Option<Value> {
    match preset {
        Preset::Required | Preset::Absent | Preset::Computed(_) => None,
        Preset::Int(v) => Some(Value::Int(v)),
        Preset::Real(v) => Some(Value::Real(v)),
        Preset::Bool(v) => Some(Value::Bool(v)),
        Preset::Init(init) => Some(Value::Init(init)),
        Preset::Word(word) => Some(Value::Str(word.into())),
    }
}

impl<'a> Machine<'a> {
    /// The arguments of a layer or option: what the call says, else what the family set for `layer`, else the table.
    pub fn table_args(
        &mut self,
        frame: &Frame,
        params: &'static [ParamSpec],
        args: &'a Args,
        layer: &'static str,
    ) -> Run<TableArgs> {
        let family = |param: &ParamSpec| self.built.presets.get(&(layer, param.name)).cloned();
        let mut values: Vec<_> = params.iter().map(|p| family(p).or_else(|| preset(p.preset))).collect();
        for (index, arg) in &args.0 {
            let param = &params[*index];
            let value = self.argument(frame, arg, param.name)?;
            self.check_bounds(&value, param.name, param.bounds, arg.span)?;
            values[*index] = Some(value);
        }
        Ok(TableArgs { params, values })
    }
}
