//! Releases that DEL left on disk while the daemon was away.
//!
//! They lie in the state directory and beside the socket, wherever the plugin's configuration puts them. Whoever speaks to the
//! daemon as to a CNS, by TCP, leaves them where a CNS looks ([`CNS_DIRECTORY`]). They are applied at the start, before
//! anybody is served, and whenever one appears; a file's own lock keeps an ADD of the same attachment from overtaking one.

use std::path::PathBuf;
use std::sync::Arc;

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::stop::Stop;
use podnet_daemon_kit::watch::DirectoryWatch;
use podnet_ipam_api::intent::{CNS_DIRECTORY, DIRECTORY_SUFFIX, Form, IntentError, Intents, STATE_DIRECTORY};
use podnet_ipam_core::{Identity, Key};

use crate::actor::Handle;
use crate::config::Config;
use crate::metrics::Metrics;

/// Where intents are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub directory: PathBuf,
    /// Who leaves them there: whether other users may look into it, and whether it says which pool is served.
    pub form: Form,
}

/// The state directory's own place, that beside the socket and, where clients come by TCP, that of a CNS.
pub fn places(config: &Config) -> Vec<Place> {
    let mut beside = config.listen.socket.clone().into_os_string();
    beside.push(DIRECTORY_SUFFIX);
    let ours = [config.state.join(STATE_DIRECTORY), beside.into()];
    let ours = ours.into_iter().map(|directory| Place { directory, form: Form::Podnet });
    let of_cns = config.listen.http.map(|_| Place { directory: CNS_DIRECTORY.into(), form: Form::Cns });
    ours.chain(of_cns).collect()
}

/// Makes the directories, since Azure's plugins make none, and says in each of podnet's which pool is served. The pool's id
/// is the first one that was ever announced in the first of them, or a new one. Where it cannot be announced, intents are left
/// without it, and are this pool's, too.
pub fn announce(places: &[Place]) -> String {
    let known = places.first().and_then(|own| own.open().and_then(|intents| intents.pool()).ok()?);
    let id = known.unwrap_or_else(new_id);
    for place in places {
        let announced = place.open().and_then(|intents| match place.form {
            Form::Podnet => intents.announce(&id),
            Form::Cns => Ok(()),
        });
        if let Err(error) = announced {
            tracing::warn!(error = %Chain(&error), "release intents may be lost, or not find their pool");
        }
    }
    id
}

impl Place {
    /// The directory, made where it is missing.
    fn open(&self) -> Result<Intents, IntentError> {
        Intents::create(&self.directory, self.form)
    }
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
    /// Applies all that wait in a place. What cannot be read is left, and said.
    pub async fn apply(&self, place: &Place) {
        let (applier, place) = (self.clone(), place.clone());
        // Intents are locked, and whoever has the lock may be slow.
        let done = tokio::task::spawn_blocking(move || applier.apply_and_wait(&place)).await;
        if let Err(error) = done {
            tracing::error!(%error, "the release intents were not applied");
        }
    }

    fn apply_and_wait(&self, place: &Place) {
        let said = |error: IntentError| tracing::warn!(error = %Chain(&error), "a release intent waits");
        let intents = match Intents::open(&place.directory, place.form) {
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

    /// Applies what appears in a place, until `stop`. A directory that is gone is waited for.
    pub async fn follow(self, place: Place, mut stop: Stop) {
        let deaf = |error: std::io::Error| {
            let path = place.directory.display();
            tracing::error!(%path, %error, "release intents are seen at the next start only");
        };
        let mut watch = match DirectoryWatch::new(&place.directory) {
            Ok(watch) => watch,
            Err(error) => return deaf(error),
        };
        loop {
            self.apply(&place).await;
            tokio::select! {
                changed = watch.changed() => if let Err(error) = changed {
                    return deaf(error);
                },
                () = stop.asked() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const SOURCE: &str = "source: {kind: static, subnet: 10.1.0.0/16, ranges: [10.1.1.0/24]}";

    fn place(directory: &Path, form: Form) -> Place {
        Place { directory: directory.to_owned(), form }
    }

    #[test]
    fn a_cns_has_its_place_where_clients_come_by_tcp() {
        let of = |listen: &str| {
            let config = Config::parse(&format!("state: /s\nlisten: {listen}\n{SOURCE}\n")).unwrap();
            places(&config)
        };
        let ours =
            [place(Path::new("/s/intents"), Form::Podnet), place(Path::new("/r/ipamd.sock.d"), Form::Podnet)];
        assert_eq!(of("{socket: /r/ipamd.sock}"), ours);
        let both = of("{socket: /r/ipamd.sock, http: '127.0.0.1:10090'}");
        assert_eq!(both[..2], ours);
        assert_eq!(both[2..], [place(Path::new("/var/run/azure-vnet/deleteIDs"), Form::Cns)]);
    }

    #[test]
    fn all_places_are_made_and_podnets_name_one_pool() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let places = [
            place(&path("state/intents"), Form::Podnet),
            place(&path("ipamd.sock.d"), Form::Podnet),
            place(&path("azure-vnet/deleteIDs"), Form::Cns),
        ];
        let id = announce(&places);
        assert_eq!(announce(&places), id);
        let said = |place: &Place| fs::read_to_string(place.directory.join("pool")).ok();
        assert_eq!(places.each_ref().map(said), [Some(id.clone()), Some(id), None]);
        assert_eq!(fs::read_dir(path("azure-vnet/deleteIDs")).unwrap().count(), 0);
    }
}
