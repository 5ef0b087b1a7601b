//! Any other `ipam.type`: a plugin of CNI_PATH, executed (CNI specification 1.1.0, section 4, "Plugin Delegation").
//!
//! It gets our own stdin and environment, with `CNI_COMMAND` set to the verb. A failed ADD is followed by DEL, whether it
//! was the plugin that failed or its answer that cannot be used.

use std::env::join_paths;
use std::path::PathBuf;
use std::time::Duration;

use podnet_cni::json::{DecodeError, decode};
use podnet_cni::{AddResult, Command, Network, ResultError};
use podnet_datapath::Owner;
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use super::{Gateways, Grant, GrantError};
use crate::error::{Error, chain};
use crate::exec::{Ended, ExecError, Run};
use crate::netconf::{ConfigError, NetConf};

/// How long one call may take. Two of them, ADD and the DEL after it, end before containerd gives a pod up (4 min).
const LIMIT: Duration = Duration::from_secs(90);

/// How long STATUS may take at most: containerd calls it whenever somebody asks for the node's state.
const STATUS_LIMIT: Duration = Duration::from_secs(10);

/// The kernel's `NAME_MAX`, in bytes.
const LONGEST_NAME: usize = 255;

/// How much of an answer that is none a message repeats, in characters.
const QUOTED: usize = 100;

/// An IPAM plugin.
#[derive(Debug)]
pub(crate) struct Delegate {
    name: String,
    dirs: Vec<PathBuf>,
    /// Its stdin.
    text: Vec<u8>,
    limit: Duration,
    gateways: Gateways,
}

/// Why an IPAM plugin did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DelegateError {
    /// No such file. The words are libcni's.
    #[error("failed to find plugin {name:?} in path [{}]", dirs.join(" "))]
    NoFile {
        /// The plugin.
        name: String,
        /// Where it was looked for.
        dirs: Vec<String>,
    },
    /// It could not be run to its end.
    #[error("IPAM plugin {name} failed in {verb}")]
    Exec {
        /// The plugin.
        name: String,
        /// What it was to do.
        verb: Command,
        /// Why.
        source: ExecError,
    },
    /// It says why it failed.
    #[error("IPAM plugin {name} failed in {verb}: {msg}")]
    Refused {
        /// The plugin.
        name: String,
        /// What it was to do.
        verb: Command,
        /// The code, which becomes ours.
        code: u32,
        /// Its message.
        msg: String,
        /// Its details, where it has any.
        #[source]
        details: Option<Words>,
    },
    /// It failed and does not say why, in the way that the specification asks for.
    #[error("IPAM plugin {name} failed in {verb} without an error object: {ended}")]
    Speechless {
        /// The plugin.
        name: String,
        /// What it was to do.
        verb: Command,
        /// How it ended, and what it left on stdout and stderr.
        ended: String,
    },
    /// Its answer to ADD is no result.
    #[error("IPAM plugin {name} did not answer with a result")]
    NoResult {
        /// The plugin.
        name: String,
        /// Why.
        source: AnswerError,
    },
    /// Its result has addresses that a pod cannot have.
    #[error("IPAM plugin {name} answered with what a pod cannot have")]
    Unusable {
        /// The plugin.
        name: String,
        /// Why.
        source: GrantError,
    },
}

/// Words of another plugin.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Words(String);

/// Why an output is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// Nothing was printed.
    #[error("it printed nothing")]
    Empty,
    /// Something else was printed.
    #[error("it printed {0:?}")]
    NotJson(String, #[source] serde_json::Error),
    /// JSON of another shape or version.
    #[error(transparent)]
    Result(#[from] ResultError),
}

impl Delegate {
    /// The plugin of a configuration that is checked.
    pub(super) fn read(
        name: &str,
        conf: &NetConf,
        network: &Network,
        gateways: Gateways,
    ) -> Result<Self, Error> {
        if conf.r#type.as_deref() == Some(name) {
            let rule = "a plugin cannot be its own IPAM plugin";
            return Err(ConfigError::invalid("ipam.type", format!("{name:?}"), rule).into());
        }
        let limit = conf.ipam_timeout()?.unwrap_or(LIMIT);
        Ok(Self { limit, gateways, ..Self::named(name, &network.config, network.text.clone(), network)? })
    }

    /// The plugin by its name alone, with `text` as its stdin; `config` may be wrong in everything else.
    pub(super) fn named(
        name: &str,
        config: &Value,
        text: Vec<u8>,
        network: &Network,
    ) -> Result<Self, ConfigError> {
        if name.contains(['/', '\0']) || matches!(name, "." | "..") || name.len() > LONGEST_NAME {
            let rule = "the name of a plugin is that of a file";
            return Err(ConfigError::invalid("ipam.type", format!("{name:?}"), rule));
        }
        let limit = decode::<NetConf>(config).ok().and_then(|conf| conf.ipam_timeout().ok().flatten());
        let dirs = network.plugin_dirs.clone();
        Ok(Self {
            name: name.to_owned(),
            dirs,
            text,
            limit: limit.unwrap_or(LIMIT),
            gateways: Gateways::Needed,
        })
    }

    /// The plugin's file: the first of its name in CNI_PATH.
    pub(super) fn locate(&self) -> Result<PathBuf, DelegateError> {
        let found = self.dirs.iter().map(|dir| dir.join(&self.name)).find(|path| path.is_file());
        found.ok_or_else(|| DelegateError::NoFile {
            name: self.name.clone(),
            dirs: self.dirs.iter().map(|dir| dir.display().to_string()).collect(),
        })
    }

    /// Addresses for the owner; where there are none, nothing is left with the plugin.
    pub(super) fn add(&self, owner: &Owner) -> Result<Grant, DelegateError> {
        self.grant(owner).inspect_err(|_| {
            if let Err(error) = self.del(owner) {
                warn!(error = chain(&error), "after a failed ADD");
            }
        })
    }

    fn grant(&self, owner: &Owner) -> Result<Grant, DelegateError> {
        let output = self.call(Command::Add, Some(owner))?;
        let result =
            result(&output).map_err(|source| DelegateError::NoResult { name: self.name.clone(), source })?;
        Grant::new(result, self.gateways)
            .map_err(|source| DelegateError::Unusable { name: self.name.clone(), source })
    }

    /// What the plugin finds wrong; an error where it could not look.
    pub(super) fn check(&self, owner: &Owner, netns: &str) -> Result<Vec<String>, DelegateError> {
        match self.call_with(Command::Check, Some(owner), &[("CNI_NETNS", netns)]) {
            Ok(_) => Ok(Vec::new()),
            Err(refused @ DelegateError::Refused { .. }) => Ok(vec![chain(&refused)]),
            Err(error) => Err(error),
        }
    }

    /// Gives back whatever the owner has.
    pub(super) fn del(&self, owner: &Owner) -> Result<(), DelegateError> {
        self.call(Command::Del, Some(owner)).map(drop)
    }

    /// Passes the runtime's list of valid attachments on.
    pub(super) fn gc(&self) -> Result<(), DelegateError> {
        self.call(Command::Gc, None).map(drop)
    }

    /// Whether the plugin could serve ADD.
    pub(super) fn status(&self) -> Result<(), DelegateError> {
        self.call(Command::Status, None).map(drop)
    }

    /// Runs the plugin and gives its stdout; an error unless it says that it did what it was to do.
    fn call(&self, verb: Command, owner: Option<&Owner>) -> Result<Vec<u8>, DelegateError> {
        self.call_with(verb, owner, &[])
    }

    fn call_with(
        &self,
        verb: Command,
        owner: Option<&Owner>,
        more: &[(&str, &str)],
    ) -> Result<Vec<u8>, DelegateError> {
        // These are our own variables, except where a person or a GC is at work and no runtime gave any.
        let path = join_paths(&self.dirs).unwrap_or_default();
        let path = path.to_string_lossy();
        let mut variables = vec![("CNI_COMMAND", verb.as_str()), ("CNI_PATH", &*path)];
        variables.extend(more);
        if let Some(owner) = owner {
            variables.extend([("CNI_CONTAINERID", owner.container()), ("CNI_IFNAME", owner.ifname())]);
        }
        let limit = if verb == Command::Status { self.limit.min(STATUS_LIMIT) } else { self.limit };
        let run =
            Run { program: &self.locate()?, args: &[], variables: &variables, input: &self.text, limit };
        let ended =
            run.to_end().map_err(|source| DelegateError::Exec { name: self.name.clone(), verb, source })?;
        if ended.status.success() { Ok(ended.stdout) } else { Err(self.failure(verb, &ended)) }
    }

    fn failure(&self, verb: Command, ended: &Ended) -> DelegateError {
        let name = self.name.clone();
        match error_object(&ended.stdout) {
            Some(GivenError { code, msg, details }) => {
                let details = Some(details).filter(|details| !details.is_empty()).map(Words);
                DelegateError::Refused { name, verb, code, msg, details }
            }
            None => DelegateError::Speechless { name, verb, ended: describe(ended) },
        }
    }
}

fn result(output: &[u8]) -> Result<AddResult, AnswerError> {
    if output.trim_ascii().is_empty() {
        return Err(AnswerError::Empty);
    }
    let value: Value =
        serde_json::from_slice(output).map_err(|error| AnswerError::NotJson(quoted(output), error))?;
    Ok(AddResult::parse(&value)?)
}

/// The error object as any plugin may print it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenError {
    code: u32,
    msg: String,
    details: String,
}

/// What says neither a code nor a message is no error object.
fn error_object(output: &[u8]) -> Option<GivenError> {
    let value: Value = serde_json::from_slice(output).ok()?;
    let given: Result<GivenError, DecodeError> = decode(&value);
    given.ok().filter(|given| given.code != 0 || !given.msg.is_empty())
}

fn describe(ended: &Ended) -> String {
    let mut description = ended.status.to_string();
    for (name, text) in [("stdout", quoted(&ended.stdout)), ("stderr", ended.stderr.clone())] {
        if !text.is_empty() {
            description.extend(["; ", name, ": ", &text]);
        }
    }
    description
}

fn quoted(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output.trim_ascii());
    let start: String = text.chars().take(QUOTED).collect();
    if start.len() < text.len() { start + "…" } else { start }
}

#[cfg(test)]
mod tests;
