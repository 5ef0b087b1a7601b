//! A file's text as a list of keys and values with their lines.
//!
//! JSON is checked by JSON's rules and then read as the YAML that it also is, because only the YAML reader tells lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use super::finding::{Finding, Problem};

/// Values that aliases may stand for, all together: a few bytes must not become millions of values.
const MOST_ALIASED: usize = 10_000;

/// A member of the top level, with the line (from 1) of its value.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) value: Value,
}

/// A value, as far as a configuration can hold any.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<(u64, Value)>),
    Map(Vec<Member>),
}

impl Value {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads the first document of a text. An empty one, and one of comments alone, has no members.
pub(super) fn members(text: &str) -> Result<Vec<Member>, Finding> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{')
        && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
    {
        let line = u64::try_from(error.line()).unwrap_or_default();
        return Err(Finding { line, problem: Problem::Syntax { language: "JSON", says: error.to_string() } });
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_ALIASED }
    };
    let mut bytes = text.as_bytes();
    let first: Option<Result<Spanned<Value>, _>> =
        serde_saphyr::read_with_options(&mut bytes, options).next();
    match first {
        None | Some(Ok(Spanned { value: Value::Null, .. })) => Ok(Vec::new()),
        Some(Ok(Spanned { value: Value::Map(members), .. })) => Ok(members),
        Some(Ok(other)) => {
            let problem = Problem::NotAMapping { found: other.value.kind() };
            Err(Finding { line: other.referenced.line(), problem })
        }
        Some(Err(error)) => {
            let line = error.location().map_or(0, |location: Location| location.line());
            let says = error.without_snippet().to_string();
            Err(Finding { line, problem: Problem::Syntax { language: "YAML", says } })
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element::<Spanned<Value>>()? {
            items.push((item.referenced.line(), item.value));
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Value>>()? {
            members.push(Member { line: key.referenced.line(), key: key.value, value: value.value });
        }
        Ok(Value::Map(members))
    }
}
