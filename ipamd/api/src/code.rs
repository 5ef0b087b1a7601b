//! Return codes: how an answer says that the thing asked for was not done, under HTTP status 200.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A code of CNS (`cns/types/codes.go`). Codes that this list does not have are kept as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnCode(pub i32);

/// Names in the header differ from the constants' in one place: code 32 has `Ip` there.
macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal;)*) => {
        impl ReturnCode {
            $($(#[$doc])* pub const $constant: Self = Self($code);)*

            /// The code's name, as the header has it; `UnknownError` for a code that has none.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($code => $name,)*
                    _ => "UnknownError",
                }
            }
        }
    };
}

codes! {
    /// Done.
    SUCCESS = 0, "Success";
    /// A member has a value that cannot be.
    INVALID_PARAMETER = 2, "InvalidParameter";
    /// The daemon is not ready or runs where it cannot do this.
    UNSUPPORTED_ENVIRONMENT = 3, "UnsupportedEnvironment";
    /// The host's agent cannot be reached.
    UNREACHABLE_HOST = 4, "UnreachableHost";
    /// There is no such thing.
    NOT_FOUND = 14, "NotFound";
    /// The address that was asked for cannot be had.
    ADDRESS_UNAVAILABLE = 15, "AddressUnavailable";
    /// No such container.
    UNKNOWN_CONTAINER_ID = 18, "UnknownContainerID";
    /// The path does not take this HTTP method.
    UNSUPPORTED_VERB = 21, "UnsupportedVerb";
    /// The request does not fit the daemon's pool, as one address of a pool of two families.
    INVALID_REQUEST = 23, "InvalidRequest";
    /// The records contradict each other.
    INCONSISTENT_IP_CONFIG_STATE = 29, "InconsistentIPConfigState";
    /// The network is being programmed.
    NC_PROGRAM_PENDING = 31, "NetworkContainerVfpProgramPending";
    /// No address: the pool is empty, or what was asked for is taken.
    FAILED_TO_ALLOCATE_IP_CONFIG = 32, "FailedToAllocateIpConfig";
    /// The request does not say which pod it is for.
    EMPTY_ORCHESTRATOR_CONTEXT = 33, "EmptyOrchestratorContext";
    /// What should say the pod cannot be read.
    UNSUPPORTED_ORCHESTRATOR_CONTEXT = 34, "UnsupportedOrchestratorContext";
    /// Endpoints are kept, but their store is missing.
    NIL_ENDPOINT_STATE_STORE = 40, "NilEndpointStateStore";
    /// The peer may not ask.
    STATUS_UNAUTHORIZED = 42, "StatusUnauthorized";
    /// Anything else; also: endpoints are not kept.
    UNEXPECTED_ERROR = 99, "UnexpectedError";
}

impl ReturnCode {
    /// Whether the thing was done.
    pub fn is_success(self) -> bool {
        self == Self::SUCCESS
    }
}

impl fmt::Display for ReturnCode {
    /// As `FailedToAllocateIpConfig (32)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}
