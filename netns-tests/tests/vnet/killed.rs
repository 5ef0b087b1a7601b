//! Killed or failed at every system call with addresses of the daemon, host ports and limits: one DEL removes what is left of a
//! killed ADD, a failed one leaves nothing, and nobody has an address.

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::subject::Family;

use super::{daemon, network, with_everything};
use crate::crash;
use crate::daemon_addresses::soon_nobody_has_any;

/// A verb's test and body.
type Test = (&'static str, fn() -> Outcome);

pub(super) const TESTS: &[Test] = &[
    ("dual::add_killed_at_every_system_call", || killed("ADD")),
    ("dual::del_killed_at_every_system_call", || killed("DEL")),
    ("dual::add_with_every_call_failing_once", failing),
];

fn killed(verb: &str) -> Outcome {
    let daemon = daemon(Family::Dual)?;
    crash::killed_in(&with_everything(network()?), verb)?;
    soon_nobody_has_any(&daemon)
}

fn failing() -> Outcome {
    let daemon = daemon(Family::Dual)?;
    crash::add_failing_in(&with_everything(network()?))?;
    soon_nobody_has_any(&daemon)
}
