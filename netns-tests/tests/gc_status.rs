//! GC takes off what the runtime does not know any more, and only that. STATUS tells whether ADD could work.

use std::fs;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::{Value, json};

use crate::differences::{NO_GC, NO_STATUS};
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "gc_status",
        &[Family::Dual],
        &[
            ("gc_keeps_what_is_valid", gc_keeps_what_is_valid, Some(&NO_GC)),
            ("gc_of_null_takes_all", |scene| gc_takes_all(scene, &Value::Null), Some(&NO_GC)),
            ("gc_of_an_empty_list_takes_all", |scene| gc_takes_all(scene, &json!([])), Some(&NO_GC)),
            ("gc_without_a_list_takes_nothing", gc_without_a_list_takes_nothing, None),
            ("gc_leaves_other_networks_alone", gc_leaves_other_networks_alone, None),
            ("status_of_a_fresh_node", status_of_a_fresh_node, None),
            ("status_of_an_exhausted_range", status_of_an_exhausted_range, Some(&NO_STATUS)),
            ("status_of_an_impossible_folder", status_of_an_impossible_folder, Some(&NO_STATUS)),
            ("status_is_quick_with_many_reservations", status_is_quick, None),
        ],
    )
}

const VALID: &str = "cni.dev/valid-attachments";

fn gc(network: &Network, valid: Option<&Value>) -> Outcome {
    let extra: Vec<_> = valid.map(|list| (VALID, list.clone())).into_iter().collect();
    reply::silence(network.call("GC", None, &extra)?)
}

fn gc_keeps_what_is_valid(scene: Scene) -> Outcome {
    let network = scene.settled()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let before = Snapshot::take()?;
    network.add(&b)?;
    // Collecting happens after a crash or a reboot: its namespace is gone.
    b.netns.remove()?;
    gc(&network, Some(&json!([{"containerID": a.container, "ifname": a.ifname}])))?;
    before.ensure_unchanged("GC of all but one")?;
    network.check(&a, &added)
}

fn gc_takes_all(scene: Scene, nothing: &Value) -> Outcome {
    let network = scene.settled()?;
    let before = Snapshot::take()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    network.add(&b)?;
    gc(&network, Some(nothing))?;
    before.ensure_unchanged("GC of everything")
}

fn gc_without_a_list_takes_nothing(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    let before = Snapshot::take()?;
    gc(&network, None)?;
    before.ensure_unchanged("GC without a list")
}

fn gc_leaves_other_networks_alone(scene: Scene) -> Outcome {
    let other = Network { name: "other".into(), ..scene.network()? }
        .with("/bridge", "cbr1")
        .with("/ipam/ranges", json!([[{"subnet": "10.99.0.0/24"}], [{"subnet": "fd00:99::/64"}]]));
    let pod = Pod::create("a")?;
    let added = other.add(&pod)?;
    let before = Snapshot::take()?;
    gc(&scene.network()?, Some(&json!([])))?;
    before.ensure_unchanged("GC of another network")?;
    other.check(&pod, &added)
}

fn status(network: &Network) -> Outcome {
    reply::silence(network.call("STATUS", None, &[])?)
}

fn status_of_a_fresh_node(scene: Scene) -> Outcome {
    let before = Snapshot::take()?;
    status(&scene.network()?)?;
    before.ensure_unchanged("STATUS")
}

fn refused(network: &Network, reason: &str) -> Result<(), Failure> {
    let error = reply::error(&network.call("STATUS", None, &[])?)?;
    ensure_eq!(error.code, 50, "code of {error:?}");
    ensure!(error.names(reason), "{reason} is not in {error:?}");
    Ok(())
}

fn status_of_an_exhausted_range(scene: Scene) -> Outcome {
    let range =
        json!([[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.11"}]]);
    let network = scene.network()?.with("/ipam/ranges", range);
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    status(&network)?;
    network.add(&b)?;
    refused(&network, "10.244.1.10")?;
    network.del(&a, None)?;
    status(&network)
}

fn status_of_an_impossible_folder(scene: Scene) -> Outcome {
    fs::write("/run/a-file", "")?;
    refused(&scene.network()?.with("/ipam/dataDir", "/run/a-file/networks"), "/run/a-file")
}

fn status_is_quick(scene: Scene) -> Outcome {
    let folder = "/var/lib/cni/networks/kubenet";
    fs::create_dir_all(folder)?;
    for number in 0..20_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0af4_0100 + number);
        fs::write(format!("{folder}/{address}"), format!("container{number}\r\neth0"))?;
    }
    let network = scene.network()?.with("/ipam/ranges", json!([[{"subnet": "10.244.0.0/16"}]]));
    let finished = network.call("STATUS", None, &[])?;
    // A few milliseconds; the bound is for a loaded machine.
    ensure!(finished.wall < Duration::from_millis(200), "STATUS took {:?}", finished.wall);
    reply::silence(finished)
}
