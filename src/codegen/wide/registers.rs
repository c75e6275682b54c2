//! Which register holds what: results of steps as long as they are used, sums, and as many shared vectors as fit.

use super::pixels::{DRAWN, Operand, Pixels};

/// Registers of a loop over pixels, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    /// Of each step's result.
    pub(super) steps: Vec<usize>,
    /// Of the words of each stream, for each pixel of a turn.
    pub(super) words: Vec<[usize; DRAWN]>,
    /// In which words are made; results of steps come later.
    pub(super) for_words: [usize; FOR_WORDS],
    /// Of each sum, for each pixel of a turn that is summed apart.
    pub(super) sums: Vec<Vec<usize>>,
    /// Of each shared vector; none where it is read from memory at each use.
    pub(super) shared: Vec<Option<usize>>,
    /// Hold shared vectors that are read from memory for one step.
    pub(super) scratch: [usize; SCRATCH],
}

/// The most operands of a step that come from memory.
const SCRATCH: usize = 3;
/// What Philox works in: a counter of four words, two products, and the words of a half that are made before.
pub(super) const FOR_WORDS: usize = 8;

impl Registers {
    /// Registers for a loop, of `count` that the processor has; none where they are too few.
    pub(super) fn of(pixels: &Pixels, count: usize) -> Option<Registers> {
        let last = pixels.last_uses();
        let mut free: Vec<usize> = Vec::new();
        let mut used = 0;
        let mut steps: Vec<usize> = Vec::with_capacity(last.len());
        for (i, step) in pixels.steps.iter().enumerate() {
            // An operand's register is free for the result: a step reads before it writes.
            for operand in step.operands() {
                if let Operand::Step(from) = operand
                    && last[from] == Some(i)
                    && !free.contains(&steps[from])
                {
                    free.push(steps[from]);
                }
            }
            steps.push(free.pop().unwrap_or_else(|| {
                used += 1;
                used - 1
            }));
        }
        let scratch = std::array::from_fn(|i| used + i);
        let streams = pixels.draws.as_ref().map_or(0, |draws| draws.streams.len());
        // Words are made before the first step: in the same registers.
        let for_words = if streams > 0 { FOR_WORDS } else { 0 };
        let mut next = (used + SCRATCH).max(for_words);
        let mut take = || {
            next += 1;
            next - 1
        };
        let words = (0..streams).map(|_| [(); DRAWN].map(|()| take())).collect();
        let sums = pixels.sums.iter().map(|_| (0..pixels.sums_a_row()).map(|_| take()).collect()).collect();
        let left = count.checked_sub(next)?;
        let shared = (0..pixels.for_steps).map(|i| (i < left).then_some(next + i)).collect();
        Some(Registers { steps, words, for_words: std::array::from_fn(|i| i), sums, shared, scratch })
    }
}
