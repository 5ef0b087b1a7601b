//! A status as it is read and written.

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_ipam_core::Family;

use super::observed::{Condition, Container, Granted};
use super::settings::{Mode, Settings};
use super::subnet::{Subnet, Unit};
use crate::crd::{self, AssignmentMode, ContainerType};

/// Reads a status as far as it can be read; and what could not be, with its field.
pub fn read(status: &crd::NodeNetworkConfigStatus, settings: &Settings) -> (Granted, Option<String>) {
    let mut reader = Reader { settings, fault: None };
    let granted = reader.granted(status);
    (granted, reader.fault)
}

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
    let cidr = |subnet: Option<&Subnet>| subnet.map(|it| it.cidr.to_string()).unwrap_or_default();
    let gateway = |subnet: Option<&Subnet>| {
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
