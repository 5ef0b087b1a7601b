//! Faults at every step of a process: killed at its Nth system call, or that call failed.
//!
//! A kill is done by a tracer of our own: it counts the calls of all threads together as they are entered, so N runs over
//! every point at which the process can have changed anything. An error in place of a call is injected by strace, which
//! counts each call by its name in each thread.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::failure::{Context as _, Failure};
use crate::process::{Finished, argv_of, command, run};
use crate::tools;

/// How a traced process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Killed at the system call that was asked for.
    Killed,
    /// By itself, after so many system calls.
    Finished {
        /// Calls of all threads together.
        calls: usize,
        /// Exit code.
        code: i32,
    },
}

/// Runs the command with `stdin`, and kills it as it enters its `at`th system call (from 1) after exec.
pub fn kill_at(mut traced: Command, stdin: &[u8], at: usize) -> Result<End, Failure> {
    use std::io::{Seek as _, Write as _};
    let mut input = tempfile::tempfile()?;
    input.write_all(stdin)?;
    input.rewind()?;
    traced.stdin(input).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    // SAFETY: between fork and exec only ptrace(2) is called, which is async-signal-safe.
    unsafe { traced.pre_exec(|| Ok(ptrace::traceme()?)) };
    let argv = argv_of(&traced);
    let child = traced.spawn().doing(&argv)?;
    let main = Pid::from_raw(i32::try_from(child.id())?);
    follow(main, at).doing(format_args!("trace `{argv}`"))
}

fn follow(main: Pid, at: usize) -> Result<End, Failure> {
    // The stop after exec.
    waitpid(main, None)?;
    let threads = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK;
    ptrace::setoptions(main, threads | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)?;
    ptrace::syscall(main, None)?;
    let mut calls = 0;
    let mut traced = HashSet::from([main]);
    // The kernel stops a thread alternately as it enters a call and as it leaves it.
    let mut in_call = HashSet::new();
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL))?;
        traced.extend(status.pid());
        let deliver = match status {
            WaitStatus::Exited(pid, code) if pid == main => return Ok(End::Finished { calls, code }),
            WaitStatus::Signaled(pid, Signal::SIGKILL, _) if pid == main && calls == at => {
                return Ok(End::Killed);
            }
            WaitStatus::Signaled(pid, signal, _) if pid == main => {
                return Err(Failure::failed(format!("ended by {signal} at system call {calls}")));
            }
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => continue,
            WaitStatus::PtraceSyscall(pid) => {
                if in_call.insert(pid) {
                    calls += 1;
                    if calls == at {
                        // Its children too, as when a container is ended. Some of them may be gone.
                        for pid in &traced {
                            let _gone = kill(*pid, Signal::SIGKILL);
                        }
                        continue;
                    }
                } else {
                    in_call.remove(&pid);
                }
                None
            }
            // The first stop of a new thread, or one that the tracer has caused: not a signal of the program's.
            WaitStatus::Stopped(_, Signal::SIGSTOP | Signal::SIGTRAP) | WaitStatus::PtraceEvent(..) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        if let Some(pid) = status.pid() {
            // A thread that SIGKILL has taken away meanwhile cannot be continued.
            let _gone = ptrace::syscall(pid, deliver);
        }
    }
}

/// How often each of the named system calls is made by the thread that makes it most often.
pub fn count(traced: &Command, stdin: &[u8], names: &str) -> Result<Vec<(String, usize)>, Failure> {
    let log = tempfile::tempdir()?;
    let prefix = log.path().join("trace");
    let mut strace =
        under_strace(traced, &["-ff", "-qq", "-e", &format!("trace={names}"), "-o"], Some(&prefix))?;
    run(&mut strace, stdin)?;
    let mut most = std::collections::BTreeMap::new();
    for file in fs::read_dir(log.path())? {
        let mut of_thread = std::collections::BTreeMap::<String, usize>::new();
        for line in fs::read_to_string(file?.path())?.lines() {
            if let Some((name, _)) = line.split_once('(') {
                *of_thread.entry(name.to_owned()).or_default() += 1;
            }
        }
        for (name, number) in of_thread {
            let known = most.entry(name).or_insert(number);
            *known = number.max(*known);
        }
    }
    Ok(most.into_iter().collect())
}

/// A run in which calls were made to fail.
#[derive(Debug)]
pub struct Failed {
    /// How it ended.
    pub finished: Finished,
    /// How many calls failed: each thread has an `nth` one.
    pub calls: usize,
}

/// Runs the command with the `nth` call of `name` failing with `errno` (as `ENOSPC`) instead of being made.
pub fn fail_at(
    traced: &Command,
    stdin: &[u8],
    name: &str,
    nth: usize,
    errno: &str,
) -> Result<Failed, Failure> {
    let log = tempfile::NamedTempFile::new()?;
    let inject = format!("inject={name}:error={errno}:when={nth}");
    let options = ["-f", "-qq", "-e", &format!("trace={name}"), "-e", &inject, "-o"];
    let finished = run(&mut under_strace(traced, &options, Some(log.path()))?, stdin)?;
    let calls = fs::read_to_string(log.path())?.matches("(INJECTED)").count();
    Ok(Failed { finished, calls })
}

fn under_strace(
    traced: &Command,
    options: &[&str],
    log: Option<&std::path::Path>,
) -> Result<Command, Failure> {
    let mut strace = command(tools::in_path("strace")?, options);
    strace.args(log).arg("--").arg(traced.get_program()).args(traced.get_args());
    for (name, value) in traced.get_envs() {
        strace.env(name, value.unwrap_or_default());
    }
    Ok(strace)
}
