//! Objects, followed for ever.
//!
//! ```text
//!  ┌▶ list, page by page ──All──▶ watch ──Changed, Gone──▶ …
//!  │                               ▲  └─ ended, broken: from the last version on ─┐
//!  └──────── 410: too old ─────────┼───────────────────── pause ◀─────────────────┘
//!                                  └ after an error was told: Resumed
//! ```
//!
//! A task of its own asks, so that whoever listens may do something else meanwhile. It ends when nobody listens.

use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::{ObjectList, Request};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::pace::{Pace, chance};
use super::{Asked, Cluster, ClusterError};

/// A watch is asked to end after this, and up to a quarter less by chance, and begins again where it was. In seconds.
const LIFE: f64 = 290.0;

/// A watch that ends sooner than this counts as failed: the next one waits.
const SOON: Duration = Duration::from_secs(5);

/// Changes that may wait for the listener.
const WAITING: usize = 16;

/// An object that says of which version it is.
pub trait Versioned: DeserializeOwned + Clone + Send + 'static {
    /// `metadata.resourceVersion`.
    fn version(&self) -> Option<&str>;
}

impl Versioned for kube::core::DynamicObject {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The API group; empty: the core group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// The namespace; none: cluster-wide, or all of them.
    pub namespace: Option<&'static str>,
    /// The one object; none: all.
    pub name: Option<String>,
    /// So many objects of a list come at a time.
    pub page: u32,
}

impl Target {
    /// The path of the resource, without a slash at the end.
    pub fn path(&self) -> String {
        let group = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        let namespace =
            self.namespace.map(|namespace| format!("namespaces/{namespace}/")).unwrap_or_default();
        format!("{group}/{}/{namespace}{}", self.version, self.resource)
    }

    /// A verb on it; a list or watch of one object is one of all, to the server.
    pub fn asked(&self, verb: &'static str) -> Asked {
        let name = self.name.as_deref().filter(|_| !matches!(verb, "list" | "watch"));
        let object = match (self.namespace, name) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            (_, name) => name.unwrap_or_default().to_owned(),
        };
        let Self { group, version, resource, .. } = *self;
        Asked { verb, group, version, resource, object }
    }

    fn selector(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("metadata.name={name}"))
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<K> {
    /// These are all that there are.
    All(Vec<K>),
    /// A new object, or a new version of one.
    Changed(K),
    /// This one is gone.
    Gone(K),
    /// After an error: it goes on, and nothing was missed.
    Resumed,
}

/// What a watch reports.
type News<K> = Result<Change<K>, ClusterError>;

/// The listener's end of a watch.
#[derive(Debug)]
pub struct Watch<K> {
    news: mpsc::Receiver<News<K>>,
}

impl<K: Versioned> Watch<K> {
    /// Begins to follow.
    pub fn start(cluster: Cluster, target: Target) -> Self {
        let (sender, news) = mpsc::channel(WAITING);
        let follower = Follower { cluster, target, news: sender, version: None, is_ill: false };
        tokio::spawn(follower.run());
        Self { news }
    }

    /// What happens next. An error is not the end: the next attempt is made by itself, after a pause. May be dropped and
    /// asked again at any time.
    pub async fn next(&mut self) -> News<K> {
        match self.news.recv().await {
            Some(news) => news,
            // The task ends with this listener only.
            None => std::future::pending().await,
        }
    }
}

struct Follower<K> {
    cluster: Cluster,
    target: Target,
    news: mpsc::Sender<News<K>>,
    /// Where the next watch begins; none: with a list.
    version: Option<String>,
    /// The last that was told is an error.
    is_ill: bool,
}

/// Nobody listens any more.
struct Unheard;

impl<K: Versioned> Follower<K> {
    async fn run(mut self) {
        let mut pace = Pace::default();
        let listener = self.news.clone();
        let follow = async {
            loop {
                let begin = Instant::now();
                match self.round().await {
                    Ok(()) if begin.elapsed() > SOON => {
                        pace.well();
                        continue;
                    }
                    Ok(()) => {}
                    Err(ClusterError::Gone { .. }) => self.version = None,
                    Err(error) => {
                        if begin.elapsed() > SOON {
                            pace.well();
                        }
                        self.is_ill = true;
                        if self.tell(Err(error)).await.is_break() {
                            return;
                        }
                    }
                }
                sleep(pace.failed().max(self.cluster.traffic().hold())).await;
            }
        };
        tokio::select! {
            () = follow => {}
            () = listener.closed() => {}
        }
    }

    async fn tell(&self, news: News<K>) -> ControlFlow<Unheard> {
        match self.news.send(news).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Unheard),
        }
    }

    /// A list where one is due, and a watch until it ends.
    async fn round(&mut self) -> Result<(), ClusterError> {
        let version = if let Some(version) = self.version.clone() {
            version
        } else {
            let (objects, version) = self.list().await?;
            self.is_ill = false;
            self.version = Some(version.clone());
            if self.tell(Ok(Change::All(objects))).await.is_break() {
                return Ok(());
            }
            version
        };
        let seconds = LIFE * (1.0 - chance() / 4.0);
        let parameters = WatchParams {
            field_selector: self.target.selector(),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "217 to 290")]
            timeout: Some(seconds as u32),
            ..WatchParams::default()
        };
        let asked = self.target.asked("watch");
        let path = self.target.path();
        let request = Request::new(path).watch(&parameters, &version);
        let stream = self
            .cluster
            .request(asked.clone(), |client| async move {
                let request = request.map_err(kube::Error::BuildRequest)?;
                let stream = client.request_events::<K>(request).await?;
                Ok(Box::pin(stream) as Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<K>>> + Send>>)
            })
            .await?;
        self.cluster.traffic().heard(self.target.resource);
        if std::mem::take(&mut self.is_ill) && self.tell(Ok(Change::Resumed)).await.is_break() {
            return Ok(());
        }
        // The server ends it; if the server is not there any more, so do we.
        let silence = Duration::from_secs_f64(seconds) + SOON;
        let mut stream = pin!(stream);
        while let Ok(Some(event)) = timeout(silence, stream.next()).await {
            let event = event.map_err(|error| ClusterError::of(asked.clone(), error))?;
            self.cluster.traffic().heard(self.target.resource);
            if self.take(event, &asked).await?.is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn take(
        &mut self,
        event: WatchEvent<K>,
        asked: &Asked,
    ) -> Result<ControlFlow<Unheard>, ClusterError> {
        let (object, is_there) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
            WatchEvent::Deleted(object) => (object, false),
            WatchEvent::Bookmark(bookmark) => {
                self.version = Some(bookmark.metadata.resource_version);
                return Ok(ControlFlow::Continue(()));
            }
            WatchEvent::Error(status) => return Err(ClusterError::of_status(asked.clone(), &status)),
        };
        if let Some(version) = object.version() {
            self.version = Some(version.to_owned());
        }
        let change = if is_there { Change::Changed(object) } else { Change::Gone(object) };
        Ok(self.tell(Ok(change)).await)
    }

    /// All objects, and the version from which a watch goes on.
    async fn list(&self) -> Result<(Vec<K>, String), ClusterError> {
        let asked = self.target.asked("list");
        let mut objects = Vec::new();
        let mut parameters = ListParams {
            field_selector: self.target.selector(),
            ..ListParams::default().limit(self.target.page)
        };
        loop {
            let request = Request::new(self.target.path()).list(&parameters);
            let list: ObjectList<K> = self
                .cluster
                .request(asked.clone(), |client| async move {
                    client.request(request.map_err(kube::Error::BuildRequest)?).await
                })
                .await?;
            objects.extend(list.items);
            let more = list.metadata.continue_.filter(|more| !more.is_empty());
            match more {
                Some(more) => parameters.continue_token = Some(more),
                None => return Ok((objects, list.metadata.resource_version.unwrap_or_default())),
            }
        }
    }
}
