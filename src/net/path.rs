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
        if self.0.is_empty() { Path(name.to_owned()) } else { Path([self.as_str(), name].join(".")) }
    }

    /// `self.NAME[index]`.
    pub fn indexed(&self, name: &str, index: usize) -> Self {
        self.child(&format!("{name}[{index}]"))
    }

    /// What this is a part of; none for the whole model.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('.') {
            Some((outer, _)) => Some(Path(outer.to_owned())),
            None => (!self.0.is_empty()).then(Path::root),
        }
    }

    /// As text; empty for the whole model.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern selects this path. A pattern is a dotted path in which a part `*` matches any one part, a
    /// last part `*` also everything below, a part `**` any number of parts, none included, and `name` or `name[*]`
    /// matches `name[i]` for every i.
    pub fn matches(&self, pattern: &str) -> bool {
        let below = pattern.rsplit('.').next().filter(|last| *last == "*").map(|_| "**");
        let mut wanted = pattern.split('.').chain(below);
        let mut parts = self.0.split('.');
        // Where reading goes on when the last `**` stands for one part more. An earlier one need not be tried again:
        // what it left over begins as soon as it can.
        let mut longer = None;
        loop {
            let (want, part) = (wanted.next(), parts.clone().next());
            match (want, part) {
                (None, None) => return true,
                (Some("**"), _) => {
                    longer = Some((wanted.clone(), parts.clone()));
                    continue;
                }
                (Some(want), Some(part)) if fits(part, want) => {
                    parts.next();
                    continue;
                }
                (Some(_), _) | (None, Some(_)) => {}
            }
            let Some((after, from)) = &mut longer else { return false };
            if from.next().is_none() {
                return false;
            }
            (wanted, parts) = (after.clone(), from.clone());
        }
    }
}

/// Whether one part of a path fits one part of a pattern.
fn fits(part: &str, want: &str) -> bool {
    let name = want.strip_suffix("[*]").unwrap_or(want);
    want == "*" || part == want || part.split_once('[').is_some_and(|(counted, _)| counted == name)
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
    use super::{Path, fits};

    #[test]
    fn patterns() {
        let path = Path::from("group[2].block[4]");
        for pattern in
            ["group[2].*", "group[2].block[4]", "group.block", "*.block[4]", "*", "group.*", "group[*].block"]
        {
            assert!(path.matches(pattern), "{pattern}");
        }
        for pattern in ["group[1].*", "group[2]", "stem.*", "group[2].block[4].*", "grou.block", "group[*]"] {
            assert!(!path.matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn two_stars_stand_for_any_number_of_parts() {
        let path = Path::from("group[2].block[4].branch[0].inner[1]");
        let all =
            ["**", "group[2].**", "**.branch[0].*", "**.inner", "group.**.inner[1]", "**.**", "**.block.**", "*.**"];
        for pattern in all {
            assert!(path.matches(pattern), "{pattern}");
        }
        for pattern in ["group[1].**", "**.branch[1].*", "**.block", "group.**.inner[0]", "**.inner[1].*", "***"] {
            assert!(!path.matches(pattern), "{pattern}");
        }
        assert!(Path::from("group[2]").matches("group[2].**"), "none at all is a number of parts");
        // A pattern of many `**` costs parts times pattern, not a power of them.
        let long = Path::from(vec!["a"; 60].join(".").as_str());
        assert!(!long.matches(&format!("{}.b", vec!["**.a"; 30].join("."))));
    }

    /// What a pattern means, tried in every way.
    fn means(wanted: &[&str], parts: &[&str]) -> bool {
        match (wanted, parts) {
            ([], []) | (["*"], [_, ..]) => true,
            (["**", rest @ ..], _) => means(rest, parts) || parts.split_first().is_some_and(|(_, p)| means(wanted, p)),
            ([want, rest @ ..], [part, below @ ..]) => fits(part, want) && means(rest, below),
            ([], [_, ..]) | ([_, ..], []) => false,
        }
    }

    /// Every row of up to `length` of `words`.
    fn rows<'w>(words: &[&'w str], length: usize) -> Vec<Vec<&'w str>> {
        let mut all = vec![vec![]];
        let mut start = 0;
        for _ in 0..length {
            let end = all.len();
            for i in start..end {
                all.extend(words.iter().map(|word| [all[i].as_slice(), &[*word]].concat()).collect::<Vec<_>>());
            }
            start = end;
        }
        all.remove(0);
        all
    }

    #[test]
    fn matching_tries_every_way() {
        for parts in rows(&["a[0]", "b"], 4) {
            let path = Path::from(parts.join(".").as_str());
            for wanted in rows(&["a", "b", "*", "**"], 4) {
                assert_eq!(path.matches(&wanted.join(".")), means(&wanted, &parts), "{path} and {}", wanted.join("."));
            }
        }
    }
}
