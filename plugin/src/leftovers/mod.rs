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
//!
//! [`survey`] is for people, who ask and read the answer; [`lost`] for an ADD that finds no address, which nobody watches.

mod judge;
mod listed;
mod runtimes;
mod spaces;
mod traces;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use judge::{Evidence, Verdict, judge, judge_unwatched};
pub(crate) use listed::Listed;
use podnet_datapath::Owner;
use runtimes::Runtimes;
use spaces::Spaces;
pub(crate) use traces::{Key, Trace};

use crate::error::Error;

/// Between a plugin's reservation and its pod's address, or the end of ADD and the runtime's own state, less time passes.
const GRACE: Duration = Duration::from_secs(5);

/// As long an attachment must have been there before an ADD takes it for lost: podnet-ipamd's default for its own pool.
const GRACE_UNWATCHED: Duration = Duration::from_mins(1);

/// How often is looked while something is still coming.
const INTERVAL: Duration = Duration::from_millis(200);

/// What is left of a pod that is no more.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub(crate) trace: Trace,
    /// How that is known.
    pub(crate) reason: &'static str,
}

/// What a look at the node came to.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) leftovers: Vec<Leftover>,
    /// When the look began: what came since is not in it.
    pub(crate) begun: SystemTime,
}

/// Those of a network's pods that are no more and that an ADD may remove.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) owners: Vec<Owner>,
    /// Of more of them it will soon be known.
    pub(crate) is_unsettled: bool,
    /// When the look began: what came since is not in it.
    pub(crate) begun: SystemTime,
}

/// Finds what is left of a network's dead pods; waits until all that is new has shown what it is.
///
/// # Arguments
/// `data_dirs`: where host-local's reservations may be, besides the places that the records name.
pub(crate) fn survey(network: &str, data_dirs: &[PathBuf], listed: Option<&Listed>) -> Result<Survey, Error> {
    let end = Instant::now() + 2 * GRACE;
    loop {
        let Look { verdicts, begun } = look(network, data_dirs, GRACE, |trace, evidence| match listed {
            Some(listed) => listed.judge(trace),
            None => judge(evidence),
        })?;
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

/// Finds those of the holders of reservations that are no more. Waits for nothing.
///
/// # Arguments
/// `data_dir`: where the reservations are.
pub(crate) fn lost(network: &str, data_dir: Option<&Path>, holders: &BTreeSet<Key>) -> Result<Lost, Error> {
    let data_dirs: Vec<PathBuf> = data_dir.map(ToOwned::to_owned).into_iter().collect();
    let judge = |trace: &Trace, evidence| judge_unwatched(evidence, trace.link.is_some());
    let Look { mut verdicts, begun } = look(network, &data_dirs, GRACE_UNWATCHED, judge)?;
    verdicts.retain(|(trace, _)| holders.contains(&trace.key));
    let is_unsettled = verdicts.iter().any(|(_, verdict)| *verdict == Verdict::Unsettled);
    let owner = |(trace, verdict): &(Trace, Verdict)| {
        matches!(verdict, Verdict::Dead(_)).then(|| trace.key.owner(network)).flatten()
    };
    Ok(Lost { owners: verdicts.iter().filter_map(owner).collect(), is_unsettled, begun })
}

struct Look {
    verdicts: Vec<(Trace, Verdict)>,
    begun: SystemTime,
}

/// Looks at the node once.
///
/// # Arguments
/// `grace`: what is younger is not settled.
fn look(
    network: &str,
    data_dirs: &[PathBuf],
    grace: Duration,
    judge: impl Fn(&Trace, Evidence) -> Verdict,
) -> Result<Look, Error> {
    let begun = SystemTime::now();
    // In this order: what a trace is about has its namespace and its runtime's state before the look for them.
    let traces = traces::gather(network, data_dirs)?;
    let spaces = Spaces::look(&traces)?;
    let runtimes = Runtimes::look();
    let evidence = |trace: &Trace| {
        let age = trace.since.map(|since| begun.duration_since(since).unwrap_or_default());
        Evidence {
            is_worked_on: trace.is_worked_on,
            has_record: trace.has_record,
            home: spaces.home_of(trace),
            is_known: runtimes.is_asked().then(|| runtimes.know(&trace.key.container_id)),
            is_settled: age.is_none_or(|age| age >= grace),
        }
    };
    let judged = |trace: Trace| {
        let verdict = judge(&trace, evidence(&trace));
        (trace, verdict)
    };
    Ok(Look { verdicts: traces.into_iter().map(judged).collect(), begun })
}

/// The traces that are there now, for a look at what a removal left.
pub(crate) fn traces(network: &str, data_dirs: &[PathBuf]) -> Result<Vec<Trace>, Error> {
    traces::gather(network, data_dirs)
}

/// Whether there is a runtime to be asked.
pub(crate) fn has_runtime() -> bool {
    Runtimes::look().is_asked()
}

/// What is in a folder; nothing where there is none.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
