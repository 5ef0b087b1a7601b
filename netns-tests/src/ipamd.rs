//! podnet-ipamd in a sandbox: started, killed, started again; and what it says of its pool.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::failure::{Context as _, Failure, Outcome};
use crate::process::command;
use crate::subject::{Family, GATEWAY_V4, GATEWAY_V6, SUBNET_V4, SUBNET_V6};
use crate::{tools, wait};

/// Where a sandbox has the daemon's socket. Not in podnet's own folder, which snapshots look at.
pub const SOCKET: &str = "/run/ipamd/ipamd.sock";

/// Far more than the daemon needs to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A daemon, running or not. It dies with this value.
#[derive(Debug)]
pub struct Ipamd {
    config: PathBuf,
    socket: PathBuf,
    child: Option<Child>,
}

/// One attachment with its address, as the daemon sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    /// The address.
    pub address: String,
    /// The container's ID.
    pub container: String,
}

/// A configuration with a static source: addresses of the family's subnets from `first` on, `count` of each, a power of
/// two of which `first` is a multiple.
pub fn config(family: Family, first: u8, count: u8) -> Value {
    let range = |subnet: &str| {
        let network = subnet.split('/').next().unwrap_or_default();
        let bits = count.ilog2();
        if subnet.contains(':') {
            format!("{network}{first:x}/{}", 128 - bits)
        } else {
            format!("{}{first}/{}", network.trim_end_matches('0'), 32 - bits)
        }
    };
    let mut source = json!({"kind": "static",
        "ranges": family.pick(SUBNET_V4, SUBNET_V6).into_iter().map(range).collect::<Vec<_>>()});
    let names = family.pick(("subnet", "gateway"), ("subnetV6", "gatewayV6"));
    let networks = family.pick((SUBNET_V4, GATEWAY_V4), (SUBNET_V6, GATEWAY_V6));
    for ((subnet, gateway), (net, address)) in names.into_iter().zip(networks) {
        source[subnet] = net.into();
        source[gateway] = address.to_string().into();
    }
    json!({"state": "/run/ipamd/state", "listen": {"socket": SOCKET}, "metrics": "off", "source": source,
        "pool": {"coolDown": "0s"}})
}

impl Ipamd {
    /// Starts a daemon and waits until it is ready.
    pub fn start(config: &Value) -> Result<Self, Failure> {
        let socket = PathBuf::from(config["listen"]["socket"].as_str().unwrap_or("/run/podnet/ipamd.sock"));
        let file = Path::new("/run").join("ipamd.json");
        fs::write(&file, config.to_string())?;
        let mut daemon = Self { config: file, socket, child: None };
        daemon.start_again()?;
        Ok(daemon)
    }

    /// Starts it after it was ended, and waits until it is ready.
    pub fn start_again(&mut self) -> Outcome {
        self.launch()?;
        wait::until(PATIENCE, "the daemon's readiness", || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                let said = fs::read_to_string(log()).unwrap_or_default();
                return Err(Failure::failed(format!("the daemon ended with {status}:\n{said}")));
            }
            let answer = call(&self.socket, "GET", "/readyz", "");
            Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
        })
    }

    /// Starts it and does not wait.
    pub fn launch(&mut self) -> Outcome {
        let errors = File::options().create(true).append(true).open(log())?;
        let mut serve = command(tools::ipamd()?, ["serve", "--config"]);
        serve.arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        self.child = Some(serve.spawn().doing("start podnet-ipamd")?);
        Ok(())
    }

    /// Kills it, as the kernel does when memory is short.
    pub fn kill(&mut self) -> Outcome {
        self.end(Signal::SIGKILL)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) -> Outcome {
        self.end(Signal::SIGTERM)
    }

    /// Holds it: it listens and does not answer.
    pub fn freeze(&self) -> Outcome {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Outcome {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Outcome {
        let child = self.child.as_ref().doing("the daemon does not run")?;
        Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
    }

    fn end(&mut self, signal: Signal) -> Outcome {
        self.signal(signal)?;
        let mut child = self.child.take().doing("the daemon does not run")?;
        wait::until(PATIENCE, "the daemon's end", || Ok(child.try_wait()?.map(drop)))
    }

    /// The assigned addresses, sorted.
    pub fn assigned(&self) -> Result<Vec<Assigned>, Failure> {
        let filter = json!({"IPConfigStateFilter": ["Assigned"]}).to_string();
        let (status, body) = call(&self.socket, "POST", "/debug/ipaddresses", &filter)?;
        crate::ensure_eq!(status, 200, "status of /debug/ipaddresses, {body}");
        let body: Value = serde_json::from_str(&body)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut assigned: Vec<Assigned> = body["IPConfigurationStatus"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| Assigned {
                address: text(&entry["IPAddress"]),
                container: text(&entry["PodInfo"]["PodInfraContainerID"]),
            })
            .collect();
        assigned.sort();
        Ok(assigned)
    }

    /// Releases what a container has, behind the plugin's back.
    pub fn release(&self, container: &str) -> Outcome {
        let request = json!({"infraContainerID": container, "podInterfaceID": container,
            "orchestratorContext": {"podName": "x", "podNamespace": "x"}});
        let (status, body) = call(&self.socket, "POST", "/network/releaseipconfigs", &request.to_string())?;
        crate::ensure_eq!(status, 200, "status of a release, {body}");
        Ok(())
    }
}

impl Drop for Ipamd {
    fn drop(&mut self) {
        // Where it ended by itself there is nothing to end.
        let _may_have_ended = self.kill();
    }
}

fn log() -> &'static str {
    "/run/ipamd.log"
}

/// One request over the socket; status and body of the answer.
fn call(socket: &Path, method: &str, path: &str, body: &str) -> Result<(u16, String), Failure> {
    let mut stream = UnixStream::connect(socket).doing(socket.display())?;
    stream.set_read_timeout(Some(ANSWER))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").doing(format_args!("an answer, not {text:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.doing("a status")?, body.to_owned()))
}
