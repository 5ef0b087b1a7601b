//! A token bucket for some of what leaves by a link.
//!
//! ```text
//! htb 1: ─┬─ 1:30 (the bucket) ── bfifo        what is limited
//!         └─ directly out                      the rest
//! ```
//!
//! The discipline is `htb`, for `tbf` takes all or nothing. Unlike that it does not take large packets apart, so that its
//! queue has room for some.
//!
//! Source: Linux `include/uapi/linux/pkt_sched.h`, `net/sched/sch_htb.c`, `net/sched/sch_fifo.c`.

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcOption},
};
use nix::errno::Errno;

use super::{FIRST, TCA_KIND, TCA_OPTIONS, Tbf, add, after_header, find, message, rate_specification, ticks};
use crate::{
    TokenBucket,
    netlink::{NetlinkError, Reply, Request, Socket},
    rtnl::value,
};

const TCA_HTB_PARMS: u16 = 1;
const TCA_HTB_INIT: u16 = 2;
const TCA_HTB_DIRECT_QLEN: u16 = 5;
const TCA_HTB_RATE64: u16 = 6;
const TCA_HTB_CEIL64: u16 = 7;

const KIND: &str = "htb";
const QUEUE: &str = "bfifo";
/// The version of the interface (`HTB_VER >> 16`).
const VERSION: u32 = 3;
/// What the class may send before it is another's turn, in bytes. There is no other.
const QUANTUM: u32 = 1 << 16;
/// The most packets that wait for the link itself.
const DIRECT_QUEUE: u32 = 1000;
/// Two packets of the largest size, in bytes.
const ROOM: u32 = 2 << 16;

/// The class of what is limited; its number is the reference bandwidth plugin's (1.5).
pub(crate) const LIMITED: TcHandle = TcHandle { major: 1, minor: 0x30 };
/// The name of no class, by which packets go directly.
pub(crate) const DIRECT: TcHandle = FIRST;
/// What the filters hang on.
pub(crate) const ROOT: TcHandle = FIRST;

/// Prepares a bucket for what leaves by a link: all of it, or, without `by_default`, what filters say. The link has no
/// discipline of its own.
pub(crate) fn shape(link: &str, index: u32, bucket: TokenBucket, by_default: bool) -> [Request; 3] {
    [discipline(link, index, by_default), class(link, index, bucket), queue(link, index, bucket)]
}

fn discipline(link: &str, index: u32, by_default: bool) -> Request {
    let default = if by_default { u32::from(LIMITED.minor) } else { 0 };
    // `struct tc_htb_glob`: version, rate2quantum, defcls, debug, direct_pkts.
    let init = [VERSION, 10, default, 0, 0].map(u32::to_ne_bytes).concat();
    let mut message = message(index, TcHandle::ROOT);
    message.header.handle = FIRST;
    let options = [
        DefaultNla::new(TCA_HTB_INIT, init),
        DefaultNla::new(TCA_HTB_DIRECT_QLEN, DIRECT_QUEUE.to_ne_bytes().to_vec()),
    ];
    message.attributes =
        vec![TcAttribute::Kind(KIND.to_owned()), TcAttribute::Options(options.map(TcOption::Other).into())];
    add(format!("shape some of what leaves by {link}"), message)
}

fn class(link: &str, index: u32, bucket: TokenBucket) -> Request {
    let mut message = message(index, FIRST);
    message.header.handle = LIMITED;
    let rate = bucket.rate.to_ne_bytes().to_vec();
    let options = [
        DefaultNla::new(TCA_HTB_PARMS, parms(bucket)),
        DefaultNla::new(TCA_HTB_RATE64, rate.clone()),
        DefaultNla::new(TCA_HTB_CEIL64, rate),
    ];
    message.attributes =
        vec![TcAttribute::Kind(KIND.to_owned()), TcAttribute::Options(options.map(TcOption::Other).into())];
    let what = format!("add a class to {link}");
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewTrafficClass(message))
}

/// `struct tc_htb_opt`: rate, ceil, buffer, cbuffer, quantum, level, prio.
fn parms(bucket: TokenBucket) -> Vec<u8> {
    let rate = rate_specification(bucket.rate);
    let numbers = [ticks(bucket), ticks(bucket), QUANTUM, 0, 0].map(u32::to_ne_bytes).concat();
    [rate.clone(), rate, numbers].concat()
}

/// The queue in front of the bucket.
fn queue(link: &str, index: u32, bucket: TokenBucket) -> Request {
    let mut message = message(index, LIMITED);
    let limit = DefaultNla::new(TCA_OPTIONS, limit(bucket).to_ne_bytes().to_vec());
    message.attributes = vec![TcAttribute::Kind(QUEUE.to_owned()), TcAttribute::Other(limit)];
    add(format!("queue what leaves by {link}"), message)
}

fn limit(bucket: TokenBucket) -> u32 {
    bucket.queue().max(ROOM)
}

/// The bucket of the class, if there is one.
pub(crate) fn bucket(socket: &mut Socket, index: u32) -> Result<Option<Tbf>, NetlinkError> {
    let mut class = message(index, FIRST);
    class.header.handle = LIMITED;
    let class = RouteNetlinkMessage::GetTrafficClass(class);
    let queue = RouteNetlinkMessage::GetQueueDiscipline(message(index, LIMITED));
    let what = format!("look up the class of link {index}");
    let Some((rate, buffer)) = ask(socket, what, &class, parse)? else { return Ok(None) };
    let what = format!("look up the queue of link {index}");
    let limit = ask(socket, what, &queue, parse_queue)?;
    Ok(limit.map(|limit| Tbf { rate, limit, buffer }))
}

/// What the kernel has for the bucket.
pub(crate) fn wanted(bucket: TokenBucket) -> Tbf {
    Tbf { rate: bucket.rate, limit: limit(bucket), buffer: ticks(bucket) }
}

/// The kernel answers this to all who listen to changes, and to who asks only with `NLM_F_ECHO`.
fn ask<T>(
    socket: &mut Socket,
    what: String,
    message: &RouteNetlinkMessage,
    parse: fn(&Reply) -> Option<T>,
) -> Result<Option<T>, NetlinkError> {
    match socket.query(&Request::route(what, NLM_F_ECHO, message)) {
        Ok(replies) => Ok(replies.iter().find_map(parse)),
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::EINVAL | Errno::EOPNOTSUPP)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The rate and the size of a class of ours.
pub(super) fn parse(reply: &Reply) -> Option<(u64, u32)> {
    let attributes = after_header(reply);
    find(attributes, TCA_KIND).filter(|kind| value::text(kind).as_deref() == Some(KIND))?;
    let options = find(attributes, TCA_OPTIONS)?;
    let parms = find(options, TCA_HTB_PARMS)?;
    let number = |at: usize| parms.get(at..).and_then(value::number);
    let rate = find(options, TCA_HTB_RATE64).and_then(|value| value.try_into().ok()).map(u64::from_ne_bytes);
    Some((rate.or(number(8).map(u64::from))?, number(24)?))
}

fn parse_queue(reply: &Reply) -> Option<u32> {
    let attributes = after_header(reply);
    find(attributes, TCA_KIND).filter(|kind| value::text(kind).as_deref() == Some(QUEUE))?;
    find(attributes, TCA_OPTIONS).and_then(value::number)
}
