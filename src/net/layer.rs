//! Layers: what each does, with its numbers checked and its defaults filled in.

use super::{Path, Shape, Site};
use crate::source::Span;

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its path.
    pub path: Path,
    /// What it does.
    pub op: LayerOp,
    /// The shape that enters.
    pub input: Shape,
    /// The shape that leaves.
    pub output: Shape,
    /// Its call in the text.
    pub span: Span,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerOp {
    /// Cross-correlation with a square kernel. Weight `weight`: out x in/groups x kernel x kernel; `bias`: out.
    Conv(ConvOp),
    /// A matrix on C x 1 x 1. Weight `weight`: out x in; `bias`: out.
    Linear {
        /// Outputs.
        out: usize,
        /// Whether a bias is added.
        bias: bool,
        /// How the weight starts.
        init: Init,
    },
    /// Batch normalisation (Ioffe and Szegedy 2015). Weights `scale`, `shift`; state `mean`, `variance` (unbiased).
    BatchNorm {
        /// Added to the variance.
        eps: f64,
        /// Share of a batch's statistics in the running ones.
        momentum: f64,
    },
    /// An activation, element by element.
    Activation(Activation),
    /// The mean over a window; the padding counts as zeros.
    AvgPool(Window),
    /// The largest value of a window; the padding never wins.
    MaxPool(Window),
    /// The mean over all pixels.
    GlobalAvgPool,
    /// Zero channels appended up to `to`.
    PadChannels {
        /// Channels that leave; at least those that enter.
        to: usize,
    },
    /// Every `stride`-th pixel of every `stride`-th row, from the first.
    Subsample {
        /// The step.
        stride: usize,
    },
    /// Moves the image by so many pixels; zeros enter.
    Shift {
        /// Rows, towards larger indices.
        down: isize,
        /// Columns, towards larger indices.
        right: isize,
    },
    /// C x H x W to a vector, channels outermost.
    Flatten,
    /// A stochastic rule called as a layer (dropout).
    Rule(Box<Site>),
}

/// A convolution's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvOp {
    /// Channels that leave; a multiple of `groups`, as are those that enter.
    pub out: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros around the image.
    pub pad: usize,
    /// Step between the kernel's taps.
    pub dilation: usize,
    /// Independent groups of channels.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// How the weight starts.
    pub init: Init,
}

/// A pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Border around the image; at most half the kernel.
    pub pad: usize,
}

impl Window {
    /// How many windows fit along a side, if any does: floor((side + 2 pad - kernel) / stride) + 1.
    pub fn count(self, side: usize) -> Option<usize> {
        (side + 2 * self.pad).checked_sub(self.kernel).map(|room| room / self.stride + 1)
    }
}

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x where it is positive, else slope * x.
    LeakyRelu {
        /// The factor below 0.
        slope: f64,
    },
    /// x / (1 + exp(-x)).
    Silu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
}

/// How a weight starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with variance 2 / (kernel^2 * out) (He et al. 2015, equation 14).
    HeNormalOut,
    /// Normal with variance 2 / (kernel^2 * in / groups) (He et al. 2015, equation 10).
    HeNormalIn,
    /// Uniform in +-1 / sqrt(in), the default of `linear`.
    UniformIn,
    /// Normal with this deviation.
    Normal {
        /// Standard deviation.
        deviation: f64,
    },
    /// All zero.
    Zeros,
}
