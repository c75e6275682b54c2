//! Stable paths: `group[1].block[4].branch[0].conv[1].weight`.

use std::fmt;

/// A dotted path of counted names; the empty path is the whole model.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    /// The whole model.
    pub fn root() -> Self {
        Path::default()
    }

    /// `self.NAME`.
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Path(name.to_owned()) } else { Path(format!("{}.{name}", self.0)) }
    }

    /// `self.NAME[index]`.
    pub fn indexed(&self, name: &str, index: usize) -> Self {
        self.child(&format!("{name}[{index}]"))
    }

    /// As text; empty for the whole model.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern selects this path. A pattern is a dotted path in which a part `*` matches any one part, a
    /// last part `*` also everything below, and `name` matches `name[i]` for every i.
    pub fn matches(&self, pattern: &str) -> bool {
        let fits = |part: &str, want: &str| {
            want == "*" || part == want || part.split_once('[').is_some_and(|(name, _)| name == want)
        };
        let mut parts = self.0.split('.');
        let mut wanted = pattern.split('.').peekable();
        while let Some(want) = wanted.next() {
            if !parts.next().is_some_and(|part| fits(part, want)) {
                return false;
            }
            if want == "*" && wanted.peek().is_none() {
                return true;
            }
        }
        parts.next().is_none()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Self {
        Path(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn patterns() {
        let path = Path::from("group[2].block[4]");
        for pattern in ["group[2].*", "group[2].block[4]", "group.block", "*.block[4]", "*", "group.*"] {
            assert!(path.matches(pattern), "{pattern}");
        }
        for pattern in ["group[1].*", "group[2]", "stem.*", "group[2].block[4].*", "grou.block"] {
            assert!(!path.matches(pattern), "{pattern}");
        }
    }
}
