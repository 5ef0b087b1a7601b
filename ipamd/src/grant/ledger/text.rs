//! A page as text, a line each claim: `NETWORK NODE-UID NODE STANDING`.
//!
//! ```text
//!  10.241.0.4/32 7d0e2c0a-… node-1 primary
//!  10.241.0.5/32 7d0e2c0a-… node-1 assigned
//!  10.241.0.6/32 7d0e2c0a-… node-1 returning
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::{Claim, Owner, PageId, Standing};
use crate::grant::subnet::{Subnet, Unit};

/// The text of some claims.
pub fn print(subnet: &Subnet, claims: &BTreeMap<u32, Claim>) -> String {
    let mut text = String::new();
    for (index, claim) in claims {
        if let Some(net) = subnet.net(*index) {
            let Owner { node, uid } = &*claim.owner;
            // Writing to a String does not fail.
            writeln!(text, "{net} {uid} {node} {}", name(claim.standing)).ok();
        }
    }
    text
}

/// The claims of a page's text. `intern` makes one owner of equal ones.
pub fn parse(
    text: &str,
    id: PageId,
    subnet: &Subnet,
    mut intern: impl FnMut(Owner) -> Arc<Owner>,
) -> Result<BTreeMap<u32, Claim>, TextError> {
    let mut claims = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = || TextError::Line { number, line: line.to_owned() };
        let mut words = line.split_whitespace();
        let (Some(net), Some(uid), Some(node), Some(standing), None) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let index = net.parse().ok().and_then(|net| subnet.index(net)).ok_or_else(|| TextError::Foreign {
            number,
            net: net.to_owned(),
            subnet: subnet.name.to_string(),
        })?;
        let standing = STANDINGS.into_iter().find(|it| name(*it) == standing).ok_or_else(wrong)?;
        if PageId::of(Unit { subnet: id.subnet, index }) != id {
            return Err(TextError::Page { number, net: net.to_owned() });
        }
        let owner = intern(Owner { node: node.to_owned(), uid: uid.to_owned() });
        if claims.insert(index, Claim { owner, standing }).is_some() {
            return Err(TextError::Twice { number, net: net.to_owned() });
        }
    }
    Ok(claims)
}

const STANDINGS: [Standing; 3] = [Standing::Primary, Standing::Assigned, Standing::Returning];

fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::Primary => "primary",
        Standing::Assigned => "assigned",
        Standing::Returning => "returning",
    }
}

/// What can be wrong with a page's text. Nothing is granted from such a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A line has another form.
    #[error("line {number}: {line:?} is not NETWORK NODE-UID NODE primary|assigned|returning")]
    Line {
        /// Counted from 1.
        number: usize,
        /// The line.
        line: String,
    },
    /// It is about something else than the configured subnet's units.
    #[error("line {number}: {net} is no unit of subnet {subnet} as it is configured")]
    Foreign {
        /// Counted from 1.
        number: usize,
        /// The network.
        net: String,
        /// The subnet's name.
        subnet: String,
    },
    /// The unit belongs to another page.
    #[error("line {number}: {net} belongs to another page")]
    Page {
        /// Counted from 1.
        number: usize,
        /// The network.
        net: String,
    },
    /// Two lines about one unit.
    #[error("line {number}: {net} is there twice")]
    Twice {
        /// Counted from 1.
        number: usize,
        /// The network.
        net: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grant::ledger::PAGE;

    const PAGE_1: PageId = PageId { subnet: 0, number: 1 };

    fn subnet() -> Subnet {
        Subnet::new("pods", "10.241.0.0/16".parse().unwrap(), None, &[], 32)
    }

    #[test]
    fn a_page_that_says_something_else_is_refused() {
        for (text, expected) in [
            ("10.241.1.5/32 u n", "line 1: \"10.241.1.5/32 u n\""),
            ("10.241.1.5/32 u n primary\n10.241.1.6/32 u n kept", "line 2"),
            ("10.241.1.0/28 u n assigned", "10.241.1.0/28 is no unit of subnet pods"),
            ("10.242.1.0/32 u n assigned", "no unit"),
            ("10.241.0.5/32 u n assigned", "another page"),
            (
                "10.241.1.5/32 u n assigned\n10.241.1.5/32 v m assigned",
                "line 2: 10.241.1.5/32 is there twice",
            ),
        ] {
            let error = parse(text, PAGE_1, &subnet(), Arc::new).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(units in proptest::collection::btree_map(PAGE..2 * PAGE, (0usize..3, 0u8..4), 0..40)) {
            let claims: BTreeMap<u32, Claim> = units.into_iter().map(|(index, (standing, node))| {
                let owner = Arc::new(Owner { node: format!("node-{node}"), uid: format!("uid-{node}") });
                (index, Claim { owner, standing: STANDINGS[standing] })
            }).collect();
            prop_assert_eq!(parse(&print(&subnet(), &claims), PAGE_1, &subnet(), Arc::new), Ok(claims));
        }
    }
}
