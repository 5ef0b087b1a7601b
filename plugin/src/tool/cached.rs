//! What libcni remembers of an attachment: `/var/lib/cni/results/NETWORK-CONTAINER-IFNAME`.
//!
//! Every runtime that is built on libcni (containerd, CRI-O, podman, cnitool) has these files. They hold what later plugins of a
//! list changed, a hardware address for example, and so what CHECK is to compare with.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::record::Record;

/// libcni's default directory (`CacheDir` in its `api.go`).
const RESULTS: &str = "/var/lib/cni/results";

/// The members that matter here.
#[derive(Deserialize)]
struct Cached {
    kind: String,
    result: Value,
}

/// The final result of the list's ADD, where a runtime remembers one.
pub(super) fn result(record: &Record) -> Option<Value> {
    let text = std::fs::read(path(Path::new(RESULTS), record)).ok()?;
    parse(&text)
}

fn path(results: &Path, record: &Record) -> PathBuf {
    let Record { network, container_id, ifname, .. } = record;
    results.join(format!("{network}-{container_id}-{ifname}"))
}

fn parse(text: &[u8]) -> Option<Value> {
    let cached: Cached = serde_json::from_slice(text).ok()?;
    (cached.kind == "cniCacheV1" && cached.result.is_object()).then_some(cached.result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_result_of_libcni_is_one() {
        let found = parse(br#"{"kind":"cniCacheV1","ifName":"eth0","result":{"ips":[]}}"#);
        assert_eq!(found, Some(serde_json::json!({"ips": []})));
        for other in [
            &br#"{"kind":"cniCacheV9","result":{}}"#[..],
            br#"{"kind":"cniCacheV1","result":null}"#,
            br#"{"ips":[]}"#,
            b"",
        ] {
            assert_eq!(parse(other), None);
        }
    }
}
