//! The ip-masq agent's promises in time and memory: `bench-masq`, as root.
//!
//! The measures are absolute, since they are promises to the node. Times run from the moment at which the rules or the
//! files were changed to the first look that finds the rules right; looking takes some milliseconds itself.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::masq::{Agent, Backend, ConfigMap, Flags};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::{sandbox, wait};

/// The argument by which the program knows that it is in a sandbox.
const SANDBOXED: &str = "--sandboxed";
/// Repairs and changes that are measured.
const ROUNDS: usize = 60;
/// Between two repairs, so that they are no storm.
const PAUSE: Duration = Duration::from_millis(550);
/// The time after which a change is lost.
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let is_sandboxed = std::env::args().nth(1).as_deref() == Some(SANDBOXED);
    let done = if is_sandboxed { bench() } else { again() };
    match done {
        Ok(code) => code,
        Err(failure) => {
            // Nobody to tell when standard error is closed.
            let _closed = writeln!(std::io::stderr(), "bench-masq: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

fn again() -> Result<ExitCode, Failure> {
    let status = sandbox::run_attached(&[SANDBOXED])?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bench() -> Result<ExitCode, Failure> {
    sandbox::enter()?;
    say("| ip-masq agent | found | at most | |")?;
    say("|---|---:|---:|---|")?;
    for backend in [Backend::Nft, Backend::Native] {
        measure(backend)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(backend: Backend) -> Result<(), Failure> {
    let mut config = ConfigMap::new()?;
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [10.0.0.0/8]")])?;
    let flags = Flags::new(backend, &config).and(&["--enable-ipv6=false", "--resync-interval=3600"]);
    let agent = Agent::start(&flags)?;
    let name = backend.name();
    let times = repairs(backend)?;
    row(&format!("{name}: repaired, median"), at(&times, 50), 50.0, "ms")?;
    row(&format!("{name}: repaired, 99th percentile"), at(&times, 99), 250.0, "ms")?;
    let times = changes(backend, &mut config)?;
    row(&format!("{name}: configuration applied, median"), at(&times, 50), 50.0, "ms")?;
    row(&format!("{name}: configuration applied, 99th percentile"), at(&times, 99), 250.0, "ms")?;
    row(&format!("{name}: resident"), status(&agent, "VmRSS:")? / 1024.0, 5.0, "MiB")?;
    wait::until(LIMIT * 3, "one thread is left", || {
        Ok((fs::read_dir(format!("/proc/{}/task", agent.pid()))?.count() == 1).then_some(()))
    })?;
    let before = status(&agent, "voluntary_ctxt_switches:")?;
    thread::sleep(Duration::from_secs(5));
    let switches = status(&agent, "voluntary_ctxt_switches:")? - before;
    row(&format!("{name}: wake-ups in five idle seconds"), switches, 0.0, "")?;
    row(&format!("{name}: 10,000 ranges applied"), many(backend, &mut config)?, 1000.0, "ms")?;
    drop(agent);
    // What is left would be the next backend's to remove, and in its memory.
    flags.run("cleanup")?.success().map(drop)
}

fn repairs(backend: Backend) -> Result<Vec<f64>, Failure> {
    let right = backend.rules(false)?;
    let tamper: &[&str] = match backend {
        Backend::Native => &["nft", "flush", "chain", "ip", "podnet-masq", "postrouting"],
        _ => &["iptables-nft", "-t", "nat", "-F", "IP-MASQ-AGENT"],
    };
    (0..ROUNDS)
        .map(|_| {
            thread::sleep(PAUSE);
            tool(tamper)?;
            until(|| Ok(backend.rules(false)? == right))
        })
        .collect()
}

fn changes(backend: Backend, config: &mut ConfigMap) -> Result<Vec<f64>, Failure> {
    (0..ROUNDS)
        .map(|round| {
            let range = format!("11.0.{round}.0/24");
            thread::sleep(Duration::from_millis(100));
            config.swap(&[("ip-masq-agent", &format!("nonMasqueradeCIDRs: [10.0.0.0/8, {range}]"))])?;
            until(|| Ok(backend.rules(false)?.contains(&range)))
        })
        .collect()
}

fn many(backend: Backend, config: &mut ConfigMap) -> Result<f64, Failure> {
    let items: Vec<String> = (0..10_000).map(|n| format!("20.{}.{}.0/26", n / 256, n % 256)).collect();
    let text = format!("cidrLimit: 10000\nnonMasqueradeCIDRs: [{}]", items.join(", "));
    config.swap(&[("ip-masq-agent", &text)])?;
    until(|| Ok(backend.rules(false)?.contains("20.39.15.0/26")))
}

/// Milliseconds until the answer is yes.
fn until(mut ask: impl FnMut() -> Result<bool, Failure>) -> Result<f64, Failure> {
    let begin = Instant::now();
    while !ask()? {
        if begin.elapsed() > LIMIT {
            return Err(Failure::failed(format!("not within {LIMIT:?}")));
        }
    }
    Ok(begin.elapsed().as_secs_f64() * 1000.0)
}

/// A number of `/proc/PID/status`.
fn status(agent: &Agent, name: &str) -> Result<f64, Failure> {
    let text = fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).doing(name)?;
    Ok(line.split_whitespace().next().doing(name)?.parse()?)
}

/// A percentile, in the unit of the values.
fn at(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * percent / 100).or(sorted.last()).copied().unwrap_or_default()
}

fn row(what: &str, found: f64, limit: f64, unit: &str) -> Result<(), Failure> {
    let verdict = if found <= limit { "kept" } else { "**missed**" };
    say(&format!("| {what} | {found:.1} {unit} | {limit:.0} {unit} | {verdict} |"))
}

fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
