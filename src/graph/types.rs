//! The type of what an operation puts out, from the types of what it reads.

use super::MAX_INPUTS;
use super::op::{ConvGeometry, Op, Type, UpdateOp};
use crate::net::Window;

/// The type that follows, or what does not fit.
pub(super) fn infer(op: &Op, inputs: &[&Type]) -> Result<Type, String> {
    match arity(op) {
        Some(n) if inputs.len() != n => return Err(format!("takes {n} inputs, not {}", inputs.len())),
        None if inputs.is_empty() || inputs.len() > MAX_INPUTS => {
            return Err(format!("takes 1 to {MAX_INPUTS} inputs, not {}", inputs.len()));
        }
        Some(_) | None => {}
    }
    let same_as_first = |ty: &Type| equal(ty, inputs[0]);
    Ok(match op {
        Op::Image | Op::Target | Op::Clock | Op::Rate | Op::Parameter { .. } | Op::Memory { .. } => {
            return Err("is a source: its type follows from nothing".to_owned());
        }
        Op::Conv(g) => conv(*g, inputs)?,
        Op::ConvToInput { geometry, height, width } => conv_to_input(*geometry, [*height, *width], inputs)?,
        Op::ConvToWeight(g) => conv_to_weight(*g, inputs)?,

        Op::AddChannel | Op::BatchNorm { .. } => {
            channel_operands(inputs[0], &inputs[1..]).map(|_| inputs[0].clone())?
        }
        Op::SumChannel | Op::ChannelMean | Op::ChannelVariance => channel_operands(inputs[0], &inputs[1..])?,
        Op::BatchNormToScale { .. } => same_as_first(inputs[1]).and(channel_operands(inputs[0], &inputs[2..]))?,
        Op::BatchNormToInput { .. } => channel_operands(inputs[0], &inputs[2..]).and(same_as_first(inputs[1]))?,
        Op::Running { .. } => {
            expect(!inputs[0].batch && inputs[0].dims.len() == 1, "a running statistic is a number a channel")?;
            clock(inputs[2]).and(same_as_first(inputs[1]))?
        }

        Op::Act(_) | Op::ScaleConst { .. } | Op::Shift { .. } => feature(inputs[0]).map(|_| inputs[0].clone())?,
        Op::ActBack(_) | Op::Add => same_as_first(inputs[1])?,
        Op::Gated { .. } => clock(inputs[1]).map(|_| inputs[0].clone())?,
        Op::Scale(_) => clock(inputs[1]).and(feature(inputs[0])).map(|_| inputs[0].clone())?,
        Op::Mul => {
            let [c, ..] = feature(inputs[0])?;
            same_as_first(inputs[1]).or(equal(inputs[1], &Type::feature(c, 1, 1)))?;
            inputs[0].clone()
        }

        Op::SumPixels | Op::GlobalAvgPool => Type::feature(feature(inputs[0])?[0], 1, 1),
        Op::AvgPool(window) | Op::MaxPool(window) => pool(*window, inputs[0])?,
        Op::AvgPoolBack { window, height, width } => {
            let x = resized(inputs[0], *height, *width)?;
            pool(*window, &x).and_then(|y| same_as_first(&y)).map(|_| x)?
        }
        Op::MaxPoolBack(window) => {
            pool(*window, inputs[1]).and_then(|y| same_as_first(&y)).map(|_| inputs[1].clone())?
        }
        Op::GlobalAvgPoolBack { height, width } => vector(inputs[0]).and(resized(inputs[0], *height, *width))?,
        Op::Subsample { stride } => subsample(*stride, inputs[0])?,
        Op::SubsampleBack { stride, height, width } => {
            let x = resized(inputs[0], *height, *width)?;
            subsample(*stride, &x).and_then(|y| same_as_first(&y)).map(|_| x)?
        }
        Op::PadChannels { to } => {
            let [c, h, w] = feature(inputs[0])?;
            expect(*to >= c, "fewer channels leave than enter")?;
            Type::feature(*to, h, w)
        }
        Op::SliceChannels { from, len } => {
            let [c, h, w] = feature(inputs[0])?;
            expect(from + len <= c, "the slice ends past the last channel")?;
            Type::feature(*len, h, w)
        }
        Op::Concat => concat(inputs)?,
        Op::Reshape { dims } => {
            let before: usize = feature(inputs[0])?.iter().product();
            expect(dims.iter().product::<usize>() == before, "the number of elements changes")?;
            Type::feature(dims[0], dims[1], dims[2])
        }

        Op::CrossEntropy { .. } => same_as_first(inputs[1]).and(vector(inputs[0])).map(|_| Type::scalar())?,
        Op::CrossEntropyBack { .. } => same_as_first(inputs[1]).and(vector(inputs[0]))?,
        Op::Update(op) => update(op, inputs)?,
        Op::Output(_) => inputs[0].clone(),
    })
}

impl Op {
    /// Whether it reads nothing: its value is given from outside.
    pub fn is_source(&self) -> bool {
        arity(self) == Some(0)
    }
}

/// How many inputs an operation has; none for those that take any number.
fn arity(op: &Op) -> Option<usize> {
    Some(match op {
        Op::Image | Op::Target | Op::Clock | Op::Rate | Op::Parameter { .. } | Op::Memory { .. } => 0,
        Op::SumChannel
        | Op::ChannelMean
        | Op::Act(_)
        | Op::ScaleConst { .. }
        | Op::SumPixels
        | Op::AvgPool(_)
        | Op::AvgPoolBack { .. }
        | Op::MaxPool(_)
        | Op::GlobalAvgPool
        | Op::GlobalAvgPoolBack { .. }
        | Op::PadChannels { .. }
        | Op::SliceChannels { .. }
        | Op::Subsample { .. }
        | Op::SubsampleBack { .. }
        | Op::Shift { .. }
        | Op::Reshape { .. }
        | Op::Output(_) => 1,
        Op::Conv(_)
        | Op::ConvToInput { .. }
        | Op::ConvToWeight(_)
        | Op::AddChannel
        | Op::ChannelVariance
        | Op::ActBack(_)
        | Op::Add
        | Op::Scale(_)
        | Op::Gated { .. }
        | Op::Mul
        | Op::MaxPoolBack(_)
        | Op::CrossEntropy { .. }
        | Op::CrossEntropyBack { .. } => 2,
        Op::Running { .. } => 3,
        Op::BatchNormToScale { .. } => 4,
        Op::BatchNorm { .. } => 5,
        Op::BatchNormToInput { .. } => 7,
        Op::Concat => return None,
        Op::Update(op) => match op {
            UpdateOp::Moment { .. } => 2,
            UpdateOp::Accumulate { .. }
            | UpdateOp::SgdMomentum { .. }
            | UpdateOp::Average { .. }
            | UpdateOp::Hold { .. } => 3,
            UpdateOp::SgdStep { .. } => 4,
            UpdateOp::AdamStep { .. } => 5,
            UpdateOp::SquaredNorm | UpdateOp::Clip { .. } => return None,
        },
    })
}

fn update(op: &UpdateOp, inputs: &[&Type]) -> Result<Type, String> {
    match op {
        UpdateOp::Accumulate { .. } => clock(inputs[2]).and(weights_alike(&inputs[..2])),
        UpdateOp::SquaredNorm => Ok(Type::scalar()),
        UpdateOp::Clip { .. } => {
            inputs[1..].iter().try_for_each(|ty| equal(ty, &Type::scalar()).map(|_| ()))?;
            expect(inputs.len() > 1, "a norm is missing").map(|()| inputs[0].clone())
        }
        UpdateOp::SgdMomentum { .. } => weights_alike(&inputs[..3]),
        UpdateOp::SgdStep { .. } => equal(inputs[3], &Type::scalar()).and(weights_alike(&inputs[..3])),
        UpdateOp::Moment { .. } => weights_alike(&inputs[..2]),
        UpdateOp::AdamStep { .. } => {
            equal(inputs[3], &Type::scalar()).and(clock(inputs[4])).and(weights_alike(&inputs[..3]))
        }
        UpdateOp::Average { .. } | UpdateOp::Hold { .. } => clock(inputs[2]).and(weights_alike(&inputs[..2])),
    }
}

fn conv(g: ConvGeometry, inputs: &[&Type]) -> Result<Type, String> {
    let ([c, h, w], [out, per_group, ..]) = (feature(inputs[0])?, weight(inputs[1], g)?);
    expect(c == per_group * g.groups, "the weight is for another number of channels")?;
    Ok(Type::feature(out, count(g, h)?, count(g, w)?))
}

fn conv_to_input(g: ConvGeometry, [h, w]: [usize; 2], inputs: &[&Type]) -> Result<Type, String> {
    let x = Type::feature(weight(inputs[1], g)?[1] * g.groups, h, w);
    conv(g, &[&x, inputs[1]]).and_then(|y| equal(inputs[0], &y)).map(|_| x)
}

fn conv_to_weight(g: ConvGeometry, inputs: &[&Type]) -> Result<Type, String> {
    let ([c, ..], [out, ..]) = (feature(inputs[0])?, feature(inputs[1])?);
    let weight = Type::fixed(&[out, c / g.groups, g.kernel, g.kernel]);
    conv(g, &[inputs[0], &weight]).and_then(|y| equal(inputs[1], &y)).map(|_| weight)
}

/// `[C]` where each of `operands` is a number a channel of the feature map.
fn channel_operands(map: &Type, operands: &[&Type]) -> Result<Type, String> {
    let channels = Type::fixed(&[feature(map)?[0]]);
    operands.iter().try_for_each(|ty| equal(ty, &channels).map(|_| ()))?;
    Ok(channels)
}

fn pool(window: Window, x: &Type) -> Result<Type, String> {
    let [c, h, w] = feature(x)?;
    match (window.count(h), window.count(w)) {
        (Some(h), Some(w)) => Ok(Type::feature(c, h, w)),
        _ => Err("the window is larger than the padded image".to_owned()),
    }
}

fn subsample(stride: usize, x: &Type) -> Result<Type, String> {
    let [c, h, w] = feature(x)?;
    Ok(Type::feature(c, h.div_ceil(stride), w.div_ceil(stride)))
}

fn concat(inputs: &[&Type]) -> Result<Type, String> {
    let [_, h, w] = feature(inputs[0])?;
    let mut channels = 0;
    for ty in inputs {
        let [next, height, width] = feature(ty)?;
        expect([height, width] == [h, w], "the inputs differ in height or width")?;
        channels += next;
    }
    Ok(Type::feature(channels, h, w))
}

/// The same channels on another size of image.
fn resized(ty: &Type, height: usize, width: usize) -> Result<Type, String> {
    feature(ty).map(|[c, ..]| Type::feature(c, height, width))
}

/// How many windows of a convolution fit along a side.
fn count(g: ConvGeometry, side: usize) -> Result<usize, String> {
    expect(side + 2 * g.pad > g.dilation * (g.kernel - 1), "the kernel is larger than the padded image")?;
    Ok(g.count(side))
}

/// C, H, W of a feature map.
fn feature(ty: &Type) -> Result<[usize; 3], String> {
    match (ty.batch, ty.dims.as_slice()) {
        (true, &[c, h, w]) => Ok([c, h, w]),
        _ => Err(format!("reads {ty}, not a feature map")),
    }
}

fn clock(ty: &Type) -> Result<Type, String> {
    equal(ty, &Type::fixed(&[4]))
}

fn vector(ty: &Type) -> Result<Type, String> {
    match feature(ty)? {
        [_, 1, 1] => Ok(ty.clone()),
        _ => Err(format!("reads {ty}, not a vector an image")),
    }
}

/// out, in / groups, kernel, kernel of a weight; a linear layer's is stored as out x in.
fn weight(ty: &Type, g: ConvGeometry) -> Result<[usize; 4], String> {
    let dims = match (ty.batch, ty.dims.as_slice()) {
        (false, &[out, per_group]) => [out, per_group, 1, 1],
        (false, &[out, per_group, i, j]) => [out, per_group, i, j],
        _ => return Err(format!("reads {ty}, not a weight")),
    };
    expect(dims[2..] == [g.kernel, g.kernel], "the weight is for another kernel")?;
    expect(dims[0] % g.groups == 0, "the channels do not divide into groups")?;
    Ok(dims)
}

/// The first type, where the others equal it; a linear layer's gradient may carry its 1 x 1 kernel.
fn weights_alike(types: &[&Type]) -> Result<Type, String> {
    let weight = types[0];
    let with_kernel = Type { batch: weight.batch, dims: [&weight.dims[..], &[1, 1]].concat() };
    for ty in &types[1..] {
        if !(weight.dims.len() == 2 && **ty == with_kernel) {
            equal(ty, weight)?;
        }
    }
    Ok(weight.clone())
}

fn equal(ty: &Type, wanted: &Type) -> Result<Type, String> {
    if ty == wanted { Ok(wanted.clone()) } else { Err(format!("reads {ty} where {wanted} belongs")) }
}

fn expect(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
