//! Releases that DEL left on disk while the daemon was away.
//!
//! They lie in the state directory and beside the socket, wherever the plugin's configuration puts them. They are applied at
//! the start, before anybody is served, and whenever one appears; the directory's own lock keeps an ADD of the same
//! attachment from overtaking one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::stop::Stop;
use podnet_daemon_kit::watch::DirectoryWatch;
use podnet_ipam_api::intent::{DIRECTORY_SUFFIX, Form, IntentError, Intents, STATE_DIRECTORY};
use podnet_ipam_core::{Identity, Key};

use crate::actor::Handle;
use crate::config::Config;
use crate::metrics::Metrics;

/// The two directories.
pub fn directories(config: &Config) -> [PathBuf; 2] {
    let mut beside = config.listen.socket.clone().into_os_string();
    beside.push(DIRECTORY_SUFFIX);
    [config.state.join(STATE_DIRECTORY), beside.into()]
}

/// Makes the directories, and says in each which pool is served. The pool's id is the first one that was ever announced in
/// the state directory, or a new one. Where it cannot be announced, intents are left without it, and are this pool's, too.
pub fn announce(config: &Config) -> String {
    let directories = directories(config);
    let [own, _] = &directories;
    let known = Intents::create(own, Form::Podnet).and_then(|intents| intents.pool());
    let id = known.ok().flatten().unwrap_or_else(new_id);
    for directory in &directories {
        let announced = Intents::create(directory, Form::Podnet).and_then(|intents| intents.announce(&id));
        if let Err(error) = announced {
            tracing::warn!(error = %Chain(&error), "release intents may not find their pool");
        }
    }
    id
}

/// 128 random bits in hex.
fn new_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    // Each RandomState has new random keys from the kernel.
    let half = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", half(), half())
}

/// Applies intents of this pool.
#[derive(Debug, Clone)]
pub struct Applier {
    /// The way to the pool.
    pub actor: Handle,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// The pool's id.
    pub pool: String,
}

impl Applier {
    /// Applies all that wait in a directory. What cannot be read is left, and said.
    pub async fn apply(&self, directory: &Path) {
        let (applier, directory) = (self.clone(), directory.to_owned());
        // Intents are locked, and whoever has the lock may be slow.
        let done = tokio::task::spawn_blocking(move || applier.apply_and_wait(&directory)).await;
        if let Err(error) = done {
            tracing::error!(%error, "the release intents were not applied");
        }
    }

    fn apply_and_wait(&self, directory: &Path) {
        let said = |error: IntentError| tracing::warn!(error = %Chain(&error), "a release intent waits");
        let intents = match Intents::open(directory, Form::Podnet) {
            Ok(Some(intents)) => intents,
            Ok(None) => return,
            Err(error) => return said(error),
        };
        let names = intents.names().unwrap_or_else(|error| {
            said(error);
            Vec::new()
        });
        for name in names {
            match self.apply_one(&intents, &name) {
                Ok(()) => {}
                Err(error) => said(error),
            }
        }
    }

    fn apply_one(&self, intents: &Intents, name: &str) -> Result<(), IntentError> {
        let Some(claimed) = intents.claim(name)? else { return Ok(()) };
        let intent = claimed.intent();
        if !intent.is_for(&self.pool) {
            return Ok(());
        }
        let identity = Identity {
            infra_container_id: &intent.infra_container_id,
            pod_interface_id: &intent.pod_interface_id,
            interface: &intent.ifname,
            ..Identity::default()
        };
        let key = match Key::new(&identity) {
            Ok(key) => key,
            Err(error) => {
                tracing::warn!(name, %error, "a release intent names nobody, and is removed");
                return claimed.remove();
            }
        };
        match self.actor.release_and_wait(key) {
            Ok(_) => {
                self.metrics.intents.inc();
                claimed.remove()
            }
            Err(error) => {
                tracing::warn!(name, %error, "a release intent waits");
                Ok(())
            }
        }
    }

    /// Applies what appears in a directory, until `stop`.
    pub async fn follow(self, directory: PathBuf, mut stop: Stop) {
        let mut watch = match DirectoryWatch::new(&directory) {
            Ok(watch) => watch,
            Err(error) => {
                tracing::error!(path = %directory.display(), %error, "release intents are seen at the next start only");
                return;
            }
        };
        loop {
            self.apply(&directory).await;
            tokio::select! {
                changed = watch.changed() => if let Err(error) = changed {
                    tracing::error!(path = %directory.display(), %error, "release intents are seen at the next start only");
                    return;
                },
                () = stop.asked() => return,
            }
        }
    }
}
