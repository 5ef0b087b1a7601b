//! Messages of protocol buffers on the wire, as far as the container runtime interface needs them: numbers, texts and
//! messages in messages. Source: protobuf.dev, "Encoding".

use crate::failure::{Context as _, Failure};

const VARINT: u64 = 0;
const LENGTH_DELIMITED: u64 = 2;

/// A message being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u64, number: u64) -> Self {
        self.varint(field << 3 | VARINT);
        self.varint(number);
        self
    }

    pub(super) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// One entry of a map from text to text.
    pub(super) fn entry(self, field: u64, key: &str, value: &str) -> Self {
        self.message(field, &Self::default().text(1, key).text(2, value))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
}

/// A field of a message that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order, with their numbers.
pub(super) fn fields(mut message: &[u8]) -> Result<Vec<(u64, Field<'_>)>, Failure> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            VARINT => Field::Number(varint(&mut message)?),
            LENGTH_DELIMITED => {
                let length = usize::try_from(varint(&mut message)?)?;
                let (bytes, rest) = message.split_at_checked(length).doing("a field that ends")?;
                message = rest;
                Field::Bytes(bytes)
            }
            other => return Err(Failure::failed(format!("field {} has wire type {other}", tag >> 3))),
        };
        fields.push((tag >> 3, field));
    }
    Ok(fields)
}

/// Every text or message of this number.
pub(super) fn all(message: &[u8], number: u64) -> Result<Vec<&[u8]>, Failure> {
    let of_number = |(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    };
    Ok(fields(message)?.into_iter().filter_map(of_number).collect())
}

/// The first text of this number; absent is empty.
pub(super) fn text(message: &[u8], number: u64) -> Result<String, Failure> {
    let first = all(message, number)?.into_iter().next().unwrap_or_default();
    Ok(str::from_utf8(first)?.to_owned())
}

/// The first number of this number; absent is zero.
pub(super) fn number(message: &[u8], wanted: u64) -> Result<u64, Failure> {
    let of_number = |(found, field)| match field {
        Field::Number(value) if found == wanted => Some(value),
        _ => None,
    };
    Ok(fields(message)?.into_iter().find_map(of_number).unwrap_or_default())
}

fn varint(message: &mut &[u8]) -> Result<u64, Failure> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first().doing("a number that ends")?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Failure::failed("a number of more than 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Encoding".
    #[test]
    fn messages_are_as_the_specification_shows_them() {
        assert_eq!(Message::default().number(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").as_bytes(), b"\x12\x07testing");
        let inner = Message::default().number(1, 150);
        assert_eq!(Message::default().message(3, &inner).as_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
    }

    #[test]
    fn what_was_written_is_read() {
        let written =
            Message::default().number(1, u64::MAX).text(2, "a").text(2, "b").entry(7, "key", "value");
        let bytes = written.as_bytes();
        assert_eq!(number(bytes, 1).unwrap(), u64::MAX);
        assert_eq!(all(bytes, 2).unwrap(), [b"a", b"b"]);
        let entry = all(bytes, 7).unwrap()[0];
        assert_eq!((text(entry, 1).unwrap(), text(entry, 2).unwrap()), ("key".into(), "value".into()));
        assert_eq!((number(bytes, 9).unwrap(), text(bytes, 9).unwrap()), (0, String::new()));
    }

    #[test]
    fn a_message_cut_short_is_no_message() {
        let written = Message::default().number(1, 150).text(2, "testing");
        for length in [1, 2, 4, 7, written.as_bytes().len() - 1] {
            fields(&written.as_bytes()[..length]).unwrap_err();
        }
    }
}
