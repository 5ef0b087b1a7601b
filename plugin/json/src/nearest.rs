//! Members that nobody reads, and what they were perhaps meant to be.

use std::fmt;

/// A member of a document that no field takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownMember {
    /// The path of the member, as in `ipam.rangeStrat`.
    pub path: String,
    /// The known name in the same object that differs least, where one is near.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: unknown member", self.path)?;
        match self.nearest {
            Some(name) => write!(f, ", did you mean {name}?"),
            None => Ok(()),
        }
    }
}

/// The one of `known` that `name` is most likely a slip of: at most one edit for every three letters
/// away, letter case aside; the first of equals.
pub(super) fn nearest(name: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let distance = |candidate: &str| edits(&name, &candidate.to_ascii_lowercase());
    let near = known.iter().map(|candidate| (distance(candidate), *candidate));
    let (edits, candidate) = near.min_by_key(|(edits, _)| *edits)?;
    (edits <= candidate.len().min(name.len()) / 3).then_some(candidate)
}

/// The number of single-letter insertions, deletions, replacements and swaps of neighbours that make
/// `a` into `b` (optimal string alignment distance).
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    // Rows of the table for the last two prefixes of `a` and, in the making, for this one.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(from != to);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["subnet", "rangeStart", "rangeEnd", "gateway", "mtu"];

    #[test]
    fn slips_are_recognised() {
        for (slip, meant) in
            [("subent", "subnet"), ("range_start", "rangeStart"), ("gatway", "gateway"), ("mut", "mtu")]
        {
            assert_eq!(nearest(slip, KNOWN), Some(meant), "{slip}");
        }
    }

    #[test]
    fn other_words_are_not() {
        for other in ["", "x", "type", "dataDir", "isDefaultGateway"] {
            assert_eq!(nearest(other, KNOWN), None, "{other}");
        }
        assert_eq!(nearest("subnet", &[]), None);
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "acb", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(edits(a, b), count, "{a} {b}");
        }
    }
}
