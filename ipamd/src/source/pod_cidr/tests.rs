use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Inventory, String> {
    super::parse(&serde_saphyr::from_str(text).map_err(|error| error.to_string())?)
}

#[test]
fn a_node_object_its_spec_and_both_families_are_read() {
    for text in [
        "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nspec:\n  podCIDR: 10.244.1.0/24\n  podCIDRs: [10.244.1.0/24]\n",
        "podCIDR: 10.244.1.0/24",
        r#"{"podCIDRs": ["10.244.1.0/24"]}"#,
    ] {
        let inventory = parse(text).unwrap().checked().unwrap();
        let [network] = &inventory.networks[..] else { panic!("{text}") };
        assert_eq!(network.gateway, Some("10.244.1.1".parse().unwrap()), "{text}");
    }
    let node = parse(
        "spec: {podCIDRs: [10.244.1.0/24]}\nstatus: {addresses: [{type: Hostname, address: node-1}, {type: InternalIP, address: 10.0.0.4}]}",
    );
    assert_eq!(node.unwrap().host.address, Some("10.0.0.4".parse().unwrap()));
    let both = parse("podCIDRs: [10.244.1.0/24, 'fd00:1::/120']").unwrap().checked().unwrap();
    assert_eq!(both.networks.len(), 2);
}

#[test]
fn what_has_no_range_is_refused() {
    for (text, expected) in [
        ("", "no range yet"),
        ("spec: {}", "no range yet"),
        ("podCIDR: 10.244.1.0", "podCIDR: invalid"),
        ("spec: {podCIDRs: [10.244.1.0/24, 7]}", "spec.podCIDRs[1]: invalid"),
        ("<html>", ""),
        ("podCIDRs: [", ""),
    ] {
        let says = parse(text).unwrap_err();
        assert!(says.contains(expected), "{says}: {text}");
    }
    let host_bits = parse("podCIDR: 10.244.1.5/24").unwrap().checked().unwrap_err();
    assert_eq!(host_bits.to_string(), "10.244.1.5/24 has host bits set: the network is 10.244.1.0/24");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        parse(&text).ok();
    }
}
