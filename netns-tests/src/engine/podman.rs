//! podman with its CNI backend: no daemon, each command reads its configuration and calls the plugins itself.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{FOLDER, Room, image};
use crate::failure::{Context as _, Failure};
use crate::process::{Finished, command, run};
use crate::tools;

/// A configuration of podman's own, with one image and one network.
#[derive(Debug)]
pub struct Podman {
    binary: PathBuf,
    network: String,
    cgroup: String,
}

impl Podman {
    /// Loads the image. `plugins` is the folder of the plugins.
    pub fn prepare(room: &Room, plugins: &Path, conflist: &Value) -> Result<Self, Failure> {
        let binary = tools::in_path("podman")?;
        let network = conflist["name"].as_str().doing("name of the network")?.to_owned();
        let folder = Path::new(FOLDER);
        let networks = folder.join("net.d");
        fs::create_dir(&networks)?;
        fs::write(networks.join(format!("{network}.conflist")), conflist.to_string())?;
        fs::write(folder.join("containers.conf"), configuration_text(plugins, &networks))?;
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{FOLDER}/storage\"\nrunroot = \"/run/containers\"\n"
        );
        fs::write(folder.join("storage.conf"), storage)?;
        let podman = Self { binary, network, cgroup: room.cgroup.clone() };
        podman.call(&["load", "--quiet", "--input", &image::write(folder)?.display().to_string()])?;
        Ok(podman)
    }

    /// Makes a network in podman's own way, with podman's own choice of plugins, and uses it from now on.
    pub fn create_network(&mut self, name: &str, options: &[&str]) -> Result<(), Failure> {
        self.call(&[&["network", "create"], options, &[name]].concat())?;
        name.clone_into(&mut self.network);
        Ok(())
    }

    /// `podman ARGS`, which must succeed.
    pub fn call(&self, args: &[&str]) -> Result<String, Failure> {
        self.ask(args)?.success()
    }

    fn ask(&self, args: &[&str]) -> Result<Finished, Failure> {
        let mut podman = command(&self.binary, args);
        podman.env("CONTAINERS_CONF", Path::new(FOLDER).join("containers.conf"));
        podman.env("CONTAINERS_STORAGE_CONF", Path::new(FOLDER).join("storage.conf"));
        run(&mut podman, b"")
    }

    /// Starts a container on the network, with these options of `podman run` and this command.
    pub fn start(&self, name: &str, options: &[&str], words: &[&str]) -> Result<(), Failure> {
        self.try_to_start(name, options, words)?.success().map(drop)
    }

    /// As [`Podman::start`], whatever comes of it.
    pub fn try_to_start(&self, name: &str, options: &[&str], words: &[&str]) -> Result<Finished, Failure> {
        // Limits of the machine's own processes may be lower than those that podman would give.
        let mut args = vec!["run", "--detach", "--name", name, "--ulimit", "host"];
        args.extend(["--network", &self.network, "--cgroup-parent", &self.cgroup]);
        args.extend(options);
        args.push(image::NAME);
        args.extend(words);
        self.ask(&args)
    }

    /// Runs an image to its end, without a network: what it wrote. With these options of `podman run` and this command.
    pub fn once(&self, image: &str, options: &[&str], words: &[&str]) -> Result<String, Failure> {
        let run = ["run", "--rm", "--network", "none", "--ulimit", "host", "--cgroup-parent", &self.cgroup];
        self.call(&[&run, options, &[image], words].concat())
    }

    /// What `podman inspect` says of a container's network.
    pub fn network_of(&self, name: &str) -> Result<Value, Failure> {
        let all: Value = serde_json::from_str(&self.call(&["inspect", name])?)?;
        Ok(all[0]["NetworkSettings"]["Networks"][&self.network].clone())
    }

    /// The file of a container's network namespace.
    pub fn namespace_of(&self, name: &str) -> Result<String, Failure> {
        let path = self.call(&["inspect", "--format", "{{.NetworkSettings.SandboxKey}}", name])?;
        Ok(path.trim().to_owned())
    }
}

fn configuration_text(plugins: &Path, networks: &Path) -> String {
    format!(
        r#"[network]
network_backend = "cni"
cni_plugin_dirs = ["{}"]
network_config_dir = "{}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
"#,
        plugins.display(),
        networks.display()
    )
}
