//! Documents that somebody else keeps up to date: in a file, or at the API server.
//!
//! ```text
//!  FILE, read again on each change ──text──▶ ┐
//!                                            ├─ JSON ─▶ podCIDR, nodeNetworkConfig
//!  watch of one object ────────────object──▶ ┘
//! ```
//!
//! A file is YAML or JSON as `kubectl get -o yaml` and `-o json` print it. Whoever writes it does so by rename, or is read
//! twice. What the node asks for is written beside it, as `FILE.request`, or applied to the object.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{SourceError, Wish};

mod assigned;
mod file;
mod object;

pub(super) use assigned::Assigned;
pub(super) use file::File;
pub(super) use object::{Object, node};

/// Where a document comes from and wishes go to.
pub(super) trait Feed: Send + 'static {
    /// How errors call it.
    fn name(&self) -> String;

    /// The document: the first time at once, then whenever it changed.
    fn next(&mut self) -> impl Future<Output = Result<Value, SourceError>> + Send;

    /// Says what the node asks for.
    fn request(&mut self, wish: &Wish) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// How long whoever is asked wants to be left alone.
    fn hold(&self) -> Duration {
        Duration::ZERO
    }
}

/// Reads a part of a document; what is wrong with it is named by its path.
///
/// # Arguments
/// `path`: where the part is, as in `spec`; empty: it is the whole.
pub(super) fn decode<T: DeserializeOwned>(part: &Value, path: &str) -> Result<T, String> {
    decode_all(part, path, |_| {})
}

/// The same; `unknown` is told the path of each member that is passed over.
pub(super) fn decode_all<T: DeserializeOwned>(
    part: &Value,
    path: &str,
    mut unknown: impl FnMut(&serde_ignored::Path<'_>),
) -> Result<T, String> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(part, &mut track);
    let mut note = |path: serde_ignored::Path<'_>| unknown(&path);
    T::deserialize(serde_ignored::Deserializer::new(tracked, &mut note)).map_err(|says| {
        let inner = track.path().to_string();
        let place = match (path, inner.as_str()) {
            (_, ".") => path.to_owned(),
            ("", inner) => inner.to_owned(),
            (path, inner) => format!("{path}.{inner}"),
        };
        if place.is_empty() { says.to_string() } else { format!("{place}: {says}") }
    })
}
