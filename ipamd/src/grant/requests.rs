//! The requests that a round consists of. A write in a version that is not the present one changes nothing, and is answered
//! with none.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::core::Request;
use serde_json::json;

use super::ledger::text::{self, TextError};
use super::ledger::{Owner, Page, PageId};
use super::object::{self, Found, NAMESPACE};
use super::observed::Observed;
use super::round::{PageWrite, StatusWrite};
use super::settings::Settings;
use super::status;
use crate::cluster::{Asked, Cluster, ClusterError};
use crate::crd::NodeNetworkConfig;

/// A page's `ConfigMap` is called `podnet-grant-SUBNET-NUMBER` and has this label.
const MANAGER: (&str, &str) = ("app.kubernetes.io/managed-by", "podnet-ipamd-grant");
const PREFIX: &str = "podnet-grant-";
/// The member of its data with the claims.
const CLAIMS: &str = "claims";
/// Objects of a list come so many at a time.
pub const LISTED: u32 = 500;

/// Why the ledger cannot be known. Then nothing is granted.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A page says something else than claims.
    #[error("ConfigMap {NAMESPACE}/{name}: data.{CLAIMS}")]
    Page {
        /// The object's name.
        name: String,
        /// What.
        source: TextError,
    },
}

/// The way to nodes' objects and the ledger. Clones are the same.
#[derive(Debug, Clone)]
pub struct Requests {
    cluster: Cluster,
    settings: Arc<Settings>,
}

impl Requests {
    /// A way through `cluster`.
    pub fn new(cluster: Cluster, settings: Arc<Settings>) -> Self {
        Self { cluster, settings }
    }

    /// All pages of the configured subnets.
    pub async fn ledger(&self) -> Result<BTreeMap<PageId, Page>, LedgerError> {
        let mut parameters =
            ListParams::default().labels(&format!("{}={}", MANAGER.0, MANAGER.1)).limit(LISTED);
        let mut pages = BTreeMap::new();
        loop {
            let wanted = parameters.clone();
            let list = self
                .cluster
                .request(asked_page("list", ""), |client| async move { maps(client).list(&wanted).await })
                .await?;
            for map in list.items {
                let name = map.metadata.name.clone().unwrap_or_default();
                if let Some(id) = self.page_id(&name) {
                    pages.insert(id, self.read_page(id, map)?);
                } else {
                    tracing::warn!(object = name, "a page of the ledger is of no subnet that is configured");
                }
            }
            match list.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => parameters.continue_token = Some(more),
                None => return Ok(pages),
            }
        }
    }

    /// One page; an empty one where there is none.
    pub async fn page(&self, id: PageId) -> Result<Page, LedgerError> {
        let name = self.page_name(id);
        let asked = asked_page("get", &name);
        let map =
            self.cluster.request(asked, |client| async move { maps(client).get_opt(&name).await }).await?;
        map.map_or_else(|| Ok(Page::default()), |map| self.read_page(id, map))
    }

    /// Replaces a page, or sees that it is still in its version; its version now.
    pub async fn write_page(&self, write: &PageWrite) -> Result<Option<String>, LedgerError> {
        if !write.is_changed {
            let page = self.page(write.id).await?;
            return Ok(if page.version == write.page.version {
                Some(page.version.unwrap_or_default())
            } else {
                None
            });
        }
        let name = self.page_name(write.id);
        let subnet = self.settings.subnet(write.id.subnet);
        let claims = subnet.map(|subnet| text::print(subnet, &write.page.claims)).unwrap_or_default();
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(NAMESPACE.to_owned()),
                resource_version: write.page.version.clone(),
                labels: Some(BTreeMap::from([(MANAGER.0.to_owned(), MANAGER.1.to_owned())])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(CLAIMS.to_owned(), claims)])),
            ..ConfigMap::default()
        };
        let parameters = PostParams::default();
        let written = if write.page.version.is_none() {
            let create = |client| async move { maps(client).create(&parameters, &map).await };
            self.cluster.request(asked_page("create", &name), create).await
        } else {
            let asked = asked_page("update", &name);
            let replace = |client| async move { maps(client).replace(&name, &parameters, &map).await };
            self.cluster.request(asked, replace).await
        };
        Ok(unless_late(written)?.map(|map| map.metadata.resource_version.unwrap_or_default()))
    }

    /// A node's object.
    pub async fn object(&self, name: &str) -> Result<Option<Observed>, ClusterError> {
        let path = objects_path();
        let request = Request::new(path).get(name, &kube::api::GetParams::default());
        let got = self.send("get", name, request).await;
        match got {
            Err(ClusterError::NotFound { .. }) => Ok(None),
            got => got.map(Some),
        }
    }

    /// A new object for a node; none: there is one already.
    pub async fn create(&self, owner: &Owner) -> Result<Option<Observed>, ClusterError> {
        let body = serde_json::to_vec(&object::create(owner, &self.settings));
        let asked = asked_object("create", &owner.node);
        let body = body.map_err(|source| ClusterError::Malformed { asked, source })?;
        let request = Request::new(objects_path()).create(&PostParams::default(), body);
        unless_late(self.send("create", &owner.node, request).await)
    }

    /// Replaces a status; the object now.
    pub async fn write_status(&self, write: &StatusWrite) -> Result<Option<Observed>, ClusterError> {
        let body = json!({
            "apiVersion": "acn.azure.com/v1alpha",
            "kind": "NodeNetworkConfig",
            "metadata": {"name": write.node, "namespace": NAMESPACE, "resourceVersion": write.version},
            "spec": {},
            "status": status::render(&write.granted, &self.settings),
        });
        let body = body.to_string().into_bytes();
        let request = Request::new(objects_path()).replace_subresource(
            "status",
            &write.node,
            &PostParams::default(),
            body,
        );
        unless_late(self.send("update", &write.node, request).await)
    }

    async fn send(
        &self,
        verb: &'static str,
        name: &str,
        request: Result<hyper::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Observed, ClusterError> {
        let found: Found = self
            .cluster
            .request(asked_object(verb, name), |client| async move {
                client.request(request.map_err(kube::Error::BuildRequest)?).await
            })
            .await?;
        Ok(object::observe(found, &self.settings))
    }

    fn page_name(&self, id: PageId) -> String {
        let subnet = self.settings.subnet(id.subnet).map_or("", |subnet| &subnet.name);
        format!("{PREFIX}{subnet}-{}", id.number)
    }

    fn page_id(&self, name: &str) -> Option<PageId> {
        let (subnet, number) = name.strip_prefix(PREFIX)?.rsplit_once('-')?;
        let (place, _) = self.settings.places().find(|(_, it)| &*it.name == subnet)?;
        Some(PageId { subnet: place, number: number.parse().ok()? })
    }

    fn read_page(&self, id: PageId, map: ConfigMap) -> Result<Page, LedgerError> {
        let Some(subnet) = self.settings.subnet(id.subnet) else { return Ok(Page::default()) };
        let text = map.data.unwrap_or_default().remove(CLAIMS).unwrap_or_default();
        let mut owners = BTreeMap::new();
        let intern =
            |owner: Owner| Arc::clone(owners.entry(owner.uid.clone()).or_insert_with(|| Arc::new(owner)));
        let claims = text::parse(&text, id, subnet, intern)
            .map_err(|source| LedgerError::Page { name: map.metadata.name.unwrap_or_default(), source })?;
        Ok(Page { version: map.metadata.resource_version, claims })
    }
}

/// A write that came too late, or whose object is gone, is no error.
fn unless_late<T>(written: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
    match written {
        Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) => Ok(None),
        written => written.map(Some),
    }
}

fn maps(client: kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client, NAMESPACE)
}

fn objects_path() -> String {
    <NodeNetworkConfig as kube::Resource>::url_path(&(), Some(NAMESPACE))
}

fn asked_page(verb: &'static str, name: &str) -> Asked {
    let object = if name.is_empty() { String::new() } else { format!("{NAMESPACE}/{name}") };
    Asked { verb, group: "", version: "v1", resource: "configmaps", object }
}

fn asked_object(verb: &'static str, name: &str) -> Asked {
    let resource = if verb == "update" { "nodenetworkconfigs/status" } else { "nodenetworkconfigs" };
    let object = format!("{NAMESPACE}/{name}");
    Asked { verb, group: "acn.azure.com", version: "v1alpha", resource, object }
}
