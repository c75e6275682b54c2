//! The syntax tree: what the text says, with the place of every part, before anything has a meaning.
//!
//! Invariants: every span lies in the file's text and holds the spans of its parts; nesting is at most
//! [`MAX_NESTING`](super::MAX_NESTING) levels, so recursion over the tree is safe. Absence: no layer, rule or option is
//! known here by name.

use crate::source::{SourceId, Span};

/// An identifier where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The identifier.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// One source text.
#[derive(Clone, Debug)]
pub struct File {
    /// Which text.
    pub source: SourceId,
    /// The items that could be read, in order.
    pub items: Vec<Item>,
    /// Every comment, documentation included, in order.
    pub comments: Vec<Comment>,
}

/// A `//` or `///` comment, without the line's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// With its slashes.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// A top-level definition.
#[derive(Clone, Debug)]
pub struct Item {
    /// The `///` lines before it, without slashes and the space after them; empty if there are none.
    pub doc: Vec<String>,
    /// What it defines.
    pub kind: ItemKind,
    /// The whole item, without its documentation.
    pub span: Span,
}

/// What an item defines.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `use std.resnet.{basic}` or `use "blocks.sd".{stem}`.
    Use(Use),
    /// `const width = 16`, at the top level.
    Const(Const),
    /// `fn f(x: real) -> real = x * 2`.
    Fn(Fn),
    /// `block b(width: int) { … }`.
    Block(Block),
    /// `family f(depth: int) { … }`; the same parts as a block.
    Family(Block),
    /// `regularizer r(p: prob) on 2 branches { … }`.
    Regularizer(Regularizer),
    /// `model M { … }`.
    Model(Model),
    /// `train M { … }`.
    Train(Train),
}

impl ItemKind {
    /// Its parameters.
    pub fn params(&self) -> &[Param] {
        match self {
            ItemKind::Use(_) | ItemKind::Const(_) | ItemKind::Train(_) => &[],
            ItemKind::Fn(function) => &function.params,
            ItemKind::Block(block) | ItemKind::Family(block) => &block.params,
            ItemKind::Regularizer(rule) => &rule.params,
            ItemKind::Model(model) => &model.params,
        }
    }
}

/// An import.
#[derive(Clone, Debug)]
pub struct Use {
    /// From where.
    pub from: UseFrom,
    /// Which names.
    pub names: Vec<Name>,
}

/// Where a `use` looks.
#[derive(Clone, Debug)]
pub enum UseFrom {
    /// `std.resnet`: the parts of the dotted path.
    Library(Vec<Name>),
    /// `"blocks.sd"`: a file beside this one.
    File {
        /// The path between the quotes.
        path: String,
        /// The string with its quotes.
        span: Span,
    },
}

/// A named value: at the top level a constant, in a block a fact, in equations and bodies a `let`.
#[derive(Clone, Debug)]
pub struct Const {
    /// Its name.
    pub name: Name,
    /// Its declared type, if any.
    pub ty: Option<Type>,
    /// Its value.
    pub value: Expr,
    /// From the keyword to the value.
    pub span: Span,
}

/// A pure function.
#[derive(Clone, Debug)]
pub struct Fn {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The type of its result, if declared.
    pub result: Option<Type>,
    /// Its body.
    pub body: Expr,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Its default, if any.
    pub default: Option<Expr>,
    /// All of it.
    pub span: Span,
}

/// A type where it is written.
#[derive(Clone, Debug)]
pub struct Type {
    /// Which.
    pub kind: TypeKind,
    /// Its place.
    pub span: Span,
}

/// A written type.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `int`, `real`, `prob`, `bool`, `string`, `range`, `level`, `block`, or a name that is none of them.
    Named(Name),
    /// `[T]`.
    List(Box<Type>),
}

/// A block or a family.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// What it does, in order.
    pub body: Vec<Stmt>,
}

/// A statement of a block, family, arm or stage.
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
    /// A layer, a block or a rule is applied: `conv3x3(width, stride: 2) as mid`.
    Apply {
        /// What, with which arguments.
        call: Call,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// `let k = …`.
    Let(Const),
    /// `const layers = 2`: a fact of the block.
    Fact(Const),
    /// `for i in 0..<n { … }`.
    For {
        /// The counter.
        var: Name,
        /// First value.
        lo: Expr,
        /// One past the last value.
        hi: Expr,
        /// What is repeated.
        body: Vec<Stmt>,
    },
    /// `if c { … } else { … }`; `else if` is an `If` alone in `otherwise`.
    If {
        /// The condition.
        cond: Expr,
        /// Where it holds.
        then: Vec<Stmt>,
        /// Where it does not.
        otherwise: Vec<Stmt>,
    },
    /// `require c : "message"`.
    Require(Require),
    /// `default conv(init: he_normal_in)`: for the rest of the family.
    Default(Call),
    /// `stage group[s] { … }`.
    Stage {
        /// Its name.
        name: Name,
        /// The number in brackets, if any.
        index: Option<Expr>,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// `residual { branch { … } shortcut { … } }`; the arms may stand in `for` and `if`.
    Residual {
        /// Its arms.
        arms: Vec<ArmStmt>,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// `concat { path { … } path { … } }`.
    Concat {
        /// Its arms.
        arms: Vec<ArmStmt>,
        /// The name after `as`.
        alias: Option<Name>,
    },
    /// `scale { … }`: what passes is multiplied by what the body makes of it.
    Scale {
        /// The gating path.
        body: Vec<Stmt>,
        /// The name after `as`.
        alias: Option<Name>,
    },
}

/// A statement among the arms of a `residual` or `concat`.
#[derive(Clone, Debug)]
pub struct ArmStmt {
    /// Which.
    pub kind: ArmStmtKind,
    /// All of it.
    pub span: Span,
}

/// What stands among arms.
#[derive(Clone, Debug)]
pub enum ArmStmtKind {
    /// `branch { … }`, `shortcut { … }` or `path { … }`.
    Arm {
        /// Which of the three.
        kind: ArmKind,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// Arms in a loop.
    For {
        /// The counter.
        var: Name,
        /// First value.
        lo: Expr,
        /// One past the last value.
        hi: Expr,
        /// What is repeated.
        body: Vec<ArmStmt>,
    },
    /// Arms under a condition.
    If {
        /// The condition.
        cond: Expr,
        /// Where it holds.
        then: Vec<ArmStmt>,
        /// Where it does not.
        otherwise: Vec<ArmStmt>,
    },
    /// A `let` among arms.
    Let(Const),
}

/// Which arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmKind {
    /// Of a residual: the learned function F.
    Branch,
    /// Of a residual: what F is added to.
    Shortcut,
    /// Of a concat.
    Path,
}

/// `require COND : "message"`.
#[derive(Clone, Debug)]
pub struct Require {
    /// What must hold.
    pub cond: Expr,
    /// What to say where it does not.
    pub message: String,
    /// All of it.
    pub span: Span,
}

/// A stochastic rule.
#[derive(Clone, Debug)]
pub struct Regularizer {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub params: Vec<Param>,
    /// The number in `on 2 branches`, if any.
    pub branches: Option<Expr>,
    /// Its statements.
    pub body: Vec<RuleStmt>,
}

/// A statement of a rule.
#[derive(Clone, Debug)]
pub enum RuleStmt {
    /// `let b = bernoulli(p, per: gate)`.
    Let(Const),
    /// `require p > 0 : "…"`.
    Require(Require),
    /// `forward = …`, `backward = …` or `test = …`.
    Equation {
        /// Which factor.
        factor: FactorKind,
        /// Its name in the text.
        name: Name,
        /// What it is.
        value: Expr,
    },
}

/// Which factor an equation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// In training's forward pass.
    Forward,
    /// In training's backward pass.
    Backward,
    /// At test time.
    Test,
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
    /// `input image[3, 32, 32]`.
    Input {
        /// `image`.
        name: Name,
        /// The numbers in brackets.
        dims: Vec<Expr>,
        /// All of it.
        span: Span,
    },
    /// `net pyramidnet(…)`, `net Other` or `net { … }`.
    Net {
        /// What.
        net: NetSource,
        /// All of it.
        span: Span,
    },
    /// `place RULE on SELECTION …`.
    Place(Place),
    /// `let n = …`.
    Let(Const),
    /// `require c : "…"`.
    Require(Require),
    /// `assert parameters == 28_485_477`.
    Assert(Assert),
}

/// `assert COND` or `assert COND : "message"`: what a model that is built as its text says comes to.
#[derive(Clone, Debug)]
pub struct Assert {
    /// What must hold.
    pub cond: Expr,
    /// What to say where it does not, if the text has it.
    pub message: Option<String>,
    /// All of it.
    pub span: Span,
}

/// What a model's `net` is.
#[derive(Clone, Debug)]
pub enum NetSource {
    /// A family, a block or another model.
    Call(Call),
    /// Statements in braces.
    Body(Vec<Stmt>),
}

/// `place RULE(args) on SELECTION [where COND] [at sum | at branch]`.
#[derive(Clone, Debug)]
pub struct Place {
    /// The rule.
    pub rule: Call,
    /// Where.
    pub on: Selection,
    /// The condition after `where`.
    pub filter: Option<Expr>,
    /// After `at`: the word, `sum` or `branch`.
    pub at: Option<(At, Span)>,
    /// All of it.
    pub span: Span,
}

/// Which residuals a placement selects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// `residuals`, or a path pattern such as `group[2].*`: its text without white space.
    pub pattern: String,
    /// Its place.
    pub span: Span,
}

/// Where in a residual a scalar rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After the branches are added, before the shortcut is (Type A).
    Sum,
    /// On each branch, with draws of its own (Type B).
    Branch,
}

/// How a model is trained.
#[derive(Clone, Debug)]
pub struct Train {
    /// Which model.
    pub model: Name,
    /// Its options.
    pub entries: Vec<Entry>,
}

/// One option of `train` or of a part of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name: `data`, `epochs`, `lr`, `pad_crop`.
    pub key: Name,
    /// What stands in parentheses directly after the key: `pad_crop(4)`.
    pub args: Vec<Arg>,
    /// What follows the key, with a colon or without: `epochs 300`, `lr: 0.5`, `data cifar10`, `loss cross_entropy(…)`.
    pub value: Option<Expr>,
    /// The words and path patterns after `except`, patterns without white space.
    pub except: Vec<Name>,
    /// The options in braces; none if there are no braces.
    pub body: Vec<Entry>,
    /// All of it.
    pub span: Span,
}

/// Something with arguments: `f`, `f(1, x: 2)`, `f(x: 2, ..)`.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called.
    pub callee: Name,
    /// Its arguments; positional ones come first.
    pub args: Vec<Arg>,
    /// The place of a final `..`: the rest is bound later (a block value).
    pub open: Option<Span>,
    /// All of it.
    pub span: Span,
}

/// An argument.
#[derive(Clone, Debug)]
pub struct Arg {
    /// The parameter's name, where it is given.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `28_485_477`.
    Int(i64),
    /// `1e-4`.
    Real(f64),
    /// `true`.
    Bool(bool),
    /// `"text"`, without its quotes and with its escapes resolved.
    Str(String),
    /// `x`.
    Name(String),
    /// `[1, 2]`.
    List(Vec<Expr>),
    /// `lo..hi`, binding loosest of all.
    Range(Box<Expr>, Box<Expr>),
    /// `- x` or `not x`.
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c { a } else { b }`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `block.layers`, `in.channels`.
    Field(Box<Expr>, Name),
    /// `list[0]`.
    Index(Box<Expr>, Box<Expr>),
    /// `f(x)`.
    Call(Call),
}

/// An operator before its operand. `not` binds more loosely than comparison and more tightly than `and`; `-` more
/// tightly than `*` and more loosely than `^`, so that `-x ^ 2` is minus the square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// An operator between its operands, loosest first: `or`; `and`; comparison; `+ -`; `* / %`; `^` (to the right).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`, always a real
    Div,
    /// `%`
    Rem,
    /// `^`
    Pow,
}

impl BinaryOp {
    /// Every one of them.
    pub const ALL: [BinaryOp; 14] = [
        BinaryOp::Or,
        BinaryOp::And,
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Rem,
        BinaryOp::Pow,
    ];

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
            BinaryOp::Pow => "^",
        }
    }
}
