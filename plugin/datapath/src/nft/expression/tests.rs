//! Expressions are carried out on packets by a small model of the kernel's register machine.

use proptest::prelude::*;

use super::*;
use crate::nft::attribute::attributes;

/// Whether the expressions let a packet to `destination` through to their end.
fn lets_through(expressions: &Expressions, destination: IpAddr) -> bool {
    let version = IpVersion::of(destination);
    let mut packet = vec![0xaa; 40];
    let offset = usize::try_from(version.offset(Field::Destination)).unwrap();
    packet.splice(offset..offset + version.width(), octets(destination));

    let mut rule = Writer::default();
    expressions.write(4, &mut rule);
    let bytes = rule.into_bytes();
    let mut register = Vec::new();
    attributes(find(&bytes, 4).unwrap()).all(|(_, expression)| {
        let data = find(expression, 2).unwrap();
        let number = |kind| u32::from_be_bytes(find(data, kind).unwrap().try_into().unwrap()) as usize;
        let value = |kind| find(find(data, kind).unwrap(), DATA_VALUE).unwrap();
        match find(expression, 1).unwrap() {
            b"meta\0" => register = vec![version.nfproto()],
            b"payload\0" => register = packet[number(3)..number(3) + number(4)].to_vec(),
            b"bitwise\0" => {
                assert_eq!(number(3), register.len());
                let bits = value(4).iter().zip(value(5));
                register = register.iter().zip(bits).map(|(bit, (mask, xor))| (bit & mask) ^ xor).collect();
            }
            b"cmp\0" => return register == value(3),
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
        true
    })
}

#[test]
fn an_address_of_the_other_version_is_in_no_net() {
    let anywhere = |net: &str| Expressions::default().destination_in(net.parse().unwrap());
    assert!(!lets_through(&anywhere("0.0.0.0/0"), "fd00::1".parse().unwrap()));
    assert!(!lets_through(&anywhere("::/0"), "10.0.0.1".parse().unwrap()));
    assert!(lets_through(&anywhere("0.0.0.0/0"), "10.0.0.1".parse().unwrap()));
    assert!(lets_through(&anywhere("::/0"), "fd00::1".parse().unwrap()));
}

proptest! {
    /// One bit of the network's own address is flipped, so that both answers are common at every length.
    #[test]
    fn a_destination_is_let_through_if_it_is_in_the_net(
        octets in prop::collection::vec(any::<u8>(), 16),
        is_v4 in any::<bool>(),
        length in 0_u8..=128,
        flipped in 0_usize..=128,
    ) {
        let width = if is_v4 { 4 } else { 16 };
        let base = address(&octets[..width]).unwrap();
        let net = IpNet::new(base, length.min(base_bits(is_v4))).unwrap();
        let mut destination = octets[..width].to_vec();
        if let Some(byte) = destination.get_mut(flipped / 8) {
            *byte ^= 0x80 >> (flipped % 8);
        }
        let destination = address(&destination).unwrap();
        let expressions = Expressions::default().destination_in(net);
        prop_assert_eq!(lets_through(&expressions, destination), net.contains(&destination));
    }
}

fn base_bits(is_v4: bool) -> u8 {
    if is_v4 { 32 } else { 128 }
}
