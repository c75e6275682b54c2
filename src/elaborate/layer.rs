//! Layers: arguments to operations, and what to say where a shape does not fit.

use super::line::Line;
use super::machine::{Frame, Machine, Run};
use super::table::TableArgs;
use super::value::Value;
use crate::diag::{Problem, codes};
use crate::net::{
    Activation, ConvOp, Init, Layer, LayerOp, MAX_ELEMENTS, MAX_LAYERS, MAX_PARAMETERS, Misfit, Node, Role, Shape,
    Window,
};
use crate::source::Span;
use crate::syntax::tree::Name;
use crate::typing::program::Args;
use crate::typing::tables::{LayerKind, LayerSpec};

/// A layer's arguments.
struct LayerArgs {
    layer: &'static LayerSpec,
    args: TableArgs,
}

impl LayerArgs {
    fn init(&self) -> Init {
        match self.args.get("init") {
            Some(Value::Init(init)) => *init,
            _ => unreachable!("the table presets it"),
        }
    }

    fn conv(&self, kernel: usize) -> LayerOp {
        let dilation = self.args.needed("dilation");
        LayerOp::Conv(ConvOp {
            out: self.args.needed("out"),
            kernel,
            stride: self.args.needed("stride"),
            pad: self.args.size("pad").unwrap_or(dilation.saturating_mul(kernel / 2)),
            dilation,
            groups: self.args.needed("groups"),
            bias: self.args.flag("bias"),
            init: self.init(),
        })
    }

    fn window(&self) -> Window {
        let kernel = self.args.needed("kernel");
        Window { kernel, stride: self.args.size("stride").unwrap_or(kernel), pad: self.args.needed("pad") }
    }

    fn op(&self) -> LayerOp {
        match self.layer.kind {
            LayerKind::Conv => self.conv(self.args.needed("kernel")),
            LayerKind::Conv1x1 => self.conv(1),
            LayerKind::Conv3x3 => self.conv(3),
            LayerKind::Linear => {
                LayerOp::Linear { out: self.args.needed("out"), bias: self.args.flag("bias"), init: self.init() }
            }
            LayerKind::BatchNorm => {
                LayerOp::BatchNorm { eps: self.args.real("eps"), momentum: self.args.real("momentum") }
            }
            LayerKind::Relu => LayerOp::Activation(Activation::Relu),
            LayerKind::LeakyRelu => LayerOp::Activation(Activation::LeakyRelu { slope: self.args.real("slope") }),
            LayerKind::Silu => LayerOp::Activation(Activation::Silu),
            LayerKind::Sigmoid => LayerOp::Activation(Activation::Sigmoid),
            LayerKind::AvgPool => LayerOp::AvgPool(self.window()),
            LayerKind::MaxPool => LayerOp::MaxPool(self.window()),
            LayerKind::GlobalAvgPool => LayerOp::GlobalAvgPool,
            LayerKind::PadChannels => LayerOp::PadChannels { to: self.args.needed("to") },
            LayerKind::Subsample => LayerOp::Subsample { stride: self.args.needed("stride") },
            LayerKind::Shift => LayerOp::Shift { down: self.args.signed("down"), right: self.args.signed("right") },
            LayerKind::Flatten => LayerOp::Flatten,
        }
    }
}

impl<'a> Machine<'a> {
    /// A layer at the end of the line.
    pub fn layer(
        &mut self,
        frame: &Frame,
        line: &mut Line,
        (layer, args): (&'static LayerSpec, &'a Args),
        alias: Option<&Name>,
        span: Span,
    ) -> Run<()> {
        let args = self.table_args(frame, layer.params, args, layer.counted_as)?;
        let op = LayerArgs { layer, args }.op();
        let path = self.part(line, alias, span, |line| line.numbered(layer.counted_as))?;
        let input = line.shape;
        let output = match op.output(input) {
            Ok(output) => output,
            Err(misfit) => {
                let problem = tell(&op, layer.name, input, misfit, span);
                return Err(self.stop(problem));
            }
        };
        self.count_layer(span)?;
        let layer = Layer { path, op, input, output, span };
        self.count_parameters(&layer)?;
        line.push(Node::Layer(layer));
        Ok(())
    }

    /// Counts one layer.
    pub fn count_layer(&mut self, span: Span) -> Run<()> {
        self.built.layers += 1;
        if self.built.layers <= MAX_LAYERS {
            return Ok(());
        }
        let message = format!("the network has more than {MAX_LAYERS} layers");
        let help = "look for a loop that runs too far, or a depth that is too large";
        Err(self.stop(Problem::error(codes::TOO_MANY_LAYERS, span, message, help)))
    }

    fn count_parameters(&mut self, layer: &Layer) -> Run<()> {
        for parameter in layer.parameters().iter().filter(|p| p.role != Role::State) {
            let size = parameter.dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
            let all = size.and_then(|n| self.built.parameters.checked_add(n)).filter(|n| *n <= MAX_PARAMETERS);
            match all {
                Some(all) => self.built.parameters = all,
                None => {
                    let message = "the network has more than 2^40 parameters";
                    let help = "use smaller widths";
                    return Err(self.stop(Problem::error(codes::TOO_BIG, layer.span, message, help)));
                }
            }
        }
        Ok(())
    }
}

/// Says why a layer cannot take the shape that reaches it.
fn tell(op: &LayerOp, name: &str, input: Shape, misfit: Misfit, span: Span) -> Problem {
    let code = if misfit == Misfit::TooBig { codes::TOO_BIG } else { codes::BAD_SHAPE };
    let (message, help) = match misfit {
        Misfit::Window { kernel, pad } => (
            format!(
                "`{name}` covers {kernel} x {kernel} pixels, and {}",
                if pad > 0 {
                    format!("the image with its border of {pad} is smaller")
                } else {
                    "the image is smaller".into()
                }
            ),
            match op {
                LayerOp::Conv(conv) if name == "conv" && conv.out < 8 && conv.out % 2 == 1 => {
                    format!("the kernel comes first: is `conv({}, {kernel})` meant?", conv.out)
                }
                _ => "use a smaller kernel, a wider border, or fewer strides before it".to_owned(),
            },
        ),
        Misfit::Border { kernel, pad } => (
            format!("a border of {pad} is more than half a window of {kernel}: some windows would hold no pixel"),
            format!("use `pad: {}` or less", kernel / 2),
        ),
        Misfit::Groups { channels, groups, out } => (
            format!(
                "{channels} channels {} do not divide into {groups} groups",
                if out { "that leave" } else { "that enter" }
            ),
            format!(
                "{}use a multiple of {groups}, or other `groups`",
                if out { "" } else { "change the layer before: " }
            ),
        ),
        Misfit::NotVector => (
            format!("`{name}` takes a vector, and an image of {input} reaches it"),
            "put `global_avg_pool` or `flatten` before it".to_owned(),
        ),
        Misfit::Narrower { to } => (
            format!("`{name}` appends channels up to {to}, and {} reach it already", input.channels),
            format!("use a width of at least {}, or `conv1x1({to})` to narrow", input.channels),
        ),
        Misfit::ShiftedAway => (
            format!("`{name}` moves the whole image out of sight"),
            format!("move by less than {} rows and {} columns", input.height, input.width),
        ),
        Misfit::TooBig => (
            format!("`{name}` gives a tensor of more than 2^{} elements", MAX_ELEMENTS.ilog2()),
            "use smaller sizes".to_owned(),
        ),
    };
    let problem = Problem::error(code, span, message, help).here(format!("{input} reaches it"));
    match (misfit, op) {
        (Misfit::NotVector, LayerOp::Linear { .. }) => {
            problem.because("`linear` is a matrix on C x 1 x 1; an image has rows and columns besides")
        }
        _ => problem,
    }
}
