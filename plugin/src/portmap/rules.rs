//! The rules of one container and one family, as words of iptables.
//!
//! ```text
//! CNI-HOSTPORT-DNAT    -m comment … -p tcp -m multiport --destination-ports 8080,8081 -j CNI-DN-…       "entries"
//! CNI-DN-…             -p tcp --dport 8080 -s POD/LENGTH -j CNI-HOSTPORT-SETMARK                        "rules"
//!                      -p tcp --dport 8080 -s 127.0.0.1  -j CNI-HOSTPORT-SETMARK
//!                      -p tcp --dport 8080 -j DNAT --to-destination POD:80
//! ```
//!
//! The words and their order are those that the reference plugin gives to iptables, so that what either has written the
//! other finds by iptables' own comparison.

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_datapath::HostPort;

use super::{Family, Mark, Wish, chains_of};

/// The chain that leads to the containers' chains.
pub(super) const ENTRY_CHAIN: &str = "CNI-HOSTPORT-DNAT";
/// The chain that marks.
pub(super) const SET_MARK_CHAIN: &str = "CNI-HOSTPORT-SETMARK";
/// The chain that masquerades what is marked.
pub(super) const MASQUERADE_CHAIN: &str = "CNI-HOSTPORT-MASQ";

/// The most ports of one `multiport` match (`XT_MULTI_PORTS`).
const PORTS_A_RULE: usize = 15;

/// The longest comment, in bytes (`XT_MAX_COMMENT_LEN` less its NUL).
const LONGEST_COMMENT: usize = 255;

/// Words of a rule, without command and chain.
pub(super) type Words = Vec<String>;

/// The rules of a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContainerRules {
    /// The container's chain.
    pub(super) chain: String,
    /// Those of [`ENTRY_CHAIN`] that lead to it.
    pub(super) entries: Vec<Words>,
    /// Those in it.
    pub(super) rules: Vec<Words>,
    /// The mark of [`SET_MARK_CHAIN`], `VALUE/MASK`, where that is needed.
    pub(super) mark: Option<String>,
}

impl ContainerRules {
    /// What the wish comes to for this address.
    pub(super) fn new(wish: &Wish<'_>, pod: IpNet) -> Self {
        let [chain, _] = chains_of(wish.network, wish.container);
        let ports = wish.mappings.plan_to(&[pod]).ports;
        let mark = match &wish.options.mark {
            Mark::Bit(bit) if wish.mappings.snat => Some(mark(*bit)),
            _ => None,
        };
        let rules = ports.iter().flat_map(|port| port_rules(wish, port)).collect();
        Self { entries: entries(wish, Family::of(pod), &chain), chain, rules, mark }
    }
}

/// The comment by which people and GC tell whose rules they see.
pub(super) fn comment(network: &str, container: &str) -> String {
    let comment = format!("dnat name: \"{network}\" id: \"{container}\"");
    if comment.len() <= LONGEST_COMMENT {
        return comment;
    }
    let kept = comment.floor_char_boundary(LONGEST_COMMENT - 2);
    format!("{}...", &comment[..kept])
}

/// `VALUE/MASK` of a bit of the packet mark.
fn mark(bit: u8) -> String {
    let value = 1_u32.checked_shl(bit.into()).unwrap_or_default();
    format!("{value:#x}/{value:#x}")
}

fn entries(wish: &Wish<'_>, family: Family, chain: &str) -> Vec<Words> {
    let [v4, v6] = &wish.options.conditions;
    let conditions = if family == Family::V4 { v4 } else { v6 };
    let comment = comment(wish.network, wish.container);
    let by_protocol = wish.mappings.by_protocol();
    let rules = by_protocol.iter().flat_map(|(protocol, ports)| {
        ports.chunks(PORTS_A_RULE).map(|ports| {
            let ports = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let fixed = [
                "-m",
                "comment",
                "--comment",
                &comment,
                "-m",
                "multiport",
                "-p",
                protocol,
                "--destination-ports",
                &ports,
            ];
            let words = fixed.into_iter().chain(conditions.iter().map(String::as_str)).chain(["-j", chain]);
            words.map(ToOwned::to_owned).collect()
        })
    });
    rules.collect()
}

fn port_rules(wish: &Wish<'_>, port: &HostPort) -> Vec<Words> {
    let mut base = words(&["-p", port.transport.name(), "--dport", &port.port.to_string()]);
    if let Some(host_ip) = port.host_ip {
        base.extend(words(&["-d", &host_ip.to_string()]));
    }
    let rule = |rest: &[&str]| [base.clone(), words(rest)].concat();
    let mut rules = Vec::new();
    if wish.mappings.snat {
        let set_mark = match &wish.options.mark {
            Mark::Chain(chain) => chain,
            Mark::Bit(_) => SET_MARK_CHAIN,
        };
        let is_ipv4 = port.pod.addr().is_ipv4();
        let own = port.pod.to_string();
        let sources: &[&str] = match (wish.options.masquerade_all, is_ipv4) {
            (true, true) => &["0.0.0.0/0"],
            (true, false) => &["::/0"],
            (false, true) => &[&own, "127.0.0.1"],
            (false, false) => &[&own],
        };
        rules.extend(sources.iter().map(|source| rule(&["-s", source, "-j", set_mark])));
    }
    let target = match port.pod.addr() {
        IpAddr::V4(address) => format!("{address}:{}", port.pod_port),
        IpAddr::V6(address) => format!("[{address}]:{}", port.pod_port),
    };
    rules.push(rule(&["-j", "DNAT", "--to-destination", &target]));
    rules
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|&word| word.to_owned()).collect()
}
