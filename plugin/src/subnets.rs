//! Subnets that get in each other's way: pure.

use ipnet::IpNet;

/// Whether the two have an address in common: then one contains the other.
pub(crate) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// The first two that overlap without being the same. One subnet may well be divided among ranges; but of two that are
/// nested, one's pods take the other's for neighbours of theirs, and get no answer.
pub(crate) fn nested(subnets: &[IpNet]) -> Option<(IpNet, IpNet)> {
    let pairs =
        subnets.iter().enumerate().flat_map(|(index, b)| subnets.iter().take(index).map(move |a| (*a, *b)));
    pairs.into_iter().find(|(a, b)| a != b && overlap(*a, *b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets<const N: usize>(texts: [&str; N]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_subnet_inside_another_is_found() {
        let found = nested(&nets(["fd00::/64", "10.0.0.0/16", "10.1.0.0/16", "10.0.3.0/24"]));
        assert_eq!(found, Some(("10.0.0.0/16".parse().unwrap(), "10.0.3.0/24".parse().unwrap())));
    }

    #[test]
    fn one_subnet_twice_and_two_families_are_fine() {
        assert_eq!(nested(&nets(["10.0.0.0/16", "10.0.0.0/16", "::/0", "10.1.0.0/16"])), None);
    }

    proptest! {
        #[test]
        fn overlapping_is_having_an_address_in_common(a: u32, b: u32, a_length in 0_u8..=32, b_length in 0_u8..=32) {
            let net = |bits: u32, length| IpNet::new(std::net::Ipv4Addr::from(bits).into(), length).unwrap().trunc();
            let (a, b) = (net(a, a_length), net(b, b_length));
            let first = a.network().max(b.network());
            prop_assert_eq!(overlap(a, b), a.contains(&first) && b.contains(&first));
        }
    }
}
