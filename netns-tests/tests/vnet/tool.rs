//! The node's tool in mode vnet, by both datapaths: `podnet list`, `check` and `gc`. (`podnet doctor`: [`super::doctor`].)

use std::fs;
use std::time::Duration;

use podnet_netns_tests::fabric::Fabric;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::json;

use super::{bridge, inside, with_everything};
use crate::node_tool::{await_end, differences, document, podnet, removals_of, task};
use crate::{doctor, look};

/// What a pod's way to the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datapath {
    Transparent,
    Bridge,
}

impl Datapath {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Transparent => "transparent",
            Self::Bridge => "bridge",
        }
    }
}

/// A test's name and body.
pub(super) type Test = (&'static str, fn(Datapath, Family) -> Outcome);

const TESTS: &[Test] = &[
    ("list_and_check_name_the_pods", list_and_check),
    ("gc_removes_what_has_no_namespace", gc_of_no_namespace),
    ("gc_removes_what_nobody_is_in", gc_of_deserted),
    ("check_and_gc_without_the_daemon", without_the_daemon),
];

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let datapaths = [Datapath::Transparent, Datapath::Bridge].into_iter();
    let scenes = datapaths.flat_map(|datapath| Family::ALL.map(|family| (datapath, family)));
    scenes.flat_map(|(datapath, family)| {
        TESTS.iter().chain(super::doctor::TESTS).map(move |&(name, body)| {
            let name = format!("tool::{}::{}::{name}", datapath.word(), family.word());
            super::case(&name, move || body(datapath, family))
        })
    })
}

/// A node with its daemon and its list, that a first pod has come and gone on.
pub(super) struct Stage {
    _fabric: Option<Fabric>,
    pub(super) daemon: Ipamd,
    pub(super) network: Network,
}

impl Stage {
    pub(super) fn set(datapath: Datapath, family: Family) -> Result<Self, Failure> {
        // Nothing is open: so nothing at all is to be found.
        let network = super::network()?.with("/blockIMDS", true).with("/datapath", datapath.word());
        let fabric = match datapath {
            Datapath::Transparent => None,
            Datapath::Bridge => Some(bridge::fabric(family)?),
        };
        let daemon = super::daemon(family)?;
        doctor::install(&network.conflist())?;
        crate::table::settle(&network)?;
        Ok(Self { _fabric: fabric, daemon, network })
    }

    /// A pod that has come up.
    pub(super) fn up(&self, name: &str) -> Result<(Pod, Added), Failure> {
        let pod = Pod::create(name)?;
        let added = self.network.add(&pod)?;
        Ok((pod, added))
    }
}

/// The name of the pod's link on the node.
fn host_link(added: &Added) -> Result<&str, Failure> {
    let bridges = usize::from(added.interface(0)? == "azure0");
    added.interface(bridges)
}

fn list_and_check(datapath: Datapath, family: Family) -> Outcome {
    let stage = Stage::set(datapath, family)?;
    let pods = [stage.up("a")?, stage.up("b")?];
    let before = Snapshot::take()?;
    let listed = document(&["list"], "", 0)?;
    let checked = document(&["check", "--network", "azure"], "", 0)?;
    for (number, (pod, added)) in pods.iter().enumerate() {
        let expected = json!({"network": "azure", "containerID": pod.container, "ifname": "eth0",
            "addresses": added.cidrs(), "sandbox": pod.netns_path(), "hostLink": host_link(added)?, "recorded": true});
        ensure_eq!(listed[number], expected, "pod {number} of the list");
        ensure_eq!(checked[number]["containerID"], pod.container, "{checked}");
        ensure_eq!(checked[number]["differences"], json!([]), "{checked}");
    }
    before.ensure_unchanged("podnet list and check")?;
    let [(a, added), (b, _)] = &pods;
    let own = added.addresses()?[0].to_string();
    let words = match datapath {
        Datapath::Transparent => {
            Place::Node.ip(&["route", "del", &own, "dev", host_link(added)?])?;
            format!("route to {own}")
        }
        Datapath::Bridge => {
            Place::Node.ip(&["neigh", "del", &own, "dev", "azure0"])?;
            format!("permanent neighbour {own}")
        }
    };
    inside(a).ip(&["link", "set", "eth0", "mtu", "1400"])?;
    let found = document(&["check"], "", 1)?;
    for words in [words.as_str(), "1400"] {
        let of_a = differences(&found, &a.container);
        ensure!(of_a.iter().any(|difference| difference.contains(words)), "no {words} in {found}");
    }
    ensure_eq!(differences(&found, &b.container), Vec::<String>::new(), "of the other pod");
    Ok(())
}

/// What of a dead pod is not in a snapshot: who the node knows for good, and limits.
fn beside_snapshot() -> Result<(String, Vec<u64>), Failure> {
    Ok((Place::Node.ip(&["neigh", "show", "nud", "permanent"])?, look::buckets()?))
}

/// A pod lives; another dies as `death` says, and `podnet gc` takes what is left of it, and nothing else.
fn gc(datapath: Datapath, family: Family, death: fn(&Stage, &Pod, &Pod, &Added) -> Outcome) -> Outcome {
    let mut stage = Stage::set(datapath, family)?;
    let everything = with_everything(stage.network.clone());
    crate::table::settle(&everything)?;
    let (living, added) = stage.up("a")?;
    let (before, beside, assigned) = (Snapshot::take()?, beside_snapshot()?, stage.daemon.assigned()?);
    let plain = std::mem::replace(&mut stage.network, everything);
    let (dead, of_dead) = stage.up("b")?;
    ensure!(stage.daemon.assigned()?.len() > assigned.len(), "the second pod has no address of the daemon");
    death(&stage, &living, &dead, &of_dead)?;
    let crashed = Snapshot::take()?;
    ensure_eq!(removals_of("azure", &["--dry-run"], "")?, [("b-sandbox".to_owned(), false)], "of a dry run");
    crashed.ensure_unchanged("a dry run")?;
    ensure_eq!(removals_of("azure", &[], "")?, [("b-sandbox".to_owned(), true)], "removed");
    before.ensure_unchanged("podnet gc")?;
    ensure_eq!(beside_snapshot()?, beside, "neighbours and limits");
    ensure_eq!(stage.daemon.assigned()?, assigned, "what the daemon has assigned");
    ensure_eq!(removals_of("azure", &[], "")?, [], "removed again");
    plain.check(&living, &added)
}

/// The kernel takes the link, and with it the routes.
fn gc_of_no_namespace(datapath: Datapath, family: Family) -> Outcome {
    gc(datapath, family, |_, _, dead, of_dead| {
        dead.netns.remove()?;
        await_end(host_link(of_dead)?)
    })
}

/// Everything is there still; containerd knows the other one alone.
fn gc_of_deserted(datapath: Datapath, family: Family) -> Outcome {
    gc(datapath, family, |_, living, _, of_dead| {
        look::link(Place::Node, host_link(of_dead)?)?;
        task(&living.container)
    })
}

fn without_the_daemon(datapath: Datapath, family: Family) -> Outcome {
    let stage = Stage::set(datapath, family)?;
    let [(living, added), (dead, of_dead)] = [stage.up("a")?, stage.up("b")?];
    let assigned = stage.daemon.assigned()?;
    drop(stage.daemon);
    // Said once, and what the kernel has is compared all the same.
    inside(&living).ip(&["link", "set", "eth0", "mtu", "1400"])?;
    let finished = podnet(&["check", "--output", "json"], "")?;
    ensure_eq!(finished.status.code(), Some(2), "{finished}");
    ensure_eq!(finished.stderr.matches("cannot reach the address daemon").count(), 1, "{finished}");
    let found = serde_json::from_str(&finished.stdout)?;
    ensure!(differences(&found, &living.container)[0].contains("1400"), "{finished}");
    ensure_eq!(differences(&found, &dead.container), Vec::<String>::new(), "of the other pod");
    inside(&living).ip(&["link", "set", "eth0", "mtu", "1500"])?;

    dead.netns.remove()?;
    await_end(host_link(&of_dead)?)?;
    ensure_eq!(removals_of("azure", &[], "")?, [("b-sandbox".to_owned(), true)], "removed");
    ensure_eq!(fs::read_dir("/run/podnet/attachments")?.count(), 1, "records");
    let daemon = super::daemon(family)?;
    wait::until(Duration::from_secs(10), "the end of what the dead pod had", || {
        Ok((daemon.assigned()?.len() * 2 == assigned.len()).then_some(()))
    })?;
    stage.network.check(&living, &added)?;
    document(&["check"], "", 0).map(drop)
}
