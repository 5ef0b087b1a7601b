use proptest::prelude::*;

use super::*;

/// As the host sends it, with one more interface.
const DOCUMENT: &str = r#"<Interfaces>
 <Interface MacAddress="002248263DBD" IsPrimary="true"><IPSubnet Prefix="10.240.0.0/16">
  <IPAddress Address="10.240.0.4" IsPrimary="true"/><IPAddress Address="10.240.0.5" IsPrimary="false"/>
  <IPAddress Address="10.240.0.6" IsPrimary="false"></IPAddress></IPSubnet></Interface>
 <Interface MacAddress="002248263DBE" IsPrimary="false"><IPSubnet Prefix="10.1.0.0/16">
  <IPAddress Address="10.1.0.4" IsPrimary="true"/></IPSubnet></Interface>
</Interfaces>"#;

#[test]
fn the_secondary_addresses_of_the_primary_interface_are_the_pods() {
    let inventory = parse(DOCUMENT.as_bytes()).unwrap();
    assert_eq!(inventory.host.address, Some("10.240.0.4".parse().unwrap()));
    assert_eq!(inventory.host.gateway, Some("10.240.0.1".parse().unwrap()));
    let [network] = &inventory.networks[..] else { panic!("{inventory:?}") };
    let blocks: Vec<String> = network.blocks.iter().map(|block| block.net.to_string()).collect();
    assert_eq!(blocks, ["10.240.0.5/32", "10.240.0.6/32"]);
    assert_eq!(network.subnet, "10.240.0.0/16".parse().unwrap());
}

#[test]
fn what_the_host_never_sends_is_refused() {
    let with_entity = format!("<!DOCTYPE x [<!ENTITY a \"10.240.0.5\">]>{DOCUMENT}");
    for (document, expected) in [
        (with_entity.as_str(), "entities"),
        (&DOCUMENT.replace("10.240.0.5", "&a;"), "uses an entity"),
        (&DOCUMENT.replace("10.240.0.5", "&#49;0.240.0.5"), "uses an entity"),
        (&DOCUMENT.replace("</IPSubnet>", "&a;</IPSubnet>"), "entities"),
        ("<html><body>Not here</body></html>", "its outermost element is <html>"),
        ("", "it is empty"),
        ("502 Bad Gateway", "text outside of all elements"),
        ("<Interfaces/>", "no primary interface"),
        (&DOCUMENT.replace("10.240.0.5", "10.240.0.555"), "\"10.240.0.555\" is no address"),
        (&DOCUMENT.replace("10.240.0.0/16", "10.240.0.0"), "\"10.240.0.0\" is no subnet"),
        (&DOCUMENT.replace(" Address=\"10.240.0.5\"", ""), "an <IPAddress> has no Address"),
    ] {
        let says = parse(document.as_bytes()).unwrap_err();
        assert!(says.contains(expected), "{says}: {document}");
    }
}

#[test]
fn every_part_of_the_document_is_refused() {
    for end in 0..DOCUMENT.trim_end().len() {
        assert!(parse(&DOCUMENT.as_bytes()[..end]).is_err(), "{}", &DOCUMENT[..end]);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(document: Vec<u8>) {
        parse(&document).ok();
    }
}
