//! The reference runtime drives the plugin: cnitool 1.3.0 and 1.3.1 with the shipped network configurations.

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::reply::{self, Added};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::tools::CnitoolVersion;
use podnet_netns_tests::{ensure_eq, probe};

use crate::runtime;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "cnitool",
        &Family::ALL,
        &[
            ("1.3.0_all_verbs", |scene| all_verbs(scene, CnitoolVersion::V1_3_0), None),
            ("1.3.1_all_verbs", |scene| all_verbs(scene, CnitoolVersion::V1_3_1), None),
        ],
    )
}

fn all_verbs(scene: Scene, version: CnitoolVersion) -> Outcome {
    let tool = Cnitool::load(version, &runtime::shipped(scene)?, &scene.subject.folder()?)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    tool.run("status", &a)?.success()?;
    // A first pod comes and goes: what stays of it is the network's own.
    reply::result(tool.run("add", &a)?)?;
    reply::silence(tool.run("del", &a)?)?;
    let before = Snapshot::take()?;

    let mut added: Vec<Added> = Vec::new();
    for pod in [&a, &b] {
        added.push(reply::result(tool.run("add", pod)?)?);
        reply::silence(tool.run("check", pod)?)?;
    }
    for &address in &added[1].addresses()? {
        let limit = std::time::Duration::from_secs(8);
        probe::reach((&a.netns).into(), (&b.netns).into(), address, limit)?;
    }
    reply::silence(tool.run("del", &a)?)?;
    reply::silence(tool.run("del", &a)?)?;
    reply::silence(tool.run("check", &b)?)?;
    // cnitool's gc names no attachment as valid: it takes every cached one off, here b.
    reply::silence(tool.run("gc", &b)?)?;
    before.ensure_unchanged("add, check, del and gc")?;
    ensure_eq!(tool.run("check", &b)?.status.success(), false, "success of a check of a pod that is gone");
    Ok(())
}
