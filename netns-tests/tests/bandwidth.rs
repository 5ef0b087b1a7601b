//! Limits of what a pod sends and receives: as measured, as the kernel has them, and gone with the pod.

use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::reply::{self, Added};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, GATEWAY_V4, Subject};
use podnet_netns_tests::{ensure, ensure_eq, probe, wait};
use serde_json::{Value, json};

use crate::differences::{
    BUCKET_BELOW_A_PACKET, KNOWS_NO_SUBNETS, LITERAL_BURST, NO_ANNOTATIONS, NO_GC, SHALLOW_CHECK,
};
use crate::table::{self, Scene, Test};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[Test] = &[
        ("rates_hold_in_both_directions", rates_hold, None),
        ("kubernetes_burst_is_none", kubernetes_burst_is_none, Some(&LITERAL_BURST)),
        ("a_burst_below_a_packet_lets_packets_pass", small_burst, Some(&BUCKET_BELOW_A_PACKET)),
        ("kernel_has_the_buckets", kernel_has_the_buckets, None),
        ("nothing_asked_nothing_made", nothing_asked_nothing_made, None),
        ("the_runtime_is_heard_in_go_case", the_runtime_is_heard, None),
        ("annotations_are_heard", annotations_are_heard, Some(&NO_ANNOTATIONS)),
        ("del_takes_everything", del_takes_everything, None),
        ("del_without_namespace_takes_everything", del_without_namespace, None),
        ("del_without_record_takes_everything", del_without_record, None),
        ("gc_takes_everything", gc_takes_everything, Some(&NO_GC)),
        ("check_finds_another_ingress_rate", |s| finds(s, "ingress", |host, _| retune(host)), None),
        ("check_finds_another_egress_rate", |s| finds(s, "egress", |_, ifb| retune(ifb)), None),
        ("check_finds_no_ifb", |s| finds(s, "ifb", |_, ifb| ip(&["link", "del", ifb])), None),
        ("check_finds_ifb_down", |s| finds(s, "down", |_, ifb| ip(&["link", "set", ifb, "down"])), {
            Some(&SHALLOW_CHECK)
        }),
        ("check_finds_no_redirection", no_redirection, Some(&SHALLOW_CHECK)),
        ("check_finds_a_lost_selection", lost_selection, Some(&KNOWS_NO_SUBNETS)),
        ("both_lists_of_subnets", both_lists, Some(&KNOWS_NO_SUBNETS)),
        ("rate_without_burst", |s| refused(s, &json!({"ingressRate": 8000})), None),
        ("burst_without_rate", |s| refused(s, &json!({"egressBurst": 8000})), None),
        (
            "burst_over_32_bits",
            |s| refused(s, &json!({"egressRate": 8000, "egressBurst": 4_294_967_296_u64})),
            None,
        ),
    ];
    let of_peers: &[Test] = &[
        ("only_some_peers_are_limited", |s| some_peers(s, "shapedSubnets"), Some(&KNOWS_NO_SUBNETS)),
        ("all_but_some_peers_are_limited", |s| some_peers(s, "unshapedSubnets"), Some(&KNOWS_NO_SUBNETS)),
    ];
    let cases = table::cases("bandwidth", &[Family::V4], tests).into_iter();
    cases.chain(table::cases("bandwidth", &[Family::V4, Family::V6], of_peers)).collect()
}

const INGRESS: u32 = 40_000_000;
const EGRESS: u32 = 20_000_000;
/// Bits; 128 KiB.
const BURST: u32 = 1 << 20;

fn limits() -> Value {
    json!({"ingressRate": INGRESS, "ingressBurst": BURST, "egressRate": EGRESS, "egressBurst": BURST})
}

/// The network with these members in the configuration: podnet's own, or the reference plugin's that comes behind.
fn limited(scene: Scene, members: &Value) -> Result<Network, Failure> {
    let network = scene.network()?;
    Ok(match scene.subject {
        Subject::Podnet => with_members(network, members),
        Subject::Reference => chained(network, members.clone()),
    })
}

fn with_members(network: Network, members: &Value) -> Network {
    let members = members.as_object().into_iter().flatten();
    members.fold(network, |network, (name, value)| network.with(&format!("/{name}"), value.clone()))
}

fn chained(mut network: Network, mut entry: Value) -> Network {
    entry["type"] = json!("bandwidth");
    network.plugins.push(entry);
    network
}

/// The network with this `runtimeConfig` for whoever limits.
fn asked(scene: Scene, runtime: &Value) -> Result<Network, Failure> {
    limited(scene, &json!({"runtimeConfig": runtime}))
}

/// A machine that is busy with other things may send less than the limit for a while, never more.
fn within_a_tenth(rate: impl Fn() -> Result<f64, Failure>, wanted: u32, what: &str) -> Outcome {
    const TRIES: usize = 8;
    let mut found = rate()?;
    for _ in 1..TRIES {
        if found >= 0.9 * f64::from(wanted) {
            break;
        }
        found = rate()?;
    }
    let ratio = found / f64::from(wanted);
    ensure!((0.9..=1.1).contains(&ratio), "{what}: {found:.0} bit/s, asked for {wanted}");
    Ok(())
}

fn rates_hold(scene: Scene) -> Outcome {
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let limited = limited(scene, &limits())?.add(&a)?.addresses()?;
    let free = scene.network()?.add(&b)?.addresses()?;
    let (in_a, in_b) = (Place::from(&a.netns), Place::from(&b.netns));
    for (&limited, &free) in limited.iter().zip(&free) {
        within_a_tenth(|| probe::rate(in_b, in_a, limited), INGRESS, "what the pod receives from another")?;
        within_a_tenth(
            || probe::rate(Place::Node, in_a, limited),
            INGRESS,
            "what it receives from the node",
        )?;
        within_a_tenth(|| probe::rate(in_a, in_b, free), EGRESS, "what the pod sends to another")?;
        within_a_tenth(|| probe::rate(in_a, Place::Node, GATEWAY_V4), EGRESS, "what it sends to the node")?;
        let unlimited = probe::rate(Place::Node, in_b, free)?;
        ensure!(unlimited > 10.0 * f64::from(INGRESS), "a pod without limits gets {unlimited:.0} bit/s");
    }
    Ok(())
}

/// The pod's limits hold towards its neighbour and not towards the node, by either list.
fn some_peers(scene: Scene, list: &str) -> Outcome {
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let mut members = limits();
    members[list] = match (list, scene.family) {
        ("shapedSubnets", Family::V4) => json!(["10.244.1.128/25", "10.244.1.3/32", "fd00:9::/64"]),
        ("shapedSubnets", _) => json!(["10.9.0.0/16", "fd00:10:244:1::3/128"]),
        (_, Family::V4) => json!(["10.244.1.1/32", "fd00:9::/64"]),
        _ => json!(["10.9.0.0/16", "fd00:10:244:1::/127"]),
    };
    let network = limited(scene, &members)?;
    let added = network.add(&a)?;
    let limited = added.addresses()?;
    let neighbour = scene.network()?.add(&b)?.addresses()?;
    let gateway = scene.family.gateways().into_iter().next().doing("a gateway")?;
    let second = scene.family.pick("10.244.1.3", "fd00:10:244:1::3").concat();
    ensure_eq!(neighbour, [second.parse::<std::net::IpAddr>()?], "the neighbour's address");
    network.check(&a, &added)?;
    let (in_a, in_b) = (Place::from(&a.netns), Place::from(&b.netns));
    for (&limited, &neighbour) in limited.iter().zip(&neighbour) {
        within_a_tenth(
            || probe::rate(in_b, in_a, limited),
            INGRESS,
            "what the pod receives from its neighbour",
        )?;
        within_a_tenth(|| probe::rate(in_a, in_b, neighbour), EGRESS, "what the pod sends to its neighbour")?;
        for (what, rate) in [
            ("receives from", probe::rate(Place::Node, in_a, limited)?),
            ("sends to", probe::rate(in_a, Place::Node, gateway)?),
        ] {
            ensure!(
                rate > 3.0 * f64::from(INGRESS),
                "what the pod {what} the node is limited: {rate:.0} bit/s"
            );
        }
    }
    network.del(&a, Some(&added))
}

fn lost_selection(scene: Scene) -> Outcome {
    let mut members = limits();
    members["unshapedSubnets"] = json!(["10.9.0.0/16", "fd00:9::/33"]);
    let network = limited(scene, &members)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let host = added.interface(1)?.to_owned();
    let tampering: [&[&str]; 3] = [
        &["filter", "del", "dev", &host, "parent", "1:", "prio", "2"],
        &["class", "change", "dev", &host, "classid", "1:30", "htb", "rate", "1mbit", "burst", "32k"],
        &["filter", "del", "dev", &host, "parent", "ffff:fff2", "prio", "1"],
    ];
    for (change, words) in tampering.iter().zip(["selection", "ingress limit", "redirection"]) {
        tool(&[&["tc"], *change].concat())?;
        let found = reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
        ensure!(found.names(words), "{words} is not in {found:?}");
    }
    Ok(())
}

fn both_lists(scene: Scene) -> Outcome {
    let mut members = limits();
    members["shapedSubnets"] = json!(["10.0.0.0/8"]);
    members["unshapedSubnets"] = json!(["10.9.0.0/16"]);
    let refused = limited(scene, &members)?.call("ADD", Some(&Pod::create("a")?), &[])?;
    let error = reply::error(&refused)?;
    ensure!(error.code == 7 && error.names("unshapedSubnets"), "{error:?}");
    Ok(())
}

fn kubernetes_burst_is_none(scene: Scene) -> Outcome {
    let bandwidth = json!({"IngressRate": INGRESS, "IngressBurst": u32::MAX});
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let limited = asked(scene, &json!({"bandwidth": bandwidth}))?.add(&a)?.addresses()?;
    scene.network()?.add(&b)?;
    // Well above any sensible burst; at the rate it takes 1.7 seconds.
    let bytes = 8 << 20;
    for address in limited {
        let begin = Instant::now();
        probe::stream((&b.netns).into(), (&a.netns).into(), address, bytes)?;
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(seconds > 1.4, "{bytes} bytes passed in {seconds:.2} s");
    }
    Ok(())
}

fn small_burst(scene: Scene) -> Outcome {
    let limits =
        json!({"ingressRate": INGRESS, "ingressBurst": 8000, "egressRate": EGRESS, "egressBurst": 8000});
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let limited = limited(scene, &limits)?.add(&a)?.addresses()?;
    scene.network()?.add(&b)?;
    for address in limited {
        probe::rate((&b.netns).into(), (&a.netns).into(), address)?;
    }
    Ok(())
}

/// The host's end and the ifb.
fn links(added: &Added) -> Result<(String, String), Failure> {
    let ifbs = Place::Node.ip_json(&["link", "show", "type", "ifb"])?;
    let names: Vec<_> =
        ifbs.as_array().into_iter().flatten().filter_map(|ifb| ifb["ifname"].as_str()).collect();
    match names.as_slice() {
        [name] => Ok((added.interface(1)?.to_owned(), (*name).to_owned())),
        names => Err(Failure::failed(format!("one ifb expected: {names:?}"))),
    }
}

/// Bits a second, and bits, of the bucket that what leaves by the link goes through.
fn bucket(link: &str) -> Result<(u64, u64), Failure> {
    let disciplines: Value = serde_json::from_str(&tool(&["tc", "-j", "qdisc", "show", "dev", link])?)?;
    let buckets =
        disciplines.as_array().into_iter().flatten().filter(|discipline| discipline["kind"] == "tbf");
    let options =
        buckets.map(|bucket| &bucket["options"]).next().doing(format_args!("a bucket at {link}"))?;
    let bits = |name: &str| Ok::<_, Failure>(options[name].as_u64().doing(name.to_owned())? * 8);
    let latency = options["lat"].as_u64().doing("lat")?;
    ensure!((24_500..=25_500).contains(&latency), "a queue of {latency} µs at {link}");
    Ok((bits("rate")?, bits("burst")?))
}

fn ensure_bucket(link: &str, rate: u32, burst: u32) -> Outcome {
    let (found_rate, found_burst) = bucket(link)?;
    ensure_eq!(found_rate, u64::from(rate), "rate at {link}");
    // The kernel keeps it as a time.
    ensure!(found_burst.abs_diff(burst.into()) < 1000, "burst at {link}: {found_burst}, not {burst}");
    Ok(())
}

fn kernel_has_the_buckets(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let network = limited(scene, &limits())?;
    let added = network.add(&pod)?;
    let (host, ifb) = links(&added)?;
    ensure_bucket(&host, INGRESS, BURST)?;
    ensure_bucket(&ifb, EGRESS, BURST)?;
    network.check(&pod, &added)
}

fn nothing_asked_nothing_made(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let added = limited(scene, &json!({"ingressRate": 0, "ingressBurst": 0}))?.add(&pod)?;
    ensure!(links(&added).is_err(), "there is an ifb");
    ensure!(bucket(added.interface(1)?).is_err(), "there is a bucket");
    Ok(())
}

fn the_runtime_is_heard(scene: Scene) -> Outcome {
    let bandwidth = json!({"EgressRate": EGRESS, "EgressBurst": BURST});
    let added = asked(scene, &json!({"bandwidth": bandwidth}))?.add(&Pod::create("a")?)?;
    let (host, ifb) = links(&added)?;
    ensure!(bucket(&host).is_err(), "there is a bucket for what the pod receives");
    ensure_bucket(&ifb, EGRESS, BURST)
}

fn annotations_are_heard(scene: Scene) -> Outcome {
    let annotations = json!({"kubernetes.io/egress-bandwidth": "20M", "kubernetes.io/config.source": "api"});
    let runtime = json!({"io.kubernetes.cri.pod-annotations": annotations});
    let added = asked(scene, &runtime)?.add(&Pod::create("a")?)?;
    let (rate, _) = bucket(&links(&added)?.1)?;
    ensure_eq!(rate, 20_000_000, "rate");
    Ok(())
}

fn del_takes_everything(scene: Scene) -> Outcome {
    let network = limited(scene, &limits())?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    links(&added)?;
    network.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL")?;
    network.del(&pod, None)
}

fn del_without_namespace(scene: Scene) -> Outcome {
    let network = limited(scene, &limits())?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let (host, _) = links(&added)?;
    pod.netns.remove()?;
    wait::until(Duration::from_secs(8), "the pair gone with its namespace", || {
        Ok(crate::look::find(Place::Node, &host)?.is_none().then_some(()))
    })?;
    links(&added)?;
    network.del(&pod, None)?;
    before.ensure_unchanged("DEL")
}

fn del_without_record(scene: Scene) -> Outcome {
    let network = limited(scene, &limits())?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    forget(scene)?;
    network.del(&pod, None)?;
    before.ensure_unchanged("DEL")
}

/// Removes the records of what was made.
fn forget(scene: Scene) -> Outcome {
    if scene.subject == Subject::Podnet {
        for record in std::fs::read_dir("/run/podnet/attachments")? {
            std::fs::remove_file(record?.path())?;
        }
    }
    Ok(())
}

/// The pair went with its namespace, the record with a mistake: the ifb's alias is all that tells of the pod.
fn gc_takes_everything(scene: Scene) -> Outcome {
    let network = limited(scene, &limits())?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let (host, _) = links(&network.add(&pod)?)?;
    pod.netns.remove()?;
    wait::until(Duration::from_secs(8), "the pair gone with its namespace", || {
        Ok(crate::look::find(Place::Node, &host)?.is_none().then_some(()))
    })?;
    forget(scene)?;
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", json!([]))])?)?;
    before.ensure_unchanged("GC")
}

fn ip(args: &[&str]) -> Outcome {
    Place::Node.ip(args).map(drop)
}

fn retune(link: &str) -> Outcome {
    let words = ["rate", "1mbit", "burst", "32768", "limit", "65536"];
    let change = ["tc", "qdisc", "change", "dev", link, "root", "handle", "1:", "tbf"];
    tool(&[&change[..], &words].concat()).map(drop)
}

fn no_redirection(scene: Scene) -> Outcome {
    finds(scene, "redirection", |host, _| {
        let parent = if scene.subject == Subject::Podnet { "ffff:fff2" } else { "ffff:" };
        tool(&["tc", "filter", "del", "dev", host, "parent", parent]).map(drop)
    })
}

/// CHECK passes, and fails after `tamper` with an error that contains `text` (podnet).
fn finds(scene: Scene, text: &str, tamper: impl FnOnce(&str, &str) -> Outcome) -> Outcome {
    let network = limited(scene, &limits())?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added).doing("CHECK right after ADD")?;
    let (host, ifb) = links(&added)?;
    tamper(&host, &ifb)?;
    match network.check(&pod, &added) {
        Ok(()) => Err(Failure::failed(format!("CHECK does not find it: {text}"))),
        Err(Failure::Failed(found)) => {
            ensure!(
                scene.subject == Subject::Reference || found.contains(text),
                "{text:?} is not in {found}"
            );
            Ok(())
        }
        Err(skipped) => Err(skipped),
    }
}

/// ADD fails and names the member (podnet); nothing is made.
fn refused(scene: Scene, members: &Value) -> Outcome {
    let network = limited(scene, members)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    match network.add(&pod) {
        Ok(_) => Err(Failure::failed(format!("ADD takes {members}"))),
        Err(Failure::Failed(found)) if scene.subject == Subject::Podnet => {
            ensure!(found.contains("gressRate") || found.contains("gressBurst"), "no member in {found}");
            before.ensure_unchanged("a refused ADD")
        }
        Err(Failure::Failed(_)) => Ok(()),
        Err(skipped) => Err(skipped),
    }
}
