//! A packet capture on a link of the node, running while something else is done.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Context as _, Failure};
use crate::process::command;
use crate::tools;

/// tcpdump, ended with the value.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    /// Starts to capture on `link` what matches the pcap `filter`; returns when the capture runs.
    pub fn start(link: &str, filter: &str) -> Result<Self, Failure> {
        // As root, and writing each packet when it comes; names and sizes would only be noise.
        let args = ["-i", link, "-l", "-n", "-t", "-e", "--immediate-mode", "-Z", "root", filter];
        let mut child = command(tools::in_path("tcpdump")?, args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().doing("tcpdump's stdout")?;
        let stderr = child.stderr.take().doing("tcpdump's stderr")?;
        let watch = Self { child, lines: follow(stdout) };
        let mut said = String::new();
        for message in BufReader::new(stderr).lines() {
            let message = message?;
            if message.contains("listening on") {
                return Ok(watch);
            }
            said += &message;
        }
        Err(Failure::failed(format!("tcpdump on {link} ended: {said}")))
    }

    /// Waits for a packet whose line contains every one of the texts.
    pub fn expect(&self, texts: &[&str], limit: Duration) -> Result<String, Failure> {
        let end = Instant::now() + limit;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if texts.iter().all(|text| line.contains(text)) {
                return Ok(line);
            }
            seen.push(line);
        }
        Err(Failure::failed(format!(
            "no packet with {texts:?} within {limit:?}, but:\n  {}",
            seen.join("\n  ")
        )))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself; the sandbox takes it away in any case.
        let _already_gone = self.child.kill();
        let _already_collected = self.child.wait();
    }
}

fn follow(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
