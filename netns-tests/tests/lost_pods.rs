//! An exhausted range of host-local gives the addresses of pods that went without DEL to the next pod, and of nobody else.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply::{self, Added};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::tools::CnitoolVersion;
use podnet_netns_tests::{ensure, ensure_eq, parallel, probe};
use serde_json::json;

use crate::node_tool::{Inhabitant, Test, await_end, cases_of, task};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[Test] = &[
        ("their_addresses_are_the_next_pods", addresses_are_the_next_pods),
        ("their_requested_address_is_free", requested_address_is_free),
        ("what_containerd_does_not_know_is_lost", containerd_does_not_know),
        ("young_ones_keep_theirs", young_ones_keep_theirs),
        ("reservations_of_others_stay", reservations_of_others_stay),
        ("adds_at_once_take_no_living_pods_address", adds_at_once),
    ];
    cases_of("lost_pods", tests)
}

const RESERVATIONS: &str = "/var/lib/cni/networks/kubenet";
const RECORDS: &str = "/run/podnet/attachments";

/// Older than the grace period.
const AGE: Duration = Duration::from_mins(2);

/// Addresses that end with 10 and the numbers behind it, so many.
fn network(count: u8) -> Result<Network, Failure> {
    let last = format!("10.244.1.{}", 9 + count);
    let ranges = json!([
        [{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": last}],
        [{"subnet": "fd00:10:244:1::/64"}],
    ]);
    let ports = json!({"ips": true, "portMappings": true});
    let network = Network::of(Subject::Podnet, Family::Dual)?;
    Ok(network.with("/ipMasq", true).with("/ipam/ranges", ranges).with("/capabilities", ports))
}

fn pods(names: &str, count: u8) -> Result<Vec<Pod>, Failure> {
    (1..=count).map(|number| Pod::create(&format!("{names}{number}"))).collect()
}

fn add_all(network: &Network, pods: &[Pod]) -> Result<Vec<Added>, Failure> {
    pods.iter().map(|pod| network.add(pod)).collect()
}

/// As a crash or a lost state leaves them: their namespaces go, and no DEL comes.
fn lose(pods: &[Pod], added: &[Added]) -> Outcome {
    for pod in pods {
        pod.netns.remove()?;
    }
    added.iter().try_for_each(|added| await_end(added.interface(1)?))
}

/// Makes everything that is there as old as if it had been there for long.
fn age() -> Outcome {
    let then = SystemTime::now() - AGE;
    for folder in [RESERVATIONS, RECORDS] {
        for entry in fs::read_dir(folder).doing(folder)? {
            File::open(entry?.path())?.set_modified(then)?;
        }
    }
    Ok(())
}

fn reach_each_other(pods: &[Pod], added: &[Added]) -> Outcome {
    for (from, to, added) in [(0, 1, &added[1]), (1, 0, &added[0])] {
        for address in added.addresses()? {
            probe::reach((&pods[from]).into(), (&pods[to]).into(), address, Duration::from_secs(8))?;
        }
    }
    Ok(())
}

/// ADD fails for want of an address, in the words that people search for, and changes nothing.
fn exhausted(network: &Network, pod: &Pod, last: u8) -> Outcome {
    let before = Snapshot::take()?;
    let error = reply::error(&network.call("ADD", Some(pod), &[])?)?;
    ensure_eq!(error.code, 102, "code of {error:?}");
    let words = format!(
        "failed to allocate for range 0: no IP addresses available in range set: 10.244.1.10-10.244.1.{last}"
    );
    ensure!(error.names(&words), "{words} is not in {error:?}");
    before.ensure_unchanged("an ADD without address")
}

fn addresses_are_the_next_pods() -> Outcome {
    let network = network(6)?;
    crate::table::settle(&network)?;
    let before = Snapshot::take()?;
    let tool = Cnitool::load(CnitoolVersion::V1_3_1, &network.conflist(), &Subject::Podnet.folder()?)?;
    let (living, dead, next) = (pods("living", 2)?, pods("dead", 4)?, pods("next", 5)?);
    let add = |pod: &Pod| reply::result(tool.run("add", pod)?);
    let lived: Vec<Added> = living.iter().map(add).collect::<Result<_, _>>()?;
    let lost: Vec<Added> = dead.iter().map(add).collect::<Result<_, _>>()?;
    lose(&dead, &lost)?;
    exhausted(&network, &next[0], 15)?;
    age()?;
    tool.run("status", &next[0])?.success()?;
    let taken: Vec<Added> = next[..4].iter().map(add).collect::<Result<_, _>>()?;
    let v4 = |added: &[Added]| added.iter().map(|added| added.cidrs()[0].clone()).collect::<BTreeSet<_>>();
    ensure_eq!(v4(&taken), v4(&lost), "addresses of the next pods");
    ensure_eq!(tool.run("add", &next[4])?.status.success(), false, "success of one pod too many");
    ensure_eq!(tool.run("status", &next[4])?.status.success(), false, "success of STATUS");
    for pod in living.iter().chain(&next[..4]) {
        reply::silence(tool.run("check", pod)?)?;
    }
    reach_each_other(&living, &lived)?;
    for pod in living.iter().chain(&next) {
        reply::silence(tool.run("del", pod)?)?;
    }
    before.ensure_unchanged("all of them")
}

fn requested_address_is_free() -> Outcome {
    let network = network(6)?;
    let dead = pods("dead", 1)?;
    let lost = add_all(&network, &dead)?;
    lose(&dead, &lost)?;
    let address = lost[0].addresses()?[0].to_string();
    let wish = [("runtimeConfig", json!({"ips": [address]}))];
    let next = Pod::create("next")?;
    let error = reply::error(&network.call("ADD", Some(&next), &wish)?)?;
    ensure_eq!(error.code, 102, "code of {error:?}");
    age()?;
    let added = reply::result(network.call("ADD", Some(&next), &wish)?)?;
    ensure_eq!(added.addresses()?[0].to_string(), address, "the address that was asked for");
    Ok(())
}

/// The namespaces are still there, and nobody is in them.
fn containerd_does_not_know() -> Outcome {
    let network = network(4)?;
    let (living, dead, next) = (pods("living", 2)?, pods("dead", 2)?, pods("next", 2)?);
    let lived = add_all(&network, &living)?;
    add_all(&network, &dead)?;
    age()?;
    exhausted(&network, &next[0], 13)?;
    // One is known, in the other's namespace is a process.
    task(&living[0].container)?;
    let _inhabitant = Inhabitant::of(&living[1])?;
    add_all(&network, &next)?;
    for (pod, added) in living.iter().zip(&lived) {
        network.check(pod, added)?;
    }
    reach_each_other(&living, &lived)?;
    exhausted(&network, &Pod::create("more")?, 13)
}

fn young_ones_keep_theirs() -> Outcome {
    let network = network(2)?;
    let (old, young) = (pods("old", 1)?, pods("young", 1)?);
    let old_added = add_all(&network, &old)?;
    age()?;
    let young_added = add_all(&network, &young)?;
    lose(&old, &old_added)?;
    lose(&young, &young_added)?;
    let next = pods("next", 2)?;
    let added = network.add(&next[0])?;
    ensure_eq!(added.cidrs()[0], old_added[0].cidrs()[0], "the next pod's address");
    exhausted(&network, &next[1], 11)
}

/// Nobody can say whether a container lives that the reference plugin, or an administrator, reserved addresses for.
fn reservations_of_others_stay() -> Outcome {
    let network = network(4)?;
    let (living, dead) = (pods("living", 1)?, pods("dead", 1)?);
    add_all(&network, &living)?;
    let lost = add_all(&network, &dead)?;
    lose(&dead, &lost)?;
    for last in [12, 13] {
        fs::write(Path::new(RESERVATIONS).join(format!("10.244.1.{last}")), "e2e\r\neth0")?;
    }
    age()?;
    let next = pods("next", 2)?;
    network.add(&next[0])?;
    exhausted(&network, &next[1], 13)
}

const LIVING: u8 = 4;
const COMING: u8 = 10;
const ROUNDS: u8 = 3;

/// What a runtime does with a pod that got no address.
fn add_again(network: &Network, pod: &Pod) -> Result<Added, Failure> {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let finished = network.call("ADD", Some(pod), &[])?;
        if finished.status.success() {
            return reply::result(finished);
        }
        let error = reply::error(&finished)?;
        ensure_eq!(error.code, 102, "code of {error:?}");
        ensure!(Instant::now() < end, "no address for {}: {error:?}", pod.container);
    }
}

fn adds_at_once() -> Outcome {
    let network = network(LIVING + COMING)?;
    let living = pods("living", LIVING)?;
    let lived = add_all(&network, &living)?;
    let held: BTreeSet<String> = lived.iter().map(|added| added.cidrs()[0].clone()).collect();
    let filling = pods("filling", COMING)?;
    let lost = add_all(&network, &filling)?;
    lose(&filling, &lost)?;
    for round in 0..ROUNDS {
        age()?;
        let coming = pods(&format!("coming{round}-"), COMING)?;
        let added = parallel::each(coming.len(), &coming, |pod| add_again(&network, pod))?;
        let mut distinct = held.clone();
        distinct.extend(added.iter().map(|added| added.cidrs()[0].clone()));
        ensure_eq!(distinct.len(), usize::from(LIVING + COMING), "addresses of the pods of round {round}");
        for (pod, added) in living.iter().chain(&coming).zip(lived.iter().chain(&added)) {
            network.check(pod, added).doing(&pod.container)?;
        }
        lose(&coming, &added)?;
    }
    reach_each_other(&living, &lived)
}
