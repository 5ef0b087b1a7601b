//! A virtual network as a cloud makes it: a switch that knows one Ethernet address a node, and a gateway.
//!
//! What comes from a node under another Ethernet address, in the frame or in what it says of itself in ARP or neighbour
//! discovery, is dropped and counted; what goes to another one never leaves the switch.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Context as _, Failure};
use crate::netns::{Netns, Place};
use crate::probe;
use crate::process::{self, command};
use crate::subject::Family;

/// A machine behind the gateway.
const FAR: (&str, &str) = ("172.31.255.9", "fd00:31::9");

/// The network.
#[derive(Debug)]
pub struct Fabric {
    netns: Netns,
    family: Family,
}

impl Fabric {
    /// Makes it, with nobody on it but the gateway.
    pub fn create(family: Family) -> Result<Self, Failure> {
        let fabric = Self { netns: Netns::create("fabric")?, family };
        let place = fabric.place();
        place.ip(&["link", "set", "lo", "up"])?;
        place.ip(&["link", "add", "switch", "address", "02:00:5e:00:00:01", "type", "bridge"])?;
        place.ip(&["link", "set", "switch", "up"])?;
        for gateway in ["10.244.1.1/24", "fd00:10:244:1::1/64"] {
            place.ip(&["addr", "add", gateway, "dev", "switch", "nodad"])?;
        }
        for far in family.pick(FAR.0, FAR.1) {
            place.ip(&["addr", "add", far, "dev", "lo", "nodad"])?;
        }
        fabric.nft(
            "table bridge security {\n counter refused { }\n counter strays { }\n\
             chain from { type filter hook prerouting priority -300\n }\n\
             chain to { type filter hook postrouting priority 300\n }\n }",
        )?;
        Ok(fabric)
    }

    /// Where the gateway and the machine behind it are.
    pub fn place(&self) -> Place<'_> {
        Place::from(&self.netns)
    }

    /// Connects a node by a link `uplink`, with the addresses that end so and default routes by the gateway.
    pub fn connect(&self, node: Place<'_>, host: u8) -> Result<(), Failure> {
        let (mac, port) = (mac(host), format!("port{host}"));
        node.ip(&[
            "link",
            "add",
            "uplink",
            "address",
            &mac,
            "type",
            "veth",
            "peer",
            "name",
            &port,
            "netns",
            self.netns.name(),
        ])?;
        self.place().ip(&["link", "set", &port, "master", "switch", "up"])?;
        self.secure(&port, &mac)?;
        node.ip(&["link", "set", "uplink", "up"])?;
        for (address, gateway) in self.node_addresses(host)?.into_iter().zip(self.family.gateways()) {
            let length = if address.is_ipv4() { 24 } else { 64 };
            node.ip(&["addr", "add", &format!("{address}/{length}"), "dev", "uplink", "nodad"])?;
            node.ip(&["route", "add", "default", "via", &gateway.to_string(), "dev", "uplink"])?;
        }
        // The kernel may take a second and more to act on a new link's carrier.
        for gateway in self.family.gateways() {
            probe::reach(node, self.place(), gateway, Duration::from_secs(8))?;
        }
        Ok(())
    }

    /// The addresses of the node that end so.
    pub fn node_addresses(&self, host: u8) -> Result<Vec<IpAddr>, Failure> {
        let texts = self.family.pick(format!("10.244.1.{host}"), format!("fd00:10:244:1::{host:x}"));
        texts.into_iter().map(|text| Ok(text.parse()?)).collect()
    }

    /// The addresses of the machine behind the gateway.
    pub fn far_addresses(&self) -> Result<Vec<IpAddr>, Failure> {
        self.family.pick(FAR.0, FAR.1).into_iter().map(|text| Ok(text.parse()?)).collect()
    }

    /// How many frames were dropped for the Ethernet address that they came from, or said that they came from.
    pub fn refused(&self) -> Result<u64, Failure> {
        let text = process::tool(&[
            "ip",
            "netns",
            "exec",
            self.netns.name(),
            "nft",
            "-j",
            "list",
            "counter",
            "bridge",
            "security",
            "refused",
        ])?;
        let listed: Value = serde_json::from_str(&text)?;
        let counters = listed["nftables"].as_array().into_iter().flatten();
        let mut packets = counters.filter_map(|object| object["counter"]["packets"].as_u64());
        packets.next().doing("the counter of refused frames")
    }

    /// Has `nft` read this there.
    pub fn nft(&self, text: &str) -> Result<(), Failure> {
        let mut nft = command("ip", ["netns", "exec", self.netns.name(), "nft", "-f", "-"]);
        process::run(&mut nft, text.as_bytes())?.success().map(drop)
    }

    fn secure(&self, port: &str, mac: &str) -> Result<(), Failure> {
        let number = mac.replace(':', "");
        let from = |what: &str| {
            format!("add rule bridge security from iifname {port} {what} counter name refused drop\n")
        };
        let rules = [
            from(&format!("ether saddr != {mac}")),
            from(&format!("arp saddr ether != {mac}")),
            from(&format!("icmpv6 type nd-neighbor-solicit @th,192,16 0x0101 @th,208,48 != 0x{number}")),
            from(&format!("icmpv6 type nd-neighbor-advert @th,192,16 0x0201 @th,208,48 != 0x{number}")),
            from(&format!("icmpv6 type nd-router-solicit @th,64,16 0x0101 @th,80,48 != 0x{number}")),
            format!(
                "add rule bridge security to oifname {port} ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 \
                 ether daddr != {mac} counter name strays drop\n"
            ),
        ];
        self.nft(&rules.concat())
    }
}

/// The Ethernet address of the node whose addresses end so.
pub fn mac(host: u8) -> String {
    format!("02:00:5e:00:01:{host:02x}")
}
