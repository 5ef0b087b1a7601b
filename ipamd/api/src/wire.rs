//! Bodies: JSON as CNS reads and writes it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The header that repeats the return code's name.
pub const RETURN_CODE_HEADER: &str = "Cns_return_code";

/// The header in which podnet says when it asked: nanoseconds of `CLOCK_BOOTTIME`. A daemon that was held up reads a request
/// after the DEL that followed it, and must know. A CNS passes it over.
pub const ASKED_HEADER: &str = "Podnet-Asked";

/// The type of every body of the contract.
pub const CONTENT_TYPE: &str = "application/json; charset=UTF-8";

/// More bytes than any request has; the answers of `debug/` alone may be longer.
pub const MAX_BODY: usize = 64 << 10;

/// Why a body is not what was expected.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No JSON.
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON of another shape; the path of the member is in the source.
    #[error("the body has another shape")]
    Shape(#[source] podnet_json::DecodeError),
}

/// Reads a body; members match in any letter case, unknown ones are passed over.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    let value: Value = serde_json::from_slice(body).map_err(WireError::NotJson)?;
    podnet_json::decode(&value).map_err(WireError::Shape)
}

/// Writes a body, in the order of the type's members, without spaces.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Every type of the contract has texts for keys, the only thing that serde_json could refuse.
    serde_json::to_vec(message).unwrap_or_default()
}
