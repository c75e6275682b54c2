//! The coefficients of `exp` and `ln` in f32, as the polynomials of the Cephes library (Moshier 1989, expf and logf): the
//! same operations in the same order on every backend. Relative error below 2e-7 on the range of the loss and the
//! activations.

/// 1 / ln 2.
pub(super) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, the first with few digits, so that its whole multiples are exact.
pub(super) const LN2_HIGH: f32 = 0.693_359_4;
/// The rest.
pub(super) const LN2_LOW: f32 = -2.121_944_4e-4;
/// Of e^r for r within ln 2 / 2 of 0, less its first two terms; the highest power first.
pub(super) const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5];
/// Of ln (1 + m) for 1 + m between the roots of 1/2 and 2, less its first two terms; the highest power first.
pub(super) const LN: [f32; 9] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_84e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_7e-1,
    2.000_071_4e-1,
    -2.499_999_4e-1,
    3.333_333e-1,
];
