//! Traffic control: queueing disciplines, classes and filters of links, `RTM_*QDISC`, `RTM_*TCLASS` and `RTM_*TFILTER`.
//!
//! Here: the token bucket that all goes through. [`class`]: the bucket for some. [`filter`] and [`selection`]: which packets
//! are for which.
//!
//! Sources: Linux `include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h`, `net/sched/sch_tbf.c`.

pub(crate) mod class;
pub(crate) mod filter;
pub(crate) mod selection;

use std::fmt;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcMessage, TcOption},
};
use nix::errno::Errno;

use super::value;
use crate::{
    TokenBucket,
    netlink::{NetlinkError, Reply, Request, Socket, attributes},
};

/// Bytes of `struct tcmsg`.
const HEADER: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
/// `TC_LINKLAYER_ETHERNET`.
const ETHERNET: u8 = 1;
/// Units of 64 ns (`PSCHED_SHIFT`) a second.
const TICKS_A_SECOND: u128 = 1_000_000_000 / 64;

const TOKEN_BUCKET: &str = "tbf";

/// The handle that a root discipline gets, as the reference bandwidth plugin has it.
const FIRST: TcHandle = TcHandle { major: 1, minor: 0 };

/// A token bucket as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tbf {
    /// Bytes a second.
    pub(crate) rate: u64,
    /// Bytes that may wait.
    pub(crate) limit: u32,
    /// How long a full bucket lasts at the rate, in units of 64 ns (`PSCHED_SHIFT`), modulo 2^32.
    pub(crate) buffer: u32,
}

impl Tbf {
    /// Whether this is the bucket; the kernel keeps its size as a time, rounded.
    pub(crate) fn is(self, bucket: TokenBucket) -> bool {
        let full = ticks(bucket);
        let is_full = full.abs_diff(self.buffer) <= 1 + full / 1000;
        // One that lasts longer than can be said is told modulo 2^32.
        let fits = is_full || full == u32::MAX;
        self.rate == bucket.rate && self.limit == bucket.queue() && fits
    }

    /// Whether this is the bucket as the reference bandwidth plugin makes it, or [`shape_like_reference`].
    pub(crate) fn is_like_reference(self, bucket: TokenBucket) -> bool {
        let is_full = self.buffer == whole_microseconds(bucket);
        self.rate == bucket.rate && self.limit == bucket.queue() && is_full
    }
}

impl fmt::Display for Tbf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, limit, buffer } = self;
        write!(
            f,
            "{rate} bytes/s with bursts of {} µs and a queue of {limit} bytes",
            u64::from(*buffer) * 64 / 1000
        )
    }
}

/// Sends what leaves by a link through a token bucket. The link has no discipline of its own.
pub(crate) fn shape(link: &str, index: u32, bucket: TokenBucket) -> Request {
    let burst = DefaultNla::new(TCA_TBF_BURST, bucket.burst.to_ne_bytes().to_vec());
    // The size is said in bytes: as a time, it would be rounded.
    token_bucket(link, index, bucket, 0, Some(burst))
}

/// As [`shape`], with the rounding of the reference bandwidth plugin, whose CHECK takes no other.
pub(crate) fn shape_like_reference(link: &str, index: u32, bucket: TokenBucket) -> Request {
    token_bucket(link, index, bucket, whole_microseconds(bucket), None)
}

fn token_bucket(
    link: &str,
    index: u32,
    bucket: TokenBucket,
    buffer: u32,
    burst: Option<DefaultNla>,
) -> Request {
    let mut message = message(index, TcHandle::ROOT);
    message.header.handle = FIRST;
    let parms = DefaultNla::new(TCA_TBF_PARMS, parms(bucket, buffer));
    let rate = DefaultNla::new(TCA_TBF_RATE64, bucket.rate.to_ne_bytes().to_vec());
    let options = [parms, rate].into_iter().chain(burst).map(TcOption::Other);
    message.attributes =
        vec![TcAttribute::Kind(TOKEN_BUCKET.to_owned()), TcAttribute::Options(options.collect())];
    add(format!("shape what leaves by {link}"), message)
}

/// `struct tc_tbf_qopt`. A rate of 2^32 and more is in another attribute.
fn parms(bucket: TokenBucket, buffer: u32) -> Vec<u8> {
    let mut bytes = rate_specification(bucket.rate);
    bytes.extend([0; 12]); // peakrate: none
    bytes.extend(bucket.queue().to_ne_bytes());
    bytes.extend(buffer.to_ne_bytes());
    bytes.extend([0; 4]); // mtu
    bytes
}

/// `struct tc_ratespec`.
fn rate_specification(rate: u64) -> Vec<u8> {
    let mut bytes = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    bytes.extend(u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
    bytes
}

/// How long a full bucket lasts, in ticks.
fn ticks(bucket: TokenBucket) -> u32 {
    let ticks = u128::from(bucket.burst) * TICKS_A_SECOND / u128::from(bucket.rate.max(1));
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// As [`ticks`], by way of whole microseconds, and without what is beyond 32 bits: a burst that lasts for minutes is a
/// random one there.
#[expect(clippy::cast_possible_truncation, reason = "as the reference plugin's conversions do on amd64")]
fn whole_microseconds(bucket: TokenBucket) -> u32 {
    let microseconds = (u64::from(bucket.burst) * 1_000_000 / bucket.rate.max(1)) as u32;
    // 1 µs is 15.625 ticks.
    (u64::from(microseconds) * 125 / 8) as u32
}

/// Takes the discipline off that what leaves by a link goes through.
pub(crate) fn stop_shaping(link: &str, index: u32) -> Request {
    delete(format!("stop shaping what leaves by {link}"), message(index, TcHandle::ROOT))
}

/// The token bucket that what leaves by the link goes through, if there is one.
pub(crate) fn bucket(socket: &mut Socket, index: u32) -> Result<Option<Tbf>, NetlinkError> {
    let what = format!("look up the queueing discipline of link {index}");
    let message = RouteNetlinkMessage::GetQueueDiscipline(message(index, TcHandle::ROOT));
    // The kernel answers this question to all who listen to changes, and to who asks only with `NLM_F_ECHO`.
    match socket.query(&Request::route(what, NLM_F_ECHO, &message)) {
        Ok(replies) => Ok(replies.iter().find_map(parse_bucket)),
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn message(index: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = parent;
    message
}

fn delete(what: String, message: TcMessage) -> Request {
    Request::route(what, 0, &RouteNetlinkMessage::DelQueueDiscipline(message))
}

fn add(what: String, message: TcMessage) -> Request {
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewQueueDiscipline(message))
}

pub(super) fn parse_bucket(reply: &Reply) -> Option<Tbf> {
    let is_bucket = |value: &[u8]| value::text(value).as_deref() == Some(TOKEN_BUCKET);
    find(after_header(reply), TCA_KIND).filter(|kind| is_bucket(kind))?;
    let options = find(after_header(reply), TCA_OPTIONS)?;
    let parms = find(options, TCA_TBF_PARMS)?;
    let number = |at: usize| parms.get(at..).and_then(value::number);
    let rate = find(options, TCA_TBF_RATE64).and_then(|value| value.try_into().ok()).map(u64::from_ne_bytes);
    Some(Tbf { rate: rate.or(number(8).map(u64::from))?, limit: number(24)?, buffer: number(28)? })
}

fn after_header(reply: &Reply) -> &[u8] {
    reply.body.get(HEADER..).unwrap_or_default()
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

#[cfg(test)]
mod tests;
