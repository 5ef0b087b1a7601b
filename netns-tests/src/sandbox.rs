//! A sandbox is a node of its own for one test: fresh net, mount, pid and ipc namespaces with their own `/proc`, `/sys`,
//! `/run` and `/var/lib/cni`, in which the test binary runs itself again as process 1.
//!
//! Nothing a test makes can leave it: when process 1 ends, or its `unshare` parent is killed, the kernel ends every
//! process in it and takes the links, rules, mounts and namespaces away.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use crate::failure::{Context as _, Failure, Missing, Outcome};
use crate::process::{command, tool};

/// Exit codes by which process 1 tells its verdict; its output is the text.
const PASSED: u8 = 0;
const FAILED: u8 = 1;
const LACKS_TOOL: u8 = 77;
const LACKS_FEATURE: u8 = 78;

/// Runs this program again in a sandbox, with these arguments, and gives what [`verdict`] reported there.
/// After `limit` the whole sandbox is killed.
pub fn run_isolated(args: &[&str], limit: Duration) -> Outcome {
    let mut child_command = isolated(args)?;
    let (mut output, write_end) = io::pipe()?;
    child_command.stdin(std::process::Stdio::null()).stdout(write_end.try_clone()?).stderr(write_end);
    let mut child = child_command.spawn().doing("start unshare")?;
    // The command holds the write end: without it, end of file means that the last process of the sandbox is gone.
    drop(child_command);

    let (sender, finished) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // A read error leaves what was read so far, which is all there is to show.
        let _ended = output.read_to_end(&mut text);
        let _receiver_may_be_gone = sender.send(());
        String::from_utf8_lossy(&text).into_owned()
    });
    let in_time = finished.recv_timeout(limit).is_ok();
    if !in_time {
        child.kill()?;
    }
    let status = child.wait()?;
    let text = reader.join().unwrap_or_default();
    if !in_time {
        return Err(Failure::failed(format!("killed after {limit:?}; so far it printed:\n{text}")));
    }
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(PASSED) => Ok(()),
        Some(LACKS_TOOL) => Err(Failure::Skipped(Missing::Tool(text))),
        Some(LACKS_FEATURE) => Err(Failure::Skipped(Missing::Feature(text))),
        Some(FAILED) => Err(Failure::Failed(text)),
        _ => Err(Failure::failed(format!("{status}\n{text}"))),
    }
}

/// Runs this program again in a sandbox, with these arguments, on the caller's terminal.
pub fn run_attached(args: &[&str]) -> Result<std::process::ExitStatus, Failure> {
    isolated(args)?.status().doing("start unshare")
}

/// The command that starts this program as process 1 of new namespaces.
fn isolated(args: &[&str]) -> Result<std::process::Command, Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Failure::Skipped(Missing::Tool("needs root: run it with `sudo -E`".into())));
    }
    let unshare = [
        "--net",
        "--mount",
        "--pid",
        "--ipc",
        "--fork",
        "--kill-child=KILL",
        "--propagation",
        "private",
        "--",
    ];
    let mut again = command("unshare", unshare);
    again.arg(std::env::current_exe()?).args(args);
    Ok(again)
}

/// In the sandbox: prints the text of the outcome and gives the exit code for [`run_isolated`] to read.
pub fn verdict(outcome: &Outcome) -> std::process::ExitCode {
    let (code, text) = match outcome {
        Ok(()) => (PASSED, ""),
        Err(Failure::Failed(text)) => (FAILED, text.as_str()),
        Err(Failure::Skipped(Missing::Tool(text))) => (LACKS_TOOL, text.as_str()),
        Err(Failure::Skipped(Missing::Feature(text))) => (LACKS_FEATURE, text.as_str()),
    };
    // With nobody reading there is nobody to tell either.
    let _reader_may_be_gone = io::stdout().write_all(text.as_bytes());
    code.into()
}

/// First thing in the sandbox: mounts what must be the sandbox's own and brings loopback up.
/// An empty `/var/lib/cni` to mount on is all that the machine itself may get from it.
pub fn enter() -> Outcome {
    // Only ever in namespaces of our own: a test run by hand without them must not hide the machine's folders.
    if std::process::id() != 1 {
        return Err(Failure::failed("not process 1 of a pid namespace: start it through the test runner"));
    }
    let cgroups = File::open("/sys/fs/cgroup").doing("the machine's control groups")?;
    let hardened = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, on) in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run"), ("tmpfs", "/var/lib/cni")] {
        fs::create_dir_all(on).doing(on)?;
        mount(Some(kind), on, Some(kind), hardened, None::<&str>)
            .doing(format_args!("mount {kind} on {on}"))?;
    }
    // Container engines need them, and cannot make their own.
    let there = format!("/proc/self/fd/{}", cgroups.as_raw_fd());
    let all = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(there.as_str()), "/sys/fs/cgroup", None::<&str>, all, None::<&str>)
        .doing("keep the machine's control groups")?;
    fs::create_dir(crate::netns::FOLDER)?;
    if Path::new("/etc/cni").is_dir() {
        mount(Some("tmpfs"), "/etc/cni", Some("tmpfs"), hardened, None::<&str>)
            .doing("mount tmpfs on /etc/cni")?;
    }
    tool(&["ip", "link", "set", "lo", "up"])?;
    Ok(())
}
