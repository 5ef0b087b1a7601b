use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LEAST: &str = "source: {kind: static, subnet: 10.224.0.0/16, ranges: [10.224.1.0/24]}\n";

fn problems(text: &str) -> Vec<String> {
    Config::parse(text).unwrap_err().iter().map(Problem::to_string).collect()
}

#[test]
fn everything_but_the_source_has_a_default() {
    let config = Config::parse(LEAST).unwrap();
    assert_eq!(config.state, Path::new("/run/podnet"));
    assert_eq!(config.listen.socket, Path::new("/run/podnet/ipamd.sock"));
    assert_eq!((config.listen.http, config.metrics), (None, Some("127.0.0.1:10092".parse().unwrap())));
    assert_eq!(config.pool, Pool::default());
    assert_eq!(config.conflist, None);
}

#[test]
fn off_is_off_with_quotes_and_without() {
    for text in ["off", "'off'", "\"off\""] {
        assert_eq!(Config::parse(&format!("metrics: {text}\n{LEAST}")).unwrap().metrics, None, "{text}");
    }
}

#[test]
fn json_is_read_too_and_so_is_every_member() {
    let config = Config::parse(
        r#"{"state": "/s", "metrics": "off",
            "listen": {"socket": "/s/sock", "http": "127.0.0.1:10090", "allowUids": [1000]},
            "source": {"kind": "imds", "url": "http://127.0.0.1:1/x", "fastest": "1s", "slowest": "2s"},
            "pool": {"coolDown": "1m30s", "maxIPs": 30, "batchSize": 8, "requestThresholdPercent": 25,
                     "releaseThresholdPercent": 200, "warmIPTarget": 2, "minimumIPTarget": 5},
            "conflist": {"path": "/etc/cni/net.d/10-podnet.conflist", "template": "vnet-transparent"}}"#,
    )
    .unwrap();
    let poll = Poll {
        url: "http://127.0.0.1:1/x".to_owned(),
        fastest: Duration::from_secs(1),
        slowest: Duration::from_secs(2),
    };
    assert_eq!(config.source, Source::Imds(poll));
    assert_eq!(config.listen.allow_uids, [1000]);
    assert_eq!(config.pool.cool_down, Duration::from_secs(90));
    assert_eq!((config.pool.warm, config.pool.minimum), (Some(2), Some(5)));
    assert_eq!((config.state.as_path(), config.metrics), (Path::new("/s"), None));
}

#[test]
fn every_problem_is_named_with_its_line_and_member() {
    let text = "\
state: run
listen:
  http: 0.0.0.0:10090
  sockt: /run/x
pool:
  coolDown: 30
  maxIPs: 0
source:
  kind: static
  subnet: 10.224.0.0/16
  gateway: 10.224.0.1
  nodeIP: 10.224.0.4
  ranges:
  - 10.224.1.0/24
  - 10.224.1.0/25
  - 10.224.2.1/24
  - 10.224.0.0/29
conflist: {path: /etc/cni/net.d/x, template: calico}
";
    assert_eq!(
        problems(text),
        [
            "line 1: state: run is no absolute path",
            "line 3: listen.http: 0.0.0.0 is no loopback address: whoever reaches it could take and free pods' \
             addresses",
            "line 4: listen.sockt: unknown; known here: socket, http, allowUids",
            "line 6: pool.coolDown: 30 is no duration: it needs a unit, as in 30s or 5m",
            "line 7: pool.maxIPs: 0 is too small",
            "line 15: source.ranges[1]: range 10.224.1.0/25 overlaps range 10.224.1.0/24",
            "line 16: source.ranges[2]: \"10.224.2.1/24\" has host bits set: the network is 10.224.2.0/24"
                .replace('"', "")
                .as_str(),
            "line 17: source.ranges[3]: range 10.224.0.0/29 contains the gateway 10.224.0.1",
            "line 18: conflist.path: /etc/cni/net.d/x does not end in .conflist: no container runtime would read it",
            "line 18: conflist.template: there is no template \"calico\", only vnet-transparent, vnet-bridge, kubenet, \
             kubenet-host-local",
        ]
    );
}

#[test]
fn what_is_no_document_is_named_with_its_line() {
    let open = problems("state: /a\nlisten: {\n");
    assert!(open.len() == 1 && open[0].contains(": is neither YAML nor JSON: "), "{open:?}");
    let twice = problems("state: /a\nstate: /b\n");
    assert!(twice[0].starts_with("line 2"), "{twice:?}");
    assert!(problems("- a\n").contains(&"line 1: a list is no map".to_owned()));
    assert_eq!(problems(""), ["source: is missing: it says where the node's addresses come from"]);
}

#[test]
fn a_node_of_both_families_names_both_subnets() {
    let config = Config::parse(
        "source: {kind: static, subnet: 10.1.0.0/16, subnetV6: 'fd00::/64', nodeIP: 10.1.0.4,
                  ranges: [10.1.1.0/24, 'fd00::1:0/112'], addresses: [10.1.2.3]}",
    )
    .unwrap();
    let Source::Static(inventory) = config.source else { panic!("{:?}", config.source) };
    let blocks: Vec<_> = inventory.networks.iter().map(|network| network.blocks.len()).collect();
    assert_eq!(blocks, [2, 1]);
    let missing = problems("source: {kind: static, subnet: 10.1.0.0/16, ranges: ['fd00::/64']}");
    assert_eq!(missing, ["line 1: source.ranges[0]: fd00::/64 has no subnet of its family"]);
}

#[test]
fn a_range_with_the_nodes_own_address_is_refused() {
    let text = "source: {kind: static, subnet: 10.1.0.0/16, nodeIP: 10.1.1.4, ranges: [10.1.1.0/24]}";
    assert_eq!(
        problems(text),
        ["line 1: source.ranges[0]: range 10.1.1.0/24 contains the node's own address 10.1.1.4"]
    );
}

#[test]
fn pods_get_the_whole_of_a_range_only_where_it_is_the_nodes() {
    let conflist = "conflist: {path: /a.conflist, template: kubenet-host-local}\n";
    assert!(
        problems(&format!("{LEAST}{conflist}"))[0]
            .starts_with("line 2: conflist.template: kubenet-host-local")
    );
    let config = Config::parse(&format!("source: {{kind: podCIDR}}\n{conflist}")).unwrap();
    assert_eq!(config.source, Source::PodCidr(Addresses { file: None, node: None }));
}

#[test]
fn the_way_to_the_api_server_is_read() {
    let config = Config::parse(&format!("{LEAST}kubernetes: {{kubeconfig: /k, node: n1}}")).unwrap();
    let expected = Kubernetes { kubeconfig: Some("/k".into()), node: Some("n1".to_owned()) };
    assert_eq!(config.kubernetes, expected);
    assert_eq!(Config::parse(LEAST).unwrap().kubernetes, Kubernetes::default());
    assert_eq!(
        problems(&format!("{LEAST}kubernetes: {{kubeconfig: k}}")),
        ["line 2: kubernetes.kubeconfig: k is no absolute path"]
    );
}

#[test]
fn thresholds_must_leave_room() {
    let text = format!("{LEAST}pool: {{requestThresholdPercent: 100, releaseThresholdPercent: 150}}\n");
    assert!(problems(&text)[0].contains("at least 200 is needed"));
}

#[test]
fn what_is_kept_on_the_node_is_asked_for_by_name() {
    assert_eq!(Config::parse(LEAST).unwrap().node_rules, NodeRules::default());
    let text = "
source: {kind: static, subnet: 10.224.0.0/16, nodeIP: 10.224.0.4, ranges: [10.224.1.0/24]}
nodeRules: {snat: [azureDNS, imds, imds], block: [wireserver], subnetRoute: true}
";
    let expected = NodeRules {
        snat: vec![Snat::Imds, Snat::AzureDns],
        block: vec![Blocked::Wireserver],
        subnet_route: true,
    };
    assert_eq!(Config::parse(text).unwrap().node_rules, expected);
    let text = format!("{LEAST}nodeRules:\n  snat: [imds, dns]\n  block: [azureDNS]\n  subnetRoute: 1\n");
    assert_eq!(
        problems(&text),
        [
            "line 3: nodeRules.snat[1]: there is no service \"dns\", only imds and azureDNS",
            "line 3: nodeRules.snat: needs the node's own address, and source.nodeIP names none",
            "line 4: nodeRules.block[0]: there is no service \"azureDNS\", only wireserver and imds",
            "line 5: nodeRules.subnetRoute: 1 is neither true nor false",
        ]
    );
}

#[test]
fn ranges_that_overlap_are_named_both() {
    let with = |ranges: &str| format!("{LEAST}ranges: {ranges}\n");
    let config =
        Config::parse(&with("{service: [10.0.0.0/16, 'fd00::/108'], vnet: [10.224.0.0/12]}")).unwrap();
    assert_eq!((config.ranges.service.len(), config.ranges.vnet.len()), (2, 1));
    for (ranges, expected) in [
        ("{service: [10.224.0.0/24]}", "pod range 10.224.0.0/16 overlaps service range 10.224.0.0/24"),
        (
            "{service: [10.0.0.0/8], vnet: [10.224.0.0/12]}",
            "service range 10.0.0.0/8 overlaps VNet range 10.224.0.0/12",
        ),
        ("{vnet: [10.224.4.0/24]}", "pod range 10.224.0.0/16 overlaps VNet range 10.224.4.0/24"),
    ] {
        assert_eq!(problems(&with(ranges)), [format!("line 2: ranges: {expected}")], "{ranges}");
    }
    let overlay = "source: {kind: static, subnet: 10.224.0.0/16, overlay: true, ranges: [10.224.1.0/24]}
ranges: {vnet: [10.224.0.0/12]}";
    assert_eq!(
        problems(overlay),
        ["line 2: ranges: pod range 10.224.0.0/16 overlaps VNet range 10.224.0.0/12"]
    );
    assert_eq!(
        problems(&with("{service: [10.0.0.1/16], pods: []}")),
        [
            "line 2: ranges.service[0]: 10.0.0.1/16 has host bits set: the network is 10.0.0.0/16",
            "line 2: ranges.pods: unknown; known here: service, vnet"
        ]
    );
}

#[test]
fn who_makes_the_routes_is_one_word() {
    let routes = |word: &str| Config::parse(&format!("{LEAST}routes: {word}\n"));
    assert_eq!(Config::parse(LEAST).unwrap().routes, None);
    assert_eq!(routes("cloud").unwrap().routes, Some(Routes::Cloud));
    assert_eq!(routes("host-gw").unwrap().routes, Some(Routes::HostGw));
    for (wrong, says) in [
        ("hostgw", "nobody called \"hostgw\" makes routes, only cloud and host-gw"),
        ("{kind: cloud}", "a map is no text"),
        ("[cloud]", "a list is no text"),
    ] {
        let problems = routes(wrong).unwrap_err();
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, [format!("line 2: routes: {says}")]);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_its_problems(text in "[ -~\n\t]{0,200}|(source|pool|listen|kind|static|: |\n|- |\\{|\\}|,|10\\.1\\.0\\.0/16){0,30}") {
        if let Err(problems) = Config::parse(&text) {
            prop_assert!(!problems.is_empty());
        }
    }
}
