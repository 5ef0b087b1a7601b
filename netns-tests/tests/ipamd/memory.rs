//! What the daemon remembers, whatever happens to it or to its files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::{Ipamd, body_for, over_tcp};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::{ensure, ensure_eq, wait};

use super::{STATIC, Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("memory::a_killed_daemon_remembers_everything", killed),
    ("memory::a_full_disk_refuses_and_forgets_nothing", full_disk),
    ("memory::a_start_on_a_full_disk", start_on_full_disk),
    ("memory::an_unusable_state_directory_is_waited_for", unusable),
    ("memory::lost_state_is_rebuilt_from_the_plugins_records", rebuilt),
    ("memory::what_cannot_be_read_is_set_aside", set_aside),
    ("memory::a_second_daemon_does_not_start", second),
    ("memory::releases_left_behind_are_applied", intents),
];

/// What each of these containers has.
fn addresses(daemon: &Ipamd, containers: &[&str]) -> Result<Vec<String>, Failure> {
    containers.iter().map(|container| daemon.request(container)?.address()).collect()
}

fn killed() -> Outcome {
    let folder = folder()?;
    let containers = ["a", "b", "c", "d"];
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let before = addresses(&daemon, &containers)?;
    daemon.release("d")?;
    daemon.signal(Signal::SIGKILL)?;
    drop(daemon);
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let status = daemon.get("/debug/status")?.json()?;
    ensure_eq!(status["pool"][0]["assigned"], 3, "assigned after the kill");
    ensure_eq!(status["pool"][0]["coolingDown"], 1, "cooling down after the kill");
    ensure_eq!(addresses(&daemon, &containers[..3])?, before[..3], "the same addresses");
    ensure!(daemon.request("e")?.address()? != before[3], "an address that cools down was handed out");
    ensure!(daemon.stop()?.success(), "SIGTERM ends it in order");
    Ok(())
}

fn full_disk() -> Outcome {
    let folder = folder()?;
    tool(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", "/run/ipamd-test"])?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let held = daemon.request("a")?.address()?;
    let filler = folder.join("filler");
    // The last bytes of the journal's own page are still free.
    let mut given: BTreeSet<String> = BTreeSet::from([held.clone()]);
    fs::write(&filler, vec![0; 64 << 10]).ok();
    let mut refusal = None;
    for number in 0..200 {
        let answer = daemon.request(&format!("full-{number}"))?;
        if answer.status == 503 {
            refusal = Some(answer.body);
            break;
        }
        ensure!(given.insert(answer.address()?), "an address twice: {}", answer.body);
    }
    let refusal = refusal.unwrap_or_default();
    ensure!(refusal.contains("space"), "the reason is {refusal:?}\n{}", daemon.log()?);
    let ready = daemon.get("/readyz")?;
    ensure!(ready.status == 503 && ready.body.contains("space"), "{ready:?}");
    ensure_eq!(daemon.get("/healthz")?.status, 200, "it is alive");
    ensure_eq!(daemon.request("a")?.address()?, held, "who has an address keeps it");
    fs::remove_file(&filler)?;
    let late = wait::until(Duration::from_secs(20), "there is room again", || {
        let answer = daemon.request("late")?;
        Ok((answer.status == 200).then_some(answer))
    })?;
    ensure!(given.insert(late.address()?), "an address twice after the full disk");
    drop(daemon);
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let status = daemon.get("/debug/status")?.json()?;
    ensure_eq!(status["pool"][0]["assigned"], given.len(), "assigned after a restart");
    Ok(())
}

fn start_on_full_disk() -> Outcome {
    let folder = folder()?;
    let state = folder.join("state");
    fs::create_dir(&state)?;
    tool(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", "/run/ipamd-test/state"])?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let held = daemon.request("a")?.address()?;
    drop(daemon);
    fs::write(state.join("filler"), vec![0; 64 << 10]).ok();
    let daemon = Ipamd::start(&folder, STATIC)?;
    ensure_eq!(daemon.request("a")?.address()?, held, "who had an address before has it");
    let refusal = daemon.request("b")?;
    ensure!(refusal.status == 503 && refusal.body.contains("space"), "{refusal:?}");
    fs::remove_file(state.join("filler"))?;
    daemon.ready()?;
    ensure!(daemon.request("b")?.address()? != held, "an address twice");
    Ok(())
}

fn unusable() -> Outcome {
    let folder = folder()?;
    fs::create_dir(folder.join("state"))?;
    tool(&["mount", "-t", "tmpfs", "-o", "ro,mode=700", "tmpfs", "/run/ipamd-test/state"])?;
    Ipamd::configure(&folder, &format!("metrics: '127.0.0.1:10092'\n{STATIC}"))?;
    let program = podnet_netns_tests::tools::ipamd()?;
    let config = folder.join("ipamd.yaml");
    let words = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut daemon = podnet_netns_tests::process::command(program, words).spawn()?;
    let ask = |path: &str| over_tcp("127.0.0.1:10092", "localhost", "GET", path, "");
    let outcome = (|| {
        let ready = wait::until(Duration::from_secs(10), "it says why it waits", || {
            Ok(ask("/readyz").ok().filter(|ready| ready.status == 503))
        })?;
        ensure!(ready.body.contains("Read-only"), "{}", ready.body);
        ensure_eq!(ask("/healthz")?.status, 200, "it is alive");
        tool(&["mount", "-o", "remount,rw", "/run/ipamd-test/state"])?;
        wait::until(Duration::from_secs(10), "it serves once it can", || {
            Ok(ask("/readyz").ok().filter(|ready| ready.status == 200))
        })
    })();
    daemon.kill()?;
    daemon.wait()?;
    outcome.map(drop)
}

/// A record as the plugin leaves it.
fn record(container: &str, address: &str, socket: &Path) -> String {
    format!(
        r#"{{"schema":1,"network":"azure","containerID":"{container}","ifname":"eth0","sandbox":"/x","pod":"ns/pod-{container}","config":{{"type":"podnet","ipam":{{"type":"podnet-ipamd","socket":"{}"}}}},"reserved":{{"leases":[{{"address":"{address}/16","gateway":"10.224.0.1"}}],"masqueraded":false}}}}"#,
        socket.display()
    )
}

fn rebuilt() -> Outcome {
    let folder = folder()?;
    let records = Path::new("/run/podnet/attachments");
    fs::create_dir_all(records)?;
    fs::write(records.join("00"), record("live", "10.224.1.0", &folder.join("state/ipamd.sock")))?;
    fs::write(records.join("01"), record("foreign", "10.224.1.1", Path::new("/run/other.sock")))?;
    fs::write(records.join("02"), "{\"half\":")?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    ensure_eq!(daemon.request("new")?.address()?, "10.224.1.1", "the first address that nobody has");
    // The plugin spells its attachment otherwise than azure-ipam does.
    let body = body_for("live").replace(r#""podInterfaceID":"live""#, r#""podInterfaceID":"live-eth0""#);
    ensure_eq!(
        daemon.post("/network/requestipconfigs", &body)?.address()?,
        "10.224.1.0",
        "the live pod's own"
    );
    daemon.release("live")?;
    ensure_eq!(daemon.get("/debug/status")?.json()?["pool"][0]["coolingDown"], 1, "its DEL frees it");
    Ok(())
}

fn set_aside() -> Outcome {
    let folder = folder()?;
    let journal = folder.join("state/pool.journal");
    fs::create_dir(folder.join("state"))?;
    tool(&["chmod", "700", "/run/ipamd-test/state"])?;
    fs::write(&journal, "this is no journal")?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    daemon.request("a")?.address()?;
    let names: BTreeSet<String> = fs::read_dir(folder.join("state"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, Failure>>()?;
    let aside = names.iter().find(|name| name.contains("aside"));
    let aside = aside.map(|name| fs::read_to_string(folder.join("state").join(name))).transpose()?;
    ensure_eq!(aside.as_deref(), Some("this is no journal"), "what was set aside");
    Ok(())
}

fn second() -> Outcome {
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let config = folder.join("ipamd.yaml");
    let mut serve = podnet_netns_tests::process::command(
        podnet_netns_tests::tools::ipamd()?,
        ["serve".as_ref(), "--config".as_ref(), config.as_os_str()],
    );
    let ended = podnet_netns_tests::process::run(&mut serve, b"")?;
    ensure!(!ended.status.success() && ended.stderr.contains("another daemon"), "{ended}");
    ensure_eq!(daemon.request("a")?.status, 200, "the first one serves on");
    Ok(())
}

fn intents() -> Outcome {
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    for container in ["a", "b", "c"] {
        daemon.request(container)?.address()?;
    }
    let [state, beside] = [folder.join("state/intents"), folder.join("state/ipamd.sock.d")];
    let pool = fs::read_to_string(state.join("pool"))?;
    ensure_eq!(fs::read_to_string(beside.join("pool"))?, pool, "both directories name one pool");
    daemon.signal(Signal::SIGKILL)?;
    drop(daemon);
    let intent = |container: &str, pool: &str| {
        format!(
            r#"{{"schema":1,"pool":"{pool}","infraContainerID":"{container}","podInterfaceID":"{container}","ifname":"eth0"}}"#
        )
    };
    let leave = |directory: &Path, name: &str, content: String| -> Outcome {
        fs::write(directory.join(".new"), content)?;
        tool(&["chmod", "600", &directory.join(".new").display().to_string()])?;
        Ok(fs::rename(directory.join(".new"), directory.join(name))?)
    };
    leave(&beside, "one", intent("a", pool.trim()))?;
    leave(&beside, "other", intent("b", "another pool"))?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let assigned = || -> Result<u64, Failure> {
        Ok(daemon.get("/debug/status")?.json()?["pool"][0]["assigned"].as_u64().unwrap_or_default())
    };
    ensure_eq!(assigned()?, 2, "the intent of this pool is applied before anybody is served");
    ensure!(beside.join("other").exists(), "another pool's intent was taken");
    ensure!(!beside.join("one").exists(), "an applied intent is still there");
    leave(&state, "two", intent("c", pool.trim()))?;
    wait::until(Duration::from_secs(10), "an intent is applied while the daemon runs", || {
        Ok((assigned()? == 1).then_some(()))
    })
}
