//! The kernel state of a pod.
//!
//! ```text
//! PodNetwork ──apply──▶ kernel      a pod's network comes into being, all or nothing
//!            ──verify─▶ kernel      every difference at once
//! Owner      ──remove─▶ kernel      the key alone finds everything
//! ```
//!
//! [`PodNetwork`] says what is wanted as plain data; the crate knows nothing of CNI, configuration files or
//! modes of operation. Every object carries its [`Owner`], so that nothing depends on an earlier result.

mod adopted;
mod apply;
mod conntrack;
mod difference;
mod filtering;
mod guard;
mod host_port;
mod inventory;
mod legacy;
mod limits;
mod localnet;
pub mod loopback;
mod mac;
mod main_table;
mod names;
pub mod netlink;
mod netns;
mod network;
pub mod nft;
mod owner;
mod parameters;
mod patience;
mod probe;
pub mod reference;
mod remove;
mod rtnl;
mod scratch;
mod segment;
mod shaping;
mod sysctl;
mod verify;

pub use adopted::{AnsweredLink, collect_adopted, has_link, remove_adopted};
pub use apply::{
    Applied, ApplyError, Known, Outset, apply, apply_from, check_bridge, check_network_port, check_uplink,
};
pub use conntrack::forget_udp;
pub use difference::Difference;
pub use filtering::{filtered_families, promiscuity_is_no_hairpin};
pub use guard::{Guard, Station};
pub use host_port::{HostPort, HostPorts, Transport};
pub use inventory::{
    Contents, InventoryError, LinkAddress, NodeRoute, PodLink, addresses, contents, is_local, link_labels,
    links, routes,
};
pub use legacy::{LegacyError, LegacyTable, legacy_tables};
pub use limits::{LimitError, OuterEnd, check_limits, lift_limits, limit, limited_owners, outer_end};
pub use localnet::{LocalnetError, allow_localnet};
pub use mac::MacAddr;
pub use main_table::{MainTable, TableRoute};
pub use names::{LinkName, LinkNameError, LinkPrefix};
pub use netns::{Netns, NetnsError, NetnsId};
pub use network::{
    Bridge, Families, Forwarding, HostEnd, Masquerade, OtherGateways, PodNetwork, Port, Promiscuity, Route,
    Veth, VlanLink, Vlans,
};
pub use owner::{Label, Owner, OwnerId};
pub use probe::{Feature, has_nf_tables, probe};
pub use remove::{RemoveError, Removed, remove};
pub use scratch::{Lacking, ScratchError, try_everything};
pub use segment::{NetworkPort, Segment};
pub use shaping::{Peers, Shaping, TokenBucket};
pub use sysctl::{SysctlError, parameter};
pub use verify::{VerifyError, verify};
