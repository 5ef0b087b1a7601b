use proptest::prelude::*;

use super::*;

/// `struct rtmsg` of an IPv4 route to 10.0.0.0/8 in table main, scope universe, with states among its flags.
const ROUTE: [u8; RTMSG] = [2, 8, 0, 0, 254, 4, 0, 1, 0x14, 0x40, 0, 0];

fn message(header: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::after(header.to_vec());
    for (kind, value) in attributes {
        writer.bytes(*kind, value);
    }
    writer.into_bytes()
}

fn hop(link: u32, flags: u8) -> Vec<u8> {
    let header = [&16_u16.to_ne_bytes()[..], &[flags, 3], &link.to_ne_bytes()].concat();
    message(&header, &[(RTA_GATEWAY, &[10, 0, 0, 1])])
}

#[test]
fn a_route_goes_over_the_other_link_with_everything_but_its_states() {
    let destination = (1, &[10, 0, 0, 0][..]);
    let metrics = (8, &[8, 0, 2, 0, 0x78, 5, 0, 0][..]);
    let own = [destination, (RTA_OIF, &7_u32.to_ne_bytes()), metrics, (6, &9_u32.to_ne_bytes())];
    let counted = [(RTA_CACHEINFO, &[0; 32][..]), (RTA_NH_ID, &[1, 0, 0, 0])];
    let told = message(&ROUTE, &[&own[..], &counted].concat());
    let [family, length, .., kind] = *ROUTE.first_chunk::<8>().unwrap();
    let header = [family, length, 0, 0, 254, 4, 0, kind, 4, 0, 0, 0];
    let moved = [destination, (RTA_OIF, &9_u32.to_ne_bytes()), metrics, (6, &9_u32.to_ne_bytes())];
    assert_eq!(route_by(&told, 7, 9).unwrap(), message(&header, &moved));
    assert_eq!(Told::Route(told.clone()).to_string(), "10.0.0.0/8");
    assert_eq!(Told::Route(told).taken_off().body(), message(&ROUTE, &own));
}

#[test]
fn of_several_next_hops_those_over_the_link_move() {
    let hops = [hop(7, 0), hop(8, 4), hop(7, 4 | 16)].concat();
    assert_eq!(hops_by(&hops, 7, 9), [hop(9, 0), hop(8, 4), hop(9, 4)].concat());
    let route = message(&ROUTE, &[(RTA_MULTIPATH, &hops)]);
    assert!(leaves_by(&route, 7) && leaves_by(&route, 8) && !leaves_by(&route, 9));
    assert!(has_next_hop(&route));
}

#[test]
fn what_is_local_is_nobodys_to_move() {
    let link = (RTA_OIF, &7_u32.to_ne_bytes()[..]);
    assert!(leaves_by(&message(&ROUTE, &[link]), 7));
    assert!(!leaves_by(&message(&ROUTE, &[link, (RTA_TABLE, &RT_TABLE_LOCAL.to_ne_bytes())]), 7));
}

#[test]
fn an_address_keeps_its_wishes_and_loses_its_lifetime() {
    let local = (IFA_ADDRESS, &[0xfd; 16][..]);
    let flags = (IFA_FLAGS, &0x2c0_u32.to_ne_bytes()[..]);
    let told = message(&[10, 64, 0x80, 0, 7, 0, 0, 0], &[local, (6, &[0; 16]), flags]);
    let wishes = (0x200 | IFA_F_NODAD).to_ne_bytes();
    let expected = message(&[10, 64, 0, 0, 9, 0, 0, 0], &[local, (IFA_FLAGS, &wishes)]);
    assert_eq!(address_of(&told, 9).unwrap(), expected);
    assert_eq!(Told::Address(told).taken_off().body(), message(&[10, 64, 0x80, 0, 7, 0, 0, 0], &[local]));
}

proptest! {
    #[test]
    fn any_bytes_can_be_moved(bytes in prop::collection::vec(any::<u8>(), 0..80), from: u32, to: u32) {
        for told in [Told::Address(bytes.clone()), Told::Route(bytes.clone())] {
            let _texts = (told.to_string(), told.said_of(from, to), told.taken_off());
        }
        prop_assert_eq!(hops_by(&bytes, from, to).len(), bytes.len());
        let _answers = (leaves_by(&bytes, from), has_next_hop(&bytes));
    }

    /// There and back again is where it was, states apart.
    #[test]
    fn next_hops_come_back(links in prop::collection::vec(1_u32..5, 0..6)) {
        let hops: Vec<u8> = links.iter().flat_map(|link| hop(*link, 0)).collect();
        prop_assert_eq!(hops_by(&hops_by(&hops, 2, 9), 9, 2), hops);
    }
}
