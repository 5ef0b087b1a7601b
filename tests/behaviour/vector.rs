//! Vectors of the protocol: a request and its answer, the same for podnet and for the reference plugin.

use std::fmt::Write;
use std::io;
use std::sync::LazyLock;

use podnet_tests::{Failure, Program, Reply, Run, in_ci};

use crate::request::{ATTACHMENT, passed, podnet};

/// A request and what the answer has to be.
#[derive(Debug, Clone)]
pub(crate) struct Vector {
    name: String,
    vars: Vec<(String, String)>,
    stdin: String,
    answer: Answer,
    difference: Option<Difference>,
}

/// What a plugin answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Exit code 0 and these bytes on standard output.
    Exactly(&'static str),
    /// The error object, byte for byte: libcni's form, four spaces deep, without a newline at its end.
    Error(u32, &'static str, &'static str),
    /// An error object whose message begins so: the rest is the decoder's wording.
    ErrorBegins(u32, &'static str),
    /// The request passed the checks of the protocol, and failed on what it asks for.
    Passed,
}

/// How the reference plugin answers otherwise, and why podnet does not follow it.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    answer: Answer,
    reason: &'static str,
}

impl Vector {
    /// A request with `CNI_COMMAND` and nothing else.
    pub(crate) fn bare(command: &str) -> Self {
        Self {
            name: command.to_owned(),
            vars: Vec::new(),
            stdin: String::new(),
            answer: Answer::Passed,
            difference: None,
        }
        .var("CNI_COMMAND", command)
    }

    /// A request with the variables of an attachment.
    pub(crate) fn attached(command: &str) -> Self {
        ATTACHMENT.iter().fold(Self::bare(command), |vector, (name, value)| vector.var(name, value))
    }

    /// With another name in the list of failures than the command.
    pub(crate) fn named(self, name: impl Into<String>) -> Self {
        let command = &self.name;
        Self { name: format!("{command}, {}", name.into()), ..self }
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn stdin(self, stdin: impl Into<String>) -> Self {
        Self { stdin: stdin.into(), ..self }
    }

    pub(crate) fn answers(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// The answer of the reference plugin, and why podnet's is another.
    pub(crate) fn reference(self, answer: Answer, reason: &'static str) -> Self {
        Self { difference: Some(Difference { answer, reason }), ..self }
    }

    fn reply_of(&self, program: &Program) -> Reply {
        let run = Run::of(program).stdin(self.stdin.as_str());
        let run = self.vars.iter().fold(run, |run, (name, value)| run.var(name, value));
        run.reply().unwrap()
    }
}

impl Answer {
    fn fits(&self, reply: &Reply) -> bool {
        match *self {
            Self::Exactly(stdout) => reply.code == Some(0) && reply.stdout == stdout,
            Self::Error(code, msg, details) => {
                reply.code == Some(1) && reply.stdout == error_object(code, msg, details)
            }
            Self::ErrorBegins(code, begin) => {
                reply.error().is_ok_and(|error| error.code == code && error.msg.starts_with(begin))
            }
            // libcni's plugin side gives every error of the plugin itself the code 999.
            Self::Passed => reply.error().is_ok_and(|error| passed(&error) || error.code == 999),
        }
    }
}

fn error_object(code: u32, msg: &str, details: &str) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let mut object = format!("{{\n    \"code\": {code},\n    \"msg\": {}", text(msg));
    if !details.is_empty() {
        write!(object, ",\n    \"details\": {}", text(details)).unwrap();
    }
    object + "\n}"
}

/// Runs the vectors against podnet, and against the reference plugin where it is installed.
#[track_caller]
pub(crate) fn check(vectors: &[Vector]) {
    let mut failures = Vec::new();
    for vector in vectors {
        let reply = vector.reply_of(podnet());
        if !vector.answer.fits(&reply) {
            failures.push(format!("{}: wanted {:?}, got {reply}", vector.name, vector.answer));
        }
    }
    if let Some(reference) = reference() {
        failures.extend(vectors.iter().filter_map(|vector| misjudged(vector, reference)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What is wrong with a vector by the reference plugin's answer.
fn misjudged(vector: &Vector, reference: &Program) -> Option<String> {
    let reply = vector.reply_of(reference);
    let Vector { name, answer, difference, .. } = vector;
    match difference {
        None if !answer.fits(&reply) => {
            Some(format!("{name}: the reference differs and the vector does not say so: {reply}"))
        }
        Some(Difference { answer: other, reason }) if !other.fits(&reply) => {
            Some(format!("{name}: the reference does not differ in this way ({reason}): {reply}"))
        }
        _ => None,
    }
}

/// The reference plugin; nothing where it is not installed, which CI does not forgive.
fn reference() -> Option<&'static Program> {
    static REFERENCE: LazyLock<Result<Program, Failure>> = LazyLock::new(Program::reference_bridge);
    match REFERENCE.as_ref() {
        Ok(program) => Some(program),
        Err(missing) if in_ci() => panic!("{missing}"),
        Err(missing) => {
            skip(missing);
            None
        }
    }
}

fn skip(missing: &Failure) {
    use io::Write;
    // Past the capture of output: a skip that nobody sees would hide a hole in the tests.
    writeln!(io::stderr(), "skipped for the reference plugin: {missing}").ok();
}
