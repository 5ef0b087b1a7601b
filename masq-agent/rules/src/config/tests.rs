//! Files as users write them, by what upstream and Azure's agent were seen to do with them.

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::policy::Policy;

fn file(text: &str) -> File {
    let reading = read(text.as_bytes(), true);
    reading.file.unwrap_or_else(|| panic!("{text:?}: {:?}", reading.findings))
}

fn policy(texts: &[&str]) -> Policy {
    merge(texts.iter().map(|text| file(text)).collect::<Vec<_>>().iter(), false)
}

fn ranges(policy: &Policy) -> String {
    policy.ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const DEFAULTS: &str = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16";

#[test]
fn yaml_and_json_say_the_same() {
    let yaml =
        "nonMasqueradeCIDRs:\n  - 10.1.0.0/16\n  - fd00::/8\nmasqLinkLocal: true\nresyncInterval: 5m\n";
    let json = "{\n\t\"nonMasqueradeCIDRs\": [\"10.1.0.0/16\", \"fd00::/8\"],\n\t\"masqLinkLocal\": true,\n\
                \t\"resyncInterval\": \"\\u0035\\u006d\"}";
    assert_eq!(file(yaml), file(json));
    assert_eq!(file(yaml).resync_interval, Some(std::time::Duration::from_mins(5)));
}

#[test]
fn keys_match_in_any_case() {
    let capitals = "NonMasqueradeCIDRs: [10.1.0.0/16]\nMasqLinkLocal: yes\n";
    let lower = "nonmasqueradecidrs: [10.1.0.0/16]\nmasqlinklocal: true\nmasqlinklocalipv6: false\n";
    assert_eq!(file(capitals), file(lower));
    assert!(file(lower).masq_link_local);
}

#[test]
fn what_lists_nothing_means_the_defaults() {
    for text in
        ["", "# nothing\n", "{}", "null", "---\n", "masqLinkLocal: true\n", "\u{feff}", "resyncInterval: 60s"]
    {
        assert_eq!(ranges(&policy(&[text])), DEFAULTS, "{text:?}");
    }
    assert_eq!(policy(&[]), Policy::defaults(false));
    assert_eq!(merge([], true), Policy::defaults(true));
}

#[test]
fn an_explicit_empty_list_exempts_nothing_and_warns() {
    for text in ["nonMasqueradeCIDRs:\n", "nonMasqueradeCIDRs: []\n", "{\"nonMasqueradeCIDRs\": null}"] {
        assert_eq!(ranges(&policy(&[text])), "", "{text:?}");
        let findings = read(text.as_bytes(), false).findings;
        assert_eq!(findings, [Finding { line: 1, problem: Problem::NoRanges }], "{text:?}");
    }
}

#[test]
fn bom_and_crlf_and_later_documents() {
    let text = "\u{feff}nonMasqueradeCIDRs:\r\n- 10.1.0.0/16\r\n---\r\nnonMasqueradeCIDRs: [10.2.0.0/16]\r\n";
    assert_eq!(ranges(&policy(&[text])), "10.1.0.0/16");
}

#[test]
fn files_are_united() {
    let user = "nonMasqueradeCIDRs: [10.3.0.0/16, 10.1.0.0/16, 10.3.0.0/16]\nmasqLinkLocal: false\n";
    let managed = "MasqLinkLocal: true\nNonMasqueradeCIDRs: [10.1.0.0/16, 10.2.0.0/16]\nresyncInterval: 30s";
    let merged = policy(&[user, managed, "resyncInterval: 60s"]);
    assert_eq!(ranges(&merged), "10.3.0.0/16 10.1.0.0/16 10.2.0.0/16");
    assert!(merged.masq_link_local && !merged.masq_link_local_ipv6);
    assert_eq!(merged.resync_interval, Some(std::time::Duration::from_secs(30)));
    assert_eq!(ranges(&policy(&["nonMasqueradeCIDRs: []", managed])), "10.1.0.0/16 10.2.0.0/16");
}

#[test]
fn bad_files_name_the_line_and_the_thing() {
    let bad = [
        ("nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 10.0.0.1/8\n", 3, "10.0.0.1/8"),
        ("nonMasqueradeCIDRs:\n- \n- 10.0.0.0/8\n", 2, "null"),
        ("{\n\"nonMasqueradeCIDRs\": [\n\"10.0.0.0/8\",\nnull]}", 4, "null"),
        ("masqLinkLocal: true\nnonMasqueradeCIDR: [10.0.0.0/8]\n", 2, "nonMasqueradeCIDRs"),
        ("masqLinkLocal: \"true\"\n", 1, "masqLinkLocal"),
        ("nonMasqueradeCIDRs: 10.0.0.0/8\n", 1, "a string"),
        ("nonMasqueradeCIDRs: [1, 2]\n", 1, "a number"),
        ("nonMasqueradeCIDRs:\n\t- 10.0.0.0/8\n", 2, "YAML"),
        ("{\"masqLinkLocal\": true} junk", 1, "JSON"),
        ("[{\"masqLinkLocal\": true}]", 1, "a list"),
        ("cidrLimit: 0\nnonMasqueradeCIDRs: [10.0.0.0/8]\n", 2, "up to 0 CIDRs"),
        ("cidrLimit: many\n", 1, "cidrLimit"),
        ("nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- ::ffff:10.0.0.0/104\n", 3, "IPv4 written as IPv6"),
    ];
    for (text, line, names) in bad {
        let reading = read(text.as_bytes(), true);
        assert_eq!(reading.file, None, "{text:?}");
        let fatal = reading.findings.iter().find(|finding| finding.problem.is_fatal()).unwrap();
        assert_eq!(fatal.line, line, "{text:?}: {fatal}");
        assert!(fatal.to_string().contains(names), "{text:?}: {fatal}");
    }
}

#[test]
fn ipv6_has_to_be_enabled() {
    let text = b"nonMasqueradeCIDRs: [10.0.0.0/8, \"fd00::/8\"]";
    assert!(read(text, true).file.is_some());
    assert!(read(text, false).findings[0].to_string().contains("--enable-ipv6"));
}

#[test]
fn odd_files_are_used_with_a_warning() {
    let odd = [
        ("nonMasqueradeCIDRs: [0.0.0.0/0]", "nothing is masqueraded"),
        ("nonMasqueradeCIDRs: [10.0.0.0/8, 10.1.0.0/16]", "10.1.0.0/16 is inside 10.0.0.0/8"),
        ("nonMasqueradeCIDRs: [10.1.0.0/16, 10.0.0.0/8]", "10.1.0.0/16 is inside 10.0.0.0/8"),
        ("nonMasqueradeCIDRs: [10.1.0.0/16, 10.1.0.0/16]", "more than once"),
        ("enable-ipv6: true", "unknown key \"enable-ipv6\" is ignored"),
        ("resyscInterval: 60s", "resyncInterval meant"),
        ("nonMasqueradeCIDRs: [10.0.0.0/8]\nnonMasqueradeCIDR: [10.0.0.0/8]", "nonMasqueradeCIDRs meant"),
        ("masqLinkLocal: false\nMasqLinkLocal: true", "more than once"),
        ("resyncInterval: 60", "no duration"),
        ("resyncInterval: 60sec", "no duration"),
        ("resyncInterval: -5s", "below one second"),
    ];
    for (text, says) in odd {
        let reading = read(text.as_bytes(), true);
        assert!(reading.file.is_some(), "{text:?}: {:?}", reading.findings);
        let texts: Vec<_> = reading.findings.iter().map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(says)), "{text:?}: {texts:?}");
    }
}

#[test]
fn the_limit_is_upstreams() {
    let list = |count: u32| {
        let items: Vec<_> = (0..count).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
        format!("nonMasqueradeCIDRs: [{}]", items.join(", "))
    };
    assert!(read(list(64).as_bytes(), false).file.is_some());
    assert!(read(list(65).as_bytes(), false).file.is_none());
    let raised = format!("{}\ncidrLimit: 10000\n", list(10_000));
    assert!(read(raised.as_bytes(), false).file.is_some());
}

#[test]
fn no_input_is_too_much() {
    let bomb = (0..30).fold(String::from("a0: &a0 [x, x]\n"), |text, n| {
        format!("{text}a{}: &a{} [*a{n}, *a{n}]\n", n + 1, n + 1)
    });
    for bytes in [bomb.into_bytes(), vec![b' '; 10 << 20], vec![b'['; 100_000], b"\xff\xfe".to_vec()] {
        let reading = read(&bytes, true);
        assert!(reading.file.is_none(), "{} bytes", bytes.len());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes, true);
    }

    #[test]
    fn any_text_of_likely_words_is_survived(words in prop::collection::vec(
        prop::sample::select(vec!["nonMasqueradeCIDRs", ":", "\n", "- ", " ", "10.0.0.0/8", "{", "}", "[", "]", "\"",
            "&a", "*a", "masqLinkLocal", "true", "null", "\t", "#", "---", "|", ">", "<<: *a", "!!binary", "'"]), 0..40)) {
        let reading = read(words.concat().as_bytes(), true);
        prop_assert_eq!(reading.file.is_none(), reading.findings.iter().any(|finding| finding.problem.is_fatal()));
    }

    /// Against the model: the union in order, each range once; each switch on if any file has it on.
    #[test]
    fn merging_is_the_union(files in prop::collection::vec(a_file(), 0..4)) {
        let merged = merge(&files, true);
        let mut wanted: Vec<IpNet> = Vec::new();
        let lists: Vec<_> = files.iter().filter_map(|file| match &file.listed {
            Listed::Ranges(ranges) => Some(ranges),
            Listed::Absent => None,
        }).collect();
        for range in lists.iter().flat_map(|list| list.iter()) {
            if !wanted.contains(range) {
                wanted.push(*range);
            }
        }
        if lists.is_empty() {
            wanted = Policy::defaults(true).ranges;
        }
        prop_assert_eq!(&merged.ranges, &wanted);
        prop_assert_eq!(merged.masq_link_local, files.iter().any(|file| file.masq_link_local));
        prop_assert_eq!(merged.masq_link_local_ipv6, files.iter().any(|file| file.masq_link_local_ipv6));
        prop_assert_eq!(merged.resync_interval, files.iter().filter_map(|file| file.resync_interval).min());
    }

    /// A file written out is read back.
    #[test]
    fn a_written_file_is_read_back(wanted in a_file()) {
        let mut text = format!("masqLinkLocal: {}\nmasqLinkLocalIPv6: {}\n", wanted.masq_link_local, wanted.masq_link_local_ipv6);
        if let Listed::Ranges(ranges) = &wanted.listed {
            let items: Vec<_> = ranges.iter().map(|range| format!("\"{range}\"")).collect();
            text.push_str("nonMasqueradeCIDRs: [");
            text.push_str(&items.join(", "));
            text.push_str("]
");
        }
        if let Some(interval) = wanted.resync_interval {
            text.push_str("resyncInterval: ");
            text.push_str(&interval.as_secs().to_string());
            text.push_str("s
");
        }
        prop_assert_eq!(file(&text), wanted);
    }
}

prop_compose! {
    fn a_file()(
        ranges in prop::option::of(prop::collection::vec((0_u8..8, 8_u8..32), 0..6)),
        masq_link_local: bool,
        masq_link_local_ipv6: bool,
        seconds in prop::option::of(1_u64..100),
    ) -> File {
        let listed = ranges.map_or(Listed::Absent, |ranges| {
            let mut seen = std::collections::HashSet::new();
            let nets = ranges.into_iter().map(|(byte, length)| {
                IpNet::new(std::net::Ipv4Addr::new(10, byte, 0, 0).into(), length).unwrap().trunc()
            });
            Listed::Ranges(nets.filter(|net| seen.insert(*net)).collect())
        });
        let resync_interval = seconds.map(std::time::Duration::from_secs);
        File { listed, masq_link_local, masq_link_local_ipv6, resync_interval }
    }
}
