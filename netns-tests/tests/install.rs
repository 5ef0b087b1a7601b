//! `podnet-ipamd install` and `uninstall` on a node of the test's own.

use std::time::Duration;

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::harness::Case;

mod crash;
mod node;
mod refusals;
mod service;

/// Each of thousands of kills is followed by a whole installation.
const LIMIT: Duration = Duration::from_mins(10);

pub(crate) fn cases() -> Vec<Case> {
    let tests = [service::TESTS, refusals::TESTS, crash::TESTS].into_iter().flatten();
    tests
        .map(|(name, body)| Case { name: format!("install::{name}"), limit: LIMIT, body: Box::new(body) })
        .collect()
}

/// A test and its name.
type Test = (&'static str, fn() -> Outcome);
