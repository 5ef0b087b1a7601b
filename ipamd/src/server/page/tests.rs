use podnet_ipam_api::debug::Upkeep;

use super::*;
use crate::actor::view::{EventStatus, PodStatus, SourceStatus};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn status() -> Status {
    let family = FamilyStatus {
        family: "IPv4".to_owned(),
        total: 254,
        available: 250,
        assigned: 3,
        cooling_down: 1,
        pending_programming: 0,
        pending_release: 0,
        orphaned: 1,
    };
    let pod = PodStatus {
        namespace: HOSTILE.to_owned(),
        pod: HOSTILE.to_owned(),
        container: HOSTILE.to_owned(),
        interface: HOSTILE.to_owned(),
        addresses: vec!["10.1.0.5".parse().unwrap()],
    };
    Status {
        version: "1".to_owned(),
        not_ready: Some(HOSTILE.to_owned()),
        source: SourceStatus {
            kind: HOSTILE.to_owned(),
            age_seconds: Some(3),
            complaints: Vec::new(),
            error: Some(HOSTILE.to_owned()),
            subnets: vec![HOSTILE.to_owned()],
        },
        pool: vec![family],
        node_rules: Some(Upkeep::of(Some(HOSTILE.to_owned()))),
        subnet_routes: Some(Upkeep::of(None)),
        conflist: Some(Upkeep::of(Some(HOSTILE.to_owned()))),
        routes: Some(RoutesStatus {
            kind: HOSTILE.to_owned(),
            awaits: Some(HOSTILE.to_owned()),
            refused: vec![HOSTILE.to_owned()],
            cluster_error: Some(HOSTILE.to_owned()),
            ..RoutesStatus::default()
        }),
        cool_downs_skipped: 0,
        pods: vec![pod],
        reconciliation: None,
        events: vec![EventStatus { at: HOSTILE.to_owned(), event: HOSTILE.to_owned() }],
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let page = render(&status());
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("'x'"), "{page}");
    assert_eq!(
        page.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;").count(),
        14,
        "{page}"
    );
}

#[test]
fn the_bar_has_a_part_for_each_state_that_there_is() {
    let page = render(&status());
    let bar = page.split("<div class=\"bar\"").nth(1).and_then(|rest| rest.split("</div>").next()).unwrap();
    assert_eq!(bar.matches("<span").count(), 3, "{bar}");
    assert!(bar.contains("flex-grow:250") && bar.contains("title=\"3 assigned\""), "{bar}");
    assert!(page.contains("1 of them gone from the source"));
}

#[test]
fn no_script_and_nothing_from_elsewhere_is_needed() {
    let page = render(&status());
    for needless in ["src=", "href=", "onload", "@import", "url("] {
        assert!(!page.contains(needless), "{needless}");
    }
}
