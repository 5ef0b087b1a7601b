//! A cluster in memory, and what the daemon makes of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use podnet_fake_apiserver::ApiServer;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::command;
use podnet_netns_tests::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::PATIENCE;

pub(super) const HOST_GW: &str = "routes: host-gw\n";
pub(super) const CLOUD: &str = "routes: cloud\n";

/// The mark of the daemon's routes (README).
const PROTOCOL: &str = "112";

/// A cluster with the node under test, `own`.
pub(super) struct Stage {
    pub(super) server: ApiServer,
    folder: TempDir,
}

impl Stage {
    pub(super) fn new() -> Result<Self, Failure> {
        let stage = Self { server: ApiServer::start()?, folder: tempfile::tempdir()? };
        stage.node("own", &["10.244.1.0/24", "fd44:1::/64"], &["10.0.0.1", "fd00::1"]);
        std::fs::write(stage.folder().join("kubeconfig"), stage.server.kubeconfig())?;
        Ok(stage)
    }

    /// The same, with a link to a network that other nodes may be on: addresses and routes need nobody there.
    pub(super) fn with_link() -> Result<Self, Failure> {
        Place::Node.ip(&["link", "add", "up0", "type", "veth", "peer", "name", "network"])?;
        Place::Node.ip(&["link", "set", "network", "up"])?;
        Place::Node.ip(&["link", "set", "up0", "up"])?;
        Place::Node.ip(&["addr", "add", "10.0.0.1/16", "dev", "up0"])?;
        Place::Node.ip(&["addr", "add", "fd00::1/64", "dev", "up0", "nodad"])?;
        Self::new()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A node with these pod ranges and internal addresses.
    pub(super) fn node(&self, name: &str, cidrs: &[&str], internal: &[&str]) {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"podCIDR": cidrs.first(), "podCIDRs": cidrs},
            "status": {"addresses": addresses(internal)},
        });
        self.server.put(&path(name), node);
    }

    fn configuration(&self, rest: &str) -> String {
        format!(
            "source: {{kind: static, subnet: 10.244.1.0/24, ranges: [10.244.1.16/28]}}\n\
             kubernetes: {{kubeconfig: {}/kubeconfig, node: own}}\n{rest}",
            self.folder().display()
        )
    }

    pub(super) fn start(&self, rest: &str) -> Result<Ipamd, Failure> {
        Ipamd::start(self.folder(), &self.configuration(rest))
    }

    pub(super) fn configure(&self, rest: &str) -> Outcome {
        Ipamd::configure(self.folder(), &self.configuration(rest))
    }

    /// Waits until our node's condition `NetworkUnavailable` is this.
    pub(super) fn until_condition(&self, status: &str, reason: &str) -> Outcome {
        wait::until(PATIENCE, format_args!("NetworkUnavailable is {status} ({reason})"), || {
            let node = self.server.get(&path("own")).unwrap_or_default();
            let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let condition = conditions.iter().find(|one| one["type"] == "NetworkUnavailable");
            Ok(condition.filter(|one| one["status"] == status && one["reason"] == reason).map(|_| ()))
        })
    }
}

pub(super) fn path(node: &str) -> String {
    format!("/api/v1/nodes/{node}")
}

/// A status with this one condition.
pub(super) fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"status": {"conditions": [{"type": kind, "status": status, "reason": reason}]}})
}

/// `status.addresses` of a node with these.
pub(super) fn addresses(internal: &[&str]) -> Value {
    let entry = |address: &&str| json!({"type": "InternalIP", "address": address});
    internal.iter().map(entry).collect()
}

pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim)
}

/// The daemon's routes, as `DESTINATION VIA LINK`.
pub(super) fn routes() -> Result<Vec<String>, Failure> {
    let mut routes = Vec::new();
    for family in ["-4", "-6"] {
        let listed = Place::Node.ip_json(&[family, "route", "show", "proto", PROTOCOL])?;
        let text = |route: &Value, name: &str| route[name].as_str().unwrap_or("none").to_owned();
        routes.extend(
            listed
                .as_array()
                .into_iter()
                .flatten()
                .map(|route| [text(route, "dst"), text(route, "gateway"), text(route, "dev")].join(" ")),
        );
    }
    routes.sort();
    Ok(routes)
}

pub(super) fn until_routes(expected: &[&str]) -> Outcome {
    let mut last = Vec::new();
    let reached = wait::until(PATIENCE, "the routes", || {
        last = routes()?;
        Ok((last == expected).then_some(()))
    });
    reached.map_err(|failure| failure.while_doing(format_args!("wanted {expected:?}, found {last:?}")))
}

/// Waits until the status of the daemon's routes is as wanted.
pub(super) fn until_status(daemon: &Ipamd, what: &str, is_it: impl Fn(&Value) -> bool) -> Outcome {
    let mut last = Value::Null;
    let reached = wait::until(PATIENCE, what, || {
        last = daemon.get("/debug/status")?.json()?["routes"].take();
        Ok(is_it(&last).then_some(()))
    });
    reached.map_err(|failure| failure.while_doing(format_args!("found {last}")))
}

pub(super) fn until_refused(daemon: &Ipamd, text: &str) -> Outcome {
    until_status(daemon, text, |routes| {
        routes["refused"].as_array().is_some_and(|refused| refused.iter().any(|one| one == text))
    })
}

/// What the kernel says about routes while something is done.
pub(super) struct Changes {
    monitor: Child,
    lines: BufReader<ChildStdout>,
}

/// Destinations that nobody else has routes to.
const BEGIN: &str = "198.51.100.0/24";
const END: &str = "203.0.113.0/24";

impl Changes {
    /// Begins to listen; returns when it hears.
    pub(super) fn follow() -> Result<Self, Failure> {
        let mut monitor = command("ip", ["monitor", "route"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .doing("start ip monitor")?;
        let stdout = monitor.stdout.take().doing("its stdout")?;
        let mut changes = Self { monitor, lines: BufReader::new(stdout) };
        // It says nothing when it begins to listen: something is changed until it tells of it.
        let end = std::time::Instant::now() + PATIENCE;
        let heard = std::thread::scope(|scope| {
            let first = scope.spawn(|| changes.until(BEGIN));
            while !first.is_finished() && std::time::Instant::now() < end {
                Place::Node.ip(&["route", "add", BEGIN, "dev", "lo"])?;
                Place::Node.ip(&["route", "del", BEGIN, "dev", "lo"])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            first.join().map_err(|_panic| Failure::failed("the reader panicked"))?
        });
        heard?;
        Ok(changes)
    }

    /// All that was said since about the daemon's routes.
    pub(super) fn until_sentinel(mut self) -> Result<Vec<String>, Failure> {
        Place::Node.ip(&["route", "add", END, "dev", "lo"])?;
        let heard = self.until(END)?;
        Ok(heard.into_iter().filter(|line| line.contains(&format!("proto {PROTOCOL}"))).collect())
    }

    /// The lines before the one that names a destination.
    fn until(&mut self, destination: &str) -> Result<Vec<String>, Failure> {
        let mut heard = Vec::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Err(Failure::failed(format!("ip monitor ended, having said {heard:?}")));
            }
            if line.contains(destination) {
                return Ok(heard);
            }
            heard.push(line);
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        // The sandbox takes it away in any case.
        let _already_gone = self.monitor.kill();
        let _already_collected = self.monitor.wait();
    }
}
