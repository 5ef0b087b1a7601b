//! The way out of kubenet, and back, as README has it: one list that changes its mode and keeps its name, on a node whose
//! pods talk all the while, with each other, the node and another node.

use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::talk::Talk;
use podnet_netns_tests::{ensure, ensure_eq, probe};
use serde_json::Value;

use super::traffic::kubenet;
use super::{Test, daemon, network};
use crate::daemon_addresses::nobody_has_any;
use crate::{look, table};

pub(super) const TESTS: &[Test] = &[("the_way_out_of_kubenet_and_back", there_and_back)];

const SOON: Duration = Duration::from_secs(5);

fn there_and_back(family: Family) -> Outcome {
    let other = OtherNode::create(family)?;
    let daemon = daemon(family)?;
    let kubenet = kubenet(family)?;
    let vnet = Network { name: kubenet.name.clone(), ..network()? };
    for list in [&kubenet, &vnet] {
        table::settle(list)?;
    }
    let before = Snapshot::take()?;
    let mut talks = Vec::new();

    let old = ["old1", "old2"].map(|name| up(&kubenet, name));
    let [old1, old2] = old;
    let (old1, old2) = (old1?, old2?);
    let born = identity(&old1)?;
    talks.extend(between(&old1, &old2)?);
    talks.extend(with_others(&old1, &other)?);

    let new = ["new1", "new2"].map(|name| up(&vnet, name));
    let [new1, new2] = new;
    let (new1, new2) = (new1?, new2?);
    talks.extend(between(&new1, &new2)?);
    talks.extend(between(&old1, &new1)?);
    talks.extend(with_others(&new1, &other)?);
    // A pod of the mode that was left goes, by the list of the other one.
    let leaving = up(&kubenet, "leaving")?;
    vnet.del(&leaving.pod, None)?;
    vnet.check(&new1.pod, &new1.added)?;

    let back = up(&kubenet, "back")?;
    talks.extend(between(&back, &new1)?);
    talks.extend(between(&old2, &back)?);
    let late = up(&vnet, "late")?;
    kubenet.del(&late.pod, None)?;
    kubenet.check(&old1.pod, &old1.added)?;

    for talk in talks {
        ensure!(talk.end()? > 1, "nobody talked");
    }
    ensure_eq!(identity(&old1)?, born, "the link of the first pod");
    for pod in [old1, old2, new1, new2, back] {
        kubenet.del(&pod.pod, None)?;
    }
    nobody_has_any(&daemon)?;
    before.ensure_unchanged("the way out and back")
}

/// A pod, and what its ADD gave.
struct Up {
    pod: Pod,
    added: podnet_netns_tests::reply::Added,
}

/// By what a link that was made anew would be another one.
fn identity(pod: &Up) -> Result<(Value, Value, Vec<String>), Failure> {
    let mut link = look::link((&pod.pod).into(), "eth0")?;
    Ok((link["link_index"].take(), link["address"].take(), look::addresses(&link)))
}

fn up(list: &Network, name: &str) -> Result<Up, Failure> {
    let pod = Pod::create(name)?;
    let added = list.add(&pod)?;
    Ok(Up { pod, added })
}

/// Each asks the other.
fn between(one: &Up, other: &Up) -> Result<Vec<Talk>, Failure> {
    let mut talks = Vec::new();
    for (from, to) in [(one, other), (other, one)] {
        for address in to.added.addresses()? {
            talks.push(talk((&from.pod).into(), (&to.pod).into(), address)?);
        }
    }
    Ok(talks)
}

/// The pod asks the other node's, and the node asks it, as probes do.
fn with_others(pod: &Up, other: &OtherNode) -> Result<Vec<Talk>, Failure> {
    let mut talks = Vec::new();
    for far in other.pod_addresses()? {
        talks.push(talk((&pod.pod).into(), other.place(), far)?);
    }
    for own in pod.added.addresses()? {
        talks.push(talk(Place::Node, (&pod.pod).into(), own)?);
    }
    Ok(talks)
}

/// What a bridge or a network has to learn first, it learns before.
fn talk(from: Place<'_>, to: Place<'_>, address: std::net::IpAddr) -> Result<Talk, Failure> {
    probe::reach(from, to, address, SOON)?;
    Talk::begin(from, to, address)
}
