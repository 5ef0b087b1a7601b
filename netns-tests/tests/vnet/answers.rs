//! Daemons that answer wrongly, or are not ours: a code for each, and nothing is left of the ADD, on the node or with them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::stand_in::{Answer, StandIn};
use podnet_netns_tests::subject::{Family, SUBNET_V4, SUBNET_V6};
use podnet_netns_tests::{ensure, ensure_eq, probe};
use serde_json::json;

use super::{Test, network};
use crate::daemon_addresses::failed_add;
use crate::look;

pub(super) const TESTS: &[Test] = &[
    ("answers_that_no_pod_can_have", answers),
    ("a_daemon_that_takes_its_time", slowness),
    ("a_cns_that_says_nothing", silence_of_a_cns),
    ("a_socket_that_is_not_ours", foreign_sockets),
    ("a_second_add_asks_no_cns", a_second_add_asks_no_cns),
];

pub(super) const SOCKET: &str = "/run/stand-in.sock";
const REQUEST: &str = "/network/requestipconfigs";
const RELEASE: &str = "/network/releaseipconfigs";

/// What podnet takes addresses from, and a network with it that has come to rest.
pub(super) fn stage(family: Family) -> Result<(StandIn, Network), Failure> {
    let daemon = StandIn::on_socket(Path::new(SOCKET))?;
    let network = network()?.with("/ipam/socket", SOCKET);
    daemon.answers(granted(family, 5, ""));
    crate::table::settle(&network)?;
    daemon.heard();
    Ok((daemon, network))
}

/// What podnet takes addresses from as from a CNS, and a network with it.
fn stage_over_tcp(family: Family) -> Result<(StandIn, Network), Failure> {
    let (cns, port) = StandIn::on_tcp()?;
    let ipam = json!({"type": "azure-cns", "url": format!("http://127.0.0.1:{port}")});
    cns.answers(granted(family, 5, ""));
    Ok((cns, network()?.with("/ipam", ipam)))
}

/// The family's first subnet, and in it an address.
fn granted(family: Family, host: u8, gateway: &str) -> Answer {
    let subnet = if family.has_v4() { SUBNET_V4 } else { SUBNET_V6 };
    let (net, length) = subnet.split_once('/').unwrap_or((subnet, "0"));
    let address = match net.strip_suffix(".0") {
        Some(beginning) => format!("{beginning}.{host}"),
        None => format!("{net}{host}"),
    };
    Answer::grant(&address, (net, length.parse().unwrap_or_default()), gateway)
}

fn answers(family: Family) -> Outcome {
    let (daemon, network) = stage(family)?;
    let of_node = if family.has_v4() { "10.244.1.9" } else { "fd00:10:244:1::9" };
    Place::Node.ip(&["addr", "add", of_node, "dev", "lo"])?;
    // Of IPv6 the kernel makes the address its own a moment later.
    probe::reach(Place::Node, Place::Node, of_node.parse()?, Duration::from_secs(3))?;
    let outside = if family.has_v4() { "10.99.0.1" } else { "fd00:99::1" };
    let nothing =
        |infos| Answer::ok(&json!({"podIPInfo": infos, "response": {"ReturnCode": 0, "Message": ""}}));
    let refusal = |code: u32| {
        Answer::ok(&json!({"podIPInfo": [], "response": {"ReturnCode": code, "Message": "so it is"}}))
    };
    for (what, answer, code, words) in [
        ("cut off", granted(family, 5, "").cut(), 11, "requestipconfigs"),
        ("not HTTP", Answer::Bytes("hello\r\n\r\n".to_owned()), 11, "requestipconfigs"),
        ("not JSON", Answer::http("200 OK", "<html></html>"), 108, SOCKET),
        ("of another shape", Answer::http("200 OK", "[1, 2]"), 108, SOCKET),
        ("a refusal of HTTP's", Answer::http("403 Forbidden", "no"), 108, "403"),
        ("out of order", Answer::http("503 Service Unavailable", "not now"), 11, "503"),
        ("empty pool", refusal(32), 11, "so it is"),
        ("unknown pod", refusal(34), 108, "so it is"),
        ("without addresses", nothing(json!([])), 108, "no address"),
        ("with null for addresses", nothing(json!(null)), 108, "no address"),
        ("with a word for an address", Answer::grant("somewhere", ("10.0.0.0", 16), ""), 108, "somewhere"),
        ("with loopback's address", Answer::grant("127.0.0.1", ("127.0.0.0", 8), ""), 7, "127.0.0.1"),
        ("with a gateway outside", granted(family, 5, outside), 7, outside),
        ("with the node's address", granted(family, 9, ""), 102, "in use on this node"),
    ] {
        daemon.answers(answer);
        let pod = Pod::create("a")?;
        let before = Snapshot::take()?;
        let error = failed_add(&network, &pod)?;
        ensure_eq!(error.code, code, "an answer {what}: code of {error:?}");
        ensure!(error.names(words), "an answer {what}: {words:?} is not in {error:?}");
        before.ensure_unchanged(what)?;
        ensure!(look::find((&pod).into(), "eth0")?.is_none(), "an answer {what}: a link is left in the pod");
        // What refuses has given nothing.
        let is_refusal = error.names("so it is");
        ensure!(
            is_given_back(&daemon)? || is_refusal,
            "an answer {what}: what the daemon may have given is not given back"
        );
    }
    Ok(())
}

/// Nothing was asked for, or it was released, or an intent waits for the daemon; which goes for the next case.
pub(super) fn is_given_back(daemon: &StandIn) -> Result<bool, Failure> {
    let heard = daemon.heard();
    let mut waits = false;
    let intents = format!("{SOCKET}.d");
    for entry in fs::read_dir(&intents).into_iter().flatten() {
        let path = entry?.path();
        waits |= path.file_name().is_some_and(|name| name != "pool");
        fs::remove_file(path)?;
    }
    Ok(waits || heard.iter().all(|path| path != REQUEST) || heard.iter().any(|path| path == RELEASE))
}

/// It says nothing, or every now and then a byte of what would be an answer: the limit is the whole call's.
fn slowness(family: Family) -> Outcome {
    let (daemon, network) = stage(family)?;
    let dripping = granted(family, 5, "").dripping(Duration::from_secs(20));
    for (what, answer) in [("silence", Answer::Silence), ("a drip", dripping)] {
        daemon.answers(answer);
        unanswered(&network, &Pod::create("a")?).doing(what)?;
        ensure!(is_given_back(&daemon)?, "{what}: what the daemon may have given is not given back");
    }
    Ok(())
}

/// A CNS that is stuck is not waited for twice: the release of what it may have given waits for it.
fn silence_of_a_cns(family: Family) -> Outcome {
    let (cns, network) = stage_over_tcp(family)?;
    crate::table::settle(&network)?;
    cns.answers(Answer::Silence);
    let pod = Pod::create("a")?;
    unanswered(&network, &pod)?;
    let left = Path::new("/var/run/azure-vnet/deleteIDs").join(&pod.container);
    ensure!(left.try_exists()?, "what the CNS may have given is not given back");
    cns.answers(granted(family, 5, ""));
    let added = network.add(&pod)?;
    ensure!(!left.try_exists()?, "a release waits for a live pod");
    network.del(&pod, Some(&added))
}

/// An ADD whose daemon says nothing.
fn unanswered(network: &Network, pod: &Pod) -> Outcome {
    let before = Snapshot::take()?;
    let begin = Instant::now();
    let error = failed_add(network, pod)?;
    // The promise is a second; the rest is the machine's.
    ensure!(begin.elapsed() < Duration::from_secs(6), "the failure took {:?}", begin.elapsed());
    ensure!(error.code == 11 && error.names("no answer in time"), "{error:?}");
    before.ensure_unchanged("an ADD without answer")
}

fn foreign_sockets(family: Family) -> Outcome {
    let (daemon, network) = stage(family)?;
    let refused = |network: &Network, what: &str, words: &str| {
        let before = Snapshot::take()?;
        let error = failed_add(network, &Pod::create("a")?)?;
        ensure_eq!(error.code, 108, "{what}: code of {error:?}");
        ensure!(error.names(words), "{what}: {error:?}");
        ensure_eq!(daemon.heard(), Vec::<String>::new(), "{what}: what it was asked");
        before.ensure_unchanged(what)
    };
    for mode in [0o666, 0o602, 0o660] {
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(mode))?;
        refused(&network, &format!("a socket of mode {mode:o}"), "root's alone")?;
    }
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o600))?;
    chown(SOCKET, Some(1000), None)?;
    refused(&network, "somebody else's socket", "root's alone")?;
    chown(SOCKET, Some(0), None)?;
    symlink(SOCKET, "/run/link.sock")?;
    refused(&network.clone().with("/ipam/socket", "/run/link.sock"), "a link to a socket", "no socket")?;
    network.add(&Pod::create("b")?).map(drop)
}

/// Azure's CNS breaks off a second request for a live pod, and its client then releases that pod's address.
fn a_second_add_asks_no_cns(family: Family) -> Outcome {
    let (cns, network) = stage_over_tcp(family)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    ensure_eq!(cns.heard(), [REQUEST], "what ADD asks for");
    cns.answers(Answer::Bytes(String::new()));
    let before = Snapshot::take()?;
    let error = failed_add(&network, &pod)?;
    ensure!(error.code >= 100 && error.names(&pod.container), "{error:?}");
    ensure_eq!(cns.heard(), Vec::<String>::new(), "what a second ADD asks for");
    before.ensure_unchanged("a second ADD")?;
    ensure_eq!(look::addresses(&look::link((&pod).into(), "eth0")?), added.cidrs(), "the pod's addresses");
    network.del(&pod, Some(&added))?;
    ensure_eq!(cns.heard(), [RELEASE], "what DEL asks for");
    Ok(())
}
