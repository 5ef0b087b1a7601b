//! Mode vnet with addresses of the daemon, against the reference bridge and against the floor of the same kernel state:
//! `bench-vnet [--rounds N] [--write FILE] [--strict]`, as root.
//!
//! All run on one node with a link to another one, in turn. What azure-vnet took on the machine where this was planned is
//! scaled by what the reference bridge took there and takes here.

mod contestant;
mod figures;
mod streams;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::rows::{self, Row};
use podnet_netns_tests::samples::{Samples, Times, wall};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{parallel, sandbox, wait};

use contestant::{Contestant, FOLDER, NETWORK, POOL, Who};
use figures::Figures;

/// The argument by which the program knows that it is in its sandbox.
const SANDBOXED: &str = "--sandboxed";
/// What the figures stand under.
const TITLE: &str = "## Mode vnet, the daemon's answer included";
/// A full node.
const MANY_PODS: usize = 1000;
/// Pods that are started at once, and how often.
const BURST: (usize, usize) = (30, 5);
/// More than the four seconds between router solicitations (RFC 4861 section 10).
const QUIET: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((first, rest)) if first == SANDBOXED => bench(rest),
        _ => again_in_a_sandbox(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            // Nobody to tell when standard error is closed.
            let _closed = writeln!(std::io::stderr(), "bench-vnet: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

fn again_in_a_sandbox(arguments: &[String]) -> Result<ExitCode, Failure> {
    let arguments: Vec<&str> =
        std::iter::once(SANDBOXED).chain(arguments.iter().map(String::as_str)).collect();
    let status = sandbox::run_attached(&arguments)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bench(arguments: &[String]) -> Result<ExitCode, Failure> {
    let (mut rounds, mut file, mut strict) = (40, None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--rounds" => rounds = rest.next().doing("--rounds needs a number")?.parse::<usize>()?.max(1),
            "--write" => file = Some(rest.next().doing("--write needs a file")?),
            "--strict" => strict = true,
            other => return Err(Failure::failed(format!("unknown argument {other}"))),
        }
    }
    sandbox::enter()?;
    let figures = measure(rounds)?;
    let rows = figures.promises();
    let text = format!("{}\n{}", rows::section(TITLE, &rows)?, figures.table()?);
    writeln!(std::io::stdout(), "{text}")?;
    if let Some(file) = file {
        rows::write_section(file, TITLE, &text)?;
    }
    let all_kept = rows.iter().all(Row::kept);
    Ok(if strict && !all_kept { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(rounds: usize) -> Result<Figures, Failure> {
    let other = OtherNode::create(Family::V4)?;
    let node = other.masquerade_addresses()?.into_iter().next().doing("the node's address")?.to_string();
    other.place().ip(&["route", "add", NETWORK, "via", &node])?;
    Place::Node.ip(&["route", "add", "default", "dev", "uplink"])?;
    fs::create_dir(FOLDER)?;
    let daemon = Ipamd::start(Path::new(FOLDER), POOL)?;
    daemon.ready()?;
    // podnet first: the floor fills the maps that it makes.
    let all = [Who::Podnet, Who::Reference, Who::Floor].map(Contestant::new);
    let [podnet, reference, floor] = all;
    let all = [podnet?, reference?, floor?];
    let [podnet, reference, _] = &all;

    let single = interleaved(&all, "one", rounds)?;
    let burst = burst(podnet)?;
    let streams = streams::measure(&other, podnet, reference)?;
    let few = interleaved(&all, "few", rounds)?;
    // Last: the pods stay until the sandbox ends.
    let crowd = (0..MANY_PODS).map(|number| Pod::create(&format!("many{number}")));
    let crowd = crowd.collect::<Result<Vec<_>, _>>()?;
    parallel::each(16, &crowd, |pod| podnet.add(pod))?;
    at_rest()?;
    let many = interleaved(&all, "full", rounds)?;
    Ok(Figures { single, burst, streams, few, many })
}

/// One ADD and its DEL of each in turn, in namespaces of their own.
fn interleaved(all: &[Contestant], name: &str, rounds: usize) -> Result<BTreeMap<Who, Times>, Failure> {
    let mut found = BTreeMap::<Who, Times>::new();
    for round in 0..rounds {
        for contestant in all.iter().cycle().skip(round % all.len()).take(all.len()) {
            let pod = Pod::create(&format!("{}{name}{round:04}", contestant.who.title()))?;
            let times = found.entry(contestant.who).or_default();
            times.add.push(contestant.add(&pod)?.wall);
            times.del.push(contestant.del(&pod)?.wall);
        }
    }
    Ok(found)
}

/// The wall time of many ADDs at once.
fn burst(podnet: &Contestant) -> Result<Samples, Failure> {
    let mut walls = Samples::default();
    for round in 0..BURST.1 {
        let pods = (0..BURST.0).map(|number| Pod::create(&format!("burst-{round}-{number}")));
        let pods = pods.collect::<Result<Vec<_>, _>>()?;
        walls.push(wall(|| parallel::each(BURST.0, &pods, |pod| podnet.add(pod)))?);
        parallel::each(BURST.0, &pods, |pod| podnet.del(pod))?;
    }
    Ok(walls)
}

/// Waits until new pods have stopped to look for IPv6 routers.
fn at_rest() -> Result<(), Failure> {
    let received = || -> Result<String, Failure> {
        let counters = fs::read_to_string("/proc/net/snmp6")?;
        Ok(counters.lines().find(|line| line.starts_with("Ip6InReceives")).doing("Ip6InReceives")?.to_owned())
    };
    let (mut packets, mut since) = (String::new(), Instant::now());
    wait::until(Duration::from_mins(2), format_args!("no packet of IPv6 for {QUIET:?}"), || {
        let now = received()?;
        if now != packets {
            (packets, since) = (now, Instant::now());
        }
        Ok((since.elapsed() > QUIET).then_some(()))
    })
}
