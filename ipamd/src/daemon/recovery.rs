//! The pool of an earlier life.

use std::path::Path;

use podnet_daemon_kit::Chain;
use podnet_ipam_core::{Pool, Settings};
use podnet_ipam_store::{BootId, Store, StoreError};

use crate::clock;
use crate::config::Config;
use crate::rebuild;

/// Reads the state, rebuilds from the node what it does not say, and leaves a good snapshot behind.
pub(super) fn recover(config: &Config) -> Result<(Pool, Store), StoreError> {
    let settings = Settings { cool_down: config.pool.cool_down, ..Settings::default() };
    let (mut store, mut recovery) = Store::open(&config.state, BootId::current()?)?;
    let (mut pool, conflicts) = Pool::replay(settings, std::mem::take(&mut recovery.events));
    for conflict in &conflicts {
        tracing::error!(%conflict, "the journal contradicts itself");
    }
    if !conflicts.is_empty() {
        store.distrust(&mut recovery);
    }
    if recovery.needs_rebuild() {
        rebuild(&mut pool, config);
    }
    match store.snapshot(&pool.snapshot()) {
        Ok(aside) => tracing::info!(
            journal = %recovery.verdict,
            attachments = pool.holders().count(),
            aside = aside.map(|path| path.display().to_string()),
            "the state is read"
        ),
        // The journal on disk is as good as before, and the actor tries again.
        Err(error) => tracing::error!(error = %Chain(&error), "the state cannot be written"),
    }
    Ok((pool, store))
}

fn rebuild(pool: &mut Pool, config: &Config) {
    let now = clock::since_boot();
    let records = rebuild::from_records(Path::new(rebuild::ATTACHMENTS), &config.listen.socket);
    let routes = rebuild::from_kernel(Path::new("/"));
    for claim in records.into_iter().chain(routes) {
        // The snapshot that follows has it all.
        if let Err(conflict) = pool.adopt(claim, now, &mut Vec::new()) {
            tracing::error!(%conflict, "two pods of the node have one address");
        }
    }
}
