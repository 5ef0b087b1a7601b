//! Running `iptables` and `ip6tables`.
//!
//! What they work on, nftables or the older tables of the kernel, is their affair: those that the node's other programs use
//! too are the ones in PATH.

use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use podnet_datapath::nft;

use super::listing::{Changes, Listing};
use super::rules::{ContainerRules, ENTRY_CHAIN, comment};
use super::{Family, PortmapError, Wish, Words};
use crate::exec::{Ended, Run};

/// How long a program may take, and wait for others that change rules.
const LIMIT: Duration = Duration::from_mins(1);
const PATIENCE: &str = "30";

/// How often a change is planned that others' changes have made void.
const ATTEMPTS: u32 = 10;

/// A program and its companion that takes transactions.
struct Programs {
    single: &'static str,
    restore: &'static str,
    /// The kernel's list of its older tables.
    tables: &'static str,
}

fn programs(family: Family) -> Programs {
    match family {
        Family::V4 => {
            Programs { single: "iptables", restore: "iptables-restore", tables: "/proc/net/ip_tables_names" }
        }
        Family::V6 => Programs {
            single: "ip6tables",
            restore: "ip6tables-restore",
            tables: "/proc/net/ip6_tables_names",
        },
    }
}

/// Whether there is an iptables that works, as the reference plugin asks.
pub(crate) fn is_usable() -> bool {
    let list = ["-w", PATIENCE, "-t", "filter", "-S", "INPUT"];
    run("iptables", "list the rules", &list, "").is_ok_and(|ended| ended.status.success())
}

/// Makes the container's rules for this address.
pub(super) fn add(wish: &Wish<'_>, pod: IpNet) -> Result<(), PortmapError> {
    let wanted = ContainerRules::new(wish, pod);
    change(Family::of(pod), |listing| Some(listing.addition(&wanted)))
}

/// The rules for this address that are not there.
pub(super) fn check(wish: &Wish<'_>, pod: IpNet) -> Result<Vec<String>, PortmapError> {
    let wanted = ContainerRules::new(wish, pod);
    let Programs { single, .. } = programs(Family::of(pod));
    let entries = wanted.entries.iter().map(|rule| (ENTRY_CHAIN, rule));
    let rules = wanted.rules.iter().map(|rule| (&*wanted.chain, rule));
    let mut missing = Vec::new();
    for (chain, rule) in rules.chain(entries) {
        let mut args = vec!["-w", PATIENCE, "-t", "nat", "-C", chain];
        args.extend(rule.iter().map(String::as_str));
        if !run(single, "look for a rule", &args, "")?.status.success() {
            missing.push(format!("{single} rule of chain {chain}: wanted {}, found none", rule.join(" ")));
        }
    }
    Ok(missing)
}

/// Removes chains and what leads to them.
pub(crate) fn remove(family: Family, chains: &[String]) -> Result<(), PortmapError> {
    if chains.iter().any(|chain| may_have(family, chain)) {
        change(family, |listing| listing.removal(chains))?;
    }
    Ok(())
}

/// The containers of a network that have rules.
pub(super) fn containers(family: Family, network: &str) -> Result<Vec<String>, PortmapError> {
    if !may_have(family, ENTRY_CHAIN) {
        return Ok(Vec::new());
    }
    Ok(Listing::read(&list(family)?).containers(ENTRY_CHAIN, &comment(network, "")))
}

/// Drops packets to 127.0.0.0/8 that arrive on another link than lo, which `route_localnet` would let pass
/// (CVE-2020-8558). Never undone: other pods need it too.
pub(crate) fn close_loopback() -> Result<(), PortmapError> {
    const RULE: [&str; 12] = [
        "PREROUTING",
        "!",
        "-i",
        "lo",
        "-d",
        "127.0.0.0/8",
        "-m",
        "comment",
        "--comment",
        "podnet: to loopback addresses",
        "-j",
        "DROP",
    ];
    let raw = |command| [&["-w", PATIENCE, "-t", "raw", command][..], &RULE].concat();
    let is_there = || run("iptables", "look for a rule", &raw("-C"), "").map(|ended| ended.status.success());
    if is_there()? {
        return Ok(());
    }
    let _alone = super::shared::lock()?;
    if !is_there()? {
        succeed("iptables", "close the loopback addresses", &raw("-I"), "")?;
    }
    Ok(())
}

/// Whether the kernel may have a chain of the table nat, asked without running any program: the one in PATH may be missing.
pub(crate) fn may_have(family: Family, chain: &str) -> bool {
    let is_there = nft::has_foreign_chain(family == Family::V4, "nat", chain);
    let older = || std::fs::read_to_string(programs(family).tables);
    is_there.unwrap_or(true) || older().is_ok_and(|tables| tables.lines().any(|table| table == "nat"))
}

/// Carries out what `plan` makes of the table nat. Others may change it between the look and the change: a change that
/// fails is planned anew, until it comes out the same; one of what all share is planned where no other can be.
pub(crate) fn change(
    family: Family,
    plan: impl Fn(&Listing<'_>) -> Option<Changes>,
) -> Result<(), PortmapError> {
    let Programs { restore, .. } = programs(family);
    let mut failed: Option<(String, PortmapError)> = None;
    let mut alone = None;
    for _ in 0..ATTEMPTS {
        let Some(changes) = plan(&Listing::read(&list(family)?)) else { return Ok(()) };
        if changes.touch_shared && alone.is_none() {
            alone = Some(super::shared::lock()?);
            continue;
        }
        let changes = changes.text();
        if let Some((_, error)) = failed.take_if(|(before, _)| *before == changes) {
            return Err(error);
        }
        match succeed(restore, "change the rules", &["--noflush", "-w", PATIENCE], &changes) {
            Ok(_) => return Ok(()),
            Err(error) => failed = Some((changes, error)),
        }
    }
    failed.map_or(Ok(()), |(_, error)| Err(error))
}

pub(crate) fn list(family: Family) -> Result<String, PortmapError> {
    let list = ["-w", PATIENCE, "-t", "nat", "-S"];
    let ended = succeed(programs(family).single, "list the rules", &list, "")?;
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// Runs a program that has to succeed.
pub(super) fn succeed(
    program: &'static str,
    doing: &'static str,
    args: &[&str],
    input: &str,
) -> Result<Ended, PortmapError> {
    let ended = run(program, doing, args, input)?;
    if ended.status.success() {
        return Ok(ended);
    }
    let words = if ended.stderr.is_empty() { ended.status.to_string() } else { ended.stderr };
    Err(PortmapError::Refused { program, doing, source: Words(words) })
}

fn run(
    program: &'static str,
    doing: &'static str,
    args: &[&str],
    input: &str,
) -> Result<Ended, PortmapError> {
    let run =
        Run { program: Path::new(program), args, variables: &[], input: input.as_bytes(), limit: LIMIT };
    run.to_end().map_err(|source| PortmapError::Exec { program, doing, source })
}
