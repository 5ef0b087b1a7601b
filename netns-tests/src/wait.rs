//! Waiting for a condition instead of for a time.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Asks until the answer is there; `what` names it when `limit` has passed without one.
pub fn until<T>(
    limit: Duration,
    what: impl std::fmt::Display,
    mut ask: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            return Err(Failure::failed(format!("{what}: not within {limit:?}")));
        }
        thread::sleep(INTERVAL);
    }
}
