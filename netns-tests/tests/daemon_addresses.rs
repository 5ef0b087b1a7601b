//! Addresses of the node's daemon: podnet with `ipam.type: podnet-ipamd`, and the reference bridge with `podnet-ipam`.

mod cns;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply::{self, CniError};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::tools::{self, CnitoolVersion};
use podnet_netns_tests::{ensure, ensure_eq, probe, wait};
use serde_json::{Value, json};

use crate::differences::NO_GC;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[table::Test] = &[
        ("pods_have_addresses_of_the_pool", pods_have_addresses, None),
        ("without_its_daemon", without_its_daemon, None),
        ("a_del_without_its_daemon_is_made_up_for", a_del_is_made_up_for, None),
        ("an_intent_does_not_free_a_later_add", an_intent_does_not_free_a_later_add, None),
        ("an_intent_of_another_pool_stays", an_intent_of_another_pool_stays, None),
        ("a_daemon_that_does_not_answer", a_daemon_that_does_not_answer, None),
        ("a_daemon_without_memory_knows_the_pods", a_daemon_without_memory, None),
        ("an_empty_pool", an_empty_pool, None),
        ("a_second_add_frees_nothing", a_second_add_frees_nothing, None),
        ("check_asks_the_daemon", check_asks_the_daemon, None),
        ("gc_releases", gc_releases, Some(&NO_GC)),
        ("status_is_the_daemons", status_is_the_daemons, None),
        ("a_socket_of_others_is_not_trusted", a_socket_of_others, None),
        ("a_pool_without_gateway", a_pool_without_gateway, None),
    ];
    let mut cases = table::cases("daemon_addresses", &[Family::V4, Family::Dual], tests);
    cases.extend([
        podnet_alone("cnitool_with_the_shipped_list", cnitool_with_the_shipped_list),
        podnet_alone("podnet_ipam_by_itself", podnet_ipam_by_itself),
        podnet_alone("called_bridge_with_podnet_ipam", called_bridge),
    ]);
    cases.extend(cns::TESTS.iter().map(|&(name, body)| podnet_alone(name, body)));
    cases
}

/// What the reference plugins have nothing like.
fn podnet_alone(name: &str, body: fn() -> Outcome) -> Case {
    let name = format!("daemon_addresses::podnet::{name}");
    Case { name, limit: Duration::from_mins(1), body: Box::new(body) }
}

/// How many addresses the pool has, and the first of them.
pub(crate) const COUNT: u8 = 8;
pub(crate) const FIRST: u8 = 16;

/// The daemon's folder. Not in podnet's own, which snapshots look at.
pub(crate) const FOLDER: &str = "/run/ipamd";
pub(crate) const SOCKET: &str = "/run/ipamd/state/ipamd.sock";

/// Where the links to podnet are.
const LINKS: &str = "/run/plugins";

pub(crate) fn network(scene: Scene) -> Result<Network, Failure> {
    network_of(scene, &json!({"socket": SOCKET}))
}

fn network_of(scene: Scene, members: &Value) -> Result<Network, Failure> {
    let mut ipam = members.clone();
    ipam["type"] = match scene.subject {
        Subject::Podnet => "podnet-ipamd".into(),
        Subject::Reference => "podnet-ipam".into(),
    };
    let mut network = scene.network()?.with("/ipam", ipam).with("/isDefaultGateway", true);
    network.path.push(links()?);
    Ok(network)
}

/// The folder in which podnet is called podnet-ipam, and bridge.
fn links() -> Result<PathBuf, Failure> {
    if !Path::new(LINKS).exists() {
        fs::create_dir(LINKS)?;
        for name in ["podnet-ipam", "bridge"] {
            symlink(tools::podnet()?, Path::new(LINKS).join(name))?;
        }
    }
    Ok(LINKS.into())
}

pub(crate) fn start(scene: Scene) -> Result<Ipamd, Failure> {
    start_with(&ipamd::pool(scene.family, FIRST, COUNT))
}

pub(crate) fn start_with(config: &str) -> Result<Ipamd, Failure> {
    fs::create_dir_all(FOLDER)?;
    let daemon = Ipamd::start(Path::new(FOLDER), config)?;
    daemon.ready()?;
    Ok(daemon)
}

pub(crate) fn failed_add(network: &Network, pod: &Pod) -> Result<CniError, Failure> {
    reply::error(&network.call("ADD", Some(pod), &[])?)
}

/// After a failed ADD. The reference leaves the pod's link to the DEL that follows.
fn leaves_nothing(scene: Scene, before: &Snapshot) -> Outcome {
    match scene.subject {
        Subject::Podnet => before.ensure_unchanged("a failed ADD"),
        Subject::Reference => Ok(()),
    }
}

pub(crate) fn nobody_has_any(daemon: &Ipamd) -> Outcome {
    ensure_eq!(daemon.assigned()?, [], "what the daemon has assigned");
    Ok(())
}

/// The daemon applies intents by itself, a moment after it is ready or told.
pub(crate) fn soon_nobody_has_any(daemon: &Ipamd) -> Outcome {
    wait::until(Duration::from_secs(10), "the daemon's releases", || {
        Ok(daemon.assigned()?.is_empty().then_some(()))
    })
}

fn pods_have_addresses(scene: Scene) -> Outcome {
    come_and_go(&start(scene)?, &network(scene)?)
}

/// podnet in the place of both plugins: links are all that the node is switched by.
fn called_bridge() -> Outcome {
    let scene = Scene { subject: Subject::Reference, family: Family::Dual };
    let network = Network { path: vec![links()?], ..network(scene)? };
    come_and_go(&start(scene)?, &network)
}

fn come_and_go(daemon: &Ipamd, network: &Network) -> Outcome {
    table::settle(network)?;
    nobody_has_any(daemon)?;
    let before = Snapshot::take()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = (network.add(&a)?, network.add(&b)?);
    let mut given: Vec<_> = added.0.addresses()?.into_iter().chain(added.1.addresses()?).collect();
    given.sort();
    let mut assigned: Vec<std::net::IpAddr> = Vec::new();
    for entry in daemon.assigned()? {
        assigned.push(entry.address.parse()?);
    }
    assigned.sort();
    ensure_eq!(given, assigned, "the pods' addresses and the daemon's");
    for &address in &added.1.addresses()? {
        probe::reach((&a.netns).into(), (&b.netns).into(), address, Duration::from_secs(8))?;
    }
    for (pod, added) in [(&a, &added.0), (&b, &added.1)] {
        network.check(pod, added)?;
        network.del(pod, Some(added))?;
        network.del(pod, None)?;
    }
    nobody_has_any(daemon)?;
    before.ensure_unchanged("ADD, CHECK and DEL")
}

fn without_its_daemon(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    table::settle(&network)?;
    daemon.stop()?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let begin = Instant::now();
    let error = failed_add(&network, &pod)?;
    ensure!(begin.elapsed() < Duration::from_secs(1), "the failure took {:?}", begin.elapsed());
    ensure_eq!(error.code, 11, "code of {error:?}");
    ensure!(error.names(SOCKET) && error.names("address daemon"), "{error:?}");
    leaves_nothing(scene, &before)
}

fn a_del_is_made_up_for(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pods = [Pod::create("a")?, Pod::create("b")?];
    for pod in &pods {
        network.add(pod)?;
    }
    drop(daemon);
    for pod in &pods {
        network.del(pod, None)?;
        network.del(pod, None)?;
    }
    before.ensure_unchanged("DEL without daemon")?;
    let daemon = start(scene)?;
    soon_nobody_has_any(&daemon)
}

/// The daemon does not look where this intent is left: nobody but ADD takes it away.
fn an_intent_does_not_free_a_later_add(scene: Scene) -> Outcome {
    const INTENTS: &str = "/run/elsewhere";
    let network = network_of(scene, &json!({"socket": SOCKET, "intents": INTENTS}))?;
    let daemon = start(scene)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    daemon.stop()?;
    network.del(&pod, None)?;
    ensure_eq!(waiting(INTENTS)?, 1, "intents without daemon");
    failed_add(&network, &pod)?;
    ensure_eq!(waiting(INTENTS)?, 1, "intents after an ADD that failed");
    network.del(&pod, None)?;
    let daemon = start(scene)?;
    let added = network.add(&pod)?;
    ensure_eq!(waiting(INTENTS)?, 0, "intents beside a live pod");
    ensure_eq!(daemon.assigned()?.len(), added.addresses()?.len(), "addresses of the live pod");
    network.check(&pod, &added)
}

/// How many intents are in a directory.
fn waiting(directory: &str) -> Result<usize, Failure> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Result<Vec<_>, Failure>>()?;
    Ok(names.iter().filter(|name| *name != "pool" && !name.starts_with('.')).count())
}

fn an_intent_of_another_pool_stays(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    daemon.stop()?;
    network.del(&pod, None)?;
    let intents = format!("{SOCKET}.d");
    ensure_eq!(waiting(&intents)?, 1, "intents without daemon");
    let folder = Path::new("/run/other");
    fs::create_dir(folder)?;
    let config = format!("listen: {{socket: {SOCKET}}}\n{}", ipamd::pool(scene.family, FIRST, COUNT));
    let other = Ipamd::start_at(Path::new(SOCKET), folder, &config)?;
    other.ready()?;
    let next = Pod::create("b")?;
    network.add(&next)?;
    ensure_eq!(waiting(&intents)?, 1, "intents of the first pool, with another daemon in its place");
    network.del(&next, None)?;
    other.stop()?;
    let daemon = start(scene)?;
    soon_nobody_has_any(&daemon)?;
    wait::until(Duration::from_secs(10), "the end of the intent", || {
        Ok((waiting(&intents)? == 0).then_some(()))
    })
}

fn a_daemon_that_does_not_answer(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    daemon.signal(Signal::SIGSTOP)?;
    let begin = Instant::now();
    let error = failed_add(&network, &b)?;
    ensure!(begin.elapsed() < Duration::from_millis(1500), "the failure took {:?}", begin.elapsed());
    ensure_eq!(error.code, 11, "code of {error:?}");
    network.del(&a, None)?;
    leaves_nothing(scene, &before)?;
    daemon.signal(Signal::SIGCONT)?;
    // What it did not answer it may have done: the intents see to it.
    soon_nobody_has_any(&daemon)
}

fn a_daemon_without_memory(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    let assigned = daemon.assigned()?;
    daemon.stop()?;
    fs::remove_file(format!("{FOLDER}/state/pool.journal"))?;
    let daemon = start(scene)?;
    ensure_eq!(daemon.assigned()?, assigned, "what a daemon without journal has assigned");
    network.del(&pod, None)?;
    nobody_has_any(&daemon)
}

fn an_empty_pool(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    let pods: Vec<Pod> =
        (0..COUNT).map(|number| Pod::create(&format!("pod{number}"))).collect::<Result<_, _>>()?;
    for pod in &pods {
        network.add(pod)?;
    }
    let late = Pod::create("late")?;
    let before = Snapshot::take()?;
    let error = failed_add(&network, &late)?;
    ensure_eq!(error.code, 11, "code of {error:?}");
    ensure!(error.names(&format!("{COUNT} assigned")), "no counts in {error:?}");
    leaves_nothing(scene, &before)?;
    network.del(&late, None)?;
    network.del(pods.first().doing("a pod")?, None)?;
    network.add(&late)?;
    for pod in pods.iter().chain([&late]) {
        network.del(pod, None)?;
    }
    nobody_has_any(&daemon)
}

fn a_second_add_frees_nothing(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let assigned = daemon.assigned()?;
    let error = failed_add(&network, &pod)?;
    ensure!(error.code >= 100, "{error:?}");
    // The reference names the link, which it makes before it asks for addresses.
    ensure!(scene.subject == Subject::Reference || error.names(&pod.container), "{error:?}");
    ensure_eq!(daemon.assigned()?, assigned, "what is assigned after a second ADD");
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))?;
    nobody_has_any(&daemon)
}

fn check_asks_the_daemon(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    daemon.release(&pod.container)?;
    let finished = network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?;
    let error = reply::error(&finished)?;
    ensure!(error.names(&added.addresses()?[0].to_string()) && error.names("not assigned"), "{error:?}");
    network.del(&pod, Some(&added))
}

fn gc_releases(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let kept = daemon.assigned()?;
    network.add(&b)?;
    b.netns.remove()?;
    let valid = json!([{"containerID": a.container, "ifname": a.ifname}]);
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    ensure_eq!(daemon.assigned()?, kept, "what is assigned after GC");
    network.check(&a, &added)
}

fn status_is_the_daemons(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    reply::silence(network.call("STATUS", None, &[])?)?;
    daemon.stop()?;
    let error = reply::error(&network.call("STATUS", None, &[])?)?;
    ensure_eq!(error.code, 50, "code of {error:?}");
    ensure!(error.names(SOCKET), "{error:?}");
    let _daemon = start(scene)?;
    reply::silence(network.call("STATUS", None, &[])?)
}

fn a_socket_of_others(scene: Scene) -> Outcome {
    let network = network(scene)?;
    let daemon = start(scene)?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666))?;
    let error = failed_add(&network, &Pod::create("a")?)?;
    ensure!(error.names("root's alone") && error.code != 11, "{error:?}");
    leaves_nothing(scene, &before)?;
    nobody_has_any(&daemon)
}

/// A bridge must hold the gateway's address. podnet-ipam names none where the daemon does not, and the reference bridge then
/// takes the first address of the subnet.
fn a_pool_without_gateway(scene: Scene) -> Outcome {
    let mut source = ipamd::source(scene.family, FIRST, COUNT);
    for member in ["gateway", "gatewayV6"] {
        source.as_object_mut().doing("a source")?.remove(member);
    }
    let daemon = start_with(&format!("source: {source}\n"))?;
    let network = network(scene)?;
    let pod = Pod::create("a")?;
    if scene.subject == Subject::Reference {
        let added = network.add(&pod)?;
        return network.del(&pod, Some(&added));
    }
    let error = failed_add(&network, &pod)?;
    ensure_eq!(error.code, 7, "code of {error:?}");
    ensure!(error.names("no gateway") && error.names("bridge"), "{error:?}");
    nobody_has_any(&daemon)
}

fn cnitool_with_the_shipped_list() -> Outcome {
    let file = tools::workspace().join("conf/kubenet-ipamd.conflist");
    let list: Value = serde_json::from_str(&fs::read_to_string(&file).doing(file.display())?)?;
    fs::create_dir(FOLDER)?;
    let socket = Path::new("/run/podnet/ipamd.sock");
    let config =
        format!("listen: {{socket: {}}}\n{}", socket.display(), ipamd::pool(Family::V4, FIRST, COUNT));
    let daemon = Ipamd::start_at(socket, Path::new(FOLDER), &config)?;
    daemon.ready()?;
    for version in [CnitoolVersion::V1_3_0, CnitoolVersion::V1_3_1] {
        let tool = Cnitool::load(version, &list, &Subject::Podnet.folder()?)?;
        let pod = Pod::create("a")?;
        tool.run("status", &pod)?.success()?;
        let added = reply::result(tool.run("add", &pod)?)?;
        ensure_eq!(daemon.assigned()?.len(), added.addresses()?.len(), "addresses assigned");
        reply::silence(tool.run("check", &pod)?)?;
        reply::silence(tool.run("del", &pod)?)?;
        reply::silence(tool.run("del", &pod)?)?;
        nobody_has_any(&daemon)?;
        pod.netns.remove()?;
    }
    Ok(())
}

/// As an interface plugin calls it, one that passes GC on.
fn podnet_ipam_by_itself() -> Outcome {
    let daemon = start_with(&ipamd::pool(Family::Dual, FIRST, COUNT))?;
    let entry = json!({"type": "podnet-ipam", "ipam": {"type": "podnet-ipam", "socket": SOCKET}});
    let network = |name: &str| {
        let (version, plugins) = ("1.1.0".to_owned(), vec![entry.clone()]);
        Ok::<_, Failure>(Network { name: name.to_owned(), version, plugins, path: vec![links()?] })
    };
    let (ours, others) = (network("ours")?, network("others")?);
    let (a, b, c) = (Pod::create("a")?, Pod::create("b")?, Pod::create("c")?);
    let added = ours.add(&a)?;
    let expected = json!({"cniVersion": "1.1.0", "ips": [
        {"address": "10.244.1.16/24", "gateway": "10.244.1.1"},
        {"address": "fd00:10:244:1::10/64", "gateway": "fd00:10:244:1::1"},
    ]});
    ensure_eq!(added.0, expected, "the result");
    let error = failed_add(&ours, &a)?;
    ensure_eq!(error.code, 101, "code of a second ADD, {error:?}");
    ours.check(&a, &added)?;
    others.add(&c)?;
    let kept = daemon.assigned()?;
    ours.add(&b)?;
    reply::silence(ours.call("GC", None, &[])?)?;
    ensure_eq!(daemon.assigned()?.len(), kept.len() + 2, "assigned after GC without a list");
    let valid = json!([{"containerID": a.container, "ifname": a.ifname}]);
    reply::silence(ours.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    ensure_eq!(daemon.assigned()?, kept, "assigned after GC");
    reply::silence(ours.call("STATUS", None, &[])?)?;
    for (network, pod) in [(&ours, &a), (&ours, &b), (&others, &c)] {
        network.del(pod, None)?;
    }
    nobody_has_any(&daemon)?;
    ensure_eq!(fs::read_dir("/run/podnet/ipam")?.count(), 0, "records left");
    Ok(())
}
