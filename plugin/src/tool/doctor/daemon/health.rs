//! What a daemon that answers says is wrong.

use podnet_ipam_api::debug::{Findings, Health, Missing, RoutesStatus};

use crate::tool::doctor::finding::Severity;

/// How bad it is, what is wrong, what that does to pods.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ailment(pub Severity, pub String, pub &'static str);

/// All that is wrong, the worst of each kind first.
pub(super) fn ailments(health: &Health) -> Vec<Ailment> {
    let unready = health.not_ready.as_ref().map(|reason| {
        Ailment(Severity::Error, format!("it is not ready: {reason}"), "the next pod gets no address")
    });
    let rules = health.node_rules.as_ref().and_then(|rules| rules.error.as_ref()).map(|error| {
        let why = "pods may not reach the metadata service and Azure's DNS server, or what is closed to them";
        Ailment(Severity::Error, format!("table inet podnet-node: {error}"), why)
    });
    let subnets = health.subnet_routes.as_ref().and_then(|routes| routes.error.as_ref()).map(|error| {
        let problem = format!("routes to the pods' subnets: {error}");
        Ailment(Severity::Warning, problem, "pods of other nodes are asked for elsewhere")
    });
    let node = unready.into_iter().chain(rules).chain(subnets);
    let routes = health.routes.iter().flat_map(of_routes);
    node.chain(routes).chain(health.reconciliation.iter().flat_map(of_pool)).collect()
}

/// Of the routes to other nodes' pods.
fn of_routes(routes: &RoutesStatus) -> Vec<Ailment> {
    let RoutesStatus { kind, awaits, refused, cluster_error, kernel_error, condition_error, .. } = routes;
    let ailment = |severity, says: &str, why| Ailment(severity, format!("routes {kind}: {says}"), why);
    let awaits = awaits.as_ref().map(|awaits| {
        let why = "the node has no routes to other nodes' pods until then";
        ailment(Severity::Error, &format!("waiting for {awaits}"), why)
    });
    let kernel = kernel_error
        .as_ref()
        .map(|error| ailment(Severity::Error, error, "pods of some other nodes are not reached"));
    let cluster = cluster_error
        .as_ref()
        .map(|error| ailment(Severity::Warning, error, "nodes that come or change now are not reached"));
    let condition = condition_error.as_ref().map(|error| {
        ailment(Severity::Warning, error, "the node may not be given pods: it still says NetworkUnavailable")
    });
    // There may be thousands, of one cause.
    let refused = refused.first().map(|first| {
        let more =
            if refused.len() > 1 { format!(" (and {} more)", refused.len() - 1) } else { String::new() };
        ailment(Severity::Warning, &format!("no route: {first}{more}"), "these pods are not reached")
    });
    [awaits, kernel, cluster, condition, refused].into_iter().flatten().collect()
}

/// Of the pool, held against the node.
fn of_pool(findings: &Findings) -> Vec<Ailment> {
    let conflict = |says: &String| {
        let why = "what is sent to this address may reach another than it is meant for";
        Ailment(Severity::Warning, says.clone(), why)
    };
    let missing = |missing: &Missing| {
        let addresses: Vec<String> = missing.addresses.iter().map(ToString::to_string).collect();
        let Missing { container, released_in_seconds: seconds, .. } = missing;
        let problem = format!("no sign of life of {container} ({})", addresses.join(", "));
        Ailment(
            Severity::Warning,
            format!("{problem}: released in {seconds} s"),
            "its addresses are no other pod's until then",
        )
    };
    findings.conflicts.iter().map(conflict).chain(findings.missing.iter().map(missing)).collect()
}

#[cfg(test)]
mod tests {
    use podnet_ipam_api::debug::Upkeep;

    use super::*;

    fn problems(health: &Health) -> Vec<String> {
        ailments(health).into_iter().map(|Ailment(_, problem, _)| problem).collect()
    }

    #[test]
    fn nothing_ails_a_daemon_that_is_well() {
        assert_eq!(problems(&Health::default()), Vec::<String>::new());
        let well = Health {
            node_rules: Some(Upkeep::of(None)),
            routes: Some(RoutesStatus {
                kind: "host-gw".to_owned(),
                nodes: 3,
                routes: 3,
                ..Default::default()
            }),
            reconciliation: Some(Findings { age_seconds: 3, unseen: 2, ..Findings::default() }),
            ..Health::default()
        };
        assert_eq!(problems(&well), Vec::<String>::new());
    }

    #[test]
    fn what_the_node_lacks_is_found() {
        let bad = |words: &str| Some(Upkeep::of(Some(words.to_owned())));
        let ill = Health {
            not_ready: Some("no addresses yet".to_owned()),
            node_rules: bad("nft is not in PATH"),
            subnet_routes: bad("no gateway"),
            ..Health::default()
        };
        assert_eq!(
            problems(&ill),
            [
                "it is not ready: no addresses yet",
                "table inet podnet-node: nft is not in PATH",
                "routes to the pods' subnets: no gateway"
            ]
        );
    }

    #[test]
    fn what_the_routes_lack_is_found_and_thousands_of_refusals_are_one() {
        let some = |words: &str| Some(words.to_owned());
        let routes = RoutesStatus {
            kind: "host-gw".to_owned(),
            awaits: some("the list of nodes"),
            refused: vec!["node a".to_owned(), "node b".to_owned()],
            cluster_error: some("no answer"),
            kernel_error: some("not permitted"),
            condition_error: some("forbidden"),
            ..RoutesStatus::default()
        };
        let found = ailments(&Health { routes: Some(routes), ..Health::default() });
        let found: Vec<_> =
            found.iter().map(|Ailment(severity, problem, _)| (*severity, &**problem)).collect();
        assert_eq!(
            found,
            [
                (Severity::Error, "routes host-gw: waiting for the list of nodes"),
                (Severity::Error, "routes host-gw: not permitted"),
                (Severity::Warning, "routes host-gw: no answer"),
                (Severity::Warning, "routes host-gw: forbidden"),
                (Severity::Warning, "routes host-gw: no route: node a (and 1 more)"),
            ]
        );
    }

    #[test]
    fn what_the_pool_and_the_node_disagree_on_is_found() {
        let findings = Findings {
            conflicts: vec!["10.0.0.5 is claimed by a and b".to_owned()],
            missing: vec![Missing {
                container: "c1".to_owned(),
                addresses: vec!["10.0.0.6".parse().unwrap()],
                released_in_seconds: 9,
            }],
            ..Findings::default()
        };
        assert_eq!(
            problems(&Health { reconciliation: Some(findings), ..Health::default() }),
            ["10.0.0.5 is claimed by a and b", "no sign of life of c1 (10.0.0.6): released in 9 s"]
        );
    }
}
