//! What `bridge` and `ptp` have in common: a pair of links, addresses from IPAM, masquerading as the reference has it.
//!
//! ```text
//!  Kind ──read──▶ Wish ──plan (pure)──▶ PodNetwork ──apply, verify──▶ kernel
//! ```
//!
//! There is no record: what the reference plugin's DEL would leave behind, a later ADD would stumble over. DEL and GC find
//! what there is by the links' labels, by names that follow from the key, and in the pod (`crate::adopted`).

use std::marker::PhantomData;

use podnet_cni::json::decode;
use podnet_cni::{AddResult, Args, Attachment, Dns, Network, Route};
use podnet_datapath::{
    Applied, ApplyError, Bridge, Families, LinkName, Masquerade, Netns, Owner, PodNetwork, apply,
    check_bridge, has_link, remove, verify,
};
use serde::Deserialize;

use super::{previous, taken_back};
use crate::cmd::{Answered, del, gc, open_sandbox, owner, pod_link};
use crate::error::Error;
use crate::ipam::{Grant, Ipam};
use crate::netconf::{ConfigError, NetConf, RuntimeConfig};
use crate::portmap::{Backend, has_iptables};
use crate::record::{Lease, addresses};
use crate::{adopted, ipam, masquerade};

/// An interface plugin.
pub(super) trait Kind: Sized {
    /// Its name.
    const NAME: &'static str;

    /// Checks the configuration.
    fn read(network: &Network, args: &Args) -> Result<Wish<Self>, Error>;

    /// What the pod's network is to be, but for what all kinds have.
    fn plan(&self, owner: Owner, ifname: LinkName, leases: &[Lease], routes: &[Route]) -> PodNetwork;

    /// The routes of the result, where IPAM gives these.
    fn routes(&self, leases: &[Lease], ipam: Vec<Route>) -> Vec<Route>;

    /// What ADD answers, but for DNS.
    fn result(&self, network: &PodNetwork, made: &Applied, netns: &str, leases: &[Lease]) -> AddResult;

    /// The bridge for the next pod.
    fn bridge(&self, ipam: Option<&Ipam>) -> Option<Bridge>;
}

/// A checked configuration.
#[derive(Debug)]
pub(super) struct Wish<K> {
    pub(super) kind: K,
    pub(super) common: Common,
    pub(super) ipam: Option<Ipam>,
}

/// The members that all kinds have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Common {
    ip_masq: bool,
    /// `iptables` or `nftables`; else whatever works.
    ip_masq_backend: Option<String>,
    dns: Dns,
    runtime_config: RuntimeConfig,
    args: crate::netconf::Args,
    r#type: Option<String>,
}

impl Common {
    pub(super) fn read(network: &Network) -> Result<Self, Error> {
        let common: Self = decode(&network.config)?;
        match common.ip_masq_backend.as_deref() {
            None | Some("iptables" | "nftables") => Ok(common),
            Some(other) => {
                let rule = "\"iptables\" or \"nftables\"";
                Err(ConfigError::invalid("ipMasqBackend", format!("{other:?}"), rule).into())
            }
        }
    }

    /// What IPAM reads besides its own member.
    pub(super) fn asked(&self) -> NetConf {
        NetConf {
            r#type: self.r#type.clone(),
            dns: Some(self.dns.clone()),
            args: self.args.clone(),
            runtime_config: self.runtime_config.clone(),
            ..NetConf::default()
        }
    }

    /// Who masquerades, where anybody does: the reference's choice is iptables, unless that does not work.
    fn backend(&self) -> Option<Backend> {
        if !self.ip_masq {
            return None;
        }
        Some(match self.ip_masq_backend.as_deref() {
            Some("nftables") => Backend::Nftables,
            None if !has_iptables() => Backend::Nftables,
            _ => Backend::Iptables,
        })
    }
}

/// The plugin of a kind.
pub(super) struct Plugin<K>(PhantomData<K>);

impl<K> Plugin<K> {
    pub(super) const NEW: Self = Self(PhantomData);
}

impl<K: Kind> crate::plugin::Plugin for Plugin<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn add(&self, attachment: &Attachment, netns: &str) -> Result<String, Error> {
        add::<K>(attachment, netns)
    }

    fn check(&self, attachment: &Attachment, netns: &str) -> Result<(), Error> {
        check::<K>(attachment, netns)
    }

    fn del(&self, attachment: &Attachment, netns: Option<&str>) -> Result<(), Error> {
        del::del(attachment, netns, adopted::remove)
    }

    fn gc(&self, network: &Network) -> Result<(), Error> {
        gc::gc(network)
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        status::<K>(network)
    }
}

/// Adds the attachment and returns the result in the configuration's version.
fn add<K: Kind>(attachment: &Attachment, netns: &str) -> Result<String, Error> {
    let job = Job::<K>::read(attachment, netns)?;
    let ipam = job.wish.ipam.as_ref();
    ipam.map_or(Ok(()), Ipam::locate)?;
    if has_link(&job.sandbox, &job.ifname)? {
        return Err(job.taken(&attachment.network));
    }
    let Some(ipam) = ipam else {
        return job.connect(Grant::default(), attachment, netns);
    };
    let grant = ipam.allocate(&job.owner)?;
    let leases = grant.leases.clone();
    let answer = job.connect(grant, attachment, netns);
    answer.inspect_err(|_| taken_back(ipam.take_back(&job.owner, &leases)))
}

/// Verifies the attachment, whoever made it.
fn check<K: Kind>(attachment: &Attachment, netns: &str) -> Result<(), Error> {
    let job = Job::<K>::read(attachment, netns)?;
    let result = previous(&attachment.network, "CHECK compares with it")?;
    let answered = Answered { result: &result, ifname: job.ifname.as_str(), netns };
    let leases = answered.leases();
    let mut network = job.plan(&leases, &result.routes);
    if let Some(mac) = answered.mac() {
        network.veth.pod_mac = mac;
    }
    let mut differences: Vec<String> = Vec::new();
    let host_end = answered.host_end();
    let found = verify(&network, &job.sandbox, host_end.as_ref().map(|answered| &answered.name))?;
    differences.extend(found.iter().map(ToString::to_string));
    if let Some(ipam) = &job.wish.ipam {
        differences.extend(ipam.check(&job.owner, &leases, netns)?);
    }
    if job.backend == Some(Backend::Iptables) {
        differences.extend(masquerade::check(&job.owner, &network.addresses)?);
    }
    differences.extend(answered.differences(&leases));
    if differences.is_empty() { Ok(()) } else { Err(Error::Differs(differences)) }
}

/// Fails where ADD could not work.
fn status<K: Kind>(network: &Network) -> Result<(), Error> {
    let wish: Wish<K> = K::read(network, &Args::default())?;
    super::ready(|| {
        if let Some(bridge) = wish.kind.bridge(wish.ipam.as_ref()) {
            check_bridge(&bridge)?;
        }
        wish.ipam.as_ref().map_or(Ok(()), Ipam::probe)
    })
}

/// A request that was found good.
struct Job<K> {
    owner: Owner,
    ifname: LinkName,
    sandbox: Netns,
    backend: Option<Backend>,
    wish: Wish<K>,
}

impl<K: Kind> Job<K> {
    fn read(attachment: &Attachment, netns: &str) -> Result<Self, Error> {
        let wish: Wish<K> = K::read(&attachment.network, &attachment.args()?)?;
        Ok(Self {
            owner: owner(attachment),
            ifname: pod_link(attachment)?,
            sandbox: open_sandbox(netns, attachment.netns_override)?,
            backend: wish.ipam.as_ref().and_then(|_| wish.common.backend()),
            wish,
        })
    }

    /// The pod has a link of the name: this attachment's, where that has an address, else who knows whose.
    fn taken(&self, network: &Network) -> Error {
        if ipam::has_reservation(&self.owner, network) {
            return Error::exists(&self.owner);
        }
        let (name, netns) = (self.ifname.clone(), self.sandbox.path().to_owned());
        ApplyError::PodNameTaken { name, netns }.into()
    }

    fn plan(&self, leases: &[Lease], routes: &[Route]) -> PodNetwork {
        let masquerade = match self.backend {
            Some(Backend::Nftables) => Masquerade::Reference,
            // By a program of its own, which the datapath does not run.
            Some(Backend::Iptables) | None => Masquerade::No,
        };
        let network = self.wish.kind.plan(self.owner.clone(), self.ifname.clone(), leases, routes);
        // Frames between pods that pass no rules are left as they are, as the reference leaves them.
        PodNetwork { masquerade, unfiltered: Families::default(), ..network }
    }

    fn connect(
        &self,
        Grant { leases, routes, dns, .. }: Grant,
        attachment: &Attachment,
        netns: &str,
    ) -> Result<String, Error> {
        let routes = self.wish.kind.routes(&leases, routes);
        let network = self.plan(&leases, &routes);
        let made = apply(&network, &self.sandbox)?;
        let answer = || {
            if self.backend == Some(Backend::Iptables) {
                masquerade::add(&self.owner, &addresses(&leases))?;
            }
            let dns = if self.wish.common.dns.is_empty() { dns } else { self.wish.common.dns.clone() };
            let result = self.wish.kind.result(&network, &made, netns, &leases);
            Ok(AddResult { dns, routes, ..result }.to_json(attachment.network.version)?)
        };
        answer().inspect_err(|_: &Error| self.disconnect(&network))
    }

    fn disconnect(&self, network: &PodNetwork) {
        let links = remove(&self.owner, Some(&network.rules(None, None)), false);
        taken_back(links.map(drop).map_err(Error::from));
        taken_back(adopted::remove_rules(&self.owner));
    }
}
