//! Residuals, concats and gates: arms from one input, joined again.

use super::disagreement::Summed;
use super::line::Line;
use super::machine::{Frame, Machine, Run, Stop};
use crate::diag::{Problem, codes};
use crate::net::{Arm, Concat, Gate, MAX_ELEMENTS, Node, Path, Residual, Shape};
use crate::source::Span;
use crate::syntax::tree::{ArmKind, Name};
use crate::typing::program::{ArmStmt, Stmt};

/// The arms of a residual or concat while they are built.
struct Arms {
    path: Path,
    shape: Shape,
    branches: Vec<Arm>,
    shortcut: Option<Arm>,
    paths: Vec<Arm>,
}

impl<'a> Machine<'a> {
    /// A residual. The first of a block takes the block's own path.
    pub fn residual(
        &mut self,
        frame: &mut Frame,
        line: &mut Line,
        arms: &'a [ArmStmt],
        alias: Option<&Name>,
        span: Span,
    ) -> Run<()> {
        let path = self.joint_path(line, alias, "residual", span)?;
        self.built.residuals += 1;
        let l = self.built.residuals;
        let outer = self.built.inside.replace(l);
        let (text, arms) = (arms, self.arms(frame, line.shape, &path, arms)?);
        self.built.inside = outer;
        // An arm of another kind has been refused; what it was meant to be is not known.
        if !arms.paths.is_empty() {
            return Err(Stop);
        }
        let input = line.shape;
        self.claim_arms(line, &path, arms.branches.iter().chain(&arms.shortcut))?;
        if arms.branches.is_empty() {
            let help = "add `branch { … }`; without one there is nothing to add to the shortcut";
            return Err(self.stop(Problem::error(codes::BAD_SHAPE, span, "a residual without a branch", help)));
        }
        let shortcut = arms.shortcut.unwrap_or_else(|| Arm {
            path: path.child("shortcut"),
            body: Vec::new(),
            output: input,
            site: None,
            span,
        });
        let output = arms.branches[0].output;
        if shortcut.output != output || arms.branches.iter().any(|b| b.output != output) {
            let summed = Summed { branches: &arms.branches, shortcut: &shortcut, input, span };
            let problem = self.disagreement(frame, text, &summed);
            return Err(self.stop(problem));
        }
        let branches = arms.branches;
        let (at_sum, on_branches) = (None, None);
        let residual = Residual { path, l, branches, shortcut, at_sum, on_branches, input, output, span };
        line.push(Node::Residual(residual.into()));
        Ok(())
    }

    /// A concat. The first of a block takes the block's own path.
    pub fn concat(
        &mut self,
        frame: &mut Frame,
        line: &mut Line,
        arms: &'a [ArmStmt],
        alias: Option<&Name>,
        span: Span,
    ) -> Run<()> {
        let path = self.joint_path(line, alias, "concat", span)?;
        let Arms { branches, shortcut, paths: arms, .. } = self.arms(frame, line.shape, &path, arms)?;
        if !branches.is_empty() || shortcut.is_some() {
            return Err(Stop);
        }
        let input = line.shape;
        self.claim_arms(line, &path, arms.iter())?;
        let Some(first) = arms.first() else {
            let help = "add `path { … }`";
            return Err(self.stop(Problem::error(codes::BAD_SHAPE, span, "a concat without a path", help)));
        };
        let Shape { height, width, .. } = first.output;
        if arms.iter().any(|a| (a.output.height, a.output.width) != (height, width)) {
            let message = "the paths are joined along the channels, and their images differ in size";
            let help = "give every path the same strides";
            let mut problem = Problem::error(codes::SHAPES_DISAGREE, arms[0].span, message, help);
            let gives = |arm: &Arm| format!("this path gives {}", arm.output);
            problem = problem.here(gives(&arms[0]));
            problem = arms[1..].iter().fold(problem, |p, arm| p.label(arm.span, gives(arm)));
            return Err(self.stop(problem));
        }
        let channels = arms.iter().try_fold(0usize, |sum, a| sum.checked_add(a.output.channels));
        let output = channels.map(|channels| Shape { channels, height, width });
        let Some(output) = output.filter(|o| o.checked_elements().is_some()) else {
            let message = format!("the joined tensor has more than {MAX_ELEMENTS} elements");
            return Err(self.stop(Problem::error(codes::TOO_BIG, span, message, "use smaller widths")));
        };
        line.push(Node::Concat(Concat { path, arms, input, output, span }));
        Ok(())
    }

    /// A gate: what passes, times what the body makes of it.
    pub fn gate(
        &mut self,
        frame: &mut Frame,
        line: &mut Line,
        body: &'a [Stmt],
        alias: Option<&Name>,
        span: Span,
    ) -> Run<()> {
        let path = self.part(line, alias, span, |line| line.numbered("scale"))?;
        let shape = line.shape;
        let mut inner = Line::new(path.clone(), shape);
        self.body(frame, &mut inner, body)?;
        if inner.shape != shape && inner.shape != Shape::vector(shape.channels) {
            let message = "a gate multiplies what passes by one number a channel, or one an element";
            let help = format!("end it in {} or {shape}", Shape::vector(shape.channels));
            let problem = Problem::error(codes::SHAPES_DISAGREE, span, message, help);
            return Err(self.stop(problem.here(format!("{shape} passes, and this gives {}", inner.shape))));
        }
        let arm = Arm { path: path.clone(), body: inner.nodes, output: inner.shape, site: None, span };
        line.push(Node::Gate(Gate { path, arm, shape, span }.into()));
        Ok(())
    }

    /// The path of a residual or concat.
    fn joint_path(&mut self, line: &mut Line, alias: Option<&Name>, what: &str, span: Span) -> Run<Path> {
        if alias.is_none() && line.takes_own_path(what) {
            line.count(what);
            return Ok(line.path.clone());
        }
        self.part(line, alias, span, |line| line.numbered(what))
    }

    /// Where arms stand under the block's own path, their names are parts of its row.
    fn claim_arms<'b>(&mut self, line: &mut Line, path: &Path, arms: impl Iterator<Item = &'b Arm>) -> Run<()> {
        if *path != line.path {
            return Ok(());
        }
        for arm in arms {
            let part = arm.path.as_str().rsplit('.').next().unwrap_or_default().to_owned();
            self.part(line, None, arm.span, |_| part)?;
        }
        Ok(())
    }

    fn arms(&mut self, frame: &mut Frame, shape: Shape, path: &Path, stmts: &'a [ArmStmt]) -> Run<Arms> {
        let mut arms = Arms { path: path.clone(), shape, branches: Vec::new(), shortcut: None, paths: Vec::new() };
        self.arm_stmts(frame, &mut arms, stmts)?;
        Ok(arms)
    }

    fn arm_stmts(&mut self, frame: &mut Frame, arms: &mut Arms, stmts: &'a [ArmStmt]) -> Run<()> {
        for stmt in stmts {
            frame.input = Some(arms.shape);
            match stmt {
                ArmStmt::Arm { kind, body, span } => {
                    self.deeper(*span, |this| this.arm(frame, arms, *kind, body, *span))?;
                }
                ArmStmt::For(repeat) => {
                    let span = repeat.hi.span;
                    self.repeat(frame, repeat, span, |this, frame, body| {
                        this.deeper(span, |this| this.arm_stmts(frame, arms, body))
                    })?;
                }
                ArmStmt::If(choice) => {
                    let body = if self.truth(frame, &choice.cond)? { &choice.then } else { &choice.otherwise };
                    self.deeper(choice.cond.span, |this| this.arm_stmts(frame, arms, body))?;
                }
                ArmStmt::Let { slot, value } => {
                    let value = self.eval(frame, value)?;
                    frame.set(*slot, value);
                }
            }
        }
        Ok(())
    }

    fn arm(&mut self, frame: &mut Frame, arms: &mut Arms, kind: ArmKind, body: &'a [Stmt], span: Span) -> Run<()> {
        let path = match kind {
            ArmKind::Branch => arms.path.indexed("branch", arms.branches.len()),
            ArmKind::Path => arms.path.indexed("path", arms.paths.len()),
            ArmKind::Shortcut => arms.path.child("shortcut"),
        };
        let mut line = Line::new(path.clone(), arms.shape);
        self.body(frame, &mut line, body)?;
        let arm = Arm { path, body: line.nodes, output: line.shape, site: None, span };
        match kind {
            ArmKind::Branch => arms.branches.push(arm),
            ArmKind::Path => arms.paths.push(arm),
            ArmKind::Shortcut => {
                if let Some(first) = arms.shortcut.replace(arm) {
                    let message = "a residual has one shortcut, and this is the second";
                    let help = "make the other a `branch`, or join the two with `concat` inside one";
                    let problem = Problem::error(codes::DUPLICATE_NAME, span, message, help);
                    return Err(self.stop(problem.here("the second").label(first.span, "the first")));
                }
            }
        }
        Ok(())
    }
}
