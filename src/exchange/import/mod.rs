//! Weights of other tools, from safetensors, for a network of ours.
//!
//! Every tensor of the file must find its place or be left out by name, and every parameter get its values or be drawn by
//! name: what is left over on either side is told as a whole, before anything is used.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

pub use self::names::Names;
use self::names::{COUNTER, Line, Meaning, read, translated, written};
use crate::device::State;
use crate::diag::{Failure, codes, counted};
use crate::net::{self, Network, Parameter};
use crate::train::Checkpoint;

/// How many names of a kind are told.
const TOLD: usize = 6;

/// Weights that fit, and how they came about.
#[derive(Debug)]
pub struct Imported {
    /// The weights.
    pub checkpoint: Checkpoint,
    /// How many tensors were taken.
    pub taken: usize,
    /// How many were left out.
    pub left_out: usize,
    /// What starts as drawn.
    pub drawn: Vec<net::Path>,
}

/// Reads a file of safetensors for a network.
///
/// # Errors
/// A file that cannot be read; tensors and parameters that find no partner; other shapes.
pub fn import(path: &Path, network: &Network, names: &Names) -> Result<Imported, Failure> {
    let bytes = bytes(path, network)?;
    let refused = |e: &dyn std::fmt::Display| {
        let message = format!("{} is no file of safetensors: {e}", path.display());
        Failure::new(codes::IMPORT_UNFIT, message, "save it with the package `safetensors`")
    };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| refused(&e))?;
    let mut import = Import::new(network);
    let mut all = tensors.tensors();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, tensor) in &all {
        import.place(name, tensor, names);
    }
    import.finish(path, names)
}

/// The whole file. A network's weights may come with others that it does not need, such as averages of them.
fn bytes(path: &Path, network: &Network) -> Result<Vec<u8>, Failure> {
    const HEADER: u64 = 100_000_000;
    const MOST_BYTES_A_NUMBER: u64 = 64;
    let cannot = |e: std::io::Error| {
        let message = format!("{} cannot be read: {e}", path.display());
        Failure::new(codes::CANNOT_READ, message, "check the path of the weights")
    };
    let file = File::open(path).map_err(cannot)?;
    let numbers: u64 = network.parameters().iter().map(Parameter::elements).sum();
    let limit = HEADER + MOST_BYTES_A_NUMBER * numbers;
    if file.metadata().map_err(cannot)?.len() > limit {
        let message = format!("{} is far larger than the weights of `{}`", path.display(), network.name);
        return Err(Failure::new(codes::IMPORT_UNFIT, message, "check that it is of the network that the program has"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

/// Where a tensor goes.
enum Destination {
    Parameter(String),
    LeftOut,
}

struct Import {
    parameters: BTreeMap<String, Parameter>,
    /// Values, and whose they are.
    values: BTreeMap<String, (String, Vec<f32>)>,
    left_out: usize,
    /// The numbers of the lines that named something.
    used: BTreeSet<usize>,
    /// Parameters whose tensor has another shape.
    unfit: BTreeSet<String>,
    no_place: Vec<String>,
    twice: Vec<String>,
    shapes: Vec<String>,
    numbers: Vec<String>,
}

impl Import {
    fn new(network: &Network) -> Self {
        let parameters = network.parameters().into_iter().map(|p| (p.path.to_string(), p)).collect();
        Import {
            parameters,
            values: BTreeMap::new(),
            left_out: 0,
            used: BTreeSet::new(),
            unfit: BTreeSet::new(),
            no_place: vec![],
            twice: vec![],
            shapes: vec![],
            numbers: vec![],
        }
    }

    /// Takes a tensor to its parameter, or notes why it has none.
    fn place(&mut self, name: &str, tensor: &TensorView<'_>, names: &Names) {
        let ours = match self.destination(name, names) {
            Destination::LeftOut => {
                self.left_out += 1;
                return;
            }
            Destination::Parameter(ours) => ours,
        };
        let Some(parameter) = self.parameters.get(&ours) else {
            let note = if ours == name { name.to_owned() } else { format!("{name} (there is no {ours})") };
            return self.no_place.push(note);
        };
        // A matrix may be kept as a convolution's weight of 1 x 1, and the other way round.
        let plain = |dims: &[usize]| {
            let end = dims.iter().rposition(|n| *n != 1).map_or(0, |last| last + 1);
            dims[..end].to_vec()
        };
        if plain(tensor.shape()) != plain(&parameter.dims) {
            let (theirs, dims) = (tensor.shape(), &parameter.dims);
            let whose = if ours == name { "here".to_owned() } else { ours.clone() };
            self.shapes.push(format!("{name} is {theirs:?}, {whose} {dims:?}"));
            self.unfit.insert(ours);
            return;
        }
        let Some(values) = floats(tensor) else {
            return self.numbers.push(format!("{name} holds {:?}", tensor.dtype()));
        };
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return self.numbers.push(format!("{name} holds {} at {i}", values[i]));
        }
        if let Some((other, _)) = self.values.insert(ours.clone(), (name.to_owned(), values)) {
            self.twice.push(format!("{ours} by {other} and {name}"));
        }
    }

    fn destination(&mut self, name: &str, names: &Names) -> Destination {
        let (layer, tensor) = name.rsplit_once('.').unwrap_or(("", name));
        for Line { number, meaning, .. } in &names.lines {
            let (theirs, ours) = match meaning {
                Meaning::Take { theirs, ours } => (theirs, Some(ours)),
                Meaning::LeaveOut { theirs } => (theirs, None),
                Meaning::Draw { .. } => continue,
            };
            let (whole, of_layer) = (read(theirs, name), read(theirs, layer));
            if whole.is_none() && of_layer.is_none() {
                continue;
            }
            self.used.insert(*number);
            return match (ours, whole, of_layer) {
                (Some(ours), Some(found), _) => Destination::Parameter(written(ours, &found)),
                (Some(ours), None, Some(found)) if tensor != COUNTER => {
                    Destination::Parameter(self.of_layer(&written(ours, &found), tensor))
                }
                (None, _, _) | (Some(_), None, Some(_) | None) => Destination::LeftOut,
            };
        }
        Destination::Parameter(name.to_owned())
    }

    /// Which parameter of our layer a tensor is.
    fn of_layer(&self, layer: &str, tensor: &str) -> String {
        let name = |tensor: &str| format!("{layer}.{tensor}");
        let there = |tensor: &&&str| self.parameters.contains_key(&name(tensor));
        let own = translated(tensor).iter().find(there);
        name(own.unwrap_or(&tensor))
    }

    /// What all tensors came to.
    fn finish(mut self, path: &Path, names: &Names) -> Result<Imported, Failure> {
        let mut drawn = Vec::new();
        for Line { number, meaning, .. } in &names.lines {
            let Meaning::Draw { pattern } = meaning else { continue };
            for (name, parameter) in &self.parameters {
                let layer = parameter.path.parent();
                let fits = parameter.path.matches(pattern) || layer.is_some_and(|layer| layer.matches(pattern));
                if fits && !self.values.contains_key(name) {
                    self.used.insert(*number);
                    drawn.push(parameter.path.clone());
                }
            }
        }
        let known = |name: &str| self.values.contains_key(name) || self.unfit.contains(name);
        let without = |p: &&Parameter| !known(p.path.as_str()) && !drawn.contains(&p.path);
        let empty: Vec<String> = self.parameters.values().filter(without).map(|p| p.path.to_string()).collect();
        let idle = names.lines.iter().filter(|line| !self.used.contains(&line.number));
        let idle: Vec<String> = idle.map(|line| format!("line {}: {}", line.number, line.text)).collect();
        let wrong: String = [
            told(["tensor finds", "tensors find"], "no place in the network", &self.no_place),
            told(["parameter gets", "parameters get"], "no values", &empty),
            told(["tensor has", "tensors have"], "another shape", &self.shapes),
            told(["parameter gets", "parameters get"], "values twice", &self.twice),
            told(["tensor holds", "tensors hold"], "what is no number here", &self.numbers),
            told(["line of the map names", "lines of the map name"], "nothing", &idle),
        ]
        .concat();
        if !wrong.is_empty() {
            let message = format!("{} does not fit the network:{wrong}", path.display());
            let help = "name what belongs together in a map, a line each: `layer{g}.{b}.conv1 = group[{g-1}].block[{b}].branch[0].conv[0]`; \
                        `THEIRS = _` leaves out, `_ = OURS` lets start as drawn";
            return Err(Failure::new(codes::IMPORT_UNFIT, message, help));
        }
        let (taken, left_out) = (self.values.len(), self.left_out);
        let state = |(name, (_, values)): (String, (String, Vec<f32>))| {
            (State::Parameter(self.parameters[&name].path.clone()), values)
        };
        let values = self.values.into_iter().map(state).collect();
        Ok(Imported { checkpoint: Checkpoint::of_weights(values), taken, left_out, drawn })
    }
}

/// A line on what is wrong, with the first names; nothing where nothing is.
fn told([one, many]: [&str; 2], what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let more = names.len().saturating_sub(TOLD);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    let first = names[..names.len() - more].join(", ");
    format!("\n    {} {what}: {first}{rest}", counted(names.len(), one, many))
}

/// A tensor's numbers; none where they are no floats of a common kind.
fn floats(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
        Some(bytes.chunks_exact(N).map(|b| number(b.try_into().expect("a chunk of N"))).collect())
    }
    let bytes = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

    use super::floats;

    fn half(bits: u16) -> f32 {
        let bytes = bits.to_le_bytes();
        let tensor = TensorView::new(Dtype::F16, vec![1], &bytes).expect("a tensor of one number");
        floats(&tensor).expect("a kind that is taken")[0]
    }

    #[test]
    fn half_precision_is_read_as_it_is_defined() {
        let pairs = [(0, 0.0), (1, 1.0 / 16_777_216.0), (0x03ff, 1023.0 / 16_777_216.0), (0x0400, 1.0 / 16_384.0)];
        let more =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x7bff, 65504.0), (0xfc00, f32::NEG_INFINITY)];
        for (bits, value) in pairs.into_iter().chain(more) {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
