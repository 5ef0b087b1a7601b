//! Ethernet addresses.

use std::fmt;

use sha2::{Digest, Sha256};

/// An Ethernet (EUI-48) address. Text form: six lower-case hexadecimal pairs between colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// The address of these bytes, in the order of transmission.
    pub const fn new(bytes: [u8; 6]) -> Self {
        Self(bytes)
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
