//! A round's requests, in their order, and what their answers mean.

use std::collections::BTreeSet;
use std::future::Future;

use podnet_daemon_kit::Chain;
use tokio::task::JoinSet;

use super::{Leader, unless_away};
use crate::cluster::ClusterError;
use crate::grant::ledger::{Owner, PageId};
use crate::grant::observed::Observed;
use crate::grant::requests::LedgerError;
use crate::grant::round::{Check, PageWrite, Round, StatusWrite};

/// Requests at a time.
const AT_ONCE: usize = 16;

impl Leader {
    /// Makes a round's requests; whether every one was answered as it should be.
    pub(super) async fn carry_out(&mut self, round: Round) -> Result<bool, LedgerError> {
        let Round { creates, pages, statuses, checks, notices: _ } = round;
        let mut went_well = self.create(creates).await;
        let lost = self.write_pages(pages).await?;
        went_well &= self.write_statuses(statuses, &lost).await;
        for check in checks {
            went_well &= self.check(check, &lost).await;
        }
        Ok(went_well)
    }

    async fn create(&mut self, owners: Vec<Owner>) -> bool {
        let requests = self.requests.clone();
        let created = each(owners, move |owner| {
            let requests = requests.clone();
            async move {
                let created = match requests.create(&owner).await {
                    Ok(None) => requests.object(&owner.node).await,
                    created => created,
                };
                (owner.node, created)
            }
        });
        let mut went_well = true;
        for (name, created) in created.await {
            went_well &= self.read(&name, created);
        }
        went_well
    }

    /// The pages that were not written: not as they were known, or nobody knows.
    async fn write_pages(&mut self, pages: Vec<PageWrite>) -> Result<BTreeSet<PageId>, LedgerError> {
        for write in pages {
            let id = write.id;
            match unless_away(self.requests.write_page(&write).await)? {
                Some(Some(version)) if write.is_changed => self.state.page_written(write, version),
                Some(Some(_)) => {}
                Some(None) => {
                    self.figures.conflicts.inc();
                    self.unread.insert(id);
                }
                None => drop(self.unread.insert(id)),
            }
        }
        Ok(self.unread.clone())
    }

    async fn write_statuses(&mut self, writes: Vec<StatusWrite>, lost: &BTreeSet<PageId>) -> bool {
        let (writes, late): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|write| write.needs.is_disjoint(lost));
        for write in late {
            self.state.again(&write.node);
        }
        let requests = self.requests.clone();
        let written = each(writes, move |write| {
            let requests = requests.clone();
            async move {
                match requests.write_status(&write).await {
                    Ok(Some(object)) => (write, Ok(object)),
                    Ok(None) => {
                        let seen = requests.object(&write.node).await;
                        (write, Err(seen))
                    }
                    Err(error) => (write, Err(Err(error))),
                }
            }
        });
        let mut went_well = true;
        for (write, written) in written.await {
            match written {
                Ok(object) => {
                    self.figures.statuses.inc();
                    self.state.status_written(&write, object, self.begin.elapsed());
                }
                Err(seen) => {
                    self.figures.conflicts.inc();
                    went_well &= self.read(&write.node, seen);
                }
            }
        }
        went_well
    }

    async fn check(&mut self, check: Check, lost: &BTreeSet<PageId>) -> bool {
        let name = &check.owner.node;
        if !check.needs.is_disjoint(lost) {
            self.state.again(name);
            return true;
        }
        match self.requests.object(name).await {
            Ok(seen) if seen.as_ref().and_then(|object| object.owner.as_ref()) != Some(&check.owner.uid) => {
                self.state.gone(&check.owner, self.begin.elapsed());
                true
            }
            seen => self.read(name, seen),
        }
    }

    /// Takes in what was read of an object, which is looked at again; false: nothing was.
    fn read(&mut self, name: &str, seen: Result<Option<Observed>, ClusterError>) -> bool {
        self.state.again(name);
        match seen {
            Ok(Some(object)) => self.state.set_object(name, object),
            // That it is gone, the watch tells.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "it is tried again");
                return false;
            }
        }
        true
    }
}

/// Does something with each item, some at a time.
async fn each<T, R, F>(items: Vec<T>, act: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for item in items {
        if running.len() >= AT_ONCE {
            done.extend(running.join_next().await.and_then(Result::ok));
        }
        running.spawn(act(item));
    }
    while let Some(next) = running.join_next().await {
        done.extend(next.ok());
    }
    done
}
