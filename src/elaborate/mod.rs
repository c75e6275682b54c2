//! Runs a typed program: loops, shapes and paths to a [`Network`], rules onto its residuals, `train` to a [`Recipe`].
//!
//! Evaluation is bounded in steps, depth and size, and all its arithmetic is checked, so that no program can hang it
//! or exhaust memory or stack. Absences: no file is read, no tree is seen, no graph is built.

mod advice;
mod arms;
mod body;
mod data;
mod disagreement;
mod draw;
mod eval;
mod layer;
mod line;
mod machine;
mod names;
mod number;
mod place;
mod recipe;
mod require;
mod rule;
mod table;
mod value;
mod worked;

pub use machine::MAX_STEPS;

use self::line::Line;
use self::machine::{Figures, Frame, Machine, Run, Stop};
use self::value::Value;
use crate::diag::{Problem, Problems, codes};
use crate::net::{Counts, Network, Path, Recipe, Shape};
use crate::resolve::{Chosen, ItemId};
use crate::source::{Sources, Span};
use crate::typing::program::{Item, Model, ModelStmt, Net, Program};

/// What a program builds.
#[derive(Clone, Debug)]
pub struct Built {
    /// The model.
    pub network: Network,
    /// How it is trained, where the program says so.
    pub recipe: Option<Recipe>,
}

/// Builds the chosen model and its recipe; none where a problem refuses either.
pub fn build(program: &Program, chosen: Chosen, sources: &Sources, problems: &mut Problems) -> Option<Built> {
    let (network, _) = network(program, chosen.model, Asserted::No, 0, sources, problems);
    let train = chosen.train.and_then(|n| program.trains.get(n));
    let recipe = train.map(|t| recipe::recipe(&mut Machine::new(program, sources, problems), t, network.as_ref()));
    match recipe {
        Some(None) => None,
        Some(recipe @ Some(_)) => Some(Built { network: network?, recipe }),
        None => Some(Built { network: network?, recipe: None }),
    }
}

/// Builds everything that the user's own file says: each model whose parameters all have defaults, with its recipes. The
/// networks are those that could be built.
pub fn check(program: &Program, sources: &Sources, problems: &mut Problems) -> Vec<Network> {
    let mut steps = 0;
    let mut networks = Vec::new();
    for &id in &program.models {
        let Item::Model(model) = &program.items[id.index()] else { continue };
        // The limit is the program's; the model that has reached it has said so.
        if steps > MAX_STEPS {
            break;
        }
        if model.params.iter().all(|p| p.default.is_some()) {
            let (network, taken) = network(program, id, Asserted::Yes, steps, sources, problems);
            steps = taken;
            for train in program.trains.iter().filter(|t| t.model == Some(id)) {
                recipe::recipe(&mut Machine::new(program, sources, problems), train, network.as_ref());
            }
            networks.extend(network);
        }
    }
    networks
}

/// Whether a model is held against what its text asserts. It is where a text is checked as it stands, and not where a
/// value may be set beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asserted {
    Yes,
    No,
}

/// Builds one model with the defaults of its parameters, `steps` having been taken before; and how many are then.
fn network(
    program: &Program,
    id: ItemId,
    asserted: Asserted,
    steps: u64,
    sources: &Sources,
    problems: &mut Problems,
) -> (Option<Network>, u64) {
    let mut machine = Machine::new(program, sources, problems);
    machine.steps = steps;
    let name = program.items[id.index()].name();
    let draft = machine.model(id, Vec::new(), name.span).ok();
    let residuals = machine.built.residuals;
    let network = draft.map(|draft| {
        let (input, body, output) = (draft.input, draft.line.nodes, draft.line.shape);
        let network = Network { name: name.text.clone(), input, body, output, residuals };
        debug_assert_eq!(network.verify(), Ok(()), "what is built keeps its invariants");
        if asserted == Asserted::Yes {
            machine.assertions(draft.frame, id, &network);
        }
        network
    });
    (network, machine.steps)
}

/// A model's network with its rules.
struct Draft {
    input: Shape,
    line: Line,
    /// The model's parameters and `let`s.
    frame: Frame,
}

impl<'a> Machine<'a> {
    fn model(&mut self, id: ItemId, mut args: Vec<Option<Value>>, call: Span) -> Run<Draft> {
        let callee = self.item(id);
        let Item::Model(model) = callee else { unreachable!("only models are built") };
        args.resize(model.params.len(), None);
        let mut frame = Frame::default();
        self.enter(callee, args, &mut frame, call)?;
        let input = self.settings(&mut frame, model)?;
        let mut draft = self.net(&mut frame, model, input)?;
        let mut rules = self.pending_rules()?;
        place::fill(&mut draft.line.nodes, &mut rules);
        self.placements(&mut frame, model, &mut draft.line.nodes)?;
        Ok(Draft { frame, ..draft })
    }

    /// Holds a built model against what its text asserts; one assertion that fails does not hide the others.
    fn assertions(&mut self, mut frame: Frame, id: ItemId, network: &Network) {
        let Item::Model(model) = self.item(id) else { unreachable!("only models are built") };
        let Counts { parameters, multiply_adds } = network.counts();
        let mut layers = 0;
        network.layers(&mut |_| layers += 1);
        let (residuals, sites) = (network.residuals, network.sites().len());
        frame.figures = Some(Figures { parameters, multiply_adds, layers, residuals, sites });
        for stmt in &model.body {
            let ModelStmt::Assert(assert) = stmt else { continue };
            // What has no value has said so.
            if let Ok(false) = self.truth(&frame, &assert.cond) {
                let problem = require::refuted(self, &frame, assert, &network.name);
                self.stop(problem);
            }
        }
    }

    /// Lets, conditions and the input, in order.
    fn settings(&mut self, frame: &mut Frame, model: &'a Model) -> Run<Option<(Shape, Span)>> {
        let mut input = None;
        for stmt in &model.body {
            match stmt {
                ModelStmt::Let { slot, value } => {
                    let value = self.eval(frame, value)?;
                    frame.set(*slot, value);
                }
                ModelStmt::Require(require) => self.require(frame, require)?,
                ModelStmt::Input { dims, span } => input = Some((self.input(frame, dims, *span)?, *span)),
                // Asserted of what is built.
                ModelStmt::Net { .. } | ModelStmt::Place(_) | ModelStmt::Assert(_) => {}
            }
        }
        Ok(input)
    }

    fn input(&mut self, frame: &Frame, dims: &'a [crate::typing::program::Expr; 3], span: Span) -> Run<Shape> {
        let mut sizes = [0; 3];
        for (size, dim) in sizes.iter_mut().zip(dims) {
            let value = self.eval(frame, dim)?;
            self.check_bounds(&value, "a size", crate::typing::tables::Bounds::SIZE, dim.span)?;
            let Value::Int(v) = value else { unreachable!("typing makes sizes whole numbers") };
            *size = usize::try_from(v).expect("within its bounds");
        }
        let shape = Shape::new(sizes[0], sizes[1], sizes[2]);
        if shape.checked_elements().is_none() {
            let message = "an image of more than 2^31 elements";
            return Err(self.stop(Problem::error(codes::TOO_BIG, span, message, "use smaller sizes")));
        }
        if let [rows, columns, channels @ (1 | 3)] = sizes
            && rows == columns
            && columns > channels
        {
            let message = format!("an image of {rows} channels, {columns} rows and {channels} columns");
            let help = format!("channels come first: `[{channels}, {rows}, {columns}]`");
            self.problems.push(Problem::warning(codes::CHANNELS_LAST, span, message, help));
        }
        Ok(shape)
    }

    fn net(&mut self, frame: &mut Frame, model: &'a Model, input: Option<(Shape, Span)>) -> Run<Draft> {
        let net = model.body.iter().find_map(|stmt| match stmt {
            ModelStmt::Net { net, span } => Some((net, *span)),
            _ => None,
        });
        // A model without a network, or without an input, has been refused.
        let (net, span) = net.ok_or(Stop)?;
        if let Net::Model { model: inner, args } = net {
            let args = self.arguments(frame, args, eval::params_of(self.item(*inner)))?;
            let draft = self.called(span, |this| this.model(*inner, args, span))?;
            return match input {
                Some((own, place)) if own != draft.input => {
                    let message = format!("the input is {own}, and the network is built for {}", draft.input);
                    let help = "remove the `input` here: it comes with the model after `net`";
                    Err(self.stop(Problem::error(codes::BAD_MODEL, place, message, help)))
                }
                Some(_) | None => Ok(draft),
            };
        }
        let (input, _) = input.ok_or(Stop)?;
        let mut line = Line::new(Path::root(), input);
        frame.input = Some(input);
        match net {
            Net::Broken => return Err(Stop),
            Net::Model { .. } => unreachable!("done above"),
            Net::Body(body) => self.with_presets(|this| this.body(frame, &mut line, body))?,
            Net::Block(call) => {
                let call = self.block_call(frame, call, span)?;
                let callee = self.item(call.block);
                let Item::Block(block) = callee else { unreachable!("a block value is a block") };
                self.called(call.span, |this| {
                    let mut inner = Frame::default();
                    this.enter(callee, call.args, &mut inner, span)?;
                    this.with_presets(|this| this.body(&mut inner, &mut line, &block.body))
                })?;
            }
        }
        Ok(Draft { input, line, frame: Frame::default() })
    }
}
