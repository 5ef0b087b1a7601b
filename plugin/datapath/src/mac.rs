//! Ethernet addresses.

use std::{fmt, net::Ipv6Addr};

use sha2::{Digest, Sha256};

/// An Ethernet (EUI-48) address. Text form: six lower-case hexadecimal pairs between colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// The address of these bytes, in the order of transmission.
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The IPv6 address that a link with this address gives itself (RFC 4291 section 2.5.6 and appendix A).
    pub(crate) fn link_local(self) -> Ipv6Addr {
        let [first, second, third, rest @ ..] = self.0;
        let [fourth, fifth, sixth] = rest;
        let identifier = [first ^ 0x02, second, third, 0xff, 0xfe, fourth, fifth, sixth];
        Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(u64::from_be_bytes(identifier)))
    }

    /// A locally administered address that follows from a name (the first bytes of its SHA-256), for a link that is one of
    /// its name on the node.
    pub fn named(name: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(name).into();
        let mut bytes = digest.first_chunk::<6>().copied().unwrap_or_default();
        bytes[0] = bytes[0] & !1 | 2;
        Self(bytes)
    }

    /// The bytes in the order of transmission.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|byte| format!("{byte:02x}")).join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_local_address_is_the_kernels() {
        let mac = MacAddr::new([0x0a, 0x58, 0x0a, 0xf4, 0x01, 0x05]);
        assert_eq!(mac.link_local().to_string(), "fe80::858:aff:fef4:105");
    }
}
