//! The typed program: what the items say, with every name resolved and every value's type known.
//!
//! Invariants:
//! 1. Every [`Expr`] has the type that its place takes; where a number widens or a probability has to be checked
//!    there is a [`Convert`](ExprKind::Convert).
//! 2. A [`Local`](ExprKind::Local) lies in the frame of its item: parameters first, then `let`s and counters.
//! 3. [`Args`] name parameters of the callee, each once; of a call that is not open, all that have no default.
//! 4. What was refused is `Broken`, and a problem says why: who meets it stops without another word.
//!
//! Absence: no shape and no path; those come when the program is run.

use super::tables::{Builtin, DrawKind, KeySpec, LayerSpec, OptionSpec};
use super::types::Type;
use crate::net::{Init, Level};
use crate::resolve::ItemId;
use crate::source::{SourceId, Span};
use crate::syntax::tree::{ArmKind, At, BinaryOp, FactorKind, Name};

/// A typed program.
#[derive(Clone, Debug)]
pub struct Program {
    /// By [`ItemId`].
    pub items: Vec<Item>,
    /// The models of the user's own file, in order.
    pub models: Vec<ItemId>,
    /// The `train` items of the user's own file, in order.
    pub trains: Vec<Train>,
    /// The user's own text.
    pub main: SourceId,
    /// The texts of the standard library.
    pub library: Vec<SourceId>,
}

/// A typed item.
#[derive(Clone, Debug)]
pub enum Item {
    /// A constant.
    Const(Const),
    /// A function.
    Fn(Fn),
    /// A block or a family.
    Block(Block),
    /// A regularizer.
    Rule(Rule),
    /// A model.
    Model(Model),
}

impl Item {
    /// Its name in the text.
    pub fn name(&self) -> &Name {
        match self {
            Item::Const(c) => &c.name,
            Item::Fn(f) => &f.name,
            Item::Block(b) => &b.name,
            Item::Rule(r) => &r.name,
            Item::Model(m) => &m.name,
        }
    }
}

/// `const n = …`.
#[derive(Clone, Debug)]
pub struct Const {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Expr,
}

/// `fn f(…) = …`.
#[derive(Clone, Debug)]
pub struct Fn {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its body, of its result's type.
    pub body: Expr,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Its default, over the parameters before it.
    pub default: Option<Expr>,
}

/// A block or a family.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name.
    pub name: Name,
    /// Whether it is a family: a whole network.
    pub family: bool,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its facts, over top-level names only.
    pub facts: Vec<(Name, Expr)>,
    /// What it does.
    pub body: Vec<Stmt>,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// Which.
    pub kind: StmtKind,
    /// All of it.
    pub span: Span,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// It was refused.
    Broken,
    /// A layer is applied.
    Layer {
        /// Which.
        layer: &'static LayerSpec,
        /// Its arguments.
        args: Args,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// A block is applied.
    Block {
        /// Which, with what.
        call: BlockCall,
        /// The name as it is written.
        name: String,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// A rule multiplies what passes.
    Rule {
        /// Which.
        call: RuleCall,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// `let`.
    Let {
        /// Where in the frame.
        slot: usize,
        /// What.
        value: Expr,
    },
    /// A loop.
    For(For<Vec<Stmt>>),
    /// A choice.
    If(If<Vec<Stmt>>),
    /// A condition.
    Require(Require),
    /// Presets for the rest of the family.
    Default {
        /// Of which layer.
        layer: &'static LayerSpec,
        /// Which.
        args: Args,
    },
    /// A stage.
    Stage {
        /// Its name.
        name: Name,
        /// Its number.
        index: Option<Expr>,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// A residual.
    Residual {
        /// Its arms.
        arms: Vec<ArmStmt>,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// A concat.
    Concat {
        /// Its arms.
        arms: Vec<ArmStmt>,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// A gate.
    Scale {
        /// Its path.
        body: Vec<Stmt>,
        /// The name after `as`.
        alias: Option<Name>,
    },
}

/// A loop over `B`.
#[derive(Clone, Debug)]
pub struct For<B> {
    /// The counter's place in the frame.
    pub slot: usize,
    /// First value.
    pub lo: Expr,
    /// One past the last value.
    pub hi: Expr,
    /// What is repeated.
    pub body: B,
}

/// A choice between two `B`.
#[derive(Clone, Debug)]
pub struct If<B> {
    /// The condition.
    pub cond: Expr,
    /// Where it holds.
    pub then: B,
    /// Where it does not.
    pub otherwise: B,
}

/// A statement among arms.
#[derive(Clone, Debug)]
pub enum ArmStmt {
    /// An arm.
    Arm {
        /// Which.
        kind: ArmKind,
        /// Its statements.
        body: Vec<Stmt>,
        /// All of it.
        span: Span,
    },
    /// Arms in a loop.
    For(For<Vec<ArmStmt>>),
    /// Arms under a condition.
    If(If<Vec<ArmStmt>>),
    /// `let`.
    Let {
        /// Where in the frame.
        slot: usize,
        /// What.
        value: Expr,
    },
}

/// A condition with a message.
#[derive(Clone, Debug)]
pub struct Require {
    /// What must hold.
    pub cond: Expr,
    /// What to say where it does not.
    pub message: String,
    /// All of it.
    pub span: Span,
}

/// Arguments, each with the index of its parameter, rising; where there is none, the default applies.
#[derive(Clone, Debug, Default)]
pub struct Args(pub Vec<(usize, Expr)>);

/// A call of a block.
#[derive(Clone, Debug)]
pub enum BlockCall {
    /// Of one that the text names: its arguments are checked.
    Known {
        /// Which.
        block: ItemId,
        /// Its arguments.
        args: Args,
    },
    /// Of a value: its arguments are checked when the value is known.
    Value {
        /// What gives the block.
        value: Box<Expr>,
        /// The arguments as they are written.
        args: Vec<(Option<Name>, Expr)>,
        /// The call in the text.
        span: Span,
    },
}

/// A call of a rule, as a layer or in a placement.
#[derive(Clone, Debug)]
pub struct RuleCall {
    /// Which.
    pub rule: ItemId,
    /// Its arguments.
    pub args: Args,
    /// The name as it is written.
    pub name: Name,
    /// The call in the text.
    pub span: Span,
}

/// A stochastic rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The number after `on`.
    pub branches: Option<Expr>,
    /// Whether it gives one factor a branch.
    pub list: bool,
    /// Its statements.
    pub body: Vec<RuleStmt>,
}

/// A statement of a rule.
#[derive(Clone, Debug)]
pub enum RuleStmt {
    /// `let`.
    Let {
        /// Where in the frame.
        slot: usize,
        /// What.
        value: Expr,
    },
    /// A condition.
    Require(Require),
    /// An equation.
    Equation {
        /// Which factor.
        factor: FactorKind,
        /// Where in the frame its value is for the equations after it.
        slot: usize,
        /// What.
        value: Expr,
    },
}

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its statements.
    pub body: Vec<ModelStmt>,
}

/// A statement of a model.
#[derive(Clone, Debug)]
pub enum ModelStmt {
    /// `input image[C, H, W]`.
    Input {
        /// C, H, W.
        dims: [Expr; 3],
        /// All of it.
        span: Span,
    },
    /// `net …`.
    Net {
        /// What.
        net: Net,
        /// All of it.
        span: Span,
    },
    /// `place …`.
    Place(Place),
    /// `let`.
    Let {
        /// Where in the frame.
        slot: usize,
        /// What.
        value: Expr,
    },
    /// A condition.
    Require(Require),
    /// What is asserted of the network.
    Assert(Assert),
}

/// What is asserted of a model's network.
#[derive(Clone, Debug)]
pub struct Assert {
    /// What must hold.
    pub cond: Expr,
    /// What to say where it does not, if the text has it.
    pub message: Option<String>,
}

/// What a model's network is.
#[derive(Clone, Debug)]
pub enum Net {
    /// It was refused.
    Broken,
    /// A family or a block.
    Block(BlockCall),
    /// Another model's network with its rules.
    Model {
        /// Which.
        model: ItemId,
        /// Its arguments.
        args: Args,
    },
    /// Statements in braces.
    Body(Vec<Stmt>),
}

/// A placement.
#[derive(Clone, Debug)]
pub struct Place {
    /// The rule.
    pub rule: RuleCall,
    /// The path pattern; none for all residuals.
    pub pattern: Option<String>,
    /// The selection in the text.
    pub on: Span,
    /// The condition.
    pub filter: Option<Expr>,
    /// `sum` or `branch`, where it is said.
    pub at: Option<(At, Span)>,
    /// All of it.
    pub span: Span,
}

/// How a model is trained.
#[derive(Clone, Debug)]
pub struct Train {
    /// Which model; none if the name was refused.
    pub model: Option<ItemId>,
    /// The model's name in the text.
    pub name: Name,
    /// What is said.
    pub settings: Vec<Setting>,
}

/// One option.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which.
    pub key: &'static KeySpec,
    /// What it is.
    pub value: SettingValue,
    /// The words after `except`.
    pub except: Vec<Name>,
    /// All of it.
    pub span: Span,
}

/// What an option is.
#[derive(Clone, Debug)]
pub enum SettingValue {
    /// It was refused.
    Broken,
    /// A value.
    Value(Expr),
    /// One or several of those that the key takes.
    Options(Vec<Chosen>),
}

/// One of the things that a key takes.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which.
    pub option: &'static OptionSpec,
    /// Its arguments; words are strings.
    pub args: Args,
    /// Its options.
    pub settings: Vec<Setting>,
    /// Its name in the text.
    pub span: Span,
}

/// A typed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Its place.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// It was refused.
    Broken,
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A text.
    Str(String),
    /// A level.
    Level(Level),
    /// An initialiser.
    Init(Init),
    /// A parameter, `let` or counter.
    Local(usize),
    /// A constant.
    Const(ItemId),
    /// What is known where a rule stands.
    Site(SiteValue),
    /// `in.channels` and the like.
    In(Axis),
    /// A block as a value, perhaps with arguments bound.
    Block(Box<BlockCall>),
    /// `block.layers`.
    Fact(Box<Expr>, Name),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `lo..hi`
    Range(Box<Expr>, Box<Expr>),
    /// `-x`
    Neg(Box<Expr>),
    /// `not x`
    Not(Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c { a } else { b }`
    If(Box<If<Expr>>),
    /// `list[i]`
    Index(Box<Expr>, Box<Expr>),
    /// A function of the language.
    Builtin(Builtin, Vec<Expr>),
    /// A draw: its probability or range, and its level.
    Draw(DrawKind, Box<Expr>, Box<Expr>),
    /// A function of the program.
    Call(ItemId, Args),
    /// The value as one of this expression's type.
    Convert(Box<Expr>),
}

/// What is known where a rule stands, or of a network that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteValue {
    /// `l`
    Place,
    /// `L`
    Count,
    /// An axis of the residual's output.
    Output(Axis),
    /// In an assertion.
    Figure(Figure),
}

/// What a network comes to, as an assertion names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// `parameters`
    Parameters,
    /// `multiply_adds`
    MultiplyAdds,
    /// `layers`
    Layers,
    /// `residuals`
    Residuals,
    /// `sites`
    Sites,
}

impl Figure {
    /// All with their names and what they are.
    pub const ALL: [(&'static str, Figure, &'static str); 5] = [
        (
            "parameters",
            Figure::Parameters,
            "How many trained numbers the network has; running statistics do not count.",
        ),
        ("multiply_adds", Figure::MultiplyAdds, "Multiply-adds of convolutions and linear layers for one image."),
        ("layers", Figure::Layers, "How many layers the network has, those without weights included."),
        ("residuals", Figure::Residuals, "How many residuals the network has: L."),
        ("sites", Figure::Sites, "At how many places a stochastic rule stands."),
    ];

    /// The figure with this name.
    pub fn named(name: &str) -> Option<Figure> {
        Figure::ALL.iter().find(|(n, ..)| *n == name).map(|(_, figure, _)| *figure)
    }
}

/// An axis of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// `channels`
    Channels,
    /// `height`
    Height,
    /// `width`
    Width,
}

impl Axis {
    /// All with their names.
    pub const ALL: [(&'static str, Axis); 3] =
        [("channels", Axis::Channels), ("height", Axis::Height), ("width", Axis::Width)];

    /// The axis with this name.
    pub fn named(name: &str) -> Option<Axis> {
        Axis::ALL.iter().find(|(n, _)| *n == name).map(|(_, axis)| *axis)
    }
}
