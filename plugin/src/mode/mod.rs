//! The modes: each a pure function from configuration and addresses to a [`podnet_datapath::PodNetwork`], and one from
//! what came of it to a result. A mode knows no kernel and no file, so that it is tested as data.

pub(crate) mod kubenet;
pub(crate) mod vnet;

use podnet_cni::{AddResult, Route};
use podnet_datapath::{Applied, Families, Known, LinkName, Owner, PodNetwork};

use crate::ipam::Gateways;
use crate::netconf::{Kubenet, PodOptions, Vnet};
use crate::record::Lease;

/// What is known of a pod when its network is planned.
#[derive(Debug, Clone)]
pub(crate) struct PodFacts<'a> {
    pub(crate) owner: Owner,
    /// The interface's name in the pod.
    pub(crate) ifname: LinkName,
    /// The pod's addresses, each with its subnet's gateway.
    pub(crate) leases: &'a [Lease],
    /// Those of the result ([`Mode::routes`]).
    pub(crate) routes: &'a [Route],
    /// The families whose frames between pods pass the node's rules of IP.
    pub(crate) filtered: Families,
}

/// A mode with its configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mode {
    Kubenet(Kubenet),
    Vnet(Vnet),
}

impl Mode {
    /// What the pod may have in every mode.
    pub(crate) fn pod(&self) -> &PodOptions {
        match self {
            Self::Kubenet(kubenet) => &kubenet.pod,
            Self::Vnet(vnet) => &vnet.pod,
        }
    }

    /// The same, to be changed.
    pub(crate) fn pod_mut(&mut self) -> &mut PodOptions {
        match self {
            Self::Kubenet(kubenet) => &mut kubenet.pod,
            Self::Vnet(vnet) => &mut vnet.pod,
        }
    }

    /// The bridge that pods are on, if they are on one.
    pub(crate) fn bridge(&self) -> Option<LinkName> {
        match self {
            Self::Kubenet(kubenet) => Some(kubenet.bridge.clone()),
            Self::Vnet(vnet) => vnet::network_port(vnet).map(|port| port.bridge),
        }
    }

    /// What the pod needs of gateways.
    pub(crate) fn gateways(&self) -> Gateways {
        match self {
            Self::Kubenet(_) => Gateways::Needed,
            Self::Vnet(vnet) => vnet::gateways_needed(vnet),
        }
    }

    /// What is known of a pod's network before its addresses are.
    pub(crate) fn known(&self) -> Known<'_> {
        match self {
            Self::Kubenet(_) => Known::Nothing,
            Self::Vnet(vnet) => vnet::known(vnet),
        }
    }

    /// The routes of the result.
    ///
    /// # Arguments
    /// `given`: those that IPAM says. `are_all`: to which none may be added, no default route either.
    pub(crate) fn routes(&self, leases: &[Lease], given: Vec<Route>, are_all: bool) -> Vec<Route> {
        match self {
            Self::Kubenet(_) if are_all => given,
            Self::Kubenet(kubenet) => kubenet::routes(kubenet, leases, given),
            Self::Vnet(vnet) => vnet::routes(vnet, leases, given, are_all),
        }
    }

    /// What the pod's network is to be.
    pub(crate) fn plan(&self, pod: PodFacts<'_>) -> PodNetwork {
        match self {
            Self::Kubenet(kubenet) => kubenet::plan(kubenet, pod),
            Self::Vnet(vnet) => vnet::plan(vnet, pod),
        }
    }

    /// What ADD answers.
    pub(crate) fn result(
        &self,
        network: &PodNetwork,
        made: &Applied,
        sandbox: &str,
        leases: &[Lease],
        routes: Vec<Route>,
    ) -> AddResult {
        match self {
            Self::Kubenet(_) => kubenet::result(network, made, sandbox, leases, routes),
            Self::Vnet(vnet) => kubenet::result(network, made, sandbox, &vnet::told(vnet, leases), routes),
        }
    }
}
