//! What is on this node for pods that are no more.
//!
//! ```text
//!  traces: records, links, nftables elements, reservations ─┐
//!  spaces: network namespaces, and whether anybody is there ├──judge──▶ dead, or to be left alone
//!  runtimes: the containers that a runtime keeps state of   ┘
//! ```
//!
//! A given list of living containers decides alone. Without one a pod is dead where no namespace of this node has its
//! addresses any more; and, where containerd is there to be asked, where it does not know the container and no process is in
//! the pod's namespace. What came moments ago is waited for: it may be coming still.

mod judge;
mod listed;
mod runtimes;
mod spaces;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use judge::{Evidence, Verdict, judge};
pub(super) use listed::Listed;
use runtimes::Runtimes;
use spaces::Spaces;
pub(super) use traces::{Key, Trace};

use crate::error::Error;

/// Between a plugin's reservation and its pod's address, or the end of ADD and the runtime's own state, less time passes.
const GRACE: Duration = Duration::from_secs(5);

/// How often is looked while something is still coming.
const INTERVAL: Duration = Duration::from_millis(200);

/// What is left of a pod that is no more.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) trace: Trace,
    /// How that is known.
    pub(super) reason: &'static str,
}

/// What a look at the node came to.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) leftovers: Vec<Leftover>,
    /// When the look began: what came since is not in it.
    pub(super) begun: SystemTime,
}

/// Finds what is left of a network's dead pods; waits until all that is new has shown what it is.
///
/// # Arguments
/// `data_dirs`: where host-local's reservations may be, besides the places that the records name.
pub(super) fn survey(network: &str, data_dirs: &[PathBuf], listed: Option<&Listed>) -> Result<Survey, Error> {
    let end = Instant::now() + 2 * GRACE;
    loop {
        let begun = SystemTime::now();
        // In this order: what a trace is about has its namespace and its runtime's state before the look for them.
        let traces = traces::gather(network, data_dirs)?;
        let spaces = Spaces::look(&traces)?;
        let runtimes = Runtimes::look();
        let verdicts: Vec<_> = traces
            .into_iter()
            .map(|trace| {
                let verdict = match listed {
                    Some(listed) => listed.judge(&trace),
                    None => judge(evidence(&trace, &spaces, &runtimes, begun)),
                };
                (trace, verdict)
            })
            .collect();
        // On a busy node something is always coming: what is still new in the end counts as alive.
        if verdicts.iter().any(|(_, verdict)| *verdict == Verdict::Unsettled) && Instant::now() < end {
            sleep(INTERVAL);
            continue;
        }
        let leftovers = verdicts.into_iter().filter_map(|(trace, verdict)| match verdict {
            Verdict::Dead(reason) => Some(Leftover { trace, reason }),
            Verdict::Alive | Verdict::Unsettled => None,
        });
        return Ok(Survey { leftovers: leftovers.collect(), begun });
    }
}

/// The traces that are there now, for a look at what a removal left.
pub(super) fn traces(network: &str, data_dirs: &[PathBuf]) -> Result<Vec<Trace>, Error> {
    traces::gather(network, data_dirs)
}

/// Whether there is a runtime to be asked.
pub(super) fn has_runtime() -> bool {
    Runtimes::look().is_asked()
}

fn evidence(trace: &Trace, spaces: &Spaces, runtimes: &Runtimes, now: SystemTime) -> Evidence {
    let age = trace.since.map(|since| now.duration_since(since).unwrap_or_default());
    Evidence {
        is_worked_on: trace.is_worked_on,
        has_record: trace.has_record,
        home: spaces.home_of(trace),
        is_known: runtimes.is_asked().then(|| runtimes.know(&trace.key.container_id)),
        is_settled: age.is_none_or(|age| age >= GRACE),
    }
}

/// What is in a folder; nothing where there is none.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
