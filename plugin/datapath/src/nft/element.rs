//! Elements of verdict maps: an address, the chain that its packets go through, and a comment that names the
//! owner.

use std::net::IpAddr;

use super::{
    attribute::{Writer, attributes, find},
    comment,
    expression::{DATA_VALUE, LIST_ELEMENT, Verdict, address, jump_target, octets},
};

// `enum nft_set_elem_list_attributes` and `enum nft_set_elem_attributes`.
const ELEMENTS: u16 = 3;
const KEY: u16 = 1;
const DATA: u16 = 2;
const USERDATA: u16 = 6;

/// One element of a verdict map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The key.
    pub(super) address: IpAddr,
    /// The chain that the verdict jumps to; empty where the verdict is another one.
    pub(super) chain: String,
    /// The comment; empty where there is none.
    pub(super) comment: String,
}

impl Element {
    /// Writes the element whole, as it is added.
    pub(super) fn write(&self, message: &mut Writer) {
        write_list(message, |element| {
            write_key(element, self.address);
            element.nested(DATA, |data| Verdict::Jump(&self.chain).write(data));
            element.bytes(USERDATA, &comment::encode(&self.comment));
        });
    }

    /// The elements that a message of the kernel lists; its `attributes` are given.
    pub(super) fn read_all(message: &[u8]) -> impl Iterator<Item = Self> {
        let list = find(message, ELEMENTS).unwrap_or_default();
        attributes(list).filter_map(|(_, element)| Self::read(element))
    }

    fn read(element: &[u8]) -> Option<Self> {
        let chain = find(element, DATA).and_then(jump_target);
        let comment = find(element, USERDATA).and_then(comment::decode);
        Some(Self {
            address: address(find(find(element, KEY)?, DATA_VALUE)?)?,
            chain: chain.unwrap_or_default().to_owned(),
            comment: comment.unwrap_or_default().to_owned(),
        })
    }
}

/// Writes what an element is asked for and deleted by.
pub(super) fn write_address(message: &mut Writer, address: IpAddr) {
    write_list(message, |element| write_key(element, address));
}

fn write_list(message: &mut Writer, element: impl FnOnce(&mut Writer)) {
    message.nested(ELEMENTS, |list| list.nested(LIST_ELEMENT, element));
}

fn write_key(element: &mut Writer, address: IpAddr) {
    element.nested(KEY, |key| key.bytes(DATA_VALUE, &octets(address)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            address in any::<IpAddr>(),
            chain in "[a-z][a-z0-9_.-]{0,40}",
            comment in "[ -~]{0,128}",
        ) {
            let element = Element { address, chain, comment };
            let mut message = Writer::default();
            message.text(1, "podnet");
            element.write(&mut message);
            let bytes = message.into_bytes();
            prop_assert_eq!(Element::read_all(&bytes).collect::<Vec<_>>(), [element]);
        }

        #[test]
        fn any_answer_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut message = Writer::default();
            message.nested(ELEMENTS, |list| list.nested(LIST_ELEMENT, |element| element.bytes(KEY, &bytes)));
            prop_assert!(Element::read_all(&message.into_bytes()).count() <= 1);
            prop_assert!(Element::read_all(&bytes).count() <= bytes.len());
        }
    }
}
