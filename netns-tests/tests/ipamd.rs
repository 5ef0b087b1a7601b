//! The address daemon on a node of its own: sources, peers, memory, readiness, operators.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;

mod browser;
mod kubernetes;
mod memory;
mod operator;
mod peers;
mod readiness;
mod sources;

/// Far more than any of them takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A static pool of 256 addresses.
const STATIC: &str = "source: {kind: static, subnet: 10.224.0.0/16, gateway: 10.224.0.1, nodeIP: 10.224.0.4, ranges: [10.224.1.0/24]}\n";

pub(crate) fn cases() -> Vec<Case> {
    let suites = [
        sources::TESTS,
        kubernetes::TESTS,
        peers::TESTS,
        memory::TESTS,
        readiness::TESTS,
        operator::TESTS,
        browser::TESTS,
    ];
    let tests = suites.into_iter().flatten();
    tests
        .map(|(name, body)| Case { name: format!("ipamd::{name}"), limit: LIMIT, body: Box::new(body) })
        .collect()
}

/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

/// A folder for the daemon's state and configuration, gone with the sandbox.
fn folder() -> Result<PathBuf, podnet_netns_tests::failure::Failure> {
    let folder = PathBuf::from("/run/ipamd-test");
    fs::create_dir(&folder)?;
    Ok(folder)
}
