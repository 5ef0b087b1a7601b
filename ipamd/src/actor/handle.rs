//! The way to the actor.

use std::sync::Arc;
use std::time::Duration;

use podnet_ipam_api::debug::{Findings, Upkeep};
use podnet_ipam_core::{Assigned, Conflict, Holder, Key, Refused, Released, Request};
use tokio::sync::{mpsc, oneshot};

use super::Actor;
use crate::config;
use crate::networks::Networks;
use crate::upkeep::Kept;

/// Requests that may wait; more wait in their own connections.
const QUEUE: usize = 1024;

/// Somebody who wants to see everything.
pub(super) type Look = Box<dyn FnOnce(&Actor) + Send>;

/// What can be asked of the actor.
pub enum Command {
    /// Addresses for an attachment.
    Assign {
        /// Who, and what.
        request: Request,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Granted, Unavailable>>,
    },
    /// An attachment's addresses back.
    Release {
        /// Who.
        key: Key,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Released, Unavailable>>,
    },
    /// An attachment's addresses back, unless it asked for them after a moment.
    ReleaseUnlessAsked {
        /// Who.
        key: Key,
        /// When it asked last, as far as was known ([`Actor::ledger`]).
        asked: Duration,
        /// Where the answer goes; nothing was done where it asked later.
        answer: oneshot::Sender<Result<Option<Released>, Unavailable>>,
    },
    /// An attachment that was seen to live holds what it was seen to have.
    Adopt {
        /// Who, and what.
        holder: Holder,
        /// Where the answer goes.
        answer: oneshot::Sender<Adoption>,
    },
    /// What a look at the node found, and when.
    Reconciled(Findings, Duration),
    /// Other settings.
    Configure(config::Pool),
    /// Another source is in force, of this kind.
    SourceChanged(&'static str),
    /// How something is that is kept on the node for all pods; none: it is not asked for.
    Upkeep(Kept, Option<Upkeep>),
    /// A look at everything.
    Look(Look),
}

/// What an attachment got.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The addresses, or why there are none.
    pub outcome: Result<Assigned, Refused>,
    /// What is known of them.
    pub networks: Arc<Networks>,
}

/// Whether an attachment was adopted; a contradiction changes nothing.
pub type Adoption = Result<Result<(), Conflict>, Unavailable>;

/// Nothing was done, for a reason that has nothing to do with the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The change could not be made durable.
    #[error("the state cannot be written: {0}")]
    NotDurable(String),
    /// The daemon is ending.
    #[error("the daemon is ending")]
    Ending,
}

/// A way to the actor; the actor lives as long as there is one.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::Sender<Command>);

impl Handle {
    /// A way, and its other end for [`Actor::run`].
    pub fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (sender, inbox) = mpsc::channel(QUEUE);
        (Self(sender), inbox)
    }

    /// Asks for addresses.
    pub async fn assign(&self, request: Request) -> Result<Granted, Unavailable> {
        self.ask(|answer| Command::Assign { request, answer }).await?
    }

    /// Gives addresses back.
    pub async fn release(&self, key: Key) -> Result<Released, Unavailable> {
        self.ask(|answer| Command::Release { key, answer }).await?
    }

    /// The same for a thread that may wait.
    pub fn release_and_wait(&self, key: Key) -> Result<Released, Unavailable> {
        let (answer, heard) = oneshot::channel();
        self.0.blocking_send(Command::Release { key, answer }).ok().ok_or(Unavailable::Ending)?;
        heard.blocking_recv().ok().ok_or(Unavailable::Ending)?
    }

    /// Gives back the addresses of an attachment that is gone, unless it has asked for them since it `asked` last.
    pub async fn release_unless_asked(
        &self,
        key: Key,
        asked: Duration,
    ) -> Result<Option<Released>, Unavailable> {
        self.ask(|answer| Command::ReleaseUnlessAsked { key, asked, answer }).await?
    }

    /// Makes an attachment that lives the holder of what it has.
    pub async fn adopt(&self, holder: Holder) -> Adoption {
        self.ask(|answer| Command::Adopt { holder, answer }).await?
    }

    /// Says what a look at the node found.
    pub async fn reconciled(&self, findings: Findings, at: Duration) -> Result<(), Unavailable> {
        self.tell(Command::Reconciled(findings, at)).await
    }

    /// Looks at everything, after all that was asked before.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Actor) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        // Whoever asked may be gone by then.
        self.ask(|answer| Command::Look(Box::new(move |actor| drop(answer.send(look(actor)))))).await
    }

    /// Changes the settings.
    pub async fn configure(&self, settings: config::Pool) -> Result<(), Unavailable> {
        self.tell(Command::Configure(settings)).await
    }

    /// Says that reports come from another source from now on.
    pub async fn source_changed(&self, kind: &'static str) -> Result<(), Unavailable> {
        self.tell(Command::SourceChanged(kind)).await
    }

    /// Says how something is that is kept on the node for all pods.
    pub async fn upkeep(&self, kept: Kept, status: Option<Upkeep>) -> Result<(), Unavailable> {
        self.tell(Command::Upkeep(kept, status)).await
    }

    async fn tell(&self, command: Command) -> Result<(), Unavailable> {
        self.0.send(command).await.ok().ok_or(Unavailable::Ending)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Unavailable> {
        let (answer, heard) = oneshot::channel();
        self.tell(command(answer)).await?;
        heard.await.ok().ok_or(Unavailable::Ending)
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Assign { .. } => "Assign",
            Self::Release { .. } => "Release",
            Self::ReleaseUnlessAsked { .. } => "ReleaseUnlessAsked",
            Self::Adopt { .. } => "Adopt",
            Self::Reconciled(..) => "Reconciled",
            Self::Configure(_) => "Configure",
            Self::SourceChanged(_) => "SourceChanged",
            Self::Upkeep(..) => "Upkeep",
            Self::Look(_) => "Look",
        })
    }
}
