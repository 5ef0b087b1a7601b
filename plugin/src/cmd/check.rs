//! CHECK: compares what is with what ADD made, and names every difference at once.

use podnet_cni::{AddResult, Attachment, Interface, IpConfig};
use podnet_datapath::{AnsweredLink, MacAddr, Owner, verify};

use super::{open_sandbox, owner, pod_link, translated};
use crate::error::Error;
use crate::mode::PodFacts;
use crate::record::{ATTACHMENTS, Lease, Registry, Reserved, addresses};
use crate::settings::Settings;

/// What a look at an attachment came to.
#[derive(Debug)]
pub(crate) struct Seen {
    /// How it differs from what ADD made.
    pub(crate) differences: Vec<String>,
    /// Why the source of its addresses did not say what it knows of them; `None`: it did, or was not to be asked.
    pub(crate) unanswered: Option<Error>,
}

/// Verifies the attachment.
pub(super) fn check(attachment: &Attachment, netns: &str) -> Result<(), Error> {
    match look(attachment, netns, true)? {
        Seen { differences, .. } if !differences.is_empty() => Err(Error::Differs(differences)),
        Seen { unanswered: Some(error), .. } => Err(error),
        Seen { .. } => Ok(()),
    }
}

/// Looks at the attachment.
///
/// # Arguments
/// `asks`: whether the source of its addresses is asked, too.
pub(crate) fn look(attachment: &Attachment, netns: &str, asks: bool) -> Result<Seen, Error> {
    let mut settings = Settings::read(&attachment.network, &attachment.args()?)?;
    let previous = attachment.network.prev_result()?;
    let sandbox = open_sandbox(netns, attachment.netns_override)?;
    let owner = owner(attachment);
    let ifname = pod_link(attachment)?;
    let answered = previous.as_ref().map(|result| Answered { result, ifname: ifname.as_str(), netns });
    let recorded = recorded(&owner)?;
    if let Some(reserved) = &recorded {
        // A runtime need not repeat at CHECK what it asked for at ADD.
        settings.mode.pod_mut().host_ports = reserved.host_ports.clone();
        settings.mode.pod_mut().bandwidth = reserved.bandwidth.clone();
    }
    let Reserved { leases, routes: given, routes_are_all: are_all, .. } =
        given(&owner, recorded, answered.as_ref())?;

    let (mode, filtered) = settings.adapted(&addresses(&leases))?;
    let ipam = &settings.ipam;
    let (given, are_all) = ipam.routes().map_or((given, are_all), |routes| (routes, false));
    let routes = mode.routes(&leases, given, are_all);
    let mut network = mode.plan(PodFacts {
        owner: owner.clone(),
        ifname: ifname.clone(),
        leases: &leases,
        routes: &routes,
        filtered,
    });
    if let Some(mac) = answered.as_ref().and_then(Answered::mac) {
        network.veth.pod_mac = mac;
    }
    let mut differences: Vec<String> = Vec::new();
    differences.extend(verify(&network, &sandbox, None)?.iter().map(ToString::to_string));
    differences.extend(translated::check(&owner, &mode.pod().host_ports, &network.addresses)?);
    let known = if asks { ipam.check(&owner, &leases, netns) } else { Ok(Vec::new()) };
    let (forgotten, unanswered) = known.map_or_else(|error| (Vec::new(), Some(error)), |found| (found, None));
    differences.extend(forgotten);
    differences.extend(answered.iter().flat_map(|answered| answered.differences(&leases)));
    Ok(Seen { differences, unanswered })
}

/// What the record says that ADD made.
fn recorded(owner: &Owner) -> Result<Option<Reserved>, Error> {
    match Registry::open()? {
        Some(registry) => Ok(registry.read(owner.id())?.and_then(|record| record.reserved)),
        None => Ok(None),
    }
}

/// What the pod was given: by the record, else by what ADD answered, whose routes are all that it has.
fn given(
    owner: &Owner,
    recorded: Option<Reserved>,
    answered: Option<&Answered<'_>>,
) -> Result<Reserved, Error> {
    let by_answer = |answered: &Answered<'_>| Reserved {
        leases: answered.leases(),
        routes: answered.result.routes.clone(),
        routes_are_all: true,
        ..Reserved::default()
    };
    recorded
        .or_else(|| answered.map(by_answer))
        .filter(|given| !given.leases.is_empty())
        .ok_or_else(|| Error::Unknown { path: format!("{ATTACHMENTS}/{}", owner.id()) })
}

/// The final result of the list, of which the pod's interface is ours. Later plugins may have changed its hardware
/// address, and may have added interfaces, addresses and routes of their own.
pub(crate) struct Answered<'a> {
    pub(crate) result: &'a AddResult,
    pub(crate) ifname: &'a str,
    pub(crate) netns: &'a str,
}

impl Answered<'_> {
    fn interface(&self) -> Option<usize> {
        self.result.interfaces.iter().position(|interface| {
            interface.name == self.ifname && interface.sandbox.as_deref() == Some(self.netns)
        })
    }

    fn ips(&self) -> impl Iterator<Item = &IpConfig> {
        let ours = self.interface();
        self.result.ips.iter().filter(move |ip| ip.interface.is_none() || ip.interface == ours)
    }

    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.ips().map(|ip| Lease { address: ip.address, gateway: ip.gateway }).collect()
    }

    /// The pod's hardware address where the result has one.
    pub(crate) fn mac(&self) -> Option<MacAddr> {
        let interface = self.result.interfaces.get(self.interface()?)?;
        mac_of(interface)
    }

    /// The host's end: the interface before the pod's, as both podnet and the reference plugins list them.
    pub(crate) fn host_end(&self) -> Option<AnsweredLink> {
        let before = self.result.interfaces.get(self.interface()?.checked_sub(1)?)?;
        let is_of_host = before.sandbox.is_none();
        is_of_host.then(|| Some(AnsweredLink { name: before.name.parse().ok()?, mac: mac_of(before)? }))?
    }

    pub(crate) fn differences(&self, leases: &[Lease]) -> Vec<String> {
        let mut differences = Vec::new();
        let has_interfaces = !self.result.interfaces.is_empty();
        if has_interfaces && self.interface().is_none() {
            differences.push(format!("prevResult has no interface {} in {}", self.ifname, self.netns));
        }
        let foreign = self.ips().filter(|ip| leases.iter().all(|lease| lease.address != ip.address));
        differences.extend(foreign.map(|ip| {
            format!("prevResult gives {} the address {}, which ADD did not", self.ifname, ip.address)
        }));
        differences
    }
}

fn mac_of(interface: &Interface) -> Option<MacAddr> {
    let mac: podnet_cni::MacAddr = interface.mac.as_deref()?.parse().ok()?;
    Some(MacAddr::new(mac.octets()))
}
