//! CHECK passes right after ADD and names each thing that was changed behind its back.

use std::fs;
use std::path::PathBuf;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::reply::{self, Added, CniError};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq};

use crate::differences::{Difference, NO_LINK_LOCAL, ONE_AT_A_TIME, SHALLOW_CHECK};
use crate::table::{self, Scene, Test};

pub(crate) fn cases() -> Vec<Case> {
    let shallow: Option<&'static Difference> = Some(&SHALLOW_CHECK);
    let tests: &[Test] = &[
        ("passes_while_others_come_and_go", passes_while_others_come_and_go, None),
        (
            "route_deleted",
            |s| finds(s, "0.0.0.0/0", |pod, _| pod_ip(pod, &["route", "del", "default"])),
            None,
        ),
        (
            "address_deleted",
            |s| finds(s, "10.244.1.2", |pod, _| pod_ip(pod, &["-4", "addr", "flush", "eth0"])),
            None,
        ),
        (
            "address_added_to_result",
            |s| finds(s, "fd00:10:244:1::2", |pod, _| pod_ip(pod, &["-6", "addr", "flush", "eth0"])),
            None,
        ),
        (
            "pod_mac_changed",
            |s| {
                finds(s, "02:00:00:00:00:99", |pod, _| {
                    pod_ip(pod, &["link", "set", "eth0", "address", "02:00:00:00:00:99"])
                })
            },
            None,
        ),
        (
            "pod_mtu_changed",
            |s| finds(s, "1300", |pod, _| pod_ip(pod, &["link", "set", "eth0", "mtu", "1300"])),
            shallow,
        ),
        ("pod_link_down", |s| finds(s, "eth0", |pod, _| pod_ip(pod, &["link", "set", "eth0", "down"])), None),
        ("pod_link_deleted", |s| finds(s, "eth0", |pod, _| pod_ip(pod, &["link", "del", "eth0"])), None),
        ("not_on_the_bridge", |s| finds(s, "cbr0", |_, added| host(added, &["nomaster"])), None),
        ("host_mtu_changed", |s| finds(s, "1300", |_, added| host(added, &["mtu", "1300"])), shallow),
        ("host_link_down", |s| finds(s, "down", |_, added| host(added, &["down"])), shallow),
        (
            "hairpin_off",
            |s| finds(s, "hairpin", |_, added| host(added, &["type", "bridge_slave", "hairpin", "off"])),
            shallow,
        ),
        (
            "host_link_local_on",
            |s| finds(s, "link-local", |_, added| host(added, &["addrgenmode", "eui64"])),
            Some(&NO_LINK_LOCAL),
        ),
        ("bridge_down", |s| finds(s, "cbr0", |_, _| node_ip(&["link", "set", "cbr0", "down"])), shallow),
        (
            "bridge_address_deleted",
            |s| finds(s, "10.244.1.1", |_, _| node_ip(&["addr", "del", "10.244.1.1/24", "dev", "cbr0"])),
            shallow,
        ),
        ("bridge_deleted", |s| finds(s, "cbr0", |_, _| node_ip(&["link", "del", "cbr0"])), None),
        (
            "forwarding_off",
            |s| finds(s, "ip_forward", |_, _| Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "0")?)),
            shallow,
        ),
        (
            "reservation_deleted",
            |s| {
                finds(s, "10.244.1.2", |_, _| {
                    // The reference is content with any address of the pod's: take both.
                    reservations().into_iter().try_for_each(|file| Ok(fs::remove_file(file)?))
                })
            },
            None,
        ),
        (
            "reservation_of_another",
            |s| {
                finds(s, "10.244.1.2", |_, _| {
                    reservations().into_iter().try_for_each(|file| Ok(fs::write(file, "somebody\r\neth0")?))
                })
            },
            None,
        ),
        ("masquerade_removed", masquerade_removed, shallow),
        ("everything_named_at_once", everything_named_at_once, Some(&ONE_AT_A_TIME)),
    ];
    table::cases("check", &[Family::Dual], tests)
}

fn passes_while_others_come_and_go(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    network.check(&a, &added)?;
    let other = network.add(&b)?;
    network.check(&a, &added)?;
    network.del(&b, Some(&other))?;
    network.check(&a, &added)
}

/// CHECK passes, fails after `tamper` with an error that contains `text` (podnet), and passes for another pod.
fn finds(scene: Scene, text: &str, tamper: impl FnOnce(&Pod, &Added) -> Outcome) -> Outcome {
    let error = after_tampering(scene, tamper)?;
    // How the reference words its finding is its own affair.
    ensure!(scene.subject == Subject::Reference || error.names(text), "{text:?} is not in {error:?}");
    Ok(())
}

fn after_tampering(scene: Scene, tamper: impl FnOnce(&Pod, &Added) -> Outcome) -> Result<CniError, Failure> {
    let network = scene.network()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added).doing("CHECK right after ADD")?;
    tamper(&pod, &added)?;
    reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)
}

fn masquerade_removed(scene: Scene) -> Outcome {
    let network = scene.network()?.with("/ipMasq", true);
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added).doing("CHECK right after ADD")?;
    tool(&["nft", "flush", "ruleset"])?;
    let error = reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
    ensure!(error.names("masquerade"), "masquerade is not in {error:?}");
    Ok(())
}

fn everything_named_at_once(scene: Scene) -> Outcome {
    let error = after_tampering(scene, |pod, added| {
        pod_ip(pod, &["route", "del", "default"])?;
        host(added, &["mtu", "1300"])?;
        host(added, &["type", "bridge_slave", "hairpin", "off"])?;
        reservations().into_iter().try_for_each(|file| Ok(fs::remove_file(file)?))
    })?;
    let missing: Vec<_> = ["0.0.0.0/0", "1300", "hairpin", "10.244.1.2"]
        .into_iter()
        .filter(|text| !error.names(text))
        .collect();
    ensure_eq!(missing, Vec::<&str>::new(), "findings that are not named in {error:?}");
    Ok(())
}

fn pod_ip(pod: &Pod, args: &[&str]) -> Outcome {
    Place::from(&pod.netns).ip(args).map(drop)
}

fn node_ip(args: &[&str]) -> Outcome {
    Place::Node.ip(args).map(drop)
}

fn host(added: &Added, settings: &[&str]) -> Outcome {
    node_ip(&[&["link", "set", added.interface(1)?], settings].concat())
}

fn reservations() -> [PathBuf; 2] {
    ["10.244.1.2", "fd00:10:244:1::2"].map(|name| PathBuf::from("/var/lib/cni/networks/kubenet").join(name))
}
