//! Requests that do not fit what is on the node: the error names the object, and nothing has changed.

use std::fs;

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::{Netns, Place};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::run;
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::json;

use crate::differences::{ADOPTS_ANY_MTU, BRIDGE_FIRST, LEAVES_LINK};
use crate::look;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "bad_input_kernel",
        &[Family::Dual],
        &[
            ("namespace_absent", |scene| netns_is(scene, "/run/netns/absent"), Some(&BRIDGE_FIRST)),
            ("namespace_is_a_file", namespace_is_a_file, Some(&BRIDGE_FIRST)),
            ("interface_exists_in_the_pod", interface_exists, None),
            ("bridge_is_another_kind_of_link", bridge_is_another_kind, None),
            ("bridge_has_another_mtu", bridge_has_another_mtu, Some(&ADOPTS_ANY_MTU)),
            ("range_is_exhausted", range_is_exhausted, Some(&LEAVES_LINK)),
            ("data_folder_is_impossible", data_folder_is_impossible, Some(&LEAVES_LINK)),
        ],
    )
}

fn netns_is(scene: Scene, path: &str) -> Outcome {
    let network = scene.network()?;
    let before = Snapshot::take()?;
    let pod = Pod::create("unused")?;
    let mut add = network.command(0, "ADD", Some(&pod))?;
    add.env("CNI_NETNS", path);
    let error = reply::error(&run(&mut add, network.config(0, &[])?.to_string().as_bytes())?)?;
    ensure!(error.code == 8 || error.code >= 100, "code of {error:?}");
    ensure!(error.names(path), "{path} is not named in {error:?}");
    before.ensure_unchanged("ADD to a namespace that is none")
}

fn namespace_is_a_file(scene: Scene) -> Outcome {
    fs::write("/run/netns/file", "")?;
    netns_is(scene, "/run/netns/file")
}

/// ADD fails with an error of ours that contains `text`; node and pod are as before.
fn refused(scene: Scene, pod: &Pod, text: &str, entry: &[(&str, serde_json::Value)]) -> Outcome {
    let mut network = scene.network()?;
    for (pointer, value) in entry {
        network = network.with(pointer, value.clone());
    }
    let (node, inside) = (Snapshot::take()?, Snapshot::take_in((&pod.netns).into(), &[])?);
    let error = reply::error(&network.call("ADD", Some(pod), &[])?)?;
    ensure!(error.code >= 5, "code of {error:?}");
    ensure!(error.names(text), "{text} is not named in {error:?}");
    let after = Snapshot::take_in((&pod.netns).into(), &[])?;
    ensure_eq!(inside.differences(&after), Vec::<String>::new(), "what the failed ADD left in the pod");
    node.ensure_unchanged("a failed ADD")
}

fn interface_exists(scene: Scene) -> Outcome {
    scene.settled()?;
    let pod = Pod::create("a")?;
    Place::from(&pod.netns).ip(&["link", "add", "eth0", "type", "bridge"])?;
    refused(scene, &pod, "eth0", &[])
}

fn bridge_is_another_kind(scene: Scene) -> Outcome {
    // With the folders there, the bridge's name is all that is wrong.
    scene.settled()?;
    Place::Node.ip(&["link", "del", "cbr0"])?;
    let elsewhere = Netns::create("elsewhere")?;
    Place::Node.ip(&[
        "link",
        "add",
        "cbr0",
        "type",
        "veth",
        "peer",
        "name",
        "x",
        "netns",
        elsewhere.name(),
    ])?;
    refused(scene, &Pod::create("a")?, "cbr0", &[])?;
    ensure_eq!(look::link(Place::Node, "cbr0")?["linkinfo"]["info_kind"], json!("veth"), "kind of cbr0");
    Ok(())
}

fn bridge_has_another_mtu(scene: Scene) -> Outcome {
    scene.settled()?;
    refused(scene, &Pod::create("a")?, "1400", &[("/mtu", json!(1400))])
}

fn range_is_exhausted(scene: Scene) -> Outcome {
    let only = json!([[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.10"}]]);
    let network = scene.network()?.with("/ipam/ranges", only.clone());
    let holder = Pod::create("holder")?;
    network.add(&holder)?;
    refused(scene, &Pod::create("a")?, "10.244.1.10", &[("/ipam/ranges", only)])
}

fn data_folder_is_impossible(scene: Scene) -> Outcome {
    scene.settled()?;
    fs::write("/run/a-file", "")?;
    refused(scene, &Pod::create("a")?, "/run/a-file", &[("/ipam/dataDir", json!("/run/a-file/networks"))])
}
