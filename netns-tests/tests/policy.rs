//! A policy as engines of Azure NPM's kind write it: sets of addresses by `ipset`, chains of iptables entered from `FORWARD`.
//!
//! Such an engine knows pods by their addresses alone. Its rules hold if packets between pods pass `FORWARD`, and carry the
//! pods' own addresses there: bridged ones by `br_netfilter`, routed ones as a matter of course.
//!
//! ```text
//!  into `server`:      only from the set of sets `azure-npm-friends`
//!  out of `recluse`:   nothing
//!  whatever belongs to a connection that is there, and everybody else: as if there was no policy
//! ```

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::machine::Machine;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, probe};
use serde_json::{Value, json};

use crate::cloud;
use crate::table::{self, Scene, Test};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[Test] = &[("on_a_bridge", on_a_bridge, None), ("across_nodes", across_nodes, None)];
    table::cases("policy", &[Family::V4, Family::Dual], tests)
}

const SOON: Duration = Duration::from_secs(5);

/// Somebody whom the policy is about, where it is seen from.
pub(crate) struct Somebody<'a> {
    /// Where it is.
    pub(crate) place: Place<'a>,
    /// Its addresses, IPv4 before IPv6.
    pub(crate) addresses: Vec<IpAddr>,
}

impl<'a> Somebody<'a> {
    pub(crate) fn new(pod: &'a Pod, addresses: Vec<IpAddr>) -> Self {
        Self { place: pod.into(), addresses }
    }
}

/// Who is who.
pub(crate) struct Cast<'a> {
    /// Lets in friends alone.
    pub(crate) server: Somebody<'a>,
    /// The server's friend.
    pub(crate) friend: Somebody<'a>,
    /// Nobody's friend.
    pub(crate) stranger: Somebody<'a>,
    /// Sends nothing of its own accord.
    pub(crate) recluse: Somebody<'a>,
}

/// Lays the policy on these nodes, and sees that it lets pass what it allows, and drops what it denies.
pub(crate) fn holds(nodes: &[Place<'_>], cast: &Cast<'_>) -> Outcome {
    let Cast { server, friend, stranger, recluse } = cast;
    for index in 0..server.addresses.len() {
        // What the bridge or the network has to learn first, it learns in peace.
        for (from, to) in [(friend, server), (stranger, server), (recluse, friend)] {
            probe::reach(from.place, to.place, to.addresses[index], SOON)?;
        }
        for node in nodes {
            enforce(*node, cast, index)?;
        }
        allowed(friend, server, index)?;
        denied(nodes, "INGRESS", (stranger, server), index)?;
        allowed(server, stranger, index)?;
        denied(nodes, "EGRESS", (recluse, friend), index)?;
        allowed(friend, recluse, index)?;
    }
    Ok(())
}

/// Passes, and is seen as coming from the sender.
fn allowed(from: &Somebody<'_>, to: &Somebody<'_>, index: usize) -> Outcome {
    let seen = probe::reach(from.place, to.place, to.addresses[index], SOON)?;
    ensure!(seen == from.addresses[index], "{} is seen as {seen}", from.addresses[index]);
    Ok(())
}

/// Does not arrive, and the rule of this chain has dropped it.
fn denied(
    nodes: &[Place<'_>],
    way: &str,
    (from, to): (&Somebody<'_>, &Somebody<'_>),
    index: usize,
) -> Outcome {
    let target = to.addresses[index];
    let before = dropped(nodes, way, target)?;
    let passed = probe::first_packet(from.place, to.place, target);
    ensure!(passed.is_err(), "{target} is reached from {} against the policy", from.place);
    ensure!(
        dropped(nodes, way, target)? > before,
        "what did not arrive at {target} was not dropped by a rule"
    );
    Ok(())
}

/// How many packets the policy of this direction has dropped, on all of the nodes.
fn dropped(nodes: &[Place<'_>], way: &str, target: IpAddr) -> Result<u64, Failure> {
    let mut packets = 0;
    for node in nodes {
        let chain = format!("AZURE-NPM-{way}");
        let text = run(&mut on(*node, iptables(target), &["-nvxL", &chain]), b"")?.success()?;
        let rule = text.lines().find(|line| line.contains("DROP")).doing(&text)?;
        packets += rule.split_whitespace().next().doing(rule)?.parse::<u64>()?;
    }
    Ok(packets)
}

fn iptables(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "iptables" } else { "ip6tables" }
}

/// A program in a node's network namespace.
fn on(node: Place<'_>, program: &str, args: &[&str]) -> Command {
    match node {
        Place::Node => command(program, args),
        Place::In(netns) => command("ip", [&["netns", "exec", netns.name(), program], args].concat()),
    }
}

/// Marks: this direction lets it pass, this direction drops it.
const PASS: &str = "0x200/0x200";
const DROP: &str = "0x400/0x400";

fn enforce(node: Place<'_>, cast: &Cast<'_>, index: usize) -> Outcome {
    let [server, friend, recluse] =
        [&cast.server, &cast.friend, &cast.recluse].map(|one| one.addresses[index]);
    let digit = if server.is_ipv4() { '4' } else { '6' };
    let family = if server.is_ipv4() { "inet" } else { "inet6" };
    let sets = [("shop", friend), ("servers", server), ("recluses", recluse)];
    let mut lines = Vec::new();
    for (name, address) in sets {
        lines.push(format!("create azure-npm-{name}{digit} hash:net family {family}"));
        lines.push(format!("add azure-npm-{name}{digit} {address}"));
    }
    lines.push(format!("create azure-npm-friends{digit} list:set"));
    lines.push(format!("add azure-npm-friends{digit} azure-npm-shop{digit}\n"));
    run(&mut on(node, "ipset", &["restore"]), lines.join("\n").as_bytes())?.success()?;

    let is_in = |name: &str, side: &str| format!("-m set --match-set azure-npm-{name}{digit} {side}");
    let rules = [
        "-I FORWARD -m conntrack ! --ctstate ESTABLISHED -j AZURE-NPM".to_owned(),
        "-A AZURE-NPM -j AZURE-NPM-INGRESS".to_owned(),
        "-A AZURE-NPM -j AZURE-NPM-EGRESS".to_owned(),
        format!("-A AZURE-NPM-INGRESS {} -j AZURE-NPM-INGRESS-1", is_in("servers", "dst")),
        format!("-A AZURE-NPM-INGRESS -m mark --mark {DROP} -j DROP"),
        format!("-A AZURE-NPM-INGRESS-1 {} -j AZURE-NPM-INGRESS-PASS", is_in("friends", "src")),
        format!("-A AZURE-NPM-INGRESS-1 -m mark ! --mark {PASS} -j MARK --set-xmark {DROP}"),
        format!("-A AZURE-NPM-INGRESS-PASS -j MARK --set-xmark {PASS}"),
        format!("-A AZURE-NPM-EGRESS {} -j AZURE-NPM-EGRESS-1", is_in("recluses", "src")),
        format!("-A AZURE-NPM-EGRESS -m mark --mark {DROP} -j DROP"),
        format!("-A AZURE-NPM-EGRESS -m mark --mark {PASS} -j AZURE-NPM-ACCEPT"),
        format!("-A AZURE-NPM-EGRESS-1 -j MARK --set-xmark {DROP}"),
        "-A AZURE-NPM-ACCEPT -j MARK --set-xmark 0x0/0x600".to_owned(),
        "-A AZURE-NPM-ACCEPT -j ACCEPT".to_owned(),
    ];
    let mut lines = vec!["*filter".to_owned()];
    let chains = ["", "-INGRESS", "-INGRESS-1", "-INGRESS-PASS", "-EGRESS", "-EGRESS-1", "-ACCEPT"];
    lines.extend(chains.iter().map(|name| format!(":AZURE-NPM{name} - [0:0]")));
    lines.extend(rules);
    lines.push("COMMIT\n".to_owned());
    let restore = format!("{}-restore", iptables(server));
    run(&mut on(node, &restore, &["--noflush"]), lines.join("\n").as_bytes())?.success().map(drop)
}

fn on_a_bridge(scene: Scene) -> Outcome {
    on_one_node(&scene.network()?)
}

/// All of them on the sandbox's node.
pub(crate) fn on_one_node(network: &Network) -> Outcome {
    let pods = ["server", "friend", "stranger", "recluse"].map(Pod::create);
    let pods: Vec<Pod> = pods.into_iter().collect::<Result<_, _>>()?;
    let somebody = |pod| Ok::<_, Failure>(Somebody::new(pod, network.add(pod)?.addresses()?));
    let [server, friend, stranger, recluse] = &pods[..] else {
        return Err(Failure::failed("four pods"));
    };
    let cast = Cast {
        server: somebody(server)?,
        friend: somebody(friend)?,
        stranger: somebody(stranger)?,
        recluse: somebody(recluse)?,
    };
    holds(&[Place::Node], &cast)
}

/// The server's friend is on the other node, which has the policy too.
fn across_nodes(scene: Scene) -> Outcome {
    cloud::open()?;
    let node = |number: u8| {
        let blocks = scene.family.pick(format!("10.244.{number}.0/24"), format!("fd00:10:244:{number}::/64"));
        let ranges: Value = blocks.iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
        Ok::<_, Failure>((
            cloud::join(scene.family, number, &blocks)?,
            scene.network()?.with("/ipam/ranges", ranges),
        ))
    };
    let [(here, network), (there, others)] = [node(1)?, node(2)?];
    across([(&here, network), (&there, others)])
}

/// The same between any two nodes.
pub(crate) fn across([(here, network), (there, others)]: [(&Machine, Network); 2]) -> Outcome {
    let (server, recluse) = (Pod::create("server")?, Pod::create("recluse")?);
    let (friend, stranger) = (Pod::create("friend")?, Pod::create("stranger")?);
    let cast = Cast {
        server: Somebody::new(&server, here.add(&network, &server)?.addresses()?),
        friend: Somebody::new(&friend, there.add(&others, &friend)?.addresses()?),
        stranger: Somebody::new(&stranger, there.add(&others, &stranger)?.addresses()?),
        recluse: Somebody::new(&recluse, here.add(&network, &recluse)?.addresses()?),
    };
    holds(&[here.place(), there.place()], &cast)
}
