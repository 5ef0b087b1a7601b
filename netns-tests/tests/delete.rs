//! DEL succeeds whatever is gone already, and then nothing of the pod is left.

use std::fs;

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply::{self, Added};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::json;

use crate::differences::{DEL_KEEPS_LINK, DEL_REFUSES_FILE, DEL_WANTS_IPAM, GUARD_LAST, LINK_GOES_LATE};
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "delete",
        &[Family::Dual],
        &[
            ("leaves_nothing", leaves_nothing, None),
            ("twice", twice, None),
            ("before_any_add", before_any_add, None),
            ("without_prev_result", without_prev_result, None),
            ("with_masquerade", with_masquerade, None),
            ("namespace_gone", namespace_gone, Some(&LINK_GOES_LATE)),
            ("namespace_is_another_file", namespace_is_another_file, Some(&DEL_REFUSES_FILE)),
            ("namespace_not_given", namespace_not_given, Some(&DEL_KEEPS_LINK)),
            ("link_gone", link_gone, None),
            ("data_folder_gone", data_folder_gone, None),
            ("ipam_configuration_gone", ipam_configuration_gone, Some(&DEL_WANTS_IPAM)),
            ("other_pods_are_left_alone", other_pods_are_left_alone, None),
            ("own_namespace_is_refused_first", own_namespace_is_refused_first, Some(&GUARD_LAST)),
        ],
    )
}

/// Adds a pod to a settled network, lets `between` break something, and wants DEL to clean up behind it.
fn cleans_up(
    scene: Scene,
    between: impl FnOnce(&mut Network, &Pod, &mut Option<Added>) -> Outcome,
) -> Outcome {
    let mut network = scene.settled()?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let mut added = Some(network.add(&pod)?);
    between(&mut network, &pod, &mut added)?;
    network.del(&pod, added.as_ref())?;
    before.ensure_unchanged("ADD and DEL")
}

fn leaves_nothing(scene: Scene) -> Outcome {
    cleans_up(scene, |_, _, _| Ok(()))
}

fn twice(scene: Scene) -> Outcome {
    cleans_up(scene, |network, pod, added| network.del(pod, added.as_ref()))
}

fn before_any_add(scene: Scene) -> Outcome {
    let before = Snapshot::take()?;
    scene.network()?.del(&Pod::create("a")?, None)?;
    let differences = before.differences(&Snapshot::take()?);
    // The reference makes the data folder and its lock even then.
    let real: Vec<_> =
        differences.iter().filter(|line| !line.starts_with("new: file /var/lib/cni/")).collect();
    ensure!(real.is_empty(), "DEL of nothing changed {real:?}");
    Ok(())
}

fn without_prev_result(scene: Scene) -> Outcome {
    cleans_up(scene, |_, _, added| {
        *added = None;
        Ok(())
    })
}

fn with_masquerade(scene: Scene) -> Outcome {
    let network = scene.network()?.with("/ipMasq", true);
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    network.del(&pod, None)?;
    before.ensure_unchanged("ADD and DEL with ipMasq")
}

fn namespace_gone(scene: Scene) -> Outcome {
    cleans_up(scene, |_, pod, _| pod.netns.remove())
}

fn namespace_is_another_file(scene: Scene) -> Outcome {
    cleans_up(scene, |_, pod, _| {
        pod.netns.remove()?;
        fs::write(pod.netns.path(), "")?;
        Ok(())
    })
}

fn namespace_not_given(scene: Scene) -> Outcome {
    let network = scene.settled()?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    let mut command = network.command(0, "DEL", Some(&pod))?;
    command.env("CNI_NETNS", "");
    reply::silence(podnet_netns_tests::process::run(
        &mut command,
        network.config(0, &[])?.to_string().as_bytes(),
    )?)?;
    before.ensure_unchanged("DEL without a namespace")
}

fn link_gone(scene: Scene) -> Outcome {
    cleans_up(scene, |_, pod, _| {
        podnet_netns_tests::netns::Place::from(&pod.netns).ip(&["link", "del", "eth0"])?;
        Ok(())
    })
}

fn data_folder_gone(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    fs::remove_dir_all("/var/lib/cni/networks")?;
    network.del(&pod, Some(&added))?;
    let links = podnet_netns_tests::netns::Place::Node.ip_json(&["link", "show", "type", "veth"])?;
    ensure_eq!(links, json!([]), "links that are left");
    Ok(())
}

fn ipam_configuration_gone(scene: Scene) -> Outcome {
    // The configuration may have changed since ADD: no ranges any more.
    cleans_up(scene, |network, _, _| {
        *network = network.clone().with("/ipam/ranges", json!([]));
        Ok(())
    })
}

fn other_pods_are_left_alone(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    let before = Snapshot::take()?;
    network.add(&b)?;
    // The same container with another interface is another attachment.
    let mut second = Pod::create("c")?;
    second.container.clone_from(&a.container);
    second.ifname = "net1".into();
    network.add(&second)?;
    network.del(&second, None)?;
    network.del(&b, None)?;
    before.ensure_unchanged("two other pods came and went")
}

fn own_namespace_is_refused_first(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let pod = Pod::create("a")?;
    let before = Snapshot::take()?;
    for verb in ["ADD", "DEL"] {
        let mut command = network.command(0, verb, Some(&pod))?;
        command.env("CNI_NETNS", "/proc/self/ns/net");
        let config = network.config(0, &[])?.to_string();
        let error = reply::error(&podnet_netns_tests::process::run(&mut command, config.as_bytes())?)?;
        ensure_eq!(error.code, 8, "code of {verb} on its own namespace, {error:?}");
    }
    before.ensure_unchanged("ADD and DEL on the plugin's own namespace")
}
