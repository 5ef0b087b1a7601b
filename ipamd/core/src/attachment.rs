//! Who holds addresses: one interface of one container, however a client spells it.

use std::fmt;
use std::sync::Arc;

/// Longest text of one part of an attachment, in bytes. A container's ID has 64, a Kubernetes name at most 253.
pub const LONGEST_PART: usize = 1024;

/// How many characters of the container's ID `azure-vnet` begins its pod interface ID with.
const SHORT_ID: usize = 8;

/// The texts of a request that say who asks, as the client sent them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// `infraContainerID`: the sandbox's ID.
    pub infra_container_id: &'a str,
    /// `podInterfaceID`: `<first 8 characters of the container ID>-<interface>` from `azure-vnet`, the
    /// container ID alone from `azure-ipam` and the stateless `azure-vnet`.
    pub pod_interface_id: &'a str,
    /// `ifname`: from `azure-ipam`; empty from `azure-vnet`.
    pub interface: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
}

/// What identifies an attachment, the same for every client's spelling: container and interface.
///
/// A client that names no interface has an empty one, which stands for "whichever": see [`Key::matches`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    container: Arc<str>,
    interface: Arc<str>,
}

impl Key {
    /// The key of a request (either request of the contract, and an intent left behind by DEL).
    pub fn new(identity: &Identity) -> Result<Self, IdentityError> {
        let Identity { infra_container_id, pod_interface_id, interface, .. } = *identity;
        for (part, text) in [
            ("infraContainerID", infra_container_id),
            ("podInterfaceID", pod_interface_id),
            ("ifname", interface),
        ] {
            within_bounds(part, text)?;
        }
        let container = if infra_container_id.is_empty() { pod_interface_id } else { infra_container_id };
        if container.is_empty() {
            return Err(IdentityError::Nameless);
        }
        let interface = interface_in(pod_interface_id, container).unwrap_or(interface);
        Ok(Self::canonical(container, interface))
    }

    /// A key from its two parts, as [`Key::container`] and [`Key::interface`] give them.
    pub fn canonical(container: &str, interface: &str) -> Self {
        Self { container: container.into(), interface: interface.into() }
    }

    /// The sandbox's ID.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The interface's name in the container, the whole pod interface ID where that has a form of its own, or
    /// empty where the client named none.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Whether both may mean one attachment: the same container, and the same interface or one not named.
    pub fn matches(&self, other: &Self) -> bool {
        self.container == other.container
            && (self.interface == other.interface || self.is_vague() || other.is_vague())
    }

    /// Whether the client named no interface.
    pub(crate) fn is_vague(&self) -> bool {
        self.interface.is_empty()
    }

    /// The same container, no interface named.
    pub(crate) fn vague(&self) -> Self {
        Self { container: Arc::clone(&self.container), interface: "".into() }
    }

    pub(crate) fn shared_container(&self) -> Arc<str> {
        Arc::clone(&self.container)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.container, self.interface)
    }
}

/// The interface that a pod interface ID names; none where it is the container's ID and names none.
fn interface_in<'a>(pod_interface_id: &'a str, container: &str) -> Option<&'a str> {
    if pod_interface_id.is_empty() || pod_interface_id == container {
        return None;
    }
    let after =
        |id: &str| pod_interface_id.strip_prefix(id)?.strip_prefix('-').filter(|name| !name.is_empty());
    let short = container.get(..SHORT_ID).unwrap_or(container);
    Some(after(container).or_else(|| after(short)).unwrap_or(pod_interface_id))
}

/// An attachment: the key, and what the daemon shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    key: Key,
    pod_interface_id: Box<str>,
    pod: Box<str>,
    namespace: Box<str>,
}

impl Attachment {
    /// The attachment of a request.
    pub fn new(identity: &Identity) -> Result<Self, IdentityError> {
        within_bounds("podName", identity.pod)?;
        within_bounds("podNamespace", identity.namespace)?;
        Ok(Self {
            key: Key::new(identity)?,
            pod_interface_id: identity.pod_interface_id.into(),
            pod: identity.pod.into(),
            namespace: identity.namespace.into(),
        })
    }

    /// What identifies it.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What leads to this attachment again through [`Attachment::new`].
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            infra_container_id: self.key.container(),
            pod_interface_id: &self.pod_interface_id,
            interface: self.key.interface(),
            pod: &self.pod,
            namespace: &self.namespace,
        }
    }
}

fn within_bounds(part: &'static str, text: &str) -> Result<(), IdentityError> {
    if text.len() > LONGEST_PART {
        return Err(IdentityError::TooLong { part, length: text.len() });
    }
    Ok(())
}

/// A request does not say who asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Neither ID is given.
    #[error("infraContainerID and podInterfaceID are both empty")]
    Nameless,
    /// A text is longer than any real one.
    #[error("{part} has {length} bytes, {LONGEST_PART} at most are allowed")]
    TooLong {
        /// The member of the request.
        part: &'static str,
        /// Its length in bytes.
        length: usize,
    },
}
