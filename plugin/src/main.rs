//! podnet, the CNI plugin: puts one pod on the network, verifies it, takes it off.
//!
//! Started by a container runtime it is a CNI plugin; by hand, with arguments, the node's tool. This file is the only
//! one that writes stdout: whatever happens, a runtime finds there one JSON document or nothing.

mod bandwidth;
mod cmd;
mod error;
mod exec;
mod host_ports;
mod ipam;
mod logging;
mod mode;
mod netconf;
mod outcome;
mod record;
mod settings;
mod tool;

use std::io::Write;
use std::process::ExitCode;

use outcome::Outcome;

// musl's own allocator maps and unmaps memory for nearly every netlink message.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        write(&Outcome::panicked(panic)).ok();
    }));
    let outcome = if std::env::args_os().len() > 1 { tool::run(std::env::args_os()) } else { cmd::run() };
    if write(&outcome).is_err() {
        outcome.made.as_deref().inspect(|attachment| cmd::retract(attachment));
        return ExitCode::FAILURE;
    }
    ExitCode::from(outcome.code)
}

/// Writes both streams. What is for people may get lost, what is for the runtime may not.
fn write(outcome: &Outcome) -> std::io::Result<()> {
    std::io::stderr().write_all(outcome.stderr.as_bytes()).ok();
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(outcome.stdout.as_bytes())?;
    stdout.flush()
}
