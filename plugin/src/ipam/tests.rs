use serde_json::json;

use super::*;
use crate::testing::network;

fn read_ipam(ipam: &Value) -> Result<Ipam, Error> {
    let config = json!({"type": "podnet", "mode": "kubenet", "IPAM": ipam});
    let conf: NetConf = decode(&config).unwrap();
    Ipam::read(&conf, &network(&config), &Args::default(), Gateways::Needed)
}

#[test]
fn the_type_decides_who_gives_the_addresses() {
    let range = json!({"type": "host-local", "subnet": "10.0.0.0/24"});
    assert!(matches!(read_ipam(&range), Ok(Ipam::HostLocal(_))));
    let addresses = json!({"Type": "static", "addresses": [{"address": "10.0.0.5/24"}]});
    assert!(matches!(read_ipam(&addresses), Ok(Ipam::Static(_))));
    // Its members are its own business.
    assert!(matches!(read_ipam(&json!({"type": "whereabouts", "ranges": 5})), Ok(Ipam::Delegate(_))));
}

#[test]
fn what_is_wrong_is_named() {
    for (ipam, words) in [
        (json!(null), "ipam.type is missing"),
        (json!({}), "ipam.type is missing"),
        (json!("host-local"), "ipam: invalid type"),
        (json!({"type": 5}), "ipam.type: invalid type"),
        (json!({"type": "podnet"}), "ipam.type: \"podnet\" is not valid: a plugin cannot be its own"),
        (json!({"type": "a/b"}), "ipam.type: \"a/b\" is not valid"),
        (json!({"type": "host-local", "ranges": 5}), "ipam.ranges: invalid type"),
        (json!({"type": "static", "routes": [{"dst": "x"}]}), "ipam.routes[0].dst: "),
        (json!({"type": "static"}), "ipam.addresses is missing"),
    ] {
        let error = crate::error::chain(&read_ipam(&ipam).unwrap_err());
        assert!(
            error.trim_start_matches("cannot read the network configuration: ").starts_with(words),
            "{ipam}: {error}"
        );
    }
}

#[test]
fn unknown_members_are_found_where_we_read_them() {
    let unknown = |ipam: Value| inspect_shape(&json!({ "ipam": ipam })).1;
    assert_eq!(unknown(json!({"type": "host-local", "subnett": "x"})).len(), 1);
    assert_eq!(
        unknown(json!({"type": "static", "addresses": [{"address": "10.0.0.5/24", "gw": "x"}]})).len(),
        1
    );
    assert!(unknown(json!({"type": "whereabouts", "range": "x"})).is_empty());
    let (errors, _) = inspect_shape(&json!({"ipam": {"type": "static", "addresses": [{"address": "10"}]}}));
    assert_eq!(errors[0].path(), "ipam.addresses[0].address");
}
