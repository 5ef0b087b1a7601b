//! The pods: what is left of dead ones, and how living ones differ from what their ADD made.

use std::collections::BTreeSet;
use std::path::Path;
use std::slice;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::cmd::gc::labelled;
use crate::error::Error;
use crate::leftovers::{self, Leftover};
use crate::tool::check::{self, Checked};
use crate::tool::conf_dir::{CONF_DIR, data_dirs};

/// How differences begin that are of all pods.
const NODE_WIDE: [&str; 2] = ["net/ipv4/ip_forward:", "net/ipv6/conf/all/forwarding:"];

/// How many of many a finding names.
const NAMED: usize = 3;

/// Looks at every network that is configured or has something on the node.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    let mut dead = BTreeSet::new();
    for network in networks(node)? {
        let survey = leftovers::survey(&network, &data_dirs(&node.files, &network), None)?;
        found.extend(leftover(&network, &survey.leftovers, node));
        dead.extend(survey.leftovers.into_iter().map(|Leftover { trace, .. }| (network.clone(), trace.key)));
    }
    let report = check::report(None, slice::from_ref(&node.bin_dir))?;
    let is_dead = |pod: &Checked| {
        let key = leftovers::Key { container_id: pod.container_id.clone(), ifname: Some(pod.ifname.clone()) };
        dead.contains(&(pod.network.clone(), key))
    };
    found.extend(report.pods.iter().filter(|pod| !is_dead(pod)).filter_map(differing));
    // Daemons that are away are a check of their own.
    found.extend(report.failures.into_iter().map(unreadable));
    Ok(found)
}

fn networks(node: &Node) -> Result<BTreeSet<String>, Error> {
    let ours = node.networks.iter().filter(|network| network.settings.is_some());
    let mut networks: BTreeSet<String> = ours.map(|network| network.name.clone()).collect();
    networks.extend(labelled()?.iter().map(|owner| owner.network().to_owned()));
    networks.extend(node.records.iter().map(|record| record.network.clone()));
    Ok(networks)
}

fn leftover(network: &str, leftovers: &[Leftover], node: &Node) -> Option<Finding> {
    let first = leftovers.first()?;
    let name = |leftover: &Leftover| {
        let trace = &leftover.trace;
        let addresses: Vec<_> = trace.addresses.iter().map(ToString::to_string).collect();
        format!("{} ({})", trace.key.container_id, addresses.join(", "))
    };
    let named: Vec<_> = leftovers.iter().take(NAMED).map(name).collect();
    let more = if leftovers.len() > NAMED { ", …" } else { "" };
    let elsewhere = match &node.conf_dir {
        usual if usual == Path::new(CONF_DIR) => String::new(),
        dir => format!(" --conf-dir {}", quoted(&dir.to_string_lossy())),
    };
    Some(Finding {
        severity: Severity::Warning,
        check: "leftovers",
        object: format!("network {network}"),
        problem: format!(
            "links, rules or addresses of {} dead pods: {}{more} ({})",
            leftovers.len(),
            named.join(", "),
            first.reason
        ),
        why: "addresses and host ports that nobody uses are missing to others".to_owned(),
        fix: format!("podnet gc --network {}{elsewhere}", quoted(network)),
    })
}

fn differing(pod: &Checked) -> Option<Finding> {
    // The node's own switches are a check of their own.
    let is_nodes = |difference: &String| NODE_WIDE.iter().any(|name| difference.starts_with(name));
    let differences: Vec<_> =
        pod.differences.iter().filter(|difference| !is_nodes(difference)).cloned().collect();
    if differences.is_empty() {
        return None;
    }
    let fix = match pod.pod.as_deref().and_then(|name| name.split_once('/')) {
        Some((namespace, name)) => format!("kubectl delete pod -n {} {}", quoted(namespace), quoted(name)),
        None => format!("podnet check --network {}", quoted(&pod.network)),
    };
    Some(Finding {
        severity: Severity::Error,
        check: "pod",
        object: pod.pod.clone().unwrap_or_else(|| format!("container {}", pod.container_id)),
        problem: differences.join("; "),
        why: "its network is not what its ADD made: a new pod in its place has a whole one".to_owned(),
        fix,
    })
}

fn unreadable(failure: String) -> Finding {
    Finding {
        severity: Severity::Warning,
        check: "pod",
        object: "podnet check".to_owned(),
        problem: failure,
        why: "nobody can say whether that pod's network is whole".to_owned(),
        fix: "podnet check".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_differs_is_replaced_by_its_name() {
        let pod = Checked {
            network: "net".to_owned(),
            container_id: "c1".to_owned(),
            ifname: "eth0".to_owned(),
            pod: Some("default/web".to_owned()),
            differences: vec!["a".to_owned(), "b".to_owned()],
        };
        let found = differing(&pod).unwrap();
        assert_eq!((found.object.as_str(), found.problem.as_str()), ("default/web", "a; b"));
        assert_eq!(found.fix, "kubectl delete pod -n default web");
        let nameless = differing(&Checked { pod: None, ..pod.clone() }).unwrap();
        assert_eq!(nameless.fix, "podnet check --network net");
        let switch = vec!["net/ipv4/ip_forward: wanted 1, found 0".to_owned()];
        assert_eq!(differing(&Checked { differences: switch, ..pod.clone() }), None);
        assert_eq!(differing(&Checked { differences: Vec::new(), ..pod }), None);
    }
}
