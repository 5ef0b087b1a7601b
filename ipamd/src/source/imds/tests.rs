use proptest::prelude::*;

use super::*;

const DOCUMENT: &str = r#"{"interface":[{"ipv4":{"ipAddress":[{"privateIpAddress":"10.1.0.4","publicIpAddress":""},
 {"privateIpAddress":"10.1.0.5","publicIpAddress":""},{"privateIpAddress":"10.1.0.6","publicIpAddress":"20.1.2.3"}],
 "subnet":[{"address":"10.1.0.0","prefix":"24"}]},"ipv6":{"ipAddress":[]},"macAddress":"000D3A328570"}]}"#;

#[test]
fn all_but_the_first_address_are_the_pods() {
    let inventory = parse(DOCUMENT.as_bytes()).unwrap();
    let [network] = &inventory.networks[..] else { panic!("{inventory:?}") };
    assert_eq!(network.subnet, "10.1.0.0/24".parse().unwrap());
    let blocks: Vec<String> = network.blocks.iter().map(|block| block.net.to_string()).collect();
    assert_eq!(blocks, ["10.1.0.5/32", "10.1.0.6/32"]);
    let host = inventory.host;
    assert_eq!(
        (host.address, host.gateway),
        (Some("10.1.0.4".parse().unwrap()), Some("10.1.0.1".parse().unwrap()))
    );
}

#[test]
fn both_families_are_read() {
    let addresses = r#"{"ipAddress":[{"privateIpAddress":"fd00:1::4"},{"privateIpAddress":"fd00:1::5"}]}"#;
    let inventory = parse(DOCUMENT.replace(r#"{"ipAddress":[]}"#, addresses).as_bytes()).unwrap();
    assert_eq!(inventory.networks[1].subnet, "fd00:1::/64".parse().unwrap());
    assert_eq!(inventory.networks[1].blocks.len(), 1);
}

#[test]
fn what_is_not_the_document_is_refused() {
    for (document, expected) in [
        ("", "EOF"),
        ("<html></html>", "expected value"),
        ("{}", "missing field `interface`"),
        (r#"{"interface":[]}"#, "it has no interface"),
        (r#"{"interface":[{"ipv4":{"ipAddress":[]}}]}"#, "no IPv4 address"),
        (&DOCUMENT.replace("\"24\"", "\"x\""), "\"x\" is no prefix length"),
        (&DOCUMENT.replace("10.1.0.6", "10.2.0.6"), "1 of its addresses are in no subnet"),
        (&DOCUMENT.replace("10.1.0.4", "10.2.0.4"), "none of its subnets has the node's address"),
        (&DOCUMENT[..DOCUMENT.len() - 1], "EOF"),
    ] {
        let says = parse(document.as_bytes()).unwrap_err();
        assert!(says.contains(expected), "{says}: {document}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(document: Vec<u8>) {
        parse(&document).ok();
    }
}
