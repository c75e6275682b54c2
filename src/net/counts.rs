//! Parameters and multiply-adds of a network, by part.

/// Sizes of a part of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Trained numbers: running statistics are not counted.
    pub parameters: u64,
    /// Multiply-adds of convolutions and linear layers for one image.
    pub multiply_adds: u64,
}
