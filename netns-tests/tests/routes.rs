//! Routes to other nodes' pods: kept by the daemon (`routes: host-gw`), or awaited from the cloud (`routes: cloud`).

use std::fs;
use std::time::Duration;

use podnet_fake_apiserver::{Trouble, Where};
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::fleet;
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::{command, run, tool};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, probe, tools, wait};
use serde_json::json;

mod stage;

use stage::{CLOUD, HOST_GW, Stage, condition, lines};

/// How long a change may take to be seen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

type Test = (&'static str, fn() -> Outcome);

pub(crate) fn cases() -> Vec<Case> {
    let tests: [Test; 13] = [
        ("pods_of_another_node_are_reached", pods_are_reached),
        ("nodes_come_change_and_go", nodes_come_change_and_go),
        ("what_others_take_away_comes_back", what_others_take_away),
        ("foreign_routes_are_not_touched", foreign_routes),
        ("what_gets_no_route_is_named", what_gets_no_route),
        ("a_list_without_our_node_is_not_believed", a_list_without_our_node),
        ("routes_stay_while_the_api_server_is_away", the_api_server_is_away),
        ("a_restart_changes_nothing", a_restart_changes_nothing),
        ("the_condition_is_cleared_when_the_routes_are_there", the_condition_is_cleared),
        ("what_the_api_server_forbids_is_named", what_is_forbidden),
        ("what_is_not_wanted_any_more_goes", not_wanted_any_more),
        ("the_cloud_is_awaited_before_the_node_is_ready", the_cloud_is_awaited),
        ("five_thousand_nodes_are_few_requests_and_little_memory", five_thousand_nodes),
    ];
    let case = |(name, body): Test| Case {
        name: format!("routes::podnet::{name}"),
        limit: Duration::from_mins(3),
        body: Box::new(body),
    };
    tests.into_iter().map(case).collect()
}

/// Real packets, to a pod of a node in a namespace of its own, in both families.
fn pods_are_reached() -> Outcome {
    let other = OtherNode::create(Family::Dual)?;
    // The test's own routes give way to the daemon's.
    for (family, subnet) in [("-4", "10.244.2.0/24"), ("-6", "fd00:10:244:2::/64")] {
        Place::Node.ip(&[family, "route", "del", subnet])?;
    }
    let stage = Stage::new()?;
    stage.node("other", &["10.244.2.0/24", "fd00:10:244:2::/64"], &["172.31.255.2", "fd00:31::2"]);
    let _daemon = stage.start(HOST_GW)?;
    for address in other.pod_addresses()? {
        probe::reach(Place::Node, other.place(), address, PATIENCE)?;
    }
    ensure_eq!(
        stage::routes()?,
        ["10.244.2.0/24 172.31.255.2 uplink", "fd00:10:244:2::/64 fd00:31::2 uplink"],
        "the routes"
    );
    Ok(())
}

fn nodes_come_change_and_go() -> Outcome {
    let stage = Stage::with_link()?;
    let _daemon = stage.start(HOST_GW)?;
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    stage.node("c", &["10.244.3.0/24"], &["10.0.0.3"]);
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0", "10.244.3.0/24 10.0.0.3 up0"])?;
    // Another address, another range, and a node that is not ready any more but there.
    stage.server.edit(&stage::path("b"), &json!({"status": {"addresses": stage::addresses(&["10.0.0.22"])}}));
    stage.server.edit(&stage::path("c"), &json!({"spec": {"podCIDRs": ["10.244.33.0/24"]}}));
    stage.server.edit(&stage::path("c"), &condition("Ready", "False", "KubeletNotReady"));
    stage::until_routes(&["10.244.2.0/24 10.0.0.22 up0", "10.244.33.0/24 10.0.0.3 up0"])?;
    stage.server.remove(&stage::path("c"));
    stage::until_routes(&["10.244.2.0/24 10.0.0.22 up0"])
}

fn what_others_take_away() -> Outcome {
    let stage = Stage::with_link()?;
    stage.node("b", &["10.244.2.0/24", "fd44:2::/64"], &["10.0.0.2", "fd00::2"]);
    let _daemon = stage.start(HOST_GW)?;
    let both = ["10.244.2.0/24 10.0.0.2 up0", "fd44:2::/64 fd00::2 up0"];
    stage::until_routes(&both)?;
    Place::Node.ip(&["route", "del", "10.244.2.0/24"])?;
    Place::Node.ip(&["-6", "route", "del", "fd44:2::/64"])?;
    stage::until_routes(&both)?;
    // A link that goes down takes its routes along, and its addresses of IPv6.
    Place::Node.ip(&["link", "set", "up0", "down"])?;
    ensure_eq!(stage::routes()?, [""; 0], "routes over a link that is down");
    Place::Node.ip(&["link", "set", "up0", "up"])?;
    Place::Node.ip(&["addr", "add", "fd00::1/64", "dev", "up0", "nodad"])?;
    stage::until_routes(&both)
}

fn foreign_routes() -> Outcome {
    let stage = Stage::with_link()?;
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    stage.node("c", &["10.244.3.0/24"], &["10.0.0.3"]);
    let foreign = [
        "10.244.2.0/24 via 10.0.0.9 dev up0 proto static",
        "198.18.0.0/15 via 10.0.0.9 dev up0 proto bird metric 7",
    ];
    for route in foreign {
        Place::Node.ip(&[&["route", "add"], &*route.split(' ').collect::<Vec<_>>()].concat())?;
    }
    let daemon = stage.start(HOST_GW)?;
    stage::until_routes(&["10.244.3.0/24 10.0.0.3 up0"])?;
    stage::until_refused(&daemon, "node b, 10.244.2.0/24: somebody else's route leads there, via 10.0.0.9")?;
    // Somebody puts a route in the place of ours: it stays.
    Place::Node.ip(&["route", "replace", "10.244.3.0/24", "via", "10.0.0.9", "proto", "static"])?;
    stage::until_refused(&daemon, "node c, 10.244.3.0/24: somebody else's route leads there, via 10.0.0.9")?;
    let now = Place::Node.ip(&["route", "show"])?;
    for route in foreign.into_iter().chain(["10.244.3.0/24 via 10.0.0.9 dev up0 proto static"]) {
        ensure!(lines(&now).any(|line| line == route), "{route} is gone: {now}");
    }
    // As soon as the foreign ones are gone, ours are there.
    for route in ["10.244.2.0/24", "10.244.3.0/24"] {
        Place::Node.ip(&["route", "del", route])?;
    }
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0", "10.244.3.0/24 10.0.0.3 up0"])
}

fn what_gets_no_route() -> Outcome {
    let stage = Stage::with_link()?;
    stage.node("far", &["10.244.2.0/24"], &["192.0.2.2"]);
    stage.node("greedy", &["10.244.1.128/25"], &["10.0.0.3"]);
    stage.node("subnet", &["10.0.0.0/24"], &["10.0.0.4"]);
    stage.node("twin-a", &["10.244.5.0/24"], &["10.0.0.5"]);
    let daemon = stage.start(&format!("{HOST_GW}metrics: 127.0.0.1:10092\n"))?;
    stage::until_routes(&["10.244.5.0/24 10.0.0.5 up0"])?;
    stage.node("twin-b", &["10.244.5.0/24"], &["10.0.0.6"]);
    let expected = [
        "node far, 10.244.2.0/24: its InternalIP 192.0.2.2 is on no link of this node",
        "node greedy, 10.244.1.128/25: overlaps this node's own 10.244.1.0/24",
        "node subnet, 10.0.0.0/24: overlaps 10.0.0.0/16 of link up0",
        "node twin-b, 10.244.5.0/24: overlaps 10.244.5.0/24 of node twin-a",
    ];
    for refusal in expected {
        stage::until_refused(&daemon, refusal)?;
    }
    // Whose route was there keeps it.
    ensure_eq!(stage::routes()?, ["10.244.5.0/24 10.0.0.5 up0"], "the routes");
    let figures = daemon.get("/metrics")?.body;
    for figure in ["podnet_ipamd_routes 1", "podnet_ipamd_routes_refused 4", "podnet_ipamd_route_nodes 5"] {
        ensure!(lines(&figures).any(|line| line == figure), "no {figure} in {figures}");
    }
    let said = tool(&[
        &tools::ipamd()?.display().to_string(),
        "status",
        "--socket",
        &daemon.socket().display().to_string(),
    ])?;
    for text in ["routes host-gw: 1 to the pods of 5 other nodes", "  no route: node far, 10.244.2.0/24"] {
        ensure!(said.contains(text), "no {text:?} in {said}");
    }
    Ok(())
}

fn a_list_without_our_node() -> Outcome {
    let stage = Stage::with_link()?;
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    let daemon = stage.start(HOST_GW)?;
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0"])?;
    // A server that has lost its objects.
    for node in ["own", "b"] {
        stage.server.remove(&stage::path(node));
    }
    stage::until_status(&daemon, "waiting for our node", |routes| {
        routes["awaits"].as_str().is_some_and(|awaits| awaits.contains("node own among the cluster's 0"))
    })?;
    ensure_eq!(stage::routes()?, ["10.244.2.0/24 10.0.0.2 up0"], "the routes");
    Ok(())
}

fn the_api_server_is_away() -> Outcome {
    let mut stage = Stage::with_link()?;
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    let routes = ["10.244.2.0/24 10.0.0.2 up0"];
    let daemon = stage.start(HOST_GW)?;
    stage::until_routes(&routes)?;
    stage.server.stop();
    stage::until_status(&daemon, "an error of the API server's", |routes| {
        routes["clusterError"].is_string()
    })?;
    ensure_eq!(stage::routes()?, routes, "the routes without an API server");
    ensure_eq!(daemon.request("c1")?.status, 200, "an address without an API server");
    // Still kept, by what is known.
    Place::Node.ip(&["route", "del", "10.244.2.0/24"])?;
    stage::until_routes(&routes)?;
    // And through a life that never sees the server.
    daemon.stop()?;
    let daemon = stage.start(HOST_GW)?;
    stage::until_status(&daemon, "an error of the API server's", |routes| {
        routes["clusterError"].is_string()
    })?;
    ensure_eq!(stage::routes()?, routes, "the routes after a start without an API server");
    stage.node("c", &["10.244.3.0/24"], &["10.0.0.3"]);
    stage.server.resume()?;
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0", "10.244.3.0/24 10.0.0.3 up0"])?;
    stage::until_status(&daemon, "no error", |routes| routes["clusterError"].is_null())
}

fn a_restart_changes_nothing() -> Outcome {
    let stage = Stage::with_link()?;
    for node in 2..50 {
        stage.node(&format!("n{node}"), &[&format!("10.244.{node}.0/24")], &[&format!("10.0.0.{node}")]);
    }
    let daemon = stage.start(HOST_GW)?;
    let all = |routes: &serde_json::Value| routes["routes"] == 48;
    stage::until_status(&daemon, "48 routes", all)?;
    daemon.stop()?;
    let changes = stage::Changes::follow()?;
    let daemon = stage.start(HOST_GW)?;
    stage::until_status(&daemon, "48 routes", all)?;
    let heard = changes.until_sentinel()?;
    ensure_eq!(heard, [""; 0], "changes of routes by a restart");
    Ok(())
}

fn the_condition_is_cleared() -> Outcome {
    let stage = Stage::with_link()?;
    stage.server.edit(&stage::path("own"), &condition("NetworkUnavailable", "True", "NoRouteCreated"));
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    let daemon = stage.start(HOST_GW)?;
    stage.until_condition("False", "PodnetRoutes")?;
    ensure_eq!(stage::routes()?, ["10.244.2.0/24 10.0.0.2 up0"], "the routes when the condition is cleared");
    // Whoever sets it again is contradicted, and nothing is written for nothing.
    stage.server.forget_requests();
    stage.server.edit(&stage::path("own"), &condition("NetworkUnavailable", "True", "Meddling"));
    stage.until_condition("False", "PodnetRoutes")?;
    stage.node("c", &["10.244.3.0/24"], &["10.0.0.3"]);
    stage::until_status(&daemon, "two routes", |routes| routes["routes"] == 2)?;
    let written = stage.server.requests().iter().filter(|request| request.verb == "patch").count();
    ensure_eq!(written, 1, "patches of the condition");
    Ok(())
}

fn what_is_forbidden() -> Outcome {
    let stage = Stage::with_link()?;
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    stage.server.trouble(Trouble::Forbidden, Where { verb: Some("list"), ..Where::default() });
    stage.server.trouble(Trouble::Forbidden, Where { verb: Some("patch"), ..Where::default() });
    let daemon = stage.start(HOST_GW)?;
    let names = |member: &'static str, rule: &'static str| {
        stage::until_status(&daemon, rule, move |routes| {
            routes[member].as_str().is_some_and(|error| error.contains(rule))
        })
    };
    names("clusterError", r#"resources ["nodes"], verbs ["list"]"#)?;
    ensure_eq!(stage::routes()?, [""; 0], "routes without nodes");
    stage.server.calm();
    stage.server.trouble(Trouble::Forbidden, Where { verb: Some("patch"), ..Where::default() });
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0"])?;
    names("conditionError", r#"resources ["nodes/status"], verbs ["patch"]"#)?;
    stage.server.calm();
    stage.until_condition("False", "PodnetRoutes")?;
    stage::until_status(&daemon, "no errors", |routes| {
        routes["clusterError"].is_null() && routes["conditionError"].is_null()
    })
}

fn not_wanted_any_more() -> Outcome {
    let stage = Stage::with_link()?;
    stage.node("b", &["10.244.2.0/24"], &["10.0.0.2"]);
    let daemon = stage.start(HOST_GW)?;
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0"])?;
    Place::Node.ip(&["route", "add", "198.18.0.0/15", "via", "10.0.0.9"])?;
    stage.configure("")?;
    stage::until_routes(&[])?;
    ensure!(Place::Node.ip(&["route", "show"])?.contains("198.18.0.0/15"), "a foreign route is gone");
    stage.configure(HOST_GW)?;
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0"])?;
    // What a life before has left.
    daemon.stop()?;
    let daemon = stage.start("")?;
    stage::until_routes(&[])?;
    // And what the last life leaves.
    stage.configure(HOST_GW)?;
    stage::until_routes(&["10.244.2.0/24 10.0.0.2 up0"])?;
    daemon.stop()?;
    let file = stage.folder().join("ipamd.yaml").display().to_string();
    let cleanup = || run(&mut command(tools::ipamd()?, ["cleanup", "--config", &file]), b"")?.success();
    ensure_eq!(cleanup()?, "removed 1 routes to other nodes' pods\n", "what cleanup says");
    ensure_eq!(stage::routes()?, [""; 0], "routes after cleanup");
    ensure!(Place::Node.ip(&["route", "show"])?.contains("198.18.0.0/15"), "a foreign route is gone");
    ensure_eq!(cleanup()?, "nothing to remove\n", "what a second cleanup says");
    Ok(())
}

fn the_cloud_is_awaited() -> Outcome {
    let stage = Stage::with_link()?;
    stage.server.edit(&stage::path("own"), &json!({"spec": {"providerID": "azure:///own"}}));
    let conflist = stage.folder().join("net.d/10-podnet.conflist");
    let rest = format!("{CLOUD}conflist: {{path: {}, template: kubenet}}\n", conflist.display());
    let daemon = stage.start(&rest)?;
    daemon.ready()?;
    let awaits = |text: &'static str| {
        stage::until_status(&daemon, text, move |routes| {
            routes["awaits"].as_str().is_some_and(|awaits| awaits.contains(text))
        })
    };
    awaits("condition NetworkUnavailable=False of node own")?;
    awaits("is not there yet")?;
    ensure!(!conflist.exists(), "a conflist before the cloud has said anything");
    stage.server.edit(&stage::path("own"), &condition("NetworkUnavailable", "True", "NoRouteCreated"));
    awaits("is True (NoRouteCreated)")?;
    ensure!(!conflist.exists(), "a conflist without the cloud's routes");
    stage.server.edit(&stage::path("own"), &condition("NetworkUnavailable", "False", "RouteCreated"));
    let there = || Ok(conflist.exists().then_some(()));
    wait::until(PATIENCE, "the conflist", there)?;
    stage::until_status(&daemon, "nothing is awaited", |routes| routes["awaits"].is_null())?;
    // A node that was ready stays ready, whatever the cloud says later and whether it can be heard or not.
    let before = fs::metadata(&conflist)?.modified()?;
    daemon.stop()?;
    stage.server.edit(&stage::path("own"), &condition("NetworkUnavailable", "True", "Later"));
    let daemon = stage.start(&rest)?;
    daemon.ready()?;
    stage::until_status(&daemon, "a condition that is not False", |routes| {
        routes["awaits"].as_str().is_some_and(|awaits| awaits.contains("is True (Later)"))
    })?;
    let after = fs::metadata(&conflist).and_then(|file| file.modified()).map_err(Failure::from)?;
    ensure_eq!(after, before, "when the conflist was written");
    Ok(())
}

fn five_thousand_nodes() -> Outcome {
    let folder = tempfile::tempdir()?;
    let figures = fleet::measure(folder.path(), 5_000)?;
    // A hundred nodes a page, a watch, a patch of our own condition; and a watch that had to begin anew.
    ensure!(figures.requests <= 51 + 3, "{figures:?}");
    ensure!(figures.requests_after <= 1, "{figures:?}");
    ensure!(figures.resident <= 32 << 20, "{figures:?}");
    Ok(())
}
