//! Names that the reference plugins give to what they make, by which their DEL finds it again.

use std::fmt::Write;

use sha2::{Digest, Sha512};

/// `prefix`, filled up to `length` bytes with the digest of the network and the container.
///
/// Source: `MustFormatHashWithPrefix` of containernetworking/plugins, `pkg/utils/utils.go`.
pub(crate) fn hashed_name(prefix: &str, length: usize, network: &str, container: &str) -> String {
    let mut name = prefix.to_owned();
    for byte in Sha512::new().chain_update(network).chain_update(container).finalize() {
        // Writing to a String cannot fail.
        write!(name, "{byte:02x}").ok();
    }
    name.truncate(length);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference's own tests; the last one with coreutils: `printf testcontainer | sha512sum`.
    #[test]
    fn names_are_the_references() {
        assert_eq!(hashed_name("CNI-", 28, "test", "1234"), "CNI-2bbe0c48b91a7d1b8a6753a8");
        assert_eq!(
            hashed_name(
                "CNI-DN-",
                28,
                "test",
                "icee6giejonei6sohng6ahngee7laquohquee9shiGo7fohferakah3Feiyoolu2pei7ciPhoh7shaoX6vai3vuf0ahfaeng8yohb9ceu0daez5hashee8ooYai5wa3y"
            ),
            "CNI-DN-67e92b96e692a494b6b85"
        );
        assert_eq!(hashed_name("bwp", 15, "test", "1234"), "bwp2bbe0c48b91a");
    }
}
