//! Float functions that give the same bits on every machine (crate `libm`, plain Rust).

/// e to the power of x.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// The natural logarithm.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// x to the power of y.
pub fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

/// The cosine of an angle in radians.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// Rounds half up, as the papers' widths are rounded (PyramidNet's m_k).
pub fn round_half_up(x: f64) -> f64 {
    (x + 0.5).floor()
}
