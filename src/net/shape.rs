//! Which shape leaves a layer. Absence: how a misfit is told to people is the business of who builds the network.

use super::{ConvOp, LayerOp, MAX_ELEMENTS, Shape, Window};

/// Why a layer cannot take the shape that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A window of `kernel` rows and columns (dilation included) on an image that, padded, is smaller.
    Window {
        /// Rows and columns that the window covers.
        kernel: usize,
        /// The border around the image.
        pad: usize,
    },
    /// A border of more than half the kernel, so that a window could lie in it whole.
    Border {
        /// Rows and columns of the kernel.
        kernel: usize,
        /// The border.
        pad: usize,
    },
    /// `channels` that enter or leave are not a multiple of `groups`.
    Groups {
        /// How many.
        channels: usize,
        /// Groups.
        groups: usize,
        /// Whether these are the channels that leave.
        out: bool,
    },
    /// A matrix on something that is not a vector.
    NotVector,
    /// Fewer channels are to leave than enter.
    Narrower {
        /// Channels that are to leave.
        to: usize,
    },
    /// An image moved by its own size or more.
    ShiftedAway,
    /// A tensor of more than [`MAX_ELEMENTS`].
    TooBig,
}

impl Shape {
    /// C * H * W, if it is at most [`MAX_ELEMENTS`].
    pub fn checked_elements(self) -> Option<u64> {
        let size = |n: usize| u64::try_from(n).ok();
        let all = size(self.channels)?.checked_mul(size(self.height)?)?.checked_mul(size(self.width)?)?;
        (all <= MAX_ELEMENTS).then_some(all)
    }
}

impl LayerOp {
    /// The shape that leaves where `input` enters.
    ///
    /// # Errors
    /// Why the layer cannot take it.
    pub fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        let output = match self {
            LayerOp::Conv(conv) => conv_output(conv, input)?,
            LayerOp::Linear { out, .. } => match input {
                Shape { height: 1, width: 1, .. } => Shape::vector(*out),
                Shape { .. } => return Err(Misfit::NotVector),
            },
            LayerOp::BatchNorm { .. } | LayerOp::Activation(_) | LayerOp::Rule(_) => input,
            LayerOp::AvgPool(window) | LayerOp::MaxPool(window) => pooled(*window, input)?,
            LayerOp::GlobalAvgPool => Shape::vector(input.channels),
            LayerOp::PadChannels { to } if *to < input.channels => return Err(Misfit::Narrower { to: *to }),
            LayerOp::PadChannels { to } => Shape { channels: *to, ..input },
            LayerOp::Subsample { stride } => {
                Shape { height: input.height.div_ceil(*stride), width: input.width.div_ceil(*stride), ..input }
            }
            LayerOp::Shift { down, right } => {
                if down.unsigned_abs() >= input.height || right.unsigned_abs() >= input.width {
                    return Err(Misfit::ShiftedAway);
                }
                input
            }
            LayerOp::Flatten => Shape::vector(input.elements()),
        };
        output.checked_elements().map(|_| output).ok_or(Misfit::TooBig)
    }
}

fn conv_output(conv: &ConvOp, input: Shape) -> Result<Shape, Misfit> {
    for (channels, out) in [(input.channels, false), (conv.out, true)] {
        if channels % conv.groups != 0 {
            return Err(Misfit::Groups { channels, groups: conv.groups, out });
        }
    }
    let covered = (conv.kernel - 1).saturating_mul(conv.dilation).saturating_add(1);
    let window = Window { kernel: covered, stride: conv.stride, pad: conv.pad };
    let misfit = Misfit::Window { kernel: covered, pad: conv.pad };
    Ok(Shape {
        channels: conv.out,
        height: window.count(input.height).ok_or(misfit)?,
        width: window.count(input.width).ok_or(misfit)?,
    })
}

fn pooled(window: Window, input: Shape) -> Result<Shape, Misfit> {
    if window.pad > window.kernel / 2 {
        return Err(Misfit::Border { kernel: window.kernel, pad: window.pad });
    }
    let misfit = Misfit::Window { kernel: window.kernel, pad: window.pad };
    Ok(Shape {
        height: window.count(input.height).ok_or(misfit)?,
        width: window.count(input.width).ok_or(misfit)?,
        ..input
    })
}
