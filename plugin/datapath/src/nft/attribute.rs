//! Netlink attributes: a length, a kind, a value, padded to four bytes; a nested attribute's value is
//! attributes.
//!
//! Source: Linux `include/uapi/linux/netlink.h` (`struct nlattr`, `NLA_F_NESTED`, `NLA_TYPE_MASK`).

/// Bytes before an attribute's value: `nla_len` and `nla_type`.
const HEADER: usize = 4;
/// What attributes and messages are padded to.
const ALIGNMENT: usize = 4;
/// Set on the kind of an attribute that holds attributes.
const NESTED: u16 = 0x8000;
/// The bits of `nla_type` that are the kind.
const KIND_MASK: u16 = 0x3fff;

/// Appends attributes to the bytes of one message.
///
/// An attribute of 64 KiB or more cannot be said in `nla_len`; its length is then written as 65535, which the
/// kernel refuses as malformed. Nothing of ours comes near: names have at most 255 bytes, user data as many.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer that continues `bytes`, whose length is a multiple of four.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Everything written, headers included.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An attribute whose value is `value` as it is.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |bytes| bytes.extend_from_slice(value));
    }

    /// A text, ended by a NUL as the kernel's `NLA_STRING` wants it from user space.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |bytes| {
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        });
    }

    /// A number in network byte order, as all of `nf_tables` has them.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// An attribute that holds what `fill` writes.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        self.attribute(kind | NESTED, |bytes| {
            let mut inner = Self::after(std::mem::take(bytes));
            fill(&mut inner);
            *bytes = inner.bytes;
        });
    }

    /// The attributes that `other` holds.
    pub(crate) fn append(&mut self, other: &Self) {
        self.raw(&other.bytes);
    }

    /// Attributes that are written already, padding included.
    pub(crate) fn raw(&mut self, attributes: &[u8]) {
        self.bytes.extend_from_slice(attributes);
    }

    fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(&mut self.bytes);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.bytes.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

/// The attributes in `bytes` as pairs of kind and value; ends at the first that does not fit into `bytes`.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let &[length_low, length_high, kind_low, kind_high, ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_ne_bytes([length_low, length_high]));
        let kind = u16::from_ne_bytes([kind_low, kind_high]) & KIND_MASK;
        let value = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this kind in `bytes`.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

/// A text attribute's value without the NUL that may end it; `None` if it is not UTF-8.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_ends_in_nul_and_is_padded() {
        let mut writer = Writer::default();
        writer.text(3, "nat");
        writer.text(4, "masq4");
        assert_eq!(writer.into_bytes(), b"\x08\0\x03\0nat\0\x0a\0\x04\0masq4\0\0\0");
    }

    #[test]
    fn a_nested_attribute_counts_the_padding_inside_but_not_its_own() {
        let mut writer = Writer::default();
        writer.nested(1, |inner| inner.bytes(2, &[7]));
        writer.number(3, 0x0102_0304);
        assert_eq!(writer.into_bytes(), [12, 0, 1, 0x80, 5, 0, 2, 0, 7, 0, 0, 0, 8, 0, 3, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn an_attribute_longer_than_what_holds_it_ends_the_reading() {
        let bytes = [5, 0, 1, 0, 9, 0, 0, 0, 200, 0, 2, 0, 1];
        assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(1, &[9][..])]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            pairs in prop::collection::vec((1..=KIND_MASK, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
        ) {
            let mut writer = Writer::default();
            writer.nested(9, |inner| pairs.iter().for_each(|(kind, value)| inner.bytes(*kind, value)));
            let bytes = writer.into_bytes();
            let inside = find(&bytes, 9).unwrap();
            let read: Vec<_> = attributes(inside).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            // Each attribute takes four bytes at least, so the reading ends.
            prop_assert!(attributes(&bytes).count() <= bytes.len() / HEADER);
        }
    }
}
