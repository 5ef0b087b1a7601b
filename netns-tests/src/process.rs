//! Child processes: run to the end with their input given and their output, times and memory noted.

use std::ffi::OsStr;
use std::fmt;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::libc;

use crate::failure::{Context as _, Failure};

/// A finished child.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The program and its arguments, for messages.
    pub argv: String,
    /// Exit code or signal.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// From before the process was made until it was collected.
    pub wall: Duration,
    /// User and system time of it and of every descendant that it collected.
    pub cpu: Duration,
    /// Peak resident set of the largest of these processes, in KiB (`ru_maxrss`).
    pub max_rss_kib: u64,
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}\n  stdout: {}\n  stderr: {}", self.argv, self.status, self.stdout, self.stderr)
    }
}

impl Finished {
    /// Standard output of a child that exited with 0; else a failure that shows everything.
    pub fn success(self) -> Result<String, Failure> {
        if self.status.success() { Ok(self.stdout) } else { Err(Failure::failed(self.to_string())) }
    }
}

/// A command with these arguments: the one place of the harness where processes begin.
pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the harness runs plugins and tools as a runtime would")]
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a tool that must succeed and gives its standard output.
pub fn tool(words: &[&str]) -> Result<String, Failure> {
    let (program, args) = words.split_first().doing("an empty command line")?;
    run(&mut command(program, args), b"")?.success()
}

/// Runs a command to its end with the given standard input.
pub fn run(command: &mut Command, stdin: &[u8]) -> Result<Finished, Failure> {
    // Input and standard error go through files, so that no pipe can fill up and block either side.
    let mut input = tempfile::tempfile().doing("temporary file for stdin")?;
    input.write_all(stdin)?;
    input.rewind()?;
    let mut errors = tempfile::tempfile().doing("temporary file for stderr")?;
    command.stdin(input).stdout(Stdio::piped()).stderr(errors.try_clone()?);
    let argv = argv_of(command);

    let begin = Instant::now();
    let mut child = command.spawn().doing(format_args!("start `{argv}`"))?;
    let mut stdout = Vec::new();
    child.stdout.take().doing("stdout of the child")?.read_to_end(&mut stdout)?;
    let (status, usage) = collect(child.id()).doing(format_args!("wait for `{argv}`"))?;
    let wall = begin.elapsed();

    let mut stderr = String::new();
    errors.rewind()?;
    errors.read_to_string(&mut stderr)?;
    Ok(Finished {
        argv,
        status,
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr,
        wall,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or_default(),
    })
}

/// Program and arguments on one line.
pub fn argv_of(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Waits for the child and gives its resource usage, which the standard library throws away.
fn collect(pid: u32) -> Result<(ExitStatus, libc::rusage), Failure> {
    let pid = libc::pid_t::try_from(pid)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live locals of the types that wait4 writes.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
    if reaped != pid {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: an all-zero rusage is a valid one, and wait4 has filled it.
    Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
}
