//! The daemon is killed again and again while pods come and go: nothing is lost, doubled or leaked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::ipamd::{self, Assigned, Ipamd};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::json;

use crate::table;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("kubenet", || kills_under_load(&kubenet()?, 500)),
        case("vnet", || kills_under_load(&kubenet()?.with("/mode", "vnet"), 250)),
    ]
}

fn case(mode: &str, body: fn() -> Outcome) -> Case {
    let name = format!("daemon_kill::podnet::dual::kills_under_load_in_mode_{mode}");
    Case { name, limit: Duration::from_mins(10), body: Box::new(body) }
}

const WORKERS: usize = 16;

/// Pods that live through all of it.
const RESIDENTS: usize = 8;

/// The pool is small, so that addresses change hands all the time.
const FIRST: u8 = 64;
const COUNT: u8 = 32;

/// The daemon's folder. Not in podnet's own, which snapshots look at.
const FOLDER: &str = "/run/ipamd";

/// Code 11: the daemon was away for longer than ADD waits.
const TRY_AGAIN: u32 = 11;

fn kubenet() -> Result<Network, Failure> {
    let socket = format!("{FOLDER}/state/ipamd.sock");
    let network = Network::of(Subject::Podnet, Family::Dual)?;
    Ok(network.with("/ipam", json!({"type": "podnet-ipamd", "socket": socket})))
}

fn kills_under_load(network: &Network, kills: u32) -> Outcome {
    fs::create_dir(FOLDER)?;
    let daemon = start()?;
    table::settle(network)?;
    let before = Snapshot::take()?;
    let residents: Vec<Pod> =
        (0..RESIDENTS).map(|number| Pod::create(&format!("resident{number}"))).collect::<Result<_, _>>()?;
    let live = Live::default();
    for pod in &residents {
        live.note(pod, network.add(pod)?.addresses()?)?;
    }
    let home = daemon.assigned()?;
    ensure_eq!(home.len(), 2 * RESIDENTS, "the residents' addresses, {home:?}");

    let (is_over, added) = (AtomicBool::new(false), AtomicUsize::new(0));
    let daemon = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                scope.spawn({
                    let (live, is_over, added) = (&live, &is_over, &added);
                    move || work(number, network, live, is_over, added)
                })
            })
            .collect();
        let mut outcome = kill_again_and_again(daemon, &home, kills);
        is_over.store(true, Ordering::Relaxed);
        for worker in workers {
            let ended = worker.join().map_err(|_panic| Failure::failed("a worker panicked"))?;
            outcome = outcome.and_then(|daemon| ended.map(|()| daemon));
        }
        outcome
    })?;
    let added = added.load(Ordering::Relaxed);
    ensure!(added > WORKERS, "only {added} pods came and went");
    wait::until(Duration::from_secs(20), "the release of what left while the daemon was away", || {
        Ok((daemon.assigned()? == home).then_some(()))
    })?;
    are_all_that_is_there(&residents, network)?;
    for pod in &residents {
        network.del(pod, None)?;
    }
    ensure_eq!(daemon.assigned()?, [], "what the daemon still has assigned");
    before.ensure_unchanged("all of it")
}

/// The records, the links and, in mode vnet, the routes of the node are those of these pods and of no others.
fn are_all_that_is_there(pods: &[Pod], network: &Network) -> Outcome {
    let is_routed = network.plugins.iter().any(|entry| entry["mode"] == "vnet");
    let prefix = if is_routed { "azv" } else { "veth" };
    let links = Place::Node.ip_json(&["link", "show", "type", "veth"])?;
    let links: BTreeSet<&str> =
        links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str()).collect();
    ensure!(
        links.len() == pods.len() && links.iter().all(|name| name.starts_with(prefix)),
        "links {links:?}"
    );
    let records = fs::read_dir("/run/podnet/attachments")?.count();
    ensure_eq!(records, pods.len(), "records");
    for pod in pods {
        let inner = Place::from(pod).ip_json(&["addr", "show", "dev", &pod.ifname, "scope", "global"])?;
        let addresses = inner[0]["addr_info"].as_array().into_iter().flatten();
        for address in addresses.filter_map(|info| info["local"].as_str()).filter(|_| is_routed) {
            let family = if address.contains(':') { "-6" } else { "-4" };
            let route = Place::Node.ip_json(&[family, "route", "show", address])?;
            let device = route[0]["dev"].as_str().unwrap_or_default();
            ensure!(links.contains(device), "the route to {address} of {}: {route}", pod.container);
        }
    }
    Ok(())
}

fn start() -> Result<Ipamd, Failure> {
    let daemon = Ipamd::start(Path::new(FOLDER), &ipamd::pool(Family::Dual, FIRST, COUNT))?;
    daemon.ready()?;
    Ok(daemon)
}

/// After each start the residents must have what they had.
fn kill_again_and_again(mut daemon: Ipamd, home: &[Assigned], kills: u32) -> Result<Ipamd, Failure> {
    for number in 0..kills {
        drop(daemon);
        daemon = start()?;
        let assigned = daemon.assigned()?;
        let lost: Vec<_> = home.iter().filter(|entry| !assigned.contains(entry)).collect();
        ensure!(lost.is_empty(), "lost with kill {number}: {lost:?}");
        // Kills come at every moment of what the daemon does.
        thread::sleep(Duration::from_micros(u64::from(number * 7919 % 20_000)));
    }
    Ok(daemon)
}

/// One pod after the other, as a runtime: a failed ADD is followed by DEL.
fn work(number: usize, network: &Network, live: &Live, is_over: &AtomicBool, added: &AtomicUsize) -> Outcome {
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let pod = Pod::create(&format!("pod{number}-{round}"))?;
        let finished = network.call("ADD", Some(&pod), &[])?;
        if finished.status.success() {
            live.note(&pod, reply::result(finished)?.addresses()?)?;
            added.fetch_add(1, Ordering::Relaxed);
        } else {
            let error = reply::error(&finished)?;
            ensure_eq!(error.code, TRY_AGAIN, "code of a failed ADD, {error:?}");
        }
        live.forget(&pod)?;
        network.del(&pod, None)?;
        pod.netns.remove()?;
    }
    Ok(())
}

/// The addresses of live pods: from after their ADD to before their DEL.
#[derive(Default)]
struct Live(Mutex<BTreeMap<IpAddr, String>>);

impl Live {
    fn note(&self, pod: &Pod, addresses: Vec<IpAddr>) -> Outcome {
        let mut live = self.0.lock().ok().doing("the list of live pods")?;
        for address in addresses {
            if let Some(other) = live.insert(address, pod.container.clone()) {
                return Err(Failure::failed(format!(
                    "{address} is that of {other} and of {}",
                    pod.container
                )));
            }
        }
        Ok(())
    }

    fn forget(&self, pod: &Pod) -> Outcome {
        let mut live = self.0.lock().ok().doing("the list of live pods")?;
        live.retain(|_, container| *container != pod.container);
        Ok(())
    }
}
