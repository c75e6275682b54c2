//! The layers of the language.

use super::{Bounds, ParamSpec, Preset, optional, required};
use crate::net::Init;
use crate::typing::types::Type;

/// A layer of the language.
#[derive(Clone, Debug)]
pub struct LayerSpec {
    /// Its name.
    pub name: &'static str,
    /// Which.
    pub kind: LayerKind,
    /// The name under which paths count it: that of the long form.
    pub counted_as: &'static str,
    /// Its parameters, in the order in which they may be given without names.
    pub params: &'static [ParamSpec],
    /// What it does.
    pub doc: &'static str,
}

/// Which layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// `conv`
    Conv,
    /// `conv1x1`
    Conv1x1,
    /// `conv3x3`
    Conv3x3,
    /// `linear`
    Linear,
    /// `bn`
    BatchNorm,
    /// `relu`
    Relu,
    /// `leaky_relu`
    LeakyRelu,
    /// `silu`
    Silu,
    /// `sigmoid`
    Sigmoid,
    /// `avg_pool`
    AvgPool,
    /// `max_pool`
    MaxPool,
    /// `global_avg_pool`
    GlobalAvgPool,
    /// `pad_channels`
    PadChannels,
    /// `subsample`
    Subsample,
    /// `shift`
    Shift,
    /// `flatten`
    Flatten,
}

const KERNEL: ParamSpec = required("kernel", Type::INT, Bounds::SIZE, "Rows and columns of the kernel.");
const OUT: ParamSpec = required("out", Type::INT, Bounds::SIZE, "Channels that leave.");
const STRIDE: ParamSpec = optional("stride", Type::INT, Bounds::SIZE, Preset::Int(1), "Step between windows.");
const CONV_PAD: ParamSpec = optional(
    "pad",
    Type::INT,
    Bounds::PADDING,
    Preset::Computed("dilation * floor(kernel / 2)"),
    "Zeros around the image.",
);
const GROUPS: ParamSpec =
    optional("groups", Type::INT, Bounds::SIZE, Preset::Int(1), "Independent groups of channels.");
const DILATION: ParamSpec =
    optional("dilation", Type::INT, Bounds::SIZE, Preset::Int(1), "Step between the kernel's taps.");
const NO_BIAS: ParamSpec = optional("bias", Type::BOOL, Bounds::NONE, Preset::Bool(false), "Whether a bias is added.");
const CONV_INIT: ParamSpec =
    optional("init", Type::INIT, Bounds::NONE, Preset::Init(Init::HeNormalOut), "How the weight starts.");
const POOL: &[ParamSpec] = &[
    required("kernel", Type::INT, Bounds::SIZE, "Rows and columns of the window."),
    optional("stride", Type::INT, Bounds::SIZE, Preset::Computed("kernel"), "Step between windows."),
    optional("pad", Type::INT, Bounds::PADDING, Preset::Int(0), "Border around the image; at most half the kernel."),
];
const SHORT_CONV: &[ParamSpec] = &[OUT, STRIDE, CONV_PAD, GROUPS, DILATION, NO_BIAS, CONV_INIT];

const fn row(
    name: &'static str,
    kind: LayerKind,
    counted_as: &'static str,
    params: &'static [ParamSpec],
    doc: &'static str,
) -> LayerSpec {
    LayerSpec { name, kind, counted_as, params, doc }
}

/// Every layer.
pub static LAYERS: &[LayerSpec] = &[
    row(
        "conv",
        LayerKind::Conv,
        "conv",
        &[KERNEL, OUT, STRIDE, CONV_PAD, GROUPS, DILATION, NO_BIAS, CONV_INIT],
        "A convolution with a square kernel.",
    ),
    row("conv1x1", LayerKind::Conv1x1, "conv", SHORT_CONV, "A convolution with a kernel of one pixel."),
    row("conv3x3", LayerKind::Conv3x3, "conv", SHORT_CONV, "A convolution with a kernel of three by three pixels."),
    row(
        "linear",
        LayerKind::Linear,
        "linear",
        &[
            required("out", Type::INT, Bounds::SIZE, "Numbers that leave."),
            optional("bias", Type::BOOL, Bounds::NONE, Preset::Bool(true), "Whether a bias is added."),
            optional("init", Type::INIT, Bounds::NONE, Preset::Init(Init::UniformIn), "How the weight starts."),
        ],
        "A matrix on a vector: flatten or pool an image before it.",
    ),
    row(
        "bn",
        LayerKind::BatchNorm,
        "bn",
        &[
            optional("eps", Type::REAL, Bounds::POSITIVE, Preset::Real(1e-5), "Added to the variance."),
            optional(
                "momentum",
                Type::REAL,
                Bounds { lo: 0.0, hi: 1.0, above: true, below: false },
                Preset::Real(0.1),
                "Share of a batch's statistics in the running ones.",
            ),
        ],
        "Batch normalisation (Ioffe and Szegedy 2015), with scale and shift.",
    ),
    row("relu", LayerKind::Relu, "relu", &[], "max(x, 0)."),
    row(
        "leaky_relu",
        LayerKind::LeakyRelu,
        "leaky_relu",
        &[optional("slope", Type::REAL, Bounds::NONE, Preset::Real(0.01), "The factor below 0.")],
        "x where it is positive, else slope times x.",
    ),
    row("silu", LayerKind::Silu, "silu", &[], "x times its sigmoid."),
    row("sigmoid", LayerKind::Sigmoid, "sigmoid", &[], "1 / (1 + exp(-x))."),
    row("avg_pool", LayerKind::AvgPool, "avg_pool", POOL, "The mean over a window; the border counts as zeros."),
    row("max_pool", LayerKind::MaxPool, "max_pool", POOL, "The largest value of a window."),
    row("global_avg_pool", LayerKind::GlobalAvgPool, "global_avg_pool", &[], "The mean over all pixels of a channel."),
    row(
        "pad_channels",
        LayerKind::PadChannels,
        "pad_channels",
        &[required("to", Type::INT, Bounds::SIZE, "Channels that leave; at least those that enter.")],
        "Channels of zeros appended up to a width.",
    ),
    row(
        "subsample",
        LayerKind::Subsample,
        "subsample",
        &[required("stride", Type::INT, Bounds::SIZE, "The step.")],
        "Every so many pixels of every so many rows, from the first.",
    ),
    row(
        "shift",
        LayerKind::Shift,
        "shift",
        &[
            required("down", Type::INT, Bounds::NONE, "Rows, towards larger indices."),
            required("right", Type::INT, Bounds::NONE, "Columns, towards larger indices."),
        ],
        "The image moved; zeros enter.",
    ),
    row("flatten", LayerKind::Flatten, "flatten", &[], "An image as a vector, channels outermost."),
];

/// The layer with this name.
pub fn layer(name: &str) -> Option<&'static LayerSpec> {
    LAYERS.iter().find(|l| l.name == name)
}
