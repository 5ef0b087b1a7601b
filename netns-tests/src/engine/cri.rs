//! The messages of the container runtime interface that a pod's network is made and taken by.
//! Source: Kubernetes, `cri-api/pkg/apis/runtime/v1/api.proto`; the numbers are its fields'.

use std::net::IpAddr;

use serde_json::Value;

use super::protobuf::{self, Message};
use crate::failure::{Context as _, Failure};

/// A pod as kubelet describes it to the runtime.
#[derive(Debug, Clone, Default)]
pub struct PodSandbox {
    /// Its name, and the last part of its uid.
    pub name: String,
    /// Ports of the node that lead to it.
    pub ports: Vec<PortMapping>,
    /// `kubernetes.io/ingress-bandwidth` and others.
    pub annotations: Vec<(&'static str, &'static str)>,
}

/// One of its host ports.
#[derive(Debug, Clone)]
pub struct PortMapping {
    /// Whether it is UDP; else TCP.
    pub is_udp: bool,
    /// The pod's port.
    pub container_port: u16,
    /// The node's port.
    pub host_port: u16,
    /// The node's address, empty for all of them.
    pub host_ip: String,
}

impl PodSandbox {
    /// `RunPodSandboxRequest`, for the group of control groups that the pod belongs to.
    pub(super) fn run_request(&self, cgroup: &str) -> Message {
        let metadata = Message::default()
            .text(1, &self.name)
            .text(2, &format!("11111111-2222-3333-4444-{}", self.name))
            .text(3, "default");
        let dns = Message::default().text(1, "192.0.2.53").text(2, "cluster.local");
        let linux = Message::default().text(1, cgroup);
        let mut config = Message::default().message(1, &metadata).text(2, &self.name).message(4, &dns);
        for port in &self.ports {
            let mapping = Message::default()
                .number(1, port.is_udp.into())
                .number(2, port.container_port.into())
                .number(3, port.host_port.into())
                .text(4, &port.host_ip);
            config = config.message(5, &mapping);
        }
        for (key, value) in &self.annotations {
            config = config.entry(7, key, value);
        }
        Message::default().message(1, &config.message(8, &linux))
    }
}

/// The request that consists of a sandbox's id: to stop it, to remove it.
pub(super) fn by_id(id: &str) -> Message {
    Message::default().text(1, id)
}

/// `PodSandboxStatusRequest` with all details, or `StatusRequest` where there is no id.
pub(super) fn verbosely(id: &str) -> Message {
    by_id(id).number(2, 1)
}

/// What the runtime knows of a pod's network.
#[derive(Debug)]
pub struct PodStatus {
    /// Its addresses, the first one first.
    pub addresses: Vec<IpAddr>,
    /// The file of its namespace.
    pub netns: String,
}

impl PodStatus {
    /// From a `PodSandboxStatusResponse`.
    pub(super) fn read(response: &[u8]) -> Result<Self, Failure> {
        let status = protobuf::all(response, 1)?.into_iter().next().doing("a status")?;
        let network = protobuf::all(status, 5)?.into_iter().next().unwrap_or_default();
        let mut texts = vec![protobuf::text(network, 1)?];
        for further in protobuf::all(network, 2)? {
            texts.push(protobuf::text(further, 1)?);
        }
        let addresses = texts.iter().filter(|text| !text.is_empty()).map(|text| text.parse().doing(text));
        let addresses = addresses.collect::<Result<_, _>>()?;
        // The details are JSON of the runtime's own: the configuration of the pod's first container.
        let details = protobuf::all(response, 2)?.into_iter().next().doing("details")?;
        let details: Value = serde_json::from_str(&protobuf::text(details, 2)?)?;
        let namespaces = details["runtimeSpec"]["linux"]["namespaces"].as_array();
        let network = namespaces.into_iter().flatten().find(|namespace| namespace["type"] == "network");
        let netns = network.and_then(|namespace| namespace["path"].as_str()).unwrap_or_default().to_owned();
        Ok(Self { addresses, netns })
    }
}

/// From a `StatusResponse`: whether the network is ready, else why not.
pub(super) fn network_ready(response: &[u8]) -> Result<Result<(), String>, Failure> {
    let status = protobuf::all(response, 1)?.into_iter().next().doing("a status")?;
    for condition in protobuf::all(status, 1)? {
        if protobuf::text(condition, 1)? == "NetworkReady" {
            let is_ready = protobuf::number(condition, 2)? == 1;
            return Ok(if is_ready { Ok(()) } else { Err(protobuf::text(condition, 4)?) });
        }
    }
    Err(Failure::failed("the runtime says nothing of its network"))
}
