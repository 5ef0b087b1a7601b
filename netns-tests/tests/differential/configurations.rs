//! The configurations that reference and podnet are compared by, each with the differences that it is to show.

use podnet_netns_tests::subject::Family;
use serde_json::{Value, json};

use super::HOST_PORT;
use crate::differences::{Difference, LISTS_THE_IFB, PROMISCUITY_ALONE};

/// What differs on purpose under podnet's own name: where, by the start of the facts' names, and why.
pub(super) type Explained = (&'static str, &'static Difference);

/// A configuration of the reference chain.
pub(super) struct Configuration {
    pub(super) name: &'static str,
    pub(super) families: &'static [Family],
    /// Members of the entry of `bridge`, beside the bridge's name and the IPAM.
    pub(super) bridge: fn() -> Value,
    /// Members of its IPAM, beside what host-local needs.
    pub(super) ipam: fn() -> Value,
    /// The entries behind it.
    pub(super) behind: fn() -> Vec<Value>,
    /// The differences that this configuration shows.
    pub(super) explained: &'static [Explained],
}

const IFB_RESULT: Explained = ("/result/interfaces/3", &LISTS_THE_IFB);
const IFB_LINK: Explained = ("/links/host interface 3", &LISTS_THE_IFB);
const IFB_ROUTES: Explained = ("/links/host routes 3", &LISTS_THE_IFB);

fn nothing() -> Value {
    json!({})
}

fn portmap() -> Value {
    json!({"type": "portmap", "runtimeConfig": {"portMappings": [
        {"hostPort": HOST_PORT.0, "containerPort": HOST_PORT.1, "protocol": "tcp"},
        {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}]}})
}

fn bandwidth() -> Value {
    json!({"type": "bandwidth", "ingressRate": 40_000_000, "ingressBurst": 8_000_000,
        "egressRate": 20_000_000, "egressBurst": 4_000_000})
}

/// All that are compared.
pub(super) const CONFIGURATIONS: [Configuration; 15] = [
    Configuration {
        name: "gateway",
        families: &Family::ALL,
        bridge: || json!({"isGateway": true}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "default_gateway",
        families: &Family::ALL,
        bridge: || json!({"isDefaultGateway": true, "hairpinMode": true}),
        ipam: || json!({"routes": []}),
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "no_gateway",
        families: &[Family::V4],
        bridge: || json!({}),
        ipam: || json!({"routes": []}),
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "masquerade",
        families: &Family::ALL,
        bridge: || json!({"isGateway": true, "ipMasq": true}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "mtu",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true, "mtu": 1400}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "promiscuous",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true, "promiscMode": true}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[("/links/host interface 1/port/hairpin", &PROMISCUITY_ALONE)],
    },
    Configuration {
        name: "routes",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true}),
        ipam: || json!({"routes": [{"dst": "0.0.0.0/0"}, {"dst": "198.51.100.0/24", "gw": "10.244.1.9"}]}),
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "dns",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true, "dns": {"nameservers": ["192.0.2.53"], "search": ["example.org"]}}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "hardware_address",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true, "runtimeConfig": {"mac": "02:11:22:33:44:55"}}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "static",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true}),
        ipam: || json!({"type": "static", "ranges": null, "addresses": [{"address": "10.244.1.77/24", "gateway": "10.244.1.1"}]}),
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "host_ports",
        families: &[Family::V4, Family::Dual],
        bridge: || json!({"isGateway": true, "hairpinMode": true}),
        ipam: nothing,
        behind: || vec![portmap()],
        explained: &[],
    },
    Configuration {
        name: "requested_address",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true, "runtimeConfig": {"ips": ["10.244.1.50/24"]}}),
        ipam: nothing,
        behind: Vec::new,
        explained: &[],
    },
    Configuration {
        name: "host_ports_without_snat",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true}),
        ipam: nothing,
        behind: || {
            let mut portmap = portmap();
            portmap["snat"] = false.into();
            vec![portmap]
        },
        explained: &[],
    },
    Configuration {
        name: "limits",
        families: &[Family::V4],
        bridge: || json!({"isGateway": true}),
        ipam: nothing,
        behind: || vec![bandwidth()],
        explained: &[IFB_RESULT, IFB_LINK, IFB_ROUTES],
    },
    Configuration {
        name: "everything",
        families: &[Family::V4, Family::Dual],
        bridge: || json!({"isDefaultGateway": true, "hairpinMode": true, "ipMasq": true}),
        ipam: || json!({"routes": []}),
        behind: || vec![portmap(), bandwidth()],
        explained: &[IFB_RESULT, IFB_LINK, IFB_ROUTES],
    },
];
