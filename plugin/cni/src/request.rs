//! What a runtime asks for: the command with everything that was checked for it.
//!
//! The checks run in the order of libcni's plugin side, since a request with two faults must show the
//! same one: variables, then standard input as JSON, then the network's name, then the command's name,
//! then the version. VERSION runs none of them and reads nothing: podman calls it with placeholders in
//! every variable.

use std::io;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::args::{Args, ArgsError};
use crate::command::Command;
use crate::environment::{AttachmentVariables, Environment, EnvironmentError};
use crate::error::{ErrorObject, code};
use crate::gc::{ValidAttachments, ValidAttachmentsError};
use crate::json::{self, DecodeError};
use crate::name::{AttachmentKey, ContainerId, IfName, NameError, NetworkName};
use crate::result::{AddResult, ResultError};
use crate::version::{Version, VersionError};

/// A checked request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Attach the container.
    Add {
        /// The attachment to make.
        attachment: Attachment,
        /// `CNI_NETNS`, the path of the container's network namespace; not opened, not empty.
        netns: String,
    },
    /// Verify an attachment.
    Check {
        /// The attachment to verify.
        attachment: Attachment,
        /// `CNI_NETNS`, as for ADD.
        netns: String,
    },
    /// Take an attachment away.
    Del {
        /// The attachment to take away.
        attachment: Attachment,
        /// `CNI_NETNS`; absent where the namespace is gone.
        netns: Option<String>,
    },
    /// Remove what belongs to no valid attachment of the network.
    Gc(Network),
    /// Say whether ADD could be served.
    Status(Network),
    /// Tell the supported versions.
    Version,
}

/// A network, as standard input configures it for this one plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The network's name.
    pub name: NetworkName,
    /// The version of the configuration, and so of the result.
    pub version: Version,
    /// The whole configuration, an object; [`json::decode`] reads it.
    pub config: Value,
    /// The same as it came, for the plugins that this one runs.
    pub text: Vec<u8>,
    /// The directories of `CNI_PATH`, in which to look for other plugins.
    pub plugin_dirs: Vec<PathBuf>,
}

/// A container's interface on a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// The network.
    pub network: Network,
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
    /// `CNI_ARGS`, unread: only ADD and CHECK care, so only they fail on it. See [`Attachment::args`].
    pub raw_args: String,
    /// `CNI_NETNS_OVERRIDE`: the namespace may be the plugin's own.
    pub netns_override: bool,
}

/// A request that cannot be served, in the order of the checks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A variable is missing or malformed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Standard input could not be read.
    #[error("error reading from stdin")]
    Read(#[source] io::Error),
    /// Standard input is no JSON.
    #[error("error unmarshall network config")]
    Json(#[source] serde_json::Error),
    /// Standard input is no object, or its `name` no text.
    #[error("error unmarshall network config")]
    Decode(#[source] DecodeError),
    /// `name` is missing or malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// `cniVersion` is no text.
    #[error("decoding version from network config")]
    DecodeVersion(#[source] DecodeError),
    /// The version does not allow the command.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl From<RequestError> for ErrorObject {
    fn from(error: RequestError) -> Self {
        // libcni puts the cause into the message.
        let with_cause = |code, cause: &dyn std::error::Error| Self::new(code, format!("{error}: {cause}"));
        match error {
            RequestError::Environment(error) => error.into(),
            RequestError::Read(ref cause) => with_cause(code::IO_FAILURE, cause),
            RequestError::Json(ref cause) => with_cause(code::DECODING_FAILURE, cause),
            RequestError::Decode(ref cause) | RequestError::DecodeVersion(ref cause) => {
                with_cause(code::DECODING_FAILURE, cause)
            }
            RequestError::Name(error) => error.into(),
            RequestError::Version(error) => error.into(),
        }
    }
}

impl Request {
    /// The network that the request is about; none for VERSION.
    pub fn network(&self) -> Option<&Network> {
        match self {
            Self::Add { attachment, .. } | Self::Check { attachment, .. } | Self::Del { attachment, .. } => {
                Some(&attachment.network)
            }
            Self::Gc(network) | Self::Status(network) => Some(network),
            Self::Version => None,
        }
    }

    /// Reads a request. `read_stdin` gives the whole standard input; it is called once, after the
    /// variables were checked, and not at all for VERSION.
    pub fn parse(
        environment: &Environment,
        read_stdin: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<Self, RequestError> {
        let config = || read_config(read_stdin);
        let command = match environment.command()? {
            Ok(command) => command,
            Err(unknown) => {
                config()?;
                return Err(unknown.into());
            }
        };
        match command {
            Command::Version => Ok(Self::Version),
            Command::Add => {
                let (variables, netns) = environment.joining()?;
                Ok(Self::Add { attachment: Attachment::new(command, variables, config()?)?, netns })
            }
            Command::Check => {
                let (variables, netns) = environment.joining()?;
                Ok(Self::Check { attachment: Attachment::new(command, variables, config()?)?, netns })
            }
            Command::Del => {
                let (variables, netns) = environment.leaving()?;
                Ok(Self::Del { attachment: Attachment::new(command, variables, config()?)?, netns })
            }
            Command::Gc => {
                let plugin_dirs = environment.plugin_dirs()?;
                Ok(Self::Gc(Network::new(command, plugin_dirs, config()?)?))
            }
            Command::Status => {
                let plugin_dirs = environment.plugin_dirs()?;
                Ok(Self::Status(Network::new(command, plugin_dirs, config()?)?))
            }
        }
    }
}

impl Network {
    fn new(
        command: Command,
        plugin_dirs: Vec<PathBuf>,
        Stdin { name, config, text }: Stdin,
    ) -> Result<Self, RequestError> {
        let declared: DeclaredVersion = json::decode(&config).map_err(RequestError::DecodeVersion)?;
        let version = Version::for_command(command, &declared.cni_version)?;
        Ok(Self { name, version, config, text, plugin_dirs })
    }

    /// The result of the plugins before this one, or of the whole list where the runtime hands an
    /// attachment's result back (`prevResult`). Absent and `null` are one.
    pub fn prev_result(&self) -> Result<Option<AddResult>, ResultError> {
        const MEMBER: &str = "prevResult";
        let given = json::member(&self.config, MEMBER).filter(|value| !value.is_null());
        given.map(AddResult::parse).transpose().map_err(|error| error.within(MEMBER))
    }

    /// The attachments that GC must leave; nothing where the runtime gave no list.
    pub fn valid_attachments(&self) -> Result<Option<ValidAttachments>, ValidAttachmentsError> {
        ValidAttachments::from_config(&self.config)
    }
}

impl Attachment {
    fn new(command: Command, variables: AttachmentVariables, stdin: Stdin) -> Result<Self, RequestError> {
        let AttachmentVariables { container_id, ifname, args, plugin_dirs, netns_override } = variables;
        let network = Network::new(command, plugin_dirs, stdin)?;
        Ok(Self { network, container_id, ifname, raw_args: args, netns_override })
    }

    /// What identifies the attachment.
    pub fn key(&self) -> AttachmentKey {
        AttachmentKey {
            network: self.network.name.clone(),
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
        }
    }

    /// The pairs of `CNI_ARGS` that podnet knows.
    pub fn args(&self) -> Result<Args, ArgsError> {
        Args::parse(&self.raw_args)
    }
}

#[derive(Deserialize)]
struct DeclaredName {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct DeclaredVersion {
    #[serde(default, rename = "cniVersion")]
    cni_version: String,
}

/// Standard input, as far as every command but VERSION reads it.
struct Stdin {
    name: NetworkName,
    config: Value,
    text: Vec<u8>,
}

/// Reads standard input for a command, known or not.
fn read_config(read_stdin: impl FnOnce() -> io::Result<Vec<u8>>) -> Result<Stdin, RequestError> {
    let text = read_stdin().map_err(RequestError::Read)?;
    let config: Value = serde_json::from_slice(&text).map_err(RequestError::Json)?;
    let declared: DeclaredName = json::decode(&config).map_err(RequestError::Decode)?;
    Ok(Stdin { name: NetworkName::new(declared.name)?, config, text })
}

#[cfg(test)]
mod tests;
