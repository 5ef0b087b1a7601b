//! podnet, the CNI plugin: puts one pod on the network, verifies it, takes it off.
//!
//! Started by a container runtime it is a CNI plugin, and which one says the name it is started by; by hand, with
//! arguments, the node's tool. This file is the only one that writes stdout: whatever happens, a runtime finds there one
//! JSON document or nothing.

mod adopted;
mod bandwidth;
mod cmd;
mod dropin;
mod error;
mod exec;
mod guard;
mod host_ports;
mod ipam;
mod leftovers;
mod logging;
mod masquerade;
mod mode;
mod netconf;
mod outcome;
mod plugin;
mod portmap;
mod record;
mod settings;
mod subnets;
#[cfg(test)]
mod testing;
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
    let mut args = std::env::args_os();
    let dropin = dropin::called(args.next().as_deref());
    let plugin = dropin.unwrap_or(&cmd::Podnet);
    let by_hand = dropin.is_none() && args.len() > 0;
    let outcome = if by_hand { tool::run(std::env::args_os()) } else { cmd::run(plugin) };
    if write(&outcome).is_err() {
        outcome.made.as_deref().inspect(|attachment| cmd::retract(plugin, attachment));
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
