//! Does traffic pass: one ping(8) for each way and family, none repeated.

use std::net::IpAddr;

use podnet_netns_tests::ensure;
use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::{command, run};

use crate::screen::Screen;

/// From one place to the addresses of another.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    pub(crate) name: &'static str,
    pub(crate) from: Place<'a>,
    /// Address to ping from, where the namespace has several; one for each of `to`.
    pub(crate) source: Option<&'a [IpAddr]>,
    pub(crate) to: &'a [IpAddr],
}

impl<'a> Way<'a> {
    /// From a pod, whose addresses the kernel chooses among.
    pub(crate) fn from_pod(name: &'static str, pod: &'a Pod, to: &'a [IpAddr]) -> Self {
        Self { name, from: (&pod.netns).into(), source: None, to }
    }
}

/// Pings every way and shows the times; one lost packet is a failure.
pub(crate) fn show(screen: &Screen, ways: &[Way<'_>]) -> Result<(), Failure> {
    screen.command("ip netns exec FROM ping -c 1 TO")?;
    let mut rows = Vec::new();
    for way in ways {
        let mut row = vec![way.name.to_owned()];
        for (number, to) in way.to.iter().enumerate() {
            let source = way.source.and_then(|sources| sources.get(number));
            row.extend([to.to_string(), ping(way.from, source, to)?]);
        }
        rows.push(row);
    }
    Ok(screen.table(&["", "IPv4", "", "IPv6", ""], &rows, false)?)
}

fn ping(from: Place<'_>, source: Option<&IpAddr>, to: &IpAddr) -> Result<String, Failure> {
    let to = to.to_string();
    let from = from.to_string();
    let mut ping = command("ip", ["netns", "exec", &from, "ping", "-n", "-c", "1", "-W", "2"]);
    if let Some(source) = source {
        ping.arg("-I").arg(source.to_string());
    }
    let finished = run(ping.arg(to), b"")?;
    ensure!(finished.status.success(), "no answer: {finished}");
    round_trip(&finished.stdout).doing(finished)
}

/// The time that ping printed behind the answer.
fn round_trip(text: &str) -> Option<String> {
    let (_, behind) = text.split_once(" time=")?;
    behind.lines().next().map(|time| time.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_answer() {
        let text = "PING ::1 (::1) 56 data bytes\n64 bytes from ::1: icmp_seq=1 ttl=64 time=0.081 ms\n\n\
                    1 packets transmitted, 1 received, 0% packet loss, time 0ms\n";
        assert_eq!(round_trip(text).as_deref(), Some("0.081 ms"));
        assert_eq!(round_trip("1 packets transmitted, 0 received, 100% packet loss, time 0ms"), None);
    }
}
