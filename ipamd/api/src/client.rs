//! A blocking client for a process that lives some milliseconds: one connection a call, no threads, no runtime.
//!
//! ```text
//!  connect (again, while nobody listens) ─▶ write request ─▶ read reply, all before one deadline
//! ```
//!
//! Every wait and every size has a bound. What failed says whether the server can have acted on the request
//! ([`ClientError::may_have_acted`]) and whether the same call may succeed later ([`ClientError::may_pass`]).

mod connection;
mod error;
mod http;
mod server;

use std::io::Write;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::ClientError;
pub use server::{Server, ServerError};

use crate::endpoint::EndpointReply;
use crate::{
    ASKED_HEADER, CONTENT_TYPE, IpConfigReply, IpConfigRequest, IpConfigsReply, IpConfigsRequest, Response,
    decode, encode, path,
};
use connection::Connection;

/// HTTP status "OK" and "Not Found" (RFC 9110 section 15).
const OK: u16 = 200;
const NOT_FOUND: u16 = 404;

/// Who is asked, and how patiently.
#[derive(Debug, Clone)]
pub struct Client {
    /// The server.
    pub server: Server,
    /// How long a whole call may take.
    pub limit: Duration,
    /// For how much of that a server that does not listen is tried again, as while it restarts; zero: not at all.
    pub patience: Duration,
}

/// A question that is on its way. The server works on it while the caller does something else.
#[derive(Debug)]
pub struct Asked {
    path: String,
    connection: Connection,
}

impl Client {
    /// Addresses for a pod. A server that has only the single form is asked in that.
    pub fn request_ips(&self, request: &IpConfigsRequest) -> Result<IpConfigsReply, ClientError> {
        self.granted_ips(request, self.ask_ips(request)?)
    }

    /// The first half of [`Client::request_ips`], which waits for nothing but a server that does not listen yet.
    pub fn ask_ips(&self, request: &IpConfigsRequest) -> Result<Asked, ClientError> {
        self.ask("POST", path::REQUEST_IP_CONFIGS, &encode(request))
    }

    /// The second half of [`Client::request_ips`], with the same request.
    pub fn granted_ips(
        &self,
        request: &IpConfigsRequest,
        asked: Asked,
    ) -> Result<IpConfigsReply, ClientError> {
        let reply: IpConfigsReply = match self.answer(asked) {
            Err(ClientError::Status { status: NOT_FOUND, .. }) => {
                let single = IpConfigRequest::from(request.clone());
                self.post::<_, IpConfigReply>(path::REQUEST_IP_CONFIG, &single)?.into()
            }
            body => self.read(path::REQUEST_IP_CONFIGS, &body?)?,
        };
        self.accept(path::REQUEST_IP_CONFIGS, &reply.response)?;
        Ok(reply)
    }

    /// Gives back whatever the pod has. That it has nothing is no error.
    pub fn release_ips(&self, request: &IpConfigsRequest) -> Result<(), ClientError> {
        let reply: IpConfigsReply = match self.post(path::RELEASE_IP_CONFIGS, request) {
            Err(ClientError::Status { status: NOT_FOUND, .. }) => {
                self.post(path::RELEASE_IP_CONFIG, &IpConfigRequest::from(request.clone()))?
            }
            reply => reply?,
        };
        self.accept(path::RELEASE_IP_CONFIGS, &reply.response)
    }

    /// What the server knows of a container's interfaces. The return code says whether it keeps that, and whether it has
    /// any.
    ///
    /// # Arguments
    /// `container`: the sandbox's ID, of letters, digits, `_`, `.` and `-`.
    pub fn endpoint(&self, container: &str) -> Result<EndpointReply, ClientError> {
        self.get(&format!("{}{container}", path::ENDPOINTS))
    }

    /// Whether the server can serve an ADD now: [`ClientError::Status`] has its reason where not. A server without such a
    /// page is ready when it listens.
    pub fn ready(&self) -> Result<(), ClientError> {
        match self.call("GET", path::READYZ, &[]) {
            Ok(_) | Err(ClientError::Status { status: NOT_FOUND, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks with a body and reads the answer's.
    pub fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<A, ClientError> {
        self.read(path, &self.call("POST", path, &encode(question))?)
    }

    /// Asks without a body and reads the answer's.
    pub fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        self.read(path, &self.call("GET", path, &[])?)
    }

    fn read<A: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<A, ClientError> {
        decode(body).map_err(|source| ClientError::Body {
            server: self.server.clone(),
            path: path.to_owned(),
            source,
        })
    }

    fn accept(&self, path: &str, response: &Response) -> Result<(), ClientError> {
        if response.return_code.is_success() {
            return Ok(());
        }
        Err(ClientError::Refused {
            server: self.server.clone(),
            path: path.to_owned(),
            code: response.return_code,
            message: response.message.clone(),
        })
    }

    /// The body of an answer with status 200.
    fn call(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, ClientError> {
        self.answer(self.ask(method, path, body)?)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Asked, ClientError> {
        let start = Instant::now();
        let asked = since_boot().as_nanos().to_string();
        let headers = [("Content-Type", CONTENT_TYPE), (ASKED_HEADER, asked.as_str())];
        let request = http::request(method, path, self.server.host(), &headers, body);
        let connected =
            Connection::open(&self.server, start + self.patience.min(self.limit), start + self.limit);
        let mut connection =
            connected.map_err(|source| ClientError::Connect { server: self.server.clone(), source })?;
        connection.write_all(&request).map_err(|source| self.lost(path, source))?;
        Ok(Asked { path: path.to_owned(), connection })
    }

    fn answer(&self, asked: Asked) -> Result<Vec<u8>, ClientError> {
        let Asked { path, mut connection } = asked;
        let answer = http::read_answer(&mut connection).map_err(|source| self.lost(&path, source))?;
        if answer.status == OK {
            return Ok(answer.body);
        }
        Err(ClientError::Status {
            server: self.server.clone(),
            path,
            status: answer.status,
            text: readable(&answer.body),
        })
    }

    fn lost(&self, path: &str, source: std::io::Error) -> ClientError {
        ClientError::Lost { server: self.server.clone(), path: path.to_owned(), source }
    }
}

/// The clock of [`ASKED_HEADER`], which goes on while the node sleeps.
fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// The beginning of a text for people, in one line.
fn readable(body: &[u8]) -> String {
    const QUOTED: usize = 300;
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|letter| !letter.is_control()).take(QUOTED).collect()
}

#[cfg(test)]
mod tests;
