//! Traffic control: queueing disciplines and filters of links, `RTM_*QDISC` and `RTM_*TFILTER`.
//!
//! Sources: Linux `include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h`, `net/sched/sch_tbf.c`.

use std::fmt;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_DUMP, NLM_F_ECHO, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{
        TcAction, TcActionAttribute, TcActionMirrorOption, TcActionOption, TcActionType, TcAttribute,
        TcFilterU32Option, TcHandle, TcMessage, TcMirror, TcMirrorActionType, TcOption, TcU32Key,
        TcU32Selector, TcU32SelectorFlags,
    },
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
const TCA_U32_ACT: u16 = 7;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// Where `eaction` and `ifindex` are in `struct tc_mirred`.
const MIRRED_EACTION: usize = 20;
const MIRRED_IFINDEX: usize = 24;
const TCA_EGRESS_REDIR: u32 = 1;

const TOKEN_BUCKET: &str = "tbf";
const CLSACT: &str = "clsact";

/// The handle that a root discipline gets, as the reference bandwidth plugin has it.
const FIRST: TcHandle = TcHandle { major: 1, minor: 0 };
/// What the filters of arriving packets hang on.
const ARRIVING: TcHandle = TcHandle { major: TcHandle::CLSACT.major, minor: TcHandle::MIN_INGRESS };
/// `tcm_info` of a filter: priority 1, packets of all protocols (`ETH_P_ALL`, in network byte order).
const FIRST_FOR_ALL: u32 = 1 << 16 | 0x0003_u16.to_be() as u32;

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
        let full = u128::from(bucket.burst) * (1_000_000_000 / 64) / u128::from(bucket.rate.max(1));
        let is_full = u32::try_from(full).is_ok_and(|full| full.abs_diff(self.buffer) <= 1 + full / 1000);
        let fits = is_full || full > u128::from(u32::MAX);
        self.rate == bucket.rate && self.limit == bucket.queue() && fits
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
    let mut message = message(index, TcHandle::ROOT);
    message.header.handle = FIRST;
    let parms = DefaultNla::new(TCA_TBF_PARMS, parms(bucket));
    let rate = DefaultNla::new(TCA_TBF_RATE64, bucket.rate.to_ne_bytes().to_vec());
    let burst = DefaultNla::new(TCA_TBF_BURST, bucket.burst.to_ne_bytes().to_vec());
    message.attributes = vec![
        TcAttribute::Kind(TOKEN_BUCKET.to_owned()),
        TcAttribute::Options([parms, rate, burst].map(TcOption::Other).into()),
    ];
    add(format!("shape what leaves by {link}"), message)
}

/// `struct tc_tbf_qopt`. A rate of 2^32 and more is in another attribute, and the size of the bucket always: here it
/// would be a time.
fn parms(bucket: TokenBucket) -> Vec<u8> {
    const ETHERNET: u8 = 1; // TC_LINKLAYER_ETHERNET
    let rate = u32::try_from(bucket.rate).unwrap_or(u32::MAX).to_ne_bytes();
    let mut bytes = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    bytes.extend(rate);
    bytes.extend([0; 12]); // peakrate: none
    bytes.extend(bucket.queue().to_ne_bytes());
    bytes.extend([0; 8]); // buffer, mtu
    bytes
}

/// Lets filters see what arrives by a link.
pub(crate) fn see_arriving(link: &str, index: u32) -> Request {
    let mut message = message(index, TcHandle::CLSACT);
    message.header.handle = TcHandle { major: TcHandle::CLSACT.major, minor: 0 };
    message.attributes = vec![TcAttribute::Kind(CLSACT.to_owned())];
    add(format!("let filters see what arrives by {link}"), message)
}

/// Sends what arrives by a link out by another, which for an ifb means: queued there, then on as if it had just arrived.
pub(crate) fn redirect_arriving(link: &str, index: u32, to: u32) -> Request {
    let mut mirred = TcMirror::default();
    mirred.generic.action = TcActionType::Stolen;
    mirred.eaction = TcMirrorActionType::EgressRedir;
    mirred.ifindex = to;
    let parms = TcActionOption::Mirror(TcActionMirrorOption::Parms(mirred));
    let mut action = TcAction::default();
    action.attributes =
        vec![TcActionAttribute::Kind("mirred".to_owned()), TcActionAttribute::Options(vec![parms])];

    // One word, of which no bit has to match.
    let mut all = TcU32Selector::default();
    all.flags = TcU32SelectorFlags::Terminal;
    all.nkeys = 1;
    all.keys = vec![TcU32Key::default()];

    let mut message = message(index, ARRIVING);
    message.header.info = FIRST_FOR_ALL;
    message.attributes = vec![
        TcAttribute::Kind("u32".to_owned()),
        TcAttribute::Options(vec![
            TcOption::U32(TcFilterU32Option::Action(vec![action])),
            TcOption::U32(TcFilterU32Option::Selector(all)),
        ]),
    ];
    let what = format!("redirect what arrives by {link}");
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewTrafficFilter(message))
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

/// The links that what arrives by the link is sent out by instead.
pub(crate) fn redirections(socket: &mut Socket, index: u32) -> Result<Vec<u32>, NetlinkError> {
    let what = format!("list the filters of link {index}");
    let message = RouteNetlinkMessage::GetTrafficFilter(message(index, ARRIVING));
    match socket.query(&Request::route(what, NLM_F_DUMP, &message)) {
        Ok(replies) => Ok(replies.iter().flat_map(parse_redirections).collect()),
        // No discipline that filters could hang on.
        Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn message(index: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = parent;
    message
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

pub(super) fn parse_redirections(reply: &Reply) -> Vec<u32> {
    let actions = find(after_header(reply), TCA_OPTIONS).and_then(|options| find(options, TCA_U32_ACT));
    let redirection = |action| {
        let mirred = find(find(action, TCA_ACT_OPTIONS)?, TCA_MIRRED_PARMS)?;
        let number = |at: usize| mirred.get(at..).and_then(value::number);
        number(MIRRED_IFINDEX).filter(|_| number(MIRRED_EACTION) == Some(TCA_EGRESS_REDIR))
    };
    attributes(actions.unwrap_or_default()).filter_map(|(_, action)| redirection(action)).collect()
}

fn after_header(reply: &Reply) -> &[u8] {
    reply.body.get(HEADER..).unwrap_or_default()
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

#[cfg(test)]
mod tests;
