//! Waiting for what the kernel finishes in a worker of its own.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::netlink::NetlinkError;

/// The kernel's workers need microseconds, under heavy load milliseconds. What takes longer than this waits
/// for something else, and waiting on would help nobody.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_micros(100);

/// Waits until `is_done`; says in the log if it gives up on `what`.
pub(crate) fn wait_until(
    what: &str,
    mut is_done: impl FnMut() -> Result<bool, NetlinkError>,
) -> Result<(), NetlinkError> {
    let start = Instant::now();
    while !is_done()? {
        if start.elapsed() > PATIENCE {
            tracing::warn!("gave up waiting: {what}");
            break;
        }
        thread::sleep(POLL);
    }
    Ok(())
}
