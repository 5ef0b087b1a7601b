//! The shipped configuration lists, by the reference runtime's own tool.

use std::fs;
use std::path::{Path, PathBuf};

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::tools::{self, CnitoolVersion};
use podnet_netns_tests::{ensure_eq, probe, reply};
use serde_json::Value;

use super::inside;
use crate::daemon_addresses::{FOLDER, nobody_has_any};

/// A list's test and body.
type Test = (&'static str, fn() -> Outcome);

pub(super) const TESTS: &[Test] = &[
    ("list_vnet_transparent", || with_daemon("vnet-transparent", Family::V4)),
    ("list_vnet_dual_stack", || with_daemon("vnet-dual", Family::Dual)),
    ("list_vnet_overlay", || with_daemon("vnet-overlay", Family::V4)),
    ("list_vnet_bridge", || {
        let _fabric = super::bridge::fabric(Family::V4)?;
        with_daemon("vnet-bridge", Family::V4)
    }),
    ("list_vnet_chained", || with_daemon("vnet-chained", Family::V4)),
];

fn with_daemon(name: &str, family: Family) -> Outcome {
    let file = tools::workspace().join(format!("conf/{name}.conflist"));
    let list: Value = serde_json::from_str(&fs::read_to_string(&file).doing(file.display())?)?;
    fs::create_dir(FOLDER)?;
    let socket = Path::new("/run/podnet/ipamd.sock");
    let pool = ipamd::pool(family, 16, 8);
    let daemon = Ipamd::start_at(
        socket,
        Path::new(FOLDER),
        &format!("listen: {{socket: {}}}\n{pool}", socket.display()),
    )?;
    daemon.ready()?;
    let tool = Cnitool::load(CnitoolVersion::V1_3_1, &list, &plugins()?)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    reply::result(tool.run("add", &a)?)?;
    let added = reply::result(tool.run("add", &b)?)?;
    ensure_eq!(added.addresses()?.len(), family.pick((), ()).len(), "addresses of a pod");
    for address in added.addresses()? {
        probe::first_packet(inside(&a), inside(&b), address)?;
    }
    for pod in [&a, &b] {
        reply::silence(tool.run("check", pod)?)?;
        reply::silence(tool.run("del", pod)?)?;
        reply::silence(tool.run("del", pod)?)?;
    }
    nobody_has_any(&daemon)
}

/// Where podnet is, and what stands for a policy engine.
fn plugins() -> Result<PathBuf, Failure> {
    let engines = tools::workspace().join("netns-tests/plugins");
    Ok(std::env::join_paths([Subject::Podnet.folder()?, engines])?.into())
}
