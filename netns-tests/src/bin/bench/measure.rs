//! The measurements.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::parallel;
use podnet_netns_tests::process::{Finished, command, run};
use podnet_netns_tests::samples::{Samples, Times, wall};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{tools, wait};

use crate::chain;
use crate::contestant::{Contestant, Who};
use crate::traffic::{self, Traffic};

/// A node that starts many pods together.
pub(crate) const BURST: usize = 60;
pub(crate) const WORKERS: usize = 16;
/// A full node: a bridge takes 1023 ports.
const MANY_PODS: usize = 900;
/// More than the four seconds between router solicitations (RFC 4861 §10).
const QUIET: Duration = Duration::from_secs(5);
/// A folder that was never cleaned up.
const MANY_RESERVATIONS: u32 = 20_000;
/// Each takes some three seconds of each contestant.
const TRAFFIC_ROUNDS: usize = 7;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Figures {
    /// One at a time, by family.
    pub(crate) single: Vec<(Family, BTreeMap<Who, Times>)>,
    /// Wall time of a burst of ADDs, and of the DELs after it.
    pub(crate) burst: BTreeMap<Who, (Samples, Samples)>,
    /// podnet and the floor: on an empty bridge, and among many pods on it.
    pub(crate) pods: BTreeMap<Who, (Times, Times)>,
    /// Reference and podnet: with an empty folder, and with many reservations in it.
    pub(crate) reservations: BTreeMap<Who, (Times, Times)>,
    /// Everything the reference needs four plugins for.
    pub(crate) chain: chain::Figures,
    /// Through a host port.
    pub(crate) traffic: BTreeMap<Who, Traffic>,
    /// Peak resident set in KiB.
    pub(crate) rss_kib: BTreeMap<Who, u64>,
    /// Size of podnet's binary in bytes.
    pub(crate) binary: u64,
    /// Processes made by podnet's ADD and DEL.
    pub(crate) processes: usize,
}

/// Measures all of it; `rounds` is the number of samples of what is quick.
pub(crate) fn everything(rounds: usize) -> Result<Figures, Failure> {
    let mut single = Vec::new();
    for family in [Family::V4, Family::Dual] {
        let all = contestants(family, family.word())?;
        single.push((family, interleaved(&all, family.word(), rounds)?));
    }
    let all = contestants(Family::V4, "brst")?;
    let burst = bursts(&all, 3)?;
    let rss_kib = all.iter().map(|one| Ok((one.who, peak_rss(one)?))).collect::<Result<_, Failure>>()?;
    let reservations = with_reservations(rounds.min(20))?;
    let traffic = traffic::measure(TRAFFIC_ROUNDS)?;
    let chain = chain::measure(rounds)?;
    let podnet = Contestant::new(Who::Podnet, Family::V4, "many")?;
    let processes = processes_of(&podnet)?;
    // Last: the pods stay until the sandbox ends.
    let pods = among_pods(podnet, rounds)?;
    let binary = fs::metadata(tools::podnet()?)?.len();
    Ok(Figures { single, burst, pods, reservations, chain, traffic, rss_kib, binary, processes })
}

fn contestants(family: Family, name: &str) -> Result<Vec<Contestant>, Failure> {
    Who::ALL.into_iter().map(|who| Contestant::new(who, family, name).doing(who.title())).collect()
}

/// One ADD and its DEL, in a namespace of their own.
fn once(contestant: &Contestant, name: &str, times: &mut Times) -> Result<(), Failure> {
    let pod = Pod::create(name)?;
    let add = contestant.add(&pod)?;
    let del = contestant.del(&pod)?;
    times.add.push(add.wall);
    times.del.push(del.wall);
    times.cpu.push(add.cpu + del.cpu);
    Ok(())
}

/// The contestants in an order in which, over the rounds, each comes first as often and after each other as often:
/// a large program leaves the processor's caches cold to the next.
fn order(all: &[Contestant], round: usize) -> Vec<&Contestant> {
    let mut order: Vec<_> = all.iter().cycle().skip(round % all.len()).take(all.len()).collect();
    if round / all.len() % 2 == 1 {
        order.reverse();
    }
    order
}

/// Each contestant in turn.
fn interleaved(all: &[Contestant], name: &str, rounds: usize) -> Result<BTreeMap<Who, Times>, Failure> {
    let mut times = BTreeMap::<Who, Times>::new();
    for round in 0..rounds {
        for contestant in order(all, round) {
            let pod = format!("{}{name}{round:04}", contestant.who.title());
            once(contestant, &pod, times.entry(contestant.who).or_default())?;
        }
    }
    Ok(times)
}

fn bursts(all: &[Contestant], rounds: usize) -> Result<BTreeMap<Who, (Samples, Samples)>, Failure> {
    let mut walls = BTreeMap::<Who, (Samples, Samples)>::new();
    for round in 0..rounds {
        for contestant in order(all, round) {
            let name = |number| format!("{}-burst-{round}{number:04}", contestant.who.title());
            let pods = (0..BURST).map(|number| Pod::create(&name(number))).collect::<Result<Vec<_>, _>>()?;
            let (adds, dels) = walls.entry(contestant.who).or_default();
            adds.push(wall(|| parallel::each(WORKERS, &pods, |pod| contestant.add(pod)))?);
            dels.push(wall(|| parallel::each(WORKERS, &pods, |pod| contestant.del(pod)))?);
        }
    }
    Ok(walls)
}

fn peak_rss(contestant: &Contestant) -> Result<u64, Failure> {
    let pod = Pod::create(&format!("{}-rss", contestant.who.title()))?;
    let mut peak = 0;
    for verb in ["ADD", "DEL"] {
        let mut plugin = contestant.command(verb, &pod)?;
        // With a user to change to, the standard library forks. After vfork(2) the kernel counts the benchmark's own
        // memory as the plugin's: they share it until exec.
        plugin.uid(0);
        peak = contestant.finish(&mut plugin)?.max_rss_kib.max(peak);
    }
    Ok(peak)
}

fn with_reservations(rounds: usize) -> Result<BTreeMap<Who, (Times, Times)>, Failure> {
    let mut figures = BTreeMap::<Who, (Times, Times)>::new();
    for (index, who) in [Who::Reference, Who::Podnet].into_iter().enumerate() {
        let contestant = Contestant::new(who, Family::V4, "resv")?;
        let folder = contestant.reservations().doing("folder with the reservations")?;
        let mut measured = figures.remove(&who).unwrap_or_default();
        for round in 0..rounds {
            once(&contestant, &format!("{}-few-{round}", who.title()), &mut measured.0)?;
        }
        let first = Ipv4Addr::new(10, u8::try_from(index + 1)?, 0, 2).to_bits();
        for number in 0..MANY_RESERVATIONS {
            let file = folder.join(Ipv4Addr::from_bits(first + number).to_string());
            fs::write(&file, format!("container{number}\r\neth0")).doing(file.display())?;
        }
        let last = Ipv4Addr::from_bits(first + MANY_RESERVATIONS - 1).to_string();
        fs::write(folder.join("last_reserved_ip.0"), last)?;
        for round in 0..rounds {
            once(&contestant, &format!("{}-res-{round}", who.title()), &mut measured.1)?;
        }
        figures.insert(who, measured);
    }
    Ok(figures)
}

/// podnet, and the floor on podnet's bridge.
fn among_pods(podnet: Contestant, rounds: usize) -> Result<BTreeMap<Who, (Times, Times)>, Failure> {
    let floor = Contestant::floor_on(podnet.bridge().to_owned(), Family::V4)?;
    let both = [podnet, floor];
    let empty = interleaved(&both, "empty", rounds)?;
    let pods =
        (0..MANY_PODS).map(|number| Pod::create(&format!("many{number}"))).collect::<Result<Vec<_>, _>>()?;
    parallel::each(WORKERS, &pods, |pod| both[0].add(pod))?;
    at_rest(both[0].bridge())?;
    let mut full = interleaved(&both, "full", rounds)?;
    Ok(empty.into_iter().map(|(who, times)| (who, (times, full.remove(&who).unwrap_or_default()))).collect())
}

/// Waits until new pods have stopped to look for IPv6 routers and neighbours, each of which goes to every port.
fn at_rest(bridge: &str) -> Result<(), Failure> {
    let counter = format!("/sys/class/net/{bridge}/statistics/rx_packets");
    let (mut packets, mut since) = (String::new(), Instant::now());
    wait::until(Duration::from_mins(2), format_args!("no packet on {bridge} for {QUIET:?}"), || {
        let now = fs::read_to_string(&counter).doing(&counter)?;
        if now != packets {
            (packets, since) = (now, Instant::now());
        }
        Ok((since.elapsed() > QUIET).then_some(()))
    })
}

/// Processes, not threads, that an ADD and a DEL make.
fn processes_of(contestant: &Contestant) -> Result<usize, Failure> {
    let pod = Pod::create("processes")?;
    let mut made = 0;
    for verb in ["ADD", "DEL"] {
        let plugin = contestant.command(verb, &pod)?;
        let log = tempfile::NamedTempFile::new()?;
        let mut strace = command(tools::in_path("strace")?, ["-f", "-qq", "-e", "trace=process", "-o"]);
        strace.arg(log.path()).arg("--").arg(plugin.get_program());
        for (name, value) in plugin.get_envs() {
            strace.env(name, value.unwrap_or_default());
        }
        let finished: Finished = run(&mut strace, &contestant.stdin()?)?;
        finished.success()?;
        let is_fork = |line: &&str| {
            let forks = ["clone(", "clone3(", "fork(", "vfork("].iter().any(|call| line.contains(call));
            forks && !line.contains("CLONE_THREAD")
        };
        made += fs::read_to_string(log.path())?.lines().filter(is_fork).count();
    }
    Ok(made)
}
