//! What the plugin and the address daemon say to each other: the REST contract of Azure's Container Networking Service
//! (CNS), in both directions.
//!
//! ```text
//!  client: request ──encode──▶ POST path ──▶ decode :server
//!          outcome ◀──decode── 200, Cns_return_code ◀──encode reply
//! ```
//!
//! - [`IpConfigsRequest`] and [`IpConfigsReply`] carry the addresses of one pod, one for each family; the single forms
//!   [`IpConfigRequest`] and [`IpConfigReply`] are what older clients use.
//! - [`endpoint`] and [`debug`] are what the daemon tells of its state.
//! - [`decode`] reads members in any letter case, as Go does; replies are written with the names and in the order of CNS's
//!   own, since clients were written against those.
//! - [`client`] speaks it without a runtime, for a process that lives some milliseconds.
//! - [`intent`] is a release that waits on disk for a daemon that is away.
//!
//! A logical error is an answer like any other: HTTP status 200, with a [`ReturnCode`] in the body and its name in the header
//! [`RETURN_CODE_HEADER`].
//!
//! Source: CNS `cns/NetworkContainerContract.go`, `cns/api.go`, `cns/types/codes.go`, and what a running one sends.

#![forbid(unsafe_code)]

pub mod client;
mod code;
pub mod debug;
pub mod endpoint;
pub mod intent;
pub mod path;
mod pod;
mod reply;
mod request;
mod wire;

pub use code::ReturnCode;
pub use pod::{ContextError, PodRef};
pub use reply::{
    HostIpInfo, INFRA_NIC, IpConfigReply, IpConfigsReply, IpConfiguration, IpSubnet, PodIpInfo, Response,
    Route,
};
pub use request::{IpConfigRequest, IpConfigsRequest};
pub use wire::{ASKED_HEADER, CONTENT_TYPE, MAX_BODY, RETURN_CODE_HEADER, WireError, decode, encode};

#[cfg(test)]
mod tests;
