//! A server of one document, whose every byte the test decides: wireserver and the metadata service, well and ill.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::process::tool;

/// A server; it goes with the sandbox.
#[derive(Debug, Clone)]
pub struct Origin(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    answer: Vec<u8>,
    heads: Vec<String>,
}

impl Origin {
    /// Gives the node's `lo` this address and answers there, on port 80.
    pub fn at(address: &str, answer: &str) -> Result<Self, Failure> {
        tool(&["ip", "address", "add", &format!("{address}/32"), "dev", "lo"])?;
        let listener = TcpListener::bind((address, 80)).doing(address)?;
        let origin = Self(Arc::default());
        origin.answer(answer);
        let script = origin.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 4096];
                stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
                let length = stream.read(&mut head).unwrap_or_default();
                let head = String::from_utf8_lossy(head.get(..length).unwrap_or_default()).into_owned();
                let answer = {
                    let mut script = script.locked();
                    script.heads.push(head);
                    script.answer.clone()
                };
                stream.write_all(&answer).ok();
            }
        });
        Ok(origin)
    }

    /// Answers so from now on: the bytes, head and all; none: the connection is closed.
    pub fn answer(&self, answer: impl AsRef<[u8]>) {
        self.locked().answer = answer.as_ref().to_vec();
    }

    /// The heads of all requests that came.
    pub fn heads(&self) -> Vec<String> {
        self.locked().heads.clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document as a good server sends it.
pub fn ok(document: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{document}", document.len())
}
