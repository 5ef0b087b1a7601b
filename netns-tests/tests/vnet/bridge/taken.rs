//! A daemon that gives an address which a live pod of the node has, whichever way that pod is connected and whoever did it:
//! refused, and the live pod is none the wiser. What a pod that is gone has left is in nobody's way.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::stand_in::{Answer, StandIn};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, parallel, probe, reply, wait};
use serde_json::json;

use super::super::answers::{SOCKET, is_given_back};
use super::super::traffic::kubenet;
use super::super::{Test, inside};
use super::{fabric, fixed, network};
use crate::daemon_addresses::failed_add;
use crate::{look, table};

pub(super) const TESTS: &[Test] = &[
    ("an_address_of_a_live_pod", of_a_live_pod),
    ("an_address_of_a_lost_pod", of_a_lost_pod),
    ("an_address_for_many_at_once", for_many_at_once),
];

const SOON: Duration = Duration::from_secs(5);

/// A pod that lives, and by which words it is named.
struct Living {
    pod: Pod,
    network: Network,
    added: Added,
    name: String,
}

impl Living {
    fn create(name: &str, network: Network) -> Result<Self, Failure> {
        let pod = Pod::create(name)?;
        let added = network.add(&pod)?;
        Ok(Self { name: pod.container.clone(), pod, network, added })
    }

    /// Made by the reference plugins: what is known of it is its link.
    fn by_reference(family: Family) -> Result<Self, Failure> {
        let ranges = family.pick("10.244.1.64/26", "fd00:10:244:1:4000::/66");
        let ranges: Vec<_> = ranges.into_iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
        let network = Network::of(Subject::Reference, family)?;
        let network = network.with("/ipam/ranges", json!(ranges)).with("/bridge", "docker0");
        let living = Self::create("reference", network)?;
        // Its gateway's IPv6 address is probed for.
        table::at_rest()?;
        let name = format!("link {}", living.added.interface(1)?);
        Ok(Self { name, ..living })
    }

    /// It is reached, and what was made for it is there.
    fn lives(&self) -> Outcome {
        for address in self.added.addresses()? {
            probe::reach(Place::Node, inside(&self.pod), address, SOON)?;
        }
        self.network.check(&self.pod, &self.added)
    }
}

/// The daemon gives this address.
fn give(daemon: &StandIn, address: IpAddr) {
    let (subnet, gateway) = if address.is_ipv4() {
        (("10.244.1.0", 24), "10.244.1.1")
    } else {
        (("fd00:10:244:1::", 64), "fd00:10:244:1::1")
    };
    daemon.answers(Answer::grant(&address.to_string(), subnet, gateway));
}

/// Networks of both datapaths, whose addresses the daemon gives.
fn takers() -> Result<[Network; 2], Failure> {
    let bridged = network()?.with("/ipam/socket", SOCKET);
    Ok([bridged.clone().with("/datapath", "transparent"), bridged])
}

fn of_a_live_pod(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let daemon = StandIn::on_socket(Path::new(SOCKET))?;
    let transparent = fixed(family, 21)?.with("/datapath", "transparent");
    let mut living = vec![
        Living::create("kubenet", kubenet(family)?)?,
        Living::by_reference(family)?,
        Living::create("transparent", transparent)?,
    ];
    // First beside the node's link, which stays where it is, then with the bridge in its place.
    refuse_all(&daemon, &living)?;
    ensure!(look::find(Place::Node, "azure0")?.is_none(), "an ADD that failed has made the bridge");
    living.push(Living::create("bridged", fixed(family, 22)?)?);
    refuse_all(&daemon, &living)?;
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

fn refuse_all(daemon: &StandIn, living: &[Living]) -> Outcome {
    for holder in living {
        holder.lives()?;
        for network in takers()? {
            for address in holder.added.addresses()? {
                give(daemon, address);
                refused(&network, holder, address)?;
                let is_back = is_given_back(daemon)?;
                ensure!(is_back, "{address} of {} is not given back", holder.name);
            }
        }
        holder.lives()?;
    }
    Ok(())
}

fn refused(network: &Network, holder: &Living, address: IpAddr) -> Outcome {
    let (before, known) = (Snapshot::take()?, super::state::permanent()?);
    let taker = Pod::create("taker")?;
    let error = failed_add(network, &taker)?;
    let what = format!("{address} of {} for datapath {}", holder.name, network.plugins[0]["datapath"]);
    ensure_eq!(error.code, 102, "{what}: code of {error:?}");
    for words in [&format!("address {address} is in use on this node"), &holder.name] {
        ensure!(error.names(words), "{what}: {words:?} is not in {error:?}");
    }
    before.ensure_unchanged(&what)?;
    ensure_eq!(super::state::permanent()?, known, "{what}: neighbours for good");
    ensure!(look::find(inside(&taker), "eth0")?.is_none(), "{what}: a link is left in the pod");
    probe::first_packet(Place::Node, inside(&holder.pod), address).map(drop)
}

/// Its rules and the node's entry for it are there still, its link is not.
fn of_a_lost_pod(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let daemon = StandIn::on_socket(Path::new(SOCKET))?;
    for network in takers()? {
        let lost = Living::create("lost", fixed(family, 22)?)?;
        fs::remove_dir_all("/run/podnet/attachments")?;
        let host_link = lost.added.interface(1)?.to_owned();
        lost.pod.netns.remove()?;
        wait::until(SOON, "the lost pod's link gone", || {
            Ok(look::find(Place::Node, &host_link)?.is_none().then_some(()))
        })?;
        for address in lost.added.addresses()? {
            let known = super::state::permanent()?;
            let is_left = known.iter().any(|entry| entry.starts_with(&format!("{address} ")));
            ensure!(is_left, "nothing of {address} was left: {known:?}");
            give(&daemon, address);
            let heir = Pod::create("heir")?;
            let added = network.add(&heir)?;
            probe::reach(Place::Node, inside(&heir), address, SOON)?;
            network.del(&heir, Some(&added))?;
        }
    }
    Ok(())
}

/// The daemon gives one address to all who ask at once: the first of them has it, and keeps it.
fn for_many_at_once(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let daemon = StandIn::on_socket(Path::new(SOCKET))?;
    let own = if family.has_v4() { "10.244.1.22" } else { "fd00:10:244:1::22" }.parse()?;
    give(&daemon, own);
    let pods: Vec<Pod> = (0..4).map(|n| Pod::create(&format!("p{n}"))).collect::<Result<_, _>>()?;
    for network in takers()? {
        table::settle(&network)?;
        for _round in 0..10 {
            let answers = parallel::each(pods.len(), &pods, |pod| network.call("ADD", Some(pod), &[]))?;
            let (mut holders, mut others) = (Vec::new(), Vec::new());
            for (pod, answer) in pods.iter().zip(answers) {
                if answer.status.success() {
                    holders.push(pod);
                } else {
                    others.push(reply::error(&answer)?);
                }
            }
            let &[holder] = &holders[..] else {
                return Err(Failure::failed(format!("{} pods have {own}: {others:?}", holders.len())));
            };
            for error in others {
                ensure!(error.code == 102 && error.names("is in use on this node"), "{error:?}");
            }
            probe::reach(Place::Node, inside(holder), own, SOON)?;
            network.del(holder, None)?;
        }
    }
    Ok(())
}
