//! One record an attachment: `/run/podnet/attachments/OWNERID`.
//!
//! A record says what an attachment was made of, so that DEL, CHECK, GC and `podnet list` need not search. It is
//! a hint: without it everything is still found by name, alias and comment.
//!
//! ```text
//!  ADD   claim ──▶ reserve addresses ──▶ replace (with the addresses) ──▶ kernel …
//!  DEL   lock  ──▶ kernel, addresses ──▶ remove
//! ```
//!
//! - [`Registry::claim`] makes the name appear with its content complete, or fails because it is there: so the
//!   record also decides which of two ADDs for one attachment is the second.
//! - A record without addresses is that of an ADD that died before it knew them: its owner is looked for in the
//!   allocation directory.
//! - The file is locked (flock(2)) while an ADD or DEL works on the attachment, so that a DEL never overtakes the
//!   ADD it belongs to. The lock dies with its process.

mod on_network;
mod registry;

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
pub(crate) use on_network::OnNetwork;
use podnet_cni::Route;
use podnet_datapath::Owner;
use podnet_datapath::nft::{PodRules, Uses};
pub(crate) use registry::{Entry, RecordError, Registry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bandwidth::Bandwidth;
use crate::guard::Guarded;
use crate::host_ports::PortMappings;

/// Where the records lie: root only, gone with the boot, as pods are.
pub(crate) const ATTACHMENTS: &str = "/run/podnet/attachments";

/// The newest form of a record that this version writes, and the newest that it reads.
const SCHEMA: u32 = 1;

/// What an attachment was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    schema: u32,
    /// The key: network name, container ID, interface name.
    pub(crate) network: String,
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    pub(crate) ifname: String,
    /// The network namespace as the runtime named it.
    pub(crate) sandbox: String,
    /// The pod as Kubernetes names it, `namespace/name`, where the runtime says so; for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<String>,
    /// The configuration that ADD was given, without `prevResult`.
    pub(crate) config: Value,
    /// CNI_ARGS of ADD.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) args: String,
    /// What IPAM handed out; absent while ADD has not got that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reserved: Option<Reserved>,
}

/// What an attachment was given, and where it is reserved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reserved {
    /// host-local's `dataDir`; the network's own directory lies in it. Absent for other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The pod's addresses, in IPAM's order.
    pub(crate) leases: Vec<Lease>,
    /// The routes that an executed IPAM plugin or a daemon said: nobody else knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) routes: Vec<Route>,
    /// Whether none was added to them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) routes_are_all: bool,
    /// Whether the addresses are masqueraded.
    pub(crate) masqueraded: bool,
    /// Whether everything that the pod sends goes by way of the node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) routed: bool,
    /// Where the pod is on the node's own network, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_network: Option<OnNetwork>,
    /// The addresses from which services among neighbours need help.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unfiltered: Vec<IpNet>,
    /// The node's ports that lead to the pod.
    #[serde(default, skip_serializing_if = "PortMappings::is_empty")]
    pub(crate) host_ports: PortMappings,
    /// What the pod is kept from doing.
    #[serde(default, skip_serializing_if = "Guarded::is_empty")]
    pub(crate) guarded: Guarded,
    /// The pod's limits.
    #[serde(default, skip_serializing_if = "Bandwidth::is_unlimited")]
    pub(crate) bandwidth: Bandwidth,
}

/// An address of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The address with its subnet's prefix length.
    pub(crate) address: IpNet,
    /// The subnet's gateway; only a pod that the node is no gateway of may be without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
}

impl Lease {
    /// The gateway with the subnet's prefix length.
    pub(crate) fn gateway_net(&self) -> Option<IpNet> {
        self.gateway.map(|gateway| IpNet::new_assert(gateway, self.address.prefix_len()))
    }
}

/// The addresses alone, each with its subnet's prefix length.
pub(crate) fn addresses(leases: &[Lease]) -> Vec<IpNet> {
    leases.iter().map(|lease| lease.address).collect()
}

impl Reserved {
    /// The addresses alone.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.leases.iter().map(|lease| lease.address.addr()).collect()
    }
}

impl Record {
    /// The nftables rules that ADD made, if it came to make any.
    pub(crate) fn rules(&self) -> PodRules {
        let Some(reserved) = &self.reserved else { return PodRules::none(&self.owner()) };
        let addresses = addresses(&reserved.leases);
        let station = reserved.guarded.station();
        let segment = reserved.on_network.as_ref().and_then(OnNetwork::segment);
        let uses = Uses {
            addresses: &addresses,
            masqueraded: if reserved.masqueraded { &addresses } else { &[] },
            unfiltered: &reserved.unfiltered,
            host_ports: &reserved.host_ports.plan(&reserved.leases),
            is_routed: reserved.routed,
            guard: reserved.guarded.guard(),
            station: station.as_ref(),
            segment: segment.as_ref(),
        };
        PodRules::new(&self.owner(), &uses)
    }

    /// Whether ADD may have made a link for what the pod sends.
    pub(crate) fn has_ifb(&self) -> bool {
        self.reserved.as_ref().is_some_and(|reserved| reserved.bandwidth.limits_egress())
    }

    /// A record of the newest schema, without addresses.
    pub(crate) fn new(owner: &Owner, sandbox: &str, pod: Option<String>, config: &Value) -> Self {
        let members = config.as_object().into_iter().flatten();
        let kept = members.filter(|(name, _)| !name.eq_ignore_ascii_case("prevResult"));
        Self {
            schema: SCHEMA,
            network: owner.network().to_owned(),
            container_id: owner.container().to_owned(),
            ifname: owner.ifname().to_owned(),
            sandbox: sandbox.to_owned(),
            pod,
            config: kept.map(|(name, value)| (name.clone(), value.clone())).collect(),
            args: String::new(),
            reserved: None,
        }
    }

    /// The same record with ADD's CNI_ARGS.
    pub(crate) fn called_with(self, args: &str) -> Self {
        Self { args: args.to_owned(), ..self }
    }

    /// The same record, now that the addresses are known.
    pub(crate) fn holding(self, reserved: Reserved) -> Self {
        Self { reserved: Some(reserved), ..self }
    }

    /// Whether this version knows the form of the record.
    fn is_known(&self) -> bool {
        self.schema <= SCHEMA
    }

    /// The attachment that the record is of.
    pub(crate) fn owner(&self) -> Owner {
        Owner::new(&*self.network, &*self.container_id, &*self.ifname)
    }
}
