//! The rules that the daemon keeps for all pods: Azure's metadata and DNS server see the node, whatever happens to the rules.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::{command, run, tool};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, probe, tools, wait};

use serde_json::Value;

use super::{Test, inside, network};
use crate::daemon_addresses::{COUNT, FIRST, FOLDER, SOCKET, start_with};
use crate::guard::arrives;
use crate::node_tool::podnet;

pub(super) const TESTS: &[Test] = &[
    ("the_clouds_services_see_the_node", services_see_the_node),
    ("node_rules_come_back", rules_come_back),
    ("node_rules_are_the_configurations", rules_are_the_configurations),
    ("node_rules_follow_the_source", rules_follow_the_source),
    ("without_nft_addresses_are_served", without_nft),
];

const IMDS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);
const DNS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16)), 53);

const SOON: Duration = Duration::from_secs(3);
/// For the daemon to do something on a busy machine. Without a notification it would take a minute.
const PATIENCE: Duration = Duration::from_secs(20);

const RULES: &str = "{snat: [imds, azureDNS], block: [wireserver]}";

/// The other node is the VNet, with Azure's services in it.
fn azure(family: Family) -> Result<OtherNode, Failure> {
    let other = OtherNode::create(family)?;
    for service in [IMDS, DNS] {
        other.serve(&service.ip().to_string())?;
    }
    Ok(other)
}

fn config(family: Family, rules: &str) -> String {
    let mut source = ipamd::source(family, FIRST, COUNT);
    source["nodeIP"] = "172.31.255.1".into();
    format!("source: {source}\npool: {{coolDown: 0s}}\nnodeRules: {rules}\n")
}

/// A daemon whose rules are in force.
fn daemon(family: Family) -> Result<Ipamd, Failure> {
    let daemon = start_with(&config(family, RULES))?;
    in_force(&daemon)?;
    Ok(daemon)
}

/// The table as the daemon's status and the kernel show it, once both do.
fn in_force(daemon: &Ipamd) -> Result<String, Failure> {
    wait::until(PATIENCE, "rules in force", || {
        let status = daemon.get("/debug/status")?.json()?;
        let table = table("inet podnet-node")?.filter(|_| status["nodeRules"]["inForce"] == true);
        Ok(table.filter(|table| table.matches("snat ip to 172.31.255.1").count() == 3))
    })
}

/// A table as nft prints it; none: there is none.
fn table(name: &str) -> Result<Option<String>, Failure> {
    let words = ["-s", "list", "table"].into_iter().chain(name.split(' '));
    let listed = run(&mut command("nft", words), b"")?;
    Ok(listed.status.success().then_some(listed.stdout))
}

/// The source that the service sees of a question over TCP. Like Azure's it answers the node's address only.
fn asked_over_tcp(
    from: Place<'_>,
    other: &OtherNode,
    service: SocketAddr,
) -> Result<(IpAddr, bool), Failure> {
    let what = format!("a question over TCP from {from} to {service}");
    let listener = other.place().inside(|| Ok(TcpListener::bind(service)?)).doing(&what)?;
    let mut client = from.inside(|| Ok(TcpStream::connect_timeout(&service, SOON)?)).doing(&what)?;
    client.set_read_timeout(Some(SOON))?;
    let (mut accepted, seen) = listener.accept()?;
    if other.masquerade_addresses()?.contains(&seen.ip()) {
        accepted.write_all(b"answer")?;
    }
    drop(accepted);
    let mut answer = String::new();
    let answered = client.read_to_string(&mut answer).is_ok() && answer == "answer";
    Ok((seen.ip(), answered))
}

/// The same over UDP.
fn asked_over_udp(
    from: Place<'_>,
    other: &OtherNode,
    service: SocketAddr,
) -> Result<(IpAddr, bool), Failure> {
    let what = format!("a question over UDP from {from} to {service}");
    let server = other.place().inside(|| Ok(UdpSocket::bind(service)?)).doing(&what)?;
    let client = from.inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?)).doing(&what)?;
    server.set_read_timeout(Some(SOON))?;
    client.set_read_timeout(Some(SOON))?;
    client.send_to(b"question", service).doing(&what)?;
    let (_, seen) = server.recv_from(&mut [0; 16]).doing(&what)?;
    if !other.masquerade_addresses()?.contains(&seen.ip()) {
        return Ok((seen.ip(), false));
    }
    server.send_to(b"answer", seen).doing(&what)?;
    Ok((seen.ip(), client.recv_from(&mut [0; 16]).is_ok()))
}

fn services_see_the_node(family: Family) -> Outcome {
    let other = azure(family)?;
    let node = other.masquerade_addresses()?[0];
    let daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    let own = network()?.add(&pod)?.addresses()?[0];
    let questions = || {
        Ok::<_, Failure>([
            asked_over_tcp(inside(&pod), &other, IMDS)?,
            asked_over_tcp(inside(&pod), &other, DNS)?,
            asked_over_udp(inside(&pod), &other, DNS)?,
        ])
    };
    ensure_eq!(
        questions()?,
        [(node, true); 3],
        "sources seen by IMDS and DNS, and whether the pod is answered"
    );
    // Nothing else is translated: another port of a service, and another address.
    let other_port = SocketAddr::new(IMDS.ip(), 8080);
    ensure_eq!(asked_over_tcp(inside(&pod), &other, other_port)?, (own, false), "another port of IMDS's");
    let far = other.pod_addresses()?[0];
    ensure_eq!(probe::reach(inside(&pod), other.place(), far, SOON)?, own, "source seen by a far pod");
    for (port, is_open) in [(53, true), (80, false), (32526, false)] {
        let target = SocketAddr::new(DNS.ip(), port);
        ensure_eq!(arrives(&pod, &other, target)?, is_open, "TCP port {port} of the wireserver is open");
    }
    // The table closes it to pods that the plugin does not keep from it, too.
    let unguarded = Pod::create("b")?;
    network()?.with("/blockWireserver", false).add(&unguarded)?;
    let wireserver = SocketAddr::new(DNS.ip(), 80);
    ensure!(
        !arrives(&unguarded, &other, wireserver)?,
        "the wireserver is open to a pod without a guard of its own"
    );
    // Without the rules the services see the pod, and do not answer.
    Ipamd::configure(Path::new(FOLDER), &config(family, "{}"))?;
    wait::until(PATIENCE, "the table removed", || Ok(table("inet podnet-node")?.is_none().then_some(())))?;
    ensure_eq!(
        questions()?,
        [(own, false); 3],
        "sources seen without rules, and whether the pod is answered"
    );
    ensure!(arrives(&unguarded, &other, wireserver)?, "the wireserver is closed though nobody asked for it");
    daemon.stop().map(drop)
}

/// Whatever becomes of the table, it comes back, and nobody else's is touched.
fn rules_come_back(family: Family) -> Outcome {
    let _gives_the_node_an_address = azure(family)?;
    let daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    network()?.add(&pod)?;
    tool(&[
        "nft",
        "table inet foreign { chain c { type filter hook forward priority 0; ip daddr 192.0.2.1 drop; }; }",
    ])?;
    let others = || Ok::<_, Failure>((table("inet foreign")?, table("inet podnet")?, table("ip nat")?));
    let (wanted, before) = (in_force(&daemon)?, others()?);
    ensure!(before.0.is_some() && before.1.is_some(), "the tables of others are not there: {before:?}");
    for damage in [
        "delete table inet podnet-node",
        "flush table inet podnet-node",
        "flush chain inet podnet-node postrouting",
        "delete chain inet podnet-node forward",
        "insert rule inet podnet-node postrouting accept",
        "add rule inet podnet-node forward ip daddr 192.0.2.1 drop",
    ] {
        tool(&["nft", damage])?;
        wait::until(PATIENCE, format!("rules as before after {damage}"), || {
            Ok(table("inet podnet-node")?.filter(|found| *found == wanted))
        })?;
        ensure_eq!(others()?, before, "tables of others after {damage}");
    }
    // All at once, as firewall programs do at their start.
    tool(&["nft", "flush ruleset"])?;
    wait::until(PATIENCE, "rules as before after flush ruleset", || {
        Ok(table("inet podnet-node")?.filter(|found| *found == wanted))
    })?;
    Ok(())
}

/// They follow the configuration, outlive the daemon, and go with the command that removes them.
fn rules_are_the_configurations(family: Family) -> Outcome {
    let _gives_the_node_an_address = azure(family)?;
    let started = daemon(family)?;
    Ipamd::configure(Path::new(FOLDER), &config(family, "{snat: [imds]}"))?;
    let fewer = wait::until(PATIENCE, "only the rule for IMDS", || {
        let found = table("inet podnet-node")?.unwrap_or_default();
        let services = [found.contains("169.254.169.254"), found.contains("168.63.129.16")];
        Ok((services == [true, false]).then_some(found))
    })?;
    started.stop()?;
    ensure_eq!(table("inet podnet-node")?.as_deref(), Some(fewer.as_str()), "rules after the daemon's end");
    let again = daemon(family)?;
    again.stop()?;
    let file = Path::new(FOLDER).join("ipamd.yaml").display().to_string();
    let cleanup = || run(&mut command(tools::ipamd()?, ["cleanup", "--config", &file]), b"")?.success();
    ensure_eq!(cleanup()?, "removed table inet podnet-node\n", "what the first cleanup says");
    ensure_eq!(table("inet podnet-node")?, None, "the table after cleanup");
    ensure_eq!(cleanup()?, "nothing to remove\n", "what the second cleanup says");
    // What an earlier configuration left is removed at the start.
    daemon(family)?.stop()?;
    let _without = start_with(&config(family, "{}"))?;
    wait::until(PATIENCE, "the table removed", || Ok(table("inet podnet-node")?.is_none().then_some(())))
}

/// They name the subnets that the source says, and a source that is away changes nothing, at a start neither.
fn rules_follow_the_source(family: Family) -> Outcome {
    let _gives_the_node_an_address = azure(family)?;
    let file = Path::new("/run/node.yaml");
    let say = |range: &str| -> Outcome {
        fs::write("/run/node.yaml.new", format!("podCIDRs: [{range}]\n"))?;
        Ok(fs::rename("/run/node.yaml.new", file)?)
    };
    let translated = |range: &str| {
        wait::until(PATIENCE, format!("a rule for {range}"), || {
            let found = table("inet podnet-node")?.unwrap_or_default();
            Ok((found.matches("ip saddr").count() == 1 && found.contains(range)).then_some(found))
        })
    };
    say("10.244.1.0/24")?;
    let source = "source: {kind: podCIDR, file: /run/node.yaml, nodeIP: 172.31.255.1}";
    let config = format!("{source}\nnodeRules: {{snat: [imds]}}\n");
    let daemon = start_with(&config)?;
    translated("10.244.1.0/24")?;
    say("10.244.3.0/24")?;
    let before = translated("10.244.3.0/24")?;
    daemon.stop()?;
    fs::remove_file(file)?;
    let daemon = Ipamd::start(Path::new(FOLDER), &config)?;
    wait::until(PATIENCE, "the source's error", || {
        Ok(daemon.get("/debug/status")?.json()?["source"]["error"].is_string().then_some(()))
    })?;
    ensure_eq!(table("inet podnet-node")?, Some(before), "the table while the source is away");
    say("10.244.1.0/24")?;
    translated("10.244.1.0/24").map(drop)
}

/// What the doctor says about the daemon.
fn doctor() -> Result<String, Failure> {
    fs::create_dir_all("/run/net.d")?;
    fs::write("/run/net.d/10-podnet.conflist", network()?.conflist().to_string())?;
    let words = ["doctor", "--conf-dir", "/run/net.d", "--output", "json"];
    let found: Vec<Value> = serde_json::from_str(&podnet(&words, "")?.stdout)?;
    Ok(found.iter().filter(|finding| finding["check"] == "daemon").map(Value::to_string).collect())
}

/// The rules are one thing, addresses another.
fn without_nft(family: Family) -> Outcome {
    let _gives_the_node_an_address = azure(family)?;
    let nft = tools::in_path("nft")?.display().to_string();
    tool(&["mount", "--bind", "/dev/null", &nft])?;
    let daemon = start_with(&config(family, RULES))?;
    let said = wait::until(PATIENCE, "an error about nft", || {
        let status = daemon.get("/debug/status")?.json()?;
        Ok(status["nodeRules"]["error"].as_str().map(str::to_owned))
    })?;
    ensure!(said.contains("nft") && said.contains("inet podnet-node"), "{said}");
    let found = doctor()?;
    ensure!(found.contains("cannot run nft"), "the doctor finds {found}");
    let pod = Pod::create("a")?;
    network()?.add(&pod)?;
    tool(&["umount", &nft])?;
    in_force(&daemon)?;
    ensure_eq!(doctor()?, "", "what the doctor finds when all is well");
    daemon.stop()?;
    let found = doctor()?;
    ensure!(found.contains(SOCKET), "the doctor finds {found} when there is no daemon");
    Ok(())
}
