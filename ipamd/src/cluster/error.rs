//! What can go wrong between this daemon and the API server.

use std::fmt;

/// A verb on a resource, as access rules name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// The API group; empty: the core group.
    pub group: &'static str,
    /// The version of the group.
    pub version: &'static str,
    /// The resource, in the plural; with its part where there is one, as in `nodes/status`.
    pub resource: &'static str,
    /// The object: `NAME`, `NAMESPACE/NAME`; empty: several.
    pub object: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.resource)?;
        if self.object.is_empty() { Ok(()) } else { write!(formatter, " {}", self.object) }
    }
}

/// Why the API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no way to it.
    #[error("no credentials for the API server from {place}: {says}")]
    Credentials {
        /// Where they should come from.
        place: String,
        /// What is wrong with them.
        says: String,
    },
    /// It was not reached, or the connection broke.
    #[error("cannot {asked}: no answer from the API server")]
    Unreachable {
        /// What was asked.
        asked: Asked,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not answer.
    #[error("cannot {asked}: the API server did not answer within {seconds} s")]
    TooSlow {
        /// What was asked.
        asked: Asked,
        /// The patience, in seconds.
        seconds: u64,
    },
    /// 401.
    #[error("cannot {asked}: the API server does not know this daemon's token or certificate: {says}")]
    Unauthorized {
        /// What was asked.
        asked: Asked,
        /// The server's words.
        says: String,
    },
    /// 403.
    #[error(
        "cannot {asked}: the API server forbids it ({says}); a Role or ClusterRole of this daemon needs the rule \
         apiGroups [{:?}], resources [{:?}], verbs [{:?}]", asked.group, asked.resource, asked.verb
    )]
    Forbidden {
        /// What was asked.
        asked: Asked,
        /// The server's words.
        says: String,
    },
    /// 404 for a whole resource: its definition is missing.
    #[error(
        "cannot {asked}: the API server does not have {} in version {:?} of {:?}; is its CustomResourceDefinition applied, \
         and of this version?", asked.resource, asked.version, asked.group
    )]
    NoSuchResource {
        /// What was asked.
        asked: Asked,
    },
    /// 404 for one object.
    #[error("cannot {asked}: there is none")]
    NotFound {
        /// What was asked.
        asked: Asked,
    },
    /// 409: somebody else was faster, or it is another object of the same name.
    #[error("cannot {asked}: {says}")]
    Conflict {
        /// What was asked.
        asked: Asked,
        /// The server's words.
        says: String,
    },
    /// 410: too old to resume from. Listing again mends it.
    #[error("cannot {asked}: the API server has forgotten what was before")]
    Gone {
        /// What was asked.
        asked: Asked,
    },
    /// 429.
    #[error("cannot {asked}: the API server is asked too much")]
    TooMany {
        /// What was asked.
        asked: Asked,
    },
    /// Any other refusal.
    #[error("cannot {asked}: the API server answers {code}: {says}")]
    Refused {
        /// What was asked.
        asked: Asked,
        /// The HTTP status.
        code: u16,
        /// The server's words.
        says: String,
    },
    /// The answer is not what was asked for.
    #[error("cannot {asked}: the answer is none")]
    Malformed {
        /// What was asked.
        asked: Asked,
        /// Why.
        source: serde_json::Error,
    },
}

impl ClusterError {
    /// What the client's error means for a request.
    pub(super) fn of(asked: Asked, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(asked, &status),
            kube::Error::SerdeError(source) => Self::Malformed { asked, source },
            // Its own text repeats that of its cause.
            kube::Error::Service(source) => Self::Unreachable { asked, source },
            kube::Error::HyperError(source) => Self::Unreachable { asked, source: source.into() },
            kube::Error::ReadEvents(source) => Self::Unreachable { asked, source: source.into() },
            other => Self::Unreachable { asked, source: other.to_string().into() },
        }
    }

    /// What a status means for a request.
    pub(super) fn of_status(asked: Asked, status: &kube::core::Status) -> Self {
        let says = status.message.clone();
        match status.code {
            401 => Self::Unauthorized { asked, says },
            403 => Self::Forbidden { asked, says },
            404 if asked.object.is_empty() => Self::NoSuchResource { asked },
            404 => Self::NotFound { asked },
            409 => Self::Conflict { asked, says },
            410 => Self::Gone { asked },
            429 => Self::TooMany { asked },
            code => Self::Refused { asked, code, says },
        }
    }

    /// Whether credentials that are read again may mend it.
    pub(super) fn may_be_credentials(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TooSlow { .. } | Self::Unauthorized { .. })
    }
}
