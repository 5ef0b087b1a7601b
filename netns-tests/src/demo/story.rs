//! The story, chapter by chapter. A step that does not do what it says ends it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::Value;

use crate::pings::{self, Way};
use crate::screen::Screen;
use crate::stage::{CONFLIST, Stage};
use crate::{remains, routed, stopwatch};

/// A configuration with slips in it.
const SLIP: &str = "/run/slip.conflist";

/// Two pods, and what they were given.
struct Pods {
    web: Pod,
    client: Pod,
    web_added: Added,
    client_added: Added,
}

/// All of it.
pub(crate) fn tell(screen: &Screen) -> Outcome {
    let begin = Instant::now();
    let stage = Stage::set(screen, CONFLIST)?;
    screen.heading("podnet: two pods and a second node")?;
    screen.note(
        "Everything here happens in namespaces of its own: the machine's network stays as it is.\n\
         cnitool is the reference runtime on the command line; NETCONFPATH and CNI_PATH are set for it.",
    )?;
    let other = OtherNode::create(Family::Dual)?;
    let pods = two_pods(&stage)?;
    traffic(&stage, &pods, &other)?;
    refusals(&stage, &pods)?;
    tampering(&stage, &pods)?;
    screen.heading("5  ADD and DEL take this long")?;
    stopwatch::show(&stage)?;
    removal(&stage, &pods)?;
    routed::tell(screen, &other)?;
    screen.heading(&format!("Every step did what it says, in {:.1} s.", begin.elapsed().as_secs_f64()))?;
    Ok(())
}

fn two_pods(stage: &Stage<'_>) -> Result<Pods, Failure> {
    stage.screen.heading("1  Two pods")?;
    stage.prints(&["version"], &["CNI 0.1.0"])?;
    stage.prints(&["conf", CONFLIST], &["good"])?;
    let (web, client) = (Pod::create("web")?, Pod::create("client")?);
    stage.silent("status", &web, "ready for pods")?;
    let web_added = stage.add(&web)?;
    let client_added = stage.add(&client)?;
    stage.prints(&["list"], &[web_added.cidrs(), client_added.cidrs()].concat())?;
    Ok(Pods { web, client, web_added, client_added })
}

fn traffic(stage: &Stage<'_>, pods: &Pods, other: &OtherNode) -> Outcome {
    stage
        .screen
        .heading("2  They reach each other, the gateway and a pod on the second node, and it them")?;
    let (web, client) = (pods.web_added.addresses()?, pods.client_added.addresses()?);
    settled(Place::Node)?;
    settled(other.place())?;
    let (gateways, elsewhere) = (Family::Dual.gateways(), other.pod_addresses()?);
    pings::show(
        stage.screen,
        &[
            Way::from_pod("web → client", &pods.web, &client),
            Way::from_pod("client → web", &pods.client, &web),
            Way::from_pod("web → gateway", &pods.web, &gateways),
            Way::from_pod("web → second node", &pods.web, &elsewhere),
            Way { name: "second node → web", from: other.place(), source: Some(&elsewhere), to: &web },
        ],
    )
}

/// Waits until the link between the nodes has its own IPv6 address (RFC 4862 §5.4). Before that the kernel asks for no
/// neighbour on behalf of packets that it forwards.
fn settled(node: Place<'_>) -> Outcome {
    wait::until(Duration::from_secs(5), format_args!("duplicate address detection on {node}"), || {
        let links = node.ip_json(&["-6", "addr", "show", "dev", "uplink", "tentative"])?;
        let addresses =
            links.as_array().into_iter().flatten().filter_map(|link| link["addr_info"].as_array());
        Ok(addresses.flatten().next().is_none().then_some(()))
    })
}

fn refusals(stage: &Stage<'_>, pods: &Pods) -> Outcome {
    stage.screen.heading("3  Mistakes are told before they hurt")?;
    stage.screen.note("A second ADD of a live pod touches nothing:")?;
    stage.refused(&stage.cnitool("add", &pods.web)?, &["exists already"])?;
    stage.silent("check", &pods.web, "the first is as it was")?;

    stage
        .screen
        .note("STATUS tells the runtime when ADD cannot work, here in a range that these two pods fill:")?;
    let mut full = stage.conflist.clone();
    let last = pods.client_added.addresses()?.first().doing("an address of client")?.to_string();
    let range = full.pointer_mut("/plugins/0/ipam/ranges/0/0").and_then(Value::as_object_mut);
    range.doing("first range of the network")?.insert("rangeEnd".into(), last.into());
    stage.refused(&stage.cnitool_with(&full, "status", &pods.web)?, &["10.244.1"])?;

    stage.screen.note("A file with slips in it, checked before any pod needs it:")?;
    let text = stage.conflist.to_string().replace("\"bridge\"", "\"brigde\"").replace("::/64", "::/640");
    fs::write(SLIP, text).doing(SLIP)?;
    let verdict = stage.podnet(&["conf", SLIP])?;
    ensure_eq!(verdict.status.code(), Some(1), "exit code of {verdict}");
    ensure!(
        ["brigde", "640"].iter().all(|slip| verdict.stdout.contains(slip)),
        "a slip is not named: {verdict}"
    );
    Ok(stage.screen.refused(verdict.stdout.lines())?)
}

fn tampering(stage: &Stage<'_>, pods: &Pods) -> Outcome {
    stage.screen.heading("4  CHECK sees what somebody changed")?;
    let link = pods.web_added.interface(1)?;
    stage.silent("check", &pods.web, "as ADD made it")?;
    stage.tool(&["ip", "-n", "web", "route", "del", "default"])?;
    stage.tool(&["bridge", "link", "set", "dev", link, "hairpin", "off"])?;
    stage.refused(&stage.cnitool("check", &pods.web)?, &["0.0.0.0/0", "hairpin"])?;
    stage.tool(&["ip", "-n", "web", "route", "add", "default", "via", "10.244.1.1"])?;
    stage.tool(&["bridge", "link", "set", "dev", link, "hairpin", "on"])?;
    stage.silent("check", &pods.web, "as ADD made it")
}

fn removal(stage: &Stage<'_>, pods: &Pods) -> Outcome {
    stage.screen.heading("6  Nothing is left")?;
    let before = remains::count()?;
    ensure_eq!(before, remains::OF_TWO_PODS, "what two pods own");
    stage.silent("del", &pods.web, "gone")?;
    stage.silent("del", &pods.web, "gone already, which is no error")?;
    stage
        .screen
        .note("The other pod's namespace vanishes without a DEL, as in a crash; GC takes off what stayed:")?;
    stage.tool(&["ip", "netns", "delete", "client"])?;
    gone(pods.client_added.interface(1)?)?;
    stage.prints(&["list"], &pods.client_added.cidrs())?;
    stage.silent("gc", &pods.web, "taken off")?;
    let after = remains::count()?;
    let rows: Vec<_> = before
        .iter()
        .zip(&after)
        .map(|((kind, with), (_, now))| vec![(*kind).to_owned(), with.to_string(), now.to_string()])
        .collect();
    stage.screen.table(&["on the node", "with 2 pods", "now"], &rows, true)?;
    let left: Vec<_> = after.iter().filter(|(_, number)| *number > 0).collect();
    ensure!(left.is_empty(), "something is left: {left:?}");
    stage.screen.good("the bridge is kept for the next pod; here it goes with the namespaces")?;
    Ok(())
}

/// Waits for the kernel, which takes down a namespace's links some time after its name is gone.
pub(crate) fn gone(link: &str) -> Outcome {
    let there = Path::new("/sys/class/net").join(link);
    wait::until(Duration::from_secs(5), format_args!("end of {link}"), || Ok((!there.exists()).then_some(())))
}
