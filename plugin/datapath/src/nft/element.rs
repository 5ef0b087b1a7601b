//! Elements of maps and sets: a key, what it leads to, and a comment that names the owner.

use super::{
    attribute::{Writer, attributes, find},
    comment,
    expression::{DATA_VALUE, LIST_ELEMENT, Verdict, read_verdict},
};

// `enum nft_set_elem_list_attributes` and `enum nft_set_elem_attributes`.
const ELEMENTS: u16 = 3;
const KEY: u16 = 1;
const DATA: u16 = 2;
const USERDATA: u16 = 6;

/// One element of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The key, as [`key`](super::key) writes it.
    pub(super) key: Vec<u8>,
    /// What the key leads to.
    pub(super) value: Value,
    /// The comment; empty where there is none.
    pub(super) comment: String,
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing: an element of a set.
    Nothing,
    /// A jump to the chain of this name.
    Jump(String),
    /// Back to the calling chain.
    Return,
    /// The packet goes through, as far as the base chain goes.
    Accept,
    /// The packet is taken away.
    Drop,
    /// Data, in the form of a key; empty where it is no verdict of ours either.
    Data(Vec<u8>),
}

impl Element {
    fn write(&self, element: &mut Writer) {
        write_key(element, &self.key);
        if self.value != Value::Nothing {
            element.nested(DATA, |data| self.value.write(data));
        }
        element.bytes(USERDATA, &comment::encode(&self.comment));
    }

    /// The elements that a message of the kernel lists; its `attributes` are given.
    pub(super) fn read_all(message: &[u8]) -> impl Iterator<Item = Self> {
        let list = find(message, ELEMENTS).unwrap_or_default();
        attributes(list).filter_map(|(_, element)| Self::read(element))
    }

    fn read(element: &[u8]) -> Option<Self> {
        let comment = find(element, USERDATA).and_then(comment::decode);
        Some(Self {
            key: find(find(element, KEY)?, DATA_VALUE)?.to_vec(),
            value: find(element, DATA).map_or(Value::Nothing, Value::read),
            comment: comment.unwrap_or_default().to_owned(),
        })
    }
}

impl Value {
    fn write(&self, data: &mut Writer) {
        match self {
            Self::Nothing => {}
            Self::Jump(chain) => Verdict::Jump(chain).write(data),
            Self::Return => Verdict::Return.write(data),
            Self::Accept => Verdict::Accept.write(data),
            Self::Drop => Verdict::Drop.write(data),
            Self::Data(bytes) => data.bytes(DATA_VALUE, bytes),
        }
    }

    fn read(data: &[u8]) -> Self {
        match read_verdict(data) {
            Some(Verdict::Jump(chain) | Verdict::Goto(chain)) => Self::Jump(chain.to_owned()),
            Some(Verdict::Return) => Self::Return,
            Some(Verdict::Accept) => Self::Accept,
            Some(Verdict::Drop) => Self::Drop,
            None => Self::Data(find(data, DATA_VALUE).unwrap_or_default().to_vec()),
        }
    }
}

/// Writes elements whole, as they are added.
pub(super) fn write_all(message: &mut Writer, elements: &[&Element]) {
    message.nested(ELEMENTS, |list| {
        for element in elements {
            list.nested(LIST_ELEMENT, |item| element.write(item));
        }
    });
}

/// Writes what elements are asked for and deleted by.
pub(super) fn write_keys(message: &mut Writer, keys: &[&[u8]]) {
    message.nested(ELEMENTS, |list| {
        for key in keys {
            list.nested(LIST_ELEMENT, |item| write_key(item, key));
        }
    });
}

fn write_key(element: &mut Writer, key: &[u8]) {
    element.nested(KEY, |data| data.bytes(DATA_VALUE, key));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_element() -> impl Strategy<Value = Element> {
        let jump = "[a-z][a-z0-9_.-]{0,40}".prop_map(Value::Jump);
        let data = prop::collection::vec(any::<u8>(), 1..64).prop_map(Value::Data);
        let plain = [Value::Nothing, Value::Return, Value::Accept, Value::Drop];
        let plain = prop::sample::select(plain.to_vec());
        let key = prop::collection::vec(any::<u8>(), 1..64);
        (key, prop_oneof![jump, plain, data], "[ -~]{0,128}").prop_map(|(key, value, comment)| Element {
            key,
            value,
            comment,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(elements in prop::collection::vec(any_element(), 1..5)) {
            let mut message = Writer::default();
            message.text(1, "podnet");
            write_all(&mut message, &elements.iter().collect::<Vec<_>>());
            let bytes = message.into_bytes();
            prop_assert_eq!(Element::read_all(&bytes).collect::<Vec<_>>(), elements);
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
