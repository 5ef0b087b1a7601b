//! Addresses from elsewhere: `static`, the reference's IPAM plugins and one that fails in every way.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, probe, tools, wait};
use serde_json::{Value, json};

use crate::differences::{ADOPTS_ANY_ADDRESS, LEAVES_LINK, NO_GC};
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "ipam",
        &[Family::V4],
        &[
            ("static_gives_what_is_configured", static_gives_what_is_configured, None),
            ("static_refuses_an_address_in_use", static_refuses_an_address_in_use, Some(&ADOPTS_ANY_ADDRESS)),
            ("static_refuses_the_nodes_own_address", static_refuses_the_nodes_own, Some(&ADOPTS_ANY_ADDRESS)),
            ("a_plugin_serves_every_verb", a_plugin_serves_every_verb, None),
            ("a_result_of_any_version_is_taken", |scene| reaches(scene, &fake("old")), None),
            ("reference_host_local_as_a_plugin", |scene| reaches(scene, &reference_host_local()), None),
            ("reference_static_as_a_plugin", reference_static_as_a_plugin, None),
            ("dhcp_without_its_daemon", dhcp_without_its_daemon, Some(&LEAVES_LINK)),
            ("every_fault_of_add_is_undone", every_fault_of_add_is_undone, Some(&LEAVES_LINK)),
            (
                "an_address_given_twice_is_refused",
                an_address_given_twice_is_refused,
                Some(&ADOPTS_ANY_ADDRESS),
            ),
            ("a_plugin_that_is_missing", a_plugin_that_is_missing, Some(&LEAVES_LINK)),
            ("a_kill_during_add_needs_one_del", a_kill_during_add_needs_one_del, Some(&LEAVES_LINK)),
            ("del_that_the_plugin_refuses_can_be_repeated", del_can_be_repeated, None),
            ("gc_releases_with_the_plugin", gc_releases_with_the_plugin, Some(&NO_GC)),
            ("status_is_the_plugins", status_is_the_plugins, None),
        ],
    )
}

/// What the plugin remembers.
const FAKE: &str = "/run/fake-ipam";

fn fake(fault: &str) -> Value {
    json!({"type": "fake-ipam", "fault": fault})
}

/// The reference's host-local, under a name that podnet does not serve itself.
fn reference_host_local() -> Value {
    json!({"type": "reference-host-local", "ranges": Family::V4.ranges()})
}

/// The folders of the IPAM plugins that there are; the reference's under names that podnet does not serve itself, too.
pub(crate) fn plugins() -> Result<[PathBuf; 3], Failure> {
    let links = Path::new("/run/plugins");
    if !links.exists() {
        fs::create_dir(links)?;
        for name in ["host-local", "static", "dhcp"] {
            let target = tools::reference()?.join(name);
            ensure!(target.exists(), "{} is missing: make tools", target.display());
            symlink(target, links.join(format!("reference-{name}")))?;
        }
    }
    Ok([tools::workspace().join("netns-tests/plugins"), links.to_owned(), tools::reference()?])
}

/// A network whose IPAM plugins are ours to choose.
fn network(scene: Scene, ipam: &Value) -> Result<Network, Failure> {
    let mut network = scene.network()?.with("/ipam", ipam.clone()).with("/isDefaultGateway", true);
    if scene.subject == Subject::Podnet {
        network = network.with("/ipamTimeout", 2);
    }
    network.path.extend(plugins()?);
    Ok(network)
}

fn held() -> Vec<PathBuf> {
    let entries = fs::read_dir(FAKE).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn calls() -> String {
    fs::read_to_string(format!("{FAKE}.calls")).unwrap_or_default()
}

/// Two pods reach each other, pass CHECK and leave nothing.
fn reaches(scene: Scene, ipam: &Value) -> Outcome {
    let network = network(scene, ipam)?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = (network.add(&a)?, network.add(&b)?);
    probe::reach((&a.netns).into(), (&b.netns).into(), added.1.addresses()?[0], Duration::from_secs(8))?;
    for (pod, added) in [(&a, &added.0), (&b, &added.1)] {
        network.check(pod, added)?;
        network.del(pod, Some(added))?;
        network.del(pod, None)?;
    }
    before.ensure_unchanged("ADD, CHECK and DEL")?;
    ensure_eq!(held(), Vec::<PathBuf>::new(), "what the plugin still holds");
    Ok(())
}

fn statically(addresses: &Value) -> Value {
    json!({"type": "static", "addresses": addresses, "routes": [{"dst": "172.30.0.0/16"}],
        "dns": {"nameservers": ["10.9.9.9"]}})
}

fn static_gives_what_is_configured(scene: Scene) -> Outcome {
    let network =
        network(scene, &statically(&json!([{"address": "10.244.1.9/24", "gateway": "10.244.1.1"}])))?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    ensure_eq!(added.cidrs(), ["10.244.1.9/24"], "addresses");
    ensure_eq!(added.0["dns"]["nameservers"], json!(["10.9.9.9"]), "name servers");
    let routes = Place::from(&pod.netns).ip(&["route", "show", "172.30.0.0/16"])?;
    ensure!(routes.contains("via 10.244.1.1"), "route: {routes}");
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL")
}

/// ADD fails with words that name the cause; neither the node, the pod nor the plugin keep anything.
fn refused(network: &Network, pod: &Pod, words: &[&str]) -> Outcome {
    let (node, inside) = (Snapshot::take()?, Snapshot::take_in((&pod.netns).into(), &[])?);
    let holds = held();
    let error = reply::error(&network.call("ADD", Some(pod), &[])?)?;
    for word in words {
        ensure!(error.names(word), "{word} is not named in {error:?}");
    }
    let after = Snapshot::take_in((&pod.netns).into(), &[])?;
    ensure_eq!(inside.differences(&after), Vec::<String>::new(), "what the failed ADD left in the pod");
    ensure_eq!(held(), holds, "what the plugin holds after a failed ADD");
    node.ensure_unchanged("a failed ADD")
}

fn static_refuses_an_address_in_use(scene: Scene) -> Outcome {
    let network = network(scene, &statically(&json!([{"address": "10.244.1.9/24"}])))?;
    let holder = Pod::create("a")?;
    network.add(&holder)?;
    refused(&network, &Pod::create("b")?, &["10.244.1.9", "container a-sandbox"])
}

fn static_refuses_the_nodes_own(scene: Scene) -> Outcome {
    Place::Node.ip(&["addr", "add", "10.244.1.77/32", "dev", "lo"])?;
    let network = network(scene, &statically(&json!([{"address": "10.244.1.77/24"}])))?;
    scene.settled()?;
    refused(&network, &Pod::create("a")?, &["10.244.1.77", "the node itself"])
}

fn a_plugin_serves_every_verb(scene: Scene) -> Outcome {
    let network = network(scene, &fake(""))?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    ensure_eq!(added.0["dns"], json!({"search": ["fake"]}), "dns");
    ensure_eq!(added.0["ips"][0]["gateway"], json!("10.244.1.1"), "the gateway that the plugin did not say");
    ensure!(Place::from(&pod.netns).ip(&["route"])?.contains("172.30.0.0/16"), "the plugin's route");
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))?;
    ensure_eq!(calls(), "ADD a-sandbox\nCHECK a-sandbox\nDEL a-sandbox\n", "calls");
    drop(pod);
    reaches(scene, &fake(""))
}

fn reference_static_as_a_plugin(scene: Scene) -> Outcome {
    let mut ipam = statically(&json!([{"address": "10.244.1.9/24"}]));
    ipam["type"] = json!("reference-static");
    let network = network(scene, &ipam)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    ensure_eq!(added.cidrs(), ["10.244.1.9/24"], "addresses");
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))
}

fn dhcp_without_its_daemon(scene: Scene) -> Outcome {
    let network = network(scene, &json!({"type": "reference-dhcp"}))?;
    scene.settled()?;
    refused(&network, &Pod::create("a")?, &["/run/cni/dhcp.sock"])
}

fn every_fault_of_add_is_undone(scene: Scene) -> Outcome {
    scene.settled()?;
    for (fault, words) in [
        ("silent", "printed nothing"),
        ("babble", "hello"),
        ("refuse", "the pool is empty"),
        ("complain", "no database"),
        ("crash", "signal: 11"),
        ("hang", "did not end in 2 s"),
        ("flood", "more than 1048576 bytes"),
        ("version", "9.9.9"),
        ("nothing", "no address"),
        ("malformed", "10.244.1.300/24"),
        ("bare", "10.244.1.30"),
        ("outside", "10.9.9.9"),
        ("family", "fd00::1"),
    ] {
        let pod = Pod::create(fault)?;
        let network = network(scene, &fake(fault))?;
        refused(&network, &pod, &[words]).map_err(|failure| failure.while_doing(fault))?;
        // It could be repeated.
        let good = self::network(scene, &fake(""))?;
        let added = good.add(&pod)?;
        good.del(&pod, Some(&added))?;
    }
    Ok(())
}

fn an_address_given_twice_is_refused(scene: Scene) -> Outcome {
    let network = network(scene, &fake("same"))?;
    let holder = Pod::create("a")?;
    network.add(&holder)?;
    refused(&network, &Pod::create("b")?, &["10.244.1.99", "container a-sandbox"])
}

fn a_plugin_that_is_missing(scene: Scene) -> Outcome {
    let network = network(scene, &json!({"type": "absent-ipam"}))?;
    scene.settled()?;
    let error = reply::error(&network.call("STATUS", None, &[])?)?;
    ensure!(error.names("absent-ipam"), "{error:?}");
    refused(&network, &Pod::create("a")?, &["absent-ipam"])
}

fn a_kill_during_add_needs_one_del(scene: Scene) -> Outcome {
    let network = network(scene, &fake("slow"))?;
    scene.settled()?;
    let pod = Pod::create("a")?;
    let before = (Snapshot::take()?, Snapshot::take_in((&pod.netns).into(), &[])?);
    let mut add = network.command(0, "ADD", Some(&pod))?;
    let mut child = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().doing("stdin")?.write_all(network.config(0, &[])?.to_string().as_bytes())?;
    wait::until(Duration::from_secs(8), "the plugin to hold an address", || {
        Ok((!held().is_empty()).then_some(()))
    })?;
    child.kill()?;
    child.wait()?;
    network.del(&pod, None)?;
    ensure_eq!(held(), Vec::<PathBuf>::new(), "what the plugin still holds");
    // Whoever is killed takes its plugin along: nothing comes after DEL.
    ensure_eq!(sleepers()?, 0, "plugins that still run");
    let after = Snapshot::take_in((&pod.netns).into(), &[])?;
    ensure_eq!(before.1.differences(&after), Vec::<String>::new(), "what is left in the pod");
    before.0.ensure_unchanged("a killed ADD and one DEL")
}

/// How many processes of the fake plugin run in this sandbox.
fn sleepers() -> Result<usize, Failure> {
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let command = fs::read_to_string(entry?.path().join("cmdline")).unwrap_or_default();
        count += usize::from(command.contains("fake-ipam"));
    }
    Ok(count)
}

fn del_can_be_repeated(scene: Scene) -> Outcome {
    let good = network(scene, &fake(""))?;
    table::settle(&good)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let stuck = network(scene, &fake("stuck"))?;
    let added = stuck.add(&pod)?;
    let error = reply::error(&stuck.call("DEL", Some(&pod), &[("prevResult", added.0)])?)?;
    ensure!(error.names("the database is away"), "{error:?}");
    // Whoever mends the configuration mends it for the pods that are there, too.
    good.del(&pod, None)?;
    ensure_eq!(held(), Vec::<PathBuf>::new(), "what the plugin still holds");
    before.ensure_unchanged("the second DEL")
}

fn gc_releases_with_the_plugin(scene: Scene) -> Outcome {
    let network = network(scene, &fake(""))?;
    table::settle(&network)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let (before, holds) = (Snapshot::take()?, held());
    network.add(&b)?;
    b.netns.remove()?;
    let valid = json!([{"containerID": a.container, "ifname": a.ifname}]);
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    before.ensure_unchanged("GC of all but one")?;
    ensure_eq!(held(), holds, "what the plugin holds");
    ensure!(calls().ends_with("DEL b-sandbox\nGC \n"), "calls: {}", calls());
    network.check(&a, &added)
}

fn status_is_the_plugins(scene: Scene) -> Outcome {
    reply::silence(network(scene, &fake(""))?.call("STATUS", None, &[])?)?;
    let error = reply::error(&network(scene, &fake("status"))?.call("STATUS", None, &[])?)?;
    ensure_eq!(error.code, 51, "code of {error:?}");
    ensure!(error.names("the pool is shrinking"), "{error:?}");
    Ok(())
}
