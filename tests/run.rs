//! One run of a program.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::Failure;
use crate::program::Program;
use crate::reply::Reply;

/// The user and group `nobody` of every distribution: has no privilege and owns nothing.
const NOBODY: u32 = 65534;

/// When a program that has not ended counts as blocked: far more than any needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at whether a program has ended.
const POLL: Duration = Duration::from_micros(500);

/// A program with variables and standard input, about to be run. It inherits nothing: neither variables nor
/// directory nor privileges.
#[derive(Debug)]
pub struct Run<'p> {
    program: &'p Program,
    command: Command,
    stdin: Vec<u8>,
}

impl<'p> Run<'p> {
    /// A run without variables and arguments and with an empty standard input.
    pub fn of(program: &'p Program) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the harness runs plugins as a runtime would")]
        let mut command = Command::new(program.descriptor());
        command.arg0(program.path()).env_clear().current_dir("/");
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Self { program, command, stdin: Vec::new() }
    }

    /// Called by this name, or by a path that ends in it.
    #[must_use]
    pub fn called(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.arg0(name);
        self
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// With a variable; the last value counts.
    #[must_use]
    pub fn var(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// With these variables.
    #[must_use]
    pub fn vars(self, vars: &[(&str, &str)]) -> Self {
        vars.iter().fold(self, |run, (name, value)| run.var(name, value))
    }

    /// With this standard input.
    #[must_use]
    pub fn stdin(self, stdin: impl Into<Vec<u8>>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }

    /// With a configuration on standard input.
    #[must_use]
    pub fn config(self, config: &Value) -> Self {
        self.stdin(config.to_string())
    }

    /// Runs it to its end.
    pub fn reply(self) -> Result<Reply, Failure> {
        match file_of(&self.stdin) {
            Ok(stdin) => self.reply_to(stdin),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Runs it to its end with this as standard input.
    pub fn reply_to(mut self, stdin: impl Into<Stdio>) -> Result<Reply, Failure> {
        match output(self.command.stdin(stdin)) {
            Ok(Some(output)) => Ok(Reply::new(&self.command, &self.stdin, &output)),
            Ok(None) => Err(Failure::Blocked { program: self.program.path().to_owned() }),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Starts it and does not wait. It runs as the owner of `dir`, which becomes whoever runs these programs; what it says
    /// goes to the file `log` there.
    pub(crate) fn spawn_as_owner_of(mut self, dir: &Path) -> Result<Child, Failure> {
        if is_root() {
            chown(dir, Some(NOBODY), Some(NOBODY)).map_err(|source| self.failed(source))?;
        }
        let log = File::create(dir.join("log")).map_err(|source| self.failed(source))?;
        let spawned = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        spawned.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::Run { program: self.program.path().to_owned(), source }
    }
}

fn is_root() -> bool {
    uid() == 0
}

/// Who runs the tests.
pub(crate) fn uid() -> u32 {
    fs::metadata("/proc/self").map_or(NOBODY, |process| process.uid())
}

/// Runs the command to its end; nothing where it did not come to one. The streams are files: a pipe could fill up, or
/// break when nobody reads it.
fn output(command: &mut Command) -> io::Result<Option<Output>> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).spawn()?;
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    };
    Ok(Some(Output { status, stdout: content_of(&mut stdout)?, stderr: content_of(&mut stderr)? }))
}

fn file_of(text: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text)?;
    file.rewind()?;
    Ok(file)
}

fn content_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut content)?;
    Ok(content)
}
