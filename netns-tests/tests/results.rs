//! The shape of ADD's result in each configuration version.

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::subject::{Family, GATEWAY_V4, GATEWAY_V6};
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::{Value, json};

use crate::table::{self, Scene};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

pub(crate) fn cases() -> Vec<Case> {
    table::cases("results", &Family::ALL, &[("each_version_has_its_shape", each_version_has_its_shape, None)])
}

fn each_version_has_its_shape(scene: Scene) -> Outcome {
    for version in VERSIONS {
        let pod = Pod::create(&format!("v{version}"))?;
        let Added(result) = scene.network()?.version(version).add(&pod)?;
        ensure_eq!(result["cniVersion"], json!(version), "cniVersion of {result}");
        if version < "0.3.0" {
            by_family(scene.family, &result)?;
        } else {
            by_list(version, scene.family, &pod, &result)?;
        }
        // Empty dns is there as {} up to 0.4.0, and left out after it.
        let dns = if version < "1.0.0" { json!({}) } else { Value::Null };
        ensure_eq!(result["dns"], dns, "dns of {result}");
    }
    Ok(())
}

fn by_family(family: Family, result: &Value) -> Outcome {
    let rows =
        [("ip4", family.has_v4(), GATEWAY_V4, "0.0.0.0/0"), ("ip6", family.has_v6(), GATEWAY_V6, "::/0")];
    for (member, used, gateway, default) in rows {
        let ip = &result[member];
        ensure_eq!(ip.is_object(), used, "presence of {member} in {result}");
        if used {
            ensure!(ip["ip"].is_string(), "{member}.ip in {result}");
            ensure_eq!(ip["gateway"], json!(gateway), "gateway of {member} in {result}");
            ensure_eq!(ip["routes"][0]["dst"], json!(default), "first route of {member} in {result}");
        }
    }
    ensure!(
        result.get("interfaces").is_none() && result.get("ips").is_none(),
        "members of later versions: {result}"
    );
    Ok(())
}

fn by_list(version: &str, family: Family, pod: &Pod, result: &Value) -> Outcome {
    let ips = result["ips"].as_array().cloned().unwrap_or_default();
    ensure_eq!(ips.len(), family.gateways().len(), "number of ips in {result}");
    for (ip, gateway) in ips.iter().zip(family.gateways()) {
        ensure_eq!(ip["gateway"], json!(gateway), "gateway in {result}");
        ensure_eq!(ip["interface"], json!(2), "interface of an address in {result}");
        let number = if gateway.is_ipv4() { "4" } else { "6" };
        let wanted = if version < "1.0.0" { json!(number) } else { Value::Null };
        ensure_eq!(ip["version"], wanted, "version of an address in {result}");
    }
    let interfaces = result["interfaces"].as_array().cloned().unwrap_or_default();
    ensure_eq!(interfaces.len(), 3, "number of interfaces in {result}");
    ensure_eq!(interfaces[0]["name"], json!("cbr0"), "the first interface of {result}");
    ensure_eq!(interfaces[2]["name"], json!("eth0"), "the third interface of {result}");
    ensure_eq!(
        interfaces[2]["sandbox"],
        json!(pod.netns_path()),
        "sandbox of the pod's interface in {result}"
    );
    for interface in &interfaces[..2] {
        ensure!(interface.get("sandbox").is_none(), "a sandbox on the node: {result}");
    }
    Ok(())
}
