//! The real documents at the real addresses, and everything that can be wrong with them.

use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::{Ipamd, over_tcp};
use podnet_netns_tests::origin::{Origin, ok};
use podnet_netns_tests::{ensure, ensure_eq, wait};

use super::{Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("source::wireserver_gives_the_secondary_addresses", wireserver),
    ("source::imds_is_asked_with_its_header", imds),
    ("source::an_ill_wireserver_changes_nothing", ill_wireserver),
    ("source::an_ill_imds_changes_nothing", ill_imds),
    ("source::an_address_that_vanishes_is_kept_while_assigned", vanishing),
    ("source::a_dry_pool_is_asked_for_sooner", dry),
    ("source::a_node_object_in_a_file", pod_cidr),
    ("source::a_node_network_config_that_grows", node_network_config),
];

const WIRESERVER: &str = r#"<Interfaces><Interface MacAddress="002248263DBD" IsPrimary="true"><IPSubnet Prefix="10.240.0.0/16">
 <IPAddress Address="10.240.0.4" IsPrimary="true"/><IPAddress Address="10.240.0.5" IsPrimary="false"/></IPSubnet></Interface></Interfaces>"#;

const IMDS: &str = r#"{"interface":[{"ipv4":{"ipAddress":[{"privateIpAddress":"10.1.0.4","publicIpAddress":""},{"privateIpAddress":"10.1.0.5","publicIpAddress":""}],"subnet":[{"address":"10.1.0.0","prefix":"24"}]},"ipv6":{"ipAddress":[]},"macAddress":"000D3A328570"}]}"#;

const METRICS: &str = "127.0.0.1:10092";

fn polled(kind: &str) -> String {
    format!("metrics: '{METRICS}'\nsource: {{kind: {kind}, fastest: 100ms, slowest: 100ms}}\n")
}

/// The value of a metric without labels.
fn metric(name: &str) -> Result<u64, Failure> {
    let page = over_tcp(METRICS, METRICS, "GET", "/metrics", "")?.body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.doing(name)?.parse()?)
}

fn wireserver() -> Outcome {
    let origin = Origin::at("168.63.129.16", &ok(WIRESERVER))?;
    let daemon = Ipamd::start(&folder()?, &polled("wireserver"))?;
    daemon.ready()?;
    let grant = daemon.request("a")?;
    ensure_eq!(grant.address()?, "10.240.0.5", "the one secondary address");
    let info = grant.json()?["podIPInfo"][0]["HostPrimaryIPInfo"].clone();
    ensure_eq!(info["PrimaryIP"], "10.240.0.4", "the node");
    ensure_eq!(info["Gateway"], "10.240.0.1", "its gateway");
    let head = origin.heads().remove(0);
    let asked = "GET /machine/plugins?comp=nmagent&type=getinterfaceinfov1 HTTP/1.1";
    ensure!(head.starts_with(asked), "asked with {head}");
    Ok(())
}

fn imds() -> Outcome {
    let origin = Origin::at("169.254.169.254", &ok(IMDS))?;
    let daemon = Ipamd::start(&folder()?, &polled("imds"))?;
    daemon.ready()?;
    ensure_eq!(daemon.request("a")?.address()?, "10.1.0.5", "the second address");
    let head = origin.heads().remove(0);
    ensure!(head.to_ascii_lowercase().contains("\r\nmetadata: true\r\n"), "asked with {head}");
    ensure!(head.starts_with("GET /metadata/instance/network?"), "asked with {head}");
    Ok(())
}

fn ill_wireserver() -> Outcome {
    let entity = WIRESERVER.replace("10.240.0.5", "&five;");
    let declared = format!("<!DOCTYPE a [<!ENTITY five '10.240.0.5'>]>{entity}");
    ill("wireserver", "168.63.129.16", WIRESERVER, &[entity, declared])
}

fn ill_imds() -> Outcome {
    ill("imds", "169.254.169.254", IMDS, &[IMDS.replace("10.1.0.5", "10.9.0.5")])
}

/// Each ill answer is an error that is counted and said, and the pool stays as it was.
fn ill(kind: &str, address: &str, good: &str, more: &[String]) -> Outcome {
    let origin = Origin::at(address, &ok(good))?;
    let daemon = Ipamd::start(&folder()?, &polled(kind))?;
    daemon.ready()?;
    let held = daemon.request("a")?.address()?;
    let half: String = good.chars().take(good.len() / 2).collect();
    let mut answers = vec![
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        ok("<html><body>welcome to the hotel</body></html>"),
        ok(&half),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{half}", good.len()),
        ok(""),
        ok(&format!("{good}{}", " ".repeat(1 << 20))),
        "this is no HTTP\r\n\r\n".to_owned(),
        String::new(),
    ];
    answers.extend(more.iter().map(|document| ok(document)));
    let mut said = Vec::new();
    for answer in answers {
        let before = metric("podnet_ipamd_source_errors_total")?;
        origin.answer(&answer);
        wait::until(Duration::from_secs(20), format!("an error for {answer:.80}"), || {
            Ok((metric("podnet_ipamd_source_errors_total")? > before + 1).then_some(()))
        })?;
        ensure_eq!(metric("podnet_ipamd_source_up")?, 0, "source_up after {answer:.80}");
        let status = daemon.get("/debug/status")?.json()?;
        ensure_eq!(status["pool"][0]["total"], 1, "the pool after {answer:.80}");
        let error = status["source"]["error"].as_str().unwrap_or_default().to_owned();
        ensure!(error.contains(address), "{error} does not name the source");
        said.push(error);
        origin.answer(ok(good));
        wait::until(Duration::from_secs(20), "the source is well again", || {
            Ok((metric("podnet_ipamd_source_up")? == 1).then_some(()))
        })?;
    }
    said.dedup();
    ensure!(said.len() >= 7, "the errors do not tell the cases apart: {said:#?}");
    ensure_eq!(daemon.request("a")?.address()?, held, "the pod's address after all that");
    let log = daemon.log()?;
    // Once a change, and not once a poll.
    let lines = log.lines().count();
    ensure!(lines < 80, "{lines} lines of log:\n{log}");
    Ok(())
}

fn vanishing() -> Outcome {
    let origin = Origin::at("168.63.129.16", &ok(WIRESERVER))?;
    let daemon = Ipamd::start(&folder()?, &polled("wireserver"))?;
    daemon.ready()?;
    ensure_eq!(daemon.request("a")?.address()?, "10.240.0.5", "the one address");
    origin.answer(ok(&WIRESERVER.replace("10.240.0.5", "10.240.0.6")));
    wait::until(Duration::from_secs(20), "the orphan is reported", || {
        Ok((metric("podnet_ipamd_orphaned_addresses")? == 1).then_some(()))
    })?;
    ensure_eq!(daemon.request("a")?.address()?, "10.240.0.5", "a pod keeps its address");
    ensure_eq!(daemon.request("b")?.address()?, "10.240.0.6", "another gets the new one");
    daemon.release("a")?;
    ensure_eq!(
        daemon.request("c")?.json()?["response"]["ReturnCode"],
        32,
        "what vanished is not handed out again"
    );
    ensure!(daemon.log()?.contains("10.240.0.5"), "the orphan is not logged");
    Ok(())
}

fn dry() -> Outcome {
    let origin = Origin::at("168.63.129.16", &ok(WIRESERVER))?;
    let source = "source: {kind: wireserver, fastest: 100ms, slowest: 1h}\n";
    let daemon = Ipamd::start(&folder()?, source)?;
    daemon.ready()?;
    // While there is a free address, the pace slows down: 100 ms, 200, 400, …
    wait::until(Duration::from_secs(20), "some polls", || Ok((origin.heads().len() >= 5).then_some(())))?;
    daemon.request("a")?;
    let before = origin.heads().len();
    wait::until(Duration::from_secs(5), "ten polls of a dry pool", || {
        Ok((origin.heads().len() >= before + 10).then_some(()))
    })?;
    origin.answer(ok(&WIRESERVER.replace("10.240.0.5", "10.240.0.6")));
    wait::until(Duration::from_secs(5), "the new address is there", || {
        Ok(daemon.request("b")?.address().ok())
    })?;
    Ok(())
}

fn pod_cidr() -> Outcome {
    let folder = folder()?;
    let file = folder.join("node.yaml");
    let source = format!("source: {{kind: podCIDR, file: {}}}\n", file.display());
    let daemon = Ipamd::start(&folder, &source)?;
    let waiting = daemon.request("a")?;
    ensure_eq!(waiting.status, 503, "without the file: {}", waiting.body);
    ensure!(waiting.body.contains("no addresses yet"), "{}", waiting.body);
    write(&file, "kind: Node\nspec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}\n")?;
    daemon.ready()?;
    let grant = daemon.request("a")?;
    ensure_eq!(grant.address()?, "10.244.1.2", "the first address after the bridge's");
    let network = grant.json()?["podIPInfo"][0]["NetworkContainerPrimaryIPConfig"].clone();
    ensure_eq!(network["GatewayIPAddress"], "10.244.1.1", "the bridge");
    write(&file, "kind: Node\nspec: {podCIDR: 10.244.1.0/2")?;
    wait::until(Duration::from_secs(5), "half a file is an error", || {
        let status = daemon.get("/debug/status")?.json()?;
        Ok(status["source"]["error"].as_str().map(str::to_owned))
    })?;
    ensure_eq!(daemon.request("b")?.address()?, "10.244.1.3", "the last good range holds");
    Ok(())
}

fn node_network_config() -> Outcome {
    let folder = folder()?;
    let file = folder.join("nnc.yaml");
    let document = |requested: u32, count: u32| {
        let assignment = |at| format!("    - {{name: uuid-{at}, ip: 10.241.0.{}}}\n", at + 10);
        let assignments = (0..count).map(assignment).collect::<Vec<_>>().concat();
        format!(
            "spec: {{requestedIPCount: {requested}}}\nstatus:\n  scaler: {{batchSize: 4, requestThresholdPercent: 50, \
             releaseThresholdPercent: 150, maxIPCount: 12}}\n  networkContainers:\n  - id: nc-1\n    assignmentMode: dynamic\n    \
             subnetAddressSpace: 10.241.0.0/16\n    defaultGateway: 10.241.0.1\n    nodeIP: 10.240.0.4\n    ipAssignments:\n{assignments}"
        )
    };
    write(&file, &document(4, 4))?;
    let daemon =
        Ipamd::start(&folder, &format!("source: {{kind: nodeNetworkConfig, file: {}}}\n", file.display()))?;
    daemon.ready()?;
    for container in ["a", "b", "c"] {
        daemon.request(container)?.address()?;
    }
    let request = folder.join("nnc.yaml.request");
    wait::until(Duration::from_secs(5), "a request for another batch", || {
        let text = std::fs::read_to_string(&request).unwrap_or_default();
        Ok(text.contains(r#""requestedIPCount":8"#).then_some(()))
    })?;
    write(&file, &document(8, 8))?;
    wait::until(Duration::from_secs(5), "the batch is there", || {
        Ok((daemon.get("/debug/status")?.json()?["pool"][0]["total"] == 8).then_some(()))
    })?;
    let addresses = daemon.post("/debug/ipaddresses", r#"{"IPConfigStateFilter":["Assigned"]}"#)?.json()?;
    ensure_eq!(addresses["IPConfigurationStatus"][0]["ID"], "uuid-0", "the source's own name");
    ensure_eq!(addresses["IPConfigurationStatus"][0]["NCID"], "nc-1", "the network container");
    Ok(())
}

fn write(file: &std::path::Path, text: &str) -> Outcome {
    let new = file.with_extension("new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(&new, file)?)
}
