//! Messages are those of `tc`, recorded with strace; the kernel's answers are those to it.

use proptest::prelude::*;

use netlink_packet_route::tc::TcHandle;

use super::filter::{ARRIVING, Filter, Packets, Verdict, see_arriving};
use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn reply(hex: &str) -> Reply {
    Reply { kind: 0, body: bytes(hex) }
}

const TEN_MEGABIT: TokenBucket = TokenBucket { rate: 1_250_000, burst: 32_768 };

/// `tc qdisc show` of `tbf rate 10mbit burst 32768 limit 64018`.
const TBF: &str = "00000000 03000000 00000100 ffffffff 03000000 0800010074626600 2c000200
    28000100 0001000000000000 d0121300 000000000000000000000000 12fa0000 00400600 00000000 05000c0000000000";

const ALL: Filter = Filter { packets: Packets::All, verdict: Verdict::Redirect(4) };

/// `tc qdisc add dev LINK clsact`.
#[test]
fn filters_hang_on_what_tc_makes() {
    let wanted = bytes("00000000 03000000 0000ffff f1ffffff 00000000 0b000100636c736163740000");
    assert_eq!(see_arriving("veth0", 3).body(), wanted);
}

/// `tc filter add dev LINK ingress protocol all prio 3 u32 match u32 0 0 action mirred egress redirect dev IFB`.
#[test]
fn everything_is_redirected_as_tc_does() {
    let wanted = bytes(
        "00000000 03000000 00000000 f2ffffff 00030300 0800010075333200 60000200 38000700 34000100
         0b0001006d69727265640000 24000280 20000200 00000000 00000000 04000000 00000000 00000000 01000000 04000000
         24000500 01000100 000000000000000000000000 00000000000000000000000000000000",
    );
    assert_eq!(ALL.add("veth0", 3, ARRIVING).body(), wanted);
}

#[test]
fn a_bucket_is_read_and_recognized() {
    let found = parse_bucket(&reply(TBF)).unwrap();
    assert_eq!(found, Tbf { rate: 1_250_000, limit: 64_018, buffer: 409_600 });
    assert!(found.is(TEN_MEGABIT));
    for other in [
        TokenBucket { rate: 1_250_001, ..TEN_MEGABIT },
        TokenBucket { burst: 32_769, ..TEN_MEGABIT },
        TokenBucket { burst: 65_536, ..TEN_MEGABIT },
    ] {
        assert!(!found.is(other), "{other:?}");
    }
    let refilled = Tbf { buffer: 500_000, ..found };
    assert!(!refilled.is(TEN_MEGABIT), "a larger bucket with the same queue");
}

#[test]
fn another_discipline_is_no_bucket() {
    let noqueue = "00000000 03000000 00000000 ffffffff 02000000 0c0001006e6f717565756500";
    assert_eq!(parse_bucket(&reply(noqueue)), None);
}

/// The third of the three messages that `tc filter show` gets for the filter; the others describe its hash table.
#[test]
fn a_redirection_is_read() {
    let filter = "00000000 03000000 00080080 f2ffffff 00030100 0800010075333200 08000b0000000000 e0000200
        24000500 01000100 000000000000000000000000 00000000000000000000000000000000 0800020000000080 08000b0008000000
        a8000700 a4000100 0b0001006d69727265640000 44000400
        1400010000000000000000000000000000000000 1400070000000000000000000000000000000000
        180003000000000000000000000000000000000000000000 08000a0000000000 48000200
        20000200 00000000 01000000 04000000 01000000 01000000 01000000 04000000
        24000100 04000000 00000000 04000000 00000000 00000000 00000000 00000000 00000000";
    assert_eq!(filter::parse(&reply(filter)), Some(ALL.installed()));
    let table = "00000000 03000000 00000080 f2ffffff 00030100 0800010075333200 08000b0000000000
        0c000200 0800040001000000";
    assert_eq!(filter::parse(&reply(table)), None);
}

proptest! {
    #[test]
    fn a_bucket_that_is_written_is_read(rate in 1_u64.., burst: u32) {
        let bucket = TokenBucket { rate, burst };
        let request = shape("veth0", 3, bucket);
        let found = parse_bucket(&Reply { kind: 0, body: request.body().to_vec() }).unwrap();
        prop_assert_eq!((found.rate, found.limit), (rate, bucket.queue()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let reply = Reply { kind: 0, body };
        let is_read = parse_bucket(&reply).is_some();
        prop_assert!(!is_read || reply.body.len() > HEADER);
        prop_assert!(filter::parse(&reply).is_none_or(|filter| filter.redirections.len() <= reply.body.len()));
        prop_assert!(class::parse(&reply).is_none() || reply.body.len() > HEADER);
    }
}

/// What a selector's keys say of an address.
fn selects(filter: &Filter, packet: &[u8]) -> bool {
    let parsed =
        filter::parse(&Reply { kind: 0, body: filter.add("veth0", 3, ARRIVING).body().to_vec() }).unwrap();
    parsed.keys.chunks_exact(16).all(|key| {
        let word = |at: usize| u32::from_be_bytes(key[at..at + 4].try_into().unwrap());
        let at = usize::try_from(i32::from_ne_bytes(key[8..12].try_into().unwrap())).unwrap();
        u32::from_be_bytes(packet[at..at + 4].try_into().unwrap()) & word(0) == word(4)
    })
}

proptest! {
    /// The model: the address of the header lies in the subnet.
    #[test]
    fn a_filter_selects_what_lies_in_its_subnet(
        ipv6: bool, to: bool, bits: [u8; 16], prefix in 0_u8..=128, other: [u8; 16], near: bool,
    ) {
        let length = if ipv6 { 16 } else { 4 };
        let address = |bits: [u8; 16]| -> std::net::IpAddr {
            if ipv6 { bits.into() } else { <[u8; 4]>::try_from(&bits[..4]).unwrap().into() }
        };
        let net = ipnet::IpNet::new(address(bits), if ipv6 { prefix } else { prefix / 4 }).unwrap().trunc();
        // Half of the addresses share the first bytes.
        let mut asked = if near { bits } else { other };
        asked[length - 1] = other[0];
        let mut packet = [0xa5; 40];
        let at = match (ipv6, to) { (false, false) => 12, (false, true) => 16, (true, false) => 8, (true, true) => 24 };
        packet[at..at + length].copy_from_slice(&asked[..length]);
        let packets = if to { Packets::To(net) } else { Packets::From(net) };
        let filter = Filter { packets, verdict: Verdict::Class(TcHandle { major: 1, minor: 0x30 }) };
        prop_assert_eq!(selects(&filter, &packet), net.contains(&address(asked)));
        let body = filter.add("veth0", 3, ARRIVING).body().to_vec();
        prop_assert_eq!(filter::parse(&Reply { kind: 0, body }), Some(filter.installed()));
    }

    #[test]
    fn a_reference_bucket_is_recognized(rate in 1_u64..1_u64 << 40, burst: u32) {
        let bucket = TokenBucket { rate, burst };
        let request = shape_like_reference("veth0", 3, bucket);
        let found = parse_bucket(&Reply { kind: 0, body: request.body().to_vec() }).unwrap();
        prop_assert!(found.is_like_reference(bucket));
    }

    #[test]
    fn a_class_that_is_written_is_read(rate in 1_u64.., burst: u32) {
        let bucket = TokenBucket { rate, burst };
        let [_, class, _] = class::shape("veth0", 3, bucket, true);
        let found = class::parse(&Reply { kind: 0, body: class.body().to_vec() });
        prop_assert_eq!(found, Some((rate, class::wanted(bucket).buffer)));
    }
}
