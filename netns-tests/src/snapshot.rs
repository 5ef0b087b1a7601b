//! The state of a node that a plugin may change, as comparable text: links, addresses, routes, neighbours for good,
//! nftables, files.
//!
//! Left out is what moves by itself or may differ by design: the carrier that the kernel reports late, link-local
//! addresses and multicast routes that it makes by itself, when it comes to it, and the content (not the presence) of host-local's cursors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::{Context as _, Failure};
use crate::netns::Place;
use crate::process::tool;

/// Where a plugin keeps files.
const FOLDERS: [&str; 2] = ["/var/lib/cni/networks", "/run/podnet"];

/// Members of `ip -j addr` that say nothing about what was configured.
const VOLATILE: [&str; 5] = ["operstate", "tentative", "qdisc", "link_index", "preferred_life_time"];

/// Everything seen at one moment, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// The node's state now.
    pub fn take() -> Result<Self, Failure> {
        Self::take_in(Place::Node, &FOLDERS)
    }

    /// The state of `place` now, with the files under `folders`. Rules are the node's alone.
    pub fn take_in(place: Place<'_>, folders: &[&str]) -> Result<Self, Failure> {
        let mut seen = BTreeMap::new();
        for mut link in list(place.ip_json(&["addr"])?) {
            let name = link["ifname"].as_str().unwrap_or_default().to_owned();
            let addresses = list(link["addr_info"].take());
            for mut address in addresses.into_iter().filter(|address| !is_made_by_kernel(&address["local"])) {
                strip(&mut address);
                seen.insert(format!("address {} on {name}", address["local"]), address.to_string());
            }
            strip(&mut link);
            seen.insert(format!("link {name}"), link.to_string());
        }
        for family in ["-4", "-6"] {
            for mut route in list(place.ip_json(&[family, "route", "show", "table", "all"])?) {
                if !is_made_by_kernel(&route["dst"]) {
                    strip(&mut route);
                    let key = format!("route {} dev {} table {}", route["dst"], route["dev"], route["table"]);
                    seen.insert(key, route.to_string());
                }
            }
        }
        for neighbour in list(place.ip_json(&["neigh", "show", "nud", "permanent"])?) {
            seen.insert(
                format!("neighbour {} dev {}", neighbour["dst"], neighbour["dev"]),
                neighbour.to_string(),
            );
        }
        if let Place::Node = place {
            rules(&mut seen)?;
        }
        for folder in folders {
            files(Path::new(folder), &mut seen)?;
        }
        Ok(Self(seen))
    }

    /// What was seen, without its state.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is in `after` and not here, gone, or different; one line each.
    pub fn differences(&self, after: &Self) -> Vec<String> {
        let gone = self
            .0
            .iter()
            .filter(|(name, _)| !after.0.contains_key(*name))
            .map(|(name, _)| format!("gone: {name}"));
        let changed = after.0.iter().filter_map(|(name, now)| match self.0.get(name) {
            None => Some(format!("new: {name} {now}")),
            Some(before) if before != now => {
                Some(format!("changed: {name}\n    from {before}\n    to   {now}"))
            }
            Some(_) => None,
        });
        gone.chain(changed).collect()
    }

    /// Fails, naming every difference, unless the node is now as it was at this snapshot.
    pub fn ensure_unchanged(&self, since: &str) -> Result<(), Failure> {
        let differences = self.differences(&Self::take()?);
        crate::ensure!(
            differences.is_empty(),
            "after {since} the node differs:\n  {}",
            differences.join("\n  ")
        );
        Ok(())
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(members) => members,
        _ => Vec::new(),
    }
}

fn is_made_by_kernel(address: &Value) -> bool {
    address.as_str().is_some_and(|text| text.starts_with("fe80:") || text.starts_with("ff00:"))
}

/// Takes out what moves by itself, and the flags that follow the carrier.
fn strip(object: &mut Value) {
    let Value::Object(members) = object else { return };
    members.retain(|name, _| !VOLATILE.contains(&name.as_str()));
    if let Some(Value::Array(flags)) = members.get_mut("flags") {
        flags.retain(|flag| !matches!(flag.as_str(), Some("NO-CARRIER" | "LOWER_UP" | "linkdown")));
    }
}

/// The numbers by which the kernel knows objects change when a rule is put in its own place.
fn forget_handles(object: &mut Value) {
    for member in object.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Value::Object(members) = member {
            members.remove("handle");
        }
    }
}

fn rules(seen: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let rules = tool(&["nft", "-j", "-s", "list", "ruleset"])?;
    for mut object in list(serde_json::from_str::<Value>(&rules)?["nftables"].take()) {
        if object.get("metainfo").is_none() {
            forget_handles(&mut object);
            seen.insert(format!("nftables {object}"), String::new());
        }
    }
    Ok(())
}

fn files(folder: &Path, seen: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = format!("file {}", path.display());
        if entry.file_type()?.is_dir() {
            files(&path, seen)?;
            seen.insert(name, "a folder".into());
        } else if entry.file_name().to_string_lossy().starts_with("last_reserved_ip.") {
            seen.insert(name, "a cursor".into());
        } else {
            let content = fs::read(&path).doing(path.display())?;
            seen.insert(name, String::from_utf8_lossy(&content).into_owned());
        }
    }
    Ok(())
}
