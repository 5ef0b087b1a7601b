//! Killed or failed at every step: nothing is left that one DEL does not remove, and a failed ADD leaves nothing.

use std::process::Command;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::tracer::{self, End, Failed};
use podnet_netns_tests::{ensure, ensure_eq, reply};
use serde_json::json;

use crate::differences::NOT_CRASH_SAFE;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[table::Test] = &[
        ("add_killed_at_every_system_call", |s| killed(s, |network| network, "ADD"), Some(&NOT_CRASH_SAFE)),
        ("del_killed_at_every_system_call", |s| killed(s, |network| network, "DEL"), Some(&NOT_CRASH_SAFE)),
        ("add_with_limits_killed_at_every_system_call", |s| killed(s, limited, "ADD"), Some(&NOT_CRASH_SAFE)),
        ("del_with_limits_killed_at_every_system_call", |s| killed(s, limited, "DEL"), Some(&NOT_CRASH_SAFE)),
        (
            "add_of_a_routed_pod_killed_at_every_system_call",
            |s| killed(s, routed, "ADD"),
            Some(&NOT_CRASH_SAFE),
        ),
        (
            "del_of_a_routed_pod_killed_at_every_system_call",
            |s| killed(s, routed, "DEL"),
            Some(&NOT_CRASH_SAFE),
        ),
        ("first_add_killed_at_every_system_call", first_add_killed, Some(&NOT_CRASH_SAFE)),
        ("add_with_every_call_failing_once", |s| add_failing(s, |network| network), Some(&NOT_CRASH_SAFE)),
        ("add_with_limits_with_every_call_failing_once", |s| add_failing(s, limited), Some(&NOT_CRASH_SAFE)),
        (
            "add_of_a_routed_pod_with_every_call_failing_once",
            |s| add_failing(s, routed),
            Some(&NOT_CRASH_SAFE),
        ),
    ];
    table::with_limit(Duration::from_mins(10), "crash", &[Family::Dual], tests)
}

/// More findings than these say nothing new.
const SHOWN: usize = 5;

/// A network whose pods have everything that podnet makes: masquerading and host ports, one of them of UDP.
fn ruled(scene: Scene) -> Result<Network, Failure> {
    let ports = json!([
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 53, "containerPort": 53, "protocol": "udp"},
    ]);
    Ok(scene.network()?.with("/ipMasq", true).with("/runtimeConfig", json!({ "portMappings": ports })))
}

/// One verb for one pod, ready to be started under a tracer.
fn step(network: &Network, verb: &str, pod: &Pod) -> Result<(Command, Vec<u8>), Failure> {
    Ok((network.command(0, verb, Some(pod))?, network.config(0, &[])?.to_string().into_bytes()))
}

fn limited(network: Network) -> Network {
    let members = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];
    members.into_iter().fold(network, |network, member| network.with(&format!("/{member}"), 1 << 24))
}

/// Mode vnet, whose pods are guarded too; the reference has no such thing.
fn routed(network: Network) -> Network {
    network.with("/mode", "vnet")
}

/// Kills `verb` at its first system call, then at its second, until it ends before the kill.
/// After each, one DEL has to leave the node and the pod's namespace as they were.
fn killed(scene: Scene, configured: fn(Network) -> Network, verb: &str) -> Outcome {
    killed_in(&configured(ruled(scene)?), verb)
}

/// The same of any network.
pub(crate) fn killed_in(network: &Network, verb: &str) -> Outcome {
    table::settle(network)?;
    let (mut before, empty) = (Snapshot::take()?, empty_pod()?);
    let mut findings = Vec::new();
    for at in 1.. {
        let pod = Pod::create(&format!("pod{at}"))?;
        if verb == "DEL" {
            network.add(&pod)?;
        }
        let (command, stdin) = step(network, verb, &pod)?;
        let end = tracer::kill_at(command, &stdin, at)?;
        let cleaned = network
            .del(&pod, None)
            .and_then(|()| before.ensure_unchanged("DEL"))
            .and_then(|()| is_empty(&pod, &empty));
        if let Err(Failure::Failed(finding)) = cleaned {
            findings.push(format!("{verb}, {end:?}, the {at}th: {finding}"));
            // What is left now is reported once.
            before = Snapshot::take()?;
        }
        if matches!(end, End::Finished { .. }) || findings.len() == SHOWN {
            break;
        }
    }
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

/// What every pod has before its ADD.
fn empty_pod() -> Result<Snapshot, Failure> {
    Snapshot::take_in((&Pod::create("empty")?.netns).into(), &[])
}

fn is_empty(pod: &Pod, empty: &Snapshot) -> Outcome {
    let left = empty.differences(&Snapshot::take_in((&pod.netns).into(), &[])?);
    ensure!(left.is_empty(), "in the pod: {}", left.join("\n"));
    Ok(())
}

/// The same on a node without bridge and folders: a half-made bridge has to serve the next ADD.
fn first_add_killed(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let mut findings = Vec::new();
    for at in 1.. {
        let pod = Pod::create(&format!("pod{at}"))?;
        let (command, stdin) = step(&network, "ADD", &pod)?;
        let end = tracer::kill_at(command, &stdin, at)?;
        let recovered = network.del(&pod, None).doing("DEL").and_then(|()| {
            let added = network.add(&pod).doing("ADD after it")?;
            network.check(&pod, &added).doing("CHECK after it")?;
            network.del(&pod, None).doing("DEL after it")
        });
        if let Err(Failure::Failed(finding)) = recovered {
            findings.push(format!("{end:?}, the {at}th: {finding}"));
        }
        if matches!(end, End::Finished { .. }) || findings.len() == SHOWN {
            break;
        }
        fresh_node()?;
    }
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

fn fresh_node() -> Outcome {
    use podnet_netns_tests::netns::Place;
    if crate::look::find(Place::Node, "cbr0")?.is_some() {
        Place::Node.ip(&["link", "del", "cbr0"])?;
    }
    for folder in ["/var/lib/cni/networks", "/run/podnet"] {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).doing(folder),
            _ => {}
        }
    }
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "0")?;
    Ok(())
}

/// What can fail in practice, and how: files for want of space, messages for want of memory, and reading.
const FAULTS: [(&str, &str); 4] = [
    ("?open,openat,?mkdir,mkdirat,?link,linkat,?rename,renameat,renameat2,write,writev,pwrite64", "ENOSPC"),
    ("socket,bind,sendto,sendmsg,recvfrom,recvmsg,setsockopt", "ENOBUFS"),
    ("read,flock,fstat,statx,fcntl,fchmod", "EIO"),
    ("setns,?clone,clone3,unshare", "ENOMEM"),
];

/// A failed ADD has left nothing, without any DEL; one that succeeded all the same is complete.
fn add_failing(scene: Scene, configured: fn(Network) -> Network) -> Outcome {
    add_failing_in(&configured(ruled(scene)?))
}

/// The same of any network.
pub(crate) fn add_failing_in(network: &Network) -> Outcome {
    add_failing_on(network, |_| true, &|| Ok(()))
}

/// The same on a node that something is to be done to after each DEL.
///
/// # Arguments
/// `is_tried`: of a system call's name; `restore`: makes the node what it is before an ADD.
pub(crate) fn add_failing_on(
    network: &Network,
    is_tried: fn(&str) -> bool,
    restore: &dyn Fn() -> Outcome,
) -> Outcome {
    table::settle(network)?;
    restore()?;
    let (mut before, empty) = (Snapshot::take()?, empty_pod()?);
    let mut findings = Vec::new();
    for (names, errno) in FAULTS {
        let counted = Pod::create(&format!("count-{errno}"))?;
        let (command, stdin) = step(network, "ADD", &counted)?;
        let calls = tracer::count(&command, &stdin, names)?;
        network.del(&counted, None)?;
        restore()?;
        let tried = calls.into_iter().filter(|(name, _)| is_tried(name));
        for (name, nth) in tried.flat_map(|(name, most)| (1..=most).map(move |nth| (name.clone(), nth))) {
            let pod = Pod::create(&format!("{name}-{nth}-{errno}"))?;
            let judged = with_fault(network, &pod, (&before, &empty), (&name, nth, errno))?;
            // Whatever it was, DEL removes it, and the next fault starts from a clean node.
            network.del(&pod, None)?;
            restore()?;
            let cleaned = before.ensure_unchanged("DEL after it");
            let found: Vec<String> = [judged, cleaned].into_iter().filter_map(finding).collect();
            if !found.is_empty() {
                findings.push(format!("{name}, the {nth}th, {errno}: {}", found.join("\n  and ")));
                before = Snapshot::take()?;
            }
            if findings.len() == SHOWN {
                return Err(Failure::failed(findings.join("\n")));
            }
        }
    }
    ensure_eq!(findings, Vec::<String>::new(), "findings");
    Ok(())
}

fn finding(judged: Outcome) -> Option<String> {
    match judged {
        Err(Failure::Failed(finding)) => Some(finding),
        _ => None,
    }
}

/// Tries one, and judges what is then there.
fn with_fault(
    network: &Network,
    pod: &Pod,
    (before, empty): (&Snapshot, &Snapshot),
    fault: (&str, usize, &str),
) -> Result<Outcome, Failure> {
    let (command, stdin) = step(network, "ADD", pod)?;
    let Failed { finished, calls } = tracer::fail_at(&command, &stdin, fault.0, fault.1, fault.2)?;
    Ok(if calls > 1 {
        // A call of another thread failed too, so that taking back may have failed: that is left to DEL.
        Ok(())
    } else if finished.status.success() {
        reply::result(finished).and_then(|added| network.check(pod, &added))
    } else {
        before.ensure_unchanged("a failed ADD").doing(&finished).and_then(|()| is_empty(pod, empty))
    })
}
