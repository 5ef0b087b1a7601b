//! JSON read the way Go's decoder reads it, into any type that derives `Deserialize`.
//!
//! Runtimes and configurations were written against Go: containerd sends `HostPort` where CRI-O sends
//! `hostPort`, and `null` where a list is empty. So, for every struct at any depth:
//!
//! - a member matches its field in any ASCII letter case; the exact spelling wins over the others;
//! - a member that is `null` is taken as absent (give the field `#[serde(default)]` or `Option`);
//! - a member without a field is ignored, and can be listed with the field it was perhaps meant for.
//!
//! The keys of maps, and whatever lies in a [`Value`], are data and stay as they are. serde buffers the
//! content of untagged and internally tagged enums and of `#[serde(flatten)]` before it looks for
//! structs in them, so those structs match by exact spelling; to fold their members too, read a
//! [`Value`] and [`decode`] it.

#![forbid(unsafe_code)]

mod error;
mod folded;
mod nearest;
mod path;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::DecodeError;
pub use nearest::UnknownMember;

use folded::{Folded, Session};
use path::Path;

/// How many errors [`inspect`] collects: more would help nobody, and each costs one more pass.
const MAX_ERRORS: usize = 100;

/// Reads `value` as a `T`; the error names the offending member by its path from `value`.
pub fn decode<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, DecodeError> {
    T::deserialize(Folded::root(value, &Session::default()))
}

/// What a person wants to know of a configuration: every error, and every member that nobody reads.
#[derive(Debug)]
pub struct Inspection<T> {
    /// The value, where it can be had once the members in error are left out.
    pub decoded: Option<T>,
    /// Every error, in the order in which they were met.
    pub errors: Vec<DecodeError>,
    /// The members that no field takes, sorted by path.
    pub unknown: BTreeSet<UnknownMember>,
}

/// Reads `value` as a `T` like [`decode`], but goes on after an error, up to 100 of them.
pub fn inspect<'de, T: Deserialize<'de>>(value: &'de Value) -> Inspection<T> {
    inspect_in(value, Session::default())
}

/// [`inspect`], but members match by exact spelling only, as libcni reads a list of plugins.
pub fn inspect_exact<'de, T: Deserialize<'de>>(value: &'de Value) -> Inspection<T> {
    inspect_in(value, Session { exact: true, ..Session::default() })
}

/// A derived `Deserialize` stops at its first error. So each pass ignores the nodes that the passes
/// before it stumbled over, until one succeeds or the error is at the root.
fn inspect_in<'de, T: Deserialize<'de>>(value: &'de Value, session: Session) -> Inspection<T> {
    let mut session = Session { unknown: Some(RefCell::default()), ..session };
    let mut errors: Vec<DecodeError> = Vec::new();
    let decoded = loop {
        let error = match T::deserialize(Folded::root(value, &session)) {
            Ok(decoded) => break Some(decoded),
            Err(error) => error,
        };
        let at_root = error.path().is_empty();
        session.ignored.insert(error.path().to_owned());
        // The lack of a member that was ignored is no error of its own.
        if !errors.iter().any(|earlier| earlier.is_within(error.path())) {
            errors.push(error);
        }
        if at_root || errors.len() == MAX_ERRORS {
            break None;
        }
    };
    Inspection { decoded, errors, unknown: session.unknown.map(RefCell::into_inner).unwrap_or_default() }
}

/// The member of `object` that Go would store in a field called `name`: the exact spelling, else the
/// last other letter case in the order of the keys. `null` counts as present here; what is no object
/// has no members.
pub fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let object = object.as_object()?;
    let folded =
        || object.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    object.get(name).or_else(folded)
}

/// `value` indented by four spaces, without a newline at its end, as libcni prints its documents.
pub fn pretty<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    // serde_json writes nothing but UTF-8.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// The path of `name` inside the node at `parent`; either may be empty.
fn join(parent: &str, child: &str) -> String {
    match (parent, child) {
        ("", _) => child.to_owned(),
        (_, "") => parent.to_owned(),
        _ if child.starts_with('[') => format!("{parent}{child}"),
        _ => format!("{parent}.{child}"),
    }
}

#[cfg(test)]
mod tests;
