//! Killed at every system call with addresses of the daemon: one DEL removes what is left, and nobody has an address.

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::subject::Family;

use super::{daemon, network};
use crate::crash;
use crate::daemon_addresses::soon_nobody_has_any;

/// A verb's test and body.
type Test = (&'static str, fn() -> Outcome);

pub(super) const TESTS: &[Test] = &[
    ("dual::add_killed_at_every_system_call", || killed("ADD")),
    ("dual::del_killed_at_every_system_call", || killed("DEL")),
];

fn killed(verb: &str) -> Outcome {
    let daemon = daemon(Family::Dual)?;
    crash::killed_in(&network()?, verb)?;
    soon_nobody_has_any(&daemon)
}
