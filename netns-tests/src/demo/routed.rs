//! The chapter about mode vnet: pods have addresses of the network, which podnet-ipamd hands out.

use std::fs;
use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::installed;
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure_eq, wait};

use crate::pings::{self, Way};
use crate::screen::Screen;
use crate::stage::{ROUTED, Stage};
use crate::story::gone;

/// The daemon's folder.
const FOLDER: &str = "/run/ipamd";
/// The socket that the list names.
const SOCKET: &str = "/run/podnet/ipamd.sock";

pub(crate) fn tell(screen: &Screen, other: &OtherNode) -> Outcome {
    screen.heading("7  Mode vnet: the network's own addresses, handed out by podnet-ipamd")?;
    let stage = Stage::set(screen, ROUTED)?;
    fs::create_dir(FOLDER)?;
    let daemon = daemon(screen)?;
    let (api, worker) = (Pod::create("api")?, Pod::create("worker")?);
    stage.silent("status", &api, "ready for pods")?;
    let (added, worker_added) = (stage.add(&api)?, stage.add(&worker)?);
    let (of_api, of_worker) = (added.addresses()?, worker_added.addresses()?);
    let elsewhere = other.pod_addresses()?;
    pings::show(
        screen,
        &[
            Way::from_pod("api → worker", &api, &of_worker),
            Way::from_pod("api → second node", &api, &elsewhere),
            Way { name: "second node → api", from: other.place(), source: Some(&elsewhere), to: &of_api },
        ],
    )?;
    stage.silent("check", &api, "as ADD made it")?;
    stage.prints(&["list"], &[added.cidrs(), worker_added.cidrs()].concat())?;
    stage.prints(&["check"], &["none"])?;
    // Of the earlier chapters nothing is left but their list.
    fs::remove_file(Path::new(installed::CONFIGURATIONS).join("kubenet.conflist"))?;
    installed::install()?;
    stage.doctor("errors: 0")?;

    screen.note("The daemon is killed. ADD says so at once, the doctor too, and DEL works all the same:")?;
    drop(daemon);
    stage.refused(&stage.cnitool("add", &Pod::create("late")?)?, &["address daemon"])?;
    stage.doctor("cannot reach the address daemon")?;
    stage.silent("del", &api, "gone; a release intent waits for the daemon")?;
    let daemon = self::daemon(screen)?;
    wait::until(Duration::from_secs(10), "the end of what api had", || {
        Ok((daemon.assigned()?.len() == of_worker.len()).then_some(()))
    })?;
    screen.good("the daemon knows worker still, and has api's addresses back")?;
    screen.note("The other pod's namespace vanishes without a DEL:")?;
    stage.tool(&["ip", "netns", "delete", "worker"])?;
    gone(worker_added.interface(0)?)?;
    stage.prints(&["gc", "--network", "azure"], &["removed"])?;
    ensure_eq!(daemon.assigned()?, [], "what the daemon has assigned");
    screen.good("nobody has an address of the daemon's")?;
    Ok(())
}

/// The daemon, ready for pods.
fn daemon(screen: &Screen) -> Result<Ipamd, Failure> {
    let config = format!("listen: {{socket: {SOCKET}}}\n{}", ipamd::pool(Family::Dual, 16, 16));
    screen.command("podnet-ipamd serve --config ipamd.yaml &")?;
    let daemon = Ipamd::start_at(Path::new(SOCKET), Path::new(FOLDER), &config)?;
    daemon.ready()?;
    Ok(daemon)
}
