//! What stands in for an address daemon, and answers a request for addresses with whatever the test wants.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Context as _, Failure};

/// What a request for addresses is answered with.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes, and then the end.
    Bytes(String),
    /// These bytes, one after the other with so long between them.
    Drops(String, Duration),
    /// None, for as long as the asker listens.
    Silence,
}

impl Answer {
    /// A whole answer of HTTP.
    pub fn http(status: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// A grant of one address, as a CNS gives it; the network's `gateway` may be empty.
    pub fn grant(address: &str, subnet: (&str, u8), gateway: &str) -> Self {
        let network = json!({"IPAddress": subnet.0, "PrefixLength": subnet.1});
        let members = if address.contains(':') {
            ["IPSubnetV6", "GatewayIPv6Address"]
        } else {
            ["IPSubnet", "GatewayIPAddress"]
        };
        let config = json!({(members[0]): network, (members[1]): gateway});
        let pod = json!({"IPAddress": address, "PrefixLength": subnet.1});
        let info =
            json!({"PodIPConfig": pod, "NetworkContainerPrimaryIPConfig": config, "NICType": "InfraNIC"});
        Self::ok(&json!({"podIPInfo": [info], "response": {"ReturnCode": 0, "Message": ""}}))
    }

    /// Success, with this body.
    pub fn ok(body: &Value) -> Self {
        Self::http("200 OK", &body.to_string())
    }

    /// The same, cut off in its middle.
    #[must_use]
    pub fn cut(self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.get(..bytes.len() / 2).unwrap_or_default().to_owned()),
            other => other,
        }
    }

    /// The same, dripping: whole after `time`.
    #[must_use]
    pub fn dripping(self, time: Duration) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX).max(1);
                Self::Drops(bytes, time / count)
            }
            other => other,
        }
    }
}

/// The server; it ends with the test.
#[derive(Debug)]
pub struct StandIn {
    heard: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
}

impl StandIn {
    /// On a socket that is root's alone.
    pub fn on_socket(path: &Path) -> Result<Self, Failure> {
        let listener = UnixListener::bind(path).doing(path.display())?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self::serve(move || Ok(listener.accept()?.0)))
    }

    /// On a port of the loopback link, which is given.
    pub fn on_tcp() -> Result<(Self, u16), Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        Ok((Self::serve(move || Ok(listener.accept()?.0)), port))
    }

    fn serve<S: Read + Write + Send + 'static>(
        accept: impl Fn() -> std::io::Result<S> + Send + 'static,
    ) -> Self {
        let this = Self {
            heard: Arc::default(),
            answer: Arc::new(Mutex::new(Answer::http("500 Internal Server Error", ""))),
        };
        let (heard, answer) = (Arc::clone(&this.heard), Arc::clone(&this.answer));
        thread::spawn(move || {
            while let Ok(stream) = accept() {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                thread::spawn(move || respond(stream, &heard, &answer));
            }
        });
        this
    }

    /// From now on, what requests for addresses are answered with.
    pub fn answers(&self, answer: Answer) {
        if let Ok(mut current) = self.answer.lock() {
            *current = answer;
        }
    }

    /// The paths that were asked for since the last question.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().map(|mut heard| std::mem::take(&mut *heard)).unwrap_or_default()
    }
}

/// One connection. Whatever the asker does, there is nobody to tell.
fn respond(mut stream: impl Read + Write, heard: &Mutex<Vec<String>>, answer: &Mutex<Answer>) -> Option<()> {
    let path = request(&mut stream)?;
    heard.lock().ok()?.push(path.clone());
    let answer = match path.as_str() {
        "/network/requestipconfigs" => answer.lock().ok()?.clone(),
        // As a CNS that keeps no endpoints.
        endpoint if endpoint.starts_with("/network/endpoints/") => {
            Answer::ok(&json!({"response": {"ReturnCode": 99, "Message": ""}}))
        }
        // What podnet-ipamd has, and a CNS has not.
        page if ["/readyz", "/debug/status"].iter().any(|it| page.starts_with(it)) => {
            Answer::http("404 Not Found", "404 page not found")
        }
        _ => Answer::ok(&json!({"podIPInfo": null, "response": {"ReturnCode": 0, "Message": ""}})),
    };
    match answer {
        Answer::Bytes(bytes) => stream.write_all(bytes.as_bytes()).ok(),
        Answer::Drops(bytes, pause) => {
            for byte in bytes.as_bytes() {
                stream.write_all(&[*byte]).and_then(|()| stream.flush()).ok()?;
                thread::sleep(pause);
            }
            Some(())
        }
        Answer::Silence => {
            thread::sleep(Duration::from_mins(1));
            None
        }
    }
}

/// Reads a request to its end: its path.
fn request(stream: &mut impl Read) -> Option<String> {
    let mut text = String::new();
    let mut room = [0; 4096];
    loop {
        let count = stream.read(&mut room).ok().filter(|count| *count > 0)?;
        text += &String::from_utf8_lossy(room.get(..count)?);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(head.split(' ').nth(1)?.to_owned());
        }
    }
}
