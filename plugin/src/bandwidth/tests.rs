use podnet_cni::json::decode;
use serde_json::{Value, json};

use super::*;

fn members(value: &Value) -> Members {
    decode(value).unwrap()
}

fn runtime(value: &Value) -> Result<Bandwidth, ConfigError> {
    Bandwidth::check(&Members::default(), Some(&members(value)), &Annotations::default())
}

fn annotated(value: &Value) -> Result<Bandwidth, ConfigError> {
    Bandwidth::check(&Members::default(), None, &decode(value).unwrap())
}

fn limit(rate: u64, burst: Option<u32>) -> Limit {
    Limit { rate, burst }
}

#[test]
fn containerds_and_crios_spellings_mean_the_same() {
    let go = json!({"IngressRate": 10_000_000, "IngressBurst": 4_294_967_295_u64, "EgressRate": 20_000_000,
        "EgressBurst": 80_000});
    let camel = json!({"ingressRate": 10_000_000, "ingressBurst": 4_294_967_295_u64, "egressRate": 20_000_000,
        "egressBurst": 80_000});
    let expected = Bandwidth {
        ingress: Some(limit(10_000_000, None)),
        egress: Some(limit(20_000_000, Some(80_000))),
        ..Bandwidth::default()
    };
    assert_eq!(runtime(&go).unwrap(), expected);
    assert_eq!(runtime(&camel).unwrap(), expected);
}

#[test]
fn the_first_place_that_says_anything_wins_whole() {
    let configured = members(&json!({"egressRate": 8_000, "egressBurst": 80_000}));
    let passed = members(&json!({"ingressRate": 16_000, "ingressBurst": 80_000}));
    let annotations: Annotations = decode(&json!({"kubernetes.io/ingress-bandwidth": "32k"})).unwrap();
    let nothing = Members::default();
    let check = |configured, passed| Bandwidth::check(configured, passed, &annotations).unwrap();
    let rates = |bandwidth: Bandwidth| {
        (bandwidth.ingress.map(|limit| limit.rate), bandwidth.egress.map(|limit| limit.rate))
    };
    assert_eq!(rates(check(&configured, Some(&passed))), (None, Some(8_000)));
    assert_eq!(rates(check(&nothing, Some(&passed))), (Some(16_000), None));
    assert_eq!(rates(check(&nothing, None)), (Some(32_000), None));
}

#[test]
fn no_rate_is_no_limit() {
    for value in [
        json!({}),
        json!({"ingressRate": 0, "ingressBurst": 0, "egressRate": null}),
        json!({"egressRate": 0, "egressBurst": 4_294_967_295_u64}),
    ] {
        let bandwidth = runtime(&value).unwrap();
        assert!(bandwidth.is_unlimited() && !bandwidth.limits_egress(), "{value}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (value, words) in [
        (
            json!({"ingressRate": 8000}),
            "runtimeConfig.bandwidth.ingressRate: 8000 is not valid: a rate needs",
        ),
        (
            json!({"egressBurst": 8000}),
            "runtimeConfig.bandwidth.egressBurst: 8000 is not valid: a burst needs",
        ),
        (json!({"egressRate": 0, "egressBurst": 8}), "runtimeConfig.bandwidth.egressBurst: 8 "),
        (json!({"ingressRate": 7, "ingressBurst": 8}), "runtimeConfig.bandwidth.ingressRate: 7 "),
        (
            json!({"ingressRate": 8000, "ingressBurst": 4_294_967_296_u64}),
            "runtimeConfig.bandwidth.ingressBurst: 4294967296 ",
        ),
    ] {
        let error = runtime(&value).unwrap_err().to_string();
        assert!(error.starts_with(words), "{value}: {error}");
    }
    let error = Bandwidth::check(&members(&json!({"egressRate": 9})), None, &Annotations::default());
    assert!(error.unwrap_err().to_string().starts_with("egressRate: 9 "));
}

#[test]
fn annotations_are_quantities_from_1k_to_1p() {
    let ingress = |text: &str| annotated(&json!({"kubernetes.io/ingress-bandwidth": text, "other": 1}));
    assert_eq!(ingress("10M").unwrap().ingress, Some(limit(10_000_000, None)));
    assert_eq!(ingress("1k").unwrap().ingress, Some(limit(1_000, None)));
    assert_eq!(ingress("1P").unwrap().ingress, Some(limit(1_000_000_000_000_000, None)));
    for text in ["", "10 M", "ten", "0", "999", "-10M", "1001T"] {
        let error = ingress(text).unwrap_err().to_string();
        assert!(error.starts_with("annotation kubernetes.io/ingress-bandwidth: \""), "{text}: {error}");
    }
    let egress = annotated(&json!({"kubernetes.io/egress-bandwidth": "20M"})).unwrap();
    assert_eq!((egress.ingress, egress.egress), (None, Some(limit(20_000_000, None))));
}

#[test]
fn bits_become_bytes_and_a_burst_that_was_not_given_25_milliseconds() {
    let bucket = |rate, burst| Limit { rate, burst }.bucket();
    assert_eq!(bucket(8_000_000, Some(800_000)), TokenBucket { rate: 1_000_000, burst: 100_000 });
    assert_eq!(bucket(800_000_000, None), TokenBucket { rate: 100_000_000, burst: 2_500_000 });
    assert_eq!(bucket(1_000, None), TokenBucket { rate: 125, burst: 32_768 });
    assert_eq!(bucket(u64::MAX, None).burst, u32::MAX);
}

#[test]
fn a_record_leads_back_to_the_limits() {
    for bandwidth in [
        Bandwidth::default(),
        Bandwidth { ingress: Some(limit(8, None)), egress: None, ..Bandwidth::default() },
        Bandwidth { ingress: None, egress: Some(limit(u64::MAX, Some(u32::MAX))), ..Bandwidth::default() },
    ] {
        let text = serde_json::to_string(&bandwidth).unwrap();
        assert_eq!(serde_json::from_str::<Bandwidth>(&text).unwrap(), bandwidth);
    }
}

#[test]
fn subnets_are_the_runtimes_before_the_configurations() {
    let configured = members(&json!({"unshapedSubnets": ["10.0.0.0/8", "fd00::/8"]}));
    let rate = json!({"ingressRate": 16_000, "ingressBurst": 80_000});
    let check = |passed: Value| {
        let bandwidth =
            Bandwidth::check(&configured, Some(&members(&passed)), &Annotations::default()).unwrap();
        bandwidth.plan().peers
    };
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(check(rate.clone()), podnet_datapath::Peers::AllBut(nets(&["10.0.0.0/8", "fd00::/8"])));
    let mut asked = rate;
    asked["ShapedSubnets"] = json!(["192.0.2.0/24"]);
    assert_eq!(check(asked), podnet_datapath::Peers::Only(nets(&["192.0.2.0/24"])));
    assert_eq!(check(json!({})), podnet_datapath::Peers::All, "without a limit there is nothing to choose");
}

#[test]
fn both_lists_and_what_is_no_subnet_are_refused() {
    for (value, words) in [
        (
            json!({"shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["fd00::/8"]}),
            "unshapedSubnets: \"fd00::/8\"",
        ),
        (json!({"shapedSubnets": ["10.0.0.0/8", "10.0.0.1"]}), "shapedSubnets[1]: \"10.0.0.1\""),
        (json!({"unshapedSubnets": ["10.0.0.0/33"]}), "unshapedSubnets[0]: \"10.0.0.0/33\""),
    ] {
        let error =
            Bandwidth::check(&members(&value), None, &Annotations::default()).unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn a_record_keeps_the_subnets() {
    let value = json!({"egressRate": 16_000, "egressBurst": 80_000, "shapedSubnets": ["10.0.0.0/8"]});
    let bandwidth = Bandwidth::check(&members(&value), None, &Annotations::default()).unwrap();
    let record = serde_json::to_value(&bandwidth).unwrap();
    assert_eq!(record["shapedSubnets"], json!(["10.0.0.0/8"]));
    assert_eq!(serde_json::from_value::<Bandwidth>(record).unwrap(), bandwidth);
}
