//! The members `listen` and `metrics`: where the daemon is asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::document::{Node, Value};
use super::fields::{self, Fields, Problem};

/// Where clients are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `socket`: the unix socket.
    pub socket: PathBuf,
    /// `http`: a loopback address, only where it is wanted.
    pub http: Option<SocketAddr>,
    /// `allowUids`: who may speak to `http` besides root.
    pub allow_uids: Vec<u32>,
}

impl Listen {
    pub(super) fn decode(parent: &mut Fields, state: &Path, problems: &mut Vec<Problem>) -> Self {
        let mut listen = Self { socket: state.join("ipamd.sock"), http: None, allow_uids: Vec::new() };
        let Some(node) = parent.node("listen") else { return listen };
        let mut fields = Fields::of("listen", node, problems);
        if let Some(socket) = fields.take("socket", fields::absolute_path, problems) {
            listen.socket = socket;
        }
        listen.http = fields.take("http", loopback, problems);
        let uids = fields.take_list("allowUids", fields::whole, problems);
        listen.allow_uids = uids.into_iter().map(|uid| uid.value).collect();
        fields.finish(problems);
        listen
    }
}

fn loopback(node: &Node) -> Result<SocketAddr, String> {
    let address = fields::socket_address(node)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{} is no loopback address: whoever reaches it could take and free pods' addresses",
            address.ip()
        ))
    }
}

/// The member `metrics`; none where it is `off`, which is false where it is written without quotes (YAML 1.1).
pub(super) fn metrics(node: &Node) -> Result<Option<SocketAddr>, String> {
    let is_off = node.value == Value::Bool(false) || fields::text(node)? == "off";
    if is_off { Ok(None) } else { fields::socket_address(node).map(Some) }
}
