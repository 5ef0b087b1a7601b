//! What conversion between versions keeps, for any result.

use proptest::prelude::*;
use serde_json::json;

use super::tests::{MIDDLE, NEW, OLD, print};
use super::*;

prop_compose! {
    fn any_net()(v6 in any::<bool>(), bits in any::<u128>(), prefix in 0_u8..=32) -> IpNet {
        // The top bit keeps clear of IPv4 addresses mapped into IPv6.
        let address: IpAddr = if v6 {
            std::net::Ipv6Addr::from(bits | (1 << 127)).into()
        } else {
            std::net::Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32).into()
        };
        IpNet::new(address, prefix).unwrap()
    }
}

prop_compose! {
    fn any_interface()(
        name in "[a-z]{1,15}",
        mac in prop::option::of("[0-9a-f]{2}(:[0-9a-f]{2}){5}"),
        mtu in prop::option::of(1_u32..),
        texts in prop::array::uniform3(prop::option::of("/[a-z]{0,9}")),
    ) -> Interface {
        let [sandbox, socket_path, pci_id] = texts;
        Interface { name, mac, mtu, sandbox, socket_path, pci_id }
    }
}

prop_compose! {
    fn any_ip()(
        address in any_net(), gateway in prop::option::of(any_net()), interface in prop::option::of(0_usize..6),
    ) -> IpConfig {
        IpConfig { address, gateway: gateway.map(|net| net.addr()), interface }
    }
}

prop_compose! {
    fn any_route()(
        dst in any_net(), gw in prop::option::of(any_net()),
        numbers in prop::array::uniform3(prop::option::of(1_u32..)),
        table in any::<Option<u32>>(), scope in any::<Option<u8>>(),
    ) -> Route {
        let [mtu, advmss, priority] = numbers;
        Route { dst, gw: gw.map(|net| net.addr()), mtu, advmss, priority, table, scope }
    }
}

prop_compose! {
    fn any_dns()(
        lists in prop::array::uniform3(prop::collection::vec("[a-z.]{1,9}", 0..3)),
        domain in prop::option::of("[a-z]{1,9}"),
    ) -> Dns {
        let [nameservers, search, options] = lists;
        Dns { nameservers, domain, search, options }
    }
}

prop_compose! {
    /// A result, with indices that may point past its interfaces.
    fn any_result()(
        interfaces in prop::collection::vec(any_interface(), 0..5),
        ips in prop::collection::vec(any_ip(), 0..5),
        routes in prop::collection::vec(any_route(), 0..5),
        dns in any_dns(),
        extra in prop::collection::btree_map("x[a-z]{1,5}", any::<i32>(), 0..3),
    ) -> AddResult {
        let extra = extra.into_iter().map(|(key, number)| (key, json!(number))).collect();
        AddResult { interfaces, ips, routes, dns, extra }
    }
}

/// What is left of `result` in a version since 0.3.0.
fn without_dangling(result: &AddResult) -> AddResult {
    let mut result = result.clone();
    result.drop_dangling_indices();
    result
}

proptest! {
    #[test]
    fn newer_versions_hold_everything(result in any_result()) {
        for version in NEW {
            prop_assert_eq!(AddResult::parse(&print(&result, version)).unwrap(), without_dangling(&result));
        }
    }

    #[test]
    fn versions_from_0_3_0_lose_only_what_interfaces_gained_later(result in any_result()) {
        let mut expected = without_dangling(&result);
        for interface in &mut expected.interfaces {
            *interface = Interface { mtu: None, socket_path: None, pci_id: None, ..interface.clone() };
        }
        for version in MIDDLE {
            prop_assert_eq!(AddResult::parse(&print(&result, version)).unwrap(), expected.clone());
        }
    }

    #[test]
    fn versions_before_0_3_0_keep_the_first_address_of_each_family_and_its_routes(result in any_result()) {
        let of = |v6: bool| move |net: &IpNet| net.addr().is_ipv6() == v6;
        let mut expected = AddResult { dns: result.dns.clone(), ..AddResult::default() };
        for family in [of(false), of(true)] {
            let Some(first) = result.ips.iter().find(|ip| family(&ip.address)) else { continue };
            expected.ips.push(IpConfig { interface: None, ..first.clone() });
            let routes = result.routes.iter().filter(|route| family(&route.dst));
            expected.routes.extend(routes.map(|route| Route::new(route.dst, route.gw)));
        }
        for version in OLD {
            match result.to_json(version) {
                Ok(json) => {
                    let value = serde_json::from_str(&json).unwrap();
                    prop_assert_eq!(AddResult::parse(&value).unwrap(), expected.clone());
                }
                Err(_) => prop_assert!(result.ips.is_empty()),
            }
        }
    }

    #[test]
    fn a_printed_index_is_always_that_of_an_interface(theirs in any_result(), ours in any_result()) {
        let mut result = theirs;
        result.extend(ours);
        for version in MIDDLE.into_iter().chain(NEW) {
            let printed = print(&result, version);
            let count = printed["interfaces"].as_array().map_or(0, Vec::len);
            for ip in printed["ips"].as_array().into_iter().flatten() {
                let index = ip.get("interface").map(|index| index.as_u64().unwrap());
                prop_assert!(index.is_none_or(|index| index < count as u64));
            }
        }
    }
}
