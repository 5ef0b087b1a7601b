//! Which boot of the machine this is.

use std::path::Path;

use crate::error::StoreError;

/// The kernel's random number of this boot.
const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// A boot of the machine. State of another one is of no use: no pod outlives a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootId(pub(crate) [u8; 16]);

impl BootId {
    /// This boot, from `/proc/sys/kernel/random/boot_id` (random(4)).
    pub fn current() -> Result<Self, StoreError> {
        let path = Path::new(PATH);
        let text = std::fs::read_to_string(path).map_err(StoreError::io("read", path))?;
        Self::parse(&text).ok_or(StoreError::BootId { text })
    }

    /// A boot from its UUID's text.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
        // A number may have a sign, too.
        let hexadecimal = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| hexadecimal)?;
        Some(Self(number.to_be_bytes()))
    }
}
