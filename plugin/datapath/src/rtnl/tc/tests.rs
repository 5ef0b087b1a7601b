//! Messages are those of `tc`, recorded with strace; the kernel's answers are those to it.

use proptest::prelude::*;

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

/// `tc qdisc add dev LINK clsact`.
#[test]
fn filters_hang_on_what_tc_makes() {
    let wanted = bytes("00000000 03000000 0000ffff f1ffffff 00000000 0b000100636c736163740000");
    assert_eq!(see_arriving("veth0", 3).body(), wanted);
}

/// `tc filter add dev LINK ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev IFB`.
#[test]
fn everything_is_redirected_as_tc_does() {
    let wanted = bytes(
        "00000000 03000000 00000000 f2ffffff 00030100 0800010075333200 60000200 38000700 34000100
         0b0001006d69727265640000 24000280 20000200 00000000 00000000 04000000 00000000 00000000 01000000 04000000
         24000500 01000100 000000000000000000000000 00000000000000000000000000000000",
    );
    assert_eq!(redirect_arriving("veth0", 3, 4).body(), wanted);
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
    assert_eq!(parse_redirections(&reply(filter)), [4]);
    let table = "00000000 03000000 00000080 f2ffffff 00030100 0800010075333200 08000b0000000000
        0c000200 0800040001000000";
    assert_eq!(parse_redirections(&reply(table)), [0; 0]);
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
        prop_assert!(parse_redirections(&reply).len() <= reply.body.len());
    }
}
