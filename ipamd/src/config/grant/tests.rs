use super::*;

const LEAST: &str = "mode: vnet\nsubnets: [{name: pods, cidr: 10.241.0.0/16}]\n";

fn problems(text: &str) -> Vec<String> {
    GrantConfig::parse(text).unwrap_err().iter().map(Problem::to_string).collect()
}

#[test]
fn mode_and_subnets_are_enough() {
    let config = GrantConfig::parse(LEAST).unwrap();
    assert_eq!(config.metrics, Some("127.0.0.1:10093".parse().unwrap()));
    assert_eq!((config.lease, config.settings.rest), (Duration::from_secs(15), Duration::from_mins(1)));
    let scaler = Scaler { batch: 16, request_percent: 50, release_percent: 150, max: 250 };
    assert_eq!(config.settings.scaler, scaler);
    assert_eq!(config.settings.subnets[0].capacity(), 65_534);
}

#[test]
fn blocks_have_the_usual_size_where_none_is_said() {
    let config = |text: &str| GrantConfig::parse(text).unwrap().settings;
    let overlay =
        config("{mode: overlay, subnets: [{name: a, cidr: 10.244.0.0/16}, {name: b, cidr: 'fd00::/48'}]}");
    let capacities: Vec<u32> = overlay.subnets.iter().map(Subnet::capacity).collect();
    assert_eq!((overlay.blocks, capacities), (1, vec![256, 65_536]));
    let blocks = config(
        "{mode: vnetblock, subnets: [{name: a, cidr: 10.0.0.0/16, gateway: 10.0.0.1}], scaler: {maxIPs: 50}}",
    );
    assert_eq!((blocks.blocks, blocks.subnets[0].capacity()), (4, 4095));
}

#[test]
fn every_problem_is_named_with_its_line_and_member() {
    let text = "\
mode: overlay
leaseDuration: 1s
blocksPerNode: 2
scaler: {batchSize: 300, releaseThresholdPercent: 120}
subnets:
- {name: a, cidr: 10.244.0.0/16, gateway: 10.245.0.1}
- {name: a, cidr: 10.246.0.0/16, excluded: [10.247.0.1]}
- {name: B_, cidr: 10.244.128.1/17}
- {name: c, cidr: 10.244.128.0/17}
- {name: d, cidr: 10.248.0.0/28}
- {name: e, cidr: 10.249.0.0/24, excluded: [10.249.0.9], blocks: 3}
- {}
";
    assert_eq!(
        problems(text),
        [
            "blocksPerNode: only mode vnetblock has several blocks a node",
            "line 2: leaseDuration: 1s is less than 3s",
            "line 4: scaler.batchSize: 300 is more than maxIPs, 250",
            "line 4: scaler.releaseThresholdPercent: 120 is less than 150",
            "line 6: subnets[0].gateway: 10.245.0.1 is not in 10.244.0.0/16",
            "line 7: subnets[1].excluded[0]: 10.247.0.1/32 is not in 10.246.0.0/16",
            "line 7: subnets[1]: a (10.246.0.0/16) has the name of a (10.244.0.0/16)",
            "line 8: subnets[2].name: \"B_\" is no name of lower-case letters, digits and dashes, 63 at most",
            "line 8: subnets[2].cidr: 10.244.128.1/17 has host bits set: the network is 10.244.128.0/17",
            "line 9: subnets[3]: c (10.244.128.0/17) overlaps a (10.244.0.0/16)",
            "line 10: subnets[4].block: a /24 does not fit into 10.248.0.0/28: blocks of /28 to /32 do",
            "line 11: subnets[5].blocks: unknown; known here: name, cidr, gateway, block, excluded",
            "line 12: subnets[6].name: is missing",
            "line 12: subnets[6].cidr: is missing",
        ]
    );
    assert_eq!(problems("{}"), ["line 1: mode: is missing: one of vnet, vnetblock, overlay"]);
    assert!(
        problems("mode: vnet\nsubnets: [{name: a, cidr: 10.0.0.0/24, block: 28}]")[0].contains("no blocks")
    );
    assert!(
        problems("mode: overlay\nsubnets: [{name: a, cidr: 10.0.0.0/24, excluded: [10.0.0.9]}]")[0]
            .contains("nothing")
    );
}

#[test]
fn the_example_is_good() {
    let example = include_str!("../../../../conf/ipamd/grant.yaml");
    let config = GrantConfig::parse(example).unwrap();
    assert_eq!(config.settings.subnets[0].capacity(), 65_536 - 5 - 255 + 1 - 1);
    let more: String = example
        .lines()
        .map(|line| line.strip_prefix("# - ").map_or(line.to_owned(), |it| format!("- {it}")) + "\n")
        .collect();
    assert_eq!(GrantConfig::parse(&more).unwrap().settings.subnets.len(), 2);
}
