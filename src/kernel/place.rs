//! Where the buffers of a plan lie: larger ones first, each at the lowest place that is free for as long as it lives.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Lifetime, Plan};

/// Kernels before and after its life for which a gradient or a small buffer keeps its place: what makes or reads it may run
/// beside its neighbours.
const NEIGHBOURS: usize = 4;

/// Floats that a kernel needs beside its buffers, while it or a neighbour runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The first kernel.
    pub from: usize,
    /// The last.
    pub to: usize,
    /// How many floats; a multiple of 16.
    pub len: usize,
}

/// What has a place, or wants one.
#[derive(Clone)]
struct Piece {
    of: Owner,
    room: Room,
    /// Its first float.
    start: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Buffer(usize),
    Room(usize),
}

impl Piece {
    fn new(of: Owner, (from, to): (usize, usize), len: usize, start: usize) -> Self {
        Piece { of, room: Room { from, to, len }, start }
    }

    fn end(&self) -> usize {
        self.start + self.room.len
    }

    /// Whether both are there at a time. No two rooms are.
    fn meets(&self, other: &Piece) -> bool {
        let rooms = matches!((self.of, other.of), (Owner::Room(_), Owner::Room(_)));
        self.room.from <= other.room.to && other.room.from <= self.room.to && !rooms
    }
}

/// What is placed first.
type Order = fn(&Room) -> Reverse<usize>;

/// By size, and by size times duration: which leaves fewer gaps differs from network to network.
const ORDERS: [Order; 2] = [|room| Reverse(room.len), |room| Reverse(room.len * (room.to + 1 - room.from))];

impl Plan {
    /// Sets the lifetime of every buffer that is not persistent, and the offset of those that lie in no region, behind what
    /// outlives a step. The places of `rooms`, each free while its kernels run.
    pub fn place(&mut self, rooms: &[Room]) -> Vec<usize> {
        let mut spans: Vec<Option<(usize, usize)>> = vec![None; self.buffers.len()];
        for (i, kernel) in self.kernels.iter().enumerate() {
            for id in kernel.reads().into_iter().chain(kernel.writes()) {
                let span = spans[id.0 as usize].get_or_insert((i, i));
                span.1 = i;
            }
        }
        let last = self.kernels.len();
        let (mut base, mut fixed, mut wanted) = (0, Vec::new(), Vec::new());
        for (i, buffer) in self.buffers.iter_mut().enumerate() {
            let (of, len) = (Owner::Buffer(i), buffer.size.len(self.batch));
            match buffer.lifetime {
                Lifetime::Persistent => base = base.max(buffer.offset + len),
                Lifetime::Step => wanted.push(Piece::new(of, (0, last), len, 0)),
                Lifetime::ToEnd { .. } => {
                    let from = spans[i].map_or(last, |span| span.0);
                    buffer.lifetime = Lifetime::ToEnd { from };
                    fixed.push(Piece::new(of, (from.saturating_sub(NEIGHBOURS), last), len, buffer.offset));
                }
                Lifetime::Kernels { .. } => {
                    let (from, to) = spans[i].unwrap_or((0, 0));
                    buffer.lifetime = Lifetime::Kernels { from, to };
                    let longer = if buffer.size.is_small() { NEIGHBOURS } else { 0 };
                    wanted.push(Piece::new(of, (from.saturating_sub(longer), (to + longer).min(last)), len, 0));
                }
            }
        }
        let rooms_wanted = rooms.iter().enumerate();
        wanted.extend(rooms_wanted.map(|(i, room)| Piece { of: Owner::Room(i), room: *room, start: 0 }));
        let tried = ORDERS.map(|order| placed(base, &fixed, &wanted, order));
        let end = |pieces: &Vec<Piece>| pieces.iter().map(Piece::end).fold(base, usize::max);
        let [first, second] = tried;
        let best = if end(&second) < end(&first) { second } else { first };
        self.arena = end(&best);
        let mut places = vec![0; rooms.len()];
        for piece in best {
            match piece.of {
                Owner::Buffer(i) => self.buffers[i].offset = piece.start,
                Owner::Room(i) => places[i] = piece.start,
            }
        }
        places
    }
}

/// What is fixed, and what is wanted with its places.
fn placed(base: usize, fixed: &[Piece], wanted: &[Piece], order: Order) -> Vec<Piece> {
    let mut wanted = wanted.to_vec();
    wanted.sort_by_key(|piece| (order(&piece.room), piece.room.from, piece.of));
    let mut placed = fixed.to_vec();
    for mut piece in wanted {
        let taken = placed.iter().filter(|other| piece.meets(other)).map(|other| other.start..other.end());
        piece.start = lowest(base, piece.room.len, taken.collect());
        placed.push(piece);
    }
    placed
}

/// The lowest place from `base` on where `need` floats are free of what is `taken`.
fn lowest(base: usize, need: usize, mut taken: Vec<Range<usize>>) -> usize {
    taken.sort_unstable_by_key(|range| (range.start, range.end));
    let mut start = base;
    for range in taken {
        if start + need <= range.start {
            break;
        }
        start = start.max(range.end);
    }
    start
}
