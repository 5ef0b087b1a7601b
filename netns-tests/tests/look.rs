//! Looking at the kernel: what a test needs to know of one link.

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::tool;
use serde_json::Value;

/// One link as `ip -details` shows it, with its addresses; nothing when it is not there.
pub(crate) fn find(place: Place<'_>, name: &str) -> Result<Option<Value>, Failure> {
    let all = place.ip_json(&["-d", "addr", "show"])?;
    Ok(all.as_array().into_iter().flatten().find(|link| link["ifname"] == name).cloned())
}

/// As [`find`], for a link that has to be there.
pub(crate) fn link(place: Place<'_>, name: &str) -> Result<Value, Failure> {
    find(place, name)?.doing(format_args!("link {name} in {place}"))
}

/// The addresses of a link, `ADDRESS/LENGTH`, without those that the kernel makes by itself.
pub(crate) fn addresses(link: &Value) -> Vec<String> {
    let infos = link["addr_info"].as_array().into_iter().flatten();
    let global = infos.filter(|info| info["scope"] == "global");
    global.filter_map(|info| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"]))).collect()
}

/// Whether a link has the flag, as `UP`.
pub(crate) fn has_flag(link: &Value, flag: &str) -> bool {
    link["flags"].as_array().is_some_and(|flags| flags.iter().any(|known| known == flag))
}

/// The gateways of the default routes, IPv4 before IPv6.
pub(crate) fn default_gateways(place: Place<'_>) -> Result<Vec<String>, Failure> {
    let mut gateways = Vec::new();
    for family in ["-4", "-6"] {
        let routes = place.ip_json(&[family, "route", "show", "default"])?;
        let found = routes.as_array().into_iter().flatten().filter_map(|route| route["gateway"].as_str());
        gateways.extend(found.map(str::to_owned));
    }
    Ok(gateways)
}

/// The rates of the node's token buckets, in bytes a second, the smallest first.
pub(crate) fn buckets() -> Result<Vec<u64>, Failure> {
    let all: Value = serde_json::from_str(&tool(&["tc", "-j", "qdisc", "show"])?)?;
    let buckets = all.as_array().into_iter().flatten().filter(|qdisc| qdisc["kind"] == "tbf");
    let mut rates: Vec<u64> = buckets.filter_map(|bucket| bucket["options"]["rate"].as_u64()).collect();
    rates.sort_unstable();
    Ok(rates)
}
