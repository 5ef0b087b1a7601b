//! The daemon is killed again and again while pods come and go: nothing is lost, doubled or leaked.

use std::collections::BTreeMap;
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
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::json;

use crate::table;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case {
        name: "daemon_kill::podnet::dual::five_hundred_kills_under_load".to_owned(),
        limit: Duration::from_mins(10),
        body: Box::new(five_hundred_kills),
    }]
}

const KILLS: u32 = 500;
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

fn five_hundred_kills() -> Outcome {
    let network = Network::of(Subject::Podnet, Family::Dual)?
        .with("/ipam", json!({"type": "podnet-ipamd", "socket": format!("{FOLDER}/state/ipamd.sock")}));
    fs::create_dir(FOLDER)?;
    let daemon = start()?;
    table::settle(&network)?;
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
                    let (network, live, is_over, added) = (&network, &live, &is_over, &added);
                    move || work(number, network, live, is_over, added)
                })
            })
            .collect();
        let mut outcome = kill_again_and_again(daemon, &home);
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
    for pod in &residents {
        network.del(pod, None)?;
    }
    ensure_eq!(daemon.assigned()?, [], "what the daemon still has assigned");
    before.ensure_unchanged("all of it")
}

fn start() -> Result<Ipamd, Failure> {
    let daemon = Ipamd::start(Path::new(FOLDER), &ipamd::pool(Family::Dual, FIRST, COUNT))?;
    daemon.ready()?;
    Ok(daemon)
}

/// After each start the residents must have what they had.
fn kill_again_and_again(mut daemon: Ipamd, home: &[Assigned]) -> Result<Ipamd, Failure> {
    for number in 0..KILLS {
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
