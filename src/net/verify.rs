//! The invariants of [`Network`](super::Network), as code, in the order in which they are written there.
