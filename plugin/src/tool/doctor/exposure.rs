//! What pods can reach or pretend and perhaps should not: `antiSpoofing`, `blockWireserver`, `blockIMDS` of the design, none of
//! which mode kubenet closes.

use super::finding::{Finding, Severity};
use super::node::Node;

/// Azure's platform endpoint, with the ports of its host agent; and the metadata service that clouds have.
const WIRESERVER: &str = "168.63.129.16";
const WIRESERVER_PORTS: &str = "80,32526";
const METADATA: &str = "169.254.169.254";

/// Names what is open in every network of podnet's.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let ours = node.networks.iter().filter_map(|network| Some((network, network.settings.as_ref()?)));
    let of_network = |(network, settings): (&super::node::Network, &crate::settings::Settings)| {
        findings(&network.name, settings.kubenet.bridge.as_str(), &network.subnets)
    };
    ours.flat_map(of_network).collect()
}

fn findings(network: &str, bridge: &str, subnets: &[ipnet::IpNet]) -> Vec<Finding> {
    let finding = |problem: String, why: &str, rule: String| Finding {
        severity: Severity::Notice,
        check: "exposure",
        object: format!("network {network}"),
        problem,
        why: why.to_owned(),
        fix: format!("iptables -I FORWARD -i {bridge} {rule} -j DROP"),
    };
    let mut found = vec![
        finding(
            format!("pods reach the metadata service {METADATA}"),
            "in a cloud it gives tokens of the node's identity to whoever asks",
            format!("-d {METADATA}"),
        ),
        finding(
            format!("pods reach Azure's wireserver {WIRESERVER}"),
            "on Azure it gives the node's certificates and settings to whoever asks",
            format!("-d {WIRESERVER} -p tcp -m multiport --dports {WIRESERVER_PORTS}"),
        ),
    ];
    let ipv4: Vec<_> = subnets.iter().filter(|subnet| subnet.addr().is_ipv4()).collect();
    if let [subnet] = ipv4.as_slice() {
        found.push(finding(
            "pods may send from any address".to_owned(),
            "a pod can pretend to be another machine to whoever trusts addresses",
            format!("! -s {subnet}"),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_a_notice_with_the_rule_that_closes_it() {
        let found = findings("net", "cbr0", &["10.0.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()]);
        assert!(found.iter().all(|finding| finding.severity == Severity::Notice));
        let fixes: Vec<_> = found.iter().map(|finding| finding.fix.as_str()).collect();
        assert_eq!(
            fixes,
            [
                "iptables -I FORWARD -i cbr0 -d 169.254.169.254 -j DROP",
                "iptables -I FORWARD -i cbr0 -d 168.63.129.16 -p tcp -m multiport --dports 80,32526 -j DROP",
                "iptables -I FORWARD -i cbr0 ! -s 10.0.0.0/24 -j DROP",
            ]
        );
    }
}
