//! The pool as it is told: the contract's debug pages, and our own status.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use podnet_ipam_api::INFRA_NIC;
use podnet_ipam_api::debug::{Findings, IpState, IpStatus, PodInfo, RoutesStatus, Upkeep};
use podnet_ipam_api::endpoint::{EndpointInfo, IpInfo, IpMask};
use podnet_ipam_core::{Attachment, Counts, Family, Holder, Slot, State};
use serde::{Deserialize, Serialize};

use super::Actor;
use crate::clock;
use crate::upkeep::Kept;

/// All that an operator asks first: `GET /debug/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Why an ADD could not be served now; none: it could.
    pub not_ready: Option<String>,
    /// Where addresses come from.
    pub source: SourceStatus,
    /// The pool by family and state.
    pub pool: Vec<FamilyStatus>,
    /// How the rules are that are kept on the node; none: none are asked for.
    #[serde(default)]
    pub node_rules: Option<Upkeep>,
    /// How the routes to the pods' subnets are; none: none are asked for.
    #[serde(default)]
    pub subnet_routes: Option<Upkeep>,
    /// How the conflist is; none: none is written, or it is not its time yet.
    #[serde(default)]
    pub conflist: Option<Upkeep>,
    /// The routes to other nodes' pods; none: they are not the daemon's business.
    #[serde(default)]
    pub routes: Option<RoutesStatus>,
    /// How often an address was assigned before its cool-down ended.
    pub cool_downs_skipped: u64,
    /// Who has what, by name.
    pub pods: Vec<PodStatus>,
    /// What the last look at the node found; none: it has not been looked at yet.
    #[serde(default)]
    pub reconciliation: Option<Findings>,
    /// What happened lately, newest first.
    pub events: Vec<EventStatus>,
}

/// Where addresses come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// As the configuration calls it.
    pub kind: String,
    /// Since it said something good.
    pub age_seconds: Option<u64>,
    /// What went wrong since.
    pub error: Option<String>,
    /// What it says that would harm pods that run, and so is not done.
    #[serde(default)]
    pub complaints: Vec<String>,
    /// The subnets.
    pub subnets: Vec<String>,
}

/// One family of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyStatus {
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// All addresses.
    pub total: usize,
    /// Free.
    pub available: usize,
    /// Held by pods.
    pub assigned: usize,
    /// Free, but not yet to be assigned.
    pub cooling_down: usize,
    /// Not delivered to yet.
    pub pending_programming: usize,
    /// On their way back.
    pub pending_release: usize,
    /// Held by pods, though the source does not have them any more.
    pub orphaned: usize,
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The sandbox.
    #[serde(rename = "containerID")]
    pub container: String,
    /// The interface in it; empty where the client names none.
    pub interface: String,
    /// What it has.
    pub addresses: Vec<IpAddr>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStatus {
    /// When (RFC 3339).
    pub at: String,
    /// What.
    pub event: String,
}

impl Status {
    /// How everything is that is kept on the node and asked for.
    pub fn upkeep(&self) -> impl Iterator<Item = (Kept, &Upkeep)> {
        let all = [
            (Kept::Rules, &self.node_rules),
            (Kept::Routes, &self.subnet_routes),
            (Kept::Conflist, &self.conflist),
        ];
        all.into_iter().filter_map(|(kept, status)| Some((kept, status.as_ref()?)))
    }
}

impl Actor {
    /// The status of this moment.
    pub fn status(&self) -> Status {
        let now = clock::since_boot();
        let not_ready = match self.readiness() {
            podnet_daemon_kit::Readiness::Ready => None,
            podnet_daemon_kit::Readiness::NotReady(reason) => Some(reason),
        };
        let mut pods: Vec<PodStatus> = self.pool.holders().map(pod_status).collect();
        pods.sort();
        let events = self
            .history
            .iter()
            .map(|(at, event)| EventStatus { at: clock::rfc3339(at), event: event.to_owned() });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            not_ready,
            source: SourceStatus {
                kind: self.source.kind.to_owned(),
                age_seconds: self.source.last_good.map(|at| now.saturating_sub(at).as_secs()),
                error: self.source.error().map(str::to_owned),
                complaints: self.complaints(),
                subnets: self.networks.all.iter().map(|network| network.subnet.to_string()).collect(),
            },
            pool: self.families(),
            node_rules: self.node_rules.clone(),
            subnet_routes: self.subnet_routes.clone(),
            conflist: self.conflist.clone(),
            routes: self.ends.routes.borrow().clone(),
            cool_downs_skipped: self.pool.cool_downs_skipped(),
            pods,
            reconciliation: self.findings.as_ref().map(|(findings, at)| Findings {
                age_seconds: now.saturating_sub(*at).as_secs(),
                ..self.still(findings)
            }),
            events: events.collect(),
        }
    }

    /// What a look found, without the missing whose addresses have come back since.
    fn still(&self, findings: &Findings) -> Findings {
        let holds = |container: &str| {
            self.pool.holders().any(|holder| holder.attachment.key().container() == container)
        };
        let mut still = findings.clone();
        still.missing.retain(|missing| holds(&missing.container));
        still
    }

    fn families(&self) -> Vec<FamilyStatus> {
        let status = |family| family_status(family, self.pool.counts(family));
        Family::ALL.into_iter().map(status).filter(|status| status.total > 0).collect()
    }

    /// The addresses in these states.
    pub fn addresses(&self, states: &[IpState]) -> Vec<IpStatus> {
        let now = clock::since_boot();
        let all = self.pool.addresses().map(|(address, slot)| self.ip_status(address, slot, now));
        all.filter(|status| states.contains(&status.state)).collect()
    }

    /// The names of each attachment's addresses, by its key.
    pub fn names_by_pod(&self) -> BTreeMap<String, Vec<String>> {
        let names =
            |holder: &Holder| holder.addresses.iter().map(|address| self.networks.name(address)).collect();
        self.pool.holders().map(|holder| (pod_key(&holder.attachment), names(holder))).collect()
    }

    /// A container's interfaces; none where it has no address.
    pub fn endpoint(&self, container: &str) -> Option<EndpointInfo> {
        let mut endpoint = EndpointInfo::default();
        for holder in self.pool.holders().filter(|holder| holder.attachment.key().container() == container) {
            let identity = holder.attachment.identity();
            let mut info = IpInfo { nic_type: INFRA_NIC.to_owned(), ..IpInfo::default() };
            for address in holder.addresses.iter() {
                let nc = self.pool.get(address).map(Slot::container);
                let network = nc.and_then(|nc| self.networks.of_address(nc, address));
                let bits = network.map_or(0, |network| network.subnet.prefix_len());
                let masked = IpMask::new(address, bits);
                match address {
                    IpAddr::V4(_) => info.ipv4.get_or_insert_default().push(masked),
                    IpAddr::V6(_) => info.ipv6.push(masked),
                }
            }
            identity.pod.clone_into(&mut endpoint.pod_name);
            identity.namespace.clone_into(&mut endpoint.pod_namespace);
            let interfaces = endpoint.ifname_to_ip_map.get_or_insert_default();
            interfaces.insert(identity.interface.to_owned(), info);
        }
        endpoint.ifname_to_ip_map.is_some().then_some(endpoint)
    }

    fn ip_status(&self, address: IpAddr, slot: &Slot, now: Duration) -> IpStatus {
        IpStatus {
            state: match slot.state() {
                State::PendingProgramming => IpState::PendingProgramming,
                State::Available => IpState::Available,
                State::Assigned => IpState::Assigned,
                State::CoolingDown => IpState::CoolingDown,
                State::PendingRelease => IpState::PendingRelease,
            },
            id: self.networks.name(address),
            ip_address: address.to_string(),
            last_state_transition: clock::rfc3339(clock::wall(slot.since(), now)),
            nc_id: slot.container().to_string(),
            pod_info: slot.attachment().map(|attachment| pod_info(attachment)),
        }
    }
}

fn family_status(family: Family, counts: Counts) -> FamilyStatus {
    FamilyStatus {
        family: family.to_string(),
        total: counts.total(),
        available: counts.available,
        assigned: counts.assigned,
        cooling_down: counts.cooling_down,
        pending_programming: counts.pending_programming,
        pending_release: counts.pending_release,
        orphaned: counts.orphaned,
    }
}

fn pod_status(holder: &Holder) -> PodStatus {
    let identity = holder.attachment.identity();
    PodStatus {
        namespace: identity.namespace.to_owned(),
        pod: identity.pod.to_owned(),
        container: identity.infra_container_id.to_owned(),
        interface: identity.interface.to_owned(),
        addresses: holder.addresses.iter().collect(),
    }
}

/// CNS's key of a pod: the client's own interface ID.
fn pod_key(attachment: &Attachment) -> String {
    let identity = attachment.identity();
    let id = identity.pod_interface_id;
    if id.is_empty() { identity.infra_container_id } else { id }.to_owned()
}

fn pod_info(attachment: &Attachment) -> PodInfo {
    let identity = attachment.identity();
    PodInfo {
        pod_name: identity.pod.to_owned(),
        pod_namespace: identity.namespace.to_owned(),
        pod_infra_container_id: identity.infra_container_id.to_owned(),
        pod_interface_id: identity.pod_interface_id.to_owned(),
        version: PodInfo::BY_INTERFACE,
        secondary_interface_set: false,
    }
}
