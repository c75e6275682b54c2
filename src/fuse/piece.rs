//! Pieces: what is computed together joins one kernel.
//!
//! A piece is a few values over one domain. It joins the kernel that made the last of what it reads, or another that
//! runs wherever the piece matters; where it runs without need, what stands behind a closed gate counts as 0.

use std::collections::BTreeMap;

use super::expression::Expressions;
use super::schedule::Schedule;
use crate::graph::{NodeId, Phase};
use crate::kernel::{
    Body, BufferId, Contraction, Domain, Draw, Expr, Kernel, Map, MapBuilder, Place, Target, Value, When, all_among,
};

/// A kernel that pieces may still join.
pub(super) struct Open {
    pub(super) when: When,
    pub(super) body: OpenBody,
}

pub(super) enum OpenBody {
    Map(Piece),
    Contraction(Contraction, Option<Piece>),
}

impl Open {
    /// A map that nothing reads before the step's end.
    pub(super) fn map(when: When, map: MapBuilder) -> Self {
        Open { when, body: OpenBody::Map(Piece { map, known: BTreeMap::new() }) }
    }

    /// The kernel. A gate that is open wherever it runs is no longer drawn in it.
    pub(super) fn finish(self) -> Kernel {
        let finished = |piece: Piece| piece.map.finish();
        let body = match self.body {
            OpenBody::Map(piece) => Body::Map(finished(piece)),
            OpenBody::Contraction(contraction, epilogue) => {
                Body::Contraction(Contraction { epilogue: epilogue.map(finished), ..contraction })
            }
        };
        let gates = self.when.gates().to_vec();
        gates.into_iter().fold(Kernel { when: self.when, body }, |kernel, gate| kernel.specialised(gate, 1.0))
    }

    /// Whether a buffer that this kernel writes is known at each point of its loop. A value for a whole plane is not: it
    /// is there when the loop is over, also where the plane is a single pixel.
    fn knows(&self, buffer: BufferId, at: Place) -> bool {
        let target = match at {
            Place::Point => Target::Point(buffer),
            Place::Channel => Target::Channel(buffer),
            Place::Flat => Target::Flat(buffer),
            Place::Plane | Place::Moved { .. } | Place::Reshaped { .. } => return false,
        };
        let keeps = |piece: &Piece| piece.map.stores().iter().any(|store| store.target == target);
        match &self.body {
            OpenBody::Map(piece) => keeps(piece),
            OpenBody::Contraction(contraction, piece) => {
                let result = at == Place::Point && contraction.writes().first() == Some(&buffer);
                result || piece.as_ref().is_some_and(keeps)
            }
        }
    }
}

/// A map under construction, with the values of nodes that it computes or has read.
pub(super) struct Piece {
    map: MapBuilder,
    known: BTreeMap<NodeId, Value>,
}

/// What a piece keeps: where, what, and the node whose value that is.
pub(super) type Kept = (Target, Value, Option<NodeId>);

impl Schedule<'_> {
    /// Builds a piece of node `id` into its host, or into a kernel of its own.
    pub(super) fn piece(
        &mut self,
        name: String,
        id: NodeId,
        domain: Domain,
        build: impl Fn(&mut Expressions<'_>) -> Vec<Kept>,
    ) {
        let need = self.need(id);
        let alone = self.built(name, MapBuilder::new("", domain), BTreeMap::new(), &[], &build);
        let map = alone.map.clone().finish();
        let host = if self.values.fuse { self.host(&map, &need, self.earliest(id)) } else { None };
        let number = host.unwrap_or(self.kernels.len());
        let piece = match host {
            None => alone,
            Some(number) => {
                let missing = self.missing(&map, self.kernels[number].when.gates());
                let epilogue = || Piece { map: MapBuilder::new("", domain), known: BTreeMap::new() };
                let Piece { map, known } = match &mut self.kernels[number].body {
                    OpenBody::Map(piece) => std::mem::replace(piece, epilogue()),
                    OpenBody::Contraction(_, piece) => piece.take().unwrap_or_else(epilogue),
                };
                let name = map.name().to_owned();
                self.built(name, map, known, &missing, &build)
            }
        };
        for store in piece.map.stores() {
            if let Some(buffer) = store.target.buffer() {
                self.producers.insert(buffer, number);
            }
        }
        match self.kernels.get_mut(number).map(|kernel| &mut kernel.body) {
            None => self.kernels.push(Open { when: When::open(need), body: OpenBody::Map(piece) }),
            Some(OpenBody::Map(slot)) => *slot = piece,
            Some(OpenBody::Contraction(_, slot)) => *slot = Some(piece),
        }
    }

    /// Builds into `map`; what is kept is 0 where one of the gates `missing` is 0.
    fn built(
        &self,
        name: String,
        map: MapBuilder,
        known: BTreeMap<NodeId, Value>,
        missing: &[Draw],
        build: &impl Fn(&mut Expressions<'_>) -> Vec<Kept>,
    ) -> Piece {
        let map = map.named(name);
        let (graph, buffers, stand_ins) = (self.graph, &self.buffers, &self.values.stand_ins);
        let mut e = Expressions { graph, buffers, stand_ins, map, known };
        for (target, value, node) in build(&mut e) {
            let kept = e.map.while_open(missing, value);
            let unless = node.and_then(|node| stand_ins.get(&node)).map(|stand_in| stand_in.gate);
            e.map.store_unless(unless, target, kept);
            if let Some(node) = node {
                e.known.insert(node, value);
            }
        }
        Piece { map: e.map, known: e.known }
    }

    /// Of the gates under which what `map` reads is made, those that may be closed where a kernel runs under `gates`.
    fn missing(&self, map: &Map, gates: &[Draw]) -> Vec<Draw> {
        let mut missing = Vec::new();
        for (buffer, open) in map.gated_reads() {
            let made_under = self.producers.get(&buffer).map_or(&[][..], |number| self.kernels[*number].when.gates());
            for gate in made_under {
                if ![gates, &open, &missing].iter().any(|known| known.contains(gate)) {
                    missing.push(*gate);
                }
            }
        }
        missing
    }

    /// The first kernel that a piece of a node may join: what is computed again for the backward pass joins none of the
    /// forward pass, or it would lie in memory from there on.
    fn earliest(&self, id: NodeId) -> usize {
        if self.graph.node(id).phase == Phase::Again { self.forward } else { 0 }
    }

    /// The kernel that a piece joins: the one that made the last of what it reads, the last of all, or a map between them
    /// that goes over the same memory; unless together they have too many gates for a body each. It runs wherever the piece
    /// matters; vectors a channel are so small that they only join what runs in the same steps.
    fn host(&self, alone: &Map, need: &[Draw], earliest: usize) -> Option<usize> {
        let latest = alone.reads().iter().filter_map(|id| self.producers.get(id)).max().copied()?;
        let fits = |number: usize| {
            let made_there = |id: BufferId| self.producers.get(&id) == Some(&number);
            let domain = match &self.kernels[number].body {
                OpenBody::Map(piece) => Some(piece.map.domain()),
                OpenBody::Contraction(contraction, _) => contraction.result_domain(),
            };
            let gates = self.kernels[number].when.gates();
            let runs =
                all_among(gates, need) && (all_among(need, gates) || !matches!(alone.domain, Domain::Channel { .. }));
            // Of what the host itself makes, a piece may read what is known at its own point alone.
            let elsewhere = alone.exprs.iter().any(|expr| match expr {
                Expr::Load { buffer, at } => made_there(*buffer) && !self.kernels[number].knows(*buffer, *at),
                Expr::Gather { .. } => expr.reads().any(made_there),
                Expr::Const(_)
                | Expr::Param(_)
                | Expr::Draw(_)
                | Expr::Unary(..)
                | Expr::Binary(..)
                | Expr::Select { .. }
                | Expr::Mask(_)
                | Expr::Reduce { .. } => false,
            });
            let drawn = match &self.kernels[number].body {
                OpenBody::Map(piece) | OpenBody::Contraction(_, Some(piece)) => alone.may_join(piece.map.exprs()),
                OpenBody::Contraction(_, None) => true,
            };
            number >= earliest && runs && domain == Some(alone.domain) && !elsewhere && drawn
        };
        let last = self.kernels.len() - 1;
        let points: Vec<&Expr> =
            alone.exprs.iter().filter(|expr| matches!(expr, Expr::Load { at: Place::Point, .. })).collect();
        let shares = |number: &usize| match &self.kernels[*number].body {
            OpenBody::Map(piece) => piece.map.exprs().iter().any(|expr| points.contains(&expr)),
            OpenBody::Contraction(..) => false,
        };
        [latest, last].into_iter().chain((latest..last).filter(shares)).find(|number| fits(*number))
    }
}
