//! The names by which the reference plugins (containernetworking/plugins 1.9.1) find what they made for an attachment.
//! Facts of their `pkg/utils` and `pkg/ip`.

use std::fmt::Write;

use sha2::{Digest, Sha512};

use crate::{LinkName, LinkPrefix, Owner};

/// The longest chain name that they give `iptables`, in bytes.
const CHAIN_NAME: usize = 28;

/// The longest name that the kernel gives a link, in bytes.
const LINK_NAME: usize = 15;

/// Hexadecimal digits of each hash in a comment.
const HASH: usize = 16;

/// `prefix`, filled up to `length` bytes with digits of the SHA-512 of `parts`, one behind the other.
pub fn hashed_name(prefix: &str, parts: &[&str], length: usize) -> String {
    let mut digest = Sha512::new();
    for part in parts {
        digest.update(part);
    }
    let mut name = prefix.to_owned();
    for byte in digest.finalize() {
        // A String takes everything.
        write!(name, "{byte:02x}").ok();
    }
    name.truncate(length);
    name
}

/// The attachment's chain in the table `nat` of `iptables`. The interface is not part of it: all of a container's in one
/// network share a chain.
pub fn masquerade_chain(owner: &Owner) -> String {
    hashed_name("CNI-", &[owner.network(), owner.container()], CHAIN_NAME)
}

/// The comment of the rules of [`masquerade_chain`] and of those that lead there.
pub fn masquerade_comment(network: &str, container: &str) -> String {
    format!("name: \"{network}\" id: \"{container}\"")
}

/// The ifb that what the attachment's container sends is queued at. The interface is no more part of it.
pub(crate) fn limit_link(owner: &Owner) -> LinkName {
    let prefix = LinkPrefix::REFERENCE_IFB;
    let name = hashed_name(prefix.as_str(), &[owner.network(), owner.container()], LINK_NAME);
    prefix.with(name.strip_prefix(prefix.as_str()).unwrap_or_default())
}

/// What the comments of a network's rules in nftables begin with, before a hyphen.
pub(crate) fn network_hash(network: &str) -> String {
    hashed_name("", &[network], HASH)
}

/// What the comments of an attachment's rules in nftables begin with, before a comma.
pub(crate) fn attachment_hash(owner: &Owner) -> String {
    let instance = hashed_name("", &[owner.ifname(), ":", owner.container()], HASH);
    format!("{}-{instance}", network_hash(owner.network()))
}

/// The comment of an attachment's rules in nftables; what does not fit is cut off when it is written.
pub(crate) fn attachment_comment(owner: &Owner) -> String {
    let hash = attachment_hash(owner);
    format!("{hash}, net: {}, if: {}, id: {}", owner.network(), owner.ifname(), owner.container())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference_plugins() {
        let owner = Owner::new("test", "1234", "eth0");
        assert_eq!(masquerade_chain(&owner), "CNI-2bbe0c48b91a7d1b8a6753a8");
        assert_eq!(limit_link(&owner).as_str(), "bwp2bbe0c48b91a");
        assert_eq!(masquerade_comment("test", "1234"), "name: \"test\" id: \"1234\"");
        let owner = Owner::new("unit-test", "one", "eth0");
        assert_eq!(attachment_hash(&owner), "6fd94d501e58f0aa-287fc69eff0574a2");
        assert_eq!(
            attachment_comment(&owner),
            "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one"
        );
    }
}
