//! What the pool's events are written to, before anybody is answered.

use podnet_daemon_kit::Chain;
use podnet_ipam_core::Event;
use podnet_ipam_store::StoreError;

use super::Actor;

impl Actor {
    /// Makes events durable, or says why not.
    pub(super) fn write(&mut self, events: &[Event]) -> Result<(), String> {
        if events.is_empty() && self.trouble.is_none() {
            return Ok(());
        }
        let written = if self.store.is_ready() { self.store.append(events) } else { self.begin_journal() };
        match written {
            Ok(()) => {
                self.shorten();
                if self.trouble.take().is_some() {
                    tracing::info!("the journal can be written again");
                }
                Ok(())
            }
            Err(error) => {
                let reason = Chain(&error).to_string();
                self.ends.metrics.journal_errors.inc();
                if self.trouble.as_ref() != Some(&reason) {
                    tracing::error!(%reason, "the journal cannot be written");
                    self.history.note(format!("the journal cannot be written: {reason}"));
                }
                self.trouble = Some(reason.clone());
                Err(reason)
            }
        }
    }

    /// A journal that has grown long is replaced by a snapshot. Where that fails, the long one is still good.
    fn shorten(&mut self) {
        if self.store.wants_snapshot()
            && let Err(error) = self.begin_journal()
        {
            self.ends.metrics.journal_errors.inc();
            tracing::warn!(error = %Chain(&error), "the journal cannot be shortened");
        }
    }

    fn begin_journal(&mut self) -> Result<(), StoreError> {
        let aside = self.store.snapshot(&self.pool.snapshot())?;
        if let Some(path) = aside {
            tracing::warn!(path = %path.display(), "the old journal is kept");
        }
        Ok(())
    }
}
