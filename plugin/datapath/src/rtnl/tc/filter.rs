//! Filters: which packets go another way.
//!
//! The classifier is `u32`, which every kernel that shapes has: words of the header, compared under a mask.
//!
//! Source: Linux `include/uapi/linux/pkt_cls.h`, `net/sched/cls_u32.c`.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{
        TcAction, TcActionAttribute, TcActionMirrorOption, TcActionOption, TcActionType, TcAttribute,
        TcFilterU32Option, TcHandle, TcMirror, TcMirrorActionType, TcOption, TcU32Key, TcU32Selector,
        TcU32SelectorFlags,
    },
};
use nix::errno::Errno;

use super::{TCA_OPTIONS, add, after_header, delete, find, message};
use crate::{
    netlink::{NetlinkError, Reply, Request, Socket, attributes},
    rtnl::value,
};

const TCA_U32_CLASSID: u16 = 1;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// Bytes of `struct tc_u32_sel` before its keys.
const SELECTOR_HEADER: usize = 16;
/// Where `eaction` and `ifindex` are in `struct tc_mirred`.
const MIRRED_EACTION: usize = 20;
const MIRRED_IFINDEX: usize = 24;
const TCA_EGRESS_REDIR: u32 = 1;

const CLSACT: &str = "clsact";
/// What the filters of arriving packets hang on.
pub(crate) const ARRIVING: TcHandle =
    TcHandle { major: TcHandle::CLSACT.major, minor: TcHandle::MIN_INGRESS };

// `linux/if_ether.h`
const ETH_P_ALL: u16 = 0x0003;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// What is done with packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Which ones.
    pub(crate) packets: Packets,
    /// What.
    pub(crate) verdict: Verdict,
}

/// Which packets a filter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packets {
    /// All of them.
    All,
    /// Those that come from these addresses.
    From(IpNet),
    /// Those that go to these addresses.
    To(IpNet),
}

/// What a filter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They go on as if there were no filter behind this one.
    Pass,
    /// They leave by the link with this index instead, which for an ifb means: queued there, then on as if they had just
    /// arrived.
    Redirect(u32),
    /// They belong to this class.
    Class(TcHandle),
}

/// A filter as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Installed {
    /// The keys of the selector.
    pub(super) keys: Vec<u8>,
    /// The class, 0 for none.
    class: u32,
    /// The links that packets are sent out by instead, each once.
    pub(crate) redirections: Vec<u32>,
}

/// Lets filters see what arrives by a link.
pub(crate) fn see_arriving(link: &str, index: u32) -> Request {
    let mut message = message(index, TcHandle::CLSACT);
    message.header.handle = TcHandle { major: TcHandle::CLSACT.major, minor: 0 };
    message.attributes = vec![TcAttribute::Kind(CLSACT.to_owned())];
    add(format!("let filters see what arrives by {link}"), message)
}

/// Takes the filters of what arrives by a link away.
pub(crate) fn stop_seeing(link: &str, index: u32) -> Request {
    delete(format!("let no filter see what arrives by {link}"), message(index, TcHandle::CLSACT))
}

impl Filter {
    /// Adds the filter to those that hang on `parent`, behind those for fewer packets.
    pub(crate) fn add(&self, link: &str, index: u32, parent: TcHandle) -> Request {
        let (protocol, priority) = match self.packets {
            Packets::From(IpNet::V4(_)) | Packets::To(IpNet::V4(_)) => (ETH_P_IP, IPV4_PRIORITY),
            Packets::From(IpNet::V6(_)) | Packets::To(IpNet::V6(_)) => (ETH_P_IPV6, IPV6_PRIORITY),
            Packets::All => (ETH_P_ALL, ALL_PRIORITY),
        };
        let mut selector = TcU32Selector::default();
        selector.flags = TcU32SelectorFlags::Terminal;
        selector.keys = self.packets.keys();
        selector.nkeys = u8::try_from(selector.keys.len()).unwrap_or(u8::MAX);
        let verdict = match self.verdict {
            Verdict::Pass => None,
            Verdict::Redirect(to) => Some(TcFilterU32Option::Action(vec![redirect(to)])),
            Verdict::Class(class) => Some(TcFilterU32Option::ClassId(class)),
        };
        let options = verdict.into_iter().chain([TcFilterU32Option::Selector(selector)]).map(TcOption::U32);
        let mut message = message(index, parent);
        message.header.info = u32::from(priority) << 16 | u32::from(protocol.to_be());
        message.attributes =
            vec![TcAttribute::Kind("u32".to_owned()), TcAttribute::Options(options.collect())];
        let what = format!("add a filter to {link}");
        Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewTrafficFilter(message))
    }

    /// What the kernel is to have of it.
    pub(crate) fn installed(&self) -> Installed {
        let keys = self.packets.keys();
        let words = |key: &TcU32Key| {
            [key.mask.to_be_bytes(), key.val.to_be_bytes(), key.off.to_ne_bytes(), key.offmask.to_ne_bytes()]
        };
        Installed {
            keys: keys.iter().flat_map(words).flatten().collect(),
            class: match self.verdict {
                Verdict::Class(class) => u32::from(class.major) << 16 | u32::from(class.minor),
                _ => 0,
            },
            redirections: match self.verdict {
                Verdict::Redirect(to) => vec![to],
                _ => Vec::new(),
            },
        }
    }
}

/// One priority can have filters of one protocol only.
const IPV4_PRIORITY: u16 = 1;
const IPV6_PRIORITY: u16 = 2;
const ALL_PRIORITY: u16 = 3;

impl Packets {
    /// The words of the IP header that have to match: as many as the prefix reaches into, at least one, of which no bit
    /// need match.
    fn keys(self) -> Vec<TcU32Key> {
        let (net, at) = match self {
            Self::All => return vec![TcU32Key::default()],
            Self::From(net @ IpNet::V4(_)) => (net, 12),
            Self::To(net @ IpNet::V4(_)) => (net, 16),
            Self::From(net @ IpNet::V6(_)) => (net, 8),
            Self::To(net @ IpNet::V6(_)) => (net, 24),
        };
        let words = words(net.network()).into_iter().zip(words(net.netmask())).zip((at..).step_by(4));
        let keys = words.filter(|((_, mask), offset)| *mask != 0 || *offset == at);
        keys.map(|((value, mask), offset)| key(value, mask, offset)).collect()
    }
}

/// The word at `offset` under a mask.
fn key(value: u32, mask: u32, offset: i32) -> TcU32Key {
    let mut key = TcU32Key::default();
    (key.val, key.mask, key.off) = (value, mask, offset);
    key
}

/// The address as words of four bytes.
fn words(address: IpAddr) -> Vec<u32> {
    match address {
        IpAddr::V4(address) => vec![address.to_bits()],
        IpAddr::V6(address) => address
            .octets()
            .chunks_exact(4)
            .filter_map(|word| Some(u32::from_be_bytes(word.try_into().ok()?)))
            .collect(),
    }
}

fn redirect(to: u32) -> TcAction {
    let mut mirred = TcMirror::default();
    mirred.generic.action = TcActionType::Stolen;
    mirred.eaction = TcMirrorActionType::EgressRedir;
    mirred.ifindex = to;
    let parms = TcActionOption::Mirror(TcActionMirrorOption::Parms(mirred));
    let mut action = TcAction::default();
    action.attributes =
        vec![TcActionAttribute::Kind("mirred".to_owned()), TcActionAttribute::Options(vec![parms])];
    action
}

/// The filters that hang on `parent`, in no order.
pub(crate) fn list(
    socket: &mut Socket,
    index: u32,
    parent: TcHandle,
) -> Result<Vec<Installed>, NetlinkError> {
    let what = format!("list the filters of link {index}");
    let message = RouteNetlinkMessage::GetTrafficFilter(message(index, parent));
    match socket.query(&Request::route(what, NLM_F_DUMP, &message)) {
        Ok(replies) => Ok(replies.iter().filter_map(parse).collect()),
        // No discipline that filters could hang on.
        Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Reads a filter; the messages that describe the hash tables of filters are none.
pub(super) fn parse(reply: &Reply) -> Option<Installed> {
    let options = find(after_header(reply), TCA_OPTIONS)?;
    let redirection = |action| {
        let mirred = find(find(action, TCA_ACT_OPTIONS)?, TCA_MIRRED_PARMS)?;
        let number = |at: usize| mirred.get(at..).and_then(value::number);
        number(MIRRED_IFINDEX).filter(|_| number(MIRRED_EACTION) == Some(TCA_EGRESS_REDIR))
    };
    let actions = find(options, TCA_U32_ACT).unwrap_or_default();
    let mut redirections: Vec<u32> =
        attributes(actions).filter_map(|(_, action)| redirection(action)).collect();
    // The reference bandwidth plugin's filter says it twice.
    redirections.dedup();
    let is_class = |class: &u32| *class != 0 && redirections.is_empty();
    Some(Installed {
        keys: find(options, TCA_U32_SEL)?.get(SELECTOR_HEADER..)?.to_vec(),
        class: find(options, TCA_U32_CLASSID).and_then(value::number).filter(is_class).unwrap_or_default(),
        redirections,
    })
}
