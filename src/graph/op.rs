//! The closed set of operations that a graph is made of. Each has one output, a reference meaning in f64
//! (`reference`), a gradient row where it is differentiated (`grad`), and a kernel (`fuse`).
//!
//! Notation in the equations: `n` image, `c` channel, `h`, `w` row and column, `m = N H W`; `[C]` a vector a channel;
//! `dy` the adjoint of the output `y`.

use crate::net::recipe::Memory;
use crate::net::rule::{Distribution, gate_of};
use crate::net::{Activation, Draw, Factor, Level, Path, Role, Window};

/// What a tensor is like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Whether the batch is its first dimension. The batch's size is known when a step runs, never before.
    pub batch: bool,
    /// The other dimensions: `[C, H, W]` for a feature map, `[C]` a channel, `[]` a scalar, as stored for a weight.
    pub dims: Vec<usize>,
}

impl Type {
    /// N x C x H x W.
    pub fn feature(channels: usize, height: usize, width: usize) -> Self {
        Type { batch: true, dims: vec![channels, height, width] }
    }

    /// Without the batch.
    pub fn fixed(dims: &[usize]) -> Self {
        Type { batch: false, dims: dims.to_vec() }
    }

    /// A single number.
    pub fn scalar() -> Self {
        Type::fixed(&[])
    }

    /// Elements, the batch (where there is one) counted as one image.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }
}

/// A convolution's geometry; the kernel is square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
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
}

impl ConvGeometry {
    /// A linear layer: one tap on a 1 x 1 image.
    pub const LINEAR: ConvGeometry = ConvGeometry { kernel: 1, stride: 1, pad: 0, dilation: 1, groups: 1 };

    /// How many windows fit along a side.
    pub fn count(self, side: usize) -> usize {
        (side + 2 * self.pad - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }
}

/// A stochastic factor at one place: what `Scale` multiplies by.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleOp {
    /// The site's path; with a draw's number it names the draw's stream, so two sites are never equal.
    pub site: Path,
    /// The rule's call as the text has it; printers show it, since the numbers change with the number of residuals.
    pub call: String,
    /// The rule's draws.
    pub draws: Vec<Draw>,
    /// What this pass multiplies by.
    pub forward: Factor,
    /// What the gradient multiplies by.
    pub backward: Factor,
}

impl ScaleOp {
    /// The gate at whose 0 both factors are 0 for the whole batch, by their equations.
    pub fn gate(&self) -> Option<GateRef> {
        let draw = gate_of([&self.forward, &self.backward], &self.draws, Level::Batch)?;
        match self.draws[draw].distribution {
            Distribution::Bernoulli { p } => Some(GateRef { site: self.site.clone(), draw, p }),
            Distribution::Uniform { .. } => unreachable!("a gate is a Bernoulli draw"),
        }
    }
}

/// A gate whose 0 makes forward and backward factor of a branch 0 for the whole batch.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRef {
    /// The site's path.
    pub site: Path,
    /// The draw's number in the rule.
    pub draw: usize,
    /// The probability of 1.
    pub p: f64,
}

/// What a graph hands out; names the node that holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// The mean loss of the batch, a scalar.
    Loss,
    /// Logits, N x classes x 1 x 1.
    Logits,
    /// The loss's gradient to a parameter.
    Gradient(Path),
    /// A parameter's or running statistic's value after the step.
    Parameter(Path),
    /// What the optimizer keeps of a parameter, after the step.
    Memory(Memory, Path),
}

/// Whose mean and variance a batch normalisation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statistics {
    /// The batch's own (training): its inputs 1 and 2 are `ChannelMean` and `ChannelVariance` of its input 0, and its
    /// gradient runs through them.
    Batch,
    /// The running ones (test): constants.
    Running,
    /// Those of the batch, taken before from the value that its input 0 is once more: constants.
    Taken,
}

/// An operation. Inputs are named in the order of the edges.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    // Sources.
    /// The images, N x C x H x W.
    Image,
    /// The target, N x classes x 1 x 1: a share of 1 for each class (mixing two images mixes their targets).
    Target,
    /// `[seed low, seed high, step, N]`, each a 32-bit word: all that a draw depends on besides its site.
    Clock,
    /// The learning rate, a scalar.
    Rate,
    /// A weight or running statistic.
    Parameter {
        /// Its name.
        path: Path,
        /// What it is to the optimizer.
        role: Role,
    },
    /// What the optimizer keeps of a parameter.
    Memory {
        /// What.
        memory: Memory,
        /// The parameter's name.
        path: Path,
    },

    // Contractions.
    /// (x, weight): y(n,o,h,w) = sum over c, i, j of x(n, c, h s + i d - p, w s + j d - p) weight(o,c,i,j), c running over
    /// o's group. A weight of two dimensions (a linear layer) counts as out x in x 1 x 1.
    Conv(ConvGeometry),
    /// (dy, weight): the gradient of `Conv` to x, whose height and width it carries.
    ConvToInput {
        /// The convolution's.
        geometry: ConvGeometry,
        /// Of x.
        height: usize,
        /// Of x.
        width: usize,
    },
    /// (x, dy): the gradient of `Conv` to its weight.
    ConvToWeight(ConvGeometry),

    // Channel by channel.
    /// (x, b `[C]`): y = x + b(c).
    AddChannel,
    /// (x): `[C]`, the sum over n, h, w.
    SumChannel,
    /// (x): `[C]`, the sum over n, h, w divided by m.
    ChannelMean,
    /// (x, mean): `[C]`, the mean over n, h, w of (x - mean(c))^2.
    ChannelVariance,
    /// (x, mean, variance, scale, shift): y = (x - mean) / sqrt(variance + eps) * scale + shift.
    BatchNorm {
        /// Added to the variance.
        eps: f64,
        /// Whose mean and variance.
        statistics: Statistics,
    },
    /// (dy, x, mean, variance): `[C]`, the sum of dy (x - mean) / sqrt(variance + eps): the gradient to the scale.
    BatchNormToScale {
        /// Added to the variance.
        eps: f64,
    },
    /// (dy, x, mean, variance, scale, dscale, dshift): the gradient of a batch's normalisation to x,
    /// scale / sqrt(variance + eps) * (dy - dshift / m - xhat dscale / m), xhat = (x - mean) / sqrt(variance + eps)
    /// (Ioffe and Szegedy 2015, section 3, gathered).
    BatchNormToInput {
        /// Added to the variance.
        eps: f64,
    },
    /// (running, batch's, clock): (1 - momentum) running + momentum batch's; the variance times m / (m - 1), or as it is
    /// where m is 1. Left alone where one of the gates is 0: the branch is then not computed.
    Running {
        /// The batch's share.
        momentum: f64,
        /// H W of what was normalised.
        pixels: usize,
        /// Whether it is a variance, kept unbiased.
        variance: bool,
        /// The gates of the branches around it.
        gates: Vec<GateRef>,
    },

    // Element by element.
    /// (x): the activation.
    Act(Activation),
    /// (dy, x): dy times the activation's derivative at x; relu's is 0 at 0.
    ActBack(Activation),
    /// (a, b): a + b.
    Add,
    /// (x, clock): x times the forward factor; its gradient multiplies by the backward factor.
    Scale(Box<ScaleOp>),
    /// (x, clock): x, but 0 where one of the gates is 0, whatever x is: x is 0 then by its equation, and need not be
    /// computed.
    Gated {
        /// The gates.
        gates: Vec<GateRef>,
    },
    /// (x): x times a number, a test-time factor.
    ScaleConst {
        /// The number.
        factor: f64,
        /// The rule that it is the factor of, as the text calls it; printers show it, since the number may change with
        /// the number of residuals.
        of: String,
    },
    /// (x, g): x * g, where g is of x's shape or C x 1 x 1.
    Mul,
    /// (x): C x 1 x 1, the sum over h, w.
    SumPixels,

    // Windows, channels and places.
    /// (x): the mean over a window, the padding counting as zeros.
    AvgPool(Window),
    /// (dy): its gradient.
    AvgPoolBack {
        /// The window.
        window: Window,
        /// Of x.
        height: usize,
        /// Of x.
        width: usize,
    },
    /// (x): the largest of a window; the padding never wins.
    MaxPool(Window),
    /// (dy, x): its gradient, given to the first largest element of each window in the order of rows.
    MaxPoolBack(Window),
    /// (x): C x 1 x 1, the mean over h, w.
    GlobalAvgPool,
    /// (dy): its gradient.
    GlobalAvgPoolBack {
        /// Of x.
        height: usize,
        /// Of x.
        width: usize,
    },
    /// (x): zero channels appended.
    PadChannels {
        /// Channels that leave.
        to: usize,
    },
    /// (x): some of its channels.
    SliceChannels {
        /// The first.
        from: usize,
        /// How many.
        len: usize,
    },
    /// (a, b, …): joined along the channels.
    Concat,
    /// (x): every `stride`-th row and column.
    Subsample {
        /// The step.
        stride: usize,
    },
    /// (dy): its gradient: zeros between.
    SubsampleBack {
        /// The step.
        stride: usize,
        /// Of x.
        height: usize,
        /// Of x.
        width: usize,
    },
    /// (x): y(h, w) = x(h - down, w - right), zero outside.
    Shift {
        /// Rows.
        down: isize,
        /// Columns.
        right: isize,
    },
    /// (x): the same elements, N x C H W x 1 x 1 or back.
    Reshape {
        /// C, H, W that leave.
        dims: [usize; 3],
    },

    // Loss.
    /// (logits, target): scalar, the mean over n of - sum over c of t'(n,c) log softmax(logits)(n,c), where
    /// t' = (1 - smoothing) t + smoothing / classes.
    CrossEntropy {
        /// Share spread over all classes.
        smoothing: f64,
    },
    /// (logits, target): its gradient to the logits, (softmax - t') / N.
    CrossEntropyBack {
        /// Share spread over all classes.
        smoothing: f64,
    },

    /// What the optimizer does.
    Update(UpdateOp),

    /// (x): x, handed out under a name.
    Output(Output),
}

/// An operation of the optimizer; nothing is differentiated through it. A group is `every` steps, counted from the first
/// one.
#[derive(Clone, Debug, PartialEq)]
pub enum UpdateOp {
    /// (gathered, gradient, clock): the mean of the group's gradients so far: gathered + gradient / every, gathered
    /// counting as 0 in the first step of a group.
    Accumulate {
        /// Steps of a group.
        every: u32,
    },
    /// (a, b, …): scalar, the sum of the squares of all elements.
    SquaredNorm,
    /// (gradient, s, t, …): the gradient times min(1, norm / sqrt(s + t + …)).
    Clip {
        /// The largest norm.
        norm: f64,
    },
    /// (weight, gradient, momentum): mu momentum + gradient + decay weight.
    SgdMomentum {
        /// mu.
        momentum: f64,
        /// Weight decay.
        decay: f64,
    },
    /// (weight, gradient, new momentum v, rate): weight - rate v, or with Nesterov
    /// weight - rate (gradient + decay weight + mu v).
    SgdStep {
        /// mu.
        momentum: f64,
        /// Weight decay.
        decay: f64,
        /// Which step.
        nesterov: bool,
    },
    /// (moment, gradient): beta moment + (1 - beta) gradient, or of the gradient's square.
    Moment {
        /// beta.
        beta: f64,
        /// Whether it is the second moment.
        square: bool,
    },
    /// (weight, first moment m, second moment v, rate, clock): weight - rate (m a / (sqrt(v b) + eps) + decay weight), where
    /// a and b are the [bias corrections](crate::net::recipe::bias_correction) of this group's update.
    AdamStep {
        /// Of m.
        beta1: f64,
        /// Of v.
        beta2: f64,
        /// Added to the root.
        eps: f64,
        /// Weight decay.
        decay: f64,
        /// Steps of a group.
        every: u32,
    },
    /// (average, value, clock): d average + (1 - d) value, d being the [decay](crate::net::recipe::averaging) of this
    /// group's update.
    Average {
        /// The decay that d grows to.
        decay: f64,
        /// Steps of a group.
        every: u32,
    },
    /// (new, old, clock): the new value in a step that ends a group, else the old one.
    Hold {
        /// Steps of a group.
        every: u32,
    },
}
