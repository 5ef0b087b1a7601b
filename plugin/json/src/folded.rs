//! The `Deserializer` that lays the members of objects on the fields of structs as Go does.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use serde::Deserializer;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::nearest::nearest;
use super::{DecodeError, Path, UnknownMember};

/// What one pass over a document is to do, and what it found.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Members match by exact spelling only.
    pub(super) exact: bool,
    /// The paths of the nodes to take as absent.
    pub(super) ignored: HashSet<String>,
    /// The members that no field took, where they are wanted.
    pub(super) unknown: Option<RefCell<BTreeSet<UnknownMember>>>,
}

impl Session {
    fn matches(&self, key: &str, field: &str) -> bool {
        if self.exact { key == field } else { key.eq_ignore_ascii_case(field) }
    }

    fn ignores(&self, path: &Path<'_>) -> bool {
        !self.ignored.is_empty() && self.ignored.contains(&path.to_string())
    }

    fn note_unknown(&self, object: &Map<String, Value>, fields: &'static [&'static str], path: &Path<'_>) {
        let Some(unknown) = &self.unknown else { return };
        let is_unknown = |key: &&String| !fields.iter().any(|field| self.matches(key, field));
        unknown.borrow_mut().extend(object.keys().filter(is_unknown).map(|key| UnknownMember {
            path: Path::Member(path, key).to_string(),
            nearest: nearest(key, fields),
        }));
    }
}

/// One node of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folded<'de, 's> {
    value: &'de Value,
    path: Path<'s>,
    session: &'s Session,
}

impl<'de, 's> Folded<'de, 's> {
    pub(super) fn root(value: &'de Value, session: &'s Session) -> Self {
        Self { value, path: Path::Root, session }
    }
}

impl<'de> Deserializer<'de> for Folded<'de, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Self { value, path, session } = self;
        match value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(number) => number.deserialize_any(visitor).map_err(DecodeError::custom),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(elements) => {
                visitor.visit_seq(Elements { rest: elements.iter().enumerate(), path: &path, session })
            }
            Value::Object(object) => {
                let members = object.iter().map(|(key, value)| Member { name: key, key, value });
                visitor.visit_map(Members { rest: members, value: None, path: &path, session })
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Self { value, path, session } = self;
        // serde would take an array for a struct, field by field.
        let Value::Object(object) = value else {
            return Err(DecodeError::invalid_type(unexpected(value), &"an object"));
        };
        session.note_unknown(object, fields, &path);
        let members = fields.iter().filter_map(|field| taken_by(field, fields, object, session));
        visitor.visit_map(Members { rest: members, value: None, path: &path, session })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.value.deserialize_enum(name, variants, visitor).map_err(DecodeError::custom)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(truth) => Unexpected::Bool(*truth),
        Value::Number(_) => Unexpected::Other("number"),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

/// A member of an object, as a visitor is to see it.
struct Member<'de> {
    /// The name for the visitor: the field's where the visitor builds a struct.
    name: &'de str,
    /// The name in the document.
    key: &'de str,
    value: &'de Value,
}

/// The member that goes into `field`: the one of that exact name, else the last that matches it and is
/// no other field's exact name (libcni sorts keys, and Go keeps the last it reads).
fn taken_by<'de>(
    field: &'static str,
    fields: &'static [&'static str],
    object: &'de Map<String, Value>,
    session: &Session,
) -> Option<Member<'de>> {
    let is_candidate = |key: &str| session.matches(key, field) && !fields.contains(&key);
    let exact = object.get_key_value(field);
    let (key, value) = exact.or_else(|| object.iter().rev().find(|(key, _)| is_candidate(key)))?;
    (!value.is_null()).then_some(Member { name: field, key, value })
}

/// The members of one object, in the hands of a visitor.
struct Members<'de, 's, I> {
    rest: I,
    /// The member whose name was given out last.
    value: Option<Member<'de>>,
    path: &'s Path<'s>,
    session: &'s Session,
}

impl<'de, I: Iterator<Item = Member<'de>>> MapAccess<'de> for Members<'de, '_, I> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let (path, session) = (self.path, self.session);
        self.value = self.rest.find(|member| !session.ignores(&Path::Member(path, member.key)));
        let name = self.value.as_ref().map(|member| BorrowedStrDeserializer::new(member.name));
        name.map(|name| seed.deserialize(name)).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let Some(Member { key, value, .. }) = self.value.take() else {
            return Err(DecodeError::custom("a value was asked for before its name"));
        };
        let path = Path::Member(self.path, key);
        seed.deserialize(Folded { value, path, session: self.session }).map_err(|error| error.at(path, value))
    }
}

/// The elements of one array, in the hands of a visitor.
struct Elements<'de, 's> {
    rest: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: &'s Path<'s>,
    session: &'s Session,
}

impl<'de> SeqAccess<'de> for Elements<'de, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let (parent, session) = (self.path, self.session);
        let next = self.rest.find(|(index, _)| !session.ignores(&Path::Element(parent, *index)));
        let Some((index, value)) = next else {
            return Ok(None);
        };
        let path = Path::Element(parent, index);
        seed.deserialize(Folded { value, path, session }).map(Some).map_err(|error| error.at(path, value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}
