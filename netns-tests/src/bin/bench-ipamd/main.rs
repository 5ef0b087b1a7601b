//! The address daemon under load: `bench-ipamd [--write FILE] [--strict]`, as root.
//!
//! The measures are absolute, since they are promises to the node: assignments a second and how long each takes, memory,
//! and how soon a restarted daemon is ready. The load runs on the same processors as the daemon.

mod load;
mod routes;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::ipamd::Ipamd;

/// Connections at a time.
const CONNECTIONS: usize = 32;

/// Assignments that are measured.
const ASSIGNMENTS: usize = 60_000;

/// A pool that has room for all of them.
const LARGE: &str = "source: {kind: static, subnet: 10.0.0.0/8, ranges: [10.1.0.0/16]}\n";

/// What the figures stand under.
const TITLE: &str = "## The address daemon";

/// One measure and its promise.
#[derive(Clone)]
struct Row {
    what: &'static str,
    found: f64,
    limit: f64,
    unit: &'static str,
    /// More is better.
    at_least: bool,
}

impl Row {
    fn kept(&self) -> bool {
        if self.at_least { self.found >= self.limit } else { self.found <= self.limit }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match bench(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            // Nobody to tell when standard error is closed.
            let _closed = writeln!(std::io::stderr(), "bench-ipamd: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<ExitCode, Failure> {
    let (mut file, mut strict) = (None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--write" => file = Some(rest.next().doing("--write needs a file")?),
            "--strict" => strict = true,
            routes::HERE => {
                let folder = rest.next().doing("--routes-here needs a folder")?;
                return routes::measure(Path::new(folder)).map(|()| ExitCode::SUCCESS);
            }
            other => return Err(Failure::failed(format!("unknown argument {other}"))),
        }
    }
    let rows = [throughput()?.to_vec(), memory_and_restart()?, routes::rows()?].concat();
    let text = markdown(&rows)?;
    writeln!(std::io::stdout(), "{text}")?;
    if let Some(file) = file {
        // The other benchmark's figures come first, and stay.
        let whole = fs::read_to_string(file).unwrap_or_default();
        let before = whole.split_once(TITLE).map_or(whole.as_str(), |(before, _)| before).trim_end();
        fs::write(file, format!("{before}\n\n{text}")).doing(file)?;
    }
    let all_kept = rows.iter().all(Row::kept);
    Ok(if strict && !all_kept { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Three rounds, the best of which counts: the machine is shared.
fn throughput() -> Result<[Row; 3], Failure> {
    let mut best: Option<load::Outcome> = None;
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let folder = tempfile::tempdir()?;
        let daemon = Ipamd::start(folder.path(), LARGE)?;
        daemon.ready()?;
        let outcome = load::assign(&daemon.socket(), CONNECTIONS, ASSIGNMENTS)?;
        least = least.min(daemon.cpu()?);
        if best.as_ref().is_none_or(|best| outcome.rate > best.rate) {
            best = Some(outcome);
        }
    }
    let outcome = best.doing("measure a round")?;
    Ok([
        Row {
            what: "assignments a second, 32 connections",
            found: outcome.rate,
            limit: 20_000.0,
            unit: "/s",
            at_least: true,
        },
        Row {
            what: "99th percentile of an assignment, 32 connections",
            found: outcome.p99.as_secs_f64() * 1e3,
            limit: 5.0,
            unit: "ms",
            at_least: false,
        },
        Row {
            what: "processor time of the daemon, an assignment",
            found: least.as_secs_f64() * 1e6 / f64::from(u32::try_from(ASSIGNMENTS)?),
            limit: 40.0,
            unit: "µs",
            at_least: false,
        },
    ])
}

fn memory_and_restart() -> Result<Vec<Row>, Failure> {
    let small = tempfile::tempdir()?;
    let daemon =
        Ipamd::start(small.path(), "source: {kind: static, subnet: 10.0.0.0/8, ranges: [10.1.0.0/24]}\n")?;
    daemon.ready()?;
    load::assign(&daemon.socket(), CONNECTIONS, 250)?;
    let with_250 = mebibytes(daemon.resident()?);
    drop(daemon);

    let large = tempfile::tempdir()?;
    let ranges = "source: {kind: static, subnet: 10.0.0.0/8, ranges: [10.1.0.0/19, 10.1.32.0/21]}\n";
    let daemon = Ipamd::start(large.path(), ranges)?;
    daemon.ready()?;
    load::assign(&daemon.socket(), CONNECTIONS, 10_000)?;
    let with_10_000 = mebibytes(daemon.resident()?);
    drop(daemon);
    let restart = restart(large.path(), ranges)?;
    let row = |what, found, limit, unit| Row { what, found, limit, unit, at_least: false };
    Ok(vec![
        row("resident with 250 addresses", with_250, 12.0, "MiB"),
        row("resident with 10,000 addresses", with_10_000, 32.0, "MiB"),
        row("from start to ready, 10,000 assigned, after kill -9", restart.as_secs_f64() * 1e3, 200.0, "ms"),
    ])
}

fn restart(folder: &Path, rest: &str) -> Result<Duration, Failure> {
    let start = Instant::now();
    let daemon = Ipamd::start(folder, rest)?;
    daemon.ready()?;
    let took = start.elapsed();
    let assigned = daemon.get("/debug/status")?.json()?["pool"][0]["assigned"].as_u64();
    if assigned == Some(10_000) {
        Ok(took)
    } else {
        Err(Failure::failed(format!("{assigned:?} addresses are assigned after the restart, not 10,000")))
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process has so many bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn markdown(rows: &[Row]) -> Result<String, Failure> {
    let mut text = format!("{TITLE}\n\n| | found | promised | |\n|---|---:|---:|---|\n");
    for row in rows {
        let bound = if row.at_least { "at least" } else { "at most" };
        let mark = if row.kept() { "kept" } else { "**missed**" };
        let Row { what, found, limit, unit, .. } = row;
        writeln!(text, "| {what} | {found:.2} {unit} | {bound} {limit:.0} {unit} | {mark} |")?;
    }
    Ok(text)
}
