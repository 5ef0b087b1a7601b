//! The members of `ipam` for a daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use podnet_cni::Route;
use podnet_ipam_api::client::Server;
use podnet_ipam_api::intent::{CNS_DIRECTORY, DIRECTORY_SUFFIX};
use serde::Deserialize;

use crate::netconf::{ConfigError, NetConf};

/// Where podnet-ipamd listens.
pub(crate) const DEFAULT_SOCKET: &str = "/run/podnet/ipamd.sock";

/// Where a CNS listens.
const DEFAULT_URL: &str = "http://localhost:10090";

/// How long podnet-ipamd may take: a runtime learns within a second that it must try again.
const SOCKET_LIMIT: Duration = Duration::from_millis(900);

/// How long a CNS may take, as azure-vnet has it.
const CNS_LIMIT: Duration = Duration::from_secs(15);

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// podnet-ipamd, over its socket.
    Ipamd,
    /// A CNS, over TCP.
    Cns,
}

/// The members of `ipam`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DaemonConfig {
    /// Looked at before.
    #[serde(rename = "type")]
    _type: String,
    /// podnet-ipamd's socket.
    socket: String,
    /// A CNS's URL.
    url: String,
    /// Where releases wait for a daemon that is away.
    intents: String,
    /// Routes for the pod.
    pub(super) routes: Vec<Route>,
}

impl Kind {
    /// The daemon of an `ipam.type`; none for other types.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "podnet-ipamd" => Some(Self::Ipamd),
            "azure-cns" => Some(Self::Cns),
            _ => None,
        }
    }

    pub(super) fn limit(self) -> Duration {
        match self {
            Self::Ipamd => SOCKET_LIMIT,
            Self::Cns => CNS_LIMIT,
        }
    }
}

impl DaemonConfig {
    /// The daemon that is meant where the type does not say it.
    pub(super) fn kind(&self) -> Kind {
        if self.url.is_empty() { Kind::Ipamd } else { Kind::Cns }
    }

    /// Who is asked. azure-vnet's own member for the URL, `cnsurl`, counts where `ipam` has none.
    pub(super) fn server(&self, kind: Kind, conf: &NetConf) -> Result<Server, ConfigError> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match kind {
            Kind::Ipamd => {
                let socket = given(&self.socket).unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
                Ok(Server::Socket(absolute("ipam.socket", &socket)?))
            }
            Kind::Cns => {
                let member = if self.url.is_empty() { "cnsurl" } else { "ipam.url" };
                let url = given(&self.url).or_else(|| given(conf.cns_url.as_deref().unwrap_or_default()));
                let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
                let malformed =
                    || ConfigError::invalid(member, format!("{url:?}"), "as \"http://localhost:10090\"");
                Server::from_url(&url).ok_or_else(malformed)
            }
        }
    }

    /// Where intents are left for the server.
    pub(super) fn intents(&self, server: &Server) -> Result<PathBuf, ConfigError> {
        match server {
            _ if !self.intents.is_empty() => absolute("ipam.intents", &self.intents),
            Server::Socket(socket) => {
                let mut path = socket.clone().into_os_string();
                path.push(DIRECTORY_SUFFIX);
                Ok(path.into())
            }
            Server::Tcp(_) => Ok(CNS_DIRECTORY.into()),
        }
    }
}

fn absolute(member: &'static str, path: &str) -> Result<PathBuf, ConfigError> {
    if Path::new(path).is_absolute() && !path.contains('\0') {
        return Ok(path.into());
    }
    Err(ConfigError::invalid(member, format!("{path:?}"), "an absolute path"))
}
