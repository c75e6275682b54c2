//! Statements of blocks and families to nodes.

use super::eval::BoundCall;
use super::line::Line;
use super::machine::{Frame, Machine, Pending, Run};
use super::value::Value;
use crate::diag::{Problem, codes};
use crate::net::{Group, GroupKind, Layer, LayerOp, Node, Path, Rule, Site};
use crate::source::Span;
use crate::syntax::one_line;
use crate::syntax::tree::Name;
use crate::typing::program::{Args, Expr, For, Item, Require, RuleCall, Stmt, StmtKind};
use crate::typing::tables::LayerSpec;

/// The longest path, in bytes.
const MAX_PATH: usize = 4096;
/// The longest text of a rule's call, in characters.
const MAX_CALL: usize = 200;

impl<'a> Machine<'a> {
    /// Runs statements; what they build goes onto the line.
    pub fn body(&mut self, frame: &mut Frame, line: &mut Line, body: &'a [Stmt]) -> Run<()> {
        for stmt in body {
            self.deeper(stmt.span, |this| this.stmt(frame, line, stmt))?;
        }
        Ok(())
    }

    fn stmt(&mut self, frame: &mut Frame, line: &mut Line, stmt: &'a Stmt) -> Run<()> {
        frame.input = Some(line.shape);
        match &stmt.kind {
            StmtKind::Broken => Err(super::machine::Stop),
            StmtKind::Layer { layer, args, alias } => self.layer(frame, line, (layer, args), alias.as_ref(), stmt.span),
            StmtKind::Block { call, name, alias } => {
                let call = self.block_call(frame, call, stmt.span)?;
                self.block(line, call, (name, alias.as_ref()), stmt.span)
            }
            StmtKind::Rule { call, alias } => self.rule_layer(frame, line, call, alias.as_ref()),
            StmtKind::Let { slot, value } => {
                let value = self.eval(frame, value)?;
                frame.set(*slot, value);
                Ok(())
            }
            StmtKind::For(repeat) => {
                self.repeat(frame, repeat, stmt.span, |this, frame, body| this.body(frame, line, body))
            }
            StmtKind::If(choice) => {
                let holds = self.truth(frame, &choice.cond)?;
                self.body(frame, line, if holds { &choice.then } else { &choice.otherwise })
            }
            StmtKind::Require(require) => self.require(frame, require),
            StmtKind::Default { layer, args } => self.preset(frame, layer, args),
            StmtKind::Stage { name, index, body } => self.stage(frame, line, (name, index.as_ref()), body, stmt.span),
            StmtKind::Residual { arms, alias } => self.residual(frame, line, arms, alias.as_ref(), stmt.span),
            StmtKind::Concat { arms, alias } => self.concat(frame, line, arms, alias.as_ref(), stmt.span),
            StmtKind::Scale { body, alias } => self.gate(frame, line, body, alias.as_ref(), stmt.span),
        }
    }

    /// Runs a loop's body once for each value of its counter.
    pub fn repeat<B>(
        &mut self,
        frame: &mut Frame,
        repeat: &'a For<B>,
        span: Span,
        mut body: impl FnMut(&mut Self, &mut Frame, &'a B) -> Run<()>,
    ) -> Run<()> {
        let (lo, hi) = (self.whole(frame, &repeat.lo)?, self.whole(frame, &repeat.hi)?);
        for i in lo..hi {
            self.step(span)?;
            frame.set(repeat.slot, Value::Int(i));
            body(self, frame, &repeat.body)?;
        }
        Ok(())
    }

    /// Takes the name of a part: the one after `as`, or the one that `numbered` counts.
    pub fn part(
        &mut self,
        line: &mut Line,
        alias: Option<&Name>,
        span: Span,
        numbered: impl FnOnce(&mut Line) -> String,
    ) -> Run<Path> {
        let (part, place) = match alias {
            Some(alias) => (alias.text.clone(), alias.span),
            None => (numbered(line), span),
        };
        if line.path.as_str().len() + part.len() > MAX_PATH {
            let message = format!("a path of more than {MAX_PATH} characters");
            let help = "use shorter names, or nest fewer parts";
            return Err(self.stop(Problem::error(codes::TOO_BIG, place, message, help)));
        }
        line.claim(&part, place).map_err(|first| {
            let whole = match line.path.as_str() {
                "" => "the network".to_owned(),
                path => format!("`{path}`"),
            };
            let message = format!("two parts of {whole} are called `{part}`");
            if first == place {
                let help = "a loop runs this twice: leave the name to be counted, or put a `stage NAME[i]` around it";
                return self.stop(Problem::error(codes::DUPLICATE_NAME, place, message, help));
            }
            let help = "rename one: paths name weights, sites and checkpoints, so each stands once";
            let problem = Problem::error(codes::DUPLICATE_NAME, place, message, help);
            self.stop(problem.here("the second").label(first, "the first"))
        })
    }

    /// A block: its own row, one level down.
    fn block(&mut self, line: &mut Line, call: BoundCall, (name, alias): (&str, Option<&Name>), span: Span) -> Run<()> {
        let path = self.part(line, alias, span, |line| line.numbered(name))?;
        let callee = self.item(call.block);
        let Item::Block(block) = callee else { unreachable!("a block value is a block") };
        let input = line.shape;
        let inner = self.called(call.span, |this| {
            let mut frame = Frame::default();
            this.enter(callee, call.args, &mut frame, span)?;
            let mut inner = Line::of_block(path.clone(), input);
            this.with_presets(|this| this.body(&mut frame, &mut inner, &block.body))?;
            Ok(inner)
        })?;
        let output = inner.shape;
        let kind = GroupKind::Block(block.name.text.clone());
        line.push(Node::Group(Group { path, kind, body: inner.nodes, input, output, span }));
        Ok(())
    }

    /// Runs a body after which the presets that it sets are gone.
    pub fn with_presets<T>(&mut self, inside: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        let before = self.built.presets.clone();
        let result = inside(self);
        self.built.presets = before;
        result
    }

    fn stage(
        &mut self,
        frame: &mut Frame,
        line: &mut Line,
        (name, index): (&'a Name, Option<&'a Expr>),
        body: &'a [Stmt],
        span: Span,
    ) -> Run<()> {
        let part = match index {
            None => name.text.clone(),
            Some(index) => {
                let i = self.whole(frame, index)?;
                if i < 0 {
                    let message = format!("the stage `{}` has the number {i}", name.text);
                    let help = "count stages from 0";
                    return Err(self.stop(Problem::error(codes::OUT_OF_RANGE, index.span, message, help)));
                }
                format!("{}[{i}]", name.text)
            }
        };
        let path = self.part(line, None, name.span, |_| part)?;
        let input = line.shape;
        let mut inner = Line::new(path.clone(), input);
        self.body(frame, &mut inner, body)?;
        let output = inner.shape;
        line.push(Node::Group(Group { path, kind: GroupKind::Stage, body: inner.nodes, input, output, span }));
        Ok(())
    }

    /// A rule called as a layer. Its numbers follow when the number of residuals is known.
    fn rule_layer(&mut self, frame: &Frame, line: &mut Line, call: &'a RuleCall, alias: Option<&Name>) -> Run<()> {
        let Item::Rule(rule) = self.item(call.rule) else { unreachable!("typing applies only rules") };
        if rule.list {
            let message = format!("`{}` gives one factor a branch, and here is one path", call.name.text);
            let help = "`place` it on residuals with as many branches";
            return Err(self.stop(Problem::error(codes::BRANCH_COUNT, call.span, message, help)));
        }
        let path = self.part(line, alias, call.span, |line| line.numbered(&call.name.text))?;
        self.count_layer(call.span)?;
        let (shape, l) = (line.shape, self.built.inside);
        let pending = Pending { call, frame: frame.clone(), l, trace: self.trace.clone() };
        self.built.pending.insert(path.clone(), pending);
        let rule =
            Rule { name: rule.name.text.clone(), draws: vec![], forward: vec![], backward: vec![], test: vec![] };
        let (call_text, arguments) = (self.call_text(call), Vec::new());
        let site = Site { path: path.clone(), rule, call: call_text, arguments, l, shape, span: call.span };
        let op = LayerOp::Rule(site.into());
        line.push(Node::Layer(Layer { path, op, input: shape, output: shape, span: call.span }));
        Ok(())
    }

    /// A call as the text has it, without comments and with even white space; what is too long for a line is cut.
    pub fn call_text(&self, call: &RuleCall) -> String {
        let mut text = one_line(self.sources.text(call.span));
        if let Some((cut, _)) = text.char_indices().nth(MAX_CALL) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }

    fn preset(&mut self, frame: &Frame, layer: &'static LayerSpec, args: &'a Args) -> Run<()> {
        for (index, arg) in &args.0 {
            let param = &layer.params[*index];
            let value = self.argument(frame, arg, param.name)?;
            self.check_bounds(&value, param.name, param.bounds, arg.span)?;
            self.built.presets.insert((layer.counted_as, param.name), value);
        }
        Ok(())
    }

    /// Refuses the program where a condition does not hold, with the values that it was computed from.
    pub fn require(&mut self, frame: &Frame, require: &'a Require) -> Run<()> {
        if self.truth(frame, &require.cond)? {
            return Ok(());
        }
        let problem = super::require::failed(self, frame, require);
        Err(self.stop(problem))
    }
}
