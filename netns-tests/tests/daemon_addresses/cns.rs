//! podnet-ipamd in the place of a CNS: over TCP, and with the directory where Azure's plugins leave releases.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::reply;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::json;

use super::{COUNT, FIRST, SOCKET, failed_add, nobody_has_any, soon_nobody_has_any, start_with};

/// A test's name and body.
type Test = (&'static str, fn() -> Outcome);

pub(super) const TESTS: &[Test] = &[
    ("a_cns_over_tcp", over_tcp),
    ("a_cns_that_is_away", away),
    ("a_del_without_its_cns_is_made_up_for", made_up_for),
    ("what_azures_plugins_leave_is_applied", left_by_azures_plugins),
    ("what_no_plugin_can_have_left_stays", left_by_others),
];

/// Where Azure's plugins leave releases: `AsyncPodDeletePath` of CNS.
const DELETE_IDS: &str = "/var/run/azure-vnet/deleteIDs";

const SOON: Duration = Duration::from_secs(10);

fn network() -> Result<Network, Failure> {
    let network = Network::of(Subject::Podnet, Family::V4)?;
    Ok(network.with("/ipam", json!({"type": "azure-cns"})))
}

fn start() -> Result<Ipamd, Failure> {
    let pool = ipamd::pool(Family::V4, FIRST, COUNT);
    start_with(&format!("listen: {{http: '127.0.0.1:10090', socket: {SOCKET}}}\n{pool}"))
}

/// What is left for a container.
fn left(container: &str) -> PathBuf {
    Path::new(DELETE_IDS).join(container)
}

fn soon_is_gone(path: &Path) -> Outcome {
    wait::until(SOON, format_args!("the end of {}", path.display()), || {
        Ok((!path.try_exists()?).then_some(()))
    })
}

fn over_tcp() -> Outcome {
    let daemon = start()?;
    let network = network()?;
    reply::silence(network.call("STATUS", None, &[])?)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    ensure_eq!(daemon.assigned()?.len(), 1, "addresses assigned");
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))?;
    nobody_has_any(&daemon)
}

fn away() -> Outcome {
    let network = network()?;
    let pod = Pod::create("a")?;
    let begin = Instant::now();
    let error = failed_add(&network, &pod)?;
    // The promise is a second; the rest is the machine's.
    ensure!(begin.elapsed() < Duration::from_secs(3), "the failure took {:?}", begin.elapsed());
    ensure_eq!(error.code, 11, "code of {error:?}");
    ensure!(error.names("http://localhost:10090"), "{error:?}");
    network.del(&pod, None)?;
    ensure_eq!(
        fs::read_to_string(left(&pod.container))?,
        "a-sandbo-eth0",
        "what a CNS finds when it is back"
    );
    Ok(())
}

fn made_up_for() -> Outcome {
    let network = network()?;
    let daemon = start()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    network.add(&b)?;
    ensure_eq!(daemon.assigned()?.len(), 2, "addresses assigned");
    drop(daemon);
    for pod in [&a, &b] {
        network.del(pod, None)?;
        network.del(pod, None)?;
        ensure!(left(&pod.container).try_exists()?, "DEL without daemon left nothing");
    }
    let daemon = start()?;
    // It is applied before anybody is served.
    nobody_has_any(&daemon)?;
    for pod in [&a, &b] {
        ensure!(!left(&pod.container).try_exists()?, "what was applied is still there");
    }
    let added = network.add(&a)?;
    ensure_eq!(daemon.assigned()?.len(), added.addresses()?.len(), "addresses of the next pod");
    network.check(&a, &added)?;
    network.del(&a, Some(&added))
}

/// azure-ipam writes the container's ID into the file, azure-vnet the interface's. Both make the file first and write into it
/// then, and neither makes the directory, which may go and come back.
fn left_by_azures_plugins() -> Outcome {
    let daemon = start()?;
    let mode = fs::metadata(DELETE_IDS)?.permissions().mode();
    ensure_eq!(mode & 0o7777, 0o700, "mode of the directory that the daemon makes");
    for (container, content) in
        [("0123456789abcdef", "0123456789abcdef"), ("89abcdef01234567", "89abcdef-eth0")]
    {
        daemon.request(container)?.address()?;
        fs::write(left(container), content)?;
        soon_nobody_has_any(&daemon)?;
        soon_is_gone(&left(container))?;
    }
    daemon.request("c1")?.address()?;
    fs::remove_dir_all("/var/run/azure-vnet")?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(DELETE_IDS)?;
    fs::write(left("c1"), "c1")?;
    soon_nobody_has_any(&daemon)
}

/// It neither ends the daemon nor keeps it from what else is there.
fn left_by_others() -> Outcome {
    drop(start()?);
    fs::write("/run/target", "c1-eth0")?;
    symlink("/run/target", left("link"))?;
    fs::create_dir(left("folder"))?;
    tool(&["mkfifo", &left("fifo").display().to_string()])?;
    fs::write(left("empty"), "")?;
    fs::write(left("zeros"), [0; 64])?;
    fs::write(left("json"), "{\"schema\": ")?;
    fs::write(left("large"), vec![b'x'; 1 << 20])?;
    fs::write(left("writable"), "c1-eth0")?;
    fs::set_permissions(left("writable"), fs::Permissions::from_mode(0o666))?;
    let bad = fs::read_dir(DELETE_IDS)?.count();
    let daemon = start()?;
    for container in ["a", "z"] {
        daemon.request(container)?.address()?;
        fs::write(left(container), container)?;
    }
    soon_nobody_has_any(&daemon)?;
    for container in ["a", "z"] {
        soon_is_gone(&left(container))?;
    }
    ensure_eq!(fs::read_dir(DELETE_IDS)?.count(), bad, "files that say nothing");
    for name in ["link", "folder", "fifo", "empty", "zeros", "json", "large", "writable"] {
        ensure!(daemon.log()?.contains(&left(name).display().to_string()), "nobody is told of {name}");
    }

    fs::set_permissions(DELETE_IDS, fs::Permissions::from_mode(0o777))?;
    let said = || Ok::<_, Failure>(daemon.log()?.matches("must be root's alone").count());
    let before = said()?;
    daemon.request("b")?.address()?;
    fs::write(left("b"), "b")?;
    wait::until(SOON, "the refusal of a directory that others can write to", || {
        Ok((said()? > before).then_some(()))
    })?;
    ensure_eq!(daemon.assigned()?.len(), 1, "addresses of a pod that anybody may have called gone");
    Ok(())
}
