//! podnet-ipamd, running for the time of a test.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::program::Program;
use crate::run::Run;

/// Far more than the daemon needs to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that listens on a loopback port. It dies with this value.
#[derive(Debug)]
pub struct Ipamd {
    child: Child,
    http: String,
    /// Its state, gone with it.
    _dir: tempfile::TempDir,
}

impl Ipamd {
    /// Starts it with the addresses of `ranges`, in the subnet 10.224.0.0/16, and waits until it listens.
    pub fn start(ranges: &[&str]) -> Result<Self, Failure> {
        let source = json!({"kind": "static", "subnet": "10.224.0.0/16", "gateway": "10.224.0.1", "ranges": ranges,
            "nodeIP": "10.224.0.4"});
        Self::in_cluster(json!({"source": source}), "")
    }

    /// Starts it as node `n1` of the cluster that `kubeconfig` leads to, and waits until it listens: where, and where it has its
    /// state, is not taken from `config`.
    pub fn in_cluster(config: Value, kubeconfig: &str) -> Result<Self, Failure> {
        let program = Program::ipamd()?;
        let failed = |source| Failure::Run { program: program.path().to_owned(), source };
        let dir = tempfile::tempdir().map_err(failed)?;
        let (http, config) = configure(dir.path(), config, kubeconfig).map_err(failed)?;
        let run = Run::of(&program).arg("serve").arg("--config").arg(&config);
        let mut child = run.spawn_as_owner_of(dir.path())?;
        let begin = Instant::now();
        while TcpStream::connect(&http).is_err() {
            let ended = child.try_wait().map_err(failed)?.is_some();
            if ended || begin.elapsed() > PATIENCE {
                child.kill().ok();
                child.wait().ok();
                let said = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
                return Err(failed(io::Error::other(format!("it does not listen: {said}"))));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(Self { child, http, _dir: dir })
    }

    /// Host and port of its HTTP listener.
    pub fn http(&self) -> &str {
        &self.http
    }
}

/// Writes the configuration; gives host and port of the listener, and the file.
fn configure(dir: &Path, mut config: Value, kubeconfig: &str) -> io::Result<(String, PathBuf)> {
    // Another process may take the port before the daemon does: then the test says so.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let http = format!("127.0.0.1:{port}");
    let access = dir.join("kubeconfig");
    fs::write(&access, kubeconfig)?;
    config["state"] = json!(dir.join("state"));
    config["listen"] =
        json!({"socket": dir.join("ipamd.sock"), "http": http, "allowUids": [crate::run::uid()]});
    config["metrics"] = "off".into();
    config["kubernetes"] = json!({"kubeconfig": access, "node": "n1"});
    let file = dir.join("ipamd.yaml");
    fs::write(&file, config.to_string())?;
    Ok((http, file))
}

impl Drop for Ipamd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
