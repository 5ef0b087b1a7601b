//! The state of a pod that is routed, of IPv4: what podnet's ADD leaves in mode vnet, senders and services kept.
//!
//! 1. the veth pair in one message, the pod end in its namespace;
//! 2. alias of the host end, that it answers ARP for others, and no IPv6 address of its own, only then up; no routers heard on
//!    either end;
//! 3. in the pod's namespace one batch: link up, address, the gateway's fixed neighbour, routes to it and through it;
//! 4. the host's neighbour and route to the pod;
//! 5. an element for the pod in each of podnet's maps ([`elements`]);
//! 6. a question for the host end, which makes the kernel act on its carrier.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, AsRawFd as _};

use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::SockProtocol;

use super::wire::{Batch, CREATE, UP, link, open, question};
use super::{
    Address, IFLA_INET_CONF, IFLA_INET6_ADDR_GEN_MODE, NO_ADDRESS, Result, elements, family_number, mac_of,
    pair_ends,
};

/// Constants of `linux/ip.h`, `linux/if_addr.h` and `linux/neighbour.h` that libc does not have.
const IPV4_DEVCONF_PROXY_ARP: u16 = 3;
const IFA_FLAGS: u16 = 8;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_STALE: u16 = 0x04;
const NUD_PERMANENT: u16 = 0x80;
/// `NLM_F_CREATE | NLM_F_REPLACE`.
const PUT: u16 = 0x500;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

pub(super) fn add(netns: &str, host: &str, address: &str) -> Result {
    let netns = File::open(netns)?;
    let address = Address::parse(address)?;
    let IpAddr::V4(own) = address.ip else { return Err("an address of IPv4".into()) };
    let (pod_mac, host_mac) = (mac_of(host), {
        let mut mac = mac_of(host);
        mac[1] ^= 1;
        mac
    });
    let here = open(SockProtocol::NetlinkRoute)?;
    let mut pair = Batch::default();
    pair.message(libc::RTM_NEWLINK, CREATE, &link(0, 0), |m| {
        m.attribute(libc::IFLA_ADDRESS, &host_mac);
        pair_ends(m, host, &pod_mac, netns.as_raw_fd());
        Ok(())
    })?;
    pair.message(libc::RTM_NEWLINK, 0, &link(0, 0), |m| {
        m.text(libc::IFLA_IFNAME, host);
        m.text(libc::IFLA_IFALIAS, &format!("floor {host} of a pod"));
        m.nest(libc::IFLA_AF_SPEC, |m| {
            m.nest(family_number(libc::AF_INET), |m| {
                m.nest(IFLA_INET_CONF, |m| m.number(IPV4_DEVCONF_PROXY_ARP, 1));
            });
            m.nest(family_number(libc::AF_INET6), |m| m.attribute(IFLA_INET6_ADDR_GEN_MODE, &[NO_ADDRESS]));
        });
        Ok(())
    })?;
    pair.message(libc::RTM_NEWLINK, 0, &link(0, UP), |m| {
        m.text(libc::IFLA_IFNAME, host);
        Ok(())
    })?;
    pair.run(&here)?;
    fs::write(format!("/proc/sys/net/ipv6/conf/{host}/accept_ra"), "0")?;

    let home = File::open("/proc/thread-self/ns/net")?;
    enter(&netns)?;
    fs::write("/proc/sys/net/ipv6/conf/eth0/accept_ra", "0")?;
    let there = open(SockProtocol::NetlinkRoute)?;
    let index = if_nametoindex("eth0")?;
    enter(&home)?;
    let mut pod = Batch::default();
    pod.message(libc::RTM_NEWLINK, 0, &link(index, UP), |_| Ok(()))?;
    let header = [&[2, address.length, 0, 0][..], &index.to_ne_bytes()].concat();
    pod.message(libc::RTM_NEWADDR, CREATE, &header, |m| {
        m.attribute(libc::IFA_LOCAL, &own.octets());
        m.attribute(libc::IFA_ADDRESS, &own.octets());
        m.number(IFA_FLAGS, IFA_F_NOPREFIXROUTE);
        Ok(())
    })?;
    neighbour(&mut pod, index, GATEWAY, &host_mac, NUD_PERMANENT)?;
    route(&mut pod, index, (GATEWAY, 32), None, CREATE)?;
    route(&mut pod, index, (Ipv4Addr::UNSPECIFIED, 0), Some(GATEWAY), CREATE)?;
    pod.run(&there)?;

    let index = if_nametoindex(host)?;
    let mut to_pod = Batch::default();
    neighbour(&mut to_pod, index, own, &pod_mac, NUD_STALE)?;
    route(&mut to_pod, index, (own, 32), None, CREATE)?;
    to_pod.run(&here)?;
    elements::add(host, pod_mac, own)?;
    question(&here, libc::RTM_GETLINK, &link(0, 0), |m| m.text(libc::IFLA_IFNAME, host)).map(drop)
}

fn enter(netns: &File) -> Result {
    #[expect(clippy::disallowed_methods, reason = "the process has one thread")]
    Ok(setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?)
}

/// `struct ndmsg` and its attributes.
fn neighbour(batch: &mut Batch, index: u32, address: Ipv4Addr, mac: &[u8], state: u16) -> Result {
    let mut header = vec![2, 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend(state.to_ne_bytes());
    header.extend([0, 0]);
    batch.message(libc::RTM_NEWNEIGH, PUT, &header, |m| {
        m.attribute(NDA_DST, &address.octets());
        m.attribute(NDA_LLADDR, mac);
        Ok(())
    })
}

/// `struct rtmsg` and its attributes; without next hop in scope "link".
fn route(
    batch: &mut Batch,
    index: u32,
    (net, length): (Ipv4Addr, u8),
    via: Option<Ipv4Addr>,
    flags: u16,
) -> Result {
    let scope = if via.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK };
    let (table, protocol, kind) = (libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, libc::RTN_UNICAST);
    let header = [2, length, 0, 0, table, protocol, scope, kind, 0, 0, 0, 0];
    batch.message(libc::RTM_NEWROUTE, flags, &header, |m| {
        m.attribute(libc::RTA_DST, &net.octets());
        if let Some(via) = via {
            m.attribute(libc::RTA_GATEWAY, &via.octets());
        }
        m.number(libc::RTA_OIF, index);
        Ok(())
    })
}
