//! A release that waits on disk for a daemon that is away.
//!
//! A pod must go though the daemon cannot be asked: DEL leaves an intent and succeeds, the daemon applies it when it is
//! back.
//!
//! ```text
//!  DEL, no daemon ──leave──▶ DIRECTORY/NAME ──claim──▶ release in the pool ──▶ remove     daemon
//!  ADD again      ──withdraw────────┘ (waits for a daemon that is at it)
//!  daemon's start ──announce──▶ DIRECTORY/pool ──▶ copied into each intent
//! ```
//!
//! - **Directory.** The plugin's `ipam.intents`, by default the daemon's socket with [`DIRECTORY_SUFFIX`] behind it; the
//!   daemon serves that one, [`STATE_DIRECTORY`] in its state directory and, where clients come by TCP, [`CNS_DIRECTORY`].
//!   Root's alone (0700; of the last others may see what is in it); no link is followed; at most [`MAX_INTENTS`] files of at
//!   most [`MAX_INTENT`] bytes.
//! - **File.** Complete from the moment its name appears. Named by the owner id of the attachment (32 hex digits) or, by
//!   Azure's plugins, by the container ID; names that begin with a dot are nobody's. The content is an [`Intent`] in JSON, or
//!   as Azure's plugins write it the `podInterfaceID` alone.
//! - **Pool.** The file [`POOL_FILE`] has the id of the pool that the daemon serves. An intent repeats what stood there when
//!   it was left; a daemon applies intents of its own pool and those that name none, and leaves the others alone.
//! - **Lock.** Whoever applies or withdraws an intent holds its lock (flock(2)), so that an ADD for the same attachment
//!   never gets an address that a late intent then frees.

mod directory;

use serde::{Deserialize, Serialize};

pub use directory::{Claimed, IntentError, Intents};

use crate::{IpConfigsRequest, WireError, decode};

/// What follows the socket's path in the name of its directory of intents.
pub const DIRECTORY_SUFFIX: &str = ".d";

/// The directory of intents in the daemon's state directory.
pub const STATE_DIRECTORY: &str = "intents";

/// The file with the pool's id.
pub const POOL_FILE: &str = "pool";

/// More intents than a node has pods.
pub const MAX_INTENTS: usize = 4096;

/// The longest intent, in bytes.
pub const MAX_INTENT: usize = 4096;

/// The newest form of an intent that this version writes and reads.
const SCHEMA: u32 = 1;

/// The wish that an attachment's addresses be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    schema: u32,
    /// The pool that the addresses are of; `None`: whichever the daemon has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// As [`IpConfigsRequest::infra_container_id`].
    #[serde(rename = "infraContainerID")]
    pub infra_container_id: String,
    /// As [`IpConfigsRequest::pod_interface_id`].
    #[serde(rename = "podInterfaceID")]
    pub pod_interface_id: String,
    /// `CNI_IFNAME`; empty where it is not known.
    #[serde(default)]
    pub ifname: String,
}

/// Why a file is no intent.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// JSON of another shape.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Written by a newer version.
    #[error("it has schema {0}, of which this version knows {SCHEMA} at most")]
    Schema(u32),
    /// Neither JSON nor one word.
    #[error("it is neither JSON nor the ID of an interface")]
    Other,
}

impl Intent {
    /// The intent to release what `request` would; of no pool.
    pub fn new(request: &IpConfigsRequest) -> Self {
        Self {
            schema: SCHEMA,
            pool: None,
            infra_container_id: request.infra_container_id.clone(),
            pod_interface_id: request.pod_interface_id.clone(),
            ifname: request.ifname.clone(),
        }
    }

    /// The request that the intent stands for; it has no context.
    pub fn to_request(&self) -> IpConfigsRequest {
        IpConfigsRequest {
            infra_container_id: self.infra_container_id.clone(),
            pod_interface_id: self.pod_interface_id.clone(),
            ifname: self.ifname.clone(),
            ..IpConfigsRequest::default()
        }
    }

    /// Reads the file called `name`, of which `content` is all.
    pub fn parse(name: &str, content: &[u8]) -> Result<Self, ContentError> {
        let content = content.trim_ascii();
        if content.first() == Some(&b'{') {
            let intent: Self = decode(content)?;
            return if intent.schema <= SCHEMA {
                Ok(intent)
            } else {
                Err(ContentError::Schema(intent.schema))
            };
        }
        let word =
            std::str::from_utf8(content).ok().filter(|word| is_word(word)).ok_or(ContentError::Other)?;
        let (infra_container_id, pod_interface_id) = (name.to_owned(), word.to_owned());
        Ok(Self { schema: SCHEMA, pool: None, infra_container_id, pod_interface_id, ifname: String::new() })
    }

    /// Whether a daemon with this pool is to apply the intent.
    pub fn is_for(&self, pool: &str) -> bool {
        self.pool.as_deref().is_none_or(|own| own == pool)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_graphic())
}

/// How intents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For podnet-ipamd: JSON.
    Podnet,
    /// For a CNS: the file is called by the container ID and has the `podInterfaceID` in it.
    Cns,
}

/// Where Azure's plugins leave what a CNS is to release (CNS `AsyncPodDeletePath`).
pub const CNS_DIRECTORY: &str = "/var/run/azure-vnet/deleteIDs";

#[cfg(test)]
mod tests;
