//! The agent against those who change its rules, and at work while its configuration changes.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::masq::{Agent, Backend, Cluster, ConfigMap, Flags, OUTSIDE, PATIENCE, Seen};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::{ensure, ensure_eq, wait};

use crate::masq_rules::{restore, services, table};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = table(
        "masq_repair",
        &Backend::ALL,
        &[("tampering", tampering), ("a_thousand_swaps_under_traffic", a_thousand_swaps)],
    );
    cases.extend(table(
        "masq_repair",
        &[Backend::Nft, Backend::Native],
        &[("a_storm_is_damped", a_storm_is_damped), ("idle_beside_others", idle_beside_others)],
    ));
    cases
}

/// Each way to tamper, as a command line; `IPTABLES` and `SAVE` stand for the backend's programs.
fn ways(backend: Backend) -> Vec<&'static str> {
    match backend {
        Backend::Native => vec![
            "nft flush chain ip podnet-masq postrouting",
            "nft flush table ip podnet-masq",
            "nft delete table ip podnet-masq",
            "nft delete table ip6 podnet-masq",
            "nft delete element ip podnet-masq ranges { 10.0.0.0/8 }",
            "nft add element ip podnet-masq ranges { 203.0.113.0/24 }",
            "nft flush set ip6 podnet-masq ranges",
            "nft insert rule ip podnet-masq postrouting masquerade",
            "nft flush ruleset",
        ],
        _ => vec![
            "IPTABLES -t nat -F IP-MASQ-AGENT",
            "IPTABLES -t nat -R IP-MASQ-AGENT 2 -d 11.0.0.0/8 -j RETURN",
            "IPTABLES -t nat -I IP-MASQ-AGENT -j ACCEPT",
            "IPTABLES -t nat -D IP-MASQ-AGENT 1",
            "IPTABLES -t nat -D POSTROUTING 1",
            "IPTABLES -t nat -A POSTROUTING -j IP-MASQ-AGENT",
            "IPTABLES -t nat -I POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
            "IPTABLES -t nat -F",
            r"printf '*nat\n-F POSTROUTING\n-F IP-MASQ-AGENT\n-X IP-MASQ-AGENT\nCOMMIT\n' | IPTABLES-restore --noflush",
        ],
    }
}

fn tampering(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    // What cannot notify is looked at.
    let interval = if backend == Backend::Legacy { "--resync-interval=1" } else { "--resync-interval=3600" };
    let flags = Flags::new(backend, &config).and(&[interval]);
    let agent = Agent::start(&flags)?;
    let right = [backend.rules(false)?, backend.rules(true)?];
    for way in ways(backend) {
        let programs = if backend == Backend::Native { vec![""] } else { vec!["iptables", "ip6tables"] };
        for program in programs {
            let suffix = if backend == Backend::Legacy { "-legacy" } else { "-nft" };
            let line = way.replace("IPTABLES", &format!("{program}{suffix}"));
            let line = if program == "ip6tables" {
                line.replace("11.0.0.0/8", "fd11::/16").replace("10.0.0.0/8", "fd10::/16")
            } else {
                line
            };
            tool(&["sh", "-c", &line])?;
            agent.until(format_args!("repaired after `{line}`"), || {
                Ok(backend.rules(false)? == right[0]
                    && backend.rules(true)? == right[1]
                    && flags.is_in_force()?)
            })?;
        }
    }
    Ok(())
}

/// What another node sees while the configuration changes a thousand times: a range that is always exempt keeps the
/// pod's address, one that never is gets the node's.
fn a_thousand_swaps(backend: Backend) -> Outcome {
    let (cluster, mut config) = (Cluster::create()?, ConfigMap::new()?);
    let flags = Flags::new(backend, &config).and(&["--resync-interval=3600"]);
    let always = "10.244.0.0/16, \"fd00:10::/32\"";
    let text = |ranges: &[String]| format!("cidrLimit: 1000\nnonMasqueradeCIDRs: [{}]\n", ranges.join(", "));
    config.swap(&[("ip-masq-agent", &text(&[always.to_owned()]))])?;
    let agent = Agent::start(&flags)?;
    let (is_over, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (inside, outside) = (cluster.inside()?, OUTSIDE);
    let last = thread::scope(|scope| -> Result<Vec<String>, Failure> {
        let traffic = scope.spawn(|| -> Outcome {
            while !is_over.load(Ordering::Relaxed) {
                for (inside, outside) in inside.iter().zip(outside) {
                    ensure_eq!(cluster.seen_from(inside)?, Seen::Pod, "always exempt: {inside}");
                    ensure_eq!(cluster.seen_from(outside)?, Seen::Node, "never exempt: {outside}");
                    connections.fetch_add(2, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        // A generator of its own: the same swaps in every run.
        let mut random = 0x9e37_79b9_u32;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random
        };
        let mut last = Vec::new();
        for _ in 0..1000 {
            last = (0..next() % 40).map(|_| format!("11.{}.{}.0/24", next() % 256, next() % 256)).collect();
            let at = usize::try_from(next())? % (last.len() + 1);
            last.insert(at, always.to_owned());
            config.swap(&[("ip-masq-agent", &text(&last))])?;
            thread::sleep(Duration::from_millis(u64::from(next() % 20)));
            if traffic.is_finished() {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        traffic.join().map_err(|_panic| Failure::failed("the traffic's thread panicked"))??;
        Ok(last)
    })?;
    flags.until_in_force("a thousand swaps")?;
    let count = last.iter().filter(|range| range.starts_with("11.")).count();
    ensure!(count == 0 || backend.rules(false)?.contains("11."), "the last configuration is not in force");
    ensure!(connections.into_inner() >= 100, "hardly any traffic; log:\n{}", agent.log());
    Ok(())
}

const METRICS: &str = "127.0.0.1:10094";

/// `GET path` of the agent's endpoint.
pub(crate) fn get(path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(METRICS).doing(METRICS)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn metric(name: &str) -> Result<f64, Failure> {
    let text = get("/metrics")?;
    let line = text.lines().find(|line| line.starts_with(name)).doing(format_args!("{name} in:\n{text}"))?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}

fn a_storm_is_damped(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    let flags = Flags::new(backend, &config).and(&["--resync-interval=3600"]);
    let agent = Agent::start(&flags)?;
    let tamper = ways(backend)[0].replace("IPTABLES", backend.name());
    let end = Instant::now() + PATIENCE * 3;
    while metric("podnet_masq_repairs_damped_total")? == 0.0 {
        ensure!(Instant::now() < end, "never damped; log:\n{}", agent.log());
        tool(&["sh", "-c", &tamper])?;
    }
    ensure!(agent.log().contains("keeps changing the rules"), "not logged:\n{}", agent.log());
    flags.until_in_force("the storm")?;
    wait::until(PATIENCE, "ready after the storm", || {
        Ok(get("/readyz")?.starts_with("HTTP/1.1 200").then_some(()))
    })
}

/// Nothing changes: the agent does not run. Others change their own ten thousand rules: it looks at none.
fn idle_beside_others(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    let agent = Agent::start(&Flags::new(backend, &config).and(&["--resync-interval=3600"]))?;
    // Threads of the first rounds end some seconds after their last work.
    wait::until(PATIENCE * 3, "one thread is left", || {
        Ok((fs::read_dir(format!("/proc/{}/task", agent.pid()))?.count() == 1).then_some(()))
    })?;
    let switches = || -> Result<String, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
        Ok(status.lines().filter(|line| line.contains("ctxt_switches")).fold(
            String::new(),
            |mut text, line| {
                // Writing to a String cannot fail.
                let _infallible = write!(text, "{line} ");
                text
            },
        ))
    };
    let before = switches()?;
    thread::sleep(Duration::from_secs(2));
    ensure_eq!(switches()?, before, "times that the idle agent ran");
    restore(Backend::Nft, &services(10_000))?;
    let rounds = metric("podnet_masq_syncs_total")?;
    // The first one makes POSTROUTING's jump; these change services alone.
    let chain = |n: u32| format!("*nat\n:KUBE-SVC-NEW{n} - [0:0]\n-A KUBE-SVC-NEW{n} -j RETURN\nCOMMIT\n");
    for n in 0..20 {
        restore(Backend::Nft, &chain(n))?;
    }
    let after = metric("podnet_masq_syncs_total")?;
    ensure!(after <= rounds + 1.0, "{} rounds for changes of others", after - rounds);
    Ok(())
}
