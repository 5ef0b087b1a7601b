//! A cluster without machines: an API server in memory, and controllers as processes of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use podnet_fake_apiserver::ApiServer;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Whatever is waited for has this long, on the busiest machine.
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) const OBJECTS: &str = "/apis/acn.azure.com/v1alpha/namespaces/kube-system/nodenetworkconfigs";

pub(super) struct Stage {
    pub(super) server: ApiServer,
    folder: TempDir,
}

impl Stage {
    /// A server, and the configuration that controllers get: `settings` and how the server is reached.
    pub(super) fn new(settings: &str) -> Self {
        let stage = Self { server: ApiServer::start().unwrap(), folder: tempfile::tempdir().unwrap() };
        let kubeconfig = stage.path("kubeconfig");
        fs::write(&kubeconfig, stage.server.kubeconfig()).unwrap();
        let config =
            format!("kubernetes: {{kubeconfig: {}}}\nmetrics: 'off'\n{settings}", kubeconfig.display());
        fs::write(stage.path("grant.yaml"), config).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    pub(super) fn controller(&self, name: &str) -> Controller {
        let log = self.path(name);
        let process = Command::new(env!("CARGO_BIN_EXE_podnet-ipamd"))
            .args(["grant", "--config"])
            .arg(self.path("grant.yaml"))
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Controller { process, log }
    }

    pub(super) fn boot(&self, name: &str) {
        self.server.put(&format!("/api/v1/nodes/{name}"), node());
    }

    pub(super) fn remove(&self, name: &str) {
        self.server.remove(&format!("/api/v1/nodes/{name}"));
        self.server.remove(&format!("{OBJECTS}/{name}"));
    }

    /// The node asks.
    pub(super) fn ask(&self, name: &str, requested: u32, not_in_use: &[String]) {
        let spec = json!({"spec": {"requestedIPCount": requested, "ipsNotInUse": not_in_use}});
        self.server.edit(&format!("{OBJECTS}/{name}"), &spec);
    }

    pub(super) fn object(&self, name: &str) -> Value {
        self.server.get(&format!("{OBJECTS}/{name}")).unwrap_or_default()
    }

    pub(super) fn container(&self, name: &str) -> Value {
        self.object(name)["status"]["networkContainers"][0].clone()
    }

    /// The assignments of a node, by their addresses.
    pub(super) fn assigned(&self, name: &str) -> BTreeMap<String, String> {
        let container = self.container(name);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let assignments = container["ipAssignments"].as_array().into_iter().flatten();
        assignments.map(|assignment| (text(&assignment["ip"]), text(&assignment["name"]))).collect()
    }

    /// Every address of these nodes, the container's own among them.
    pub(super) fn addresses(&self, names: &[&str]) -> Vec<String> {
        let of_node = |name: &&str| {
            let primary = self.container(name)["primaryIP"].as_str().map(ToOwned::to_owned);
            self.assigned(name).into_keys().chain(primary).collect::<Vec<_>>()
        };
        names.iter().flat_map(of_node).collect()
    }

    pub(super) fn assert_nobody_shares(&self, names: &[&str]) {
        let addresses = self.addresses(names);
        let different: BTreeSet<&String> = addresses.iter().collect();
        assert_eq!(different.len(), addresses.len(), "{addresses:?}");
    }
}

fn node() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "status": {"addresses": [
            {"type": "Hostname", "address": "n"},
            {"type": "InternalIP", "address": "10.240.0.4"},
        ]},
    })
}

pub(super) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A running controller; killed when it is dropped.
pub(super) struct Controller {
    process: Child,
    log: PathBuf,
}

impl Controller {
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(super) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} is logged"), || self.log().contains(text));
    }

    /// As kill(1) calls it.
    #[expect(clippy::disallowed_methods, reason = "kill(1), for signals that std does not send")]
    pub(super) fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.process.id().to_string()).status();
        assert!(kill.unwrap().success());
    }

    pub(super) fn ends_well(&mut self) -> bool {
        self.process.wait().unwrap().success()
    }

    /// The most memory it ever had. In KiB.
    pub(super) fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
