//! The operator's side: the command, reloading, the log.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::process::{Finished, command, run};
use podnet_netns_tests::{ensure, ensure_eq, tools, wait};

use super::{STATIC, Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("operator::the_command_shows_and_frees", the_command),
    ("operator::reloading_loses_no_request", reloading),
    ("operator::a_wrong_configuration_is_refused_and_the_old_one_stays", wrong_configuration),
    ("operator::check_config_names_everything_with_its_line", check_config),
];

fn ipamd(words: &[&str]) -> Result<Finished, Failure> {
    run(&mut command(tools::ipamd()?, words), b"")
}

fn the_command() -> Outcome {
    let daemon = Ipamd::start(&folder()?, STATIC)?;
    daemon.ready()?;
    let address = daemon.request("c0ffee")?.address()?;
    let socket = daemon.socket().display().to_string();
    let table = ipamd(&["status", "--socket", &socket])?.success()?;
    for expected in
        ["ready\n", "POOL", "IPv4   256     1", "pod-c0ffee", &address, "source static (10.224.0.0/16)"]
    {
        ensure!(table.contains(expected), "{expected} is not in\n{table}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&ipamd(&["status", "--json", "--socket", &socket])?.success()?)?;
    ensure_eq!(json["pods"][0]["addresses"][0], address.as_str(), "the JSON form");
    let dump: serde_json::Value = serde_json::from_str(&ipamd(&["dump", "--socket", &socket])?.success()?)?;
    ensure_eq!(dump["HTTPRestServiceData"]["PodIPConfigState"][&address]["state"], "Assigned", "the dump");
    let nobody = ipamd(&["release", "--pod", "ns/nobody", "--socket", &socket])?;
    ensure!(!nobody.status.success() && nobody.stderr.contains("holds no address"), "{nobody}");
    let freed = ipamd(&["release", "--address", &address, "--socket", &socket])?.success()?;
    ensure!(freed.contains(&address), "{freed}");
    ensure_eq!(daemon.get("/debug/status")?.json()?["pool"][0]["assigned"], 0, "assigned after the release");
    drop(daemon);
    let away = ipamd(&["status", "--socket", &socket])?;
    ensure!(!away.status.success() && away.stderr.contains("cannot reach"), "{away}");
    Ok(())
}

fn reloading() -> Outcome {
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    let more = STATIC.replace("[10.224.1.0/24]", "[10.224.1.0/24, 10.224.2.0/24]");
    let (done, failed, served) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| -> Outcome {
        for worker in 0..4 {
            let (daemon, done, failed, served) = (&daemon, &done, &failed, &served);
            scope.spawn(move || {
                let container = format!("worker-{worker}");
                while !done.load(Ordering::Relaxed) {
                    let asked = daemon.request(&container).and_then(|answer| answer.address());
                    let freed = daemon.release(&container).map(|answer| answer.status == 200);
                    let went_well = asked.is_ok() && freed.is_ok_and(|freed| freed);
                    served.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(usize::from(!went_well), Ordering::Relaxed);
                }
            });
        }
        let outcome = (|| {
            for round in 0..10 {
                let before = served.load(Ordering::Relaxed);
                let (text, total) = if round % 2 == 0 { (more.as_str(), 512) } else { (STATIC, 256) };
                Ipamd::configure(&folder, &format!("pool: {{coolDown: 0s}}\n{text}"))?;
                if round % 3 == 0 {
                    daemon.signal(Signal::SIGHUP)?;
                }
                wait::until(Duration::from_secs(10), format!("round {round} is in force"), || {
                    let status = daemon.get("/debug/status")?.json()?;
                    Ok((status["pool"][0]["total"] == total).then_some(()))
                })?;
                wait::until(Duration::from_secs(10), format!("requests in round {round}"), || {
                    Ok((served.load(Ordering::Relaxed) >= before + 4).then_some(()))
                })?;
            }
            Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        outcome
    })?;
    ensure_eq!(failed.load(Ordering::Relaxed), 0, "requests that failed of {served:?}");
    Ok(())
}

fn wrong_configuration() -> Outcome {
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, STATIC)?;
    daemon.ready()?;
    Ipamd::configure(&folder, &STATIC.replace("[10.224.1.0/24]", "[10.224.0.0/24]"))?;
    wait::until(Duration::from_secs(10), "the refusal is logged", || {
        Ok(daemon.log()?.contains("contains the gateway 10.224.0.1").then_some(()))
    })?;
    ensure_eq!(daemon.get("/debug/status")?.json()?["pool"][0]["total"], 256, "the pool");
    ensure_eq!(daemon.request("a")?.status, 200, "it serves on");
    Ok(())
}

fn check_config() -> Outcome {
    let file = folder()?.join("ipamd.yaml");
    fs::write(
        &file,
        "listen: {http: 0.0.0.0:10090}\nsource:\n  kind: static\n  subnet: 10.224.0.0/16\n  gateway: 10.224.0.1\n  ranges:\n  - 10.224.1.0/24\n  - 10.224.1.128/25\n  - 10.224.0.0/30\n",
    )?;
    let path = file.display().to_string();
    let checked = ipamd(&["check-config", "--config", &path])?;
    ensure!(!checked.status.success(), "a wrong configuration is good");
    for expected in [
        ":1: listen.http: 0.0.0.0 is no loopback address",
        ":8: source.ranges[1]: range 10.224.1.128/25 overlaps range 10.224.1.0/24",
        ":9: source.ranges[2]: range 10.224.0.0/30 contains the gateway 10.224.0.1",
    ] {
        ensure!(
            checked.stderr.contains(&format!("{path}{expected}")),
            "{expected} is not in\n{}",
            checked.stderr
        );
    }
    for example in fs::read_dir(tools::workspace().join("conf/ipamd"))? {
        let example = example?.path();
        if example.ends_with("grant.yaml") {
            // The controller's, not the daemon's.
            continue;
        }
        let example = example.display().to_string();
        let said = ipamd(&["check-config", "--config", &example])?.success()?;
        ensure!(said.contains("good"), "{example}: {said}");
    }
    Ok(())
}
