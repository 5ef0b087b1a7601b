//! Killed or failed at every system call: the first ADD, which moves the node's link, a later one, and DEL.

use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::tracer::{self, End};
use podnet_netns_tests::{ensure, ensure_eq, probe};

use super::super::{case, inside, with_everything};
use super::moved::{SOON, go_back};
use super::{fabric, fixed};
use crate::{crash, look};

pub(super) fn cases() -> impl Iterator<Item = Case> {
    // Hundreds of calls, and as many nodes made anew: shared out.
    let first = (1..=SHARES).map(|first| {
        named(&format!("first_add_killed_at_every_system_call_{first}"), move || {
            first_add_killed(FAMILY, first)
        })
    });
    let later = [
        named("add_killed_at_every_system_call", || later(|network| crash::killed_in(network, "ADD"))),
        named("del_killed_at_every_system_call", || later(|network| crash::killed_in(network, "DEL"))),
        named("add_with_every_call_failing_once", || later(crash::add_failing_in)),
    ];
    first.chain(later).chain([named("first_add_with_every_request_failing_once", first_add_failing)])
}

const FAMILY: Family = Family::Dual;

fn named(name: &str, body: impl Fn() -> Outcome + Send + Sync + 'static) -> Case {
    Case { limit: Duration::from_mins(10), ..case(&format!("bridge::dual::{name}"), body) }
}

/// On a node whose link has moved: neither the bridge nor the node's way to its network is touched.
fn later(tried: fn(&Network) -> Outcome) -> Outcome {
    let fabric = fabric(FAMILY)?;
    tried(&with_everything(fixed(FAMILY, 20)?))?;
    for far in fabric.far_addresses()? {
        probe::reach(Place::Node, fabric.place(), far, SOON)?;
    }
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// More findings than these say nothing new.
const SHOWN: usize = 5;

/// How many tests share the system calls.
const SHARES: usize = 6;

/// Killed at a system call, then at one behind it, until it ends before the kill: the node is reached each time, and the
/// next ADD does the rest.
fn first_add_killed(family: Family, first: usize) -> Outcome {
    let fabric = fabric(family)?;
    let network = fixed(family, 20)?;
    let mut findings = Vec::new();
    for at in (first..).step_by(SHARES) {
        let pod = Pod::create(&format!("pod{at}"))?;
        let stdin = network.config(0, &[])?.to_string();
        let end = tracer::kill_at(network.command(0, "ADD", Some(&pod))?, stdin.as_bytes(), at)?;
        let recovered = (|| {
            for far in fabric.far_addresses()? {
                probe::reach(Place::Node, fabric.place(), far, SOON).doing("the node, behind the kill")?;
            }
            network.del(&pod, None).doing("DEL")?;
            let added = network.add(&pod).doing("ADD after it")?;
            network.check(&pod, &added).doing("CHECK after it")?;
            for far in fabric.far_addresses()? {
                probe::reach(inside(&pod), fabric.place(), far, SOON).doing("the pod")?;
            }
            network.del(&pod, None).doing("DEL after it")
        })();
        if let Err(Failure::Failed(finding)) = recovered {
            findings.push(format!("{end:?}, the {at}th: {finding}"));
        }
        if matches!(end, End::Finished { .. }) || findings.len() == SHOWN {
            break;
        }
        go_back(&fabric, family)?;
        podnet_netns_tests::process::tool(&["nft", "delete", "table", "bridge", "podnet"])?;
        std::fs::remove_dir_all("/run/podnet")?;
    }
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// Each request to the kernel in turn: the link moves back, or has not moved. Not the writes, of which the result is one: what
/// nobody could be told of goes as by DEL, and the bridge stays.
fn first_add_failing() -> Outcome {
    let fabric = fabric(FAMILY)?;
    let changes = |name: &str| !matches!(name, "write" | "recvfrom" | "read" | "fstat" | "statx" | "fcntl");
    crash::add_failing_on(&with_everything(fixed(FAMILY, 20)?), changes, &|| {
        for far in fabric.far_addresses()? {
            probe::reach(Place::Node, fabric.place(), far, SOON)?;
        }
        if look::find(Place::Node, "azure0")?.is_some() { go_back(&fabric, FAMILY) } else { Ok(()) }
    })?;
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}
