//! The agent's rules against upstream's documented ones, character by character, and the traffic that they let through.

use std::fmt::Write as _;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::masq::{Backend, Cluster, ConfigMap, Flags, LINK_LOCAL, OUTSIDE, Seen};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::{ensure, ensure_eq};

pub(crate) type Test = (&'static str, fn(Backend) -> Outcome);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = table(
        "masq_rules",
        &[Backend::Nft, Backend::Legacy],
        &[
            ("documented_rules", documented_rules),
            ("takeover_of_both_agents", takeover),
            ("among_ten_thousand_rules", among_ten_thousand_rules),
        ],
    );
    cases.extend(table(
        "masq_rules",
        &Backend::ALL,
        &[
            ("traffic", traffic),
            ("nothing_is_written_twice", nothing_is_written_twice),
            ("ten_thousand_ranges", ten_thousand_ranges),
            ("switching_leaves_nothing", switching_leaves_nothing),
        ],
    ));
    cases
}

/// Each test with each backend.
pub(crate) fn table(suite: &str, backends: &[Backend], tests: &[Test]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, test) in tests {
        for backend in backends {
            let (test, backend) = (*test, *backend);
            cases.push(Case {
                name: format!("{suite}::{}::{name}", backend.name()),
                limit: Duration::from_mins(3),
                body: Box::new(move || test(backend)),
            });
        }
    }
    cases
}

const KEEP: &str =
    "-m comment --comment \"ip-masq-agent: local traffic is not subject to MASQUERADE\" -j RETURN";
const COMMENT: &str = "-m comment --comment \"ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)\"";
const JUMP: &str = "-A POSTROUTING -m comment --comment \"ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL \
                    destination traffic to our custom IP-MASQ-AGENT chain\" -m addrtype ! --dst-type LOCAL -j \
                    IP-MASQ-AGENT";

/// What iptables-save shows of upstream's rules for these ranges, link-local ones included.
fn documented(ranges: &[&str], masquerade: &str) -> String {
    let mut text = format!("{JUMP}\n");
    for range in ranges {
        let _infallible = writeln!(text, "-A IP-MASQ-AGENT -d {range} {KEEP}");
    }
    text + &format!("-A IP-MASQ-AGENT {COMMENT} -j MASQUERADE{masquerade}\n")
}

/// A file, flags, the ranges wanted of both families, and what is behind MASQUERADE.
type Expectation<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str], &'a str);

fn documented_rules(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    let all = ["169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    let reserved = [
        "169.254.0.0/16",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
    ];
    let yaml = "nonMasqueradeCIDRs:\n- 10.9.0.0/16\n- fd00:9::/32\n- 10.1.2.3/32\n";
    let aks = "MasqLinkLocal: true\nmasqLinkLocalIPv6: true\nNonMasqueradeCIDRs: [10.244.0.0/16]\n";
    let random = " --random-fully";
    let cases: [Expectation<'_>; 6] = [
        ("", &[], &all, &["fe80::/10"], random),
        ("", &["--random-fully=false"], &all, &["fe80::/10"], ""),
        ("", &["-nomasq-all-reserved-ranges"], &reserved, &["fe80::/10"], random),
        (yaml, &[], &["169.254.0.0/16", "10.9.0.0/16", "10.1.2.3/32"], &["fe80::/10", "fd00:9::/32"], random),
        (aks, &[], &["10.244.0.0/16"], &[], random),
        ("{\"nonMasqueradeCIDRs\": []}", &[], &["169.254.0.0/16"], &["fe80::/10"], random),
    ];
    for (text, flags, v4, v6, masquerade) in cases {
        config.swap(&[("ip-masq-agent", text)])?;
        Flags::new(backend, &config).and(flags).once()?;
        ensure_eq!(backend.rules(false)?, documented(v4, masquerade), "{text:?} {flags:?}");
        ensure_eq!(backend.rules(true)?, documented(v6, masquerade), "{text:?} {flags:?}");
    }
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [0.0.0.0/0]")])?;
    Flags::new(backend, &config).and(&["--to-ports=1024-29999,32768-65535"]).once()?;
    let mut wanted = format!("{JUMP}\n-A IP-MASQ-AGENT -d 169.254.0.0/16 {KEEP}\n-A IP-MASQ-AGENT {KEEP}\n");
    for protocol in ["tcp", "udp", "sctp"] {
        let _infallible = write!(
            wanted,
            "-A IP-MASQ-AGENT -p {protocol} {COMMENT} -m statistic --mode random --probability 0.46929256292 -j \
             MASQUERADE --to-ports 1024-29999 --random-fully\n-A IP-MASQ-AGENT -p {protocol} {COMMENT} -j MASQUERADE \
             --to-ports 32768-65535 --random-fully\n"
        );
    }
    let _infallible = writeln!(wanted, "-A IP-MASQ-AGENT {COMMENT} -j MASQUERADE --random-fully");
    ensure_eq!(backend.rules(false)?, wanted, "--to-ports");
    Ok(())
}

/// Rules of upstream and of Azure's agent: two jumps, one with quotes in its comment, and an order of its own.
fn takeover(backend: Backend) -> Outcome {
    let config = ConfigMap::new()?;
    let quoted = JUMP.replacen("--comment \"", "--comment \"\\\"", 1).replacen("chain\"", "chain\\\"\"", 1);
    let text = format!(
        "*nat\n:IP-MASQ-AGENT - [0:0]\n:KUBE-POSTROUTING - [0:0]\n-A POSTROUTING -j KUBE-POSTROUTING\n{quoted}\n{JUMP}\n\
         -A POSTROUTING -s 1.2.3.4/32 -j ACCEPT\n-A IP-MASQ-AGENT -d 10.0.0.0/8 {KEEP}\n-A IP-MASQ-AGENT {COMMENT} -j \
         MASQUERADE\nCOMMIT\n"
    );
    restore(backend, &text)?;
    Flags::new(backend, &config).once()?;
    let all = ["169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    ensure_eq!(backend.rules(false)?, documented(&all, " --random-fully"), "after the takeover");
    let postrouting = tool(&[backend.name(), "-t", "nat", "-S", "POSTROUTING"])?;
    let targets: Vec<_> = postrouting.lines().skip(1).filter_map(|line| line.rsplit(' ').next()).collect();
    ensure_eq!(targets, ["KUBE-POSTROUTING", "IP-MASQ-AGENT", "ACCEPT"], "order of POSTROUTING");
    Ok(())
}

pub(crate) fn restore(backend: Backend, text: &str) -> Outcome {
    let mut restore =
        podnet_netns_tests::process::command(format!("{}-restore", backend.name()), ["--noflush"]);
    podnet_netns_tests::process::run(&mut restore, text.as_bytes())?.success().map(drop)
}

fn among_ten_thousand_rules(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    restore(backend, &services(10_000))?;
    let flags = Flags::new(backend, &config);
    flags.once()?;
    ensure!(flags.is_in_force()?, "not in force beside 10,000 rules");
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [10.9.0.0/16]")])?;
    flags.once()?;
    ensure_eq!(
        backend.rules(false)?,
        documented(&["169.254.0.0/16", "10.9.0.0/16"], " --random-fully"),
        "rules"
    );
    let saved = tool(&[&format!("{}-save", backend.name()), "-t", "nat"])?;
    let kept = saved.lines().filter(|line| line.starts_with("-A KUBE-")).count();
    ensure!(kept >= 10_000, "only {kept} of 10,000 rules are left");
    ensure!(flags.run("cleanup")?.status.success(), "cleanup failed");
    ensure_eq!(backend.rules(false)?, "", "after cleanup");
    Ok(())
}

/// As kube-proxy writes services: a rule in KUBE-SERVICES and a chain with a rule for each.
pub(crate) fn services(rules: usize) -> String {
    let (mut chains, mut text) = (String::new(), String::new());
    for n in 0..rules / 2 {
        let _infallible = writeln!(chains, ":KUBE-SVC-{n:016X} - [0:0]");
        let _infallible = write!(
            text,
            "-A KUBE-SERVICES -d 10.96.{}.{}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-{n:016X}\n-A KUBE-SVC-{n:016X} -p \
             tcp -m tcp -j DNAT --to-destination 10.244.9.{}:8080\n",
            n / 256,
            n % 256,
            n % 254 + 1
        );
    }
    format!(
        "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-POSTROUTING - [0:0]\n{chains}-A PREROUTING -j KUBE-SERVICES\n\
         -A POSTROUTING -j KUBE-POSTROUTING\n{text}COMMIT\n"
    )
}

fn traffic(backend: Backend) -> Outcome {
    let (cluster, mut config) = (Cluster::create()?, ConfigMap::new()?);
    let flags = Flags::new(backend, &config);
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [10.244.0.0/16, \"fd00:10::/32\"]")])?;
    flags.once()?;
    for (inside, outside) in cluster.inside()?.iter().zip(OUTSIDE) {
        ensure_eq!(cluster.seen_from(inside)?, Seen::Pod, "inside a range: {inside}");
        ensure_eq!(cluster.seen_from(outside)?, Seen::Node, "outside: {outside}");
    }
    ensure_eq!(cluster.seen_from(LINK_LOCAL)?, Seen::Pod, "link-local, which is exempt by default");
    local_destination()?;
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [\"2001:db8::/32\"]\nmasqLinkLocal: true")])?;
    flags.once()?;
    ensure_eq!(cluster.seen_from(LINK_LOCAL)?, Seen::Node, "link-local, to be masqueraded");
    ensure_eq!(cluster.seen_from(OUTSIDE[1])?, Seen::Pod, "inside an IPv6 range");
    for inside in cluster.inside()? {
        ensure_eq!(cluster.seen_from(&inside)?, Seen::Node, "no longer inside: {inside}");
    }
    config.swap(&[("ip-masq-agent", "nonMasqueradeCIDRs: [0.0.0.0/0, \"::/0\"]")])?;
    flags.once()?;
    for outside in OUTSIDE {
        ensure_eq!(cluster.seen_from(outside)?, Seen::Pod, "every address is exempt: {outside}");
    }
    Ok(())
}

/// From one address of the node to another: neither is changed.
fn local_destination() -> Outcome {
    use std::net::UdpSocket;
    for (from, to) in [("127.0.0.1:0", "172.31.255.1:0"), ("[::1]:0", "[fd00:31::1]:0")] {
        let (sender, receiver) = (UdpSocket::bind(from)?, UdpSocket::bind(to)?);
        receiver.set_read_timeout(Some(Duration::from_secs(1)))?;
        sender.send_to(b"there", receiver.local_addr()?)?;
        let (_, seen) = receiver.recv_from(&mut [0; 8])?;
        ensure_eq!(seen, sender.local_addr()?, "source of a packet to the node itself");
    }
    Ok(())
}

/// A second round writes nothing: counters would go back to zero, and the handle of a table would change.
fn nothing_is_written_twice(backend: Backend) -> Outcome {
    let (cluster, config) = (Cluster::create()?, ConfigMap::new()?);
    let flags = Flags::new(backend, &config);
    flags.once()?;
    cluster.seen_from(OUTSIDE[0])?;
    let state = || -> Result<String, Failure> {
        match backend {
            Backend::Native => tool(&["nft", "-a", "list", "table", "ip", "podnet-masq"]),
            _ => tool(&[backend.name(), "-t", "nat", "-v", "-x", "-L", "IP-MASQ-AGENT"]),
        }
    };
    let before = state()?;
    flags.once()?;
    ensure_eq!(state()?, before, "counters and handles");
    Ok(())
}

fn ten_thousand_ranges(backend: Backend) -> Outcome {
    let mut config = ConfigMap::new()?;
    let items: Vec<String> = (0..10_000).map(|n| format!("20.{}.{}.0/26", n / 256, n % 256)).collect();
    let text = format!("cidrLimit: 10000\nnonMasqueradeCIDRs: [{}]", items.join(", "));
    config.swap(&[("ip-masq-agent", &text)])?;
    let flags = Flags::new(backend, &config);
    flags.once()?;
    ensure!(flags.is_in_force()?, "not in force");
    let count = backend.rules(false)?.matches("/26").count();
    ensure_eq!(count, 10_000, "ranges in the kernel");
    Ok(())
}

/// From this backend to each of the others: nothing is left, and the traffic is as before.
fn switching_leaves_nothing(backend: Backend) -> Outcome {
    let (cluster, config) = (Cluster::create()?, ConfigMap::new()?);
    for next in Backend::ALL.into_iter().filter(|next| *next != backend) {
        Flags::new(backend, &config).once()?;
        Flags::new(next, &config).once()?;
        for v6 in [false, true] {
            ensure_eq!(backend.rules(v6)?, "", "left at {} for {}", backend.name(), next.name());
            ensure!(!next.rules(v6)?.is_empty(), "nothing at {}", next.name());
        }
        ensure_eq!(cluster.seen_from(&cluster.inside()?[0])?, Seen::Pod, "inside");
        ensure_eq!(cluster.seen_from(OUTSIDE[0])?, Seen::Node, "outside");
    }
    Ok(())
}
