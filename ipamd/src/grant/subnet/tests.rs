use proptest::prelude::*;

use super::*;

fn subnet(cidr: &str, gateway: Option<&str>, excluded: &[&str], unit: u8) -> Subnet {
    let excluded: Vec<IpNet> = excluded.iter().map(|net| net.parse().unwrap()).collect();
    Subnet::new(
        "pods",
        cidr.parse().unwrap(),
        gateway.map(|gateway| gateway.parse().unwrap()),
        &excluded,
        unit,
    )
}

fn open(subnet: &Subnet) -> Vec<String> {
    let mut from = 0;
    let next = || {
        let index = subnet.open_from(from)?;
        from = index + 1;
        subnet.net(index)
    };
    std::iter::from_fn(next).map(|net| net.to_string()).collect()
}

#[test]
fn hosts_get_no_address_that_means_something_else() {
    let addresses = subnet("10.241.0.0/29", Some("10.241.0.1"), &["10.241.0.4/31"], 32);
    assert_eq!(open(&addresses), ["10.241.0.2/32", "10.241.0.3/32", "10.241.0.6/32"]);
    assert_eq!(addresses.capacity(), 3);
    assert_eq!(open(&subnet("fd00::/126", None, &[], 128)), ["fd00::1/128", "fd00::2/128", "fd00::3/128"]);
    assert_eq!(open(&subnet("10.241.0.7/32", None, &[], 32)), ["10.241.0.7/32"]);
}

#[test]
fn a_block_with_one_closed_address_is_closed() {
    let blocks = subnet("10.241.0.0/26", Some("10.241.0.1"), &["10.241.0.40/32"], 28);
    assert_eq!(open(&blocks), ["10.241.0.16/28", "10.241.0.48/28"]);
    assert_eq!(open(&subnet("10.244.0.0/23", None, &[], 24)), ["10.244.0.0/24", "10.244.1.0/24"]);
    assert_eq!(subnet("10.244.0.0/23", None, &["10.0.0.0/8"], 24).capacity(), 0);
}

#[test]
fn a_huge_subnet_is_used_in_part() {
    let huge = subnet("fd00::/16", None, &["fd00:8000::/17"], 128);
    assert_eq!(huge.units(), LARGEST);
    assert_eq!(huge.index("fd00::1:0/128".parse().unwrap()), Some(1 << 16));
    assert_eq!(huge.index("fd00:1::/128".parse().unwrap()), None);
}

proptest! {
    #[test]
    fn units_and_their_networks_are_the_same_thing(index in 0u32..70_000, prefix in 8u8..=24, more in 0u8..=8) {
        let subnet = subnet(&format!("10.0.0.0/{prefix}"), None, &[], prefix + more);
        match subnet.net(index) {
            Some(net) => prop_assert_eq!(subnet.index(net), Some(index)),
            None => prop_assert!(index >= subnet.units()),
        }
    }

    #[test]
    fn what_is_open_has_no_excluded_address(
        nets in proptest::collection::vec((0u32..256, 24u8..=32), 0..6), unit in 26u8..=32,
    ) {
        let excluded: Vec<String> = nets.iter().map(|(last, length)| {
            IpNet::new(IpAddr::from([10, 0, 0, u8::try_from(*last).unwrap()]), *length).unwrap().trunc().to_string()
        }).collect();
        let texts: Vec<&str> = excluded.iter().map(String::as_str).collect();
        let subnet = subnet("10.0.0.0/24", None, &texts, unit);
        let open = open(&subnet);
        prop_assert_eq!(u32::try_from(open.len()).unwrap(), subnet.capacity());
        let outer = if unit == 32 { [0, 255].map(Some) } else { [None; 2] };
        for index in 0..subnet.units() {
            let net = subnet.net(index).unwrap();
            let is_closed = outer.contains(&Some(index))
                || excluded.iter().map(|net| net.parse::<IpNet>().unwrap()).any(|it| it.contains(&net) || net.contains(&it));
            prop_assert_eq!(!open.contains(&net.to_string()), is_closed, "{}", net);
        }
    }
}
