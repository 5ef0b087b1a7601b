//! What is answered.

use serde_json::{Value, json};

/// An answer of one document.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Null: no JSON, but plain text.
    pub(crate) body: Value,
}

impl Reply {
    /// An object.
    pub(crate) fn of(code: u16, body: Value) -> Self {
        Self { code, headers: Vec::new(), body }
    }
}

/// A failure as Kubernetes says it.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Reply {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                      "message": message, "reason": reason, "code": code});
    Reply::of(code, body)
}
