//! Why a call failed, and what the caller can make of it.

use super::{Server, ServerError};
use crate::{ReturnCode, WireError};

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, or the server does not take the connection in time.
    #[error("cannot reach the address daemon at {server}")]
    Connect {
        /// Who was asked.
        server: Server,
        /// Why.
        source: ServerError,
    },
    /// The connection ended, or time did, before there was a whole answer.
    #[error("the address daemon at {server} gave no answer to {path}")]
    Lost {
        /// Who was asked.
        server: Server,
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// An answer with another HTTP status than 200.
    #[error("the address daemon at {server} answered {path} with status {status}: {text}")]
    Status {
        /// Who was asked.
        server: Server,
        /// The path.
        path: String,
        /// The status.
        status: u16,
        /// The answer's text, shortened.
        text: String,
    },
    /// An answer that cannot be read.
    #[error("the address daemon at {server} answered {path} with what is no answer")]
    Body {
        /// Who was asked.
        server: Server,
        /// The path.
        path: String,
        /// Why.
        source: WireError,
    },
    /// An answer that says no.
    #[error("the address daemon at {server} refused {path} with {code}: {message}")]
    Refused {
        /// Who was asked.
        server: Server,
        /// The path.
        path: String,
        /// The return code.
        code: ReturnCode,
        /// The daemon's reason.
        message: String,
    },
}

impl ClientError {
    /// Whether the server may have done what it was asked, though the caller does not know the outcome.
    pub fn may_have_acted(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Body { .. } | Self::Status { .. })
    }

    /// Whether the server can not have taken notice for good: it was not reached, gave no answer, or failed itself.
    pub fn is_unheard(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Lost { .. } | Self::Status { status: 500.., .. })
    }

    /// Whether the server could not be asked at all, or not to the end: it is away, restarting or stuck.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Connect { source, .. } => source.is_absence(),
            Self::Lost { .. } | Self::Status { status: 500.., .. } => true,
            Self::Status { .. } | Self::Body { .. } | Self::Refused { .. } => false,
        }
    }

    /// Whether the same call may succeed later: the server is away or not ready, or has no address at the moment.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(
                *code,
                ReturnCode::FAILED_TO_ALLOCATE_IP_CONFIG
                    | ReturnCode::ADDRESS_UNAVAILABLE
                    | ReturnCode::UNREACHABLE_HOST
                    | ReturnCode::NC_PROGRAM_PENDING
            ),
            error => error.is_absence(),
        }
    }
}
