//! The reference plugin's nftables tables, by the program `nft`: conditions are in its language.
//!
//! ```text
//! table ip cni_hostport {                                      and ip6; comment "CNI portmap plugin"
//!     chain prerouting { type nat hook prerouting priority -100; CONDITIONS fib daddr type local jump hostports_all }
//!     chain output { … }                                       the same
//!     chain hostports_all { jump hostip_hostports; jump hostports }
//!     chain hostports { tcp dport 8080 dnat to POD:80 comment "CONTAINER" }
//!     chain masquerading { type nat hook postrouting priority 100; ip saddr POD ip daddr POD masquerade comment "CONTAINER" } }
//! ```

use std::fmt::Write;
use std::net::SocketAddr;

use ipnet::IpNet;
use podnet_datapath::nft;
use serde::Deserialize;

use super::iptables::succeed;
use super::{Family, PortmapError, Wish};

const PROGRAM: &str = "nft";
const TABLE: &str = "cni_hostport";
const PORTS: &str = "hostports";
const ADDRESS_PORTS: &str = "hostip_hostports";
const ALL_PORTS: &str = "hostports_all";
const MASQUERADING: &str = "masquerading";

/// How often a deletion is planned that others' deletions have made void.
const ATTEMPTS: u32 = 10;

/// The family's word, of tables and of matches.
fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// Makes the container's rules for this address.
pub(super) fn add(wish: &Wish<'_>, pod: IpNet) -> Result<(), PortmapError> {
    succeed(PROGRAM, "add the rules", &["-f", "-"], &addition(wish, pod)).map(drop)
}

/// The transaction that adds.
pub(super) fn addition(wish: &Wish<'_>, pod: IpNet) -> String {
    let family = Family::of(pod);
    let [v4, v6] = &wish.options.conditions;
    let conditions = if family == Family::V4 { v4 } else { v6 };
    let conditions: String = conditions.iter().flat_map(|word| [word, " "]).collect();
    let table = format!("{} {TABLE}", word(family));
    let mut lines = vec![format!("add table {table} {{ comment \"CNI portmap plugin\" ; }}")];
    lines.extend([PORTS, ADDRESS_PORTS, ALL_PORTS].map(|chain| format!("add chain {table} {chain}")));
    lines.push(format!("flush chain {table} {ALL_PORTS}"));
    lines.extend([ADDRESS_PORTS, PORTS].map(|chain| format!("add rule {table} {ALL_PORTS} jump {chain}")));
    for hook in ["prerouting", "output"] {
        lines.push(format!("add chain {table} {hook} {{ type nat hook {hook} priority -100 ; }}"));
        lines.push(format!("flush chain {table} {hook}"));
        lines.push(format!("add rule {table} {hook} {conditions}fib daddr type local jump {ALL_PORTS}"));
    }
    if wish.mappings.snat {
        lines
            .push(format!("add chain {table} {MASQUERADING} {{ type nat hook postrouting priority 100 ; }}"));
    }
    let rules = container_rules(wish, pod).into_iter().chain(masquerade_all(wish, pod));
    lines.extend(
        rules.map(|(chain, rule)| format!("add rule {table} {chain} {rule} comment \"{}\"", wish.container)),
    );
    lines.join("\n") + "\n"
}

/// The rule of `masqAll`, which the reference plugin 1.9.1 does not know here: neither misses it in CHECK.
fn masquerade_all(wish: &Wish<'_>, pod: IpNet) -> Option<(&'static str, String)> {
    let is_wanted = wish.mappings.snat && wish.options.masquerade_all;
    is_wanted.then(|| (MASQUERADING, format!("{} daddr {} masquerade", word(Family::of(pod)), pod.addr())))
}

/// The container's rules, each with its chain, that the reference plugin makes too.
fn container_rules(wish: &Wish<'_>, pod: IpNet) -> Vec<(&'static str, String)> {
    let (family, address) = (word(Family::of(pod)), pod.addr());
    let ports = wish.mappings.plan_to(&[pod]).ports;
    let mut rules: Vec<_> = ports
        .iter()
        .map(|port| {
            let to = port.host_ip.map(|host_ip| format!("{family} daddr {host_ip} ")).unwrap_or_default();
            let target = SocketAddr::new(address, port.pod_port);
            (PORTS, format!("{to}{} dport {} dnat to {target}", port.transport, port.port))
        })
        .collect();
    if wish.mappings.snat {
        let masquerade = |source: &str| {
            (MASQUERADING, format!("{family} saddr {source} {family} daddr {address} masquerade"))
        };
        rules.push(masquerade(&address.to_string()));
        rules.extend(address.is_ipv4().then(|| masquerade("127.0.0.1")));
    }
    rules
}

/// Which chains have fewer of the container's rules than they should.
pub(super) fn check(wish: &Wish<'_>, pod: IpNet) -> Result<Vec<String>, PortmapError> {
    let family = Family::of(pod);
    let wanted = container_rules(wish, pod);
    let found = if is_there(family) { rules_of(family, wish.container)? } else { Vec::new() };
    let mut differences = Vec::new();
    for chain in [PORTS, MASQUERADING] {
        let wanted = wanted.iter().filter(|(of, _)| *of == chain).count();
        let found = found.iter().filter(|rule| rule.chain == chain).count();
        if found < wanted {
            let object = format!(
                "rules of container {} in chain {chain} of table {} {TABLE}",
                wish.container,
                word(family)
            );
            differences.push(format!("{object}: wanted {wanted}, found {found}"));
        }
    }
    Ok(differences)
}

/// Removes the container's rules.
pub(super) fn remove(family: Family, container: &str) -> Result<(), PortmapError> {
    let mut attempts = 0;
    while is_there(family) {
        let mut changes = String::new();
        for RuleHead { chain, handle, .. } in rules_of(family, container)? {
            // Writing to a String cannot fail.
            writeln!(changes, "delete rule {} {TABLE} {chain} handle {handle}", word(family)).ok();
        }
        if changes.is_empty() {
            break;
        }
        attempts += 1;
        match succeed(PROGRAM, "delete the rules", &["-f", "-"], &changes) {
            Err(error) if attempts == ATTEMPTS => return Err(error),
            // Somebody else deleted one of them meanwhile.
            Err(_) => {}
            Ok(_) => break,
        }
    }
    Ok(())
}

/// Whether the kernel has the table, asked without running a program: `nft` may be missing.
fn is_there(family: Family) -> bool {
    nft::has_foreign_chain(family == Family::V4, TABLE, PORTS).unwrap_or(false)
}

/// What matters of a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuleHead {
    chain: String,
    handle: u64,
    comment: String,
}

fn rules_of(family: Family, container: &str) -> Result<Vec<RuleHead>, PortmapError> {
    #[derive(Deserialize)]
    struct Answer {
        nftables: Vec<Object>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object {
        rule: Option<RuleHead>,
    }
    let args = ["-j", "-a", "list", "table", word(family), TABLE];
    let ended = succeed(PROGRAM, "list the rules", &args, "")?;
    let answer: Answer = serde_json::from_slice(&ended.stdout)
        .map_err(|source| PortmapError::Unreadable { program: PROGRAM, source })?;
    let rules = answer.nftables.into_iter().filter_map(|object| object.rule);
    Ok(rules.filter(|rule| rule.comment == container).collect())
}
