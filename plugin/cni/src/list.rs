//! Network configuration files: a list of plugins (`.conflist`), or one plugin (`.conf`).
//!
//! This is the view of the runtime, for the tool that checks files before a runtime reads them. libcni
//! reads the members of the list itself by their exact spelling; those of the plugins' entries are
//! each plugin's own matter.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::json::{self, DecodeError, Inspection, UnknownMember};
use crate::name::NetworkName;
use crate::version::{Numbers, Version};

/// A network configuration as libcni loads it (CNI specification 1.1.0, section 1).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkList {
    /// The network's name.
    pub name: String,
    /// The version that libcni settles on: the highest of `cniVersion` and `cniVersions` that it
    /// knows. Not checked to be a supported one; empty where none is declared.
    pub cni_version: String,
    /// The runtime is not to call CHECK.
    pub disable_check: bool,
    /// The runtime is not to call GC.
    pub disable_gc: bool,
    /// The plugins' entries as each plugin gets them: objects with the list's name and version.
    pub plugins: Vec<Value>,
}

/// A list with everything that is wrong with it.
#[derive(Debug)]
pub struct InspectedList {
    /// The list, as far as it can be read.
    pub list: NetworkList,
    /// Every error in the list's own members.
    pub errors: Vec<DecodeError>,
    /// The list's own members that libcni does not read.
    pub unknown: BTreeSet<UnknownMember>,
}

/// A file that is no configuration at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The file is no JSON.
    #[error("not valid JSON")]
    Json(#[source] serde_json::Error),
    /// The file is JSON, but no object.
    #[error("not a JSON object")]
    NoObject,
}

impl NetworkList {
    /// Reads a file's content: a list if it has `plugins` or no `type`, else one plugin, of which
    /// libcni makes a list with that entry alone.
    pub fn inspect(content: &[u8]) -> Result<InspectedList, ListError> {
        let value: Value = serde_json::from_slice(content).map_err(ListError::Json)?;
        let object = value.as_object().ok_or(ListError::NoObject)?;
        if object.contains_key("plugins") || json::member(&value, "type").is_none() {
            Ok(inspect_list(&value))
        } else {
            Ok(inspect_single(&value, object))
        }
    }
}

/// The members of a list, as libcni reads them.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawList {
    name: String,
    cni_version: String,
    cni_versions: Vec<ComparableVersion>,
    #[serde(deserialize_with = "loose_bool")]
    disable_check: bool,
    #[serde(rename = "disableGC", deserialize_with = "loose_bool")]
    disable_gc: bool,
    #[serde(deserialize_with = "loose_bool")]
    load_only_inlined_plugins: bool,
    plugins: Option<Vec<Value>>,
}

fn inspect_list(value: &Value) -> InspectedList {
    let Inspection { decoded, mut errors, unknown } = json::inspect_exact::<RawList>(value);
    let raw = decoded.unwrap_or_default();
    let cni_version = raw.effective_version().unwrap_or_else(|error| {
        errors.push(error);
        raw.cni_version.clone()
    });
    check_name(&raw.name, &mut errors);
    match &raw.plugins {
        // The runtime looks for entries in the folder named after the network.
        None if !raw.load_only_inlined_plugins => {}
        None => errors.push(DecodeError::new("plugins", "missing, and loadOnlyInlinedPlugins is true")),
        Some(plugins) if plugins.is_empty() => errors.push(DecodeError::new("plugins", "no plugins in list")),
        Some(_) => {}
    }
    let plugins = raw.plugins.unwrap_or_default();
    for (index, plugin) in plugins.iter().enumerate() {
        check_entry(plugin, &format!("plugins[{index}]"), &mut errors);
    }
    let objects = plugins.into_iter().filter_map(|plugin| match plugin {
        Value::Object(members) => Some(members),
        _ => None,
    });
    let list = NetworkList {
        plugins: objects.map(|members| entry(members, &raw.name, &cni_version)).collect(),
        name: raw.name,
        cni_version,
        disable_check: raw.disable_check,
        disable_gc: raw.disable_gc,
    };
    InspectedList { list, errors, unknown }
}

/// The list's part of a file with one plugin: the plugin's own name and version.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawSingle {
    name: String,
    cni_version: String,
}

fn inspect_single(value: &Value, members: &Map<String, Value>) -> InspectedList {
    let Inspection { decoded, mut errors, .. } = json::inspect::<RawSingle>(value);
    let RawSingle { name, cni_version } = decoded.unwrap_or_default();
    check_name(&name, &mut errors);
    check_entry(value, "", &mut errors);
    let plugins = vec![entry(members.clone(), &name, &cni_version)];
    let list = NetworkList { name, cni_version, plugins, ..NetworkList::default() };
    InspectedList { list, errors, unknown: BTreeSet::new() }
}

/// The entry as libcni hands it to the plugin.
fn entry(mut plugin: Map<String, Value>, name: &str, cni_version: &str) -> Value {
    plugin.insert("name".to_owned(), name.into());
    plugin.insert("cniVersion".to_owned(), cni_version.into());
    Value::Object(plugin)
}

fn check_name(name: &str, errors: &mut Vec<DecodeError>) {
    let reported = errors.iter().any(|error| error.path() == "name");
    if let (Err(error), false) = (NetworkName::new(name), reported) {
        errors.push(DecodeError::new("name", format!("{name:?}: {error}")));
    }
}

fn check_entry(plugin: &Value, path: &str, errors: &mut Vec<DecodeError>) {
    let error = match json::member(plugin, "type") {
        _ if !plugin.is_object() => DecodeError::new("", "not an object"),
        Some(Value::String(name)) if !name.is_empty() => return,
        None | Some(Value::Null | Value::String(_)) => DecodeError::new("type", "missing"),
        Some(_) => DecodeError::new("type", "not a string"),
    };
    errors.push(error.within(path));
}

impl RawList {
    /// The highest declared version that libcni knows. Without `cniVersions` it takes `cniVersion` as
    /// it is.
    fn effective_version(&self) -> Result<String, DecodeError> {
        if self.cni_versions.is_empty() {
            return Ok(self.cni_version.clone());
        }
        let own = if self.cni_version.is_empty() {
            None
        } else {
            let parsed = ComparableVersion::try_from(self.cni_version.clone());
            Some(parsed.map_err(|reason| DecodeError::new("cniVersion", reason))?)
        };
        let known =
            self.cni_versions.iter().chain(&own).filter(|version| version.numbers <= Version::LATEST.into());
        let highest = known.max_by_key(|version| version.numbers);
        Ok(highest.map_or_else(|| self.cni_version.clone(), |version| version.text.clone()))
    }
}

/// A version as declared, and as numbers to compare it by.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct ComparableVersion {
    text: String,
    numbers: Numbers,
}

impl TryFrom<String> for ComparableVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let numbers = Numbers::parse(&text).map_err(|error| error.to_string())?;
        Ok(Self { text, numbers })
    }
}

/// A truth value, or its name as a text in any letter case.
fn loose_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected true, false, \"true\" or \"false\"")]
    enum Loose {
        Bool(bool),
        Text(String),
    }
    match Loose::deserialize(deserializer)? {
        Loose::Bool(truth) => Ok(truth),
        Loose::Text(text) => text
            .to_ascii_lowercase()
            .parse()
            .map_err(|_not_bool| serde::de::Error::custom("expected true, false, \"true\" or \"false\"")),
    }
}

#[cfg(test)]
mod tests;
