//! The CNI protocol as types, for all published versions of the specification (0.1.0 to 1.1.0).
//!
//! A runtime executes a plugin with variables in its environment and one JSON object on its standard
//! input; the plugin answers with one JSON document, or none, on its standard output:
//!
//! ```text
//!   CNI_* variables ──Environment──┐
//!                                  ├──Request──▶ the plugin ──▶ AddResult | VersionReply | ErrorObject
//!   network configuration ──json───┘
//! ```
//!
//! Nothing here reads a variable, a file or a clock: the caller hands in what it read and prints what
//! it is given. Where the specification and the Go library that every runtime uses (libcni and its
//! plugin side, skel) differ, the library is followed, since it is what runtimes see.

#![forbid(unsafe_code)]

mod address;
mod args;
mod command;
mod environment;
mod error;
mod gc;
mod list;
mod name;
mod request;
mod result;
#[cfg(test)]
mod robustness;
mod version;

pub use address::{AddressError, MacAddr, RequestedIp};
pub use args::{Args, ArgsError};
pub use command::Command;
pub use environment::{Environment, EnvironmentError, Variable};
pub use error::{ErrorObject, code};
pub use gc::{ValidAttachments, ValidAttachmentsError};
pub use list::{InspectedList, ListError, NetworkList};
pub use name::{AttachmentKey, ContainerId, IfName, NameError, NetworkName};
pub use podnet_json as json;
pub use request::{Attachment, Network, Request, RequestError};
pub use result::{AddResult, ConversionError, Dns, Interface, IpConfig, ResultError, Route};
pub use version::{Version, VersionError, VersionReply};
