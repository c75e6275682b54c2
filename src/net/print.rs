//! A network as text.
