//! What pods own on the node, counted.

use std::fs;
use std::io;
use std::path::Path;

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::tool;
use serde_json::Value;

/// host-local's folder of the story's network.
const RESERVATIONS: &str = "/var/lib/cni/networks/kubenet";
/// podnet's records.
const RECORDS: &str = "/run/podnet/attachments";

/// A kind of thing, and how many of it there are.
pub(crate) type Count = (&'static str, usize);

/// What two pods with two addresses each own: without masquerade or host ports no firewall rule.
pub(crate) const OF_TWO_PODS: [Count; 4] =
    [("links on the bridge", 2), ("addresses reserved", 4), ("records", 2), ("nftables objects", 0)];

/// Counts all kinds, in the order of [`OF_TWO_PODS`].
pub(crate) fn count() -> Result<[Count; 4], Failure> {
    let ports = Place::Node.ip_json(&["link", "show", "master", "cbr0"])?;
    let rules: Value = serde_json::from_str(&tool(&["nft", "-j", "list", "ruleset"])?)?;
    let rules = rules["nftables"].as_array().into_iter().flatten();
    Ok([
        ("links on the bridge", ports.as_array().map_or(0, Vec::len)),
        ("addresses reserved", files(RESERVATIONS, |name| !is_bookkeeping(name))?),
        ("records", files(RECORDS, |_| true)?),
        ("nftables objects", rules.filter(|object| object.get("metainfo").is_none()).count()),
    ])
}

/// The files of a network that outlive its pods: the lock and where to look for the next address.
fn is_bookkeeping(name: &str) -> bool {
    name == "lock" || name.starts_with("last_reserved_ip.")
}

fn files(folder: &str, counts: impl Fn(&str) -> bool) -> Result<usize, Failure> {
    let entries: Vec<_> =
        fs::read_dir(Path::new(folder)).and_then(Iterator::collect::<io::Result<_>>).doing(folder)?;
    Ok(entries.iter().filter(|entry| counts(&entry.file_name().to_string_lossy())).count())
}
