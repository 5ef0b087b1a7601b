//! `podnet doctor`: each ailment is brought about, found, mended by the very command that is printed, and gone.

use std::fs;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::installed::{self, CONFIGURATIONS, PLUGINS};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::reply;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, tools};
use serde_json::{Value, json};

use crate::node_tool::{cases_of, podnet};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = cases_of(
        "doctor",
        &[
            ("nothing_ails_a_good_node", nothing_ails_a_good_node),
            ("people_read_the_same", people_read_the_same),
            ("a_node_without_anything", a_node_without_anything),
            ("a_pod_that_differs_is_named", a_pod_that_differs),
            ("add_refuses_the_nodes_own_subnet", add_refuses_own_subnet),
            ("status_says_what_promiscuity_cannot_do", status_warns_of_promiscuity),
        ],
    );
    cases.extend(AILMENTS.iter().map(|ailment| Case {
        name: format!("doctor::podnet::dual::mends_{}", ailment.name),
        limit: std::time::Duration::from_mins(1),
        body: Box::new(|| mends(ailment)),
    }));
    cases
}

/// Something that is wrong with a node.
pub(crate) struct Ailment {
    pub(crate) name: &'static str,
    /// What brings it about, for a shell.
    pub(crate) provoke: &'static str,
    /// Which check finds it, with a text of what it is about.
    pub(crate) check: &'static str,
    pub(crate) object: &'static str,
    pub(crate) severity: &'static str,
    /// What the doctor is told besides.
    pub(crate) args: &'static [&'static str],
}

pub(crate) const HEALTHY: Ailment =
    Ailment { name: "", provoke: "", check: "", object: "", severity: "warning", args: &[] };

pub(crate) const AILMENTS: &[Ailment] = &[
    Ailment {
        name: "forwarding",
        provoke: "sysctl -qw net.ipv4.ip_forward=0",
        check: "forwarding",
        object: "net/ipv4/ip_forward",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "forwarding_of_ipv6",
        provoke: "sysctl -qw net.ipv6.conf.all.forwarding=0",
        check: "forwarding",
        object: "net/ipv6/conf/all/forwarding",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "forwarding_of_the_bridge",
        provoke: "sysctl -qw net.ipv4.conf.cbr0.forwarding=0",
        check: "forwarding",
        object: "net/ipv4/conf/cbr0/forwarding",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "strict_reverse_path",
        provoke: "sysctl -qw net.ipv4.conf.all.rp_filter=1",
        check: "reverse-path",
        object: "net/ipv4/conf/cbr0/rp_filter",
        ..HEALTHY
    },
    Ailment {
        name: "br_netfilter",
        provoke: "sysctl -qw net.bridge.bridge-nf-call-ip6tables=0",
        check: "br-netfilter",
        object: "bridge-nf-call-ip6tables",
        ..HEALTHY
    },
    Ailment {
        name: "another_network_first",
        provoke: r#"echo '{"cniVersion":"1.1.0","name":"x","plugins":[{"type":"podnet-like"}]}' > /run/net.d/05-x.conflist
            cp /run/bin/podnet /run/bin/podnet-like"#,
        check: "conflist",
        object: "/run/net.d/05-x.conflist",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "a_malformed_file_first",
        provoke: "echo '{' > /run/net.d/05-x.conflist",
        check: "conflist",
        object: "/run/net.d/05-x.conflist",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "a_list_with_the_wrong_extension",
        provoke: "mv /run/net.d/10-podnet.conflist /run/net.d/10-podnet.conf",
        check: "conflist",
        object: "/run/net.d/10-podnet.conf",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "a_plugin_that_cannot_be_executed",
        provoke: "chmod 0644 /run/bin/podnet",
        check: "binary",
        object: "/run/bin/podnet",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "a_plugin_that_others_may_write",
        provoke: "chmod 0777 /run/bin/podnet",
        check: "binary",
        object: "/run/bin/podnet",
        ..HEALTHY
    },
    Ailment {
        name: "a_missing_plugin",
        provoke: "rm /run/bin/podnet",
        check: "binary",
        object: "/run/bin/podnet",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "a_missing_loopback",
        provoke: "rm /run/bin/loopback",
        check: "binary",
        object: "/run/bin/loopback",
        ..HEALTHY
    },
    Ailment {
        name: "a_full_range",
        provoke: r"for n in $(seq 3 254); do printf 'dead%s\r\neth0' $n > /var/lib/cni/networks/kubenet/10.244.1.$n; done",
        check: "range",
        object: "range 10.244.1.1-10.244.1.254 of network kubenet",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "leftovers",
        provoke: r"printf 'dead\r\neth0' > /var/lib/cni/networks/kubenet/10.244.1.77",
        check: "leftovers",
        object: "network kubenet",
        ..HEALTHY
    },
    Ailment {
        name: "a_policy_of_iptables",
        provoke: "iptables-nft -P FORWARD DROP",
        check: "forward-policy",
        object: "chain FORWARD of nftables table ip filter",
        ..HEALTHY
    },
    Ailment {
        name: "a_policy_of_ip6tables",
        provoke: "ip6tables-nft -P FORWARD DROP",
        check: "forward-policy",
        object: "chain FORWARD of nftables table ip6 filter",
        ..HEALTHY
    },
    Ailment {
        name: "a_policy_of_the_old_iptables",
        provoke: "iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -s 192.0.2.1 -j ACCEPT",
        check: "forward-policy",
        object: "chain FORWARD of iptables-legacy table filter",
        ..HEALTHY
    },
    Ailment {
        name: "a_policy_of_the_old_ip6tables",
        provoke: "ip6tables-legacy -P FORWARD DROP",
        check: "forward-policy",
        object: "chain FORWARD of ip6tables-legacy table filter",
        ..HEALTHY
    },
    Ailment {
        name: "a_policy_of_another_firewall",
        provoke: "nft add table inet firewall; nft add chain inet firewall through '{ type filter hook forward priority 10; policy drop; }'",
        check: "forward-policy",
        object: "chain through of nftables table inet firewall",
        ..HEALTHY
    },
    Ailment {
        name: "rules_of_two_engines",
        provoke: "iptables-nft -A FORWARD -s 192.0.2.1 -j ACCEPT; iptables-legacy -A FORWARD -s 192.0.2.2 -j ACCEPT",
        check: "rule-engines",
        object: "iptables-legacy table filter",
        ..HEALTHY
    },
    Ailment {
        name: "promiscuity_on_a_new_kernel",
        provoke: r#"sed -i 's/"mode":"kubenet"/"mode":"kubenet","hairpinMode":"promiscuous-bridge"/' /run/net.d/10-podnet.conflist"#,
        check: "hairpin",
        object: "network kubenet",
        ..HEALTHY
    },
    Ailment {
        name: "no_hairpin",
        provoke: r#"sed -i 's/"mode":"kubenet"/"mode":"kubenet","hairpinMode":"none"/' /run/net.d/10-podnet.conflist"#,
        check: "hairpin",
        object: "network kubenet",
        ..HEALTHY
    },
    Ailment {
        name: "what_is_open",
        check: "exposure",
        object: "network kubenet",
        severity: "notice",
        ..HEALTHY
    },
    Ailment {
        name: "what_is_open_and_said_so",
        provoke: r#"sed -i 's/"mode":"kubenet"/"mode":"kubenet","blockIMDS":false,"blockWireserver":true,"antiSpoofing":true/' /run/net.d/10-podnet.conflist"#,
        check: "exposure",
        object: "network kubenet",
        severity: "notice",
        ..HEALTHY
    },
    Ailment {
        name: "services_among_the_pods",
        check: "subnet",
        object: "subnet 10.244.1.0/24 of network kubenet",
        severity: "error",
        args: &["--service-cidr", "10.244.0.0/16"],
        ..HEALTHY
    },
    Ailment {
        name: "pods_among_the_nodes",
        check: "subnet",
        object: "subnet 10.244.1.0/24 of network kubenet",
        severity: "error",
        args: &["--node-cidr", "10.0.0.0/8"],
        ..HEALTHY
    },
    Ailment {
        name: "pods_outside_of_their_range",
        check: "subnet",
        object: "subnet 10.244.1.0/24 of network kubenet",
        args: &["--pod-cidr", "10.99.0.0/24"],
        ..HEALTHY
    },
    Ailment {
        name: "a_route_into_the_pods",
        provoke:
            "ip link add up1 type veth peer name up2; ip link set up1 up; ip addr add 192.0.2.1/24 dev up1
            ip route add 10.244.1.64/26 via 192.0.2.9 dev up1",
        check: "subnet",
        object: "subnet 10.244.1.0/24 of network kubenet",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "the_nodes_address_among_the_pods",
        provoke: "ip link add up1 type veth peer name up2; ip addr add 10.244.1.200/28 dev up1",
        check: "subnet",
        object: "subnet 10.244.1.0/24 of network kubenet",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "two_networks_of_one_subnet",
        provoke: r#"sed 's/"kubenet","plugins"/"second","plugins"/; s/cbr0/cbr1/' /run/net.d/10-podnet.conflist > /run/net.d/20-second.conflist"#,
        check: "subnet",
        object: "subnet 10.244.1.0/24 of network second",
        severity: "error",
        ..HEALTHY
    },
];

fn network() -> Result<Network, Failure> {
    Network::of(Subject::Podnet, Family::Dual)
}

/// Puts a configuration and the plugins where [`findings`] looks for them.
pub(crate) fn install(list: &Value) -> Outcome {
    installed::install()?;
    fs::create_dir_all(CONFIGURATIONS)?;
    Ok(fs::write(format!("{CONFIGURATIONS}/10-podnet.conflist"), list.to_string())?)
}

/// A node with a configuration, plugins and a pod.
fn good_node() -> Result<Pod, Failure> {
    install(&network()?.conflist())?;
    let pod = Pod::create("a")?;
    network()?.add(&pod)?;
    Ok(pod)
}

pub(crate) fn shell(script: &str) -> Outcome {
    let mut shell = command("sh", ["-e", "-c", script]);
    let folder = tools::podnet()?.parent().map(ToOwned::to_owned).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))?;
    shell.env("PATH", path).env("NEW_SUBNET", "172.20.0.0/24").env("UPLINK", "renamed");
    run(&mut shell, b"")?.success().map(drop)
}

/// The findings, and the exit code.
pub(crate) fn findings(args: &[&str]) -> Result<(Vec<Value>, i32), Failure> {
    let folders = ["doctor", "--conf-dir", CONFIGURATIONS, "--bin-dir", PLUGINS, "--output", "json"];
    let finished = podnet(&[&folders, args].concat(), "")?;
    ensure!(finished.stderr.is_empty(), "{finished}");
    let found = serde_json::from_str(&finished.stdout).doing(&finished)?;
    Ok((found, finished.status.code().doing("a doctor that was killed")?))
}

fn mends(ailment: &Ailment) -> Outcome {
    let _pod = good_node()?;
    is_mended(ailment)
}

/// On a node that is well: the ailment is brought about, found, and gone by the command that the finding has.
pub(crate) fn is_mended(ailment: &Ailment) -> Outcome {
    shell(ailment.provoke)?;
    let is_it = |finding: &&Value| {
        finding["check"] == ailment.check
            && finding["object"].as_str().is_some_and(|object| object.ends_with(ailment.object))
    };
    let (found, code) = findings(ailment.args)?;
    let finding = found.iter().find(is_it).doing(format_args!("a finding in {}", json!(found)))?;
    let wanted = (&json!(ailment.severity), i32::from(ailment.severity != "notice"));
    ensure_eq!((&finding["severity"], code), wanted, "severity and exit code of {finding}");
    for member in ["problem", "why"] {
        ensure!(finding[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {finding}");
    }
    shell(finding["fix"].as_str().doing("the command that mends it")?)?;
    let (left, _) = findings(ailment.args)?;
    let is_same = |left: &&Value| is_it(left) && left["problem"] == finding["problem"];
    match left.iter().find(is_same) {
        Some(left) => Err(Failure::failed(format!("still there after its own command: {left}"))),
        None => Ok(()),
    }
}

fn nothing_ails_a_good_node() -> Outcome {
    let _pod = good_node()?;
    let (found, code) = findings(&["--pod-cidr", "10.244.0.0/16", "--service-cidr", "10.96.0.0/16"])?;
    let notices: Vec<_> = found.iter().filter(|finding| finding["severity"] == "notice").collect();
    ensure_eq!(notices.len(), found.len(), "notices among {}", json!(found));
    ensure_eq!(code, 0, "exit code");
    // What is open is said.
    ensure!(
        notices.iter().any(|notice| notice["problem"].to_string().contains("169.254.169.254")),
        "{notices:?}"
    );
    Ok(())
}

fn people_read_the_same() -> Outcome {
    let _pod = good_node()?;
    shell("sysctl -qw net.ipv4.ip_forward=0")?;
    let finished = podnet(&["doctor", "--conf-dir", CONFIGURATIONS, "--bin-dir", PLUGINS], "")?;
    ensure_eq!(finished.status.code(), Some(1), "{finished}");
    let lines: Vec<&str> = finished.stdout.lines().collect();
    ensure_eq!(lines[0], "error   forwarding: net/ipv4/ip_forward: forwarding is off", "{finished}");
    ensure!(lines[1].trim_start().starts_with("why: "), "{finished}");
    ensure_eq!(lines[2].trim_start(), "fix: sysctl -w net.ipv4.ip_forward=1", "{finished}");
    ensure!(finished.stdout.ends_with("errors: 1, warnings: 0, notices: 3\n"), "{finished}");
    Ok(())
}

fn a_node_without_anything() -> Outcome {
    let (found, code) = findings(&[])?;
    for object in ["/run/net.d", "/run/bin/podnet", "/run/bin/loopback"] {
        ensure!(found.iter().any(|finding| finding["object"] == object), "no {object} in {}", json!(found));
    }
    ensure_eq!(code, 1, "exit code");
    Ok(())
}

fn a_pod_that_differs() -> Outcome {
    let pod = good_node()?;
    podnet_netns_tests::netns::Place::from(&pod.netns).ip(&["route", "del", "default"])?;
    let (found, _) = findings(&[])?;
    let of_pod = found.iter().find(|finding| finding["check"] == "pod").doing("a finding about the pod")?;
    ensure_eq!(of_pod["object"], format!("container {}", pod.container), "{of_pod}");
    ensure!(of_pod["problem"].to_string().contains("0.0.0.0/0"), "{of_pod}");
    Ok(())
}

fn add_refuses_own_subnet() -> Outcome {
    shell("ip link add up1 type veth peer name up2; ip addr add 10.244.1.200/28 dev up1")?;
    let pod = Pod::create("a")?;
    let words = "the pods' subnet of 10.244.1.1/24 holds the node's own address 10.244.1.200/28 of link up1";
    let error = reply::error(&network()?.call("ADD", Some(&pod), &[])?)?;
    ensure_eq!((error.code, error.names(words)), (103, true), "{error:?}");
    let error = reply::error(&network()?.call("STATUS", None, &[])?)?;
    ensure_eq!((error.code, error.names(words)), (50, true), "{error:?}");
    // A subnet around it is no obstacle: other machines there may well have routes.
    shell("ip addr flush dev up1; ip addr add 10.200.0.9/7 dev up1")?;
    network()?.add(&pod).map(drop)
}

fn status_warns_of_promiscuity() -> Outcome {
    let finished = network()?.with("/hairpinMode", "promiscuous-bridge").call("STATUS", None, &[])?;
    let said = finished.stderr.clone();
    reply::silence(finished)?;
    ensure!(said.contains("from Linux 6.8 on"), "{said}");
    let finished = network()?.call("STATUS", None, &[])?;
    ensure!(finished.stderr.is_empty(), "{finished}");
    Ok(())
}
