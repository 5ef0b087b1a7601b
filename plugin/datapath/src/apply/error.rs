//! Why a pod's network could not be made.

use std::{net::IpAddr, path::PathBuf};

use ipnet::IpNet;

use crate::{LinkName, NetnsError, SysctlError, netlink::NetlinkError, nft::NftError};

/// Why [`apply`](crate::apply()) failed. Nothing of the pod's network is left then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An IPv6 address is wanted on a kernel without IPv6.
    #[error("the kernel has no IPv6, which {address} needs")]
    NoIpv6 {
        /// The first such address.
        address: IpNet,
    },
    /// What is made once a node could not be made alone.
    #[error("cannot wait for others that work on this network namespace")]
    Alone(#[source] std::io::Error),
    /// The bridge's name is that of another kind of link.
    #[error("link {name} is not a bridge but {kind}")]
    NotABridge {
        /// The name.
        name: LinkName,
        /// The kind of link that has it.
        kind: String,
    },
    /// The bridge has another MTU than the one asked for.
    #[error("bridge {name} has MTU {found}, not {wanted}")]
    BridgeMtu {
        /// The bridge.
        name: LinkName,
        /// Its MTU in bytes.
        found: u32,
        /// The MTU asked for.
        wanted: u32,
    },
    /// The bridge has an address that stands in the way of the gateway's.
    #[error("bridge {name} already has address {found}, which conflicts with {wanted}")]
    BridgeAddress {
        /// The bridge.
        name: LinkName,
        /// The address it has.
        found: IpNet,
        /// The address asked for.
        wanted: IpNet,
    },
    /// The gateway's subnet holds an address of another link of the node.
    #[error("the pods' subnet of {gateway} holds the node's own address {address} of link {link}")]
    SubnetTaken {
        /// The gateway with the subnet's prefix length.
        gateway: IpNet,
        /// The link.
        link: String,
        /// Its address.
        address: IpNet,
    },
    /// The owner has its host link already.
    #[error("link {name} exists: {container} is attached to network {network} as {ifname} already")]
    Attached {
        /// The host link.
        name: LinkName,
        /// The owner's network.
        network: String,
        /// The owner's container.
        container: String,
        /// The owner's interface.
        ifname: String,
    },
    /// Both names that the host's end may have are taken by links of others.
    #[error("link names {} and {} are taken by links of others", names[0], names[1])]
    NamesTaken {
        /// The names.
        names: [LinkName; 2],
    },
    /// The pod has a link of the wanted name.
    #[error("network namespace {} already has a link {name}", .netns.display())]
    PodNameTaken {
        /// The link's name.
        name: LinkName,
        /// The pod's namespace.
        netns: PathBuf,
    },
    /// The link that is said to be the node's to its network is not there.
    #[error("link {name}, by which the node is to reach its network, does not exist")]
    NoUplink {
        /// The link.
        name: LinkName,
    },
    /// The link that is said to be the node's to its network is switched off.
    #[error("link {name}, by which the node is to reach its network, is down")]
    UplinkDown {
        /// The link.
        name: LinkName,
    },
    /// No link is said to be the node's to its network, and no default route names one.
    #[error("the node has no default route, whose link would be the one to its network: name the link")]
    NoDefaultRoute,
    /// The node's link to its network is a port of something else.
    #[error("link {name}, by which the node is to reach its network, is a port of {by}")]
    UplinkTaken {
        /// The link.
        name: LinkName,
        /// Of what.
        by: String,
    },
    /// The link that is said to be the node's to its network cannot be a port of a bridge.
    #[error("link {name}, by which the node is to reach its network, is no Ethernet link")]
    NotEthernet {
        /// The link.
        name: LinkName,
    },
    /// The bridge leads to the network by another link.
    #[error("bridge {bridge} leads to the network by link {found}, not {wanted}")]
    OtherUplink {
        /// The bridge.
        bridge: LinkName,
        /// The link that is its port.
        found: String,
        /// The link that is asked for.
        wanted: LinkName,
    },
    /// The bridge has the node's default route, and no port that leads to the network.
    #[error("none of bridge {bridge}'s ports is the node's link to its network")]
    NoUplinkPort {
        /// The bridge.
        bridge: LinkName,
    },
    /// IPv6 cannot use links of this MTU.
    #[error("the pod's link would have MTU {mtu}, and IPv6 needs 1280 or more")]
    TooSmallForIpv6 {
        /// The MTU in bytes.
        mtu: u32,
    },
    /// The node itself has an address that the pod is to have.
    #[error("address {address} is in use on this node, by the node itself")]
    OwnAddress {
        /// The address.
        address: IpAddr,
    },
    /// Another pod of the node has an address that the pod is to have.
    #[error("address {address} is in use on this node, by {holder}")]
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// Who has it, in words.
        holder: String,
    },
    /// A link is not there although it was just made: another process deletes what this one makes.
    #[error("link {name} vanished while it was set up")]
    Vanished {
        /// The link.
        name: LinkName,
    },
    /// Duplicate address detection found somebody.
    #[error("address {address} of {link} in the pod is in use by somebody else on its network")]
    Duplicate {
        /// The address.
        address: IpAddr,
        /// The pod's link.
        link: LinkName,
    },
    /// A request to the kernel failed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A kernel parameter could not be set.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The rules could not be set.
    #[error(transparent)]
    Nft(#[from] NftError),
}
