//! What passes between pods: bits a second by iperf3, and questions with their answers.

use std::fs;
use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::{command, tool};
use podnet_netns_tests::{probe, tools, wait};
use serde_json::Value;

use crate::contestant::Contestant;

/// How often each is measured.
const ROUNDS: usize = 7;
/// For how many seconds bits are counted, each time: the best counts. What else the machine does makes a round slower, never
/// faster.
const SECONDS: &str = "1";
/// Questions with their answers, each time; what counts is the quarter of them that is quickest.
const QUESTIONS: usize = 4000;
/// iperf3's own port.
const PORT: u16 = 5201;
const SOON: Duration = Duration::from_secs(8);

/// What passes for one contestant, to a neighbour and to the other node.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) near: Way,
    pub(crate) far: Way,
}

/// The best of one way.
#[derive(Debug)]
pub(crate) struct Way {
    /// A second.
    pub(crate) bits: f64,
    /// From a question to its answer.
    pub(crate) round_trip: Duration,
}

impl Default for Way {
    fn default() -> Self {
        Self { bits: 0.0, round_trip: Duration::MAX }
    }
}

/// podnet's and the reference's.
pub(crate) fn measure(
    other: &OtherNode,
    podnet: &Contestant,
    reference: &Contestant,
) -> Result<(Passed, Passed), Failure> {
    let far = other.pod_addresses()?.into_iter().next().doing("the other node's pod")?;
    let (mut ours, mut theirs) = (Passed::default(), Passed::default());
    for round in 0..ROUNDS {
        for (contestant, passed) in [(podnet, &mut ours), (reference, &mut theirs)] {
            let name = |side: &str| format!("{}-{side}{round}", contestant.who.title());
            let (client, server) = (Pod::create(&name("client"))?, Pod::create(&name("server"))?);
            contestant.add(&client)?;
            let near = contestant.added(&server)?.addresses()?.into_iter().next().doing("an address")?;
            passed.near.take(Place::from(&client), Place::from(&server), near)?;
            passed.far.take(Place::from(&client), other.place(), far)?;
            contestant.del(&client)?;
            contestant.del(&server)?;
        }
    }
    Ok((ours, theirs))
}

impl Way {
    fn take(&mut self, from: Place<'_>, to: Place<'_>, address: IpAddr) -> Result<(), Failure> {
        // The reference's bridge may not forward yet.
        probe::reach(from, to, address, SOON)?;
        self.bits = self.bits.max(bits(from, to, address)?);
        let times = probe::round_trips(from, to, address, QUESTIONS)?;
        self.round_trip = self.round_trip.min(times.get(QUESTIONS / 4).copied().doing("a quarter")?);
        Ok(())
    }
}

fn bits(from: Place<'_>, to: Place<'_>, address: IpAddr) -> Result<f64, Failure> {
    let mut server = serve(to, address)?;
    let (address, from) = (address.to_string(), from.to_string());
    let client = ["iperf3", "--json", "--time", SECONDS, "--client", &address];
    let text = tool(&[&["ip", "netns", "exec", &from][..], &client].concat())?;
    server.wait()?;
    let report: Value = serde_json::from_str(&text)?;
    report["end"]["sum_received"]["bits_per_second"].as_f64().doing(text)
}

/// A server for one client, which listens.
fn serve(place: Place<'_>, address: IpAddr) -> Result<Child, Failure> {
    tools::in_path("iperf3")?;
    let words = ["netns", "exec", &place.to_string(), "iperf3", "--server", "--one-off", "--bind"];
    let mut serve = command("ip", words);
    serve.arg(address.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
    let server = serve.spawn().doing("start iperf3")?;
    let port = format!(":{PORT:04X} ");
    wait::until(SOON, "iperf3 listens", || {
        let sockets = place.inside(|| Ok(fs::read_to_string("/proc/thread-self/net/tcp")?))?;
        // `TCP_LISTEN` is ten.
        Ok(sockets.lines().any(|line| line.contains(&port) && line.contains(" 0A ")).then_some(()))
    })?;
    Ok(server)
}
