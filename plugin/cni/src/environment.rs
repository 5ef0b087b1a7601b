//! The `CNI_*` variables: which a command needs, and their rules.
//!
//! The rules and their order are those of libcni's plugin side: a variable is looked at only where the
//! command needs it; one that is present but malformed ends the reading at once; missing ones are
//! reported together. An empty variable counts as missing, since libcni always sets all of them.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use crate::command::Command;
use crate::error::{ErrorObject, code};
use crate::name::{ContainerId, IfName, NameError};

/// A variable of the protocol (CNI specification 1.1.0, section 2, "Parameters"), in the order in
/// which missing ones are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `CNI_COMMAND`.
    Command,
    /// `CNI_CONTAINERID`.
    ContainerId,
    /// `CNI_NETNS`.
    Netns,
    /// `CNI_IFNAME`.
    IfName,
    /// `CNI_ARGS`.
    Args,
    /// `CNI_PATH`.
    Path,
    /// `CNI_NETNS_OVERRIDE`, known to libcni only.
    NetnsOverride,
}

impl Variable {
    /// The variable's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "CNI_COMMAND",
            Self::ContainerId => "CNI_CONTAINERID",
            Self::Netns => "CNI_NETNS",
            Self::IfName => "CNI_IFNAME",
            Self::Args => "CNI_ARGS",
            Self::Path => "CNI_PATH",
            Self::NetnsOverride => "CNI_NETNS_OVERRIDE",
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Variables that do not fit the command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The command needs variables that are absent or empty (held, in their order).
    #[error("required env variables [{}] missing", comma_separated(.0))]
    Missing(Vec<Variable>),
    /// The variable's value is not UTF-8.
    #[error("{0} is not valid UTF-8")]
    NotUtf8(Variable),
    /// A name breaks its rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// `CNI_COMMAND` (held) is none of the commands.
    #[error("unknown CNI_COMMAND: {0}")]
    UnknownCommand(String),
}

impl From<EnvironmentError> for ErrorObject {
    fn from(error: EnvironmentError) -> Self {
        match error {
            EnvironmentError::Name(error) => error.into(),
            error => Self::new(code::INVALID_ENVIRONMENT, error.to_string()),
        }
    }
}

fn comma_separated(variables: &[Variable]) -> String {
    variables.iter().map(|variable| variable.as_str()).collect::<Vec<_>>().join(",")
}

/// The variables as the runtime set them, unread.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    command: Option<OsString>,
    container_id: Option<OsString>,
    netns: Option<OsString>,
    ifname: Option<OsString>,
    args: Option<OsString>,
    path: Option<OsString>,
    netns_override: Option<OsString>,
}

/// The variables that ADD, CHECK and DEL have in common, `CNI_NETNS` aside.
#[derive(Debug)]
pub(crate) struct AttachmentVariables {
    pub(crate) container_id: ContainerId,
    pub(crate) ifname: IfName,
    pub(crate) args: String,
    pub(crate) plugin_dirs: Vec<PathBuf>,
    pub(crate) netns_override: bool,
}

impl Environment {
    /// Takes the variables from `lookup`: for a plugin `std::env::var_os`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |variable: Variable| lookup(variable.as_str()).filter(|value| !value.is_empty());
        Self {
            command: value(Variable::Command),
            container_id: value(Variable::ContainerId),
            netns: value(Variable::Netns),
            ifname: value(Variable::IfName),
            args: value(Variable::Args),
            path: value(Variable::Path),
            netns_override: value(Variable::NetnsOverride),
        }
    }

    /// Whether a runtime calls, and not a person: `CNI_COMMAND` is there and not empty.
    pub fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// The command; the inner error holds a text that is none, for after the configuration was read.
    pub(crate) fn command(&self) -> Result<Result<Command, EnvironmentError>, EnvironmentError> {
        let text = self
            .command
            .as_deref()
            .ok_or_else(|| EnvironmentError::Missing(vec![Variable::Command]))?
            .to_string_lossy();
        Ok(Command::from_name(&text).ok_or_else(|| EnvironmentError::UnknownCommand(text.into_owned())))
    }

    /// What ADD and CHECK need: the variables of an attachment, and the path of its namespace.
    pub(crate) fn joining(&self) -> Result<(AttachmentVariables, String), EnvironmentError> {
        let mut missing = Missing::default();
        let variables = self.attachment(&mut missing)?;
        let netns = missing.require(Variable::Netns, self.netns()?);
        variables.zip(netns).ok_or_else(|| missing.into())
    }

    /// What DEL needs: the same, but the namespace may be gone.
    pub(crate) fn leaving(&self) -> Result<(AttachmentVariables, Option<String>), EnvironmentError> {
        let mut missing = Missing::default();
        let variables = self.attachment(&mut missing)?.ok_or_else(|| EnvironmentError::from(missing))?;
        Ok((variables, self.netns()?))
    }

    /// What GC and STATUS need: the directories of `CNI_PATH`.
    pub(crate) fn plugin_dirs(&self) -> Result<Vec<PathBuf>, EnvironmentError> {
        let path = self.path.as_deref().ok_or_else(|| EnvironmentError::Missing(vec![Variable::Path]))?;
        Ok(std::env::split_paths(path).collect())
    }

    /// Nothing where a variable is missing, which `missing` then names.
    fn attachment(&self, missing: &mut Missing) -> Result<Option<AttachmentVariables>, EnvironmentError> {
        let container_id = text(Variable::ContainerId, self.container_id.as_deref())?;
        let container_id = container_id.map(ContainerId::new).transpose()?;
        let container_id = missing.require(Variable::ContainerId, container_id);
        let ifname = text(Variable::IfName, self.ifname.as_deref())?.map(IfName::new).transpose()?;
        let ifname = missing.require(Variable::IfName, ifname);
        let plugin_dirs = missing.require(Variable::Path, self.plugin_dirs().ok());
        let variables = container_id.zip(ifname).zip(plugin_dirs);
        Ok(variables.map(|((container_id, ifname), plugin_dirs)| AttachmentVariables {
            container_id,
            ifname,
            // A pair that is no UTF-8 matters only if podnet knows its key, and is then malformed.
            args: self.args.as_deref().unwrap_or_default().to_string_lossy().into_owned(),
            plugin_dirs,
            netns_override: self.netns_override(),
        }))
    }

    fn netns(&self) -> Result<Option<String>, EnvironmentError> {
        text(Variable::Netns, self.netns.as_deref()).map(|netns| netns.map(ToOwned::to_owned))
    }

    fn netns_override(&self) -> bool {
        self.netns_override.as_deref().is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

/// The variables that were asked for in vain.
#[derive(Default)]
struct Missing(Vec<Variable>);

impl Missing {
    fn require<T>(&mut self, variable: Variable, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.0.push(variable);
        }
        value
    }
}

impl From<Missing> for EnvironmentError {
    fn from(missing: Missing) -> Self {
        let mut variables = missing.0;
        variables.sort_unstable();
        Self::Missing(variables)
    }
}

fn text(variable: Variable, value: Option<&OsStr>) -> Result<Option<&str>, EnvironmentError> {
    value.map(|value| value.to_str().ok_or(EnvironmentError::NotUtf8(variable))).transpose()
}
