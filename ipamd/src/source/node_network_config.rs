//! Azure's `NodeNetworkConfig` (`acn.azure.com/v1alpha`): what the control plane gives this node, and what the node
//! asks of it.
//!
//! | assignment | addresses | subnet |
//! |---|---|---|
//! | dynamic | `ipAssignments`, each with a name of its own | `subnetAddressSpace` |
//! | static, overlay | the block `primaryIP`, all of it | `subnetAddressSpace` |
//! | static, vnetblock | the blocks `primaryIP` and `ipAssignments[].ip` | `subnetAddressSpace` |
//!
//! A node of both families has `primaryIPV6` and `subnetAddressSpaceV6` in the same container, or a second container.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::feed::Feed;
use super::{Needs, Report, Source, SourceError, Wish, checked, content};
use crate::cluster::Pace;

mod document;

use document::Document;

/// The source.
pub(super) struct NodeNetworkConfig<F> {
    feed: F,
    /// What the document says that is asked for; none: no good document came yet.
    asked: Option<Wish>,
    /// What is to be asked for.
    wish: Option<Wish>,
    /// After a failure, the next attempt to ask.
    due: Option<Instant>,
    pace: Pace,
}

impl<F> NodeNetworkConfig<F> {
    pub(super) fn new(feed: F) -> Self {
        Self { feed, asked: None, wish: None, due: None, pace: Pace::default() }
    }
}

impl<F: Feed> Source for NodeNetworkConfig<F> {
    async fn next(&mut self, needs: &mut watch::Receiver<Needs>) -> Report {
        loop {
            let due = self.due;
            tokio::select! {
                document = self.feed.next() => {
                    let report = self.take(document);
                    // A document that says something else than what was asked for is older than that, or somebody's mistake.
                    self.wish.clone_from(&needs.borrow_and_update().wish);
                    self.due = self.differs().then(Instant::now);
                    return report;
                }
                Ok(()) = needs.changed() => {
                    self.wish.clone_from(&needs.borrow_and_update().wish);
                    if due.is_none() {
                        self.ask().await?;
                    }
                }
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    self.ask().await?;
                }
            }
        }
    }
}

impl<F: Feed> NodeNetworkConfig<F> {
    fn take(&mut self, document: Result<serde_json::Value, SourceError>) -> Report {
        self.asked = None;
        let origin = self.feed.name();
        let document = Document::read(&document?).map_err(content(&origin))?;
        let (inventory, places) = document.inventory().map_err(content(&origin))?;
        if let Some((Some((network, block)), _)) = inventory.faults().first()
            && let Some(place) = places.get(*network).and_then(|places| places.get(*block))
        {
            return checked(&origin, place, inventory);
        }
        let inventory = checked(&origin, "status.networkContainers", inventory)?;
        self.asked = Some(document.asked());
        Ok(inventory)
    }

    /// Whether something else is to be asked for than what the document says.
    fn differs(&self) -> bool {
        self.asked.as_ref().zip(self.wish.as_ref()).is_some_and(|(asked, wish)| asked != wish)
    }

    async fn ask(&mut self) -> Result<(), SourceError> {
        self.due = None;
        let Some(wish) = self.wish.clone().filter(|_| self.differs()) else { return Ok(()) };
        match self.feed.request(&wish).await {
            Ok(()) => {
                self.pace.well();
                self.asked = Some(wish);
                Ok(())
            }
            Err(error) => {
                self.due = Some(Instant::now() + self.pace.failed().max(self.feed.hold()));
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
