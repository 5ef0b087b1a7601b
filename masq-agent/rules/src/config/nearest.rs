//! The known key that a mistyped one was meant to be.

/// The known name nearest to `typed`, if it is near: at most a third of its letters, and at least two, may be wrong.
pub(super) fn nearest(typed: &str, known: &[&'static str]) -> Option<&'static str> {
    let typed = typed.to_lowercase();
    known
        .iter()
        .map(|name| (distance(&typed, &name.to_lowercase()), *name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2))
        .map(|(_, name)| name)
}

/// Levenshtein's distance: letters to insert, remove or replace.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut left = index + 1;
        let mut next = vec![left];
        for (pair, wanted) in row.windows(2).zip(other.chars()) {
            if let [diagonal, above] = *pair {
                left = (diagonal + usize::from(letter != wanted)).min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["nonMasqueradeCIDRs", "masqLinkLocal", "resyncInterval"];

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn near_and_far() {
        assert_eq!(nearest("nonMasqueradeCIDR", &KNOWN), Some("nonMasqueradeCIDRs"));
        assert_eq!(nearest("NonMasqCidrs", &KNOWN), Some("nonMasqueradeCIDRs"));
        assert_eq!(nearest("resyscInterval", &KNOWN), Some("resyncInterval"));
        assert_eq!(nearest("enable-ipv6", &KNOWN), None);
    }
}
