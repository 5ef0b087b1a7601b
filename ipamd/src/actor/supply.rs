//! What the source says, brought into the pool.

use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::Chain;
use podnet_ipam_core::{Batches, Event, Family, Scaling, Settings, SupplyError, Warm};

use super::Actor;
use crate::clock;
use crate::inventory::{Inventory, Scaler};
use crate::networks::{Networks, offers};
use crate::source::{Needs, Report, Wish};

/// How the source is doing.
#[derive(Debug, Default)]
pub(super) struct SourceState {
    /// As the configuration calls it.
    pub(super) kind: &'static str,
    /// The last inventory that was taken.
    inventory: Option<Inventory>,
    /// When an inventory came last, changed or not; since the boot.
    pub(super) last_good: Option<Duration>,
    /// What went wrong since then.
    error: Option<String>,
}

impl SourceState {
    /// Another source; what the one before said holds until this one has said something.
    pub(super) fn begin(&mut self, kind: &'static str) {
        self.kind = kind;
        self.error = None;
    }

    /// How the network wants to be asked for more addresses, where it can be.
    pub(super) fn scaler(&self) -> Option<Scaler> {
        self.inventory.as_ref().and_then(|inventory| inventory.scaler)
    }

    /// Whether the network can be asked for more addresses.
    pub(super) fn can_grow(&self) -> bool {
        self.scaler().is_some()
    }

    /// What went wrong since the last good inventory.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// The first names, and how many more there are.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let (shown, more) = names.split_at(names.len().min(SHOWN));
    let shown = shown.join(", ");
    if more.is_empty() { shown } else { format!("{shown} and {} more", more.len()) }
}

impl Actor {
    /// Takes what a source reports. An error leaves everything as it was.
    pub(super) fn report(&mut self, report: Report) {
        let now = clock::since_boot();
        let mut events = Vec::new();
        let taken = match report {
            Ok(inventory) => {
                self.take(inventory, now, &mut events).map_err(|error| Chain(&error).to_string())
            }
            Err(error) => Err(Chain(&error).to_string()),
        };
        match taken {
            Ok(()) => {
                self.source.last_good = Some(now);
                if self.source.error.take().is_some() {
                    tracing::info!(source = self.source.kind, "the source is well again");
                    self.history.note("the source is well again".to_owned());
                }
            }
            Err(reason) => {
                self.ends.metrics.source_errors.inc();
                // Said once, not at every poll.
                if self.source.error.as_ref() != Some(&reason) {
                    tracing::warn!(source = self.source.kind, %reason, "the last good addresses are kept");
                    self.history.note(format!("source: {reason}"));
                }
                self.source.error = Some(reason);
            }
        }
        // A failure is noted and made good by the next snapshot: what the source says, it says again.
        self.write(&events).ok();
    }

    /// Applies other settings to what the source said last.
    pub(super) fn resupply(&mut self, now: Duration, events: &mut Vec<Event>) {
        if let Some(inventory) = self.source.inventory.take()
            && let Err(error) = self.take(inventory, now, events)
        {
            self.source.error = Some(error.to_string());
        }
    }

    fn take(
        &mut self,
        inventory: Inventory,
        now: Duration,
        events: &mut Vec<Event>,
    ) -> Result<(), SupplyError> {
        if self.source.inventory.as_ref() == Some(&inventory) {
            return Ok(());
        }
        let before = self.complaints();
        let max = if inventory.scaler.is_some() { None } else { self.settings.max };
        let change = self.pool.supply(&offers(&inventory, max), now, events)?;
        self.pool.set_settings(Settings {
            cool_down: self.settings.cool_down,
            scaling: self.scaling(inventory.scaler),
            ..Settings::default()
        });
        self.networks = Arc::new(Networks::of(&inventory));
        // After a restart without state, the network remembers what was asked of it, and what was on its way back.
        let asked = inventory.scaler.map(|scaler| scaler.requested);
        if let Some(requested) = asked.filter(|_| self.pool.requested() == 0) {
            self.pool.set_requested(requested, events);
            let returned: Vec<_> =
                inventory.returned.iter().filter_map(|name| self.networks.address(name)).collect();
            self.pool.set_returned(returned, now, events);
        }
        self.memory.keep(&inventory);
        self.source.inventory = Some(inventory);
        if change.added + change.withdrawn + change.programmed > 0 {
            tracing::info!(
                source = self.source.kind,
                added = change.added,
                withdrawn = change.withdrawn,
                "the node's addresses changed"
            );
            self.history.note(format!("{} addresses came, {} went", change.added, change.withdrawn));
        }
        self.report_complaints(&before);
        Ok(())
    }

    /// What the source says that cannot be done to pods that run, and so is not, and what it says that is not known here: worth a
    /// look each.
    pub(super) fn complaints(&self) -> Vec<String> {
        let Some(inventory) = &self.source.inventory else { return Vec::new() };
        let Inventory { origin, unknown, .. } = inventory;
        let whereabouts = inventory.whereabouts();
        let orphan = |address| {
            let identity = self.pool.get(address)?.attachment()?.identity();
            let (namespace, pod) = (identity.namespace, identity.pod);
            Some(format!(
                "{whereabouts}: {address} is gone, and {namespace}/{pod} has it: kept until that is released"
            ))
        };
        let mut complaints: Vec<String> = self.pool.orphaned().filter_map(orphan).collect();
        let in_use: usize =
            Family::ALL.into_iter().map(|family| self.pool.counts(family).assigned).max().unwrap_or_default();
        let max =
            inventory.scaler.map(|scaler| scaler.max).filter(|max| *max > 0 && (*max as usize) < in_use);
        complaints.extend(max.map(|max| {
            let place = Scaler::MAX;
            format!("{origin}: {place}: {max} is less than the {in_use} addresses in use: all are kept")
        }));
        if !unknown.is_empty() {
            complaints.push(format!("{origin}: unknown fields are passed over: {}", first_of(unknown)));
        }
        complaints
    }

    /// Says those that are new.
    fn report_complaints(&mut self, before: &[String]) {
        for complaint in self.complaints().into_iter().filter(|complaint| !before.contains(complaint)) {
            tracing::warn!("{complaint}");
            self.history.note(complaint);
        }
    }

    fn scaling(&self, scaler: Option<Scaler>) -> Scaling {
        let Some(scaler) = scaler else { return Scaling::Fixed };
        let settings = &self.settings;
        let limit = |own: u32| settings.max.unwrap_or(own).min(if own == 0 { u32::MAX } else { own });
        if settings.warm.is_some() || settings.minimum.is_some() {
            return Scaling::Warm(Warm {
                warm: settings.warm.unwrap_or_default(),
                minimum: settings.minimum.unwrap_or_default(),
                group: 1,
                max: match limit(scaler.max) {
                    0 => 250,
                    max => max,
                },
            });
        }
        let or = |own: u32, configured: u32| i64::from(if own == 0 { configured } else { own });
        Scaling::Thresholds(Batches::new(
            or(scaler.batch, settings.batch),
            or(scaler.request_percent, settings.request_percent),
            or(scaler.release_percent, settings.release_percent),
            i64::from(limit(scaler.max)),
        ))
    }

    /// What the source is to know now.
    pub(super) fn needs(&self) -> Needs {
        let names = || self.pool.pending_release().map(|address| self.networks.name(address)).collect();
        let wish = self.source.can_grow().then(|| Wish::new(self.pool.requested(), names()));
        Needs { is_dry: self.is_dry(), wish }
    }
}
