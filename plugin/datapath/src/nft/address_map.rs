//! Maps by the address that a packet comes from: one a version of IP, an element a pod.

use ipnet::IpNet;

use super::{
    element::{Element, Value},
    expression::IpVersion,
    key::{KeyWriter, Part},
    layout::TABLE,
    table::{Map, Values},
};

/// The maps of these names, of verdicts, in the table `inet podnet`.
pub(super) const fn by_source([v4, v6]: [&'static str; 2]) -> [Map; 2] {
    [
        Map { table: TABLE, name: v4, key: &[Part::Source(IpVersion::V4)], values: Values::Verdicts },
        Map { table: TABLE, name: v6, key: &[Part::Source(IpVersion::V6)], values: Values::Verdicts },
    ]
}

/// The element of a pod's address, and which of the maps it is in.
pub(super) fn element([v4, v6]: [Map; 2], address: IpNet, value: Value, comment: &str) -> (Map, Element) {
    let key = KeyWriter::default().address(address.addr()).bytes();
    let map = if address.addr().is_ipv4() { v4 } else { v6 };
    (map, Element { key, value, comment: comment.to_owned() })
}
