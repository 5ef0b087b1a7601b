//! Names in the form of UUIDs, made from what they name: version 8 of RFC 9562, section 5.8.
//!
//! The same owner and unit have the same name again, so that a status that was lost is rebuilt as it was.

use std::fmt::Write;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::ledger::Owner;

/// The name of an assignment (`ipAssignments[].name`).
pub fn of_assignment(owner: &Owner, net: IpNet) -> String {
    uuid(&["assignment", &owner.uid, &net.to_string()])
}

/// The name of a node's network container (`networkContainers[].id`).
pub fn of_container(owner: &Owner) -> String {
    uuid(&["container", &owner.uid])
}

fn uuid(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut text = String::with_capacity(36);
    for (at, byte) in digest.finalize().iter().take(16).enumerate() {
        let byte = match at {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        // Writing to a String does not fail.
        write!(text, "{dash}{byte:02x}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_uuid_and_says_who_and_what() {
        let owner = |uid: &str| Owner { node: "n".to_owned(), uid: uid.to_owned() };
        let name = |uid, net: &str| of_assignment(&owner(uid), net.parse().unwrap());
        let first = name("u", "10.0.0.1/32");
        let groups: Vec<usize> = first.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{first}");
        assert_eq!(first.as_bytes()[14], b'8', "{first}");
        assert!("89ab".contains(char::from(first.as_bytes()[19])), "{first}");
        assert_eq!(first, name("u", "10.0.0.1/32"));
        assert_ne!(first, name("v", "10.0.0.1/32"));
        assert_ne!(first, name("u", "10.0.0.2/32"));
        assert_ne!(of_container(&owner("u")), of_container(&owner("v")));
    }
}
