//! ADD: all or nothing.
//!
//! ```text
//!  check everything ──▶ record ──▶ addresses ──▶ record, with them ──▶ kernel ──▶ result
//!                         ◀──────────── undone in reverse where a later step fails
//! ```

use std::cell::Cell;

use podnet_cni::{AddResult, Attachment, Network};
use podnet_datapath::nft::PodRules;
use podnet_datapath::{
    Applied, ApplyError, LinkName, Masquerade, Netns, Outset, Owner, PodNetwork, apply_from, remove,
};

use super::{lost, open_sandbox, owner, pod_link, pod_of, taken, translated, warn_of_promiscuity};
use crate::error::{Error, chain};
use crate::guard::Guarded;
use crate::ipam::Grant;
use crate::mode::{Mode, PodFacts};
use crate::portmap;
use crate::record::{Entry, OnNetwork, Record, RecordError, Registry, Reserved, addresses};
use crate::settings::Settings;

/// Adds the attachment and returns the result in the configuration's version.
pub(crate) fn add(attachment: &Attachment, netns: &str) -> Result<String, Error> {
    let args = attachment.args()?;
    let settings = Settings::read(&attachment.network, &args)?;
    settings.ipam.locate()?;
    settings.ensure_apart_at_first()?;
    let previous = attachment.network.prev_result()?.unwrap_or_default();
    let ifname = pod_link(attachment)?;
    let sandbox = open_sandbox(netns, attachment.netns_override)?;
    let registry = Registry::create()?;
    let job = Job {
        owner: owner(attachment),
        ifname,
        sandbox,
        netns,
        network: &attachment.network,
        registry: &registry,
        settings,
        is_undone: Cell::new(true),
    };
    let record = Record::new(&job.owner, netns, pod_of(&args), &attachment.network.config);
    let record = record.called_with(&attachment.raw_args);
    warn_of_promiscuity(&job.settings.mode);

    let mut entry = claim(&registry, &job.owner, &record)?;
    let answer = job.allocate(&mut entry, record, |ours| {
        let mut result = previous;
        result.extend(ours);
        Ok(result.to_json(attachment.network.version)?)
    });
    answer.inspect_err(|_| {
        // What could not be undone is left to the DEL that the runtime owes: it finds the record.
        if job.is_undone.get() {
            job.undo("the record", entry.remove());
        }
    })
}

/// An ADD whose request was found good.
struct Job<'a> {
    owner: Owner,
    ifname: LinkName,
    sandbox: Netns,
    netns: &'a str,
    network: &'a Network,
    registry: &'a Registry,
    settings: Settings,
    is_undone: Cell<bool>,
}

impl Job<'_> {
    fn allocate(
        &self,
        entry: &mut Entry<'_>,
        record: Record,
        answer: impl FnOnce(AddResult) -> Result<String, Error>,
    ) -> Result<String, Error> {
        let ipam = &self.settings.ipam;
        let (grant, outset) = self.reserve()?;
        let connected = outset
            .map_err(Error::from)
            .and_then(|mut outset| self.attach(&grant, &mut outset, entry, record, answer));
        connected.inspect_err(|_| self.undo("the reservation", ipam.take_back(&self.owner, &grant.leases)))
    }

    /// Addresses for the pod, those of lost pods where there are no others; and what was found while they were awaited.
    fn reserve(&self) -> Result<(Grant, Result<Outset, ApplyError>), Error> {
        let ipam = &self.settings.ipam;
        let asked = ipam.ask(&self.owner)?;
        let outset = Outset::find(self.settings.mode.known());
        let mut lost = lost::Search::new(self.network, self.registry);
        let mut granted = asked();
        while granted.as_ref().is_err_and(|error| lost.freed(ipam, error)) {
            granted = ipam.allocate(&self.owner);
        }
        Ok((granted?, outset))
    }

    fn attach(
        &self,
        grant: &Grant,
        outset: &mut Outset,
        entry: &mut Entry<'_>,
        record: Record,
        answer: impl FnOnce(AddResult) -> Result<String, Error>,
    ) -> Result<String, Error> {
        let ipam = &self.settings.ipam;
        let addresses = addresses(&grant.leases);
        let (mode, filtered) = self.settings.adapted(&addresses)?;
        mode.pod().check_families(addresses.iter().any(|address| address.addr().is_ipv6()))?;
        let routes = mode.routes(&grant.leases, grant.routes.clone(), grant.routes_are_all);
        let network = mode.plan(PodFacts {
            owner: self.owner.clone(),
            ifname: self.ifname.clone(),
            leases: &grant.leases,
            routes: &routes,
            filtered,
        });
        let record = record.holding(Reserved {
            leases: grant.leases.clone(),
            data_dir: ipam.data_dir().map(ToOwned::to_owned),
            routes: if ipam.routes().is_none() { grant.routes.clone() } else { Vec::new() },
            routes_are_all: grant.routes_are_all,
            masqueraded: network.masquerade == Masquerade::Podnet,
            routed: network.bridge_name().is_none(),
            on_network: OnNetwork::of(&network),
            unfiltered: network.unfiltered.of(&addresses),
            host_ports: mode.pod().host_ports.clone(),
            guarded: Guarded::of(&network),
            bandwidth: mode.pod().bandwidth.clone(),
        });
        let rules = record.rules();
        entry.replace(record)?;
        ipam.ensure_unused(&self.owner, &grant.leases, self.registry)?;
        let host_ports = &mode.pod().host_ports;
        if host_ports.are_by_iptables() {
            taken::refuse(self.registry, &self.owner, host_ports)?;
        }
        self.connect(outset, &mode, &network, &rules, |made| {
            let result = mode.result(&network, made, self.netns, &grant.leases, routes);
            answer(AddResult { dns: self.settings.dns(grant.dns.clone()), ..result })
        })
    }

    fn connect(
        &self,
        outset: &mut Outset,
        mode: &Mode,
        network: &PodNetwork,
        rules: &PodRules,
        answer: impl FnOnce(&Applied) -> Result<String, Error>,
    ) -> Result<String, Error> {
        let host_ports = &mode.pod().host_ports;
        let answered = self.make(outset, network).and_then(|made| {
            translated::add(&self.owner, host_ports, &network.addresses)?;
            answer(&made)
        });
        answered.inspect_err(|error| {
            // The links of an attachment that was there before are not this ADD's to remove.
            if !matches!(error, Error::Apply(ApplyError::Attached { .. })) {
                if host_ports.are_by_iptables() {
                    self.undo(
                        "the host ports",
                        portmap::remove(self.owner.network(), self.owner.container()),
                    );
                }
                let has_ifb = mode.pod().bandwidth.limits_egress();
                self.undo("the links", remove(&self.owner, Some(rules), has_ifb));
            }
        })
    }

    /// Makes the pod's network. What a lost pod left taken is freed.
    fn make(&self, outset: &mut Outset, network: &PodNetwork) -> Result<Applied, Error> {
        loop {
            match apply_from(outset, network, &self.sandbox) {
                Err(error) if taken::freed(self.registry, &error)? => {}
                made => return Ok(made?),
            }
        }
    }

    fn undo<E: std::error::Error + 'static>(&self, what: &str, result: Result<impl Sized, E>) {
        if let Err(error) = result {
            self.is_undone.set(false);
            tracing::warn!(error = chain(&error), "cannot take back {what}");
        }
    }
}

/// Writes the record of a new attachment; a second ADD ends here.
pub(crate) fn claim<'a>(registry: &'a Registry, owner: &Owner, record: &Record) -> Result<Entry<'a>, Error> {
    registry.claim(owner.id(), record).map_err(|error| match error {
        RecordError::Exists(_) => Error::exists(owner),
        error => error.into(),
    })
}
