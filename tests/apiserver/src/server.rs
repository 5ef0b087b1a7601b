//! The server as a test holds it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::address::Address;
use crate::log::Request;
use crate::serve::serve;
use crate::store::{Key, Patch, Store};
use crate::trouble::{Trouble, Where};

/// Between two bookmarks. A real server sends one about every minute.
const BOOKMARKS: Duration = Duration::from_secs(1);

/// What the test and the server share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    store: Mutex<Store>,
    requests: Mutex<Vec<Request>>,
    troubles: Mutex<Vec<(Trouble, Where)>>,
    token: Mutex<Option<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        locked(&self.store)
    }

    pub(crate) fn note(&self, request: Request) {
        locked(&self.requests).push(request);
    }

    /// The trouble that a request meets; one that is for so many requests only is used up by it.
    pub(crate) fn trouble(&self, verb: &str, address: &Address) -> Option<Trouble> {
        let mut troubles = locked(&self.troubles);
        let at = troubles.iter().position(|(_, place)| place.matches(verb, address))?;
        let (trouble, place) = troubles.get_mut(at)?;
        let trouble = trouble.clone();
        if let Some(times) = &mut place.times {
            *times -= 1;
            if *times == 0 {
                troubles.remove(at);
            }
        }
        Some(trouble)
    }

    pub(crate) fn knows(&self, authorization: Option<&str>) -> bool {
        let wanted = locked(&self.token);
        wanted.as_ref().is_none_or(|token| authorization == Some(format!("Bearer {token}").as_str()))
    }
}

/// A running server, or one that is stopped and keeps its objects.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl ApiServer {
    /// A server without objects, on a free port of 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same, at an address.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        let mut server = Self { address, shared: Arc::default(), running: None };
        server.resume()?;
        Ok(server)
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> String {
        let token = locked(&self.shared.token);
        let user = token.as_ref().map_or("{}".to_owned(), |token| format!("{{token: {token}}}"));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts: [{{name: test, context: {{cluster: test, \
             user: test}}}}]\nclusters: [{{name: test, cluster: {{server: '{}'}}}}]\nusers: [{{name: test, user: \
             {user}}}]\n",
            self.url()
        )
    }

    /// Stops listening and breaks every connection off; objects, history and troubles stay.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.send(()).ok();
            thread.join().ok();
        }
        self.shared.store().unwatch(None);
    }

    /// Listens again, where it did before.
    pub fn resume(&mut self) -> io::Result<()> {
        self.stop();
        let listener = TcpListener::bind(self.address)?;
        self.address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&self.shared);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, &shared) => {}
                    () = bookmarks(&shared) => {}
                    _ = stopped => {}
                }
            });
            // With it go the connections.
            drop(runtime);
        });
        self.running = Some((stop, thread));
        Ok(())
    }

    /// Only requests with this bearer token are answered; none: all are.
    pub fn require_token(&self, token: Option<&str>) {
        *locked(&self.shared.token) = token.map(ToOwned::to_owned);
    }

    /// Makes something go wrong from now on; the first trouble that matches a request counts.
    pub fn trouble(&self, trouble: Trouble, place: Where) {
        locked(&self.shared.troubles).push((trouble, place));
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        locked(&self.shared.troubles).clear();
    }

    /// Every request since the last call of [`ApiServer::forget_requests`].
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        locked(&self.shared.requests).clear();
    }

    /// How many watches are open.
    pub fn watching(&self) -> usize {
        self.shared.store().watching()
    }

    /// Ends every watch, as a server does that is about to restart.
    pub fn end_watches(&self) {
        self.shared.store().unwatch(None);
    }

    /// No watch resumes from before now: 410 for those who try, and for those that are open.
    pub fn expire(&self) {
        self.shared.store().expire();
    }

    /// Puts an object at its path (`/api/v1/nodes/n1`), new or instead of the one there, status and all. What it is now;
    /// null where the path names no object.
    pub fn put(&self, path: &str, object: Value) -> Value {
        let Some(key) = key(path) else { return Value::Null };
        let mut store = self.shared.store();
        if store.get(&key).is_none() {
            return store.create(key, object).body;
        }
        store.update(&key, None, &object);
        store.update(&key, Some("status"), &object).body
    }

    /// Merges a patch into an object, status and all. What it is now, or a failure's status.
    pub fn edit(&self, path: &str, change: &Value) -> Value {
        let Some(key) = key(path) else { return Value::Null };
        let mut store = self.shared.store();
        let kind = Patch::Merge { strategic: false };
        store.patch(&key, None, &kind, change);
        store.patch(&key, Some("status"), &kind, change).body
    }

    /// The object at a path.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.shared.store().get(&key(path)?).cloned()
    }

    /// Removes the object at a path; one with finalizers is only marked.
    pub fn remove(&self, path: &str) {
        if let Some(key) = key(path) {
            self.shared.store().delete(&key);
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn key(path: &str) -> Option<Key> {
    Key::of(&Address::parse(path)?)
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, perhaps: others go on.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&shared), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn bookmarks(shared: &Shared) {
    loop {
        sleep(BOOKMARKS).await;
        shared.store().bookmark();
    }
}
