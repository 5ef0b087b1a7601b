//! The floor: what the kernel itself takes for a pod's network, measured by the least program that makes it.
//!
//! `floor add NETNS HOSTIF BRIDGE ADDRESS/LENGTH…`, `floor route NETNS HOSTIF ADDRESS/LENGTH` ([`routed`]) and `floor del
//! HOSTIF`, in bare rtnetlink bytes (RFC 3549) without any of podnet's code. ADD ends in the state that podnet's ADD ends
//! in, by the same kinds of messages:
//!
//! 1. the veth pair in one message, the host end up and a port of the bridge, the pod end in its namespace;
//! 2. alias and hairpin of the host end, and no IPv6 address of its own;
//! 3. in the pod's namespace the IPv6 sysctls, then one batch: link up and announcing, addresses, default routes;
//! 4. a question for the host end, which makes the kernel act on its carrier, so that the bridge forwards;
//! 5. for IPv6 the question whether packets to the address are taken yet, again until they are;
//! 6. the pod end's own MAC set once more, by which the kernel announces its addresses.
//!
//! DEL is the one message that deletes the link. The bridge has to be there: a node makes it once. Addresses are the
//! caller's affair, results and records nobody's.

#[path = "floor/elements.rs"]
mod elements;
#[path = "floor/routed.rs"]
mod routed;
#[path = "floor/wire.rs"]
mod wire;

use std::error::Error;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::SockProtocol;

use wire::{Batch, CREATE, Message, UP, link, open, question};

/// Constants of `linux/veth.h`, `linux/if_link.h` and `linux/ip.h` that libc does not have.
const VETH_INFO_PEER: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const NO_ADDRESS: u8 = 1;
const IPV4_DEVCONF_ARP_NOTIFY: u16 = 22;

const MTU: u32 = 1500;
/// Between two looks at what a worker of the kernel is about to do.
const POLL: std::time::Duration = std::time::Duration::from_micros(100);

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["add", netns, host, bridge, addresses @ ..] => add(netns, host, bridge, addresses),
        ["route", netns, host, address] => routed::add(netns, host, address),
        ["del", host] => del(host),
        _ => Err("usage: floor add NETNS HOSTIF BRIDGE ADDRESS/LENGTH… | floor route NETNS HOSTIF ADDRESS/LENGTH | floor del HOSTIF".into()),
    }
}

fn add(netns: &str, host: &str, bridge: &str, addresses: &[&str]) -> Result {
    let netns = File::open(netns)?;
    let mac = mac_of(host);
    let here = open(SockProtocol::NetlinkRoute)?;

    let mut pair = Batch::default();
    pair.message(libc::RTM_NEWLINK, CREATE, &link(0, UP), |m| {
        m.number(libc::IFLA_MASTER, if_nametoindex(bridge)?);
        pair_ends(m, host, &mac, netns.as_raw_fd());
        Ok(())
    })?;
    pair.message(libc::RTM_NEWLINK, 0, &link(0, 0), |m| {
        m.text(libc::IFLA_IFNAME, host);
        m.text(libc::IFLA_IFALIAS, &format!("floor {host} of a pod"));
        m.nest(libc::IFLA_AF_SPEC, |m| {
            m.nest(family_number(libc::AF_INET6), |m| m.attribute(IFLA_INET6_ADDR_GEN_MODE, &[NO_ADDRESS]));
        });
        m.nest(libc::IFLA_LINKINFO, |m| {
            m.text(libc::IFLA_INFO_SLAVE_KIND, "bridge");
            m.nest(libc::IFLA_INFO_SLAVE_DATA, |m| m.attribute(IFLA_BRPORT_MODE, &[1]));
        });
        Ok(())
    })?;
    pair.run(&here)?;

    #[expect(clippy::disallowed_methods, reason = "the process ends in the pod's namespace")]
    setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?;
    let addresses = addresses.iter().map(|text| Address::parse(text)).collect::<Result<Vec<_>>>()?;
    if addresses.iter().any(|address| address.ip.is_ipv6()) {
        for (name, value) in [("accept_dad", "0"), ("keep_addr_on_down", "1"), ("ndisc_notify", "1")] {
            fs::write(format!("/proc/sys/net/ipv6/conf/eth0/{name}"), value)?;
        }
    }
    let index = if_nametoindex("eth0")?;
    let mut pod = Batch::default();
    pod.message(libc::RTM_NEWLINK, 0, &link(index, UP), |m| {
        m.nest(libc::IFLA_AF_SPEC, |m| {
            m.nest(family_number(libc::AF_INET), |m| {
                m.nest(IFLA_INET_CONF, |m| m.number(IPV4_DEVCONF_ARP_NOTIFY, 1));
            });
        });
        Ok(())
    })?;
    for address in &addresses {
        address.add(&mut pod, index)?;
    }
    for address in &addresses {
        address.add_default_route(&mut pod, index)?;
    }
    let there = open(SockProtocol::NetlinkRoute)?;
    pod.run(&there)?;

    question(&here, libc::RTM_GETLINK, &link(0, 0), |m| m.text(libc::IFLA_IFNAME, host))?;
    for address in addresses.iter().filter(|address| address.ip.is_ipv6()) {
        while !address.is_local(&there)? {
            std::thread::sleep(POLL);
        }
    }
    let mut announcement = Batch::default();
    announcement.message(libc::RTM_NEWLINK, 0, &link(index, 0), |m| {
        m.attribute(libc::IFLA_ADDRESS, &mac);
        Ok(())
    })?;
    announcement.run(&there)
}

/// The two ends of a veth pair, the second of which is the pod's.
fn pair_ends(m: &mut Message, host: &str, pod_mac: &[u8], netns: RawFd) {
    m.text(libc::IFLA_IFNAME, host);
    m.number(libc::IFLA_MTU, MTU);
    m.nest(libc::IFLA_LINKINFO, |m| {
        m.text(libc::IFLA_INFO_KIND, "veth");
        m.nest(libc::IFLA_INFO_DATA, |m| {
            m.nest(VETH_INFO_PEER, |m| {
                m.0.extend(link(0, 0));
                m.text(libc::IFLA_IFNAME, "eth0");
                m.attribute(libc::IFLA_ADDRESS, pod_mac);
                m.number(libc::IFLA_MTU, MTU);
                m.number(libc::IFLA_NET_NS_FD, netns.cast_unsigned());
            });
        });
    });
}

fn del(host: &str) -> Result {
    let mut batch = Batch::default();
    batch.message(libc::RTM_DELLINK, 0, &link(0, 0), |m| {
        m.text(libc::IFLA_IFNAME, host);
        Ok(())
    })?;
    batch.run(&open(SockProtocol::NetlinkRoute)?)
}

/// An address of the pod; its gateway is the first one of its subnet.
struct Address {
    ip: IpAddr,
    length: u8,
}

impl Address {
    fn parse(text: &str) -> Result<Self> {
        let (ip, length) = text.split_once('/').ok_or("an address without a prefix length")?;
        Ok(Self { ip: ip.parse()?, length: length.parse()? })
    }

    fn family(&self) -> u16 {
        family_number(if self.ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 })
    }

    fn bytes(ip: IpAddr) -> Vec<u8> {
        match ip {
            IpAddr::V4(ip) => ip.octets().into(),
            IpAddr::V6(ip) => ip.octets().into(),
        }
    }

    fn gateway(&self) -> IpAddr {
        let length = u32::from(self.length);
        match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                IpAddr::V4(((ip.to_bits() & mask) + 1).into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                IpAddr::V6(((ip.to_bits() & mask) + 1).into())
            }
        }
    }

    /// `struct ifaddrmsg` and its attributes.
    fn add(&self, batch: &mut Batch, index: u32) -> Result {
        let flags = if self.ip.is_ipv6() { u8::try_from(libc::IFA_F_NODAD)? } else { 0 };
        let mut header = vec![self.family().to_le_bytes()[0], self.length, flags, 0];
        header.extend(index.to_ne_bytes());
        batch.message(libc::RTM_NEWADDR, CREATE, &header, |m| {
            m.attribute(libc::IFA_LOCAL, &Self::bytes(self.ip));
            m.attribute(libc::IFA_ADDRESS, &Self::bytes(self.ip));
            Ok(())
        })
    }

    /// Whether packets to the address are delivered: the kernel's worker adds that route after the address.
    fn is_local(&self, socket: &OwnedFd) -> Result<bool> {
        let header = [self.family().to_le_bytes()[0], 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let destination = |m: &mut Message| m.attribute(libc::RTA_DST, &Self::bytes(self.ip));
        let answer = question(socket, libc::RTM_GETROUTE, &header, destination)?;
        // In an answer `rtm_type` is the eighth byte after the header; an error has the type of errors.
        let is_route = answer.get(4..6) == Some(&libc::RTM_NEWROUTE.to_ne_bytes());
        Ok(is_route && answer.get(23) == Some(&libc::RTN_LOCAL))
    }

    /// `struct rtmsg` and its attributes.
    fn add_default_route(&self, batch: &mut Batch, index: u32) -> Result {
        let family = self.family().to_le_bytes()[0];
        let (table, protocol, kind) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RTN_UNICAST);
        let header = [family, 0, 0, 0, table, protocol, libc::RT_SCOPE_UNIVERSE, kind, 0, 0, 0, 0];
        batch.message(libc::RTM_NEWROUTE, CREATE, &header, |m| {
            m.attribute(libc::RTA_GATEWAY, &Self::bytes(self.gateway()));
            m.number(libc::RTA_OIF, index);
            Ok(())
        })
    }
}

/// A MAC of our own, locally administered, from the end of the host link's name.
fn mac_of(host: &str) -> [u8; 6] {
    let mut mac = [0x02, 0xf1, 0, 0, 0, 0];
    for (byte, letter) in mac.iter_mut().rev().zip(host.bytes().rev()).take(4) {
        *byte = letter;
    }
    mac
}

fn family_number(family: libc::c_int) -> u16 {
    u16::try_from(family).unwrap_or_default()
}
