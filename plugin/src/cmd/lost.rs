//! Addresses that are reserved for pods which are no more.
//!
//! No DEL comes for the pods of a runtime that has lost its state, and many runtimes call no GC. So an ADD that finds a range
//! exhausted looks at the node: what is proven to be dead goes with all that it has, and the ADD tries again. Where there is
//! room nothing of this is done.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use podnet_cni::Network;

use super::gc::take_off;
use crate::error::{Error, chain};
use crate::ipam::Ipam;
use crate::leftovers::{self, Key, Lost};
use crate::record::Registry;

/// For so long an ADD begins to look and to remove. Either takes some tenths of a second on a large node.
const LIMIT: Duration = Duration::from_millis(500);

/// So many pods a look removes at most: for each the kernel has grace periods to wait for.
const MOST: usize = 8;

/// How long somebody else, or the kernel, is given to come to an end.
const INTERVAL: Duration = Duration::from_millis(20);

/// One ADD's search for addresses of lost pods.
pub(super) struct Search<'a> {
    network: &'a Network,
    registry: &'a Registry,
    /// When nothing more is begun.
    end: Option<Instant>,
}

impl<'a> Search<'a> {
    /// A search that has not begun.
    pub(super) fn new(network: &'a Network, registry: &'a Registry) -> Self {
        Self { network, registry, end: None }
    }

    /// Frees addresses of lost pods, if want of one is what `error` is about. Says whether another attempt is worth it.
    pub(super) fn freed(&mut self, ipam: &Ipam, error: &Error) -> bool {
        found(self.free(ipam, error))
    }

    fn free(&mut self, ipam: &Ipam, error: &Error) -> Result<bool, Error> {
        let holders = holders(ipam, error)?;
        if holders.is_empty() {
            return Ok(false);
        }
        let end = *self.end.get_or_insert_with(|| Instant::now() + LIMIT);
        if Instant::now() >= end {
            return Ok(false);
        }
        // One at a time: what another one has locked to remove it would look alive.
        let Some(_turn) = self.registry.turn()? else {
            sleep(INTERVAL);
            return Ok(true);
        };
        let Lost { owners, mut is_unsettled, begun } = lost(self.network, ipam, &holders)?;
        let mut is_freed = false;
        for owner in owners.iter().take(MOST) {
            match take_off(Some(self.registry), owner, self.network, begun) {
                // A DEL came first.
                Ok(false) => is_unsettled = true,
                Ok(true) => {
                    is_freed = true;
                    tracing::warn!(container = owner.container(), "took back the addresses of a lost pod");
                }
                Err(errors) => {
                    let error = chain(&Error::NotRemoved(errors));
                    tracing::warn!(error, container = owner.container(), "cannot remove a lost pod");
                }
            }
        }
        if !is_freed && is_unsettled {
            sleep(INTERVAL);
        }
        Ok(is_freed || is_unsettled)
    }
}

/// Whether ADD would free an address, if want of one is what `error` is about.
pub(super) fn is_any(network: &Network, ipam: &Ipam, error: &Error) -> bool {
    found(
        holders(ipam, error)
            .and_then(|holders| Ok(!holders.is_empty() && !lost(network, ipam, &holders)?.owners.is_empty())),
    )
}

/// A look that fails finds nothing: the error that led to it is the one to report.
fn found(looked: Result<bool, Error>) -> bool {
    looked.unwrap_or_else(|failure| {
        tracing::warn!(error = chain(&failure), "cannot look for addresses of lost pods");
        false
    })
}

fn lost(network: &Network, ipam: &Ipam, holders: &BTreeSet<Key>) -> Result<Lost, Error> {
    leftovers::lost(network.name.as_str(), ipam.data_dir(), holders)
}

/// Who has what is wanted.
fn holders(ipam: &Ipam, error: &Error) -> Result<BTreeSet<Key>, Error> {
    Ok(ipam.in_the_way(error)?.iter().map(Key::of).collect())
}
