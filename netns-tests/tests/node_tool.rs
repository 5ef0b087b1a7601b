//! The node's tool on a node: `podnet check` and `podnet gc`. (`podnet doctor`: [`crate::doctor`].)

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{Finished, command, run, tool};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, tools, wait};
use serde_json::{Value, json};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[Test] = &[
        ("check_of_whole_pods_finds_nothing", check_finds_nothing),
        ("check_names_every_difference_of_every_pod", check_names_everything),
        ("check_looks_at_one_network", check_looks_at_one_network),
        ("check_knows_the_arguments_of_add", check_knows_arguments),
        ("check_believes_what_later_plugins_changed", check_believes_later_plugins),
        ("check_finds_a_link_without_record", check_finds_lost_record),
        ("gc_removes_what_has_no_namespace", gc_removes_what_has_no_namespace),
        ("gc_removes_what_has_no_record", gc_removes_what_has_no_record),
        ("gc_leaves_living_pods_alone", gc_leaves_living_pods_alone),
        ("gc_leaves_other_networks_alone", gc_leaves_other_networks_alone),
        ("gc_knows_pods_of_the_reference", gc_knows_the_reference),
        ("gc_believes_a_list", gc_believes_a_list),
        ("gc_leaves_what_is_newer_than_the_list", gc_leaves_newer),
        ("gc_asks_containerd", gc_asks_containerd),
        ("gc_of_a_process_in_the_namespace", gc_sees_processes),
        ("gc_of_a_link_without_record", gc_of_a_lost_record),
    ];
    cases_of("node_tool", tests)
}

/// A test of podnet alone: its name and its body.
pub(crate) type Test = (&'static str, fn() -> Outcome);

/// One case a test.
pub(crate) fn cases_of(suite: &str, tests: &[Test]) -> Vec<Case> {
    let case = |&(test, body): &Test| Case {
        name: format!("{suite}::podnet::dual::{test}"),
        limit: Duration::from_mins(1),
        body: Box::new(body),
    };
    tests.iter().map(case).collect()
}

/// `podnet ARGS` with this on stdin.
pub(crate) fn podnet(args: &[&str], stdin: &str) -> Result<Finished, Failure> {
    run(&mut command(tools::podnet()?, args), stdin.as_bytes())
}

/// What it printed, for an exit code that is expected.
pub(crate) fn document(args: &[&str], stdin: &str, code: i32) -> Result<Value, Failure> {
    let finished = podnet(&[args, &["--output", "json"]].concat(), stdin)?;
    ensure_eq!(finished.status.code(), Some(code), "exit code of {finished}");
    serde_json::from_str(&finished.stdout).doing(&finished)
}

fn network() -> Result<Network, Failure> {
    Ok(Network::of(Subject::Podnet, Family::Dual)?.with("/ipMasq", true))
}

/// The differences by container.
pub(crate) fn differences(document: &Value, container: &str) -> Vec<String> {
    let pods = document.as_array().into_iter().flatten();
    let of_pod =
        pods.filter(|pod| pod["containerID"] == container).filter_map(|pod| pod["differences"].as_array());
    of_pod.flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

fn check_finds_nothing() -> Outcome {
    ensure_eq!(document(&["check"], "", 0)?, json!([]), "check of a fresh node");
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    network.add(&b)?;
    let before = Snapshot::take()?;
    let found = document(&["check", "--network", "kubenet"], "", 0)?;
    ensure_eq!(found.as_array().map(Vec::len), Some(2), "pods in {found}");
    ensure_eq!(found[0]["differences"], json!([]), "{found}");
    before.ensure_unchanged("podnet check")
}

fn check_names_everything() -> Outcome {
    let network = network()?;
    let (a, b, c) = (Pod::create("a")?, Pod::create("b")?, Pod::create("c")?);
    for pod in [&a, &b, &c] {
        network.add(pod)?;
    }
    Place::from(&a.netns).ip(&["route", "del", "default"])?;
    Place::from(&a.netns).ip(&["addr", "flush", "dev", "eth0", "scope", "global"])?;
    b.netns.remove()?;
    tool(&["nft", "flush", "map", "inet", "podnet", "masq4"])?;
    let found = document(&["check"], "", 1)?;
    for (container, texts) in [
        (
            "a-sandbox",
            &["address 10.244.1.2/24", "address fd00:10:244:1::2/64", "route to 0.0.0.0/0", "masq4"][..],
        ),
        ("b-sandbox", &["/run/netns/b does not exist"]),
        ("c-sandbox", &["masq4"]),
    ] {
        let differences = differences(&found, container);
        for text in texts {
            ensure!(
                differences.iter().any(|found| found.contains(text)),
                "{container}: no {text} in {found}"
            );
        }
    }
    let table = podnet(&["check"], "")?;
    ensure_eq!(table.status.code(), Some(1), "{table}");
    ensure!(table.stdout.starts_with("NETWORK   POD   CONTAINER"), "{table}");
    Ok(())
}

fn check_looks_at_one_network() -> Outcome {
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network()?.add(&a)?;
    let other = Network { name: "other".into(), ..network()? }
        .with("/bridge", "cbr1")
        .with("/ipam/ranges", json!([[{"subnet": "10.99.0.0/24"}]]));
    other.add(&b)?;
    Place::from(&b.netns).ip(&["link", "set", "eth0", "down"])?;
    document(&["check", "--network", "kubenet"], "", 0)?;
    document(&["check", "--network", "other"], "", 1)?;
    ensure_eq!(document(&["check", "--network", "none"], "", 0)?, json!([]), "pods of no network");
    Ok(())
}

fn check_knows_arguments() -> Outcome {
    let network = network()?;
    let pod = Pod::create("a")?;
    let mut add = network.command(0, "ADD", Some(&pod))?;
    add.env("CNI_ARGS", "IgnoreUnknown=1;MAC=02:11:22:33:44:55;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web");
    run(&mut add, network.config(0, &[])?.to_string().as_bytes())?.success()?;
    let found = document(&["check"], "", 0)?;
    ensure_eq!(found[0]["pod"], "default/web", "{found}");
    Ok(())
}

fn check_believes_later_plugins() -> Outcome {
    let network = network()?;
    let pod = Pod::create("a")?;
    let mut added = network.add(&pod)?;
    Place::from(&pod.netns).ip(&["link", "set", "eth0", "address", "02:11:22:33:44:55"])?;
    document(&["check"], "", 1)?;
    added.0["interfaces"][2]["mac"] = "02:11:22:33:44:55".into();
    fs::create_dir_all("/var/lib/cni/results")?;
    let cached = json!({"kind": "cniCacheV1", "result": added.0});
    fs::write(format!("/var/lib/cni/results/kubenet-{}-eth0", pod.container), cached.to_string())?;
    document(&["check"], "", 0).map(drop)
}

/// Takes a pod's record away; it is the only one.
fn lose_record() -> Outcome {
    for record in fs::read_dir("/run/podnet/attachments")? {
        fs::remove_file(record?.path())?;
    }
    Ok(())
}

fn check_finds_lost_record() -> Outcome {
    let pod = Pod::create("a")?;
    let added = network()?.add(&pod)?;
    lose_record()?;
    let found = document(&["check"], "", 1)?;
    let wanted = format!("host link {} has no record", added.interface(1)?);
    ensure!(differences(&found, &pod.container).iter().any(|text| text.starts_with(&wanted)), "{found}");
    Ok(())
}

/// The containers that a run named, and whether it removed them.
fn removals(args: &[&str], stdin: &str) -> Result<Vec<(String, bool)>, Failure> {
    removals_of("kubenet", args, stdin)
}

/// The same of any network.
pub(crate) fn removals_of(network: &str, args: &[&str], stdin: &str) -> Result<Vec<(String, bool)>, Failure> {
    let found = document(&[&["gc", "--network", network], args].concat(), stdin, 0)?;
    let of =
        |removal: &Value| Some((removal["containerID"].as_str()?.to_owned(), removal["removed"].as_bool()?));
    Ok(found.as_array().into_iter().flatten().filter_map(of).collect())
}

/// The kernel takes some time to end a namespace and the links of it.
pub(crate) fn await_end(link: &str) -> Outcome {
    wait::until(Duration::from_secs(8), format_args!("the end of link {link}"), || {
        Ok(crate::look::find(Place::Node, link)?.is_none().then_some(()))
    })
}

fn gc_removes_what_has_no_namespace() -> Outcome {
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let before = Snapshot::take()?;
    let dead = network.add(&b)?;
    b.netns.remove()?;
    await_end(dead.interface(1)?)?;
    let crashed = Snapshot::take()?;
    ensure_eq!(removals(&["--dry-run"], "")?, [("b-sandbox".to_owned(), false)], "of a dry run");
    crashed.ensure_unchanged("a dry run")?;
    ensure_eq!(removals(&[], "")?, [("b-sandbox".to_owned(), true)], "removed");
    before.ensure_unchanged("podnet gc")?;
    ensure_eq!(removals(&[], "")?, [], "removed again");
    network.check(&a, &added)
}

fn gc_removes_what_has_no_record() -> Outcome {
    let network = network()?;
    crate::table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    lose_record()?;
    // Its link says that its namespace is there.
    ensure_eq!(removals(&[], "")?, [], "removed of a living pod without record");
    pod.netns.remove()?;
    await_end(added.interface(1)?)?;
    fs::write("/var/lib/cni/networks/kubenet/10.244.1.77", "lost\r\neth0")?;
    let removed: Vec<_> = removals(&[], "")?;
    ensure_eq!(removed, [("a-sandbox".to_owned(), true), ("lost".to_owned(), true)], "removed");
    before.ensure_unchanged("podnet gc")
}

fn gc_leaves_living_pods_alone() -> Outcome {
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    network.add(&b)?;
    // The address alone does not make a pod alive, nor its lack dead.
    Place::from(&b.netns).ip(&["addr", "flush", "dev", "eth0"])?;
    let before = Snapshot::take()?;
    let finished = podnet(&["gc", "--network", "kubenet"], "")?;
    ensure_eq!(finished.status.code(), Some(0), "{finished}");
    ensure!(finished.stderr.contains("no containerd to ask"), "{finished}");
    before.ensure_unchanged("podnet gc")
}

fn gc_leaves_other_networks_alone() -> Outcome {
    let pod = Pod::create("a")?;
    network()?.add(&pod)?;
    let before = Snapshot::take()?;
    let found = document(&["gc", "--network", "other", "--alive", "-"], "[]", 0)?;
    ensure_eq!(found, json!([]), "removed");
    before.ensure_unchanged("podnet gc of another network")
}

fn gc_knows_the_reference() -> Outcome {
    let network = Network::of(Subject::Reference, Family::Dual)?;
    crate::table::settle(&network)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let before = Snapshot::take()?;
    let dead = network.add(&b)?;
    ensure_eq!(removals(&[], "")?, [], "removed of the living");
    b.netns.remove()?;
    await_end(dead.interface(1)?)?;
    ensure_eq!(removals(&[], "")?, [("b-sandbox".to_owned(), true)], "removed");
    before.ensure_unchanged("podnet gc")?;
    network.check(&a, &added)
}

/// Files' times have the grain of the kernel's tick, and what is as old as the list counts as newer.
fn write_later_than_records(path: &str, text: &str) -> Outcome {
    let modified = |path: &Path| Ok::<_, Failure>(fs::metadata(path)?.modified()?);
    let mut newest = None;
    for record in fs::read_dir("/run/podnet/attachments")? {
        newest = newest.max(Some(modified(&record?.path())?));
    }
    wait::until(Duration::from_secs(2), format_args!("{path} newer than the records"), || {
        fs::write(path, text)?;
        Ok((Some(modified(Path::new(path))?) > newest).then_some(()))
    })
}

fn gc_believes_a_list() -> Outcome {
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    let before = Snapshot::take()?;
    network.add(&b)?;
    ensure_eq!(
        removals(&["--dry-run", "--alive", "-"], "a-sandbox\nelsewhere\n")?,
        [("b-sandbox".to_owned(), false)],
        "of a dry run"
    );
    write_later_than_records("/run/alive", "a-sandbox\n")?;
    ensure_eq!(removals(&["--alive", "/run/alive"], "")?, [("b-sandbox".to_owned(), true)], "removed");
    before.ensure_unchanged("podnet gc")?;
    let attachments = json!({"cni.dev/valid-attachments": [{"containerID": "a-sandbox", "ifname": "eth0"}]});
    ensure_eq!(removals(&["--alive", "-"], &attachments.to_string())?, [], "removed of the living");
    ensure_eq!(removals(&["--alive", "-"], "[]")?, [("a-sandbox".to_owned(), true)], "removed of none alive");
    Ok(())
}

fn gc_leaves_newer() -> Outcome {
    fs::write("/run/alive", "nobody")?;
    let pod = Pod::create("a")?;
    network()?.add(&pod)?;
    ensure_eq!(removals(&["--alive", "/run/alive"], "")?, [], "removed of what is newer than the list");
    Ok(())
}

/// containerd's state of a running container.
pub(crate) fn task(container: &str) -> Outcome {
    let folder = format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{container}");
    fs::create_dir_all(&folder).doing(&folder)
}

fn gc_asks_containerd() -> Outcome {
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    let before = Snapshot::take()?;
    network.add(&b)?;
    task(&a.container)?;
    ensure_eq!(
        removals(&[], "")?,
        [("b-sandbox".to_owned(), true)],
        "removed of what containerd does not know"
    );
    before.ensure_unchanged("podnet gc")
}

/// A process in the pod's namespace, ended with the value.
pub(crate) struct Inhabitant(Child);

impl Inhabitant {
    pub(crate) fn of(pod: &Pod) -> Result<Self, Failure> {
        let child = command("ip", ["netns", "exec", pod.netns.name(), "sleep", "60"]).spawn()?;
        let own = fs::read_link("/proc/self/ns/net")?;
        let inhabitant = Self(child);
        wait::until(Duration::from_secs(8), "a process in the pod's namespace", || {
            let theirs = fs::read_link(format!("/proc/{}/ns/net", inhabitant.0.id()))?;
            Ok((theirs != own).then_some(()))
        })?;
        Ok(inhabitant)
    }
}

impl Drop for Inhabitant {
    fn drop(&mut self) {
        let _may_have_ended = self.0.kill();
        let _collected = self.0.wait();
    }
}

fn gc_of_a_lost_record() -> Outcome {
    let network = network()?;
    crate::table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    // Nothing but its link and its rules is left of the pod.
    lose_record()?;
    for address in ["10.244.1.3", "fd00:10:244:1::3"] {
        fs::remove_file(format!("/var/lib/cni/networks/kubenet/{address}")).doing(address)?;
    }
    task("another")?;
    let inhabitant = Inhabitant::of(&pod)?;
    ensure_eq!(removals(&[], "")?, [], "removed of a pod with a process");
    drop(inhabitant);
    ensure_eq!(removals(&[], "")?, [("a-sandbox".to_owned(), true)], "removed");
    before.ensure_unchanged("podnet gc")
}

fn gc_sees_processes() -> Outcome {
    let network = network()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    // containerd is there, and does not know the container: podman's, perhaps.
    task("another")?;
    let inhabitant = Inhabitant::of(&pod)?;
    ensure_eq!(removals(&[], "")?, [], "removed of a pod with a process");
    // The name of the namespace goes, the namespace stays.
    pod.netns.remove()?;
    ensure_eq!(removals(&[], "")?, [], "removed of a pod with a process, without a path");
    drop(inhabitant);
    ensure_eq!(removals(&[], "")?, [("a-sandbox".to_owned(), true)], "removed");
    Ok(())
}
