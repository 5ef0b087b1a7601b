//! Traffic from another node through a host port to a pod: how many connections a second, and how many bits.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use podnet_netns_tests::ensure_eq;
use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::probe;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::subject::Family;

use crate::chain::{Chain, tcp_ports};
use crate::contestant::Who;

const HOST_PORT: u16 = 8080;
const POD_PORT: u16 = 80;
/// For how long connections are counted, each time.
const COUNTED: Duration = Duration::from_secs(1);
/// More than the kernel waits before it asks for a connection again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What passes through a contestant's host port.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Connections a second, made and closed one after the other; one figure a round.
    connections: Vec<f64>,
    /// Bits of payload a second in one connection; one figure a round.
    bits: Vec<f64>,
}

impl Traffic {
    /// The most connections a second. What else the machine does makes a round slower, never faster.
    pub(crate) fn connections(&self) -> f64 {
        self.connections.iter().copied().fold(0.0, f64::max)
    }

    /// The most bits a second.
    pub(crate) fn bits(&self) -> f64 {
        self.bits.iter().copied().fold(0.0, f64::max)
    }
}

/// Measures both in turn. Neither finds the other's rules on the packets' way.
pub(crate) fn measure(rounds: usize) -> Result<BTreeMap<Who, Traffic>, Failure> {
    let other = OtherNode::create(Family::V4)?;
    let node = other.masquerade_addresses()?.into_iter().next().doing("the node's address")?;
    let mut found = BTreeMap::<Who, Traffic>::new();
    for round in 0..rounds {
        for who in [Who::Reference, Who::Podnet] {
            let chain = Chain::new(who, "trf", false)?;
            let pod = Pod::create(&format!("{}-traffic{round}", who.title()))?;
            let ports = tcp_ports(HOST_PORT, 1);
            let (added, _) = chain.add(&pod, &ports)?;
            let address = added.addresses()?.into_iter().next().doing("the pod's address")?;
            let (there, here): (SocketAddr, SocketAddr) =
                ((address, POD_PORT).into(), (node, HOST_PORT).into());
            let traffic = found.entry(who).or_default();
            traffic.connections.push(connections(other.place(), &pod, there, here)?);
            traffic.bits.push(probe::rate_through(other.place(), (&pod.netns).into(), there, here)?);
            chain.del(&pod, &ports, &added)?;
            tool(&["nft", "flush", "ruleset"])?;
            // So many connections come around to ports of the client that the last pod's are still remembered of.
            tool(&["conntrack", "--flush"])?;
        }
    }
    Ok(found)
}

/// Connections one after the other, each from its first packet to its last; client and server take turns on one thread.
fn connections(from: Place<'_>, pod: &Pod, listen: SocketAddr, target: SocketAddr) -> Result<f64, Failure> {
    let listener = Place::from(&pod.netns).inside(|| TcpListener::bind(listen).doing(listen))?;
    let connect = || {
        let mut client = TcpStream::connect_timeout(&target, PATIENCE).doing(target)?;
        drop(listener.accept()?);
        ensure_eq!(client.read(&mut [0])?, 0, "bytes before the end");
        Ok::<_, Failure>(())
    };
    from.inside(|| {
        // The reference's bridge may not forward yet.
        connect()?;
        let (begin, mut count) = (Instant::now(), 0_u32);
        while begin.elapsed() < COUNTED {
            connect()?;
            count += 1;
        }
        Ok(f64::from(count) / begin.elapsed().as_secs_f64())
    })
}
