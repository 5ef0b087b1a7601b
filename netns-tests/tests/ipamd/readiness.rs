//! The node is ready when the daemon can serve, and says so in one way.

use std::fs;
use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::{Context as _, Outcome};
use podnet_netns_tests::ipamd::{Ipamd, over_tcp};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::command;
use podnet_netns_tests::tools::{self, CnitoolVersion};
use podnet_netns_tests::{ensure, ensure_eq, process, wait};

use super::{STATIC, Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("readiness::the_conflist_appears_with_readiness", conflist),
    ("readiness::a_pod_gets_its_network_from_the_written_conflist", pod_by_conflist),
    ("readiness::a_stale_conflist_is_removed_at_the_start", stale),
    ("readiness::a_conflist_that_cannot_be_written_is_waited_for", unwritable),
    ("readiness::an_exhausted_pool_says_so", exhausted),
];

const CONFLIST: &str = "/run/net.d/10-podnet.conflist";

const METRICS: &str = "127.0.0.1:10092";

fn with_conflist(source: &str) -> String {
    format!("conflist: {{path: {CONFLIST}, template: vnet-transparent}}\n{source}")
}

fn conflist() -> Outcome {
    let folder = folder()?;
    let file = folder.join("node.yaml");
    let source = format!("source: {{kind: podCIDR, file: {}}}\n", file.display());
    let daemon = Ipamd::start(&folder, &with_conflist(&source))?;
    let waiting = daemon.get("/readyz")?;
    ensure!(waiting.status == 503 && waiting.body.contains("node.yaml"), "{waiting:?}");
    ensure_eq!(daemon.get("/healthz")?.status, 200, "alive, though not ready");
    ensure!(!Path::new(CONFLIST).exists(), "a conflist before the daemon can serve");
    fs::write(&file, "podCIDR: 10.244.1.0/24")?;
    daemon.ready()?;
    wait::until(Duration::from_secs(5), "the conflist", || Ok(Path::new(CONFLIST).exists().then_some(())))?;
    let text = fs::read_to_string(CONFLIST)?;
    ensure!(text.contains("/run/ipamd-test/state/ipamd.sock"), "{text}");
    // The runtime watches the directory: nothing else was ever to be seen in it.
    ensure_eq!(fs::read_dir("/run/net.d")?.count(), 1, "files beside it");
    Ok(())
}

fn pod_by_conflist() -> Outcome {
    let folder = folder()?;
    let file = folder.join("node.yaml");
    fs::write(&file, "podCIDR: 10.244.1.0/24")?;
    let source = format!("source: {{kind: podCIDR, file: {}}}\n", file.display());
    let config = with_conflist(&source).replace("vnet-transparent", "kubenet");
    let daemon = Ipamd::start(&folder, &config)?;
    let written = wait::until(Duration::from_secs(5), "the conflist", || Ok(fs::read(CONFLIST).ok()))?;
    let podnet = tools::podnet()?;
    let plugins = podnet.parent().doing("find the plugin's folder")?;
    let tool = Cnitool::load(CnitoolVersion::V1_3_1, &serde_json::from_slice(&written)?, plugins)?;
    let pod = Pod::create("a")?;
    let result: serde_json::Value = serde_json::from_str(&tool.run("add", &pod)?.success()?)?;
    ensure_eq!(result["ips"][0]["address"], "10.244.1.2/24", "the pod's address");
    ensure_eq!(result["ips"][0]["gateway"], "10.244.1.1", "its gateway, the bridge");
    tool.run("check", &pod)?.success()?;
    tool.run("del", &pod)?.success()?;
    ensure_eq!(daemon.get("/debug/status")?.json()?["pool"][0]["coolingDown"], 1, "given back");
    Ok(())
}

fn stale() -> Outcome {
    fs::create_dir("/run/net.d")?;
    fs::write(CONFLIST, "{}")?;
    let daemon =
        Ipamd::start(&folder()?, &with_conflist("source: {kind: podCIDR, file: /run/nowhere/node.yaml}\n"))?;
    ensure!(!Path::new(CONFLIST).exists(), "an old conflist says that the node is ready");
    ensure_eq!(daemon.get("/readyz")?.status, 503, "/readyz says the same");
    Ok(())
}

/// A directory that is read-only for a while, and a file of somebody else's that comes first.
fn unwritable() -> Outcome {
    let watched = Path::new("/run/net.d");
    fs::create_dir(watched)?;
    let mount = |options: &str| process::tool(&["mount", "-t", "tmpfs", "-o", options, "none", "/run/net.d"]);
    mount("ro")?;
    let config = with_conflist(&format!("metrics: '{METRICS}'\n{STATIC}"));
    let daemon = Ipamd::start(&folder()?, &config)?;
    daemon.ready()?;
    let logged = |words: &'static str| {
        let what = format!("the log says {words:?}");
        wait::until(Duration::from_secs(30), &what, || Ok(daemon.log()?.contains(words).then_some(())))
    };
    let shown = |words: &'static str| told(&daemon, words);
    let read_only =
        "the node will not become ready: cannot write /run/net.d/10-podnet.conflist: Read-only file system";
    logged(read_only)?;
    shown(read_only)?;
    ensure!(daemon.request("a")?.address().is_ok(), "addresses all the same");
    mount("remount,rw")?;
    wait::until(Duration::from_secs(30), "the conflist", || Ok(Path::new(CONFLIST).exists().then_some(())))?;
    fs::write(watched.join("05-other.conflist"), "{}")?;
    let overshadowed =
        "the container runtime uses /run/net.d/05-other.conflist instead of /run/net.d/10-podnet.conflist";
    logged(overshadowed)?;
    shown(overshadowed)?;
    fs::remove_file(watched.join("05-other.conflist"))?;
    shown("in force")
}

/// Waits until `podnet-ipamd status` and the status page say so of the conflist.
fn told(daemon: &Ipamd, words: &'static str) -> Outcome {
    let socket = daemon.socket().display().to_string();
    let shown =
        || process::run(&mut command(tools::ipamd()?, ["status", "--socket", &socket]), b"")?.success();
    wait::until(Duration::from_secs(30), format!("the status says {words:?}"), || {
        let line = format!("conflist: {words}");
        Ok(shown()?.lines().any(|shown| shown.starts_with(&line)).then_some(()))
    })?;
    let page = over_tcp(METRICS, METRICS, "GET", "/", "")?.body;
    let part = page.split("<h2>conflist</h2>").nth(1).and_then(|rest| rest.split("</p>").next());
    ensure!(part.is_some_and(|part| part.contains(words)), "{words:?} is not on the page: {page}");
    Ok(())
}

fn exhausted() -> Outcome {
    let source = STATIC.replace("10.224.1.0/24", "10.224.1.0/31");
    let daemon = Ipamd::start(&folder()?, &with_conflist(&source))?;
    daemon.ready()?;
    daemon.request("a")?.address()?;
    daemon.request("b")?.address()?;
    let third = daemon.request("c")?;
    let reply = third.json()?;
    ensure_eq!(reply["response"]["ReturnCode"], 32, "an exhausted pool");
    let message = reply["response"]["Message"].as_str().unwrap_or_default();
    ensure!(message.contains("not enough IPs available") && message.contains("2 assigned"), "{message}");
    ensure!(third.head.contains("Cns_return_code: FailedToAllocateIpConfig"), "{}", third.head);
    let ready = daemon.get("/readyz")?;
    ensure!(
        ready.status == 503 && ready.body.contains("no free IPv4 address: 2 of 2 are assigned"),
        "{ready:?}"
    );
    // Its pods go on: the node stays in service.
    ensure!(Path::new(CONFLIST).exists(), "a full pool took the node out of service");
    Ok(())
}
