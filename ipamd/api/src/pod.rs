//! The orchestrator's context: which pod a request is for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A pod as Kubernetes names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodRef {
    /// `metadata.name`.
    pub pod_name: String,
    /// `metadata.namespace`.
    pub pod_namespace: String,
}

/// Why a context names no pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// It is not there: [`crate::ReturnCode::EMPTY_ORCHESTRATOR_CONTEXT`].
    #[error("OrchestratorContext is not set in the request")]
    Missing,
    /// It is no object with two texts: [`crate::ReturnCode::UNSUPPORTED_ORCHESTRATOR_CONTEXT`].
    #[error("OrchestratorContext does not name a pod")]
    Malformed(#[source] podnet_json::DecodeError),
    /// One of the two names is empty: [`crate::ReturnCode::UNSUPPORTED_ORCHESTRATOR_CONTEXT`].
    #[error("OrchestratorContext has no {member}")]
    Empty {
        /// The member.
        member: &'static str,
    },
}

impl PodRef {
    /// The pod that a request's context names. Keys match in any letter case, as old clients send `PodName`.
    pub fn from_context(context: &Value) -> Result<Self, ContextError> {
        if context.is_null() {
            return Err(ContextError::Missing);
        }
        let pod: Self = podnet_json::decode(context).map_err(ContextError::Malformed)?;
        if pod.pod_name.is_empty() {
            return Err(ContextError::Empty { member: "podName" });
        }
        if pod.pod_namespace.is_empty() {
            return Err(ContextError::Empty { member: "podNamespace" });
        }
        Ok(pod)
    }

    /// The pod as a request's context.
    pub fn to_context(&self) -> Value {
        serde_json::json!({"podName": self.pod_name, "podNamespace": self.pod_namespace})
    }
}

impl ContextError {
    /// The code of the answer.
    pub fn code(&self) -> crate::ReturnCode {
        match self {
            Self::Missing => crate::ReturnCode::EMPTY_ORCHESTRATOR_CONTEXT,
            Self::Malformed(_) | Self::Empty { .. } => crate::ReturnCode::UNSUPPORTED_ORCHESTRATOR_CONTEXT,
        }
    }
}
