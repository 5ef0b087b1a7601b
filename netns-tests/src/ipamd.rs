//! podnet-ipamd, running for the time of a test, and a plain HTTP client for it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::failure::{Context as _, Failure};
use crate::machine::Machine;
use crate::process::command;
use crate::subject::{Family, GATEWAY_V4, GATEWAY_V6, SUBNET_V4, SUBNET_V6};
use crate::tools;
use crate::wait;

/// How long the daemon may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Ipamd {
    child: Child,
    folder: PathBuf,
    socket: PathBuf,
}

/// An assigned address, as the daemon sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    /// The address.
    pub address: String,
    /// The container's ID.
    pub container: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.body).doing(format_args!("read {}", self.body))
    }

    /// The first address of a grant.
    pub fn address(&self) -> Result<String, Failure> {
        let reply = self.json()?;
        let address = reply["podIPInfo"][0]["PodIPConfig"]["IPAddress"].as_str().unwrap_or_default();
        if address.is_empty() {
            return Err(Failure::failed(format!("no address in {}", self.body)));
        }
        Ok(address.to_owned())
    }
}

impl Ipamd {
    /// Starts the daemon with its state in `folder`. `rest` is the configuration but for `state`, which lies there, too; a
    /// configuration without `metrics` has none.
    pub fn start(folder: &Path, rest: &str) -> Result<Self, Failure> {
        Self::start_at(&folder.join("state/ipamd.sock"), folder, rest)
    }

    /// The same, with its socket where `rest` says.
    pub fn start_at(socket: &Path, folder: &Path, rest: &str) -> Result<Self, Failure> {
        Self::configure(folder, rest)?;
        Self::launch(&mut serve(folder)?, folder, socket)
    }

    /// Starts the daemon on another node, with its state in that node's `folder`.
    pub fn start_on(node: &Machine, folder: &Path, rest: &str) -> Result<Self, Failure> {
        let seen = node.path(folder);
        write_configuration(&seen, folder, rest)?;
        Self::launch(&mut node.on(&serve(folder)?), &seen, &seen.join("state/ipamd.sock"))
    }

    /// # Arguments
    /// `folder`, `socket`: as they are seen from here.
    fn launch(serve: &mut Command, folder: &Path, socket: &Path) -> Result<Self, Failure> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .doing("open the log")?;
        let child = serve
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .doing("start podnet-ipamd")?;
        let mut daemon = Self { child, folder: folder.to_owned(), socket: socket.to_owned() };
        wait::until(PATIENCE, "podnet-ipamd listens", || {
            if let Some(status) = daemon.child.try_wait()? {
                return Err(Failure::failed(format!("podnet-ipamd ended with {status}: {}", daemon.log()?)));
            }
            Ok(UnixStream::connect(socket).ok())
        })?;
        Ok(daemon)
    }

    /// Writes the configuration, by rename.
    pub fn configure(folder: &Path, rest: &str) -> Result<(), Failure> {
        write_configuration(folder, folder, rest)
    }

    /// Waits until it can serve an ADD.
    pub fn ready(&self) -> Result<(), Failure> {
        wait::until(PATIENCE, "podnet-ipamd is ready", || {
            Ok((self.get("/readyz")?.status == 200).then_some(()))
        })
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// All that it has logged.
    pub fn log(&self) -> Result<String, Failure> {
        fs::read_to_string(self.folder.join("log")).doing("read the log")
    }

    /// Resident bytes.
    pub fn resident(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).doing("read its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).doing("find VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// User and system time that it has taken.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).doing("read its stat")?;
        let (_, fields) = stat.rsplit_once(") ").doing("find the end of its name")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
        // `USER_HZ`, which Linux shows to programs as 100 whatever it is inside.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        kill(self.pid(), signal).doing("send a signal")
    }

    /// Ends it in order: its exit status.
    pub fn stop(mut self) -> Result<std::process::ExitStatus, Failure> {
        self.signal(Signal::SIGTERM)?;
        wait::until(PATIENCE, "podnet-ipamd ends", || Ok(self.child.try_wait()?))
    }

    /// `GET` over the socket.
    pub fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask("GET", path, "")
    }

    /// `POST` over the socket.
    pub fn post(&self, path: &str, body: &str) -> Result<Answer, Failure> {
        self.ask("POST", path, body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer, Failure> {
        let mut stream = UnixStream::connect(self.socket()).doing("connect to podnet-ipamd")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        exchange(&mut stream, "localhost", method, path, body)
    }

    /// The assigned addresses, sorted.
    pub fn assigned(&self) -> Result<Vec<Assigned>, Failure> {
        let answer = self.post("/debug/ipaddresses", r#"{"IPConfigStateFilter":["Assigned"]}"#)?.json()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let assigned = |entry: &Value| Assigned {
            address: text(&entry["IPAddress"]),
            container: text(&entry["PodInfo"]["PodInfraContainerID"]),
        };
        let entries = answer["IPConfigurationStatus"].as_array();
        let mut assigned: Vec<Assigned> = entries.into_iter().flatten().map(assigned).collect();
        assigned.sort();
        Ok(assigned)
    }

    /// Addresses for a container's eth0.
    pub fn request(&self, container: &str) -> Result<Answer, Failure> {
        self.post("/network/requestipconfigs", &body_for(container))
    }

    /// The same container's addresses back.
    pub fn release(&self, container: &str) -> Result<Answer, Failure> {
        self.post("/network/releaseipconfigs", &body_for(container))
    }
}

impl Drop for Ipamd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The command that runs it with its configuration in `folder`.
fn serve(folder: &Path) -> Result<Command, Failure> {
    let config = folder.join("ipamd.yaml");
    Ok(command(tools::ipamd()?, ["serve".as_ref(), "--config".as_ref(), config.as_os_str()]))
}

/// # Arguments
/// `seen`: the daemon's `folder`, as it is seen from here.
fn write_configuration(seen: &Path, folder: &Path, rest: &str) -> Result<(), Failure> {
    let metrics = if rest.contains("metrics:") { "" } else { "metrics: 'off'\n" };
    let text = format!("state: {}/state\n{metrics}{rest}", folder.display());
    let new = seen.join("ipamd.yaml.new");
    fs::write(&new, text).doing("write the configuration")?;
    fs::rename(&new, seen.join("ipamd.yaml")).doing("rename the configuration")
}

/// A configuration's `source` and `pool`: of each of the family's subnets the addresses from `first` on, `count` of them, a
/// power of two of which `first` is a multiple. They are free again at once.
pub fn pool(family: Family, first: u8, count: u8) -> String {
    format!("source: {}\npool: {{coolDown: 0s}}\n", source(family, first, count))
}

/// The member `source` of [`pool`].
pub fn source(family: Family, first: u8, count: u8) -> Value {
    let range = |subnet: &str| {
        let network = subnet.split('/').next().unwrap_or_default();
        let bits = count.ilog2();
        if subnet.contains(':') {
            format!("{network}{first:x}/{}", 128 - bits)
        } else {
            format!("{}{first}/{}", network.trim_end_matches('0'), 32 - bits)
        }
    };
    let ranges: Vec<String> = family.pick(SUBNET_V4, SUBNET_V6).into_iter().map(range).collect();
    let mut source = json!({"kind": "static", "ranges": ranges});
    let names = family.pick(("subnet", "gateway"), ("subnetV6", "gatewayV6"));
    let networks = family.pick((SUBNET_V4, GATEWAY_V4), (SUBNET_V6, GATEWAY_V6));
    for ((subnet, gateway), (net, address)) in names.into_iter().zip(networks) {
        source[subnet] = net.into();
        source[gateway] = address.to_string().into();
    }
    source
}

/// What azure-ipam asks for a container's eth0.
pub fn body_for(container: &str) -> String {
    format!(
        r#"{{"desiredIPAddresses":null,"podInterfaceID":"{container}","infraContainerID":"{container}","orchestratorContext":{{"podName":"pod-{container}","podNamespace":"ns"}},"ifname":"eth0","secondaryInterfacesExist":false,"BackendInterfaceExist":false,"BacknendInterfaceMacAddress":null}}"#
    )
}

/// One request over TCP, under the name `host`.
pub fn over_tcp(address: &str, host: &str, method: &str, path: &str, body: &str) -> Result<Answer, Failure> {
    let mut stream = TcpStream::connect(address).doing(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    exchange(&mut stream, host, method, path, body)
}

fn exchange(
    stream: &mut (impl Read + Write),
    host: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Answer, Failure> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
}

/// Reads an answer that was sent whole.
pub fn parse(answer: &str) -> Result<Answer, Failure> {
    let (head, body) = answer.split_once("\r\n\r\n").doing(format_args!("read the answer {answer:?}"))?;
    let status = head.split(' ').nth(1).doing("find the status")?.parse()?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
