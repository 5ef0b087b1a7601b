//! Ranges that overlap: refused with both named, at the start, at a reload and when a source says them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::{ensure, ensure_eq, tools, wait};

use super::{Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("ranges::an_overlap_is_refused_at_the_start", at_the_start),
    ("ranges::an_overlap_is_refused_at_a_reload", at_a_reload),
    ("ranges::an_overlap_in_the_sources_file_is_refused_at_the_start", of_a_file),
    ("ranges::an_overlap_of_the_source_is_refused", of_the_source),
];

const SOON: Duration = Duration::from_secs(10);

/// The node's link.
fn eth0(address: &str) -> Outcome {
    Place::Node.ip(&["link", "add", "eth0", "type", "bridge"])?;
    Place::Node.ip(&["addr", "add", address, "dev", "eth0"])?;
    Place::Node.ip(&["link", "set", "eth0", "up"]).map(drop)
}

fn overlay(subnet: &str) -> String {
    format!("source: {{kind: static, overlay: true, subnet: {subnet}, ranges: [{subnet}]}}\n")
}

/// What a daemon that does not start says.
fn refusal(folder: &Path, config: &str) -> Result<String, Failure> {
    Ipamd::configure(folder, config)?;
    let file = folder.join("ipamd.yaml").display().to_string();
    let ended = run(&mut command(tools::ipamd()?, ["serve", "--config", &file]), b"")?;
    ensure_eq!(ended.status.code(), Some(1), "exit code of {ended}");
    Ok(ended.stderr)
}

fn at_the_start() -> Outcome {
    eth0("10.224.0.4/16")?;
    let folder = folder()?;
    let vnet = "source: {kind: static, subnet: 10.224.0.0/16, ranges: [10.224.0.0/24]}\n";
    for (config, expected) in [
        (
            overlay("10.224.7.0/24"),
            "pod range 10.224.7.0/24 overlaps subnet 10.224.0.0/16 of the node's link eth0",
        ),
        (
            format!("{}ranges: {{vnet: [10.240.0.0/12]}}\n", overlay("10.244.1.0/24")),
            "pod range 10.244.1.0/24 overlaps VNet range 10.240.0.0/12",
        ),
        (
            format!("{}ranges: {{service: [10.244.0.0/16]}}\n", overlay("10.244.1.0/24")),
            "pod range 10.244.1.0/24 overlaps service range 10.244.0.0/16",
        ),
        (
            format!("{}ranges: {{service: [10.224.128.0/20]}}\n", overlay("10.244.1.0/24")),
            "service range 10.224.128.0/20 overlaps subnet 10.224.0.0/16 of the node's link eth0",
        ),
        (vnet.to_owned(), "pod range 10.224.0.0/24 contains 10.224.0.4, the node's own address on link eth0"),
    ] {
        let said = refusal(&folder, &config)?;
        ensure!(said.contains(expected), "{expected:?} is not what is said of\n{config}\n{said}");
    }
    // Pods of the VNet in the node's own subnet are as they should be.
    let daemon = Ipamd::start(&folder, &vnet.replace("10.224.0.0/24", "10.224.1.0/24"))?;
    daemon.ready()
}

fn at_a_reload() -> Outcome {
    eth0("10.224.0.4/16")?;
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, &overlay("10.244.1.0/24"))?;
    daemon.ready()?;
    Ipamd::configure(&folder, &overlay("10.224.7.0/24"))?;
    let expected = "pod range 10.224.7.0/24 overlaps subnet 10.224.0.0/16 of the node's link eth0";
    wait::until(SOON, "the refusal in the log", || Ok(daemon.log()?.contains(expected).then_some(())))?;
    let address = daemon.request("a")?.address()?;
    ensure!(address.starts_with("10.244.1."), "{address} is not of the range that stays in force");
    Ok(())
}

/// What the source's file says is there from the beginning.
fn of_a_file() -> Outcome {
    eth0("10.224.0.4/16")?;
    let folder = folder()?;
    let file = folder.join("source.yaml");
    let source = |kind: &str| format!("source: {{kind: {kind}, file: {}}}\n", file.display());
    let vnet = "ranges: {vnet: [10.224.0.0/12], service: [10.0.0.0/16]}\n";
    for (kind, said, expected) in [
        (
            "podCIDR",
            "spec: {podCIDRs: ['10.224.7.0/24']}",
            "pod range 10.224.7.0/24 overlaps VNet range 10.224.0.0/12",
        ),
        (
            "podCIDR",
            "spec: {podCIDR: 10.0.5.0/24}",
            "pod range 10.0.5.0/24 overlaps service range 10.0.0.0/16",
        ),
        (
            "nodeNetworkConfig",
            "status: {networkContainers: [{id: a, assignmentMode: static, type: overlay, \
             primaryIP: 10.224.7.0/24, subnetAddressSpace: 10.224.0.0/16}]}",
            "pod range 10.224.0.0/16 overlaps VNet range 10.224.0.0/12",
        ),
    ] {
        fs::write(&file, said)?;
        let refused = refusal(&folder, &format!("{}{vnet}", source(kind)))?;
        ensure!(refused.contains(expected), "{expected:?} is not what is said of\n{said}\n{refused}");
    }
    // One that is not there, or says nothing, may be mended at any time.
    for said in ["", "podCIDRs: [10.224.7.0/33]"] {
        fs::write(&file, said)?;
        drop(Ipamd::start(&folder, &source("podCIDR"))?);
    }
    fs::remove_file(&file)?;
    Ipamd::start(&folder, &source("podCIDR")).map(drop)
}

/// The source may say it later than the daemon starts: nothing of it is handed out, and what was good before stays.
fn of_the_source() -> Outcome {
    eth0("10.224.0.4/16")?;
    let folder = folder()?;
    let file = folder.join("node.yaml");
    let say = |range: &str| -> Outcome {
        let new = folder.join("node.yaml.new");
        fs::write(&new, format!("podCIDRs: [{range}]\n"))?;
        Ok(fs::rename(new, &file)?)
    };
    let refused = |daemon: &Ipamd, expected: &str| {
        wait::until(SOON, format!("the source's error {expected:?}"), || {
            let status = daemon.get("/debug/status")?.json()?;
            Ok(status["source"]["error"].as_str().is_some_and(|said| said.contains(expected)).then_some(()))
        })
    };
    let config =
        format!("source: {{kind: podCIDR, file: {}}}\nranges: {{service: [10.0.0.0/16]}}\n", file.display());
    let daemon = Ipamd::start(&folder, &config)?;
    say("10.224.7.0/24")?;
    refused(&daemon, "pod range 10.224.7.0/24 overlaps subnet 10.224.0.0/16 of the node's link eth0")?;
    let readiness = daemon.get("/readyz")?;
    ensure!(readiness.status == 503 && readiness.body.contains("10.224.7.0/24"), "{readiness:?}");
    say("10.244.1.0/24")?;
    daemon.ready()?;
    say("10.0.5.0/24")?;
    refused(&daemon, "pod range 10.0.5.0/24 overlaps service range 10.0.0.0/16")?;
    let address = daemon.request("a")?.address()?;
    ensure!(address.starts_with("10.244.1."), "{address} is not of the last good range");
    Ok(())
}
