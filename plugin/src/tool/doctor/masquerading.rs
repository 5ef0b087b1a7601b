//! The ip-masq agent beside networks that masquerade by themselves, and ranges that it does not exempt, or exempts all.
//!
//! The agent is asked, over its own endpoint on this node, which ranges are in force: its files are in its container.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ipnet::IpNet;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;

/// Where `podnet-masq-agent` serves its metrics, unless its flag says otherwise.
const AGENT: ([u8; 4], u16) = ([127, 0, 0, 1], 10094);
/// The time that it has for each step: it is on this node.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of its answer that are read: tens of thousands of ranges.
const ENOUGH: u64 = 4 << 20;
/// The metric that names each range.
const RANGE: &str = "podnet_masq_range{cidr=\"";

/// A network, as far as masquerading goes.
struct Pods<'a> {
    network: &'a str,
    file: &'a str,
    subnets: Vec<IpNet>,
    masquerades: bool,
}

/// Asks the agent; without one there is nothing to be wrong with it.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let Ok(answer) = ask(AGENT.into()) else { return Vec::new() };
    let Some(exempt) = exempt(&answer) else { return Vec::new() };
    let files: Vec<_> = node.networks.iter().map(|network| network.file.display().to_string()).collect();
    let pods = node.networks.iter().zip(&files).filter_map(|(network, file)| {
        let masquerades = network.settings.as_ref()?.mode.pod().ip_masq;
        Some(Pods { network: &network.name, file, subnets: network.subnets().collect(), masquerades })
    });
    findings(&exempt, &pods.collect::<Vec<_>>(), &node.cidrs.pods)
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ENOUGH).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The ranges that the agent exempts; none: it is another program that answered.
fn exempt(answer: &str) -> Option<Vec<IpNet>> {
    let range = |line: &str| line.strip_prefix(RANGE)?.split('"').next()?.parse().ok();
    answer.contains("podnet_masq_syncs_total").then(|| answer.lines().filter_map(range).collect())
}

fn findings(exempt: &[IpNet], networks: &[Pods<'_>], pod_cidrs: &[IpNet]) -> Vec<Finding> {
    let exempt = IpNet::aggregate(&exempt.to_vec());
    let is_exempt = |range: &IpNet| exempt.iter().any(|outer| outer.contains(range));
    let mut found: Vec<Finding> = networks.iter().filter(|pods| pods.masquerades).map(both).collect();
    let keeping: Vec<_> = networks.iter().filter(|pods| !pods.masquerades).collect();
    if keeping.is_empty() {
        return found;
    }
    // The cluster's ranges, where they were said; this node's alone is better than nothing.
    let own: Vec<IpNet> = keeping.iter().flat_map(|pods| &pods.subnets).copied().collect();
    let cidrs = if pod_cidrs.is_empty() { &own } else { pod_cidrs };
    found.extend(cidrs.iter().filter(|cidr| !is_exempt(cidr)).map(missing));
    let all = exempt.iter().filter(|range| range.prefix_len() == 0);
    found.extend(all.map(exempts_all));
    found
}

fn both(pods: &Pods<'_>) -> Finding {
    let file = quoted(pods.file);
    Finding {
        severity: Severity::Warning,
        check: "masquerading",
        object: format!("network {}", pods.network),
        problem: "it masquerades its pods (ipMasq), and podnet-masq-agent is at work".to_owned(),
        why: "what the agent exempts gets the node's address all the same".to_owned(),
        fix: format!(
            "sed -i 's/\"ipMasq\": *true/\"ipMasq\": false/' {file}    # pods that are there keep theirs until they go"
        ),
    }
}

fn missing(cidr: &IpNet) -> Finding {
    Finding {
        severity: Severity::Warning,
        check: "masquerading",
        object: format!("pod CIDR {cidr}"),
        problem: "it is not among the nonMasqueradeCIDRs of podnet-masq-agent".to_owned(),
        why: "pods of other nodes see the node's address instead of the pod's; network policies refuse it"
            .to_owned(),
        fix: format!("kubectl -n kube-system edit configmap ip-masq-agent-config    # add {cidr}"),
    }
}

fn exempts_all(range: &IpNet) -> Finding {
    Finding {
        severity: Severity::Notice,
        check: "masquerading",
        object: format!("range {range}"),
        problem: "podnet-masq-agent exempts every address".to_owned(),
        why: "pods leave with their own addresses, which are answered only where the network has routes for them"
            .to_owned(),
        fix: format!("kubectl -n kube-system edit configmap ip-masq-agent-config    # take {range} out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn objects(exempt: &[&str], masquerades: bool, pod_cidrs: &[&str]) -> Vec<String> {
        let subnets = nets(&["10.244.1.0/24"]);
        let pods = Pods { network: "net", file: "/a.conflist", subnets, masquerades };
        let found = findings(&nets(exempt), &[pods], &nets(pod_cidrs));
        found.into_iter().map(|finding| finding.object).collect()
    }

    #[test]
    fn what_the_network_does_by_itself_is_not_the_agents() {
        assert_eq!(objects(&["10.0.0.0/8"], true, &[]), ["network net"]);
        assert!(objects(&["10.0.0.0/8"], false, &[]).is_empty());
    }

    #[test]
    fn pods_ranges_have_to_be_exempt_as_a_whole() {
        assert_eq!(objects(&["172.16.0.0/12"], false, &[]), ["pod CIDR 10.244.1.0/24"]);
        assert_eq!(objects(&["10.244.1.0/24"], false, &["10.244.0.0/16"]), ["pod CIDR 10.244.0.0/16"]);
        assert!(objects(&["10.0.0.0/9", "10.128.0.0/9"], false, &["10.0.0.0/8"]).is_empty());
    }

    #[test]
    fn exempting_everything_is_told() {
        assert_eq!(objects(&["0.0.0.0/0"], false, &[]), ["range 0.0.0.0/0"]);
    }

    #[test]
    fn only_the_agents_answer_counts() {
        let answer = "podnet_masq_syncs_total 3\npodnet_masq_range{cidr=\"10.0.0.0/8\"} 1\n";
        assert_eq!(exempt(answer), Some(nets(&["10.0.0.0/8"])));
        assert_eq!(exempt("podnet_masq_range{cidr=\"10.0.0.0/8\"} 1\n"), None);
    }
}
