//! Host ports that iptables translates: because the configuration says so, or because the kernel has no nftables.

use std::fs;
use std::os::unix::fs::symlink;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::{run, tool};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, reply, seccomp, tools};
use serde_json::{Value, json};

use super::{
    Backend, a_port_is_one_pods, del_needs_no_ports, every_way_in, gc_takes_rules_alone,
    loopback_is_closed_to_neighbours, network_by, port, record, settle_ports,
};
use crate::differences::{LOOPBACK_OPEN, OTHER_HOST_PORTS, SHARES_HOST_PORTS};
use crate::server::Server;
use crate::table::{self, Scene, Test};

pub(super) fn cases() -> Vec<Case> {
    const BY: Backend = Backend::Iptables;
    let each: &[Test] = &[("every_way_in", |scene| every_way_in(scene, BY, "0"), None)];
    let dual: &[Test] = &[
        ("a_port_is_one_pods", |scene| a_port_is_one_pods(scene, BY), Some(&SHARES_HOST_PORTS)),
        ("del_needs_no_port_mappings", |scene| del_needs_no_ports(scene, BY), Some(&OTHER_HOST_PORTS)),
        ("gc_takes_rules_alone", |scene| gc_takes_rules_alone(scene, BY), Some(&OTHER_HOST_PORTS)),
        ("check_names_a_missing_rule", check_names_a_missing_rule, Some(&OTHER_HOST_PORTS)),
        ("on_a_kernel_without_nftables", without_nftables, Some(&OTHER_HOST_PORTS)),
        ("without_iptables_nothing_is_left", without_iptables, Some(&OTHER_HOST_PORTS)),
    ];
    let v4: &[Test] = &[(
        "loopback_is_closed_to_neighbours",
        |scene| loopback_is_closed_to_neighbours(scene, BY),
        Some(&LOOPBACK_OPEN),
    )];
    let suite = "host_ports_by_iptables";
    let cases = table::cases(suite, &[Family::V4, Family::V6], each).into_iter();
    cases
        .chain(table::cases(suite, &[Family::Dual], dual))
        .chain(table::cases(suite, &[Family::V4], v4))
        .collect()
}

fn check_names_a_missing_rule(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let network = network_by(scene, Backend::Iptables, &json!([port(8080, 80, "tcp")]))?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    for (program, chain) in [("iptables", "CNI-HOSTPORT-DNAT"), ("ip6tables", "CNI-DN-")] {
        let listed = tool(&[program, "-t", "nat", "-S"])?;
        let rule =
            listed.lines().find_map(|line| line.strip_prefix("-A ").filter(|rule| rule.starts_with(chain)));
        let chain = rule.and_then(|rule| rule.split(' ').next()).doing(chain)?;
        tool(&[program, "-t", "nat", "-F", chain])?;
        let error = reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
        ensure!(error.names(chain), "{chain} is not in {error:?}");
    }
    network.del(&pod, Some(&added))
}

/// On a kernel without nftables the programs in PATH are those that work on its older tables.
fn without_nftables(scene: Scene) -> Outcome {
    const PROGRAMS: &str = "/run/older";
    fs::create_dir(PROGRAMS)?;
    for name in ["iptables", "iptables-restore", "ip6tables", "ip6tables-restore"] {
        let older = tools::in_path(&name.replace("tables", "tables-legacy"))?;
        symlink(older, format!("{PROGRAMS}/{name}"))?;
    }
    let network = network_by(scene, Backend::Default, &json!([port(8080, 80, "tcp")]))?;
    let call = |verb: &str, pod: Option<&Pod>, extra: &[(&str, Value)]| {
        let mut command = network.command(0, verb, pod)?;
        seccomp::without_nftables(command.env("PATH", PROGRAMS));
        run(&mut command, network.config(0, extra)?.to_string().as_bytes())
    };
    let rules = || {
        Ok::<_, Failure>(
            ["iptables", "ip6tables"]
                .map(|program| tool(&[&format!("{PROGRAMS}/{program}"), "-t", "nat", "-S"])),
        )
    };
    for br_netfilter in ["1", "0"] {
        for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            fs::write(format!("/proc/sys/net/bridge/{name}"), br_netfilter).doing(name)?;
        }
        for has_record in [true, false] {
            let pod = Pod::create("a")?;
            let added = reply::result(call("ADD", Some(&pod), &[])?)?;
            for listed in rules()? {
                ensure!(listed?.contains(&pod.container), "no rule names the container");
            }
            for (address, gateway) in added.addresses()?.into_iter().zip(scene.family.gateways()) {
                let server = Server::start(&pod, (address, 80).into(), false)?;
                server.asked(Place::Node, (gateway, 8080).into())?;
            }
            reply::silence(call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
            if !has_record {
                fs::remove_file(record()?)?;
            }
            reply::silence(call("DEL", Some(&pod), &[])?)?;
            for listed in rules()? {
                ensure!(!listed?.contains(&pod.container), "DEL leaves rules");
            }
        }
    }
    reply::silence(call("GC", None, &[("cni.dev/valid-attachments", json!([]))])?)
}

/// The rules come last: where they cannot be made, all the rest is taken back.
fn without_iptables(scene: Scene) -> Outcome {
    settle_ports(scene, Backend::Iptables)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let network = network_by(scene, Backend::Iptables, &json!([port(8080, 80, "tcp")]))?;
    let mut add = network.command(0, "ADD", Some(&pod))?;
    let failed = run(add.env("PATH", "/nowhere"), network.config(0, &[])?.to_string().as_bytes())?;
    ensure!(reply::error(&failed)?.names("iptables"), "{failed}");
    before.ensure_unchanged("an ADD without iptables")?;
    let mut status = network.command(0, "STATUS", None)?;
    let failed = run(status.env("PATH", "/nowhere"), network.config(0, &[])?.to_string().as_bytes())?;
    ensure_eq!(reply::error(&failed)?.code, 50, "code of STATUS without iptables");
    let added = network.add(&pod)?;
    network.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL")
}
