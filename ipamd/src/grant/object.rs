//! Between the objects at the API server and what the core knows of them.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use podnet_ipam_core::{Family, PerFamily};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::ledger::Owner;
use super::observed::{Condition, Container, Granted, Node, Observed};
use super::settings::{Mode, Settings};
use super::subnet::Unit;
use crate::cluster::Versioned;
use crate::crd::{self, AssignmentMode, ContainerType, NodeNetworkConfig, NodeNetworkConfigSpec};

/// Where the objects are, and the controller's own.
pub const NAMESPACE: &str = "kube-system";

/// A Node, as far as it is read: thousands of them are followed.
#[derive(Debug, Clone, Deserialize)]
pub struct FoundNode {
    /// Name, UID and version.
    pub metadata: ObjectMeta,
    #[serde(default)]
    status: FoundNodeStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct FoundNodeStatus {
    #[serde(default)]
    addresses: Vec<FoundAddress>,
}

#[derive(Debug, Clone, Deserialize)]
struct FoundAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

impl Versioned for FoundNode {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

/// What a Node says.
pub fn node(found: FoundNode) -> Node {
    let internal = found.status.addresses.iter().filter(|address| address.kind == "InternalIP");
    let parsed: Vec<IpAddr> = internal.filter_map(|address| address.address.parse().ok()).collect();
    let first = |family| parsed.iter().copied().find(|address| Family::of(*address) == family);
    Node {
        uid: found.metadata.uid.unwrap_or_default(),
        addresses: PerFamily { v4: first(Family::V4), v6: first(Family::V6) },
    }
}

/// A `NodeNetworkConfig`, also where it is malformed: one bad object must not hide the others.
#[derive(Debug, Clone)]
pub struct Found {
    /// Name, UID, version, owner.
    pub metadata: ObjectMeta,
    /// What is malformed, with its field.
    spec: Result<NodeNetworkConfigSpec, String>,
    status: Result<Option<crd::NodeNetworkConfigStatus>, String>,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: ObjectMeta,
            #[serde(default)]
            spec: Value,
            #[serde(default)]
            status: Value,
        }
        fn read<T: DeserializeOwned>(part: &str, value: Value) -> Result<T, String> {
            serde_path_to_error::deserialize(value)
                .map_err(|error| format!("{part}.{}: {}", error.path(), error.inner()))
        }
        let Raw { mut metadata, spec, status } = Raw::deserialize(deserializer)?;
        metadata.managed_fields = None;
        let spec = if spec.is_null() { Ok(NodeNetworkConfigSpec::default()) } else { read("spec", spec) };
        Ok(Self { metadata, spec, status: read("status", status) })
    }
}

impl Versioned for Found {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

/// A new object for a node.
pub fn create(owner: &Owner, settings: &Settings) -> NodeNetworkConfig {
    let reference = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: owner.node.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let requested = if settings.mode.is_dynamic() { settings.scaler.batch } else { 0 };
    NodeNetworkConfig {
        metadata: ObjectMeta {
            name: Some(owner.node.clone()),
            namespace: Some(NAMESPACE.to_owned()),
            owner_references: Some(vec![reference]),
            ..ObjectMeta::default()
        },
        spec: NodeNetworkConfigSpec {
            requested_ip_count: requested.into(),
            ..NodeNetworkConfigSpec::default()
        },
        status: None,
    }
}

/// What a `NodeNetworkConfig` says.
pub fn observe(found: Found, settings: &Settings) -> Observed {
    let Found { metadata, spec, status } = found;
    let owners = metadata.owner_references.into_iter().flatten();
    let mut observed = Observed {
        version: metadata.resource_version.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
        owner: owners
            .filter(|owner| owner.kind == "Node" && owner.controller == Some(true))
            .map(|owner| owner.uid)
            .next(),
        is_deleting: metadata.deletion_timestamp.is_some(),
        ..Observed::default()
    };
    match spec {
        Ok(spec) => {
            observed.requested = u32::try_from(spec.requested_ip_count.max(0)).unwrap_or(u32::MAX);
            observed.not_in_use = spec.ips_not_in_use.into_iter().collect();
        }
        Err(says) => observed.fault = Some(says),
    }
    match status {
        Ok(Some(status)) => {
            let mut reader = Reader { settings, fault: None };
            observed.granted = reader.granted(&status);
            observed.is_current = render(&observed.granted, settings) == status;
            observed.fault = observed.fault.or(reader.fault);
        }
        Ok(None) => {}
        Err(says) => observed.fault = Some(says),
    }
    observed
}

/// Reads a status as far as it can be read, and remembers what could not.
struct Reader<'a> {
    settings: &'a Settings,
    fault: Option<String>,
}

impl Reader<'_> {
    fn granted(&mut self, status: &crd::NodeNetworkConfigStatus) -> Granted {
        let condition = match status.status.as_str() {
            crd::status::UPDATED => Condition::Updated,
            crd::status::ERROR => Condition::Error,
            _ => Condition::Updating,
        };
        if status.network_containers.len() > 1 {
            self.wrong("status.networkContainers", "more than one, which this controller does not write");
        }
        let mut containers = status.network_containers.iter().enumerate();
        let mut read = containers.next().map(|(at, first)| self.container(at, first));
        for (at, other) in containers {
            // It is not changed, but what it has must not be granted to others.
            let other = self.container(at, other);
            if let Some(first) = &mut read {
                first.assigned.extend(other.units().map(|unit| (unit, String::new())));
            }
        }
        Granted { condition, container: read }
    }

    fn container(&mut self, at: usize, found: &crd::Container) -> Container {
        let path = format!("status.networkContainers[{at}]");
        let (mode, kind) = kind(self.settings.mode);
        if (found.assignment_mode, found.kind) != (mode, kind) {
            let says = format!(
                "{:?} {:?}; this controller grants {mode:?} {kind:?}",
                found.assignment_mode, found.kind
            );
            self.wrong(&format!("{path}.type"), &says);
        }
        let mut container = Container {
            id: found.id.clone(),
            version: found.version,
            node_ip: found.node_ip.parse().ok(),
            is_short: found.status == crd::container_status::SUBNET_FULL,
            ..Container::default()
        };
        for (member, text) in [("primaryIP", &found.primary_ip), ("primaryIPV6", &found.primary_ip_v6)] {
            if !text.is_empty()
                && let Some(unit) = self.unit(&format!("{path}.{member}"), text)
            {
                container.primary.insert(unit);
            }
        }
        for (index, assignment) in found.ip_assignments.iter().enumerate() {
            let member = format!("{path}.ipAssignments[{index}].ip");
            let Some(unit) = self.unit(&member, &assignment.ip) else { continue };
            if container.has(unit) {
                self.wrong(&member, &format!("{} is there twice", assignment.ip));
            }
            container.assigned.insert(unit, assignment.name.clone());
        }
        container
    }

    fn unit(&mut self, member: &str, text: &str) -> Option<Unit> {
        let parsed = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let Some(net) = parsed else {
            self.wrong(member, &format!("{text:?} is neither an address nor a block"));
            return None;
        };
        let unit = self
            .settings
            .places()
            .find_map(|(place, subnet)| Some(Unit { subnet: place, index: subnet.index(net)? }));
        if unit.is_none() {
            self.wrong(member, &format!("{net} is no unit of a subnet that is configured"));
        }
        unit
    }

    fn wrong(&mut self, member: &str, says: &str) {
        self.fault.get_or_insert_with(|| format!("{member}: {says}"));
    }
}

fn kind(mode: Mode) -> (AssignmentMode, ContainerType) {
    match mode {
        Mode::Vnet => (AssignmentMode::Dynamic, ContainerType::Vnet),
        Mode::VnetBlock => (AssignmentMode::Static, ContainerType::Vnetblock),
        Mode::Overlay => (AssignmentMode::Static, ContainerType::Overlay),
    }
}

/// A status as it is written.
pub fn render(granted: &Granted, settings: &Settings) -> crd::NodeNetworkConfigStatus {
    let scaler = settings.scaler;
    let count = granted.container.as_ref().map_or(0, |container| addresses(container, settings));
    crd::NodeNetworkConfigStatus {
        assigned_ip_count: count,
        status: match granted.condition {
            Condition::Updating => crd::status::UPDATING,
            Condition::Updated => crd::status::UPDATED,
            Condition::Error => crd::status::ERROR,
        }
        .to_owned(),
        scaler: Some(crd::Scaler {
            batch_size: scaler.batch.into(),
            release_threshold_percent: scaler.release_percent.into(),
            request_threshold_percent: scaler.request_percent.into(),
            max_ip_count: scaler.max.into(),
        }),
        network_containers: granted
            .container
            .iter()
            .map(|container| render_container(container, settings))
            .collect(),
    }
}

fn render_container(container: &Container, settings: &Settings) -> crd::Container {
    let (assignment_mode, kind) = kind(settings.mode);
    let of_family = |family| {
        let subnet = container.units().find(|unit| settings.family(*unit) == Some(family));
        let primary = container.primary.iter().find(|unit| settings.family(**unit) == Some(family));
        let subnet = subnet.and_then(|unit| settings.subnet(unit.subnet));
        let primary = primary.map(|unit| text(*unit, settings)).unwrap_or_default();
        (subnet, primary)
    };
    let ((v4, primary_ip), (v6, primary_ip_v6)) = (of_family(Family::V4), of_family(Family::V6));
    let cidr =
        |subnet: Option<&super::subnet::Subnet>| subnet.map(|it| it.cidr.to_string()).unwrap_or_default();
    let gateway = |subnet: Option<&super::subnet::Subnet>| {
        subnet.and_then(|it| it.gateway).map(|gateway| gateway.to_string()).unwrap_or_default()
    };
    let assignment =
        |(unit, name): (&Unit, &String)| crd::Assignment { name: name.clone(), ip: text(*unit, settings) };
    let status =
        if container.is_short { crd::container_status::SUBNET_FULL } else { crd::container_status::SUCCESS };
    crd::Container {
        id: container.id.clone(),
        assignment_mode,
        kind,
        primary_ip,
        primary_ip_v6,
        subnet_name: v4.or(v6).map(|subnet| subnet.name.to_string()).unwrap_or_default(),
        ip_assignments: container.assigned.iter().map(assignment).collect(),
        default_gateway: gateway(v4),
        default_gateway_v6: gateway(v6),
        subnet_address_space: cidr(v4),
        subnet_address_space_v6: cidr(v6),
        version: container.version,
        node_ip: container.node_ip.map(|address| address.to_string()).unwrap_or_default(),
        status: status.to_owned(),
        ..crd::Container::default()
    }
}

/// Addresses are written without their length, blocks with it.
fn text(unit: Unit, settings: &Settings) -> String {
    let net = settings.subnet(unit.subnet).and_then(|subnet| subnet.net(unit.index));
    net.map(|net| if settings.mode.is_dynamic() { net.addr().to_string() } else { net.to_string() })
        .unwrap_or_default()
}

/// Addresses for pods, of one family where there are two: a pod has one of each.
fn addresses(container: &Container, settings: &Settings) -> i64 {
    let of_family = |family| {
        let is_primary_for_pods = !settings.mode.is_dynamic();
        let primary = container.primary.iter().filter(|_| is_primary_for_pods);
        let units = primary.chain(container.assigned.keys()).copied();
        let sizes = units.filter(|unit| settings.family(*unit) == Some(family)).filter_map(|unit| {
            let net = settings.subnet(unit.subnet)?.net(unit.index)?;
            1i64.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len()))
        });
        sizes.fold(0, i64::saturating_add)
    };
    match of_family(Family::V4) {
        0 => of_family(Family::V6),
        count => count,
    }
}

#[cfg(test)]
mod tests;
