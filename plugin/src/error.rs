//! Everything that can end a command, and the code it ends with.
//!
//! The code follows from the type. Two questions are answered here and nowhere else: which code, and whether the
//! same call may succeed later (the specification's code 11).

use nix::errno::Errno;
use podnet_cni::json::DecodeError;
use podnet_cni::{ArgsError, ConversionError, ErrorObject, RequestError, ResultError, ValidAttachmentsError};
use podnet_datapath::{
    ApplyError, InventoryError, LegacyError, LimitError, LinkNameError, LocalnetError, NetnsError, Owner,
    RemoveError, ScratchError, SysctlError, VerifyError, loopback::LoopbackError, netlink::NetlinkError,
    nft::NftError,
};
use podnet_host_local::{AllocateError, OwnerError, ResolvConfError, StoreError};

use crate::ipam::{DaemonError, DelegateError, GrantError};
use crate::netconf::ConfigError;
use crate::portmap::PortmapError;
use crate::record::RecordError;

/// The codes of [`ErrorObject`]: the specification's, and ours from 100 on (README of the codes: ARCHITECTURE.md).
pub(crate) mod code {
    pub(crate) use podnet_cni::code::*;

    /// A defect of podnet.
    pub(crate) const INTERNAL: u32 = PLUGIN_SPECIFIC;
    /// A second ADD for an attachment that exists.
    pub(crate) const ATTACHMENT_EXISTS: u32 = PLUGIN_SPECIFIC + 1;
    /// No address: the ranges are used up, or a requested one cannot be had.
    pub(crate) const NO_ADDRESS: u32 = PLUGIN_SPECIFIC + 2;
    /// An object of somebody else is in the way, or one of ours with other settings.
    pub(crate) const IN_THE_WAY: u32 = PLUGIN_SPECIFIC + 3;
    /// The kernel refused.
    pub(crate) const KERNEL: u32 = PLUGIN_SPECIFIC + 4;
    /// CHECK: something is not as ADD made it.
    pub(crate) const DIFFERS: u32 = PLUGIN_SPECIFIC + 5;
    /// DEL or GC: something could not be removed.
    pub(crate) const NOT_REMOVED: u32 = PLUGIN_SPECIFIC + 6;
    /// An executed IPAM plugin is missing, did not end, or answered what is no answer.
    pub(crate) const IPAM_PLUGIN: u32 = PLUGIN_SPECIFIC + 7;
    /// The address daemon refused, answered what is no answer, or is not to be trusted.
    pub(crate) const IPAM_DAEMON: u32 = PLUGIN_SPECIFIC + 8;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request itself.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// `CNI_ARGS`.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// A member of the configuration has the wrong type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A member of the configuration has a wrong value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A member of `ipam` has a wrong value.
    #[error(transparent)]
    Ipam(#[from] podnet_host_local::ConfigError),
    /// The addresses of `ipam.type: static`, or some that are in use.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// An executed IPAM plugin.
    #[error(transparent)]
    Delegate(#[from] DelegateError),
    /// The address daemon.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// GC's list.
    #[error(transparent)]
    ValidAttachments(#[from] ValidAttachmentsError),
    /// `prevResult`.
    #[error(transparent)]
    PrevResult(#[from] ResultError),
    /// `ipam.resolvConf` cannot be read.
    #[error(transparent)]
    ResolvConf(#[from] ResolvConfError),
    /// An owner that no reservation can name.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// `CNI_IFNAME` is no name for a link.
    #[error(transparent)]
    IfName(#[from] LinkNameError),
    /// The pod's namespace.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The pod's namespace is the node's.
    #[error("plugin's netns and netns from CNI_NETNS should not be the same")]
    OwnNetns,
    /// The record of the attachment.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A second ADD.
    #[error("attachment of interface {ifname} of container {container} to network {network} exists already")]
    Exists {
        /// The key.
        network: String,
        /// The key.
        container: String,
        /// The key.
        ifname: String,
    },
    /// The reservations.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No address.
    #[error(transparent)]
    Allocate(#[from] AllocateError),
    /// A kernel parameter.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The kernel, in ADD.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The kernel, in CHECK.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The kernel, in DEL.
    #[error(transparent)]
    Remove(#[from] RemoveError),
    /// The kernel, in GC.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Another namespace, in a look at the whole node.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// Trying what the kernel can.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The old iptables' tables.
    #[error(transparent)]
    Legacy(#[from] LegacyError),
    /// nftables, in GC.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// The pod's loopback link.
    #[error(transparent)]
    Loopback(#[from] LoopbackError),
    /// A program that changes rules.
    #[error(transparent)]
    Portmap(#[from] PortmapError),
    /// The way from the node's loopback addresses.
    #[error(transparent)]
    Localnet(#[from] LocalnetError),
    /// The kernel, in limiting what another plugin has connected.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// There is no iptables in PATH that works.
    #[error("no iptables in PATH works")]
    NoIptables,
    /// The kernel lacks features that ADD needs.
    #[error("the kernel lacks {0}")]
    KernelLacks(String),
    /// The result has no form in the configuration's version.
    #[error(transparent)]
    Conversion(#[from] ConversionError),
    /// CHECK has nothing to compare with.
    #[error("nothing is known of the attachment: prevResult is missing and so is the record {path}")]
    Unknown {
        /// The record's path.
        path: String,
    },
    /// CHECK found differences, all of them.
    #[error("{} not as ADD made it: {}", plural(.0.len(), "thing is", "things are"), .0.join("; "))]
    Differs(Vec<String>),
    /// DEL or GC: what went wrong, after everything was tried.
    #[error("{} could not be removed: {}", plural(.0.len(), "thing", "things"), chains(.0))]
    NotRemoved(Vec<Error>),
    /// STATUS: ADD could not be served.
    #[error("podnet cannot add pods")]
    NotReady(#[source] Box<Error>),
    /// A range set is used up.
    #[error(transparent)]
    Exhausted(#[from] podnet_host_local::Exhausted),
}

impl Error {
    /// A second ADD of the owner.
    pub(crate) fn exists(owner: &Owner) -> Self {
        Self::Exists {
            network: owner.network().to_owned(),
            container: owner.container().to_owned(),
            ifname: owner.ifname().to_owned(),
        }
    }

    /// The code of the error object.
    fn code(&self) -> u32 {
        if self.may_pass() {
            return code::TRY_AGAIN_LATER;
        }
        match self {
            Self::Config(ConfigError::Unsupported { .. }) => code::UNSUPPORTED_FIELD,
            Self::Delegate(DelegateError::Refused { code, .. }) if *code != 0 => *code,
            Self::Delegate(_) => code::IPAM_PLUGIN,
            Self::Daemon(DaemonError::Unusable { .. }) => code::INVALID_NETWORK_CONFIG,
            Self::Daemon(_) => code::IPAM_DAEMON,
            Self::Grant(GrantError::InUse { .. })
            | Self::Apply(
                ApplyError::OwnAddress { .. }
                | ApplyError::AddressTaken { .. }
                | ApplyError::Nft(NftError::AddressTaken { .. }),
            ) => code::NO_ADDRESS,
            Self::Config(_)
            | Self::Grant(_)
            | Self::Ipam(_)
            | Self::Unknown { .. }
            | Self::Apply(
                ApplyError::NoUplink { .. } | ApplyError::NoDefaultRoute | ApplyError::NotEthernet { .. },
            ) => code::INVALID_NETWORK_CONFIG,
            Self::Netns(_) | Self::OwnNetns => code::INVALID_NETNS,
            Self::Exists { .. } | Self::Apply(ApplyError::Attached { .. }) => code::ATTACHMENT_EXISTS,
            Self::Record(_)
            | Self::Store(_)
            | Self::ResolvConf(_)
            | Self::Allocate(AllocateError::Store(_)) => code::IO_FAILURE,
            Self::Allocate(_) | Self::Exhausted(_) => code::NO_ADDRESS,
            Self::Limit(LimitError::InTheWay { .. })
            | Self::Apply(
                ApplyError::NotABridge { .. }
                | ApplyError::BridgeMtu { .. }
                | ApplyError::BridgeAddress { .. }
                | ApplyError::SubnetTaken { .. }
                | ApplyError::NamesTaken { .. }
                | ApplyError::PodNameTaken { .. }
                | ApplyError::UplinkDown { .. }
                | ApplyError::UplinkTaken { .. }
                | ApplyError::OtherUplink { .. }
                | ApplyError::NoUplinkPort { .. }
                | ApplyError::TooSmallForIpv6 { .. }
                | ApplyError::Nft(NftError::PortTaken(_)),
            ) => code::IN_THE_WAY,
            Self::Apply(_)
            | Self::Verify(_)
            | Self::Remove(_)
            | Self::Netlink(_)
            | Self::Inventory(_)
            | Self::Scratch(_)
            | Self::Legacy(_)
            | Self::Sysctl(_)
            | Self::Nft(_)
            | Self::Portmap(_)
            | Self::Loopback(_)
            | Self::Localnet(_)
            | Self::Limit(_)
            | Self::NoIptables
            | Self::KernelLacks(_) => code::KERNEL,
            Self::Differs(_) => code::DIFFERS,
            Self::NotRemoved(_) => code::NOT_REMOVED,
            Self::NotReady(error) if error.code() == code::LIMITED_CONNECTIVITY => code::LIMITED_CONNECTIVITY,
            Self::NotReady(_) => code::PLUGIN_NOT_AVAILABLE,
            Self::Owner(_) | Self::IfName(_) => code::INVALID_ENVIRONMENT,
            // These bring an error object of their own: see `From<Error> for ErrorObject`.
            Self::Request(_)
            | Self::Args(_)
            | Self::ValidAttachments(_)
            | Self::Decode(_)
            | Self::PrevResult(_)
            | Self::Conversion(_) => code::INTERNAL,
        }
    }

    /// Whether an address daemon took no notice: the next question would not be answered either.
    pub(crate) fn is_unheard(&self) -> bool {
        matches!(self, Self::Daemon(DaemonError::Client(error)) if error.is_unheard())
    }

    /// Whether the same call may succeed later without anybody's doing: the kernel was short of something, or the address
    /// daemon is away or has no address at the moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Daemon(DaemonError::Client(error)) if error.may_pass() => return true,
            // STATUS has codes of its own.
            Self::NotReady(_) => return false,
            _ => {}
        }
        let sources = std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        sources.filter_map(errno).any(|errno| {
            matches!(errno, Errno::EAGAIN | Errno::EBUSY | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM)
        })
    }
}

impl From<Error> for ErrorObject {
    fn from(error: Error) -> Self {
        match error {
            Error::Request(error) => error.into(),
            Error::Args(error) => error.into(),
            Error::ValidAttachments(error) => error.into(),
            Error::Decode(error) => error.into(),
            Error::PrevResult(error) => error.into(),
            Error::Conversion(error) => error.into(),
            error => Self::from_error(error.code(), &error),
        }
    }
}

/// The system's error number, where the error is one.
fn errno(error: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let netlink = error.downcast_ref::<Errno>().copied();
    let file = || Some(Errno::from_raw(error.downcast_ref::<std::io::Error>()?.raw_os_error()?));
    netlink.or_else(file)
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn chains(errors: &[Error]) -> String {
    errors.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; ")
}

/// An error and its sources in one line, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let links = std::iter::successors(Some(error), |error| error.source());
    links.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn file_error(errno: Errno) -> Error {
        RecordError::Io {
            doing: "write",
            path: "/run/x".into(),
            source: io::Error::from_raw_os_error(errno as i32),
        }
        .into()
    }

    fn refused(errno: Errno) -> Error {
        NetlinkError::Refused { request: "create link veth0".to_owned(), errno, message: None }.into()
    }

    #[test]
    fn what_failed_is_the_message_and_why_the_details() {
        let object = ErrorObject::from(refused(Errno::EPERM));
        assert_eq!(object.code, code::KERNEL);
        assert_eq!(object.msg, "create link veth0: refused");
        assert_eq!(object.details, "EPERM: Operation not permitted");
    }

    #[test]
    fn a_shortage_of_the_kernel_is_worth_another_try_and_a_full_disk_is_not() {
        assert_eq!(ErrorObject::from(refused(Errno::ENOBUFS)).code, code::TRY_AGAIN_LATER);
        assert_eq!(ErrorObject::from(file_error(Errno::ENOMEM)).code, code::TRY_AGAIN_LATER);
        assert_eq!(ErrorObject::from(file_error(Errno::ENOSPC)).code, code::IO_FAILURE);
    }

    #[test]
    fn not_ready_tells_the_reason_under_the_code_of_status() {
        let object = ErrorObject::from(Error::NotReady(Box::new(Error::KernelLacks("bridges".to_owned()))));
        assert_eq!(
            (object.code, object.details.as_str()),
            (code::PLUGIN_NOT_AVAILABLE, "the kernel lacks bridges")
        );
    }

    #[test]
    fn everything_that_could_not_be_removed_is_named() {
        let error = Error::NotRemoved(vec![refused(Errno::EPERM), file_error(Errno::EROFS)]);
        let object = ErrorObject::from(error);
        assert_eq!(object.code, code::NOT_REMOVED);
        for words in ["2 things", "create link veth0: refused: EPERM", "/run/x: Read-only file system"] {
            assert!(object.msg.contains(words), "{}", object.msg);
        }
    }
}
