//! Running another program, a plugin or a tool: the only file that starts processes.
//!
//! The child reads its input from an anonymous file, so that none of the two can block on it, and is alone in a process
//! group, so that it can be ended with all that it started. What it says on stderr is passed on as it comes.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid, getppid};

/// More than any result has room for.
const LONGEST_OUTPUT: usize = 1 << 20;

/// How much of stderr, its end, is kept for an error.
const KEPT_OF_STDERR: usize = 512;

/// How long a file that is being written may be busy: an installation that does not rename (libcni waits as long).
const BUSY: Duration = Duration::from_secs(5);

/// How long the child may have ended unnoticed while something that it started holds its stdout open.
const GLANCE: Duration = Duration::from_millis(10);

/// One run of a program.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The program's file.
    pub(crate) program: &'a Path,
    /// What follows its name.
    pub(crate) args: &'a [&'a str],
    /// Variables besides our own.
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// All of its stdin.
    pub(crate) input: &'a [u8],
    /// After this time it is killed.
    pub(crate) limit: Duration,
}

/// A program that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The end of what it said on stderr.
    pub(crate) stderr: String,
}

/// A program that could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecError {
    /// Its input has no place.
    #[error("cannot keep the input for {}", program.display())]
    Input {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not start.
    #[error("cannot execute {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was started and then lost sight of; it was killed.
    #[error("cannot follow {}", program.display())]
    Follow {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It did not end in time, and was killed with all that it had started.
    #[error("{} did not end in {} s and was killed", program.display(), limit.as_secs())]
    TooLong {
        /// The program.
        program: PathBuf,
        /// The time that it had.
        limit: Duration,
    },
    /// It did not stop printing, and was killed with all that it had started.
    #[error("{} printed more than {LONGEST_OUTPUT} bytes and was killed", program.display())]
    TooMuch {
        /// The program.
        program: PathBuf,
    },
}

impl Run<'_> {
    /// Runs the program and waits for its end.
    pub(crate) fn to_end(&self) -> Result<Ended, ExecError> {
        let deadline = Instant::now() + self.limit;
        let mut child = self.start()?;
        let followed = self.follow(&mut child, deadline);
        if followed.is_err() {
            // Not collected yet, so that the number is still the child's.
            let group = Pid::from_raw(child.id().cast_signed());
            killpg(group, Signal::SIGKILL).ok();
            child.wait().ok();
        }
        followed
    }

    fn start(&self) -> Result<Child, ExecError> {
        let program = || self.program.to_owned();
        let input = self.input().map_err(|source| ExecError::Input { program: program(), source })?;
        let patience = Instant::now() + BUSY;
        loop {
            let mut command = command(self.program);
            let input =
                input.try_clone().map_err(|source| ExecError::Input { program: program(), source })?;
            command.args(self.args).envs(self.variables.iter().copied());
            command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            match command.spawn() {
                Err(error)
                    if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < patience =>
                {
                    sleep(Duration::from_millis(50));
                }
                started => return started.map_err(|source| ExecError::Start { program: program(), source }),
            }
        }
    }

    fn input(&self) -> io::Result<File> {
        let mut file = File::from(memfd_create("stdin", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(self.input)?;
        file.rewind()?;
        Ok(file)
    }

    fn follow(&self, child: &mut Child, deadline: Instant) -> Result<Ended, ExecError> {
        let lost = |source: io::Error| ExecError::Follow { program: self.program.to_owned(), source };
        let mut stdout = Pipe::new(child.stdout.take().map(OwnedFd::from));
        let mut stderr = Pipe::new(child.stderr.take().map(OwnedFd::from));
        loop {
            // Asked before the pipes are emptied: what it wrote before it ended is then found there.
            let ended = child.try_wait().map_err(lost)?;
            let glance = if ended.is_some() { Duration::ZERO } else { GLANCE };
            let is_quiet = wait_for_output(&mut stdout, &mut stderr, glance).map_err(lost)?;
            if let Some(status) = ended.filter(|_| is_quiet) {
                let stderr = String::from_utf8_lossy(&stderr.read).trim().to_owned();
                return Ok(Ended { status, stdout: stdout.read, stderr });
            }
            stdout.read_ready().map_err(lost)?;
            let heard = stderr.read_ready().map_err(lost)?;
            // Nobody to listen is no reason to stop.
            io::stderr().write_all(stderr.last(heard)).ok();
            stderr.forget_all_but(KEPT_OF_STDERR);
            if stdout.read.len() > LONGEST_OUTPUT {
                return Err(ExecError::TooMuch { program: self.program.to_owned() });
            }
            if Instant::now() >= deadline {
                return Err(ExecError::TooLong { program: self.program.to_owned(), limit: self.limit });
            }
        }
    }
}

/// A command that ends with us: whoever kills this process kills the child too, and need not wait for it. The kernel
/// means the thread, which is the main one, or one that waits for the child.
fn command(program: &Path) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts processes: plugins of CNI_PATH, iptables, nft"
    )]
    let mut command = Command::new(program);
    let parent = getpid();
    let follow_parent = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have ended before the kernel was told.
        if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: between fork and exec only two system calls are made; nothing is allocated and no lock taken.
    unsafe { command.pre_exec(follow_parent) };
    command
}

/// The reading end of a pipe that the child writes to.
struct Pipe {
    /// None: nobody can write any more.
    file: Option<File>,
    is_ready: bool,
    read: Vec<u8>,
}

impl Pipe {
    fn new(file: Option<OwnedFd>) -> Self {
        Self { file: file.map(File::from), is_ready: false, read: Vec::new() }
    }

    /// Reads once, if that does not block; the number of new bytes.
    fn read_ready(&mut self) -> io::Result<usize> {
        let Some(file) = self.file.as_mut().filter(|_| self.is_ready) else { return Ok(0) };
        let mut buffer = [0; 4096];
        let count = file.read(&mut buffer)?;
        if count == 0 {
            self.file = None;
        }
        self.read.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn last(&self, count: usize) -> &[u8] {
        self.read.get(self.read.len().saturating_sub(count)..).unwrap_or_default()
    }

    fn forget_all_but(&mut self, count: usize) {
        self.read.drain(..self.read.len().saturating_sub(count));
    }
}

/// Waits for something to read, no longer than `limit`; whether there is nothing.
fn wait_for_output(stdout: &mut Pipe, stderr: &mut Pipe, limit: Duration) -> io::Result<bool> {
    let mut pipes = [stdout, stderr];
    let mut files: Vec<PollFd<'_>> = Vec::new();
    for file in pipes.iter().filter_map(|pipe| pipe.file.as_ref()) {
        files.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
    }
    if files.is_empty() {
        // Its end follows at once.
        sleep(limit.min(Duration::from_micros(100)));
        return Ok(true);
    }
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
    match poll(&mut files, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let ready: Vec<bool> = files.iter().map(|file| file.any().unwrap_or_default()).collect();
    let open = pipes.iter_mut().filter(|pipe| pipe.file.is_some());
    open.zip(&ready).for_each(|(pipe, is_ready)| pipe.is_ready = *is_ready);
    Ok(!ready.contains(&true))
}

#[cfg(test)]
mod tests;
