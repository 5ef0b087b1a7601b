//! Trying on an empty network namespace what ADD would do to the node's: the surest way to know what a kernel can.
//!
//! The namespace is a thread's own and goes with it, so that nothing is left and no pod sees anything.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr},
    thread,
};

use ipnet::IpNet;
use nix::sched::{CloneFlags, unshare};

use crate::{
    Families, Guard, HostPort, HostPorts, LinkName, LinkNameError, MacAddr, Owner, Segment, Station,
    TokenBucket, Transport,
    netlink::{NetlinkError, Protocol, Socket},
    nft::{Duplicates, NftError, PodRules, Uses},
    rtnl::tc::{
        self,
        filter::{self, Filter, Packets, Verdict},
    },
    sysctl,
};

/// Something that the kernel refuses to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// What it is, and the options that kernels are built with for it.
    pub feature: &'static str,
    /// The configuration that needs it.
    pub needed_for: &'static str,
    /// The kernel's words.
    pub refusal: String,
}

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// No namespace.
    #[error("cannot make a network namespace to try things in")]
    Unshare(#[source] io::Error),
    /// No thread.
    #[error("cannot start a thread to try things in")]
    Thread(#[source] io::Error),
    /// Its own defect.
    #[error("the thread that tries things stopped on a defect of its own")]
    Panicked,
}

/// Why a trial failed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Nft(#[from] NftError),
    #[error(transparent)]
    Name(#[from] LinkNameError),
}

/// A feature, and what shows that the kernel has it.
struct Trial {
    feature: &'static str,
    needed_for: &'static str,
    run: fn(&[IpNet]) -> Result<(), Refusal>,
}

const TRIALS: [Trial; 7] = [
    Trial {
        feature: "token buckets (CONFIG_NET_SCH_TBF)",
        needed_for: "limits of what pods receive and send",
        run: |_| Ok(Socket::open(Protocol::Route)?.execute(&tc::shape("lo", LOOPBACK, BUCKET))?),
    },
    Trial {
        feature: "redirection of packets (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_U32, CONFIG_NET_ACT_MIRRED)",
        needed_for: "limits of what pods send",
        run: |_| {
            let mut socket = Socket::open(Protocol::Route)?;
            socket.execute(&filter::see_arriving("lo", LOOPBACK))?;
            let all = Filter { packets: Packets::All, verdict: Verdict::Redirect(LOOPBACK) };
            Ok(socket.execute(&all.add("lo", LOOPBACK, filter::ARRIVING))?)
        },
    },
    Trial {
        feature: "nftables masquerading by maps (CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_CT)",
        needed_for: "ipMasq, mode vnet, and services among neighbours without br_netfilter",
        run: |pods| add(&Uses { masqueraded: pods, unfiltered: pods, ..nothing(pods) }),
    },
    Trial {
        feature: "nftables address translation by maps (CONFIG_NFT_NAT, CONFIG_NFT_FIB_INET, CONFIG_NFT_CT)",
        needed_for: "host ports",
        run: |pods| {
            let port = |pod: &IpNet| HostPort {
                transport: Transport::Tcp,
                host_ip: None,
                port: 80,
                pod: *pod,
                pod_port: 80,
            };
            let host_ports = HostPorts { ports: pods.iter().map(port).collect(), snat: true };
            add(&Uses { host_ports: &host_ports, ..nothing(pods) })
        },
    },
    Trial {
        feature: "nftables checks of senders (CONFIG_NF_TABLES_BRIDGE)",
        needed_for: "antiSpoofing, blockWireserver, blockIMDS",
        run: |pods| {
            let station = Station {
                links: vec!["veth0".parse()?],
                is_bridged: true,
                mac: MacAddr::new([2, 0, 0, 0, 0, 2]),
            };
            let guard = Guard { spoofing: true, wireserver: true, imds: true };
            add(&Uses { guard, station: Some(&station), ..nothing(pods) })
        },
    },
    Trial {
        feature: "nftables rewriting of frames by maps (CONFIG_NF_TABLES_BRIDGE)",
        needed_for: "datapath bridge of mode vnet",
        run: |pods| {
            let mac = MacAddr::new([2, 0, 0, 0, 0, 2]);
            let links = vec!["veth0".parse()?];
            let segment = Segment { links, mac, node: Some(mac), diverted: Vec::new() };
            add(&Uses { segment: Some(&segment), ..nothing(pods) })
        },
    },
    Trial {
        feature: "nftables tables of bridges (CONFIG_NF_TABLES_BRIDGE)",
        needed_for: "hairpinMode promiscuous-bridge",
        run: |pods| {
            let bridge: LinkName = "cbr0".parse()?;
            let duplicates =
                Duplicates { bridge: &bridge, mac: MacAddr::new([2, 0, 0, 0, 0, 1]), gateways: pods };
            Ok(duplicates.drop_all(&mut Socket::open(Protocol::Netfilter)?)?)
        },
    },
];

static NO_PORTS: HostPorts = HostPorts { ports: Vec::new(), snat: false };

/// `lo` of a new namespace.
const LOOPBACK: u32 = 1;
const BUCKET: TokenBucket = TokenBucket { rate: 125_000, burst: 32_768 };

/// What ADD may want to make and this kernel does not let it; may load modules to find out.
pub fn try_everything() -> Result<Vec<Lacking>, ScratchError> {
    let work = || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| ScratchError::Unshare(errno.into()))?;
        let families = Families { ipv4: true, ipv6: sysctl::has_ipv6() };
        let pods = families.of(&pods());
        Ok(TRIALS.iter().filter_map(|trial| trial.lacking(&pods)).collect())
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, work).map_err(ScratchError::Thread)?;
        thread.join().unwrap_or(Err(ScratchError::Panicked))
    })
}

impl Trial {
    fn lacking(&self, pods: &[IpNet]) -> Option<Lacking> {
        let refusal = (self.run)(pods).err()?;
        Some(Lacking {
            feature: self.feature,
            needed_for: self.needed_for,
            refusal: Chain(&refusal).to_string(),
        })
    }
}

/// Addresses for documentation (RFC 5737, RFC 3849).
fn pods() -> [IpNet; 2] {
    let v4 = Ipv4Addr::new(192, 0, 2, 5);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);
    [IpNet::new_assert(v4.into(), 24), IpNet::new_assert(v6.into(), 64)]
}

fn nobody() -> Owner {
    Owner::new("podnet", "nobody", "eth0")
}

/// No use at all, to be filled in.
fn nothing(pods: &[IpNet]) -> Uses<'_> {
    Uses {
        addresses: pods,
        masqueraded: &[],
        unfiltered: &[],
        host_ports: &NO_PORTS,
        is_routed: false,
        guard: Guard::default(),
        station: None,
        segment: None,
    }
}

fn add(uses: &Uses<'_>) -> Result<(), Refusal> {
    Ok(PodRules::new(&nobody(), uses).add(&mut Socket::open(Protocol::Netfilter)?)?)
}

/// An error and its sources, outermost first.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}
