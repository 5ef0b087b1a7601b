//! Each recorded exchange, one after the other, and what cannot be recorded because it depends on the pool's size.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::http;
use crate::pattern::{Bindings, filled, matches};
use crate::server::Server;

const RECORDED: &str = include_str!("recorded.txt");

/// More addresses than the server of a test has.
const MANY: usize = 300;

/// A request and its answer.
#[derive(Default)]
struct Exchange<'r> {
    name: &'r str,
    sent: Vec<&'r str>,
    answered: Vec<&'r str>,
}

fn exchanges() -> Vec<Exchange<'static>> {
    let mut exchanges: Vec<Exchange<'static>> = Vec::new();
    for line in RECORDED.lines() {
        match line.split_once(' ') {
            Some(("==", name)) => exchanges.push(Exchange { name, ..Exchange::default() }),
            Some((">", text)) => exchanges.last_mut().unwrap().sent.push(text),
            Some(("<", text)) => exchanges.last_mut().unwrap().answered.push(text),
            _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
        }
    }
    exchanges
}

#[test]
fn every_recorded_request_is_answered_as_recorded() {
    let server = Server::of_tests();
    let mut bindings = Bindings::new();
    for exchange in exchanges() {
        let (method, path) = exchange.sent[0].split_once(' ').unwrap();
        let body = filled(exchange.sent.get(1).unwrap_or(&""), &bindings);
        let answer = http::call(server.authority(), method, path, &body).unwrap();
        let (status, code) = exchange.answered[0].split_once(' ').unwrap();
        assert_eq!(answer.status.to_string(), status, "{}: {}", exchange.name, answer.body);
        if code != "-" {
            assert_eq!(answer.header("Cns_return_code"), code, "{}: {}", exchange.name, answer.body);
        }
        if status == "200" {
            assert_eq!(answer.header("Content-Type"), "application/json; charset=UTF-8", "{}", exchange.name);
        }
        matches(exchange.answered[1], answer.body.trim_end(), &mut bindings)
            .unwrap_or_else(|difference| panic!("{}:\n{difference}", exchange.name));
    }
    assert_ne!(bindings["a"], bindings["b"], "two pods have one address");
}

fn request(container: &str) -> String {
    json!({"podInterfaceID": container, "infraContainerID": container, "ifname": "eth0",
        "orchestratorContext": {"podName": container, "podNamespace": "contract"}})
    .to_string()
}

#[test]
fn an_exhausted_pool_answers_32_with_one_empty_element() {
    let server = Server::of_tests();
    let ask = |path: &str, container: &str| {
        http::call(server.authority(), "POST", path, &request(container)).unwrap()
    };
    let mut given = BTreeSet::new();
    let mut pods = Vec::new();
    let refusal = loop {
        assert!(pods.len() < MANY, "the pool has no end");
        pods.push(format!("{:016x}", 0xface_0000 + pods.len()));
        let answer = ask("/network/requestipconfigs", pods.last().unwrap());
        let reply: Value = serde_json::from_str(&answer.body).unwrap();
        if reply["response"]["ReturnCode"] != 0 {
            break answer;
        }
        let address = reply["podIPInfo"][0]["PodIPConfig"]["IPAddress"].as_str().unwrap().to_owned();
        assert!(given.insert(address.clone()), "{address} was given twice");
    };
    let wanted = concat!(
        r#"{"podIPInfo":[{"PodIPConfig":{"IPAddress":"","PrefixLength":0},<<*>>}],"#,
        r#""response":{"ReturnCode":32,"Message":"<<*>>"}}"#
    );
    assert_eq!((refusal.status, refusal.header("Cns_return_code")), (200, "FailedToAllocateIpConfig"));
    matches(wanted, refusal.body.trim_end(), &mut Bindings::new()).unwrap();
    assert!(!given.is_empty(), "the pool was empty from the beginning");
    for pod in &pods {
        assert_eq!(ask("/network/releaseipconfigs", pod).header("Cns_return_code"), "Success");
    }
}
