//! containerd, spoken to as kubelet does: through the container runtime interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::cri::{self, PodSandbox, PodStatus};
use super::protobuf::Message;
use super::{FOLDER, Room, grpc, image};
use crate::failure::Failure;
use crate::process::{command, tool};
use crate::{tools, wait};

/// Where it looks for network configurations.
const CONFIGURATIONS: &str = "/run/engine/net.d";
const SOCKET: &str = "/run/containerd/containerd.sock";
/// What it may take to start, and to see a new configuration.
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon, ended with the value.
#[derive(Debug)]
pub struct Containerd {
    child: Child,
    cgroup: String,
    log: PathBuf,
}

impl Containerd {
    /// Starts it, without any network, and gives it the image of the pods' first container. `plugins` is the folder
    /// of the plugins.
    pub fn start(room: &Room, plugins: &Path) -> Result<Self, Failure> {
        let folder = Path::new(FOLDER);
        fs::create_dir(CONFIGURATIONS)?;
        let configuration = folder.join("containerd.toml");
        fs::write(&configuration, configuration_text(plugins))?;
        let log = folder.join("containerd.log");
        let output = fs::File::create(&log)?;
        let child = command(tools::in_path("containerd")?, ["--config"])
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let daemon = Self { child, cgroup: room.cgroup.clone(), log };
        let archive = image::write(folder)?;
        daemon.explained(|| {
            wait::until(PATIENCE, "containerd's interface", || Ok(daemon.network_ready().ok().map(drop)))?;
            let archive = archive.display().to_string();
            let import = ["images", "import", "--no-unpack", "--snapshotter", "native", &archive];
            tool(&[&["ctr", "--address", SOCKET, "--namespace", "k8s.io"], &import[..]].concat()).map(drop)
        })?;
        Ok(daemon)
    }

    /// Puts a network configuration in place as an installer does, whole, and waits until the node is ready.
    pub fn configure(&self, conflist: &Value) -> Result<(), Failure> {
        let folder = Path::new(CONFIGURATIONS);
        let draft = folder.join(".draft");
        fs::write(&draft, conflist.to_string())?;
        fs::rename(&draft, folder.join("10-podnet.conflist"))?;
        wait::until(PATIENCE, "a node with network", || Ok(self.network_ready()?.ok()))
    }

    /// Whether the node's network is ready, else why not.
    pub fn network_ready(&self) -> Result<Result<(), String>, Failure> {
        cri::network_ready(&call("Status", &Message::default())?)
    }

    /// Runs a pod's sandbox and gives its id.
    pub fn run(&self, pod: &PodSandbox) -> Result<String, Failure> {
        super::protobuf::text(&call("RunPodSandbox", &pod.run_request(&self.cgroup))?, 1)
    }

    /// What it knows of a sandbox.
    pub fn status(&self, id: &str) -> Result<PodStatus, Failure> {
        PodStatus::read(&call("PodSandboxStatus", &cri::verbosely(id))?)
    }

    /// Ends what runs in a sandbox and takes its network off.
    pub fn stop(&self, id: &str) -> Result<(), Failure> {
        call("StopPodSandbox", &cri::by_id(id)).map(drop)
    }

    /// Forgets a sandbox.
    pub fn remove(&self, id: &str) -> Result<(), Failure> {
        call("RemovePodSandbox", &cri::by_id(id)).map(drop)
    }

    /// Puts the end of the daemon's log behind the text of a failure.
    fn explained<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        work().map_err(|failure| match failure {
            Failure::Failed(text) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(20).collect();
                Failure::failed(format!("{text}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n")))
            }
            skipped @ Failure::Skipped(_) => skipped,
        })
    }
}

fn call(method: &str, request: &Message) -> Result<Vec<u8>, Failure> {
    grpc::call(Path::new(SOCKET), &format!("runtime.v1.RuntimeService/{method}"), request)
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // It may have ended by itself; the sandbox takes what it started away in any case.
        let _already_gone = self.child.kill();
        let _already_collected = self.child.wait();
    }
}

/// Below the machine's own limits: no score of the out-of-memory killer is lowered, no snapshotter is used that not
/// every file system bears.
fn configuration_text(plugins: &Path) -> String {
    format!(
        r#"version = 2
root = "{FOLDER}/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{CONFIGURATIONS}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"#,
        image = image::NAME,
        plugins = plugins.display(),
    )
}
